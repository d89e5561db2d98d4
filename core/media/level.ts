/** How loud a frame is, for a meter: cheap rather than exact. */

/** Every 13th sample is looked at, 13 of a frame: every 16th would meet a 1 kHz tone always at one phase. */
const STEP = 13;
/** Decay of a frame in which it is quieter: an eighth of the difference. */
const DECAY_BITS = 3;

/** Peak level with decay. */
export class LevelMeter {
	#peak = 0;

	/** Takes a frame of either direction. */
	note(frame: Int16Array): void {
		let peak = 0;
		for (let i = 0; i < frame.length; i += STEP) {
			const sample = frame[i]!;
			const magnitude = sample < 0 ? -sample : sample;
			if (magnitude > peak) peak = magnitude;
		}
		this.#peak = peak >= this.#peak ? peak : this.#peak - ((this.#peak - peak + 7) >> DECAY_BITS);
	}

	/** Back to silence. */
	reset(): void {
		this.#peak = 0;
	}

	/** 0..100: 0 is -60 dB of full scale or less, 100 is full scale, in steps of the logarithm. */
	get level(): number {
		return this.#peak < 33
			? 0
			: Math.min(100, Math.max(0, Math.round(100 + (Math.log10(this.#peak / 32_767) * 100) / 3)));
	}
}
