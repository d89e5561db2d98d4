/**
 * The peers a plug-in knows: members (a live link, and they have shown by an Update that they are in the ring), and candidates
 * (somebody listed them). Members are kept in ring order, so successors and predecessors are its two ends.
 *
 *   self -> [ s1 s2 s3 ... p3 p2 p1 ] -> self          clockwise
 *
 * RFC 6940 §6.1.2, §10.4: a node that never sent an Update is in the Connection Table only; nothing is routed through it.
 */
import { equalBytes, toHex } from "../../wire/bytes.ts";
import { DEPARTED_MS, KNOWN_PEERS, RETRIES, RETRY_MOST_MS, RETRY_MS } from "./limits.ts";
import { compareClockwise, isBetween } from "./ring.ts";

/** What is known about one peer. Times are `now` milliseconds. */
export interface Peer {
	readonly id: Uint8Array;
	readonly key: string;
	/** In the ring, and linked with us. Written by `PeerTable` only. */
	member: boolean;
	/** It was a member until its link went down; an Update is due when the link comes back. */
	lost: boolean;
	/** The peer that told us about it: the Attach is source-routed through it (RFC 6940 §10.6). */
	via: Uint8Array | undefined;
	/** An Attach of ours is under way. */
	attaching: boolean;
	/** The link is of our making. */
	mine: boolean;
	/** Attaches that failed in a row. */
	failures: number;
	/** Not tried before this time. */
	retryAt: number;
	/** Lists that name it are not believed before this time. */
	departedUntil: number;
	/** It asked for an Update while we were not in the ring yet. */
	owed: boolean;
	/** Its uptime in seconds as it said, and when. */
	uptimeS: number;
	uptimeAt: number;
	/** When its view may be corrected again, and the gap after that. */
	correctAt: number;
	correctGapMs: number;
}

export class PeerTable {
	readonly #self: Uint8Array;
	readonly #known = new Map<string, Peer>();
	readonly #members: Peer[] = [];
	/** Grows with every change of the members. */
	version = 0;

	constructor(self: Uint8Array) {
		this.#self = self;
	}

	/** Members, clockwise from this node. */
	get members(): readonly Peer[] {
		return this.#members;
	}

	get size(): number {
		return this.#known.size;
	}

	known(): IterableIterator<Peer> {
		return this.#known.values();
	}

	get(id: Uint8Array): Peer | undefined {
		return this.#known.get(toHex(id));
	}

	/** The record of `id`, made when there is none; `undefined` for ourselves and when the table is full of better ones. */
	note(id: Uint8Array): Peer | undefined {
		const key = toHex(id);
		const old = this.#known.get(key);
		if (old !== undefined) return old;
		if (equalBytes(id, this.#self)) return undefined;
		if (this.#known.size >= KNOWN_PEERS && !this.#evict()) return undefined;
		const peer = newPeer(id.slice(), key);
		this.#known.set(key, peer);
		return peer;
	}

	/** Forgets the oldest record that is neither a member nor under way. */
	#evict(): boolean {
		for (const peer of this.#known.values()) {
			if (peer.member || peer.attaching || peer.owed) continue;
			this.#known.delete(peer.key);
			return true;
		}
		return false;
	}

	forget(peer: Peer): void {
		this.setMember(peer, false);
		this.#known.delete(peer.key);
	}

	/** Puts a peer into the ring as we see it, or takes it out. True when that changed something. */
	setMember(peer: Peer, member: boolean): boolean {
		if (peer.member === member) return false;
		peer.member = member;
		this.version++;
		if (!member) {
			this.#members.splice(this.#members.indexOf(peer), 1);
			return true;
		}
		peer.failures = 0;
		peer.lost = false;
		let at = 0;
		while (at < this.#members.length && compareClockwise(this.#self, this.#members[at]!.id, peer.id) < 0) at++;
		this.#members.splice(at, 0, peer);
		return true;
	}

	/** The nearest members clockwise, nearest first. */
	successors(count: number): Peer[] {
		return this.#members.slice(0, count);
	}

	/** The nearest members counter-clockwise, nearest first. */
	predecessors(count: number): Peer[] {
		const members = this.#members;
		const list: Peer[] = [];
		for (let i = members.length - 1; i >= 0 && list.length < count; i--) list.push(members[i]!);
		return list;
	}

	/** The closest member on each side. */
	successor(): Peer | undefined {
		return this.#members[0];
	}

	predecessor(): Peer | undefined {
		return this.#members[this.#members.length - 1];
	}

	/** True when `id` would be among the `perSide` nearest of either side if it were a member. */
	isNear(id: Uint8Array, perSide: number): boolean {
		const members = this.#members;
		if (members.length < perSide) return true;
		return (
			isBetween(id, this.#self, members[perSide - 1]!.id) ||
			isBetween(id, members[members.length - perSide]!.id, this.#self)
		);
	}

	/** Members strictly between `from` and this node, clockwise. */
	countBetween(from: Uint8Array): number {
		let count = 0;
		for (let i = this.#members.length - 1; i >= 0; i--) {
			if (!isBetween(this.#members[i]!.id, from, this.#self)) break;
			count++;
		}
		return count;
	}
}

function newPeer(id: Uint8Array, key: string): Peer {
	return {
		id,
		key,
		member: false,
		lost: false,
		via: undefined,
		attaching: false,
		mine: false,
		failures: 0,
		retryAt: 0,
		departedUntil: 0,
		owed: false,
		uptimeS: 0,
		uptimeAt: 0,
		correctAt: 0,
		correctGapMs: 0,
	};
}

/** An Attach to it failed: it is tried again later and later. False when it has failed often enough to be forgotten. */
export function markFailed(peer: Peer, now: number): boolean {
	peer.failures++;
	const wait = RETRY_MS * 2 ** (peer.failures - 1);
	peer.retryAt = now + Math.min(wait, RETRY_MOST_MS);
	return peer.failures < RETRIES;
}

/** It said goodbye: lists that still name it are stale. */
export function markDeparted(peer: Peer, now: number): void {
	peer.lost = false;
	peer.via = undefined;
	peer.departedUntil = now + DEPARTED_MS;
}

export function idsOf(peers: readonly Peer[]): Uint8Array[] {
	const list: Uint8Array[] = [];
	for (let i = 0; i < peers.length; i++) list.push(peers[i]!.id);
	return list;
}
