/** Microphone and loudspeaker by ECMA-419's audio classes, at 8,000 samples a second: what G.711 carries, and what I2S can do. */
import AudioIn from "embedded:io/audio/in";
import AudioOut from "embedded:io/audio/out";
import type { Audio, AudioUser } from "../device.ts";
import { FRAME_OCTETS, FrameCutter, FrameFeeder } from "./frames.ts";
import type { Guard } from "./guard.ts";

const FORMAT = Object.freeze({ sampleRate: 8_000, bitsPerSample: 16, channels: 1 } as const);

export class XsAudio implements Audio {
	readonly #guard: Guard;
	#input: AudioIn | undefined;
	#output: AudioOut | undefined;
	#user: AudioUser | undefined;
	#volume = 0.8;

	constructor(guard: Guard) {
		this.#guard = guard;
	}

	start(user: AudioUser): boolean {
		if (this.#user !== undefined) return false;
		this.#user = user;
		try {
			const feeder = new FrameFeeder();
			const cutter = new FrameCutter();
			this.#output = new AudioOut({ ...FORMAT, onWritable: (room) => this.#playout(feeder, room) });
			this.#output.volume = this.#volume;
			this.#input = new AudioIn({ ...FORMAT, onReadable: (count) => this.#capture(cutter, count) });
			this.#output.start();
			this.#input.start();
			return true;
		} catch (error) {
			this.#guard.caught("audio.start", error);
			this.stop();
			return false;
		}
	}

	stop(): void {
		this.#user = undefined;
		const input = this.#input;
		const output = this.#output;
		this.#input = undefined;
		this.#output = undefined;
		this.#guard.run("audio.stop", () => input?.close());
		this.#guard.run("audio.stop", () => output?.close());
	}

	setVolume(volume: number): void {
		this.#volume = Math.max(0, Math.min(100, volume)) / 100;
		const output = this.#output;
		if (output === undefined) return;
		this.#guard.run("audio.volume", () => {
			output.volume = this.#volume;
		});
	}

	#capture(cutter: FrameCutter, count: number): void {
		try {
			for (let left = count; left > 0 && this.#input !== undefined; ) {
				const room = cutter.room();
				const part = left < room.length ? room.subarray(0, left) : room;
				this.#input.read(part);
				left -= part.length;
				const frame = cutter.filled(part.length);
				if (frame !== undefined) this.#user?.onCapture(frame);
			}
		} catch (error) {
			this.#guard.caught("audio.capture", error);
		}
	}

	#playout(feeder: FrameFeeder, room: number): void {
		try {
			for (let left = room; left > 0 && this.#output !== undefined; ) {
				const octets = feeder.take(Math.min(left, FRAME_OCTETS), (frame) => {
					if (this.#user === undefined) frame.fill(0);
					else this.#user.onPlayout(frame);
				});
				this.#output?.write(octets);
				left -= octets.length;
			}
		} catch (error) {
			this.#guard.caught("audio.playout", error);
		}
	}
}
