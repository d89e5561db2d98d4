/**
 * The admitting peer's side of a Join (RFC 6940 §10.5 steps 5 to 8): answer, hand over what the joining peer will be responsible
 * for, and only then count it as our predecessor. The Updates that place it follow from that change.
 *
 *   JN              AP
 *    | -- JoinReq --> |
 *    | <-- JoinAns -- |
 *    | <-- Stores --- |   handOver ... handedOver
 *    | <-- Update --- |   JN is AP's predecessor from here on
 *
 * Choice (§10.5): one at a time. Who comes meanwhile gets Error_In_Progress and looks for its admitting peer again, since that is
 * often the one just admitted.
 */
import { isRefused } from "../../machine.ts";
import { EMPTY, equalBytes } from "../../wire/bytes.ts";
import { ErrorCode } from "../../wire/codes.ts";
import { readJoinReq, writeJoinAns } from "../../wire/join.ts";
import { encode } from "../../wire/writer.ts";
import type { RingContext } from "./context.ts";
import { HAND_OVER_MS } from "./limits.ts";
import type { Peer } from "./peers.ts";
import type { TopologyInput } from "./plugin.ts";

export type TopologyRequest = Extract<TopologyInput, { type: "request" }>;

export class Admission {
	readonly #ring: RingContext;
	/** Most members with which another one is taken in. */
	readonly #capacity: number;
	#joiner: Uint8Array | undefined;
	#until = Number.POSITIVE_INFINITY;

	constructor(ring: RingContext, capacity: number) {
		this.#ring = ring;
		this.#capacity = capacity;
	}

	/** A JoinReq. `isResponsible`: of the joining peer's Node-ID, when it is not counted as a member. */
	handle(request: TopologyRequest, inRing: boolean, isResponsible: (id: Uint8Array) => boolean, now: number): void {
		const { out, peers, host } = this.#ring;
		const body = readJoinReq(request.body, host.nodeIdLength);
		if (isRefused(body)) {
			this.#refuse(request, ErrorCode.invalidMessage, body.refused);
			return;
		}
		// RFC 6940 §6.4.2.1 MUST: the joining peer signed it, and it came over the link bound to its Node-ID.
		if (!equalBytes(body.joiningPeerId, request.from) || !request.overLink) {
			this.#refuse(request, ErrorCode.forbidden, "a Join is signed by the joining peer and sent over its own link");
			return;
		}
		if (!inRing) {
			this.#refuse(request, ErrorCode.inProgress, "not in the overlay yet");
			return;
		}
		if (this.#joiner !== undefined && !equalBytes(this.#joiner, request.from)) {
			this.#refuse(request, ErrorCode.inProgress, "another peer is being admitted");
			return;
		}
		const peer = peers.note(request.from);
		const full = peer === undefined || (!peer.member && peers.members.length + 1 >= this.#capacity);
		if (full) {
			this.#refuse(request, ErrorCode.incompatibleWithOverlay, "this overlay is full");
			return;
		}
		// A member that joins again has lost its state (power loss): until it is admitted, its part is ours.
		peers.setMember(peer, false);
		if (!isResponsible(peer.id)) {
			this.#refuse(request, ErrorCode.notFound, "not responsible for the joining peer's Node-ID");
			return;
		}
		out.push({ type: "answer", token: request.token, body: encode(writeJoinAns, { overlaySpecificData: EMPTY }) });
		// A repeated Join of the one being admitted is answered again; its hand-over is on its way.
		if (this.#joiner !== undefined) return;
		this.#joiner = peer.id;
		this.#until = now + HAND_OVER_MS;
		const after = peers.predecessor()?.id ?? this.#ring.self;
		out.push({ type: "handOver", to: peer.id, after, upTo: peer.id });
	}

	#refuse(request: TopologyRequest, errorCode: number, info: string): void {
		this.#ring.out.push({ type: "refuse", token: request.token, errorCode, info });
	}

	/**
	 * The hand-over to `to` has ended. The peer, when it can be placed now. Choice (§10.5): also when some value could not be
	 * stored there: we are its successor and keep replicas of everything.
	 */
	handedOver(to: Uint8Array): Peer | undefined {
		if (this.#joiner === undefined || !equalBytes(this.#joiner, to)) return undefined;
		this.#stop();
		return this.#ring.host.isConnected(to) ? this.#ring.peers.get(to) : undefined;
	}

	linkDown(id: Uint8Array): void {
		if (this.#joiner !== undefined && equalBytes(this.#joiner, id)) this.#stop();
	}

	/** True while this node is being admitted by us. */
	isAdmitting(id: Uint8Array): boolean {
		return this.#joiner !== undefined && equalBytes(this.#joiner, id);
	}

	expire(now: number): void {
		if (this.#until <= now) this.#stop();
	}

	#stop(): void {
		this.#joiner = undefined;
		this.#until = Number.POSITIVE_INFINITY;
	}

	deadline(): number {
		return this.#until;
	}
}
