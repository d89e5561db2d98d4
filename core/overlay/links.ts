/**
 * The life of links: up, checked, doubled, suspect, idle, down. Before editing read RFC 6940 §6.5.1.8 (certificates of the link),
 * §6.6 and §6.6.5; core/link does the framing.
 *
 *   connect ──► linkUp ─ certificate? expected? ours? room? ─ no ─► close, counted, event `refused`
 *                          │ yes
 *                          ▼
 *                         ok ◄── acks ── suspect ── dead ─► close        (each change is told to the role)
 *                          │ a better double
 *                          ▼
 *                       retiring ── 2 s ─► close
 */
import type { Certificate } from "../identity/certificate.ts";
import { Link, type LinkOptions } from "../link/link.ts";
import { CloseReason, type LinkOutput } from "../link/link-machine.ts";
import { isRefused } from "../machine.ts";
import { EMPTY, equalBytes, includesBytes, toHex } from "../wire/bytes.ts";
import { MessageCode } from "../wire/codes.ts";
import { nodeDestination } from "../wire/destination.ts";
import { writePingReq } from "../wire/ping.ts";
import { encode } from "../wire/writer.ts";
import { type Connection, haveCrossed, staysOf } from "./connections.ts";
import type { LinkChange, NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import { HeldLinks } from "./held-links.ts";
import { keepAliveMessage } from "./keep-alive.ts";
import { Times } from "./limits.ts";
import type { Endpoint, NodeInput } from "./node-types.ts";

type LinkUp = Extract<NodeInput, { type: "linkUp" }>;

/** A connect under way, and whom it is for. */
export interface ConnectSpec {
	readonly endpoint: Endpoint;
	readonly expect: Uint8Array | undefined;
	readonly bootstrap: boolean;
	/** Called before anybody is told of the link, with the Node-ID it leads to. */
	known?(nodeId: Uint8Array): void;
	/** Called once: with the link, or with nothing when the connect failed or the link was refused. */
	done(connection: Connection | undefined, now: number): void;
}

/** Where messages go that come in; the hot path. */
export interface MessageSink {
	receive(message: Uint8Array, from: Connection, now: number): void;
	/** A message above max-message-size of which only the header was read. */
	tooLarge(head: Uint8Array, from: Connection, now: number): void;
}

export class Links {
	readonly #context: NodeContext;
	readonly #sink: MessageSink;
	readonly #linkLimits: LinkOptions["limits"];
	readonly #connects = new Map<number, { spec: ConnectSpec; giveUpAt: number }>();
	#lastConnect = 0;
	/** Links with output to be polled. */
	#dirty: Connection[] = [];
	#retiring = 0;
	#dueAt = Infinity;
	readonly #held = new HeldLinks();

	constructor(context: NodeContext, sink: MessageSink, linkLimits: LinkOptions["limits"]) {
		this.#context = context;
		this.#sink = sink;
		this.#linkLimits = linkLimits;
	}

	/** Opens a link; false when too many connects are under way (`done` is not called then). */
	connect(spec: ConnectSpec, now: number): boolean {
		if (this.#connects.size >= this.#context.limits.connects) return false;
		const connect = ++this.#lastConnect;
		this.#connects.set(connect, { spec, giveUpAt: now + Times.connectMs });
		this.#due(now + Times.connectMs);
		const { address, port } = spec.endpoint;
		const { instanceName } = this.#context.settings.config;
		const serverName = spec.expect === undefined ? instanceName : `${toHex(spec.expect)}.${instanceName}`;
		this.#context.emit(
			spec.expect === undefined
				? { type: "connect", connect, address, port, serverName }
				: { type: "connect", connect, address, port, expect: spec.expect, serverName },
		);
		return true;
	}

	/** True while a connect to this Node-ID is under way. */
	isConnecting(nodeId: Uint8Array): boolean {
		for (const { spec } of this.#connects.values()) {
			if (spec.expect !== undefined && equalBytes(spec.expect, nodeId)) return true;
		}
		return false;
	}

	connectFailed(connect: number, now: number): void {
		const entry = this.#connects.get(connect);
		if (entry === undefined) return;
		this.#connects.delete(connect);
		this.#context.counters.add(Counter.connectsFailed);
		entry.spec.done(undefined, now);
	}

	/** A secure stream is up. */
	linkUp(input: LinkUp, now: number): void {
		const entry = input.connect === undefined ? undefined : this.#connects.get(input.connect);
		if (input.connect !== undefined) {
			this.#connects.delete(input.connect);
			if (entry === undefined) {
				this.#context.emit({ type: "close", link: input.link, reason: "not wanted any more" });
				return;
			}
		}
		const connection = this.#admit(input, entry?.spec, now);
		if (connection?.nodeId !== undefined) entry?.spec.known?.(connection.nodeId);
		if (connection !== undefined) this.#joined(connection, now);
		entry?.spec.done(connection, now);
	}

	/** RFC 6940 §6.5.1.8 MUST: both ends check the certificate of the other. */
	#admit(input: LinkUp, spec: ConnectSpec | undefined, now: number): Connection | undefined {
		const { settings, role } = this.#context;
		const leaf = input.chain[0];
		if (leaf === undefined) return this.#refuse(input, Counter.refusedLinkCertificate, "no certificate");
		const certificate = settings.trust.check(leaf, input.chain.slice(1), this.#context.wallMs(now));
		if (isRefused(certificate)) return this.#refuse(input, Counter.refusedLinkCertificate, certificate.refused);
		const { nodeIds } = certificate;
		if (spec?.expect !== undefined && !includesBytes(nodeIds, spec.expect)) {
			return this.#refuse(input, Counter.refusedLinkIdentity, "certificate of another node");
		}
		for (const nodeId of nodeIds) {
			if (equalBytes(nodeId, this.#context.nodeId)) {
				if (spec?.bootstrap) role.bootstrapIsSelf(spec.endpoint);
				return this.#refuse(input, Counter.refusedLinkSelf, "link to ourselves");
			}
			if (settings.isBad(nodeId)) return this.#refuse(input, Counter.refusedLinkBadNode, "bad-node");
		}
		if (!this.#hasRoom(now)) return this.#refuse(input, Counter.refusedLinkFull, "too many links");
		// RFC 6940 §6.3.2.1: with one Node-ID in the certificate the link is that node's; with several, Attach must agree on one.
		const nodeId = spec?.expect ?? (nodeIds.length === 1 ? nodeIds[0] : role.expected(nodeIds));
		return this.#open(input, spec, certificate, nodeId, now);
	}

	#refuse(input: LinkUp, counter: number, reason: string): undefined {
		this.#context.counters.add(counter);
		this.#context.emit({ type: "close", link: input.link, reason });
		this.#context.event({ type: "refused", what: "link", reason, address: input.address });
		return undefined;
	}

	/** Room for one more; a link that nobody needs any more makes place. */
	#hasRoom(now: number): boolean {
		const { connections, limits } = this.#context;
		if (connections.size < limits.links) return true;
		let oldest: Connection | undefined;
		for (const connection of connections.all()) {
			if (!connection.released && connection.state !== "retiring") continue;
			if (oldest === undefined || connection.order < oldest.order) oldest = connection;
		}
		if (oldest === undefined) return false;
		this.close(oldest, "displaced", true, now);
		return true;
	}

	#open(
		input: LinkUp,
		spec: ConnectSpec | undefined,
		certificate: Certificate,
		nodeId: Uint8Array | undefined,
		now: number,
	): Connection {
		const { connections, settings, profile } = this.#context;
		const limits = this.#linkLimits;
		const options = { maxMessageSize: settings.config.maxMessageSize, timers: profile, now };
		const stream = new Link(limits === undefined ? options : { ...options, limits });
		const { slot, generation } = connections.claimSlot();
		const connection: Connection = {
			link: input.link,
			stream,
			certificate,
			nodeId,
			address: input.address,
			port: spec?.endpoint.port ?? input.port,
			initiated: spec !== undefined,
			bootstrap: spec?.bootstrap ?? false,
			order: connections.nextOrder(),
			upAt: now,
			slot,
			generation,
			state: "ok",
			released: false,
			leaving: false,
			heardAt: now,
			retireAt: Infinity,
			errorAt: -Infinity,
			checks: this.#context.limits.signatureChecks,
			checksAt: now,
			floodToldAt: -Infinity,
			idles: 0,
			probing: false,
			dirty: false,
		};
		connections.add(connection);
		this.#due(stream.watchDeadline());
		this.#context.counters.add(Counter.linksUp);
		return connection;
	}

	/** A usable link: settles doubles, then tells the role. */
	#joined(connection: Connection, now: number): void {
		const { nodeId } = connection;
		if (nodeId === undefined) return;
		const { connections, requests } = this.#context;
		let change: LinkChange = "new";
		for (const other of connections.allTo(nodeId)) {
			if (other === connection || other.state === "retiring") continue;
			if (other.state === "ok") change = haveCrossed(connection, other) ? "double" : "replaced";
			const loser = staysOf(connection, other, this.#context.nodeId) === connection ? other : connection;
			this.#retire(loser, connection, now);
			// What is under way over a link that is most likely dead goes out again at once.
			if (change === "replaced") requests.linkDown(loser.link, now);
			else if (loser === connection && other.state === "ok") this.#prove(other, now);
		}
		this.#up(connection, change, now);
	}

	#up(connection: Connection, change: LinkChange, now: number): void {
		const { nodeId, address, port } = connection;
		if (nodeId === undefined) return;
		if (change === "new") this.#context.event({ type: "peerUp", nodeId, address, port });
		this.#context.role.linkUp(connection, change, now);
	}

	#down(nodeId: Uint8Array, clean: boolean, reason: string, now: number): void {
		this.#context.event({ type: "peerDown", nodeId, reason });
		this.#context.role.linkDown(nodeId, clean, now);
	}

	/**
	 * The loser of two links delivers for a while, then goes. Where one end opened both, it alone decides which (the other end may
	 * have seen them in another order), so the accepting end waits longer.
	 */
	#retire(loser: Connection, newest: Connection, now: number): void {
		const isTheirs = !loser.initiated && !newest.initiated;
		loser.state = "retiring";
		loser.retireAt = now + Times.retireMs + (isTheirs ? this.#context.profile.linkDeadMs : 0);
		this.#due(loser.retireAt);
		this.#retiring++;
		this.#context.counters.add(Counter.linksRetired);
	}

	/** A link with several possible Node-IDs turns out (by a verified Attach) to be that of `nodeId`. */
	bind(connection: Connection, nodeId: Uint8Array, now: number): void {
		if (connection.nodeId !== undefined || !includesBytes(connection.certificate.nodeIds, nodeId)) return;
		this.#context.connections.bind(connection, nodeId);
		this.#joined(connection, now);
	}

	/** The host's stream has ended. */
	linkDown(link: number, reason: string, now: number): void {
		const connection = this.#context.connections.byLink(link);
		if (connection === undefined) return;
		connection.stream.handle({ type: "ended" }, now);
		this.#gone(connection, false, reason, now);
	}

	/** Closes a link. `clean`: our own choice, or announced by a Leave. */
	close(connection: Connection, reason: string, clean: boolean, now: number): void {
		if (this.#context.connections.byLink(connection.link) !== connection) return;
		this.#flush(connection, now);
		this.#context.emit({ type: "close", link: connection.link, reason });
		connection.stream.handle({ type: "ended" }, now);
		this.#gone(connection, clean, reason, now);
	}

	#gone(connection: Connection, clean: boolean, reason: string, now: number): void {
		const { connections, requests, counters } = this.#context;
		if (connections.byLink(connection.link) !== connection) return;
		connections.remove(connection);
		this.#held.note(connection);
		if (connection.state === "retiring") this.#retiring--;
		counters.add(Counter.linksDown);
		const { nodeId } = connection;
		requests.linkDown(connection.link, now);
		if (nodeId === undefined) return;
		const wasOk = connection.state === "ok";
		if (this.#revive(nodeId, now) || !wasOk || connections.find(nodeId) !== undefined) return;
		this.#down(nodeId, clean || connection.leaving, reason, now);
	}

	/**
	 * A retiring link becomes the link again when the one that beat it is gone. The role is told: the two need not have crossed, the
	 * neighbour may have restarted. False when there is none.
	 */
	#revive(nodeId: Uint8Array, now: number): boolean {
		const { connections } = this.#context;
		if (connections.find(nodeId) !== undefined) return false;
		for (const other of connections.allTo(nodeId)) {
			if (other.state !== "retiring") continue;
			other.state = other.stream.isSuspect ? "suspect" : "ok";
			other.retireAt = Infinity;
			this.#retiring--;
			if (other.state === "ok") this.#up(other, "replaced", now);
			return other.state === "ok";
		}
		return false;
	}

	/** Octets of a stream: deframed in place, each message handed on without a copy. */
	bytes(link: number, bytes: Uint8Array, now: number): void {
		const connection = this.#context.connections.byLink(link);
		if (connection === undefined) return;
		const { stream } = connection;
		connection.heardAt = now;
		connection.idles = 0;
		stream.handle({ type: "bytes", bytes }, now);
		this.touch(connection);
		for (;;) {
			const message = stream.nextMessage();
			if (message === undefined) return;
			this.#sink.receive(message, connection, now);
		}
	}

	drained(link: number, buffered: number, now: number): void {
		this.#context.connections.byLink(link)?.stream.handle({ type: "drained", buffered }, now);
	}

	/** Something was written to the link: it is polled before the node's output is. */
	touch(connection: Connection): void {
		if (connection.dirty) return;
		connection.dirty = true;
		this.#dirty.push(connection);
	}

	/** Polls every link that has something to say. False when there was none. */
	flush(now: number): boolean {
		if (this.#dirty.length === 0) return false;
		const dirty = this.#dirty;
		this.#dirty = [];
		for (let i = 0; i < dirty.length; i++) {
			dirty[i]!.dirty = false;
			this.#flush(dirty[i]!, now);
		}
		return true;
	}

	#flush(connection: Connection, now: number): void {
		for (;;) {
			const output = connection.stream.poll();
			if (output === undefined) {
				this.#due(connection.stream.watchDeadline());
				this.#held.note(connection);
				return;
			}
			this.#carryOut(connection, output, now);
		}
	}

	#carryOut(connection: Connection, output: LinkOutput, now: number): void {
		const { counters } = this.#context;
		switch (output.type) {
			case "transmit":
				this.#context.emit({ type: "transmit", link: connection.link, bytes: output.bytes });
				return;
			case "message":
				this.#sink.receive(output.bytes, connection, now);
				return;
			case "tooLarge":
				this.#sink.tooLarge(output.head, connection, now);
				return;
			case "suspect":
				counters.add(Counter.linksSuspect);
				this.#suspect(connection, now);
				return;
			case "ok":
				this.#recovered(connection, now);
				return;
			case "idle":
				this.#probe(connection, now);
				return;
			case "dead":
				counters.add(Counter.linksDead);
				return;
			case "close":
				if (output.reason !== CloseReason.unacknowledged) counters.add(Counter.refusedLinkFrame);
				this.#context.emit({ type: "close", link: connection.link, reason: output.reason });
				this.#gone(connection, false, output.reason, now);
		}
	}

	/** RFC 6940 §6.6.5: out of the routing table, though still open. */
	#suspect(connection: Connection, now: number): void {
		if (connection.state !== "ok") return;
		connection.state = "suspect";
		const { nodeId } = connection;
		this.#context.requests.linkDown(connection.link, now);
		if (nodeId === undefined) return;
		if (this.#revive(nodeId, now) || this.#context.connections.find(nodeId) !== undefined) return;
		this.#down(nodeId, false, "suspect", now);
	}

	#recovered(connection: Connection, now: number): void {
		if (connection.state !== "suspect") return;
		const { nodeId } = connection;
		const isAlone = nodeId === undefined || this.#context.connections.find(nodeId) === undefined;
		connection.state = "ok";
		if (isAlone) this.#up(connection, "new", now);
	}

	/** Choice (§6.6.5): an idle link is probed with a Ping to the neighbour, over this link only and once. Its ack is what counts. */
	#probe(connection: Connection, now: number): void {
		const { nodeId } = connection;
		connection.idles++;
		if (this.#context.role.kind === "client") {
			this.#keepAlive(connection, now);
			return;
		}
		if (nodeId === undefined || connection.state === "retiring") return;
		if (connection.idles % this.#context.role.idlesPerProbe(nodeId) !== 0) return;
		this.#prove(connection, now);
	}

	/** A Ping to the neighbour over this link: no ack, and the link is suspect. */
	#prove(connection: Connection, now: number): void {
		const { nodeId } = connection;
		if (nodeId === undefined || connection.probing) return;
		connection.probing = true;
		this.#context.counters.add(Counter.keepAlives);
		this.#context.requests.open(
			{
				code: MessageCode.pingReq,
				body: encode(writePingReq, { padding: EMPTY }),
				destination: [nodeDestination(nodeId)],
				only: connection,
				done: () => {
					connection.probing = false;
				},
			},
			now,
		);
	}

	/** Choice (§6.6.5): a client, whose signatures are dear, sends a frame that says nothing. Its ack is what counts, as with a Ping. */
	#keepAlive(connection: Connection, now: number): void {
		this.#context.counters.add(Counter.keepAlives);
		connection.stream.sendMessage(keepAliveMessage(this.#context.settings.config), now);
		this.touch(connection);
	}

	/**
	 * When something may be due. A bound from below: a link's own deadline only moves later while it is busy, so walking over all links
	 * at every input would be for nothing; `timeout` does it and finds the true time.
	 */
	deadline(): number {
		return Math.min(this.#dueAt, this.#held.until);
	}

	#due(at: number): void {
		if (at < this.#dueAt) this.#dueAt = at;
	}

	timeout(now: number): void {
		if (this.#held.until <= now) this.#held.release(now, (connection) => this.touch(connection));
		if (now < this.#dueAt) return;
		for (const connection of this.#context.connections.all()) {
			if (connection.stream.watchDeadline() > now) continue;
			connection.stream.handle({ type: "timeout" }, now);
			this.touch(connection);
		}
		if (this.#retiring > 0) {
			for (const connection of [...this.#context.connections.all()]) {
				if (connection.retireAt <= now) this.close(connection, "double", true, now);
			}
		}
		for (const [connect, { giveUpAt }] of [...this.#connects]) if (giveUpAt <= now) this.connectFailed(connect, now);
		this.#dueAt = Infinity;
		for (const connection of this.#context.connections.all()) {
			this.#due(connection.stream.watchDeadline());
			this.#due(connection.retireAt);
		}
		for (const { giveUpAt } of this.#connects.values()) this.#due(giveUpAt);
	}

	/** A newer document: the size limit of every link, and links of nodes that are not wanted any more. */
	configChanged(now: number): void {
		const { connections, settings, counters } = this.#context;
		for (const connection of [...connections.all()]) {
			connection.stream.setMaxMessageSize(settings.config.maxMessageSize);
			for (const nodeId of connection.certificate.nodeIds) {
				if (!settings.isBad(nodeId)) continue;
				counters.add(Counter.badNodeLinksClosed);
				this.close(connection, "bad-node", false, now);
				break;
			}
		}
	}

	/** Closes everything, for the end. */
	closeAll(reason: string, now: number): void {
		for (const connection of [...this.#context.connections.all()]) this.close(connection, reason, true, now);
	}
}
