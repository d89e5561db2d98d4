/**
 * The jitter buffer: a ring of samples by RTP timestamp. Packets of any length go to their place, so order, duplicates and overlaps
 * need no thought; what is not there when it is played is concealed. How long voice is held back follows the jitter, 40 to 120 ms.
 *
 *    played        play position now       cursor             (a gap)          end
 *   ....history....|===== frame being heard =|====voice====|MISSING|====voice====|  free ...
 *                           lead of a packet: from the play position to its timestamp
 *
 * - *lead* of a packet: by how much it came before its first sample is heard. Its mean is what we steer, its dips are the jitter.
 * - *target* of the mean lead: 40 ms, or the deepest dip of the last seconds and a quarter, and 20 ms.
 * - The mean drifts from the target when the other clock runs faster or slower than ours, or when jitter changes: then 1 to 8 samples of
 *   a frame are left out or added (at most 5 %), so delay does not grow and nobody hears it.
 * - Nothing newer there: the cursor stands still, what is missing is made up for (delay grows by it, and shrinks again as above); after 74
 *   ms the buffer is idle, and the next packet begins it anew. So talk spurts begin with the full target each.
 */
import { Concealer, HISTORY_SAMPLES } from "./concealment.ts";
import { FRAME_MS, FRAME_SAMPLES, SAMPLES_PER_MS } from "./frame.ts";
import { MAX_DELAY_MS, MIN_DELAY_MS, RING_SAMPLES } from "./limits.ts";

const MASK = RING_SAMPLES - 1;
/** No decoder of either law gives this sample. */
const MISSING = -32_768;
/** Samples ahead of the cursor that the ring can take. */
const ROOM = RING_SAMPLES - HISTORY_SAMPLES - FRAME_SAMPLES;
const LEAST_TARGET = MIN_DELAY_MS * SAMPLES_PER_MS;
const MOST_TARGET = MAX_DELAY_MS * SAMPLES_PER_MS;
/** Difference from the target that is left alone: 5 ms. */
const TOLERANCE = 40;
/** Samples of a frame that are left out or added at most. */
const MOST_SLIP = 8;
/** Late packets in a row after which the sender's timestamps have jumped. */
const LATE_IN_A_ROW = 3;
/** Bits of the mean's weight (16 packets) and of the dip's decay (512 packets: 10 s). */
const MEAN_BITS = 4;
const DIP_BITS = 9;
const DIP_SCALE = 8;

/** What became of a packet. */
export const Put = Object.freeze({ taken: 0, late: 1, duplicate: 2 } as const);

export class JitterBuffer {
	/** Samples that were made up. */
	concealed = 0;
	/** How often it began anew. */
	starts = 0;
	readonly #ring = new Int16Array(RING_SAMPLES);
	readonly #concealer = new Concealer();
	/** RTP timestamp of the first sample of the next frame, and behind the newest sample; signed 32 bits. */
	#cursor = 0;
	#end = 0;
	/** Samples between cursor and end that are missing. */
	#missing = 0;
	#isIdle = true;
	#playedAt = Number.NEGATIVE_INFINITY;
	/** Mean lead in samples times 16, dip below it times 256. */
	#mean = LEAST_TARGET << MEAN_BITS;
	#dip = 0;
	#target = LEAST_TARGET;
	#lateInARow = 0;

	/** Forgets the voice; what was learnt about jitter stays. */
	reset(): void {
		this.#isIdle = true;
		this.#concealer.reset();
	}

	/** Nothing is there to be played, and nothing is being made up. */
	get isIdle(): boolean {
		return this.#isIdle;
	}

	/** Milliseconds by which a packet comes before it is heard, in the mean. */
	get delayMs(): number {
		return (this.#mean >> MEAN_BITS) / SAMPLES_PER_MS;
	}

	/** Milliseconds that the mean is steered to. */
	get targetMs(): number {
		return this.#target / SAMPLES_PER_MS;
	}

	/** Peak of the noise while nobody speaks; 0: silence. */
	setNoise(peak: number): void {
		this.#concealer.setNoise(peak);
	}

	/** Takes the voice `bytes[at..at + count)`, decoded by `samples`, `count` at most 480: a `Put`. */
	put(bytes: Uint8Array, at: number, count: number, samples: Int16Array, timestamp: number, now: number): number {
		let ahead = (timestamp - this.#cursor) | 0;
		if (!this.#isIdle && ahead + count <= 0) {
			// Later than jitter can be: the sender's timestamps have jumped.
			if (ahead > -MOST_TARGET) this.#noteLead(ahead, now);
			if (++this.#lateInARow < LATE_IN_A_ROW) return Put.late;
			this.#isIdle = true;
		}
		this.#lateInARow = 0;
		if (this.#isIdle || ahead + count > ROOM) {
			this.#start(timestamp, now);
			ahead = (timestamp - this.#cursor) | 0;
		} else this.#noteLead(ahead, now);
		const newer = (timestamp + count - this.#end) | 0;
		if (newer <= 0 && this.#ring[(timestamp + count - 1) & MASK] !== MISSING) return Put.duplicate;
		this.#store(bytes, at, count, samples, timestamp, ahead < 0 ? -ahead : 0);
		return Put.taken;
	}

	#store(bytes: Uint8Array, at: number, count: number, samples: Int16Array, timestamp: number, skip: number): void {
		const ring = this.#ring;
		let gap = (timestamp - this.#end) | 0;
		if (gap > 0) this.#missing += gap;
		for (; gap > 0; gap--) ring[(timestamp - gap) & MASK] = MISSING;
		const end = (timestamp + count) | 0;
		const newer = (end - this.#end) | 0;
		// What was there or missing before the end, and is written now, is not missing any more.
		if (newer < count) this.#missing -= this.#missingIn((timestamp + skip) | 0, count - skip - Math.max(newer, 0));
		const mask = MASK;
		const last = at + count;
		let to = (timestamp + skip) & mask;
		let from = at + skip;
		// Two at a time: in XS a loop's own steps cost half as much as its body.
		for (; from + 1 < last; from += 2) {
			ring[to] = samples[bytes[from]!]!;
			ring[(to + 1) & mask] = samples[bytes[from + 1]!]!;
			to = (to + 2) & mask;
		}
		if (from < last) ring[to] = samples[bytes[from]!]!;
		if (newer > 0) this.#end = end;
	}

	/** How many of `count` samples from `position` on are missing. */
	#missingIn(position: number, count: number): number {
		let missing = 0;
		for (let i = 0; i < count; i++) if (this.#ring[(position + i) & MASK] === MISSING) missing++;
		return missing;
	}

	/** Milliseconds of the frame being heard that have passed. */
	#passed(now: number): number {
		const passed = now - this.#playedAt;
		return passed > 2 * FRAME_MS ? 2 * FRAME_MS : passed > 0 ? Math.floor(passed) : 0;
	}

	/** The next frame is played such that this packet has exactly the lead wanted. */
	#start(timestamp: number, now: number): void {
		const passed = Math.min(this.#passed(now), FRAME_MS);
		this.#ring.fill(0);
		this.#cursor = (timestamp - this.#target + FRAME_SAMPLES - passed * SAMPLES_PER_MS) | 0;
		this.#end = this.#cursor;
		this.#missing = 0;
		this.#mean = this.#target << MEAN_BITS;
		this.#isIdle = false;
		this.#concealer.reset();
		this.starts++;
	}

	#noteLead(ahead: number, now: number): void {
		const lead = ahead + FRAME_SAMPLES - this.#passed(now) * SAMPLES_PER_MS;
		const mean = this.#mean >> MEAN_BITS;
		const below = Math.min(mean - lead, MOST_TARGET);
		this.#mean += lead > mean - MOST_TARGET ? lead - mean : -MOST_TARGET;
		const dip = below << DIP_SCALE;
		this.#dip = dip > this.#dip ? dip : this.#dip + ((dip - this.#dip) >> DIP_BITS);
		const wanted = ((this.#dip * 5) >> (DIP_SCALE + 2)) + FRAME_SAMPLES;
		this.#target = wanted < LEAST_TARGET ? LEAST_TARGET : Math.min(wanted, MOST_TARGET);
	}

	/** Samples to be left out of the next frame; negative: to be added. */
	#slip(): number {
		const error = (this.#mean >> MEAN_BITS) - this.#target;
		const magnitude = error < 0 ? -error : error;
		if (magnitude <= TOLERANCE) return 0;
		const slip = Math.min(MOST_SLIP, 1 + (magnitude >> 6));
		return error < 0 ? -slip : slip;
	}

	/** Fills the next frame. `now` is when it begins to be heard. */
	take(frame: Int16Array, now: number): void {
		this.#playedAt = now;
		if (this.#isIdle) {
			this.#concealer.hold(this.#ring, this.#cursor, frame, 0, FRAME_SAMPLES);
			return;
		}
		let slip = this.#slip();
		if (((this.#end - this.#cursor) | 0) < FRAME_SAMPLES + MOST_SLIP) slip = 0;
		if (slip === 0) this.#play(frame, 0, FRAME_SAMPLES);
		else this.#playSlipped(frame, slip);
	}

	#playSlipped(frame: Int16Array, slip: number): void {
		const pieces = (slip < 0 ? -slip : slip) + 1;
		let from = 0;
		for (let piece = 1; piece < pieces; piece++) {
			const to = Math.floor((FRAME_SAMPLES * piece) / pieces);
			this.#play(frame, from, to);
			this.#nudge(slip > 0);
			from = to;
		}
		this.#play(frame, from, FRAME_SAMPLES);
	}

	/** Leaves a sample out or adds one, with the mean of its neighbours in its place. */
	#nudge(isLeftOut: boolean): void {
		const ring = this.#ring;
		const cursor = this.#cursor;
		const here = ring[cursor & MASK]!;
		const after = ring[(cursor + 1) & MASK]!;
		if (((this.#end - cursor) | 0) < 2 || here === MISSING || after === MISSING) return;
		if (isLeftOut) {
			ring[(cursor + 1) & MASK] = (here + after) >> 1;
			this.#cursor = (cursor + 1) | 0;
			this.#mean -= 1 << MEAN_BITS;
		} else {
			ring[(cursor - 1) & MASK] = (ring[(cursor - 1) & MASK]! + here) >> 1;
			this.#cursor = (cursor - 1) | 0;
			this.#mean += 1 << MEAN_BITS;
		}
	}

	/** Frame samples `from..to` from the ring. */
	#play(frame: Int16Array, from: number, to: number): void {
		let at = from;
		while (at < to) {
			const available = (this.#end - this.#cursor) | 0;
			if (available <= 0) {
				this.#hold(frame, at, to);
				return;
			}
			if (this.#ring[this.#cursor & MASK] === MISSING) {
				const run = this.#runOf(true, Math.min(available, to - at));
				if (!this.#concealer.isFaded) this.concealed += run;
				this.#concealer.fill(this.#ring, this.#cursor, run);
				this.#missing -= run;
				at = this.#copy(frame, at, at + run);
			} else {
				if (this.#concealer.isActive)
					this.#concealer.join(this.#ring, this.#cursor, this.#runOf(false, Math.min(available, FRAME_SAMPLES)));
				at = this.#copy(frame, at, to);
			}
		}
	}

	/** Samples from the cursor on, `most` at most, that are all missing or all there. */
	#runOf(isMissing: boolean, most: number): number {
		let run = 1;
		while (run < most && (this.#ring[(this.#cursor + run) & MASK] === MISSING) === isMissing) run++;
		return run;
	}

	/** Copies up to `to`, a gap or the end; where it stopped. */
	#copy(frame: Int16Array, from: number, to: number): number {
		const ring = this.#ring;
		const mask = MASK;
		const room = (this.#end - this.#cursor) | 0;
		const last = to - from < room ? to : from + room;
		let place = this.#cursor & mask;
		let at = from;
		if (this.#missing === 0) {
			// Two at a time, as above.
			for (; at + 1 < last; at += 2) {
				frame[at] = ring[place]!;
				frame[at + 1] = ring[(place + 1) & mask]!;
				place = (place + 2) & mask;
			}
			if (at < last) frame[at++] = ring[place]!;
		} else {
			for (; at < last; at++) {
				const sample = ring[place]!;
				if (sample === MISSING) break;
				frame[at] = sample;
				place = (place + 1) & mask;
			}
		}
		this.#cursor = (this.#cursor + at - from) | 0;
		return at;
	}

	#hold(frame: Int16Array, from: number, to: number): void {
		if (!this.#concealer.isFaded) this.concealed += to - from;
		this.#concealer.hold(this.#ring, this.#cursor, frame, from, to);
		// What comes next is heard later by this much.
		this.#mean += (to - from) << MEAN_BITS;
		if (this.#concealer.isFaded) this.#isIdle = true;
	}
}
