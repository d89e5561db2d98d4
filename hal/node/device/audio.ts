/**
 * Sound of a device on a PC: the microphone is a tone or a WAV file, the loudspeaker a WAV file. Frames of 20 ms by the monotonic clock:
 * a late timer catches up, so that after an hour there were 180,000 frames.
 */
import { performance } from "node:perf_hooks";
import type { Audio, AudioUser } from "../../device.ts";
import { readWav, resample, WavWriter } from "./wav.ts";

const SAMPLE_RATE = 8_000;
const FRAME_SAMPLES = 160;
const FRAME_MS = 20;
/** After a longer sleep (a suspended laptop) the frames in between are left out. */
const MOST_BEHIND_FRAMES = 25;
const TONE_PEAK = 10_362;

/** What the microphone hears: silence, a tone (Hz), or a WAV file again and again. */
export type Microphone = { readonly silence: true } | { readonly tone: number } | { readonly wav: string };

export interface PcAudioOptions {
	readonly microphone: Microphone;
	/** A WAV file; absent: nobody listens. */
	readonly loudspeaker?: string;
	/** For tests; the system's otherwise. */
	readonly timers?: AudioTimers;
}

export interface AudioTimers {
	/** Monotonic milliseconds. */
	now(): number;
	set(callback: () => void, ms: number): () => void;
}

const SYSTEM: AudioTimers = Object.freeze({
	now: () => performance.now(),
	set(callback: () => void, ms: number): () => void {
		const timer = setTimeout(callback, ms);
		return () => clearTimeout(timer);
	},
});

/** `Audio` of hal/device.ts. Throws when a WAV file cannot be read or made. */
export class PcAudio implements Audio {
	readonly #source: (frame: Int16Array) => void;
	readonly #loudspeaker: WavWriter | undefined;
	readonly #timers: AudioTimers;
	readonly #frame = new Int16Array(FRAME_SAMPLES);
	#user: AudioUser | undefined;
	#clear: (() => void) | undefined;
	#startedAt = 0;
	#frames = 0;
	#volume = 100;

	constructor(options: PcAudioOptions) {
		this.#source = sourceOf(options.microphone);
		this.#timers = options.timers ?? SYSTEM;
		this.#loudspeaker = options.loudspeaker === undefined ? undefined : new WavWriter(options.loudspeaker, SAMPLE_RATE);
	}

	start(user: AudioUser): boolean {
		if (this.#user !== undefined) return false;
		this.#user = user;
		this.#startedAt = this.#timers.now();
		this.#frames = 0;
		this.#wait();
		return true;
	}

	stop(): void {
		this.#clear?.();
		this.#clear = undefined;
		this.#user = undefined;
	}

	setVolume(volume: number): void {
		this.#volume = Math.min(100, Math.max(0, volume));
	}

	/** Stops for good; the loudspeaker's file is whole then. */
	close(): void {
		this.stop();
		this.#loudspeaker?.close();
	}

	#wait(): void {
		const dueAt = this.#startedAt + (this.#frames + 1) * FRAME_MS;
		this.#clear = this.#timers.set(() => this.#tick(), Math.max(0, dueAt - this.#timers.now()));
	}

	#tick(): void {
		const due = Math.floor((this.#timers.now() - this.#startedAt) / FRAME_MS);
		if (due - this.#frames > MOST_BEHIND_FRAMES) this.#frames = due - 1;
		const user = this.#user;
		while (this.#frames < due && user !== undefined && this.#user === user) {
			this.#frames++;
			this.#source(this.#frame);
			user.onCapture(this.#frame);
			if (this.#user !== user) return;
			this.#frame.fill(0);
			user.onPlayout(this.#frame);
			this.#play();
		}
		if (user !== undefined && this.#user === user) this.#wait();
	}

	#play(): void {
		const frame = this.#frame;
		if (this.#volume < 100)
			for (let i = 0; i < FRAME_SAMPLES; i++) frame[i] = Math.trunc(((frame[i] ?? 0) * this.#volume) / 100);
		this.#loudspeaker?.write(frame);
	}
}

function sourceOf(microphone: Microphone): (frame: Int16Array) => void {
	if ("silence" in microphone) return (frame) => frame.fill(0);
	let at = 0;
	if ("tone" in microphone) {
		const turn = (2 * Math.PI * microphone.tone) / SAMPLE_RATE;
		return (frame) => {
			for (let i = 0; i < FRAME_SAMPLES; i++) frame[i] = Math.round(TONE_PEAK * Math.sin(turn * (at + i)));
			at = (at + FRAME_SAMPLES) % SAMPLE_RATE;
		};
	}
	const samples = resample(readWav(microphone.wav), SAMPLE_RATE);
	if (samples.length === 0) throw new Error(`${microphone.wav}: a WAV file without sound`);
	return (frame) => {
		for (let i = 0; i < FRAME_SAMPLES; i++) {
			frame[i] = samples[at] ?? 0;
			at = (at + 1) % samples.length;
		}
	};
}
