/**
 * The role of a client: one link to a peer, nothing stored for others, nothing routed. Before editing read RFC 6940 §4.2.1, §11.4.
 *
 *   connecting ─ linkUp ─► joined ─ link suspect or gone ─► connecting to the next one, a little later than others would
 *       ▲                                                        │
 *       └──────────────── all tried: a pause ◄───────────────────┘
 */
import { DEVICE_LINK_LIMITS } from "../link/limits.ts";
import { isRefused } from "../machine.ts";
import { EMPTY, equalBytes } from "../wire/bytes.ts";
import { ErrorCode, MessageCode, ProbeInformationType } from "../wire/codes.ts";
import { readProbeReq, writeProbeAns } from "../wire/probe.ts";
import { encode } from "../wire/writer.ts";
import type { Connection } from "./connections.ts";
import type { IncomingRequest, LinkChange, NodeContext, Role, RoleStatus } from "./context.ts";
import { Counter } from "./counters.ts";
import type { HopView } from "./hop-view.ts";
import { CLIENT_LIMITS, Times } from "./limits.ts";
import type { Endpoint, RoleFactory, StartOptions } from "./node-types.ts";

/** The role of a client, for `OverlayNodeOptions.role`. */
export function clientRole(): RoleFactory {
	return { limits: CLIENT_LIMITS, linkLimits: DEVICE_LINK_LIMITS, make: (context) => new ClientRole(context) };
}

class ClientRole implements Role {
	readonly kind = "client";
	readonly #context: NodeContext;
	/** In the order in which they are tried: who worked last is first. */
	#endpoints: Endpoint[] = [];
	/** The next one to try. */
	#next = 0;
	#peer: Connection | undefined;
	#connecting = false;
	#connectAt = Infinity;
	#pauseMs: number = Times.bootstrapRetryMs;
	#stopped = true;
	/** What the host was last told. */
	#toldJoined = false;
	#upAt = 0;
	/** Links in a row that a peer ended as soon as they were up. */
	#turnedAway = 0;

	constructor(context: NodeContext) {
		this.#context = context;
	}

	get inOverlay(): boolean {
		return this.#peer !== undefined;
	}

	start(options: StartOptions, now: number): void {
		this.#endpoints = [];
		this.#stopped = false;
		this.#next = 0;
		this.discovered(options.bootstrap, now);
		this.#connectAt = now;
		this.#connect(now);
	}

	discovered(endpoints: readonly Endpoint[], now: number): void {
		const isFirst = this.#endpoints.length === 0;
		for (const endpoint of endpoints) {
			const known = this.#endpoints.some(({ address, port }) => address === endpoint.address && port === endpoint.port);
			if (!known && this.#endpoints.length < this.#context.limits.bootstrapEndpoints) this.#endpoints.push(endpoint);
		}
		if (isFirst && !this.#stopped) this.#connectAt = Math.min(this.#connectAt, now);
	}

	leave(_now: number): void {
		this.#stopped = true;
		this.#connectAt = Infinity;
		this.#context.later((now) => {
			this.#context.links.closeAll("leaving", now);
			this.#context.event({ type: "left" });
		});
	}

	resourceId(name: Uint8Array): Uint8Array {
		return this.#context.settings.resourceId(name);
	}

	/** Everything goes to the peer; when its link is suspect and there is no other, still there. */
	nextHop(_id: Uint8Array): Connection | undefined {
		if (this.#peer !== undefined) return this.#peer;
		for (const connection of this.#context.connections.all()) return connection;
		return undefined;
	}

	isResponsible(_id: Uint8Array): boolean {
		return false;
	}

	/** Reference 8.5: a client has no Neighbour Table to compare with. */
	isCloseEnough(_resourceId: Uint8Array, _signer: Uint8Array): boolean {
		return true;
	}

	expected(_nodeIds: readonly Uint8Array[]): Uint8Array | undefined {
		return undefined;
	}

	idlesPerProbe(_nodeId: Uint8Array): number {
		return 1;
	}

	understands(_extension: number): boolean {
		return false;
	}

	/** A client routes nothing. */
	forward(_view: HopView, _from: Connection | undefined, _now: number): void {
		this.#context.counters.add(Counter.droppedNotOurs);
	}

	forwardTo(_view: HopView, _target: Connection, _from: Connection | undefined, _now: number): void {
		this.#context.counters.add(Counter.droppedNotOurs);
	}

	serve(request: IncomingRequest, now: number): boolean {
		const { answers } = this.#context;
		switch (request.code) {
			case MessageCode.updateReq:
				// RFC 6940 §4.2.1: clients get Updates too. Ours is connected to any peer, so there is nothing in it that it needs.
				answers.answer(request, EMPTY, now);
				return true;
			case MessageCode.attachReq:
				answers.refuse(request, ErrorCode.notFound, "a client that only connects to its own peer", now);
				return true;
			case MessageCode.probeReq:
				this.#probe(request, now);
				return true;
			default:
				return false;
		}
	}

	#probe(request: IncomingRequest, now: number): void {
		const { answers } = this.#context;
		const body = readProbeReq(request.body);
		if (isRefused(body)) {
			answers.refuse(request, ErrorCode.invalidMessage, body.refused, now);
			return;
		}
		const type = ProbeInformationType.uptime;
		const wanted = body.requestedInfo.indexOf(type) >= 0;
		const value = Math.floor(this.#context.uptimeS(now));
		answers.answer(request, encode(writeProbeAns, { probeInfo: wanted ? [{ type, value }] : [] }), now);
	}

	#connect(now: number): void {
		this.#connectAt = Infinity;
		if (this.#stopped || this.#connecting || this.#peer !== undefined) return;
		const endpoint = this.#endpoints[this.#next];
		if (endpoint === undefined) return;
		const done = (connection: Connection | undefined, at: number) => this.#connected(endpoint, connection, at);
		this.#connecting = this.#context.links.connect({ endpoint, expect: undefined, bootstrap: true, done }, now);
		if (!this.#connecting) this.#connectAt = now + Times.bootstrapRetryMs;
	}

	#connected(endpoint: Endpoint, connection: Connection | undefined, now: number): void {
		this.#connecting = false;
		if (connection !== undefined) {
			this.#remember(endpoint);
			return;
		}
		this.#next++;
		if (this.#next < this.#endpoints.length) {
			this.#connectAt = now;
			return;
		}
		this.#next = 0;
		this.#connectAt = now + this.#pauseMs * (0.5 + this.#context.random());
		this.#pauseMs = Math.min(2 * this.#pauseMs, Times.bootstrapRetryMaxMs);
	}

	/** Who worked comes first, at the next start too. When it goes, the one after it is tried first. */
	#remember(endpoint: Endpoint): void {
		this.#endpoints = [endpoint, ...this.#endpoints.filter((other) => other !== endpoint)];
		this.#next = this.#endpoints.length > 1 ? 1 : 0;
		this.#context.event({
			type: "cachedPeers",
			peers: this.#endpoints.slice(0, this.#context.limits.cachedPeers),
		});
	}

	linkUp(connection: Connection, _change: LinkChange, now: number): void {
		if (this.#peer !== undefined && this.#peer !== connection && this.#peer.state === "ok") {
			// The old link has recovered meanwhile: one link is enough.
			this.#context.links.close(connection, "not needed", true, now);
			return;
		}
		this.#peer = connection;
		this.#upAt = now;
		this.#connectAt = Infinity;
		for (const other of [...this.#context.connections.all()]) {
			if (other !== connection) this.#context.links.close(other, "replaced", true, now);
		}
		if (connection.nodeId === undefined) return;
		this.#toldJoined = true;
		this.#context.event({ type: "joined", nodeId: connection.nodeId });
	}

	/** The link is suspect or gone: another peer is looked for while this one may still recover. */
	linkDown(nodeId: Uint8Array, _clean: boolean, now: number): void {
		const id = this.#peer?.nodeId;
		if (id === undefined || !equalBytes(id, nodeId)) return;
		this.#peer = undefined;
		if (this.#toldJoined && !this.#stopped) this.#context.event({ type: "isolated" });
		this.#toldJoined = false;
		if (this.#stopped) return;
		if (now - this.#upAt >= Times.bootstrapProvenMs) {
			this.#turnedAway = 0;
			this.#pauseMs = Times.bootstrapRetryMs;
		} else if (++this.#turnedAway > this.#endpoints.length) {
			this.#refused(now);
			return;
		}
		// Choice: jittered, since all clients of a dead peer notice at the same time.
		this.#connectAt = now + Times.clientJitterMs * this.#context.random();
	}

	/** Choice (§6.5.4): whoever every peer turns away is most likely revoked; it asks ever less often, since that may be undone. */
	#refused(now: number): void {
		this.#connectAt = now + this.#pauseMs * (0.5 + this.#context.random());
		this.#pauseMs = Math.min(2 * this.#pauseMs, Times.bootstrapRefusedMaxMs);
		this.#context.event({ type: "refused", what: "client", reason: "every peer turns this node away", address: "" });
	}

	/** A client that is told its own address as a bootstrap node; never tried again. */
	bootstrapIsSelf(endpoint: Endpoint): void {
		this.#endpoints = this.#endpoints.filter(
			({ address, port }) => address !== endpoint.address || port !== endpoint.port,
		);
	}

	configChanged(): void {}

	persisted(): void {}

	timeout(now: number): void {
		if (this.#connectAt <= now) this.#connect(now);
	}

	deadline(): number {
		return this.#connectAt;
	}

	status(_now: number): RoleStatus {
		const nodeId = this.#peer?.nodeId;
		return {
			neighbours: nodeId === undefined ? [] : [nodeId],
			routingTable: [],
			responsiblePpb: 0,
			topology: [],
			storedResources: 0,
			storedValues: 0,
		};
	}
}
