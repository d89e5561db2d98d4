/** WAV files (RIFF, PCM of 16 bits): as microphone of a device on a PC any rate, as loudspeaker 8,000 samples a second, mono. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

const HEADER_OCTETS = 44;
const PCM = 1;
const EXTENSIBLE = 0xfffe;
/** Octets of a file that is read; an hour in mono at 48 kHz has 345 MB. */
const MAX_FILE_OCTETS = 64 * 1024 * 1024;

export interface Wav {
	readonly sampleRate: number;
	/** Mono: of several channels the mean. */
	readonly samples: Int16Array;
}

/** Reads a file; throws with a sentence that says what is wrong with it. */
export function readWav(path: string): Wav {
	const bytes = readFileSync(path);
	if (bytes.length > MAX_FILE_OCTETS) throw new Error(`${path}: larger than ${MAX_FILE_OCTETS} octets`);
	if (bytes.length < 12 || bytes.toString("latin1", 0, 4) !== "RIFF" || bytes.toString("latin1", 8, 12) !== "WAVE")
		throw new Error(`${path}: not a WAV file`);
	let format: { channels: number; sampleRate: number } | undefined;
	for (let at = 12; at + 8 <= bytes.length; ) {
		const name = bytes.toString("latin1", at, at + 4);
		const size = bytes.readUInt32LE(at + 4);
		const from = at + 8;
		// A recorder that was killed leaves the size 0, or one of all ones.
		const to = size === 0 && name === "data" ? bytes.length : Math.min(from + size, bytes.length);
		if (name === "fmt " && to - from >= 16) format = readFormat(bytes, from, path);
		if (name === "data" && format !== undefined) {
			return { sampleRate: format.sampleRate, samples: mono(bytes.subarray(from, to), format.channels) };
		}
		at = from + size + (size & 1);
	}
	throw new Error(`${path}: a WAV file without sound`);
}

function readFormat(bytes: Buffer, at: number, path: string): { channels: number; sampleRate: number } {
	const code = bytes.readUInt16LE(at);
	const channels = bytes.readUInt16LE(at + 2);
	const sampleRate = bytes.readUInt32LE(at + 4);
	const bits = bytes.readUInt16LE(at + 14);
	if ((code !== PCM && code !== EXTENSIBLE) || bits !== 16 || channels < 1 || channels > 8 || sampleRate < 1)
		throw new Error(`${path}: only PCM with 16 bits is read`);
	return { channels, sampleRate };
}

function mono(data: Buffer, channels: number): Int16Array {
	const samples = new Int16Array(Math.floor(data.length / 2 / channels));
	for (let i = 0; i < samples.length; i++) {
		let sum = 0;
		for (let channel = 0; channel < channels; channel++) sum += data.readInt16LE((i * channels + channel) * 2);
		samples[i] = Math.round(sum / channels);
	}
	return samples;
}

/** The same sound at another rate, by straight lines between samples: good enough for a voice on a telephone. */
export function resample(wav: Wav, sampleRate: number): Int16Array {
	if (wav.sampleRate === sampleRate) return wav.samples;
	const { samples } = wav;
	const step = wav.sampleRate / sampleRate;
	const out = new Int16Array(Math.floor(samples.length / step));
	for (let i = 0; i < out.length; i++) {
		const at = i * step;
		const before = samples[Math.floor(at)] ?? 0;
		const after = samples[Math.floor(at) + 1] ?? before;
		out[i] = Math.round(before + (after - before) * (at - Math.floor(at)));
	}
	return out;
}

/** Writes a file as it grows; readable at any time up to what the header says, and whole after `close`. */
export class WavWriter {
	readonly #file: number;
	readonly #sampleRate: number;
	#octets = 0;
	#told = 0;
	#isClosed = false;

	/** Throws when the file cannot be made. */
	constructor(path: string, sampleRate: number) {
		this.#file = openSync(path, "w");
		this.#sampleRate = sampleRate;
		ftruncateSync(this.#file);
		this.#putHeader();
	}

	write(samples: Int16Array): void {
		if (this.#isClosed) return;
		const data = Buffer.alloc(samples.length * 2);
		for (let i = 0; i < samples.length; i++) data.writeInt16LE(samples[i] ?? 0, 2 * i);
		writeSync(this.#file, data, 0, data.length, HEADER_OCTETS + this.#octets);
		this.#octets += data.length;
		// Once a second, so that a file is whole to a second when the process is killed.
		if (this.#octets - this.#told >= 2 * this.#sampleRate) this.#putHeader();
	}

	close(): void {
		if (this.#isClosed) return;
		this.#putHeader();
		this.#isClosed = true;
		closeSync(this.#file);
	}

	#putHeader(): void {
		this.#told = this.#octets;
		const header = Buffer.alloc(HEADER_OCTETS);
		header.write("RIFF", 0, "latin1");
		header.writeUInt32LE(HEADER_OCTETS - 8 + this.#octets, 4);
		header.write("WAVEfmt ", 8, "latin1");
		header.writeUInt32LE(16, 16);
		header.writeUInt16LE(PCM, 20);
		header.writeUInt16LE(1, 22);
		header.writeUInt32LE(this.#sampleRate, 24);
		header.writeUInt32LE(2 * this.#sampleRate, 28);
		header.writeUInt16LE(2, 32);
		header.writeUInt16LE(16, 34);
		header.write("data", 36, "latin1");
		header.writeUInt32LE(this.#octets, 40);
		writeSync(this.#file, header, 0, header.length, 0);
	}
}
