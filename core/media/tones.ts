/**
 * The tones a door makes and hears, without allocation. Pitch and rhythm of the call progress tones as ITU-T E.180 knows them in Europe.
 */
import { FRAME_SAMPLES } from "./frame.ts";
import { phaseStep, sine } from "./sine.ts";

/** What can be played. "privacy": somebody inside has opened the microphone; "warning": the call ends soon; "tone1kHz": for measuring. */
export type ToneName = "tone1kHz" | "privacy" | "warning" | "ringback" | "busy";

/** A tone: two frequencies that take turns, sounding and silent for whole frames. */
interface Tone {
	readonly firstHz: number;
	readonly secondHz: number;
	readonly onFrames: number;
	readonly offFrames: number;
	/** How often; 0: until it is stopped. */
	readonly times: number;
	/** Peak, of 32,767. */
	readonly peak: number;
}

const TONES: Readonly<Record<ToneName, Tone>> = Object.freeze({
	tone1kHz: Object.freeze({ firstHz: 1_000, secondHz: 1_000, onFrames: 50, offFrames: 0, times: 0, peak: 10_362 }),
	privacy: Object.freeze({ firstHz: 880, secondHz: 1_320, onFrames: 8, offFrames: 0, times: 2, peak: 8_000 }),
	warning: Object.freeze({ firstHz: 1_400, secondHz: 1_400, onFrames: 6, offFrames: 6, times: 3, peak: 8_000 }),
	ringback: Object.freeze({ firstHz: 425, secondHz: 425, onFrames: 50, offFrames: 200, times: 0, peak: 5_000 }),
	busy: Object.freeze({ firstHz: 425, secondHz: 425, onFrames: 24, offFrames: 24, times: 0, peak: 5_000 }),
});

/** Samples over which a tone begins and ends, so that it does not click (4 ms). */
const RAMP = 32;

/** Plays one tone at a time, frame by frame. */
export class TonePlayer {
	#tone: Tone | undefined;
	#phase = 0;
	#frame = 0;
	#turn = 0;

	/** Begins a tone; the one that was playing ends. */
	play(name: ToneName): void {
		this.#tone = TONES[name];
		this.#phase = 0;
		this.#frame = 0;
		this.#turn = 0;
	}

	stop(): void {
		this.#tone = undefined;
	}

	get isPlaying(): boolean {
		return this.#tone !== undefined;
	}

	/** The next 20 ms in place of what is in `frame`; silence when nothing plays. */
	fillInto(frame: Int16Array): void {
		frame.fill(0);
		this.mixInto(frame);
	}

	/** Adds the next 20 ms to what is in `frame`. */
	mixInto(frame: Int16Array): void {
		const tone = this.#tone;
		if (tone === undefined) return;
		if (this.#frame < tone.onFrames) this.#sound(tone, frame);
		if (++this.#frame < tone.onFrames + tone.offFrames) return;
		this.#frame = 0;
		this.#turn++;
		if (tone.times > 0 && this.#turn >= tone.times) this.#tone = undefined;
	}

	#sound(tone: Tone, frame: Int16Array): void {
		const step = phaseStep((this.#turn & 1) === 0 ? tone.firstHz : tone.secondHz);
		const isEndless = tone.times === 0 && tone.offFrames === 0;
		const rises = this.#frame === 0 && !(isEndless && this.#turn > 0);
		const falls = this.#frame === tone.onFrames - 1 && !isEndless;
		for (let i = 0; i < FRAME_SAMPLES; i++) {
			let sample = (sine(this.#phase) * tone.peak) >> 15;
			if (rises && i < RAMP) sample = (sample * i) >> 5;
			else if (falls && i >= FRAME_SAMPLES - RAMP) sample = (sample * (FRAME_SAMPLES - 1 - i)) >> 5;
			this.#phase = (this.#phase + step) & 0xffff;
			const sum = frame[i]! + sample;
			frame[i] = sum > 32_767 ? 32_767 : Math.max(sum, -32_768);
		}
	}
}
