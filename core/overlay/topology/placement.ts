/**
 * Where values belong on the ring: who is responsible, who holds replicas, who may say so. RFC 6940 §10.1, §10.4, §6.3.4.
 *
 *      p3    p2    p1    n    s1    s2
 *   ---o-----o-----o-----o----o-----o---
 *                  '-----'                 (p1, n]: n is responsible; s1 and s2 hold replicas
 *      '-----'-----'                       (p3, p1]: n holds replicas for p2 and p1
 */
import { compareBytes } from "../../wire/bytes.ts";
import type { RingContext } from "./context.ts";
import { compareClockwise, inInterval, shareOfRing } from "./ring.ts";

/** RFC 6940 §10.4: copies besides the one of the responsible peer. */
const REPLICAS = 2;
const WHOLE_RING_PPB = 1_000_000_000;

export class Placement {
	readonly #ring: RingContext;
	/** Keys of the predecessor and of the replica set, as of the last look. */
	#predecessor = "";
	#replicas: string[] = [];

	constructor(ring: RingContext) {
		this.#ring = ring;
	}

	/** RFC 6940 §10.1: r is ours when it lies in (predecessor, n]; everything is when there is no predecessor. */
	isResponsible(id: Uint8Array): boolean {
		const predecessor = this.#ring.peers.predecessor();
		return predecessor === undefined || inInterval(id, predecessor.id, this.#ring.self);
	}

	responsiblePpb(): number {
		const predecessor = this.#ring.peers.predecessor();
		if (predecessor === undefined) return WHOLE_RING_PPB;
		return Math.round(shareOfRing(predecessor.id, this.#ring.self) * WHOLE_RING_PPB);
	}

	replicaSet(): Uint8Array[] {
		const set: Uint8Array[] = [];
		const successors = this.#ring.peers.members;
		for (let i = 0; i < REPLICAS && i < successors.length; i++) set.push(successors[i]!.id);
		return set;
	}

	/**
	 * RFC 6940 §10.4 SHOULD: a replica comes from a fitting predecessor. Choice: one that has at most two known peers between itself
	 * and us (we may not have heard of a failure yet), and the resource does not lie behind it. A value that is ours by now may be
	 * handed to us by either neighbour (§6.4.2.3 MUST: who is no longer responsible stores it at the right peer).
	 */
	mayReplicate(resourceId: Uint8Array, from: Uint8Array): boolean {
		const { peers, self, host } = this.#ring;
		if (!host.isConnected(from)) return false;
		if (this.isResponsible(resourceId)) return peers.get(from)?.member === true;
		return !inInterval(resourceId, from, self) && peers.countBetween(from) <= REPLICAS;
	}

	/** RFC 6940 §10.4 SHOULD delete: three or more peers between the resource and us (its own responsible peer among them). */
	shouldKeep(resourceId: Uint8Array): boolean {
		const third = this.#ring.peers.predecessors(REPLICAS + 1)[REPLICAS];
		return third === undefined || inInterval(resourceId, third.id, this.#ring.self);
	}

	/** RFC 6940 §6.3.4, [D-6]: clockwise from the resource, nobody of our Neighbour Table comes before the signer. */
	isCloseEnough(resourceId: Uint8Array, signer: Uint8Array): boolean {
		const { peers } = this.#ring;
		const perSide = this.#ring.perSide();
		const members = peers.members;
		for (let i = 0; i < members.length; i++) {
			if (i >= perSide && i < members.length - perSide) continue;
			if (comesFirst(resourceId, members[i]!.id, signer)) return false;
		}
		return true;
	}

	/**
	 * Looks at the neighbours as they are now; puts out `placementChanged` when that moves values. True when our range changed. (The
	 * hold-down of §10.7.1 before replicas are made is the node's.)
	 */
	examine(): boolean {
		const { peers, out } = this.#ring;
		const predecessor = peers.predecessor()?.key ?? "";
		const rangeChanged = predecessor !== this.#predecessor;
		const replicas: string[] = [];
		for (let i = 0; i < REPLICAS && i < peers.members.length; i++) replicas.push(peers.members[i]!.key);
		let isNew = false;
		for (let i = 0; i < replicas.length; i++) if (!this.#replicas.includes(replicas[i]!)) isNew = true;
		this.#predecessor = predecessor;
		this.#replicas = replicas;
		if (rangeChanged || isNew) out.push({ type: "placementChanged" });
		return rangeChanged;
	}
}

/** True when `a` lies strictly before `b` clockwise from `origin` (a point of the ring, at distance 0 itself). */
function comesFirst(origin: Uint8Array, a: Uint8Array, b: Uint8Array): boolean {
	return compareBytes(a, b) !== 0 && compareClockwise(origin, a, b) < 0;
}
