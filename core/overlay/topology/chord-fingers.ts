/**
 * The Finger Table of CHORD-RELOAD and the search for peers it lacks. RFC 6940 §10.1, §10.7.2, §10.7.4.2, §10.7.4.3.
 *
 *   entry i (from 1) holds one peer of [n + 2^(k-i), n + 2^(k-(i-1)) - 1]
 *
 *            n
 *        3 .---. ...        entry 1 is the half of the ring opposite of where we are, entry 2 a quarter, ...
 *         |     | 3
 *        2 `---' 1          (clockwise from n: ..., 3, 2, 1)
 */

import { EMPTY } from "../../wire/bytes.ts";
import { MessageCode } from "../../wire/codes.ts";
import { nodeDestination, resourceDestination } from "../../wire/destination.ts";
import { writePingReq } from "../../wire/ping.ts";
import { encode } from "../../wire/writer.ts";
import type { RingContext } from "./context.ts";
import type { TopologyResult } from "./joining.ts";
import { FINGERS_LEAST, FINGERS_MOST } from "./limits.ts";
import { markFailed, type Peer } from "./peers.ts";
import { inInterval, plusPowerOfTwo, randomIn } from "./ring.ts";

export class FingerTable {
	readonly #ring: RingContext;
	/** Bits of an id. */
	readonly #bits: number;
	/** Index 0 is entry 1. */
	readonly #entries: (Peer | undefined)[] = [];
	/** Least number of entries (RFC 7363 §6.1 may ask for more than 16). */
	least = FINGERS_LEAST;

	constructor(ring: RingContext) {
		this.#ring = ring;
		this.#bits = ring.self.length * 8;
	}

	/** Entries of the table, invalid ones included. */
	get size(): number {
		return this.#entries.length;
	}

	/** The entry whose range holds `id`: 1 for the far half of the ring; bits + 1 for ourselves. */
	entryOf(id: Uint8Array): number {
		const { self } = this.#ring;
		// distance = id - self; its highest bit says which range it lies in.
		let borrow = 0;
		let highest = -1;
		for (let at = self.length - 1; at >= 0; at--) {
			const octet = id[at]! - self[at]! - borrow;
			borrow = octet < 0 ? 1 : 0;
			const low = octet & 0xff;
			if (low !== 0) highest = (self.length - 1 - at) * 8 + 31 - Math.clz32(low);
		}
		return this.#bits - highest;
	}

	/**
	 * Fills the table from the members. Choice (§10.7.4.2): of several peers in a range the one nearest to its start, as n + 2^(k-i)
	 * would have found: a peer near the end of the range shortens few ways.
	 */
	refresh(): void {
		const { members } = this.#ring.peers;
		const size = this.#wantedSize();
		this.#entries.length = size;
		this.#entries.fill(undefined);
		// In clockwise order, so the first one met of a range is the nearest to its start.
		for (let i = 0; i < members.length; i++) {
			const entry = this.entryOf(members[i]!.id);
			if (entry <= size && this.#entries[entry - 1] === undefined) this.#entries[entry - 1] = members[i]!;
		}
	}

	/** RFC 6940 §10.7.4.3: at least 16, and large enough to include the last successor; at most 128. */
	#wantedSize(): number {
		const last = this.#ring.peers.successors(this.#ring.perSide()).pop();
		const reach = last === undefined ? 0 : this.entryOf(last.id);
		const most = Math.min(this.#bits, FINGERS_MOST);
		const wanted = Math.max(reach, this.least);
		return Math.min(wanted, most);
	}

	peerOf(entry: number): Peer | undefined {
		return this.#entries[entry - 1];
	}

	has(peer: Peer): boolean {
		return this.#entries.includes(peer);
	}

	/** The fingers, each once, entry 1 first. */
	list(): Peer[] {
		const list: Peer[] = [];
		for (let i = 0; i < this.#entries.length; i++) {
			const peer = this.#entries[i];
			if (peer !== undefined) list.push(peer);
		}
		return list;
	}

	/** n + 2^(k-entry): where the range of the entry starts. */
	startOf(entry: number): Uint8Array {
		return plusPowerOfTwo(this.#ring.self, this.#bits - entry);
	}

	/** A random id of the range of the entry. */
	randomOf(entry: number): Uint8Array {
		return randomIn(this.startOf(entry), this.#bits - entry, () => this.#ring.host.random());
	}

	/** RFC 6940 §10.5: n + 2^(k-i) for all i whose peer is not known already, because it lies among our neighbours. */
	joinTargets(): Uint8Array[] {
		const targets: Uint8Array[] = [];
		for (let entry = 1; entry <= this.#entries.length; entry++) {
			const start = this.startOf(entry);
			if (!this.#isAmongNeighbours(start)) targets.push(start);
		}
		return targets;
	}

	/** True when we know who is responsible for `id`: it lies between our farthest neighbours. */
	#isAmongNeighbours(id: Uint8Array): boolean {
		const { peers } = this.#ring;
		const perSide = this.#ring.perSide();
		if (peers.members.length < 2 * perSide) return true;
		const first = peers.predecessors(perSide)[perSide - 1]!;
		const last = peers.successors(perSide)[perSide - 1]!;
		return inInterval(id, first.id, last.id);
	}

	/**
	 * An entry worth a search: invalid, or held by a predecessor (those fill the ranges behind us without being a way to anywhere
	 * else), and beyond the successors, where a peer of its range can exist.
	 */
	isSearchable(entry: number): boolean {
		const { peers } = this.#ring;
		const perSide = this.#ring.perSide();
		if (peers.members.length < 2 * perSide) return false;
		const peer = this.#entries[entry - 1];
		if (peer !== undefined && !peers.predecessors(perSide).includes(peer)) return false;
		return entry < this.entryOf(peers.successors(perSide)[perSide - 1]!.id);
	}
}

/** RFC 6940 §10.7.4.2, alternative 1: a Ping to a random id of an invalid entry's range, and an Attach to whoever answers. */
export class FingerSearch {
	readonly #ring: RingContext;
	readonly #table: FingerTable;
	#nextAt = Number.POSITIVE_INFINITY;

	constructor(ring: RingContext, table: FingerTable) {
		this.#ring = ring;
		this.#table = table;
	}

	/** Starts the periodic search; the first one at a random offset, so that a house does not search in step. */
	start(now: number): void {
		this.#nextAt = now + this.#ring.host.random() * this.#ring.host.profile.chordPingMs;
	}

	stop(): void {
		this.#nextAt = Number.POSITIVE_INFINITY;
	}

	/** RFC 6940 §10.7.4.2: not more often than chord-ping-interval; earlier entries (long ways) are preferred. */
	run(now: number): void {
		if (this.#nextAt > now) return;
		this.#nextAt = now + this.#ring.host.profile.chordPingMs;
		const { host } = this.#ring;
		let chosen = 0;
		for (let entry = 1; entry <= this.#table.size; entry++) {
			if (!this.#table.isSearchable(entry)) continue;
			chosen = entry;
			if (host.random() < 0.5) break;
		}
		if (chosen > 0) this.search(chosen);
	}

	/** Looks for a peer of this entry now. */
	search(entry: number): void {
		const destination = [resourceDestination(this.#table.randomOf(entry))];
		const body = encode(writePingReq, { padding: EMPTY });
		this.#ring.out.send({ kind: "fingerPing", entry }, MessageCode.pingReq, destination, body);
	}

	/**
	 * Somebody answered the Ping: a finger, when it lies in the range (an empty range is answered from beyond it). The peer, when
	 * the link is there already and only its Update is missing.
	 */
	pinged(entry: number, result: TopologyResult, now: number): Peer | undefined {
		const { peers, out, host } = this.#ring;
		if (!result.ok || result.from === undefined || this.#table.entryOf(result.from) !== entry) return undefined;
		const peer = peers.note(result.from);
		if (peer === undefined || peer.member || peer.attaching || peer.retryAt > now) return undefined;
		if (host.isConnected(peer.id)) return peer;
		peer.attaching = out.attach({ kind: "fingerAttach", entry, id: peer.id }, [nodeDestination(peer.id)]);
		return undefined;
	}

	/** The Attach to it has ended. The peer, when the link is up: it gets an Update, so that we are a peer to it. */
	attached(id: Uint8Array, ok: boolean, now: number): Peer | undefined {
		const peer = this.#ring.peers.get(id);
		if (peer === undefined) return undefined;
		peer.attaching = false;
		peer.mine = ok;
		if (ok) return peer;
		markFailed(peer, now);
		return undefined;
	}

	deadline(): number {
		return this.#nextAt;
	}
}
