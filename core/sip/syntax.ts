/**
 * Characters and small scans of the SIP grammar (RFC 3261 §25.1), over octets.
 *
 * All scans take `[at, end)` and answer with a position; none allocates, none looks behind `end`.
 */

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const QUOTE = 0x22;
export const PERCENT = 0x25;
export const COMMA = 0x2c;
export const SLASH = 0x2f;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const LESS = 0x3c;
export const EQUALS = 0x3d;
export const GREATER = 0x3e;
export const QUESTION = 0x3f;
export const AT = 0x40;
export const OPEN_BRACKET = 0x5b;
export const BACKSLASH = 0x5c;
export const CLOSE_BRACKET = 0x5d;

const LWS = 1;
const TOKEN = 2;
const DIGIT = 4;
const ALPHANUMERIC = 8;
const HOST = 16;
const VALUE = 32;
const CAPITAL = 64;

/** What each octet may be part of; read only. */
const CLASS: Uint8Array = classes();

function classes(): Uint8Array {
	const table = new Uint8Array(256);
	const mark = (characters: string, bits: number): void => {
		for (let i = 0; i < characters.length; i++) table[characters.charCodeAt(i)]! |= bits;
	};
	mark(" \t\r\n", LWS);
	mark("0123456789", DIGIT | ALPHANUMERIC | TOKEN | HOST);
	mark("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", ALPHANUMERIC | TOKEN | HOST);
	mark("-.!%*_+`'~", TOKEN);
	// Choice (§25.1): "_" is no character of a host, but machines are called so, and nothing else could be meant.
	mark("-._", HOST);
	mark("[]:", VALUE);
	mark("ABCDEFGHIJKLMNOPQRSTUVWXYZ", CAPITAL);
	for (let octet = 0; octet < 256; octet++) if (octet >= 0x80 || (table[octet]! & TOKEN) !== 0) table[octet]! |= VALUE;
	return table;
}

/** LWS octet: the indexer has made sure that CR and LF inside a value belong to a fold. */
export function isLws(code: number): boolean {
	return (CLASS[code]! & LWS) !== 0;
}

export function isDigit(code: number): boolean {
	return (CLASS[code]! & DIGIT) !== 0;
}

export function isAlphanumeric(code: number): boolean {
	return (CLASS[code]! & ALPHANUMERIC) !== 0;
}

/** An octet of `token`: alphanumeric or one of - . ! % * _ + ` ' ~ */
export function isToken(code: number): boolean {
	return (CLASS[code]! & TOKEN) !== 0;
}

/** An octet of an unquoted parameter value: of a token, a host (IPv6 too, in brackets or bare as some write `received`), or above ASCII. */
export function isValueOctet(code: number): boolean {
	return (CLASS[code]! & VALUE) !== 0;
}

/** First position at or after `at` that is no octet of a host name or IPv4 address; its complement when a capital stands before it. */
export function skipHostName(octets: Uint8Array, at: number, end: number): number {
	let seen = 0;
	while (at < end) {
		const bits = CLASS[octets[at]!]!;
		if ((bits & HOST) === 0) break;
		seen |= bits;
		at++;
	}
	return (seen & CAPITAL) === 0 ? at : ~at;
}

/**
 * The same text, as a string of its own. Engines keep a joined string as its parts and a part as a view of what it was cut from, so a
 * short name that is kept for long can hold on to a whole message; reading a character of a joined string ends that.
 */
export function ownText(joined: string): string {
	return joined.charCodeAt(0) >= 0 ? joined : "";
}

/** Something to read values from: octets to scan, and the same as text (one octet per character) to cut strings from. */
export interface Source {
	readonly octets: Uint8Array;
	readonly text: string;
}

/** The octets of a text of one octet per character. */
export function textToOctets(text: string): Uint8Array {
	const octets = new Uint8Array(text.length);
	for (let i = 0; i < text.length; i++) octets[i] = text.charCodeAt(i);
	return octets;
}

/** A source over a text of one octet per character. */
export function sourceOf(text: string): Source {
	return { octets: textToOctets(text), text };
}

/** First position at or after `at` that is no LWS. */
export function skipLws(octets: Uint8Array, at: number, end: number): number {
	while (at < end && isLws(octets[at]!)) at++;
	return at;
}

/** First position of a token's end. */
export function skipToken(octets: Uint8Array, at: number, end: number): number {
	while (at < end && isToken(octets[at]!)) at++;
	return at;
}

/** `at` stands on the opening quote; answers the position behind the closing one, or -1 when there is none. */
export function skipQuoted(octets: Uint8Array, at: number, end: number): number {
	for (let i = at + 1; i < end; i++) {
		const code = octets[i]!;
		if (code === QUOTE) return i + 1;
		if (code === BACKSLASH) i++;
	}
	return -1;
}

/** End of an unquoted parameter value. */
export function skipValue(octets: Uint8Array, at: number, end: number): number {
	while (at < end && isValueOctet(octets[at]!)) at++;
	return at;
}

/** Position of `code` in `[at, end)`, or -1. */
export function findOctet(octets: Uint8Array, at: number, end: number, code: number): number {
	for (let i = at; i < end; i++) if (octets[i] === code) return i;
	return -1;
}

/** End of the value without its trailing LWS. */
export function trimEnd(octets: Uint8Array, start: number, end: number): number {
	while (end > start && isLws(octets[end - 1]!)) end--;
	return end;
}

/** True when `[start, end)` is `lower` in any case. `lower` holds lower-case letters, digits and "-" only. */
export function equalsFolded(octets: Uint8Array, start: number, end: number, lower: string): boolean {
	if (end - start !== lower.length) return false;
	for (let i = 0; i < lower.length; i++) if (foldCode(octets[start + i]!) !== lower.charCodeAt(i)) return false;
	return true;
}

/** True when `literal` stands at `at` and before `end`. */
export function standsAt(octets: Uint8Array, at: number, end: number, literal: string): boolean {
	if (end - at < literal.length) return false;
	for (let i = 0; i < literal.length; i++) if (octets[at + i] !== literal.charCodeAt(i)) return false;
	return true;
}

/** Four octets as one number, for comparing words with `wordOf`. */
export function wordAt(octets: Uint8Array, at: number): number {
	return (octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!;
}

/** The bit of small letters in four octets; "-" and ":" have it too, and control octets do not stand in a line. */
export const SMALL = 0x20202020;

/** The number `wordAt` has for these four characters. */
export function wordOf(text: string, at = 0): number {
	let word = 0;
	for (let k = at; k < at + 4; k++) word = (word << 8) | text.charCodeAt(k);
	return word;
}

/** Lower case of one ASCII letter; everything else as it is. */
export function foldCode(code: number): number {
	return code >= 0x41 && code <= 0x5a ? code + 32 : code;
}

/** ASCII lower case; the same string when there is nothing to change. (`toLowerCase` folds Latin letters above 0x7f too.) */
export function asciiLower(text: string): string {
	let lower = "";
	let copied = 0;
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		if (code < 0x41 || code > 0x5a) continue;
		lower += text.slice(copied, i) + String.fromCharCode(code + 32);
		copied = i + 1;
	}
	return copied === 0 ? text : lower + text.slice(copied);
}

/** A slice of the source in ASCII lower case. */
export function lowerSlice(source: Source, start: number, end: number): string {
	const { octets, text } = source;
	for (let i = start; i < end; i++) {
		const code = octets[i]!;
		if (code >= 0x41 && code <= 0x5a) return asciiLower(text.slice(start, end));
	}
	return text.slice(start, end);
}

/** Decimal number in `[start, end)`; -1 when it is none or above `max`. */
export function readNumber(octets: Uint8Array, start: number, end: number, max: number): number {
	// RFC 4475 §3.1.1.1: leading zeros are fine, so the count of digits says little; the value is bounded on the way.
	if (start >= end) return -1;
	let value = 0;
	for (let i = start; i < end; i++) {
		const code = octets[i]!;
		if (code < 0x30 || code > 0x39) return -1;
		value = value * 10 + code - 0x30;
		if (value > max) return -1;
	}
	return value;
}

/** A quoted string's content with its quoted-pairs resolved; `start` and `end` include the quotes. */
export function unquote(text: string, start: number, end: number): string {
	const inner = text.slice(start + 1, end - 1);
	let slash = inner.indexOf("\\");
	if (slash < 0) return inner;
	let content = "";
	let copied = 0;
	while (slash >= 0) {
		content += inner.slice(copied, slash);
		copied = slash + 1;
		slash = inner.indexOf("\\", copied + 1);
	}
	return content + inner.slice(copied);
}

/** A quoted string for a header: backslash and quote are escaped; CR and LF, which no quoted-pair may hold, become spaces. */
export function quote(content: string): string {
	let quoted = '"';
	let copied = 0;
	for (let i = 0; i < content.length; i++) {
		const code = content.charCodeAt(i);
		if (code > BACKSLASH) continue;
		if (code === QUOTE || code === BACKSLASH) {
			quoted += `${content.slice(copied, i)}\\`;
			copied = i;
		} else if (code === CR || code === LF) {
			quoted += `${content.slice(copied, i)} `;
			copied = i + 1;
		}
	}
	return `${quoted}${copied === 0 ? content : content.slice(copied)}"`;
}
