/** Saying goodbye (RFC 6940 §6.4.2.2, §10.9). */
import { writeChordLeaveData } from "../../wire/chord.ts";
import { ChordLeaveType, MessageCode } from "../../wire/codes.ts";
import { nodeDestination } from "../../wire/destination.ts";
import { writeLeaveReq } from "../../wire/join.ts";
import { encode } from "../../wire/writer.ts";
import type { RingContext } from "./context.ts";
import { idsOf, type Peer } from "./peers.ts";

export class Leaving {
	readonly #ring: RingContext;
	#unanswered = 0;
	#endsAt = Number.POSITIVE_INFINITY;

	constructor(ring: RingContext) {
		this.#ring = ring;
	}

	/** RFC 6940 §10.9 SHOULD: to all neighbours. Choice: to the other members too, who have us as a finger. */
	begin(now: number): void {
		const { host, peers, out, self } = this.#ring;
		this.#endsAt = now + host.profile.overlayReliabilityMs;
		for (const peer of peers.members) {
			const body = encode(writeLeaveReq, { leavingPeerId: self, overlaySpecificData: this.#dataFor(peer) });
			const sent = out.send({ kind: "leave", id: peer.id }, MessageCode.leaveReq, [nodeDestination(peer.id)], body);
			if (sent) this.#unanswered++;
		}
	}

	/** Choice (§10.9): in a small ring a peer is on both sides of us; one Leave is enough. */
	#dataFor(receiver: Peer): Uint8Array {
		const { peers } = this.#ring;
		const perSide = this.#ring.perSide();
		const successors = peers.successors(perSide);
		const predecessors = peers.predecessors(perSide);
		// from_succ: we are the receiver's successor.
		const isFromSucc = predecessors.includes(receiver) || !successors.includes(receiver);
		return encode(writeChordLeaveData, {
			type: isFromSucc ? ChordLeaveType.fromSucc : ChordLeaveType.fromPred,
			successors: idsOf(successors.filter((peer) => peer !== receiver)),
			predecessors: idsOf(predecessors.filter((peer) => peer !== receiver)),
		});
	}

	/** A Leave has its answer, or has failed. */
	answered(): void {
		this.#unanswered--;
	}

	/** Everybody has heard, or one overlay-reliability-timer has passed. */
	isOver(now: number): boolean {
		return this.#unanswered <= 0 || this.#endsAt <= now;
	}

	deadline(): number {
		return this.#endsAt;
	}
}
