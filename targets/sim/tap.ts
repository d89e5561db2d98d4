/** What passes between simulated machines, seen from outside: counters, the fingerprint, a capture. */
import { FrameSplitter as CaptureSplitter, captureHeader, capturePacket } from "../pi/capture.ts";

/** One message or acknowledgement on a link. */
export interface Traffic {
	messages: number;
	acks: number;
	/** Octets of frames: what TLS carries, without its own and TCP's. */
	octets: number;
	/** Writes: at most so many TCP segments without a payload too large for one. */
	writes: number;
	/** Messages by message code. */
	readonly byCode: Map<number, number>;
}

const FRAME_DATA = 128;
const FRAME_ACK = 129;
const DATA_HEADER = 8;
const ACK_OCTETS = 9;
/** Octets of a forwarding header before its lists, and where their lengths stand (RFC 6940 §6.3.2). */
const FIXED_HEADER = 38;
const LIST_LENGTHS = 32;

export function emptyTraffic(): Traffic {
	return { messages: 0, acks: 0, octets: 0, writes: 0, byCode: new Map() };
}

/** Counts the frames of one write. A link never cuts a frame between two writes. */
export function countFrames(bytes: Uint8Array, traffic: Traffic): void {
	traffic.octets += bytes.length;
	traffic.writes++;
	let at = 0;
	while (at < bytes.length) {
		if (bytes[at] === FRAME_ACK) {
			traffic.acks++;
			at += ACK_OCTETS;
			continue;
		}
		if (bytes[at] !== FRAME_DATA || bytes.length - at < DATA_HEADER) return;
		const length = (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!;
		const code = messageCode(bytes, at + DATA_HEADER, length);
		traffic.messages++;
		traffic.byCode.set(code, (traffic.byCode.get(code) ?? 0) + 1);
		at += DATA_HEADER + length;
	}
}

function messageCode(bytes: Uint8Array, at: number, length: number): number {
	if (length < FIXED_HEADER || at + length > bytes.length) return 0;
	let contents = at + FIXED_HEADER;
	for (let list = 0; list < 3; list++) {
		contents += (bytes[at + LIST_LENGTHS + 2 * list]! << 8) | bytes[at + LIST_LENGTHS + 2 * list + 1]!;
	}
	return contents + 2 <= bytes.length ? (bytes[contents]! << 8) | bytes[contents + 1]! : 0;
}

/** A running digest of everything that happens: 64 bits, order matters. Not cryptographic: it compares two runs of one program. */
export class Fingerprint {
	#a = 0x811c9dc5;
	#b = 0x9e3779b9;

	number(value: number): void {
		// Times have fractions; their first six digits are enough to tell two runs apart.
		this.#word(Math.round(value * 1000) >>> 0);
	}

	text(value: string): void {
		for (let i = 0; i < value.length; i++) this.#word(value.charCodeAt(i));
	}

	bytes(value: Uint8Array): void {
		let at = 0;
		for (; at + 4 <= value.length; at += 4) {
			this.#word(value[at]! | (value[at + 1]! << 8) | (value[at + 2]! << 16) | (value[at + 3]! << 24));
		}
		for (; at < value.length; at++) this.#word(value[at]!);
		this.#word(value.length);
	}

	#word(word: number): void {
		this.#a = Math.imul(this.#a ^ word, 0x01000193);
		this.#b = Math.imul(this.#b ^ word ^ (this.#a >>> 13), 0x85ebca6b);
	}

	/** Sixteen hex digits. */
	toString(): string {
		const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
		return `${hex(this.#a)}${hex(this.#b)}`;
	}
}

/** Plaintext messages of a world as pcapng; Wireshark and tshark dissect it. */
export class CaptureWriter {
	readonly #blocks: Uint8Array[] = [captureHeader()];
	readonly #splitters = new Map<string, CaptureSplitter>();

	write(
		bytes: Uint8Array,
		from: { readonly address: string; readonly port: number },
		to: { readonly address: string; readonly port: number },
		wallMs: number,
	): void {
		const way = `${from.address}:${from.port} ${to.address}:${to.port}`;
		let splitter = this.#splitters.get(way);
		if (splitter === undefined) {
			splitter = new CaptureSplitter();
			this.#splitters.set(way, splitter);
		}
		for (const frame of splitter.push(bytes)) this.#blocks.push(capturePacket(frame, from, to, wallMs));
	}

	/** The whole capture file so far. */
	take(): Uint8Array {
		let length = 0;
		for (const block of this.#blocks) length += block.length;
		const file = new Uint8Array(length);
		let at = 0;
		for (const block of this.#blocks) {
			file.set(block, at);
			at += block.length;
		}
		return file;
	}
}
