/**
 * Reads the presentation language of RFC 6940 §6.3.1 (that of TLS) from hostile octets.
 *
 * Failure sticks: after the first fault every read gives zero or nothing, and `refused` says what was wrong and where. So a
 * structure is read field by field without checks and judged once at its end. Octet strings are views into the input: they
 * are valid as long as the input is, and whoever keeps one copies it.
 */
import type { Refused } from "../machine.ts";
import { refuse } from "../machine.ts";
import { EMPTY } from "./bytes.ts";

/** 2^53 - 1 has this upper word; what is above cannot be told exactly by a number. */
const LARGEST_HIGH_WORD = 0x1fffff;

export class WireReader {
	readonly #bytes: Uint8Array;
	readonly #parent: WireReader | undefined;
	#at: number;
	#end: number;
	/** Octet offset of the fault, counted from the start of the input; -1 = fine. */
	failedAt = -1;
	/** What the fault was, in the RFC's words. */
	reason = "";

	/** Reads `bytes[start..end)`; all offsets are those of `bytes`. A `parent` fails with this reader. */
	constructor(bytes: Uint8Array, start = 0, end = bytes.length, parent?: WireReader) {
		this.#bytes = bytes;
		this.#at = start;
		this.#end = end;
		this.#parent = parent;
	}

	/** Offset of the next octet to be read. */
	get at(): number {
		return this.#at;
	}

	/** Octets left in this reader (in the innermost `enter`). Zero once something has failed, so that lists end. */
	get remaining(): number {
		return this.failedAt >= 0 ? 0 : this.#end - this.#at;
	}

	/** The fault as a value, or `undefined` while all is well. */
	get refused(): Refused | undefined {
		return this.failedAt < 0 ? undefined : refuse(this.reason, this.failedAt);
	}

	/** Marks a fault of meaning at `at` (the next octet when not given). The first fault stays. */
	refuse(reason: string, at = this.#at): void {
		if (this.failedAt >= 0) return;
		this.failedAt = at;
		this.reason = reason;
		if (this.#parent !== undefined) this.#parent.refuse(reason, at);
	}

	#claim(count: number): number {
		const at = this.#at;
		if (this.failedAt >= 0) return -1;
		if (this.#end - at < count) {
			this.refuse("ends too early", at);
			return -1;
		}
		this.#at = at + count;
		return at;
	}

	u8(): number {
		const at = this.#claim(1);
		return at < 0 ? 0 : this.#bytes[at]!;
	}

	u16(): number {
		const at = this.#claim(2);
		return at < 0 ? 0 : (this.#bytes[at]! << 8) | this.#bytes[at + 1]!;
	}

	u24(): number {
		const at = this.#claim(3);
		return at < 0 ? 0 : (this.#bytes[at]! << 16) | (this.#bytes[at + 1]! << 8) | this.#bytes[at + 2]!;
	}

	u32(): number {
		const at = this.#claim(4);
		if (at < 0) return 0;
		const bytes = this.#bytes;
		return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
	}

	/** A uint64 as a number. Choice: values above 2^53 - 1 (times after the year 287396, counters) are refused. */
	u64(): number {
		const at = this.#at;
		const high = this.u32();
		const low = this.u32();
		if (high > LARGEST_HIGH_WORD) {
			this.refuse("uint64 above 2^53 - 1", at);
			return 0;
		}
		return high * 0x100000000 + low;
	}

	/** RFC 6940 §6.3.1.1 MUST: a Boolean is 0 or 1. */
	boolean(): boolean {
		const at = this.#at;
		const value = this.u8();
		if (value > 1) this.refuse("Boolean is neither 0 nor 1", at);
		return value === 1;
	}

	/** The next `count` octets: a view, not a copy. */
	bytes(count: number): Uint8Array {
		const at = this.#claim(count);
		if (at < 0 || count === 0) return EMPTY;
		return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, count);
	}

	/** opaque<0..2^8-1> */
	opaque8(): Uint8Array {
		return this.bytes(this.u8());
	}

	/** opaque<0..2^16-1> */
	opaque16(): Uint8Array {
		return this.bytes(this.u16());
	}

	/** opaque<0..2^24-1> */
	opaque24(): Uint8Array {
		return this.bytes(this.u24());
	}

	/** opaque<0..2^32-1> */
	opaque32(): Uint8Array {
		return this.bytes(this.u32());
	}

	/** What is left, as a view. */
	rest(): Uint8Array {
		return this.bytes(this.remaining);
	}

	/** A reader of the next `count` octets that cannot see past them; its faults are also this reader's. */
	sub(count: number): WireReader {
		const at = this.#claim(count);
		if (at >= 0) return new WireReader(this.#bytes, at, at + count, this);
		const dead = new WireReader(EMPTY);
		dead.refuse(this.reason, this.failedAt);
		return dead;
	}

	/**
	 * Narrows this reader to its next `count` octets, without an object: read them, then `leave` with what this returned.
	 * A count above what remains is a fault.
	 */
	enter(count: number): number {
		const outer = this.#end;
		if (this.failedAt < 0) {
			if (outer - this.#at < count) this.refuse("length exceeds its container");
			else this.#end = this.#at + count;
		}
		return outer;
	}

	/** Ends the part begun by `enter`. RFC 6940 §6.3.1: octets left over in a fully defined container are a fault. */
	leave(outer: number): void {
		if (this.failedAt < 0 && this.#at !== this.#end) this.refuse("octets left over");
		this.#end = outer;
	}

	/** The whole input must have been read. */
	end(): void {
		if (this.failedAt < 0 && this.#at !== this.#end) this.refuse("octets left over");
	}

	/** A view of what was read since `start` (an earlier `at`); nothing after a fault. */
	since(start: number): Uint8Array {
		if (this.failedAt >= 0 || this.#at === start) return EMPTY;
		return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#at - start);
	}
}

/** The result of a whole-body reader: `value` when all octets were read without a fault, else the refusal. */
export function whole<T extends object>(reader: WireReader, value: T): T | Refused {
	reader.end();
	return reader.refused ?? value;
}
