/**
 * Attach: a direct overlay link to a node reached through the overlay. Before editing read RFC 6940 §6.5.1. A peer's
 * part: a device opens its one link itself and is never the passive end.
 *
 *   ours     asked ─ answer ─► waiting for the link (they connect: we are the TLS server) ─ linkUp ─► done
 *   theirs   request ─ answer ─► connecting (candidate by candidate) ─ linkUp ─► Update if they want one
 *                          └──► a link is there, but is it theirs? Ping ─ answer ─► linked
 *                                                                       └ none ─► connecting
 */
import { isRefused } from "../machine.ts";
import { readAttachReqAns, writeAttachReqAns } from "../wire/attach.ts";
import { bytesToUtf8, compareBytes, EMPTY, equalBytes, includesBytes, utf8ToBytes } from "../wire/bytes.ts";
import { ErrorCode, MessageCode } from "../wire/codes.ts";
import { type Destination, nodeDestination } from "../wire/destination.ts";
import { writePingReq } from "../wire/ping.ts";
import { encode } from "../wire/writer.ts";
import { AttachRole, activeCandidates, hostCandidates, NO_ICE, usableEndpoints } from "./candidates.ts";
import { type Connection, CROSSING_MS } from "./connections.ts";
import type { IncomingRequest, NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import { Times } from "./limits.ts";
import type { Endpoint } from "./node-types.ts";
import type { Outcome } from "./requests.ts";

/** How an Attach of ours ended. `ok` only when the link is up. */
export type AttachOutcome =
	| { readonly ok: true; readonly nodeId: Uint8Array; readonly answered: Extract<Outcome, { ok: true }> | undefined }
	| { readonly ok: false; readonly errorCode: number; readonly info: Uint8Array };

export interface AttachSpec {
	readonly destination: readonly Destination[];
	readonly sendUpdate: boolean;
	/** Called exactly once, never from within `open`. */
	done(outcome: AttachOutcome, now: number): void;
}

interface Outgoing {
	readonly spec: AttachSpec;
	/** The Node-ID asked for; undefined when a Resource-ID was. */
	readonly target: Uint8Array | undefined;
	/** Of the request; -1 once it is answered. */
	handle: number;
	/** Who answered, and will connect. */
	nodeId: Uint8Array | undefined;
	answered: Extract<Outcome, { ok: true }> | undefined;
	giveUpAt: number;
}

interface Incoming {
	readonly nodeId: Uint8Array;
	/** Not tried yet, best first. */
	readonly endpoints: Endpoint[];
	readonly sendUpdate: boolean;
	/** The link that is asked whether the requester is still behind it; undefined when there is none, or that is decided. */
	unproven: Connection | undefined;
	/** Of the Ping over it; -1 when none is under way. */
	handle: number;
	/** When it has not shown itself there, and is connected to. */
	proofAt: number;
}

/**
 * How far there is a link to the requester of an Attach: "linked", "none", or "unproven": the requester may have restarted and know
 * nothing of a link that looks alive here.
 */
type Standing = "linked" | "unproven" | "none";

/** The requester of an Attach has this long to answer a Ping over a link that is in doubt, milliseconds. */
const PROOF_MS = 500;

export class Attaches {
	readonly #context: NodeContext;
	readonly #wantUpdate: (nodeId: Uint8Array, now: number) => void;
	#outgoing: Outgoing[] = [];
	#incoming: Incoming[] = [];
	/** Who asked for an Update and has no link yet. */
	#updates: Uint8Array[] = [];

	/** `wantUpdate`: an Update is due to this node, whose link is up. */
	constructor(context: NodeContext, wantUpdate: (nodeId: Uint8Array, now: number) => void) {
		this.#context = context;
		this.#wantUpdate = wantUpdate;
	}

	/** Starts an Attach of our own. */
	open(spec: AttachSpec, now: number): void {
		const { connections, limits, listen } = this.#context;
		const last = spec.destination[spec.destination.length - 1];
		const target = last !== undefined && "nodeId" in last ? last.nodeId : undefined;
		if (target !== undefined && !spec.sendUpdate && connections.find(target) !== undefined) {
			this.#context.later((at) => spec.done({ ok: true, nodeId: target, answered: undefined }, at));
			return;
		}
		const candidates = hostCandidates(listen);
		if (candidates.length === 0 || this.#outgoing.length >= limits.attaches) {
			const full = candidates.length > 0;
			const errorCode = full ? ErrorCode.requestTimeout : ErrorCode.forbidden;
			const info = utf8ToBytes(full ? "too many Attaches" : "this node has no listener");
			this.#context.later((at) => spec.done({ ok: false, errorCode, info }, at));
			return;
		}
		const entry: Outgoing = {
			spec,
			target,
			handle: -1,
			nodeId: undefined,
			answered: undefined,
			giveUpAt: Infinity,
		};
		this.#outgoing.push(entry);
		const role = utf8ToBytes(AttachRole.passive);
		entry.handle = this.#context.requests.open(
			{
				code: MessageCode.attachReq,
				body: encode(writeAttachReqAns, { ...NO_ICE, role, candidates, sendUpdate: spec.sendUpdate }),
				destination: spec.destination,
				done: (outcome, at) => this.#answered(entry, outcome, at),
			},
			now,
		);
	}

	#answered(entry: Outgoing, outcome: Outcome, now: number): void {
		entry.handle = -1;
		if (!outcome.ok) {
			// RFC 6940 §6.5.1.2: Error_In_Progress means that a link to that node is on its way already.
			if (outcome.errorCode === ErrorCode.inProgress && outcome.from !== undefined) {
				this.#await(entry, outcome.from.nodeId, now);
				return;
			}
			this.#end(entry, { ok: false, errorCode: outcome.errorCode, info: outcome.info }, now);
			return;
		}
		entry.answered = outcome;
		const body = readAttachReqAns(outcome.message.contents.messageBody);
		if (isRefused(body) || bytesToUtf8(body.role) !== AttachRole.active) {
			this.#end(entry, { ok: false, errorCode: ErrorCode.invalidMessage, info: EMPTY }, now);
			return;
		}
		if (body.sendUpdate) this.#noteUpdate(outcome.from.nodeId);
		this.#await(entry, outcome.from.nodeId, now);
	}

	#await(entry: Outgoing, nodeId: Uint8Array, now: number): void {
		entry.nodeId = nodeId;
		entry.giveUpAt = now + Times.attachLinkMs;
		if (equalBytes(nodeId, this.#context.nodeId)) {
			this.#end(entry, { ok: false, errorCode: ErrorCode.notFound, info: utf8ToBytes("that is this node") }, now);
			return;
		}
		const connection = this.#context.connections.find(nodeId);
		if (connection !== undefined) this.linkUp(connection, now);
	}

	#end(entry: Outgoing, outcome: AttachOutcome, now: number): void {
		const at = this.#outgoing.indexOf(entry);
		if (at < 0) return;
		this.#outgoing.splice(at, 1);
		if (entry.handle >= 0) this.#context.requests.cancel(entry.handle);
		entry.spec.done(outcome, now);
	}

	/** A link is up: whoever waited for this node has it. */
	linkUp(connection: Connection, now: number): void {
		const { nodeId } = connection;
		if (nodeId === undefined) return;
		for (const entry of [...this.#outgoing]) {
			if (entry.nodeId === undefined || !equalBytes(entry.nodeId, nodeId)) continue;
			this.#end(entry, { ok: true, nodeId, answered: entry.answered }, now);
		}
		for (let i = 0; i < this.#updates.length; i++) {
			if (!equalBytes(this.#updates[i]!, nodeId)) continue;
			this.#updates.splice(i, 1);
			this.#wantUpdate(nodeId, now);
			return;
		}
	}

	/** Which of these Node-IDs (of one certificate) we expect a link from; undefined when none (RFC 6940 §6.3.2.1). */
	expected(nodeIds: readonly Uint8Array[]): Uint8Array | undefined {
		for (const entry of this.#outgoing) {
			if (entry.nodeId === undefined) continue;
			for (const nodeId of nodeIds) if (equalBytes(nodeId, entry.nodeId)) return nodeId;
		}
		return undefined;
	}

	#noteUpdate(nodeId: Uint8Array): void {
		if (includesBytes(this.#updates, nodeId)) return;
		if (this.#updates.length >= this.#context.limits.attaches) this.#updates.shift();
		this.#updates.push(nodeId);
	}

	/** An Attach request for us. */
	serve(request: IncomingRequest, now: number): void {
		const { answers, settings, limits, nodeId: own } = this.#context;
		const body = readAttachReqAns(request.body);
		const nodeId = request.from.nodeId;
		if (isRefused(body)) {
			answers.refuse(request, ErrorCode.invalidMessage, body.refused, now);
			return;
		}
		// RFC 6940 §6.5.1.1 MUST: the requester is passive.
		if (bytesToUtf8(body.role) !== AttachRole.passive || equalBytes(nodeId, own)) {
			answers.refuse(request, ErrorCode.invalidMessage, "the requester of an Attach is another node, and passive", now);
			return;
		}
		if (request.identity !== this.#context.identities.own) {
			answers.refuse(request, ErrorCode.notFound, "a hosted identity has no overlay links", now);
			return;
		}
		const endpoints = usableEndpoints(body.candidates, settings.config, limits.candidates);
		if (endpoints === undefined) {
			answers.refuse(request, ErrorCode.invalidMessage, "ICE and No-ICE candidates are mixed", now);
			return;
		}
		if (!this.#mayProceed(request, nodeId, now)) return;
		if (request.connection !== undefined && request.overLink) this.#context.links.bind(request.connection, nodeId, now);
		this.#proceed(request, nodeId, endpoints, body.sendUpdate, now);
	}

	/** RFC 6940 §6.5.1.2: two Attaches that cross. */
	#mayProceed(request: IncomingRequest, nodeId: Uint8Array, now: number): boolean {
		for (const entry of [...this.#outgoing]) {
			// One that was told Error_In_Progress waits for the other's link: its Attach is what brings it.
			const waits = entry.answered !== undefined && entry.nodeId !== undefined && equalBytes(entry.nodeId, nodeId);
			const asks = entry.handle >= 0 && entry.target !== undefined && equalBytes(entry.target, nodeId);
			if (!waits && !asks) continue;
			// MUST: the smaller Node-ID gives way; a link that is answered for goes on.
			if (asks && compareBytes(this.#context.nodeId, nodeId) < 0) {
				this.#context.requests.cancel(entry.handle);
				entry.handle = -1;
				entry.nodeId = nodeId;
				entry.giveUpAt = now + Times.attachLinkMs;
				continue;
			}
			return this.#inProgress(request, now);
		}
		return this.#context.links.isConnecting(nodeId) ? this.#inProgress(request, now) : true;
	}

	#inProgress(request: IncomingRequest, now: number): false {
		this.#context.counters.add(Counter.attachInProgress);
		this.#context.answers.refuse(request, ErrorCode.inProgress, "an Attach with this node is under way", now);
		return false;
	}

	#proceed(
		request: IncomingRequest,
		nodeId: Uint8Array,
		endpoints: Endpoint[],
		sendUpdate: boolean,
		now: number,
	): void {
		const { answers, connections, limits, counters } = this.#context;
		const existing = connections.find(nodeId);
		const standing = standingOf(request, existing, now);
		const isLinked = standing === "linked";
		if (!isLinked && endpoints.length === 0) {
			counters.add(Counter.attachUnusable);
			answers.refuse(request, ErrorCode.invalidMessage, "no usable candidate", now);
			return;
		}
		if (!isLinked && this.#incoming.length >= limits.attaches) {
			answers.refuse(request, ErrorCode.notFound, "too many Attaches", now);
			return;
		}
		this.#answer(request, now);
		if (isLinked) {
			if (sendUpdate) this.#wantUpdate(nodeId, now);
			return;
		}
		const unproven = standing === "unproven" ? existing : undefined;
		const entry: Incoming = { nodeId, endpoints, sendUpdate, unproven, handle: -1, proofAt: Infinity };
		this.#incoming.push(entry);
		if (unproven === undefined) {
			this.#connect(entry, now);
			return;
		}
		// At once: told later, the topology would doubt a node that it has admitted meanwhile.
		if (sendUpdate) this.#wantUpdate(nodeId, now);
		this.#prove(entry, unproven, now);
	}

	/** Whoever has lost the link cannot answer over it. */
	#prove(entry: Incoming, only: Connection, now: number): void {
		entry.proofAt = now + PROOF_MS;
		const body = encode(writePingReq, { padding: EMPTY });
		const destination = [nodeDestination(entry.nodeId)];
		entry.handle = this.#context.requests.open(
			{
				code: MessageCode.pingReq,
				body,
				destination,
				only,
				done: (outcome) => {
					entry.handle = -1;
					if (outcome.ok) this.#proven(entry);
				},
			},
			now,
		);
	}

	#proven(entry: Incoming): void {
		entry.unproven = undefined;
		entry.proofAt = Infinity;
		this.#forget(entry);
	}

	/** No answer over the link that was there: it is connected to, unless it has come by itself meanwhile. */
	#unproven(entry: Incoming, now: number): void {
		if (entry.handle >= 0) this.#context.requests.cancel(entry.handle);
		entry.handle = -1;
		const found = this.#context.connections.find(entry.nodeId);
		if (found !== undefined && found !== entry.unproven) {
			this.#proven(entry);
			return;
		}
		entry.unproven = undefined;
		entry.proofAt = Infinity;
		this.#connect(entry, now);
	}

	#connect(entry: Incoming, now: number): void {
		if (entry.sendUpdate) this.#noteUpdate(entry.nodeId);
		this.#connectNext(entry, now);
	}

	#answer(request: IncomingRequest, now: number): void {
		const passive = hostCandidates(this.#context.listen);
		const candidates = passive.length > 0 ? passive : activeCandidates(this.#context.listen);
		const body = { ...NO_ICE, role: utf8ToBytes(AttachRole.active), candidates, sendUpdate: false };
		this.#context.answers.answer(request, encode(writeAttachReqAns, body), now);
	}

	/** RFC 6940 §6.5.1.7: the answerer is the TLS client; candidates are tried one after the other. */
	#connectNext(entry: Incoming, now: number): void {
		const endpoint = entry.endpoints.shift();
		const started =
			endpoint !== undefined &&
			this.#context.links.connect(
				{
					endpoint,
					expect: entry.nodeId,
					bootstrap: false,
					done: (connection, at) => {
						if (connection === undefined) this.#connectNext(entry, at);
						else this.#forget(entry);
					},
				},
				now,
			);
		if (!started) this.#forget(entry);
	}

	#forget(entry: Incoming): void {
		const at = this.#incoming.indexOf(entry);
		if (at >= 0) this.#incoming.splice(at, 1);
	}

	deadline(): number {
		let at = Infinity;
		for (const entry of this.#outgoing) if (entry.giveUpAt < at) at = entry.giveUpAt;
		for (const entry of this.#incoming) if (entry.proofAt < at) at = entry.proofAt;
		return at;
	}

	timeout(now: number): void {
		for (const entry of [...this.#outgoing]) {
			if (entry.giveUpAt > now) continue;
			this.#end(entry, { ok: false, errorCode: ErrorCode.requestTimeout, info: utf8ToBytes("no link") }, now);
		}
		for (const entry of [...this.#incoming]) if (entry.proofAt <= now) this.#unproven(entry, now);
	}
}

/**
 * Choice (§6.5.1): a link to the requester that lives is the link; no second one is opened. A node that is linked sends an Attach to a
 * Node-ID over that link, unless the link came up while the request was on its way; one to a Resource-ID may come another way.
 */
function standingOf(request: IncomingRequest, existing: Connection | undefined, now: number): Standing {
	if (existing === undefined) return "none";
	if (request.overLink) return "linked";
	const { destinationList } = request.message.header;
	const last = destinationList[destinationList.length - 1];
	const isOld = now - existing.upAt > CROSSING_MS;
	return isOld && last !== undefined && "nodeId" in last ? "none" : "unproven";
}
