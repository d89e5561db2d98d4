/**
 * Writes the presentation language of RFC 6940 §6.3.1. Lengths are left open and closed when their content is known.
 * A value or vector that does not fit its field is our own bug and throws; peers cannot cause it, since what they send is
 * bounded by max-message-size before anything is written from it.
 */
import { EMPTY } from "./bytes.ts";

/** First allocation: most bodies without values or certificates fit. */
const INITIAL_OCTETS = 256;

/** Most octets of a vector whose length has one, two, three or four octets. */
const MOST_OCTETS = Object.freeze([0xff, 0xffff, 0xffffff, 0xffffffff]);

export class WireWriter {
	#bytes: Uint8Array;
	#length = 0;

	constructor(capacity = INITIAL_OCTETS) {
		this.#bytes = new Uint8Array(capacity);
	}

	/** Octets written so far. */
	get length(): number {
		return this.#length;
	}

	#room(count: number): number {
		const at = this.#length;
		const needed = at + count;
		if (needed > this.#bytes.length) {
			const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
			grown.set(this.#bytes.subarray(0, at));
			this.#bytes = grown;
		}
		this.#length = needed;
		return at;
	}

	u8(value: number): void {
		check(value, 0xff);
		const at = this.#room(1);
		this.#bytes[at] = value;
	}

	u16(value: number): void {
		check(value, 0xffff);
		const at = this.#room(2);
		this.#bytes[at] = value >> 8;
		this.#bytes[at + 1] = value;
	}

	u24(value: number): void {
		check(value, 0xffffff);
		const at = this.#room(3);
		this.#bytes[at] = value >> 16;
		this.#bytes[at + 1] = value >> 8;
		this.#bytes[at + 2] = value;
	}

	u32(value: number): void {
		check(value, 0xffffffff);
		this.#put32(this.#room(4), value);
	}

	/** A whole number below 2^53 as uint64. */
	u64(value: number): void {
		check(value, Number.MAX_SAFE_INTEGER);
		const at = this.#room(8);
		this.#put32(at, Math.floor(value / 0x100000000));
		this.#put32(at + 4, value >>> 0);
	}

	boolean(value: boolean): void {
		this.u8(value ? 1 : 0);
	}

	bytes(value: Uint8Array): void {
		const at = this.#room(value.length);
		this.#bytes.set(value, at);
	}

	opaque8(value: Uint8Array): void {
		this.u8(value.length);
		this.bytes(value);
	}

	opaque16(value: Uint8Array): void {
		this.u16(value.length);
		this.bytes(value);
	}

	opaque24(value: Uint8Array): void {
		this.u24(value.length);
		this.bytes(value);
	}

	opaque32(value: Uint8Array): void {
		this.u32(value.length);
		this.bytes(value);
	}

	/** Begins a vector with a length of one octet; give the mark to `close` after its content. */
	open8(): number {
		return this.#open(1);
	}

	/** As `open8`, with a length of two octets. */
	open16(): number {
		return this.#open(2);
	}

	/** As `open8`, with a length of three octets. */
	open24(): number {
		return this.#open(3);
	}

	/** As `open8`, with a length of four octets. */
	open32(): number {
		return this.#open(4);
	}

	/** A mark is the offset of the length field times four, plus its width less one. */
	#open(width: number): number {
		return this.#room(width) * 4 + width - 1;
	}

	/** Writes the length of what was written since the vector was opened. */
	close(mark: number): void {
		const width = (mark % 4) + 1;
		const at = (mark - width + 1) / 4;
		const length = this.#length - at - width;
		check(length, MOST_OCTETS[width - 1]!);
		const bytes = this.#bytes;
		for (let i = width - 1, shift = 0; i >= 0; i--, shift += 8) bytes[at + i] = length >>> shift;
	}

	/** Overwrites two octets written before (the list lengths of a forwarding header). */
	patch16(at: number, value: number): void {
		check(value, 0xffff);
		check(at, this.#length - 2);
		this.#bytes[at] = value >> 8;
		this.#bytes[at + 1] = value;
	}

	/** Overwrites four octets written before (the `length` of a forwarding header). */
	patch32(at: number, value: number): void {
		check(value, 0xffffffff);
		check(at, this.#length - 4);
		this.#put32(at, value);
	}

	#put32(at: number, value: number): void {
		const bytes = this.#bytes;
		bytes[at] = value >>> 24;
		bytes[at + 1] = value >>> 16;
		bytes[at + 2] = value >>> 8;
		bytes[at + 3] = value;
	}

	/**
	 * What was written. The writer is empty afterwards and can be used again: the octets are handed over where little of the buffer is
	 * unused, and copied where much is.
	 */
	take(): Uint8Array {
		const bytes = this.#bytes;
		const length = this.#length;
		this.#length = 0;
		if (length < bytes.length - (bytes.length >> 2)) return bytes.slice(0, length);
		this.#bytes = EMPTY;
		return length === bytes.length ? bytes : bytes.subarray(0, length);
	}

	/** What was written, as a view that the next write to this writer may change. */
	view(): Uint8Array {
		return this.#bytes.subarray(0, this.#length);
	}

	/** Forgets everything written and keeps the buffer. */
	reset(): void {
		this.#length = 0;
	}
}

function check(value: number, most: number): void {
	if (!(value >= 0 && value <= most)) throw new RangeError(`${value} does not fit a field of 0..${most}`);
}

/** The octets of one structure, by its `write...` function. */
export function encode<T>(write: (writer: WireWriter, value: T) => void, value: T): Uint8Array {
	const writer = new WireWriter();
	write(writer, value);
	return writer.take();
}
