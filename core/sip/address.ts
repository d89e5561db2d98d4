/**
 * name-addr and addr-spec with header parameters (RFC 3261 §20.10, §25.1), read in place.
 *
 *   "Bob" <sip:bob@host;transport=tcp> ;tag=a6c85cf , next value
 *   |start |uriStart              |uriEnd |paramsStart
 */
import { paramOf } from "./params.ts";
import {
	COMMA,
	EQUALS,
	equalsFolded,
	findOctet,
	GREATER,
	isLws,
	isToken,
	LESS,
	QUESTION,
	QUOTE,
	SEMICOLON,
	type Source,
	SP,
	skipLws,
	skipQuoted,
	skipToken,
	skipValue,
	trimEnd,
	unquote,
} from "./syntax.ts";
import { readUri, type Uri } from "./uri.ts";

/** One address value of From, To, Contact, Route, Record-Route, Path and their like. */
export class NameAddr {
	readonly source: Source;
	/** First octet of the value. */
	start = 0;
	/** Behind the value, trailing LWS not included. */
	end = 0;
	/** Where the next value of the same line begins, or -1. */
	next = -1;
	/** The display name as written, quotes included; empty span without one. */
	displayEnd = 0;
	uriStart = 0;
	uriEnd = 0;
	/** Where the header parameters begin; LWS may stand before the first ";". */
	paramsStart = 0;
	/** The value of `tag`, "" when absent. */
	tag = "";
	#uri: Uri | undefined;

	constructor(source: Source) {
		this.source = source;
	}

	/** The URI; `undefined` when it is malformed. */
	uri(): Uri | undefined {
		this.#uri ??= readUri(this.source, this.uriStart, this.uriEnd);
		return this.#uri;
	}

	/** The URI as written. */
	uriText(): string {
		return this.source.text.slice(this.uriStart, this.uriEnd);
	}

	/** The display name without quotes, "" without one. One octet per character. */
	display(): string {
		if (this.displayEnd <= this.start) return "";
		const { octets, text } = this.source;
		if (octets[this.start] === QUOTE) return unquote(text, this.start, this.displayEnd);
		return this.source.text.slice(this.start, this.displayEnd);
	}

	/** A header parameter: "" without value, `undefined` when absent. */
	param(lower: string): string | undefined {
		return paramOf(this.source, this.paramsStart, this.end, lower);
	}
}

/** Reads the value at `start` of a header value that ends at `end`; `undefined` when it is malformed. The URI is not looked into. */
export function readNameAddr(source: Source, start: number, end: number): NameAddr | undefined {
	const { octets } = source;
	const address = new NameAddr(source);
	let at = skipLws(octets, start, end);
	address.start = at;
	if (at < end && octets[at] === QUOTE) {
		at = skipQuoted(octets, at, end);
		if (at < 0) return undefined;
		address.displayEnd = at;
		at = skipLws(octets, at, end);
		return at < end && octets[at] === LESS ? readBracketed(address, at, end) : undefined;
	}
	// Tokens and LWS before "<" are a display name (RFC 4475 §3.1.1.6: no LWS needed before it); anything else begins a bare URI.
	let open = at;
	while (open < end && (isToken(octets[open]!) || isLws(octets[open]!))) open++;
	if (open >= end || octets[open] !== LESS) return readBare(address, at, end);
	address.displayEnd = trimEnd(octets, at, open);
	return readBracketed(address, open, end);
}

function readBracketed(address: NameAddr, open: number, end: number): NameAddr | undefined {
	// No ">" stands in a URI, so the first one closes it.
	const close = findOctet(address.source.octets, open + 1, end, GREATER);
	if (close <= open + 1) return undefined;
	address.uriStart = open + 1;
	address.uriEnd = close;
	return readTail(address, close + 1, end);
}

/** addr-spec: a ";" begins header parameters, a "?" or "," may not stand in it (RFC 3261 §20). */
function readBare(address: NameAddr, at: number, end: number): NameAddr | undefined {
	const { octets } = address.source;
	address.uriStart = at;
	for (; at < end; at++) {
		const code = octets[at]!;
		if (code === SEMICOLON || code === COMMA || isLws(code)) break;
		// RFC 4475 §3.1.2.13: a URI with headers must stand in angle brackets.
		if (code === QUESTION || code === QUOTE || code === GREATER || code === LESS) return undefined;
	}
	if (at === address.uriStart) return undefined;
	address.uriEnd = at;
	return readTail(address, at, end);
}

/** The header parameters, written out here as in via.ts: every message has several such walks. */
function readTail(address: NameAddr, at: number, end: number): NameAddr | undefined {
	const { octets } = address.source;
	address.paramsStart = at;
	address.end = at;
	for (;;) {
		if (at < end && octets[at]! <= SP) at = skipLws(octets, at, end);
		if (at >= end) return address;
		const code = octets[at]!;
		if (code === COMMA) {
			address.next = skipLws(octets, at + 1, end);
			return address.next >= end ? undefined : address;
		}
		if (code !== SEMICOLON) return undefined;
		const nameStart = skipLws(octets, at + 1, end);
		const nameEnd = skipToken(octets, nameStart, end);
		if (nameEnd === nameStart) return undefined;
		at = nameEnd;
		if (at < end && octets[at]! <= SP) at = skipLws(octets, at, end);
		address.end = nameEnd;
		if (at >= end || octets[at] !== EQUALS) continue;
		const valueStart = skipLws(octets, at + 1, end);
		const isQuoted = valueStart < end && octets[valueStart] === QUOTE;
		at = isQuoted ? skipQuoted(octets, valueStart, end) : skipValue(octets, valueStart, end);
		if (at <= valueStart) return undefined;
		address.end = at;
		if (nameEnd - nameStart === 3 && address.tag === "" && equalsFolded(octets, nameStart, nameEnd, "tag")) {
			const { text } = address.source;
			address.tag = isQuoted ? unquote(text, valueStart, at) : text.slice(valueStart, at);
		}
	}
}

/** The tag of the one value in `[start, end)`, "" when it has none or is malformed: as `readNameAddr(...)?.tag`, without an object. */
export function readTag(source: Source, start: number, end: number): string {
	const { octets, text } = source;
	let at = start;
	if (octets[at] === QUOTE) at = skipQuoted(octets, at, end);
	const close = at < 0 ? -1 : text.indexOf(">", at);
	// Most values of a first request end with the ">".
	if (close === end - 1) return "";
	return readNameAddr(source, start, end)?.tag ?? "";
}

/** The URI of the value at `start`, as written, without an object; "" when the value is malformed. */
export function readUriText(source: Source, start: number, end: number): string {
	if (source.octets[start] === LESS) {
		const close = source.text.indexOf(">", start);
		return close > start && close < end ? source.text.slice(start + 1, close) : "";
	}
	return readNameAddr(source, start, end)?.uriText() ?? "";
}
