/**
 * A device's SIP connections to the edges that ring its house: found, opened ahead of need, watched. RFC 7904 §4, §5, RFC 5626 §3.5.1.
 *
 *   house AOR --fetch--> edges --AppAttach, role active--> addresses --TLS--> up (one or two of them)
 *       ▲                  │ one at a time: a handshake takes a device seconds     │ 25 s of silence: CRLF CRLF
 *       └── now and then ──┴── another edge, later this one ◄── refused, lost ─────┘
 *
 * So nothing is looked up, agreed on or signed between a press and the INVITE. The first edge is the one of the peer that the device
 * is linked to (it is near, and known to live); the second is another one.
 */
import type { Machine } from "../machine.ts";
import type { Endpoint, RequestResult } from "../overlay/node-types.ts";
import { equalBytes, includesBytes } from "../wire/bytes.ts";
import { KindId } from "../wire/codes.ts";
import type { Destination } from "../wire/destination.ts";
import { type Aor, aorResourceName } from "./aor.ts";
import { MAX_EDGES } from "./limits.ts";
import { fetchedKind } from "./requests.ts";
import { readRegistrations, type SipContact } from "./sip.ts";

/** RFC 5626 §3.5.1: silence after which a connection is pinged, and how long its answer may take. */
export const EDGE_PING_MS = 25_000;
export const EDGE_PONG_MS = 10_000;
/** The same while a call waits for an answer of this edge. */
const DOUBT_PONG_MS = 2_000;
/** How often the edges of the house are looked up while all is well, and when there is none to try. */
const LOOKUP_MS = 900_000;
const FIRST_LOOKUP_PAUSE_MS = 1_000;
const LONGEST_LOOKUP_PAUSE_MS = 30_000;
/** AppAttach and TLS together. */
const OPEN_MS = 20_000;
/** Pauses of an edge that was refused or lost. */
const FIRST_EDGE_PAUSE_MS = 1_000;
const LONGEST_EDGE_PAUSE_MS = 60_000;
/** A connection that lives for so long was a good one: its edge's pause begins anew. */
const PROVEN_MS = 10_000;

export type EdgesInput =
	| { readonly type: "timeout" }
	/** The end of a `fetch` or `appAttach`. */
	| { readonly type: "result"; readonly token: number; readonly result: RequestResult; readonly wallMs: number }
	/** The overlay is there, by way of this peer; or it is not. */
	| { readonly type: "joined"; readonly nodeId: Uint8Array }
	| { readonly type: "isolated" }
	/** The answers to `connect`. */
	| { readonly type: "up"; readonly flow: number }
	| { readonly type: "down"; readonly flow: number }
	/** Octets came over this connection. */
	| { readonly type: "heard"; readonly flow: number }
	/** A request over this connection has waited too long for its first answer. */
	| { readonly type: "doubt"; readonly flow: number };

export type EdgesOutput =
	| {
			readonly type: "fetch";
			readonly token: number;
			readonly resourceId: Uint8Array;
			readonly kinds: readonly { readonly kind: number }[];
	  }
	/** To be sent with role "active", application SIP. */
	| { readonly type: "appAttach"; readonly token: number; readonly destination: readonly Destination[] }
	/** Open TLS; the certificate is that of the house: `accepts`. */
	| {
			readonly type: "connect";
			readonly flow: number;
			readonly address: string;
			readonly port: number;
			readonly serverName: string;
	  }
	/** Close, or give up connecting; no `down` is expected. Also the end of a flow that was told by `edge`. */
	| { readonly type: "close"; readonly flow: number; readonly reason: string }
	/** Send CRLF CRLF. */
	| { readonly type: "ping"; readonly flow: number }
	/** This connection can be used, or cannot any more. */
	| { readonly type: "edge"; readonly flow: number; readonly isUp: boolean; readonly contact: SipContact }
	/** Where we want to be called from now on: the device's registration is to name this edge. */
	| { readonly type: "preferred"; readonly contact: SipContact };

export interface EdgesOptions {
	/** The ring group: house@domain. */
	readonly house: Aor;
	resourceHash(name: Uint8Array): Uint8Array;
	/** In [0, 1). */
	random(): number;
	/** Connections kept up: 2 where memory allows. */
	readonly connections: 1 | 2;
}

interface Edge {
	contact: SipContact;
	/** Not tried before; 0 = now. */
	retryAt: number;
	pauseMs: number;
}

interface Slot {
	readonly edge: Edge;
	readonly flow: number;
	state: "asking" | "connecting" | "up";
	/** Of the AppAttach. */
	token: number;
	/** Not tried yet. */
	endpoints: readonly Endpoint[];
	next: number;
	serverName: string;
	sinceMs: number;
	heardAt: number;
	/** When the answer to a ping is overdue. */
	overdueAt: number;
	/** A call got no answer. */
	inDoubt: boolean;
}

export class Edges implements Machine<EdgesInput, EdgesOutput> {
	readonly #options: EdgesOptions;
	readonly #outputs: EdgesOutput[] = [];
	#edges: Edge[] = [];
	#slots: Slot[] = [];
	/** The peer that we are linked to; undefined while there is none. */
	#peer: Uint8Array | undefined;
	#lookupToken = 0;
	#lookupAt = Infinity;
	#lookupPauseMs = FIRST_LOOKUP_PAUSE_MS;
	#lastToken = 0;
	#lastFlow = 0;
	#preferred: Edge | undefined;

	constructor(options: EdgesOptions) {
		this.#options = options;
	}

	/** The connection for the next request; undefined when there is none. `not`: another one than this. */
	best(not = 0): number | undefined {
		return this.#bestSlot(not)?.flow;
	}

	/** Connections that are up. */
	get count(): number {
		let count = 0;
		for (const slot of this.#slots) if (slot.state === "up") count++;
		return count;
	}

	/** A ping over this connection waits for its answer. */
	isPinged(flow: number): boolean {
		const slot = this.#slotOf(flow);
		return slot?.state === "up" && slot.overdueAt !== Infinity;
	}

	/** Whether this token is one of ours. */
	owns(token: number): boolean {
		if (token === this.#lookupToken) return true;
		for (const slot of this.#slots) if (slot.token === token) return true;
		return false;
	}

	/** RFC 7904 §5 MUST: the certificate shown over this connection is that of the edge, and of the house. */
	accepts(flow: number, userName: string | undefined, nodeIds: readonly Uint8Array[]): boolean {
		const slot = this.#slotOf(flow);
		if (slot === undefined || userName !== this.#options.house.text) return false;
		return includesBytes(nodeIds, slot.edge.contact.nodeId);
	}

	/** The configuration changed: nobody talks to nodes that are out. */
	exclude(isBad: (nodeId: Uint8Array) => boolean, now: number): void {
		for (const slot of this.#slots.slice()) {
			for (const destination of slot.edge.contact.destinations) {
				if (!("nodeId" in destination) || !isBad(destination.nodeId)) continue;
				this.#end(slot, "revoked", now);
				break;
			}
		}
	}

	handle(input: EdgesInput, now: number): void {
		switch (input.type) {
			case "timeout":
				this.#timeout(now);
				break;
			case "result":
				this.#result(input.token, input.result, input.wallMs, now);
				break;
			case "joined":
				this.#joined(input.nodeId, now);
				break;
			case "isolated":
				this.#peer = undefined;
				break;
			case "up":
				this.#up(input.flow, now);
				break;
			case "down":
				this.#down(input.flow, now);
				break;
			case "heard":
				this.#heard(input.flow, now);
				break;
			case "doubt":
				this.#doubt(input.flow, now);
		}
		this.#open(now);
		this.#prefer();
	}

	poll(): EdgesOutput | undefined {
		return this.#outputs.shift();
	}

	deadline(): number {
		let at = this.#peer === undefined || this.#lookupToken !== 0 ? Infinity : this.#lookupAt;
		for (const slot of this.#slots) at = Math.min(at, dueAt(slot));
		return Math.min(at, this.#openAt());
	}

	#joined(nodeId: Uint8Array, now: number): void {
		this.#peer = nodeId;
		// A command of before is lost with its link, or answered all the same.
		if (this.#edges.length === 0 || this.count === 0) this.#lookupAt = now;
		for (const edge of this.#edges) edge.retryAt = Math.min(edge.retryAt, now + FIRST_EDGE_PAUSE_MS);
	}

	#timeout(now: number): void {
		if (this.#peer !== undefined && this.#lookupToken === 0 && this.#lookupAt <= now) this.#lookUp();
		for (const slot of this.#slots.slice()) {
			if (dueAt(slot) > now) continue;
			if (slot.state !== "up") this.#end(slot, "not in time", now);
			else if (slot.overdueAt <= now) this.#end(slot, "silent", now);
			else {
				slot.overdueAt = now + EDGE_PONG_MS;
				this.#outputs.push({ type: "ping", flow: slot.flow });
			}
		}
	}

	#lookUp(): void {
		const { house, resourceHash } = this.#options;
		this.#lookupToken = ++this.#lastToken;
		this.#lookupAt = Infinity;
		const resourceId = resourceHash(aorResourceName(house));
		const kinds = [{ kind: KindId.sipRegistration }];
		this.#outputs.push({ type: "fetch", token: this.#lookupToken, resourceId, kinds });
	}

	#result(token: number, result: RequestResult, wallMs: number, now: number): void {
		if (token === this.#lookupToken) {
			this.#lookupToken = 0;
			this.#learn(result, wallMs, now);
			return;
		}
		for (const slot of this.#slots) if (slot.token === token && slot.state === "asking") this.#asked(slot, result, now);
	}

	/** The edges of the house as it registers them. Those in use stay until they are lost, whatever is said of them. */
	#learn(result: RequestResult, wallMs: number, now: number): void {
		const fetched = fetchedKind(result, KindId.sipRegistration);
		const contacts = fetched === undefined ? [] : readRegistrations(this.#options.house, fetched, wallMs).contacts;
		if (contacts.length === 0) {
			this.#lookupAt = now + this.#lookupPauseMs * (0.5 + this.#options.random());
			this.#lookupPauseMs = Math.min(2 * this.#lookupPauseMs, LONGEST_LOOKUP_PAUSE_MS);
			return;
		}
		if (contacts.length >= this.#options.connections) this.#lookupPauseMs = LOOKUP_MS;
		// Fewer than wanted: a house that is just starting, or one of a single peer. Soon at first, then as seldom as ever.
		this.#lookupAt = now + this.#lookupPauseMs * (0.8 + 0.4 * this.#options.random());
		this.#lookupPauseMs = Math.min(2 * this.#lookupPauseMs, LOOKUP_MS);
		const edges: Edge[] = [];
		for (let i = 0; i < contacts.length && edges.length < MAX_EDGES; i++) {
			const contact = contacts[i]!;
			const known = this.#edgeOf(contact.nodeId);
			if (known !== undefined) known.contact = contact;
			edges.push(known ?? { contact, retryAt: 0, pauseMs: FIRST_EDGE_PAUSE_MS });
		}
		this.#edges = edges;
	}

	#edgeOf(nodeId: Uint8Array): Edge | undefined {
		for (const edge of this.#edges) if (equalBytes(edge.contact.nodeId, nodeId)) return edge;
		return undefined;
	}

	#slotOf(flow: number): Slot | undefined {
		for (const slot of this.#slots) if (slot.flow === flow) return slot;
		return undefined;
	}

	#slotAt(edge: Edge): Slot | undefined {
		for (const slot of this.#slots) if (equalBytes(slot.edge.contact.nodeId, edge.contact.nodeId)) return slot;
		return undefined;
	}

	#bestSlot(not: number): Slot | undefined {
		let best: Slot | undefined;
		for (const slot of this.#slots) {
			if (slot.state !== "up" || slot.flow === not) continue;
			if (best === undefined || (best.inDoubt && !slot.inDoubt)) best = slot;
		}
		return best;
	}

	/** True when another connection is wanted and none is being opened: one is missing, or none is beyond doubt. */
	get #wants(): boolean {
		let sound = 0;
		for (const slot of this.#slots) {
			if (slot.state !== "up") return false;
			if (!slot.inDoubt) sound++;
		}
		return this.#peer !== undefined && (sound === 0 || this.#slots.length < this.#options.connections);
	}

	/** The edge to be tried next: the nearest, then the one that waits longest. */
	#candidate(): Edge | undefined {
		let best: Edge | undefined;
		for (const edge of this.#edges) {
			if (this.#slotAt(edge) !== undefined) continue;
			if (best === undefined || edge.retryAt < best.retryAt || (edge.retryAt === best.retryAt && this.#isNear(edge)))
				best = edge;
		}
		return best;
	}

	#isNear({ contact }: Edge): boolean {
		const first = contact.destinations[0];
		return this.#peer !== undefined && first !== undefined && "nodeId" in first && equalBytes(first.nodeId, this.#peer);
	}

	#openAt(): number {
		return this.#wants ? (this.#candidate()?.retryAt ?? Infinity) : Infinity;
	}

	#open(now: number): void {
		if (!this.#wants) return;
		const edge = this.#candidate();
		if (edge === undefined || edge.retryAt > now) return;
		const token = ++this.#lastToken;
		this.#slots.push({
			edge,
			flow: ++this.#lastFlow,
			state: "asking",
			token,
			endpoints: [],
			next: 0,
			serverName: "",
			sinceMs: now,
			heardAt: now,
			overdueAt: Infinity,
			inDoubt: false,
		});
		this.#outputs.push({ type: "appAttach", token, destination: edge.contact.destinations });
	}

	#asked(slot: Slot, result: RequestResult, now: number): void {
		slot.token = 0;
		const body = result.ok ? result.body : undefined;
		// RFC 7904 §5: who answers must be who registered.
		if (body?.type !== "appAttach" || !equalBytes(body.expect, slot.edge.contact.nodeId)) {
			this.#end(slot, "AppAttach refused", now);
			return;
		}
		slot.state = "connecting";
		slot.endpoints = body.connect;
		slot.serverName = body.serverName;
		this.#connect(slot);
	}

	#connect(slot: Slot): void {
		const endpoint = slot.endpoints[slot.next++]!;
		const { flow, serverName } = slot;
		this.#outputs.push({ type: "connect", flow, address: endpoint.address, port: endpoint.port, serverName });
	}

	#up(flow: number, now: number): void {
		const slot = this.#slotOf(flow);
		if (slot?.state !== "connecting") return;
		slot.state = "up";
		slot.endpoints = [];
		slot.sinceMs = now;
		slot.heardAt = now;
		this.#outputs.push({ type: "edge", flow, isUp: true, contact: slot.edge.contact });
		// Whom it stands in for is not needed any more, unless it has come back to life.
		for (const other of this.#slots.slice()) if (other.inDoubt) this.#end(other, "no answer", now);
	}

	#down(flow: number, now: number): void {
		const slot = this.#slotOf(flow);
		if (slot === undefined) return;
		if (slot.state === "connecting" && slot.next < slot.endpoints.length) this.#connect(slot);
		else this.#gone(slot, now);
	}

	#heard(flow: number, now: number): void {
		const slot = this.#slotOf(flow);
		if (slot === undefined) return;
		slot.heardAt = now;
		slot.overdueAt = Infinity;
		slot.inDoubt = false;
		if (now - slot.sinceMs >= PROVEN_MS) slot.edge.pauseMs = FIRST_EDGE_PAUSE_MS;
	}

	/** It may be dead: another one is opened now if there is none, and this one is asked whether it lives. */
	#doubt(flow: number, now: number): void {
		const slot = this.#slotOf(flow);
		if (slot?.state !== "up") return;
		slot.inDoubt = true;
		slot.overdueAt = Math.min(slot.overdueAt, now + DOUBT_PONG_MS);
		this.#outputs.push({ type: "ping", flow });
		for (const edge of this.#edges) edge.retryAt = Math.min(edge.retryAt, now);
	}

	/** Closes a connection, or stops opening one. */
	#end(slot: Slot, reason: string, now: number): void {
		if (slot.state !== "asking") this.#outputs.push({ type: "close", flow: slot.flow, reason });
		this.#gone(slot, now);
	}

	#gone(slot: Slot, now: number): void {
		const { edge, flow } = slot;
		this.#slots = this.#slots.filter((other) => other !== slot);
		edge.retryAt = now + edge.pauseMs * (0.5 + this.#options.random());
		edge.pauseMs = Math.min(2 * edge.pauseMs, LONGEST_EDGE_PAUSE_MS);
		// The list may be out of date: an edge that has moved or gone is learned of soon.
		this.#lookupPauseMs = FIRST_LOOKUP_PAUSE_MS;
		if (this.#lookupToken === 0) this.#lookupAt = Math.min(this.#lookupAt, now + FIRST_LOOKUP_PAUSE_MS);
		if (slot.state === "up") this.#outputs.push({ type: "edge", flow, isUp: false, contact: edge.contact });
	}

	#prefer(): void {
		const edge = this.#bestSlot(0)?.edge;
		if (edge === undefined || edge === this.#preferred) return;
		this.#preferred = edge;
		this.#outputs.push({ type: "preferred", contact: edge.contact });
	}
}

/** When something is to be done about a connection. */
function dueAt(slot: Slot): number {
	if (slot.state !== "up") return slot.sinceMs + OPEN_MS;
	return slot.overdueAt === Infinity ? slot.heardAt + EDGE_PING_MS : slot.overdueAt;
}
