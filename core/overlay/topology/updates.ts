/**
 * Updates: which of them is owed to whom and when, and what a received one says about its sender's view of the ring.
 * RFC 6940 §10.7, §10.7.1, §10.7.3, §10.7.4.1.
 */
import { equalBytes, toHex } from "../../wire/bytes.ts";
import { PENDING_REQUESTS } from "./limits.ts";
import { compareClockwise } from "./ring.ts";

/** An Update that is to be sent. */
export interface Owed {
	readonly id: Uint8Array;
	/** ChordUpdateType: the most telling one asked for. */
	type: number;
	at: number;
}

/** At most one Update per receiver: what comes while it waits is folded into it. */
export class UpdatesOwed {
	readonly #owed = new Map<string, Owed>();

	/** Owes `id` an Update of this type at this time. Beyond PENDING_REQUESTS receivers it is dropped: the periodic one comes. */
	owe(id: Uint8Array, type: number, at: number): void {
		const key = toHex(id);
		const old = this.#owed.get(key);
		if (old === undefined) {
			if (this.#owed.size < PENDING_REQUESTS) this.#owed.set(key, { id: id.slice(), type, at });
			return;
		}
		// The codes grow with what the type tells: peer_ready, neighbors, full.
		if (type > old.type) old.type = type;
		if (at < old.at) old.at = at;
	}

	/** Takes out all that are due. */
	take(now: number): Owed[] {
		const due: Owed[] = [];
		for (const [key, owed] of this.#owed) {
			if (owed.at > now) continue;
			this.#owed.delete(key);
			due.push(owed);
		}
		return due;
	}

	cancel(id: Uint8Array): void {
		this.#owed.delete(toHex(id));
	}

	clear(): void {
		this.#owed.clear();
	}

	deadline(): number {
		let next = Number.POSITIVE_INFINITY;
		for (const owed of this.#owed.values()) if (owed.at < next) next = owed.at;
		return next;
	}
}

/** True when the list has `id`. */
export function lists(list: readonly Uint8Array[], id: Uint8Array): boolean {
	for (let i = 0; i < list.length; i++) if (equalBytes(list[i]!, id)) return true;
	return false;
}

/**
 * True when `id` would belong into the view (`predecessors`, `successors` as received) of `owner` and is not in it: nearer than
 * one of `perSide` entries of a side, or a side has room.
 */
export function isMissing(
	id: Uint8Array,
	owner: Uint8Array,
	predecessors: readonly Uint8Array[],
	successors: readonly Uint8Array[],
	perSide: number,
): boolean {
	if (equalBytes(id, owner)) return false;
	return (
		(!lists(successors, id) && rank(id, owner, successors, 1) < perSide) ||
		(!lists(predecessors, id) && rank(id, owner, predecessors, -1) < perSide)
	);
}

/** How many of the list are nearer to `owner` than `id`, in one direction (1 = clockwise). */
function rank(id: Uint8Array, owner: Uint8Array, list: readonly Uint8Array[], direction: number): number {
	let nearer = 0;
	for (let i = 0; i < list.length; i++) if (compareClockwise(owner, list[i]!, id) * direction < 0) nearer++;
	return nearer;
}
