/**
 * Header fields the core knows by number. RFC 3261 §20, compact forms §7.3.3; registry "SIP Header Fields".
 *
 * A name that is not here is `other`: its line is kept and re-emitted, never looked into.
 */
import { COLON, SMALL, textToOctets, wordAt, wordOf } from "./syntax.ts";

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

/** Long names. Those whose first four letters are alike stand together, the ones seen most first among them. */
const NAMES: ReadonlyArray<readonly [lower: string, header: number]> = Object.freeze([
	["via", Header.via],
	["from", Header.from],
	["call-id", Header.callId],
	["cseq", Header.cseq],
	["contact", Header.contact],
	["content-length", Header.contentLength],
	["content-type", Header.contentType],
	["max-forwards", Header.maxForwards],
	["route", Header.route],
	["record-route", Header.recordRoute],
	["expires", Header.expires],
	["authorization", Header.authorization],
	["proxy-authorization", Header.proxyAuthorization],
	["proxy-authenticate", Header.proxyAuthenticate],
	["proxy-require", Header.proxyRequire],
	["www-authenticate", Header.wwwAuthenticate],
	["require", Header.require],
	["supported", Header.supported],
	["unsupported", Header.unsupported],
	["path", Header.path],
	["min-expires", Header.minExpires],
	["reason", Header.reason],
	["timestamp", Header.timestamp],
	["event", Header.event],
	["allow", Header.allow],
	["retry-after", Header.retryAfter],
	["subject", Header.subject],
	["user-agent", Header.userAgent],
	["refer-to", Header.referTo],
]);

/** A header number and the length of its name in one number; 0 is `other`. */
const NAME_SHIFT = 5;
const NUMBER_MASK = 31;

/** Of the places the first words of the names are spread over: `placeOf` gives each its own (a test sees to it). */
const PLACES = 64;
const SPREAD = 0xee52bdb7;

/** The place of a first word in `FIRST_ROW`. */
function placeOf(word: number): number {
	return Math.imul(word, SPREAD) >>> 26;
}

/** Where the rows of the names of a first word begin in `ROWS`; 0 for no name. */
const FIRST_ROW = new Uint16Array(PLACES);

/**
 * Rows of: what `headerAt` answers, then the name and its colon in words of four octets (from 0, from 4, ..., the last one with the
 * colon at its end), each with the mask that makes its letters small. Typed arrays, because frozen arrays are twice as slow to read;
 * filled once, here. Before the first row and behind the last one stands a row that no name begins with.
 */
const ROWS: Int32Array = Int32Array.from(rows());

function rows(): number[] {
	const all: number[] = [0, 0, 0];
	for (const [lower, header] of NAMES) {
		const line = `${lower}:`;
		const place = placeOf(wordOf(line) | SMALL);
		if (FIRST_ROW[place] === 0) FIRST_ROW[place] = all.length;
		all.push(sized(header, lower.length));
		for (let at = 0; at < lower.length; at += 4) {
			const word = wordOf(line, Math.min(at, line.length - 4));
			// Letters have the bit of 64; "-" and ":" have not, and stand for themselves alone.
			all.push(word, (word >> 1) & SMALL);
		}
	}
	all.push(0, 0, 0);
	return all;
}

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
	const word = wordAt(octets, at);
	let row = FIRST_ROW[placeOf(word | SMALL)]!;
	while ((word | ROWS[row + 2]!) === ROWS[row + 1]) {
		const found = ROWS[row]!;
		const length = found >> NAME_SHIFT;
		if (octets[at + length] === COLON && hasRest(octets, at, row + 3, length)) return found;
		row += 3 + (((length - 1) >> 2) << 1);
	}
	return shortName(octets, at);
}

/** The words behind the first one. */
function hasRest(octets: Uint8Array, at: number, row: number, length: number): boolean {
	for (let k = 4; k < length; k += 4) {
		const from = at + (k + 3 > length ? length - 3 : k);
		if ((wordAt(octets, from) | ROWS[row + 1]!) !== ROWS[row]) return false;
		row += 2;
	}
	return true;
}

/** "To" is too short for a word, and so are the compact forms. */
function shortName(octets: Uint8Array, at: number): number {
	const letter = octets[at]! | 0x20;
	if (octets[at + 1] === COLON) return sized(compactHeader(letter), 1);
	const isTo = letter === 0x74 && (octets[at + 1]! | 0x20) === 0x6f && octets[at + 2] === COLON;
	return isTo ? sized(Header.to, 2) : 0;
}

function sized(header: number, length: number): number {
	return header === 0 ? 0 : header | (length << NAME_SHIFT);
}

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
