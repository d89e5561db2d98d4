/**
 * DER: just enough of X.690 for certificates, certification requests and keys' envelopes.
 *
 * Reading is strict (definite, shortest lengths; one-octet tags) and sticky like `WireReader`: after the first fault every read
 * gives nothing, `more()` is false, and `refused` says what and where. `open` and `close` walk into and out of constructed
 * elements of one flat reader, so the depth is bounded by an array and not by the stack.
 */
import { type Refused, refuse } from "../machine.ts";
import { EMPTY, toHex } from "../wire/bytes.ts";
import { DER_DEPTH } from "./limits.ts";
import { civilToMs } from "./time.ts";

/** Tag octets that Ringlet meets: universal ones, and context-specific ones as `context(n)`. */
export const Tag = Object.freeze({
	boolean: 0x01,
	integer: 0x02,
	bitString: 0x03,
	octetString: 0x04,
	nullValue: 0x05,
	oid: 0x06,
	utf8String: 0x0c,
	sequence: 0x30,
	set: 0x31,
	utcTime: 0x17,
	generalizedTime: 0x18,
} as const);

/** Context-specific tag: constructed when it wraps other elements (EXPLICIT), primitive when it replaces a tag (IMPLICIT). */
export function context(number: number, constructed = true): number {
	return (constructed ? 0xa0 : 0x80) | number;
}

export class DerReader {
	readonly #bytes: Uint8Array;
	/** Ends of the elements walked into; the last one is in force. */
	readonly #ends: number[];
	#at = 0;
	/** Offset of the fault; -1 = fine. */
	failedAt = -1;
	reason = "";

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
		this.#ends = [bytes.length];
	}

	get at(): number {
		return this.#at;
	}

	get refused(): Refused | undefined {
		return this.failedAt < 0 ? undefined : refuse(this.reason, this.failedAt);
	}

	/** Marks a fault; the first one stays. */
	refuse(reason: string, at = this.#at): void {
		if (this.failedAt >= 0) return;
		this.failedAt = at;
		this.reason = reason;
	}

	/** True while the element walked into has more to read; false after a fault, so that loops end. */
	more(): boolean {
		return this.failedAt < 0 && this.#at < this.#end();
	}

	/** Tag of the next element; -1 when there is none. */
	peek(): number {
		return this.more() ? this.#bytes[this.#at]! : -1;
	}

	/** Walks into the next element. */
	open(tag: number): void {
		const length = this.#header(tag);
		if (this.failedAt >= 0) return;
		if (this.#ends.length > DER_DEPTH) this.refuse("DER nested too deep");
		else this.#ends.push(this.#at + length);
	}

	/** Walks out; nothing may be left over. */
	close(): void {
		if (this.failedAt >= 0) return;
		if (this.#at !== this.#end()) this.refuse("octets left over in a DER element");
		else this.#ends.pop();
	}

	/** Contents of a primitive element: a view. */
	contents(tag: number): Uint8Array {
		const length = this.#header(tag);
		if (this.failedAt >= 0) return EMPTY;
		this.#at += length;
		return this.#bytes.subarray(this.#at - length, this.#at);
	}

	/** The next element with its tag and length: a view. `tag` may be left out to take any. */
	element(tag?: number): Uint8Array {
		const start = this.#at;
		const length = this.#header(tag ?? this.peek());
		if (this.failedAt >= 0) return EMPTY;
		this.#at += length;
		return this.#bytes.subarray(start, this.#at);
	}

	/** Hex of an OBJECT IDENTIFIER's contents: compared with the constants of `oids.ts`, never shown. */
	oid(): string {
		return toHex(this.contents(Tag.oid));
	}

	boolean(): boolean {
		const at = this.#at;
		const contents = this.contents(Tag.boolean);
		if (contents.length !== 1 || (contents[0] !== 0 && contents[0] !== 0xff)) this.refuse("not a DER BOOLEAN", at);
		return contents[0] === 0xff;
	}

	/** A non-negative INTEGER below 2^31. */
	smallInteger(): number {
		const at = this.#at;
		const contents = this.contents(Tag.integer);
		let value = 0;
		if (contents.length === 0 || contents.length > 4 || contents[0]! > 0x7f) this.refuse("INTEGER out of range", at);
		else for (let i = 0; i < contents.length; i++) value = value * 256 + contents[i]!;
		return value;
	}

	/** A BIT STRING of whole octets: a view without the octet that counts unused bits. */
	bitString(): Uint8Array {
		const at = this.#at;
		const contents = this.contents(Tag.bitString);
		if (contents.length === 0 || contents[0] !== 0) this.refuse("not a BIT STRING of whole octets", at);
		return contents.subarray(1);
	}

	/** UTCTime or GeneralizedTime in the only forms of RFC 5280 §4.1.2.5 (to the second, Z): milliseconds since 1970. */
	time(): number {
		const at = this.#at;
		const general = this.peek() === Tag.generalizedTime;
		const text = this.contents(general ? Tag.generalizedTime : Tag.utcTime);
		const yearDigits = general ? 4 : 2;
		if (text.length !== yearDigits + 11 || text[yearDigits + 10] !== 0x5a) this.refuse("not a time in UTC", at);
		const year = digits(text, 0, yearDigits);
		const ms = civilToMs({
			// RFC 5280 §4.1.2.5.1 MUST: two digits from 50 on are the 20th century.
			year: general ? year : year < 50 ? 2000 + year : 1900 + year,
			month: digits(text, yearDigits, 2),
			day: digits(text, yearDigits + 2, 2),
			hour: digits(text, yearDigits + 4, 2),
			minute: digits(text, yearDigits + 6, 2),
			second: digits(text, yearDigits + 8, 2),
		});
		if (ms === undefined || Number.isNaN(ms)) this.refuse("no such date", at);
		return ms ?? 0;
	}

	/** Everything must have been read; the fault, if there was one anywhere. */
	end(): Refused | undefined {
		if (this.failedAt < 0 && this.#at !== this.#bytes.length) this.refuse("octets left over after the DER element");
		return this.refused;
	}

	#end(): number {
		return this.#ends[this.#ends.length - 1]!;
	}

	/** Reads tag and length; the length of the contents, which is within the element walked into. */
	#header(tag: number): number {
		const start = this.#at;
		const end = this.#end();
		if (this.failedAt >= 0) return 0;
		if (end - start < 2) return this.#fail("DER ends too early", start);
		const bytes = this.#bytes;
		if (bytes[start] !== tag) return this.#fail("unexpected DER tag", start);
		if ((tag & 0x1f) === 0x1f) return this.#fail("DER tag of several octets", start);
		let length = bytes[start + 1]!;
		let at = start + 2;
		if (length > 0x7f) {
			const octets = length & 0x7f;
			if (octets === 0 || octets > 3) return this.#fail("DER length of a form that is not read", start);
			if (end - at < octets) return this.#fail("DER ends too early", start);
			length = 0;
			for (let i = 0; i < octets; i++) length = length * 256 + bytes[at + i]!;
			at += octets;
			// X.690 §10.1: lengths take the fewest octets.
			if (length < 0x80 || length < 2 ** (8 * (octets - 1)))
				return this.#fail("DER length not in its shortest form", start);
		}
		if (end - at < length) return this.#fail("DER ends too early", start);
		this.#at = at;
		return length;
	}

	#fail(reason: string, at: number): 0 {
		this.refuse(reason, at);
		return 0;
	}
}

/** A decimal number; NaN when there is anything but digits. */
function digits(text: Uint8Array, at: number, count: number): number {
	let value = 0;
	for (let i = at; i < at + count; i++) {
		const digit = (text[i] ?? 0) - 0x30;
		if (digit < 0 || digit > 9) return Number.NaN;
		value = value * 10 + digit;
	}
	return value;
}
