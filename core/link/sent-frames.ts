/**
 * Data frames sent and not acknowledged: their numbers are consecutive, so only their send times are kept.
 *
 *   acknowledged | oldest  ...............  newest | next
 *                  <---------- count ---------->
 */

/** First allocation; it doubles as needed up to the limit. */
const INITIAL_FRAMES = 16;

export class SentFrames {
	/** A power of two of slots, indexed by the low bits of the sequence number. */
	#times = new Float64Array(INITIAL_FRAMES);
	#oldest: number;
	#count = 0;

	/** `first`: the number of the first frame; RFC 6940 §6.6.2 says 0. */
	constructor(first = 0) {
		this.#oldest = first >>> 0;
	}

	get count(): number {
		return this.#count;
	}

	/** When the oldest outstanding frame was sent; only while `count` > 0. */
	get oldestSentAt(): number {
		return this.#times[this.#oldest & (this.#times.length - 1)]!;
	}

	/** Takes the next sequence number (uint32) for a frame sent now. The caller keeps `count` below its limit. */
	add(now: number): number {
		if (this.#count === this.#times.length) this.#grow();
		const sequence = (this.#oldest + this.#count) >>> 0;
		this.#times[sequence & (this.#times.length - 1)] = now;
		this.#count++;
		return sequence;
	}

	/**
	 * An ack of `sequence` arrived: when that frame was sent, or -1 when it is not outstanding. The stream is reliable and
	 * in order, so everything sent before it has arrived too, whether its own ack came or not.
	 */
	acknowledge(sequence: number): number {
		const distance = (sequence - this.#oldest) >>> 0;
		if (distance >= this.#count) return -1;
		this.#oldest = (sequence + 1) >>> 0;
		this.#count -= distance + 1;
		return this.#times[sequence & (this.#times.length - 1)]!;
	}

	#grow(): void {
		const old = this.#times;
		const times = new Float64Array(old.length * 2);
		for (let i = 0; i < this.#count; i++) {
			const sequence = (this.#oldest + i) >>> 0;
			times[sequence & (times.length - 1)] = old[sequence & (old.length - 1)]!;
		}
		this.#times = times;
	}
}
