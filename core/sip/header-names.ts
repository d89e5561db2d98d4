/**
 * Header fields the core knows by number. RFC 3261 §20, compact forms §7.3.3; registry "SIP Header Fields".
 *
 * A name that is not here is `other`: its line is kept and re-emitted, never looked into.
 */
import { COLON, textToOctets, wordAt, wordOf } from "./syntax.ts";

/** Numbers below 31 fit a bit set: `UNIQUE` is one. */
export const Header = Object.freeze({
	other: 0,
	via: 1,
	from: 2,
	to: 3,
	callId: 4,
	cseq: 5,
	maxForwards: 6,
	route: 7,
	recordRoute: 8,
	contact: 9,
	contentLength: 10,
	contentType: 11,
	expires: 12,
	authorization: 13,
	proxyAuthorization: 14,
	wwwAuthenticate: 15,
	proxyAuthenticate: 16,
	require: 17,
	proxyRequire: 18,
	supported: 19,
	unsupported: 20,
	path: 21,
	minExpires: 22,
	reason: 23,
	timestamp: 24,
	event: 25,
	allow: 26,
	retryAfter: 27,
	subject: 28,
	userAgent: 29,
	referTo: 30,
} as const);
export type Header = (typeof Header)[keyof typeof Header];

/** RFC 3261 §7.3.1 and §20: at most one such line in a message. A second one is a 400 (RFC 4475 §3.3.8, §3.3.9). */
export const UNIQUE =
	(1 << Header.from) |
	(1 << Header.to) |
	(1 << Header.callId) |
	(1 << Header.cseq) |
	(1 << Header.maxForwards) |
	(1 << Header.contentLength);

/** RFC 3261 §8.1.1: what every request (and so every response) carries; Max-Forwards may miss (RFC 2543 clients). */
export const MANDATORY =
	(1 << Header.via) | (1 << Header.from) | (1 << Header.to) | (1 << Header.callId) | (1 << Header.cseq);

/** Long names, those of one first letter together, the ones seen most first among them. */
const NAMES: ReadonlyArray<readonly [lower: string, header: number]> = Object.freeze([
	["allow", Header.allow],
	["authorization", Header.authorization],
	["call-id", Header.callId],
	["cseq", Header.cseq],
	["contact", Header.contact],
	["content-length", Header.contentLength],
	["content-type", Header.contentType],
	["expires", Header.expires],
	["event", Header.event],
	["from", Header.from],
	["max-forwards", Header.maxForwards],
	["min-expires", Header.minExpires],
	["proxy-authorization", Header.proxyAuthorization],
	["proxy-authenticate", Header.proxyAuthenticate],
	["proxy-require", Header.proxyRequire],
	["path", Header.path],
	["route", Header.route],
	["record-route", Header.recordRoute],
	["require", Header.require],
	["reason", Header.reason],
	["retry-after", Header.retryAfter],
	["refer-to", Header.referTo],
	["supported", Header.supported],
	["subject", Header.subject],
	["timestamp", Header.timestamp],
	["user-agent", Header.userAgent],
	["unsupported", Header.unsupported],
	["via", Header.via],
	["www-authenticate", Header.wwwAuthenticate],
]);

const LETTERS = 26;

/** Where the rows of a letter begin in `ROWS`; one entry more, for their end. */
const FIRST_ROW = new Uint16Array(LETTERS + 1);

/**
 * Rows of: header number, octets of the name, then the name in words of four octets (from 0, from 4, ...), the last one with the
 * colon at its end. Typed arrays, because frozen arrays are twice as slow to read; filled once, here.
 */
const ROWS: Int32Array = Int32Array.from(rows());

function rows(): number[] {
	const all: number[] = [];
	for (let letter = 0; letter < LETTERS; letter++) {
		FIRST_ROW[letter] = all.length;
		for (const [lower, header] of NAMES) {
			if (lower.charCodeAt(0) !== letter + 0x61) continue;
			all.push(header, lower.length);
			for (let k = 0; k + 4 <= lower.length; k += 4) all.push(wordOf(lower, k));
			all.push(wordOf(`${lower}:`, lower.length - 3));
		}
	}
	FIRST_ROW[LETTERS] = all.length;
	return all;
}

/** A header number and the length of its name in one number; 0 is `other`. */
const NAME_SHIFT = 5;
const NUMBER_MASK = 31;

/** Header number out of what `headerAt` answers. */
export function headerNumber(found: number): number {
	return found & NUMBER_MASK;
}

/** Octets of the name out of what `headerAt` answers. */
export function headerNameLength(found: number): number {
	return found >> NAME_SHIFT;
}

/** Which header field begins at `at` with its colon right behind the name; 0 when unknown. Four octets at a time, in any case. */
export function headerAt(octets: Uint8Array, at: number): number {
	const letter = octets[at]! | 0x20;
	if (octets[at + 1] === COLON) return sized(compactHeader(letter), 1);
	if (letter < 0x61 || letter > 0x7a) return 0;
	// "To" is too short for a word.
	if (letter === 0x74 && octets[at + 2] === COLON) return (octets[at + 1]! | 0x20) === 0x6f ? sized(Header.to, 2) : 0;
	const end = FIRST_ROW[letter - 0x60]!;
	for (let row = FIRST_ROW[letter - 0x61]!; row < end; ) {
		const length = ROWS[row + 1]!;
		if (octets[at + length] === COLON && hasName(octets, at, row + 2, length)) return sized(ROWS[row]!, length);
		row += 3 + (length >> 2);
	}
	return 0;
}

function sized(header: number, length: number): number {
	return header === 0 ? 0 : header | (length << NAME_SHIFT);
}

function hasName(octets: Uint8Array, at: number, row: number, length: number): boolean {
	const whole = length >> 2;
	for (let i = 0; i < whole; i++) if ((wordAt(octets, at + 4 * i) | SMALL) !== ROWS[row + i]) return false;
	return (wordAt(octets, at + length - 3) | SMALL) === ROWS[row + whole];
}

/** The bit of small letters in four octets; "-" and ":" have it too, and control octets do not stand in a line. */
const SMALL = 0x20202020;

/** As `headerAt`, for a name that white space parts from its colon. */
export function headerNamed(name: string): number {
	return headerNumber(headerAt(textToOctets(`${name}:`), 0));
}

/** RFC 3261 §7.3.3 and the compact forms of later RFCs. */
function compactHeader(letter: number): number {
	switch (letter) {
		case 0x76: // v
			return Header.via;
		case 0x66: // f
			return Header.from;
		case 0x74: // t
			return Header.to;
		case 0x69: // i
			return Header.callId;
		case 0x6d: // m
			return Header.contact;
		case 0x6c: // l
			return Header.contentLength;
		case 0x63: // c
			return Header.contentType;
		case 0x6b: // k
			return Header.supported;
		case 0x6f: // o
			return Header.event;
		case 0x72: // r
			return Header.referTo;
		case 0x73: // s
			return Header.subject;
		default:
			return Header.other;
	}
}
