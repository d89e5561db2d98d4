/**
 * Walks `;name=value` parameters (generic-param, RFC 3261 §25.1) without copying: the cursor holds positions.
 *
 *   ;tag = "a;b"  ;lr
 *    ^name  ^value  ^name, no value
 */
import {
	COMMA,
	EQUALS,
	equalsFolded,
	QUOTE,
	SEMICOLON,
	type Source,
	skipLws,
	skipQuoted,
	skipToken,
	skipValue,
	unquote,
} from "./syntax.ts";

/** One walk over the parameters of one value; ends at the value's comma or at `end`. */
export class ParamCursor {
	readonly #source: Source;
	readonly #octets: Uint8Array;
	readonly #end: number;
	/** Where the walk stands: at ";", at the value's end, or at the fault. */
	at: number;
	nameStart = 0;
	nameEnd = 0;
	/** -1 when the parameter has no "=". */
	valueStart = -1;
	valueEnd = -1;
	/** True once something stood where a parameter had to be. */
	failed = false;

	constructor(source: Source, start: number, end: number) {
		this.#source = source;
		this.#octets = source.octets;
		this.#end = end;
		this.at = start;
	}

	/** Moves to the next parameter; false at the end of the value and on a fault. */
	next(): boolean {
		const octets = this.#octets;
		const end = this.#end;
		let at = skipLws(octets, this.at, end);
		this.at = at;
		if (at >= end || octets[at]! === COMMA) return false;
		if (octets[at]! !== SEMICOLON) return this.#fail();
		at = skipLws(octets, at + 1, end);
		this.nameStart = at;
		at = skipToken(octets, at, end);
		this.nameEnd = at;
		if (at === this.nameStart) return this.#fail();
		at = skipLws(octets, at, end);
		if (at >= end || octets[at]! !== EQUALS) {
			this.valueStart = -1;
			this.valueEnd = -1;
			this.at = this.nameEnd;
			return true;
		}
		at = skipLws(octets, at + 1, end);
		this.valueStart = at;
		at = at < end && octets[at] === QUOTE ? skipQuoted(octets, at, end) : skipValue(octets, at, end);
		if (at <= this.valueStart) return this.#fail();
		this.valueEnd = at;
		this.at = at;
		return true;
	}

	/** True when the parameter at hand is called `lower`, in any case. */
	is(lower: string): boolean {
		return equalsFolded(this.#octets, this.nameStart, this.nameEnd, lower);
	}

	/** The parameter's name as written. */
	name(): string {
		return this.#source.text.slice(this.nameStart, this.nameEnd);
	}

	/** The value without quotes; "" when there is none. */
	value(): string {
		if (this.valueStart < 0) return "";
		const { text } = this.#source;
		if (this.#octets[this.valueStart] === QUOTE) return unquote(text, this.valueStart, this.valueEnd);
		return text.slice(this.valueStart, this.valueEnd);
	}

	#fail(): false {
		this.failed = true;
		return false;
	}
}

/** Value of parameter `lower` among those from `start`; "" without value, `undefined` when it is not there or not readable. */
export function paramOf(source: Source, start: number, end: number, lower: string): string | undefined {
	const cursor = new ParamCursor(source, start, end);
	while (cursor.next()) if (cursor.is(lower)) return cursor.value();
	return undefined;
}
