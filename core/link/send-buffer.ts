/**
 * The output of one link: frames and acks are written one behind the other into a piece of memory and handed out once per drain.
 *
 *   arena   | handed out (never touched again) | waiting | room |
 *                                              start     end
 *
 * When the room is too small a new arena is allocated and only what waits is copied.
 */

/** Of the smallest arena: a few Pings and acks, all that most links carry most of the time. */
const LEAST_ARENA_OCTETS = 2_048;
/** An arena has room for this many hand-outs as long as the last one: a busy link allocates seldom, an idle one keeps little. */
const HAND_OUTS = 8;

export class SendBuffer {
	readonly #arenaOctets: number;
	#arena = new Uint8Array(0);
	#start = 0;
	#end = 0;
	/** Octets of the last hand-out: the next one will be about as long. */
	#usual = 0;

	constructor(arenaOctets: number) {
		this.#arenaOctets = arenaOctets;
	}

	/** The memory to write into, after `room`. */
	get arena(): Uint8Array {
		return this.#arena;
	}

	/** Octets waiting to be handed out. */
	get waiting(): number {
		return this.#end - this.#start;
	}

	/** Makes room for `count` octets behind what waits; their offset in `arena`. Nothing is taken until `advance`. */
	room(count: number): number {
		const left = this.#arena.length - this.#end;
		// A new arena costs least while nothing waits that would have to be copied.
		if (left < count || (left < this.#usual && this.#end === this.#start)) this.#renew(count);
		return this.#end;
	}

	/** The next `count` octets of the room are written. */
	advance(count: number): void {
		this.#end += count;
	}

	/** Hands out what waits; `undefined` when there is nothing. */
	take(): Uint8Array | undefined {
		if (this.#end === this.#start) return undefined;
		const bytes = this.#arena.subarray(this.#start, this.#end);
		this.#start = this.#end;
		this.#usual = Math.min(bytes.length, this.#arenaOctets);
		return bytes;
	}

	#renew(count: number): void {
		const waiting = this.#end - this.#start;
		const size = Math.min(Math.max(LEAST_ARENA_OCTETS, HAND_OUTS * this.#usual), this.#arenaOctets);
		// Twice what waits, so that a long backlog is copied a few times only.
		const arena = new Uint8Array(Math.max(size, 2 * waiting, waiting + count));
		arena.set(this.#arena.subarray(this.#start, this.#end));
		this.#arena = arena;
		this.#start = 0;
		this.#end = waiting;
	}
}
