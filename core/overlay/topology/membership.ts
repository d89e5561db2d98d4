/**
 * One peer's part in keeping the ring: joining it, admitting others, the Neighbour Table, Updates to and from others, leaving.
 * What both plug-ins share; each adds its way of routing. RFC 6940 §10.5 to §10.9.
 *
 *   handle(input) --> Joining | Admission | Candidates | Updates --> settle(): what changed, who must hear of it
 */
import { isRefused } from "../../machine.ts";
import { EMPTY, equalBytes } from "../../wire/bytes.ts";
import { readChordLeaveData, readChordUpdate, writeChordUpdate } from "../../wire/chord.ts";
import { ChordUpdateType, ErrorCode, MessageCode } from "../../wire/codes.ts";
import { nodeDestination } from "../../wire/destination.ts";
import { readLeaveReq } from "../../wire/join.ts";
import { readRouteQueryReq, writeChordRouteQueryAns } from "../../wire/route-query.ts";
import { encode } from "../../wire/writer.ts";
import { Admission, type TopologyRequest } from "./admission.ts";
import { Candidates } from "./candidates.ts";
import type { RingContext } from "./context.ts";
import { Joining, type TopologyResult } from "./joining.ts";
import { Leaving } from "./leaving.ts";
import { CORRECT_GAP_MOST_MS, CORRECT_GAP_MS, DOUBT_MS, LISTED_IDS, UPDATE_GAP_MS } from "./limits.ts";
import { Outbox, type Purpose } from "./outbox.ts";
import { idsOf, markDeparted, type Peer, PeerTable } from "./peers.ts";
import { Placement } from "./placement.ts";
import type { TopologyHost, TopologyInput } from "./plugin.ts";
import { isMissing, lists, UpdatesOwed } from "./updates.ts";

/** What differs between the plug-ins. */
export interface MembershipRules {
	/** Peers wanted on each side of the Neighbour Table. */
	perSide(): number;
	/** Most members with which a Join is still admitted, and most that are ever counted as members. */
	readonly capacity: number;
	readonly mostMembers: number;
	/**
	 * Whom a change of the Neighbour Table is told to: "all" of the Connection Table at once (chord-reactive, RFC 6940 §10.7),
	 * "range": only when our own range changed, "quiet": nobody but the new neighbours (RFC 7363 §5.2).
	 */
	readonly tell: "all" | "range" | "quiet";
	/** Resource-IDs wanted as fingers by a joining peer. */
	fingerTargets(): Uint8Array[];
	/** Finger Table, for Updates of type full. */
	fingers(): Uint8Array[];
	nextHop(id: Uint8Array): Uint8Array | undefined;
}

export type Phase = "idle" | "joining" | "in" | "leaving" | "left";

export class Membership implements RingContext {
	readonly host: TopologyHost;
	readonly self: Uint8Array;
	readonly out = new Outbox();
	readonly peers: PeerTable;
	readonly placement: Placement;
	readonly joining: Joining;
	/** All successors of the last look are gone: cleared by whoever acts on it. */
	successorsLost = false;
	/** Members that failed or left since the start (RFC 7363 §6.3.1). */
	failures = 0;
	readonly #rules: MembershipRules;
	readonly #owed = new UpdatesOwed();
	readonly #candidates: Candidates;
	readonly #admission: Admission;
	readonly #leaving: Leaving;
	#phase: Phase = "idle";
	/** The Neighbour Table of the last look, and the members it was taken from. */
	#neighbours: Peer[] = [];
	#successors: Peer[] = [];
	#version = -1;
	#urgent = false;

	constructor(host: TopologyHost, rules: MembershipRules) {
		this.host = host;
		this.self = host.nodeId;
		this.#rules = rules;
		this.peers = new PeerTable(host.nodeId);
		this.placement = new Placement(this);
		this.#candidates = new Candidates(this);
		this.#admission = new Admission(this, rules.capacity);
		this.#leaving = new Leaving(this);
		this.joining = new Joining(this, this.#candidates, () => rules.fingerTargets());
	}

	get phase(): Phase {
		return this.#phase;
	}

	get inRing(): boolean {
		return this.#phase === "in" || this.#phase === "leaving";
	}

	perSide(): number {
		return this.#rules.perSide();
	}

	/** Successors and predecessors, each peer once, nearest successor first. */
	neighbours(): readonly Peer[] {
		const { members } = this.peers;
		const perSide = this.perSide();
		if (members.length <= 2 * perSide) return members;
		return this.peers.successors(perSide).concat(members.slice(members.length - perSide));
	}

	isResponsible(id: Uint8Array): boolean {
		return this.inRing ? this.placement.isResponsible(id) : equalBytes(id, this.self);
	}

	/** As `Placement.mayReplicate`; while joining, the admitting peer hands over. */
	mayReplicate(resourceId: Uint8Array, from: Uint8Array): boolean {
		return this.inRing ? this.placement.mayReplicate(resourceId, from) : this.joining.isAdmitting(from);
	}

	/** Owes a peer our Update; flushed by `settle`. */
	owe(id: Uint8Array, type: number, at: number): void {
		if (this.#phase === "in") this.#owed.owe(id, type, at);
	}

	show(id: Uint8Array, now: number): void {
		this.owe(id, ChordUpdateType.neighbors, now);
	}

	/** Asks a linked node to show whether it is a peer. */
	ask(peer: Peer, now: number): void {
		this.#candidates.ask(peer, now);
	}

	handle(input: TopologyInput, now: number): void {
		switch (input.type) {
			case "start":
				if (input.first) this.#enterRing(now);
				else if (this.#phase === "idle") {
					this.#phase = "joining";
					this.joining.begin(now);
				}
				return;
			case "leave":
				this.#leave(now);
				return;
			case "linkUp":
				this.#linkUp(input.nodeId, now);
				return;
			case "linkDown":
				this.#linkDown(input.nodeId, input.clean, now);
				return;
			case "request":
				this.#request(input, now);
				return;
			case "updateWanted":
				this.#updateWanted(input.nodeId, ChordUpdateType.full, now);
				return;
			case "handedOver":
				this.#handedOver(input.to, now);
				return;
			default:
				return;
		}
	}

	/** The result of a request made by the parts of this class; others are left alone. */
	handleResult(purpose: Purpose, result: TopologyResult, now: number): void {
		switch (purpose.kind) {
			case "update":
				// RFC 6940 §10.7.1: a failed request is a failed neighbour. An error answer shows that it lives.
				if (!result.ok && result.errorCode === ErrorCode.requestTimeout) this.#failed(purpose.id, now);
				return;
			case "candidate": {
				const peer = this.#candidates.attached(purpose.id, result.ok, result.errorCode === ErrorCode.inProgress, now);
				if (peer !== undefined) this.owe(peer.id, ChordUpdateType.neighbors, now);
				return;
			}
			case "leave":
				this.#leaving.answered();
				return;
			case "findAdmitting":
			case "joinFinger":
			case "join":
				this.joining.handle(purpose.kind, purpose.attempt, result, now);
				return;
			default:
				return;
		}
	}

	/** After every input: goes on with what is under way, and tells whoever must hear of what changed. */
	settle(now: number): void {
		this.#admission.expire(now);
		if (this.#phase === "joining" || this.#phase === "in") this.#candidates.run(now);
		if (this.#phase === "joining") this.joining.progress(now);
		if (this.#phase === "in") {
			if (this.#version !== this.peers.version) this.#examine(now);
			this.#flush(now);
		}
		if (this.#phase === "leaving" && this.#leaving.isOver(now)) this.#left();
	}

	deadline(): number {
		switch (this.#phase) {
			case "joining":
				return Math.min(this.#candidates.deadline(), this.joining.deadline());
			case "in":
				return Math.min(this.#candidates.deadline(), this.#owed.deadline(), this.#admission.deadline());
			case "leaving":
				return this.#leaving.deadline();
			default:
				return Number.POSITIVE_INFINITY;
		}
	}

	#enterRing(now: number): void {
		if (this.inRing) return;
		this.joining.stop();
		this.#phase = "in";
		this.out.push({ type: "joined" });
		this.#look();
		// RFC 6940 §10.5 step 9 MUST: Updates to all peers of the Neighbour Table. Last: the others may route through us.
		const neighbours = this.neighbours();
		for (const peer of this.peers.known()) {
			const isNeighbour = neighbours.includes(peer);
			if (isNeighbour) this.owe(peer.id, ChordUpdateType.neighbors, now);
			else if (peer.member) this.owe(peer.id, ChordUpdateType.peerReady, now);
			if (peer.owed) this.owe(peer.id, ChordUpdateType.full, now);
			peer.owed = false;
		}
	}

	#linkUp(id: Uint8Array, now: number): void {
		this.#doubt(id, now);
		this.joining.linkUp(id, now);
		const peer = this.peers.get(id);
		if (peer === undefined || !peer.lost) return;
		// RFC 6940 §10.7.1: it returns to the table when it is connected again; both sides have to show themselves.
		this.show(id, now);
		this.#candidates.expect(peer, now);
	}

	/**
	 * Choice (§10.5): a member that wants to know who we are, or links with us anew, has most likely restarted and is joining again
	 * while its old link still looks alive. It counts again when it says so by an Update (which a peer of the ring does at once).
	 */
	#doubt(id: Uint8Array, now: number): void {
		const peer = this.peers.get(id);
		if (peer === undefined || now - peer.uptimeAt <= DOUBT_MS || !this.#remove(peer)) return;
		peer.lost = true;
	}

	#linkDown(id: Uint8Array, clean: boolean, now: number): void {
		this.#owed.cancel(id);
		this.#admission.linkDown(id);
		this.joining.linkDown(id, now);
		const peer = this.peers.get(id);
		if (peer === undefined) return;
		peer.mine = false;
		if (!this.#remove(peer) || clean) return;
		this.failures++;
		this.#candidates.lost(peer, now);
	}

	#remove(peer: Peer): boolean {
		if (!this.peers.setMember(peer, false)) return false;
		this.#urgent = true;
		return true;
	}

	/** It does not answer although its link seems up. */
	#failed(id: Uint8Array, now: number): void {
		const peer = this.peers.get(id);
		if (peer === undefined || !this.#remove(peer)) return;
		this.failures++;
		this.#candidates.lost(peer, now);
		this.out.push({ type: "release", nodeId: id });
	}

	#request(request: TopologyRequest, now: number): void {
		switch (request.code) {
			case MessageCode.joinReq:
				this.#admission.handle(request, this.#phase === "in", (id) => this.isResponsible(id), now);
				return;
			case MessageCode.leaveReq:
				this.#handleLeave(request, now);
				return;
			case MessageCode.updateReq:
				this.#handleUpdate(request, now);
				return;
			case MessageCode.routeQueryReq:
				this.#handleRouteQuery(request, now);
				return;
			default:
				this.#refuse(request, ErrorCode.invalidMessage, "not a request for the topology plug-in");
				return;
		}
	}

	#refuse(request: TopologyRequest, errorCode: number, info: string): void {
		this.out.push({ type: "refuse", token: request.token, errorCode, info });
	}

	#updateWanted(id: Uint8Array, type: number, now: number): void {
		this.#doubt(id, now);
		if (this.#phase === "in") {
			this.owe(id, type, now);
			return;
		}
		// RFC 6940 §10.5 MUST NOT: no Update before we are in the ring; it gets it then.
		const peer = this.peers.note(id);
		if (peer !== undefined) peer.owed = true;
	}

	#handedOver(to: Uint8Array, now: number): void {
		const peer = this.#admission.handedOver(to);
		if (peer === undefined || this.#phase !== "in") return;
		// Step 7: from now on it is our predecessor. If somebody else has come between, our Update tells it whom to ask.
		if (this.isResponsible(peer.id)) this.peers.setMember(peer, true);
		this.#urgent = true;
		this.owe(peer.id, ChordUpdateType.neighbors, now);
	}

	/** RFC 6940 §10.7.3. */
	#handleUpdate(request: TopologyRequest, now: number): void {
		const update = readChordUpdate(request.body, this.host.nodeIdLength);
		if (isRefused(update)) {
			this.#refuse(request, ErrorCode.invalidMessage, update.refused);
			return;
		}
		this.out.push({ type: "answer", token: request.token, body: EMPTY });
		const { from } = request;
		const peer = this.#phase === "left" ? undefined : this.peers.note(from);
		if (peer === undefined) return;
		peer.uptimeS = update.uptime;
		peer.uptimeAt = now;
		if (!this.host.isConnected(from)) this.#candidates.mention(from, from, now);
		else if (this.peers.members.length < this.#rules.mostMembers) {
			// A Join under way decides when the joining peer is placed, whatever it says itself.
			if (!this.#admission.isAdmitting(from)) this.peers.setMember(peer, true);
			peer.departedUntil = 0;
		}
		if (update.type !== ChordUpdateType.peerReady) {
			const { predecessors, successors } = update;
			this.#candidates.unmention(from, (id) => lists(predecessors, id) || lists(successors, id));
			this.#mentionAll(predecessors, from, now);
			this.#mentionAll(successors, from, now);
		}
		if (this.#phase === "joining" && this.joining.updated(from, update.predecessors, now)) this.#enterRing(now);
		if (this.#phase === "in") this.#correct(peer, update.predecessors, update.successors, now);
	}

	#mentionAll(list: readonly Uint8Array[], via: Uint8Array, now: number): void {
		for (let i = 0; i < list.length && i < LISTED_IDS; i++) this.#candidates.mention(list[i]!, via, now);
	}

	/**
	 * Choice (§10.7.3): who sends an Update that lacks peers we know to belong into it (often ourselves) gets ours in return, so that
	 * a wrong view heals in a round trip and not in a chord-update-interval. Repeated later and later while nothing changes.
	 */
	#correct(peer: Peer, predecessors: readonly Uint8Array[], successors: readonly Uint8Array[], now: number): void {
		if (this.#rules.tell === "quiet" && !this.#isAdjacent(peer)) return;
		const perSide = this.perSide();
		let wrong = isMissing(this.self, peer.id, predecessors, successors, perSide) && this.neighbours().includes(peer);
		const ours = this.neighbours();
		for (let i = 0; i < ours.length && !wrong; i++) {
			wrong = isMissing(ours[i]!.id, peer.id, predecessors, successors, perSide);
		}
		if (!wrong) return;
		const at = Math.max(peer.correctAt, now);
		const gap = Math.max(peer.correctGapMs, CORRECT_GAP_MS);
		peer.correctGapMs = Math.min(gap * 2, CORRECT_GAP_MOST_MS);
		peer.correctAt = at + gap;
		this.owe(peer.id, ChordUpdateType.neighbors, at);
	}

	#isAdjacent(peer: Peer): boolean {
		return peer === this.peers.successor() || peer === this.peers.predecessor();
	}

	/** RFC 6940 §6.4.2.2, §10.9. */
	#handleLeave(request: TopologyRequest, now: number): void {
		const leave = readLeaveReq(request.body, this.host.nodeIdLength);
		if (isRefused(leave)) {
			this.#refuse(request, ErrorCode.invalidMessage, leave.refused);
			return;
		}
		if (!equalBytes(leave.leavingPeerId, request.from) || !request.overLink) {
			this.#refuse(request, ErrorCode.forbidden, "a Leave is signed by the leaving peer and sent over its own link");
			return;
		}
		this.out.push({ type: "answer", token: request.token, body: EMPTY });
		this.#admission.linkDown(request.from);
		this.joining.linkDown(request.from, now);
		this.#owed.cancel(request.from);
		const peer = this.peers.get(request.from);
		if (peer === undefined) return;
		if (this.#remove(peer)) this.failures++;
		markDeparted(peer, now);
		const data = readChordLeaveData(leave.overlaySpecificData, this.host.nodeIdLength);
		if (isRefused(data)) return;
		// Choice (§10.9): the leaver will be gone when we attach, so its list is taken as if our successor had told us.
		const via = this.peers.successor()?.id ?? request.from;
		this.#mentionAll(data.successors, via, now);
		this.#mentionAll(data.predecessors, via, now);
	}

	/** RFC 6940 §6.4.2.4, [D-11]. */
	#handleRouteQuery(request: TopologyRequest, now: number): void {
		const query = readRouteQueryReq(request.body, this.host.nodeIdLength);
		if (isRefused(query)) {
			this.#refuse(request, ErrorCode.invalidMessage, query.refused);
			return;
		}
		const { destination } = query;
		const id =
			"nodeId" in destination ? destination.nodeId : "resourceId" in destination ? destination.resourceId : EMPTY;
		if (id.length !== this.host.nodeIdLength) {
			this.#refuse(request, ErrorCode.notFound, "only Node-IDs and Resource-IDs of this overlay are routed");
			return;
		}
		const body = encode(writeChordRouteQueryAns, { nextPeer: this.#nextPeer(id) });
		this.out.push({ type: "answer", token: request.token, body });
		if (query.sendUpdate) this.#updateWanted(request.from, ChordUpdateType.full, now);
	}

	#nextPeer(id: Uint8Array): Uint8Array {
		if (this.host.isConnected(id)) return id;
		if (this.isResponsible(id)) return this.self;
		return this.#rules.nextHop(id) ?? this.self;
	}

	/** The members changed: decides who hears of it. RFC 6940 §10.7, §10.7.1. */
	#examine(now: number): void {
		const before = this.#neighbours;
		const successors = this.#successors;
		const rangeChanged = this.#look();
		// One that is being admitted anew is about to be a member again.
		const isLost = (peer: Peer): boolean => !peer.member && !this.#admission.isAdmitting(peer.id);
		if (successors.length > 0 && successors.every(isLost)) this.successorsLost = true;
		const changed = rangeChanged || differ(before, this.#neighbours);
		const at = this.#urgent ? now : now + UPDATE_GAP_MS;
		this.#urgent = false;
		if (!changed) return;
		for (const peer of this.peers.members) peer.correctGapMs = 0;
		if (this.#rules.tell === "all" || (this.#rules.tell === "range" && rangeChanged)) this.#tellAll(at);
		// RFC 7363 §5.2: new neighbours get an Update of type peer_ready. Here it has the lists: they need them in any case.
		else
			for (const peer of this.#neighbours) if (!before.includes(peer)) this.owe(peer.id, ChordUpdateType.neighbors, at);
	}

	/** Keeps the Neighbour Table as it is now. True when our range is another one than at the last look. */
	#look(): boolean {
		this.#version = this.peers.version;
		this.#neighbours = this.neighbours().slice();
		this.#successors = this.peers.successors(this.perSide());
		return this.placement.examine();
	}

	/** RFC 6940 §10.7 MUST: the whole Connection Table, clients too. */
	#tellAll(at: number): void {
		const connections = this.host.connections();
		for (let i = 0; i < connections.length; i++) this.owe(connections[i]!, ChordUpdateType.neighbors, at);
	}

	#flush(now: number): void {
		for (const owed of this.#owed.take(now)) {
			const isFull = owed.type === ChordUpdateType.full;
			if (!isFull && !this.host.isConnected(owed.id)) continue;
			const body = this.updateBody(owed.type, now);
			const purpose: Purpose = { kind: "update", id: owed.id };
			this.out.send(purpose, MessageCode.updateReq, [nodeDestination(owed.id)], body);
		}
	}

	/** Choice (§10.7, [D-24]): the nearest first. */
	updateBody(type: number, now: number): Uint8Array {
		const perSide = this.perSide();
		const uptime = Math.floor(this.host.uptimeS(now));
		return encode(writeChordUpdate, {
			uptime,
			type,
			predecessors: idsOf(this.peers.predecessors(perSide)),
			successors: idsOf(this.peers.successors(perSide)),
			fingers: type === ChordUpdateType.full ? this.#rules.fingers() : [],
		});
	}

	#leave(now: number): void {
		if (this.#phase === "in") {
			this.#phase = "leaving";
			this.#leaving.begin(now);
		} else this.#left();
	}

	#left(): void {
		if (this.#phase === "left") return;
		this.#phase = "left";
		this.joining.stop();
		this.#owed.clear();
		this.out.push({ type: "left" });
	}
}

function differ(a: readonly Peer[], b: readonly Peer[]): boolean {
	if (a.length !== b.length) return true;
	for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return true;
	return false;
}
