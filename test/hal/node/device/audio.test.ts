/** Sound of a device on a PC, with a clock of the test's own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type AudioTimers, PcAudio } from "../../../../hal/node/device/audio.ts";
import { readWav, resample, WavWriter } from "../../../../hal/node/device/wav.ts";
import { goertzel, toneMs } from "../../../support/tone.ts";

function scratch(name: string): string {
	const folder = mkdtempSync(join(tmpdir(), "ringlet-audio-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	return join(folder, name);
}

/** Time that stands still until `pass`; timers fire `lateMs` after they are due. */
class Time implements AudioTimers {
	lateMs = 0;
	#now = 1_000;
	#due: { at: number; callback: () => void } | undefined;

	now(): number {
		return this.#now;
	}

	set(callback: () => void, ms: number): () => void {
		const due = { at: this.#now + ms, callback };
		this.#due = due;
		return () => {
			if (this.#due === due) this.#due = undefined;
		};
	}

	pass(ms: number): void {
		const until = this.#now + ms;
		while (this.#due !== undefined && this.#due.at + this.lateMs <= until) {
			const { at, callback } = this.#due;
			this.#due = undefined;
			this.#now = at + this.lateMs;
			callback();
		}
		this.#now = until;
	}

	/** The machine sleeps: the timer fires at its end. */
	sleep(ms: number): void {
		this.#now += ms;
		const due = this.#due;
		this.#due = undefined;
		due?.callback();
	}
}

/** Hears what it says. */
class Echo {
	readonly captured: number[] = [];
	#frame = new Int16Array(160);

	onCapture(frame: Int16Array): void {
		this.captured.push(...frame);
		this.#frame = frame.slice();
	}

	onPlayout(frame: Int16Array): void {
		frame.set(this.#frame);
	}
}

describe("a device's sound", () => {
	test("a tone into the microphone, the loudspeaker into a file", () => {
		const time = new Time();
		const path = scratch("out.wav");
		const audio = new PcAudio({ microphone: { tone: 1_000 }, loudspeaker: path, timers: time });
		const user = new Echo();
		expect(audio.start(user)).toBe(true);
		expect(audio.start(user)).toBe(false);
		time.pass(3_000);
		audio.stop();
		time.pass(1_000);
		expect(user.captured).toHaveLength(24_000);
		expect(goertzel(user.captured, 1_000, 8_000)).toBeGreaterThan(0.99);
		audio.setVolume(50);
		expect(audio.start(user)).toBe(true);
		time.pass(1_000);
		audio.close();
		const { samples, sampleRate } = readWav(path);
		expect([samples.length, sampleRate]).toEqual([32_000, 8_000]);
		expect(toneMs(samples, 1_000, 8_000)).toBe(4_000);
		expect(Math.max(...samples.subarray(0, 8_000))).toBeGreaterThan(1.9 * Math.max(...samples.subarray(25_000)));
	});

	test("late timers are caught up, a long sleep is not", () => {
		const time = new Time();
		const audio = new PcAudio({ microphone: { silence: true }, timers: time });
		const user = new Echo();
		audio.start(user);
		time.lateMs = 13;
		time.pass(60_000);
		expect(user.captured.length / 160).toBeGreaterThanOrEqual(2_999);
		expect(user.captured.length / 160).toBeLessThanOrEqual(3_000);
		time.lateMs = 0;
		time.pass(20);
		const before = user.captured.length;
		time.sleep(300);
		expect(user.captured.length - before).toBe(15 * 160);
		time.sleep(3_600_000);
		expect(user.captured.length - before).toBe(16 * 160);
	});

	test("stopped from within a callback: no callback after it", () => {
		const time = new Time();
		const audio = new PcAudio({ microphone: { silence: true }, timers: time });
		let calls = 0;
		audio.start({
			onCapture: () => {
				calls++;
				audio.stop();
			},
			onPlayout: () => calls++,
		});
		time.pass(1_000);
		expect(calls).toBe(1);
	});

	test("a file into the microphone, again and again", () => {
		const path = scratch("in.wav");
		const writer = new WavWriter(path, 8_000);
		writer.write(Int16Array.from({ length: 200 }, (_, i) => i));
		writer.close();
		const time = new Time();
		const user = new Echo();
		new PcAudio({ microphone: { wav: path }, timers: time }).start(user);
		time.pass(60);
		expect(user.captured.slice(195, 205)).toEqual([195, 196, 197, 198, 199, 0, 1, 2, 3, 4]);
	});
});

describe("WAV files", () => {
	test("stereo at another rate, with chunks nobody knows", () => {
		const path = scratch("stereo.wav");
		const frames = 44_100;
		const data = Buffer.alloc(frames * 4);
		for (let i = 0; i < frames; i++) {
			const sample = Math.round(9_000 * Math.sin((2 * Math.PI * 1_000 * i) / 44_100));
			data.writeInt16LE(sample, 4 * i);
			data.writeInt16LE(sample, 4 * i + 2);
		}
		const format = Buffer.from([0x10, 0, 0, 0, 1, 0, 2, 0, 0x44, 0xac, 0, 0, 0x10, 0xb1, 2, 0, 4, 0, 16, 0]);
		const size = Buffer.alloc(4);
		size.writeUInt32LE(data.length);
		const chunks = [
			Buffer.from("RIFF0000WAVEodd 123\0abc\0", "latin1"),
			Buffer.from("fmt "),
			format,
			Buffer.from("data"),
			size,
			data,
		];
		const whole = Buffer.concat(chunks);
		whole.writeUInt32LE(3, 16);
		writeFileSync(path, whole);
		const samples = resample(readWav(path), 8_000);
		expect(samples).toHaveLength(8_000);
		expect(goertzel(samples, 1_000, 8_000)).toBeGreaterThan(0.98);
	});

	test("of a recorder that was killed: whole to a second", () => {
		const path = scratch("cut.wav");
		const writer = new WavWriter(path, 8_000);
		for (let i = 0; i < 120; i++) writer.write(new Int16Array(160).fill(i));
		const { samples } = readWav(path);
		expect(samples.length).toBe(16_000);
		writer.close();
		writer.close();
		expect(readWav(path).samples.length).toBe(120 * 160);
		expect(readFileSync(path).length).toBe(44 + 120 * 320);
	});

	test.each([
		["empty", ""],
		["text", "not a sound at all, just some text"],
		["no data", "RIFF0000WAVE"],
	])("%s: says what is wrong", (_, contents) => {
		const path = scratch("bad.wav");
		writeFileSync(path, contents, "latin1");
		expect(() => readWav(path)).toThrow(path);
		expect(() => new PcAudio({ microphone: { wav: path } })).toThrow(path);
	});
});

describe("telling a tone", () => {
	const at = (frequencyHz: number) =>
		Array.from({ length: 8_000 }, (_, i) => 5_000 * Math.sin((2 * Math.PI * frequencyHz * i) / 8_000));

	test("from another tone, silence and noise", () => {
		let state = 1;
		const noise = Array.from({ length: 8_000 }, () => {
			state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
			return state >> 18;
		});
		expect(goertzel(at(1_000), 1_000, 8_000)).toBeGreaterThan(0.99);
		for (const other of [at(900), at(425), noise, new Array(8_000).fill(0)])
			expect(goertzel(other, 1_000, 8_000)).toBeLessThan(0.1);
		expect(toneMs([...noise, ...at(1_000), ...noise], 1_000, 8_000)).toBe(1_000);
	});
});
