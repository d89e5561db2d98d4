/**
 * One received stream as RTCP reports it: sequence numbers that wrap, loss, and jitter. RFC 3550 §6.4.1, appendices A.1, A.3 and A.8.
 */
import { SAMPLES_PER_MS } from "./frame.ts";

/** RFC 3550 A.1: a jump ahead by less is loss; a packet behind by less is late. Anything else is another stream under the same SSRC. */
const MAX_DROPOUT = 3_000;
const MAX_MISORDER = 100;

/** Counts one SSRC's packets. */
export class Reception {
	/** Packets received, duplicates included. */
	received = 0;
	/** Interarrival jitter in samples, times 16. */
	#jitter = 0;
	/** Sequence numbers with their cycles; plain numbers, far below 2^53. */
	#base = 0;
	#highest = 0;
	#badSequence = -1;
	#transit = 0;
	#hasTransit = false;
	#expectedPrior = 0;
	#receivedPrior = 0;

	/** Begins with the stream's first packet. */
	restart(sequence: number): void {
		this.received = 0;
		this.#jitter = 0;
		this.#base = sequence;
		this.#highest = sequence;
		this.#badSequence = -1;
		this.#hasTransit = false;
		this.#expectedPrior = 0;
		this.#receivedPrior = 0;
	}

	/**
	 * Counts a packet. False: its number is out of all order, and it is dropped; when the next one follows it, the stream restarts.
	 * `isTimed`: its timestamp is that of its sending (not so with telephone events, or after a pause).
	 */
	note(sequence: number, timestamp: number, isTimed: boolean, now: number): boolean {
		const ahead = (sequence - this.#highest) & 0xffff;
		if (ahead < MAX_DROPOUT) this.#highest += ahead;
		else if (ahead <= 0x10000 - MAX_MISORDER) {
			// RFC 3550 A.1: two in a row are a sender that began anew without saying so.
			if (sequence !== this.#badSequence) {
				this.#badSequence = (sequence + 1) & 0xffff;
				return false;
			}
			this.restart(sequence);
		}
		this.#badSequence = -1;
		this.received++;
		if (isTimed) this.#noteJitter(timestamp, now);
		else this.#hasTransit = false;
		return true;
	}

	#noteJitter(timestamp: number, now: number): void {
		const transit = (Math.floor(now * SAMPLES_PER_MS) - timestamp) | 0;
		if (this.#hasTransit) {
			const difference = (transit - this.#transit) | 0;
			this.#jitter += (difference < 0 ? -difference : difference) - ((this.#jitter + 8) >> 4);
		}
		this.#transit = transit;
		this.#hasTransit = true;
	}

	/** The number of the newest packet, 0..65535. */
	get highestSequence(): number {
		return this.#highest & 0xffff;
	}

	/** With the cycles above it, modulo 2^32. */
	get extendedHighest(): number {
		return this.#highest >>> 0;
	}

	/** In samples. */
	get jitter(): number {
		return this.#jitter >> 4;
	}

	/** Packets that never came; negative when there were duplicates (RFC 3550 A.3). */
	get lost(): number {
		return this.#highest - this.#base + 1 - this.received;
	}

	/** RFC 3550 A.3: loss since the last call, in 256ths. */
	takeFraction(): number {
		const expected = this.#highest - this.#base + 1;
		const expectedNow = expected - this.#expectedPrior;
		const lostNow = expectedNow - (this.received - this.#receivedPrior);
		this.#expectedPrior = expected;
		this.#receivedPrior = this.received;
		if (expectedNow <= 0 || lostNow <= 0) return 0;
		return Math.min(255, Math.floor((lostNow * 256) / expectedNow));
	}
}
