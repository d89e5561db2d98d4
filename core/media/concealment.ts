/**
 * What is played where voice is missing: the last period of the voice again and again, fading out within 74 ms; then silence, or noise
 * when the other end described some (RFC 3389). After ITU-T G.711 appendix I, made small: no overlap at the gap's beginning, one
 * period for the whole gap, found by the least difference of magnitudes over every fourth sample.
 *
 *   voice ..../period/|period'period'peri...  fades     |  noise  | voice: joined over 5 ms
 *                     ^ gap begins (start)     age ->
 */
import { RING_SAMPLES } from "./limits.ts";

const MASK = RING_SAMPLES - 1;
/** Periods tried: 5 to 17.5 ms (57 to 200 Hz), in steps of 2 samples first. */
const SHORTEST = 40;
const LONGEST = 140;
/** The stretch that is compared, and every how many of its samples. */
const COMPARED = 80;
const COMPARE_STEP = 4;
/** Full loudness for the first 10 ms, then down to nothing over 64 ms (a power of two). */
const FULL = 80;
const FADE_BITS = 9;
const FADED = FULL + (1 << FADE_BITS);
/** Samples over which voice that comes back is joined. */
const JOIN = 40;

/** Samples behind the place of play that are looked at. */
export const HISTORY_SAMPLES = LONGEST + COMPARED;

/** Fills gaps of a ring of samples. */
export class Concealer {
	/** Samples since the gap began; 0: there is none. */
	#age = FADED;
	#start = 0;
	#period = SHORTEST;
	/** Place within the period. */
	#within = 0;
	#noise = 0;
	#seed = 1;

	/** True from the first missing sample until voice has been joined. */
	get isActive(): boolean {
		return this.#age > 0;
	}

	/** Nothing of the voice is left in what is played. */
	get isFaded(): boolean {
		return this.#age >= FADED;
	}

	/** As if there never had been voice. */
	reset(): void {
		this.#age = FADED;
	}

	/** Peak of the comfort noise; 0: silence. */
	setNoise(peak: number): void {
		this.#noise = peak;
	}

	/** Fills `count` samples of the ring from `position` on. */
	fill(ring: Int16Array, position: number, count: number): void {
		this.#begin(ring, position);
		for (let i = 0; i < count; i++) ring[(position + i) & MASK] = this.#next(ring);
	}

	/** Fills a frame's samples while the place of play stands still at `position`: nothing newer has come yet. */
	hold(ring: Int16Array, position: number, frame: Int16Array, from: number, to: number): void {
		this.#begin(ring, position);
		for (let i = from; i < to; i++) frame[i] = this.#next(ring);
	}

	/** Voice is there again: its first samples are blended with what would have been played. */
	join(ring: Int16Array, position: number, available: number): void {
		const count = Math.min(available, JOIN);
		for (let i = 0; i < count; i++) {
			const at = (position + i) & MASK;
			const ours = this.#next(ring);
			ring[at] = ours + Math.trunc(((ring[at]! - ours) * (i + 1)) / JOIN);
		}
		this.#age = 0;
	}

	#begin(ring: Int16Array, position: number): void {
		if (this.#age > 0) return;
		this.#start = position;
		this.#period = findPeriod(ring, position);
		this.#within = 0;
		this.#age = 1;
	}

	#next(ring: Int16Array): number {
		if (this.#age >= FADED) return this.#noise === 0 ? 0 : this.#comfort();
		const sample = ring[(this.#start - this.#period + this.#within) & MASK]!;
		if (++this.#within === this.#period) this.#within = 0;
		const left = FADED - this.#age++;
		return left >= 1 << FADE_BITS ? sample : (sample * left) >> FADE_BITS;
	}

	#comfort(): number {
		this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) | 0;
		return ((this.#seed >> 16) * this.#noise) >> 15;
	}
}

/** The lag at which the voice before `position` is most like itself. Bounded: 51 + 2 lags, 20 samples each. */
function findPeriod(ring: Int16Array, position: number): number {
	let best = SHORTEST;
	let least = Infinity;
	for (let lag = SHORTEST; lag <= LONGEST; lag += 2) {
		const difference = differenceAt(ring, position, lag);
		if (difference < least) {
			least = difference;
			best = lag;
		}
	}
	const middle = best;
	for (let lag = middle - 1; lag <= middle + 1; lag += 2) {
		const difference = differenceAt(ring, position, lag);
		if (difference < least) {
			least = difference;
			best = lag;
		}
	}
	return best;
}

function differenceAt(ring: Int16Array, position: number, lag: number): number {
	let sum = 0;
	for (let i = position - COMPARED; i < position; i += COMPARE_STEP) {
		const difference = ring[i & MASK]! - ring[(i - lag) & MASK]!;
		sum += difference < 0 ? -difference : difference;
	}
	return sum;
}
