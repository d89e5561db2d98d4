/**
 * SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966 as far as a SIP element routes by it), read in place.
 *
 *   sip:user:password@host:port;uri-parameters?headers
 *
 * Any other absolute URI keeps its scheme and nothing else: a proxy answers it 416 and keeps it where it only stands in a header.
 */
import { bytesToUtf8, hexDigit, isUtf8 } from "../wire/bytes.ts";
import {
	AT,
	asciiLower,
	COLON,
	EQUALS,
	equalsFolded,
	findOctet,
	isAlphanumeric,
	isDigit,
	isToken,
	lowerSlice,
	PERCENT,
	QUESTION,
	readNumber,
	SEMICOLON,
	type Source,
	sourceOf,
	standsAt,
	textToOctets,
} from "./syntax.ts";
import { skipHost } from "./via.ts";

/** A URI of a message. All positions are those of `source`. */
export class Uri {
	readonly source: Source;
	readonly start: number;
	readonly end: number;
	/** Lower case. */
	scheme = "";
	/** As written, escapes kept; `undefined` without "@". For `tel` the number. */
	user: string | undefined;
	password: string | undefined;
	/** Lower case; IPv6 in brackets; "" for schemes without a host. */
	host = "";
	/** 0 when absent. */
	port = 0;
	/** The ";" of the first URI parameter, or where they end. */
	paramsStart = 0;
	/** End of the parameters: the "?" of the headers, or the end of the URI. */
	paramsEnd = 0;

	constructor(source: Source, start: number, end: number) {
		this.source = source;
		this.start = start;
		this.end = end;
		this.paramsStart = end;
		this.paramsEnd = end;
	}

	/** True for sip and sips. */
	get isSip(): boolean {
		return this.scheme === "sip" || this.scheme === "sips";
	}

	/** Value of a URI parameter, "" when it has none, `undefined` when it is absent. */
	param(lower: string): string | undefined {
		if (this.paramsStart === this.paramsEnd) return undefined;
		return uriParam(this.source, this.paramsStart, this.paramsEnd, lower);
	}

	/** The port to send to: the one given, else the scheme's and transport's default (RFC 3263 §4.2). */
	portOrDefault(): number {
		if (this.port !== 0) return this.port;
		return this.scheme === "sips" || asciiLower(this.param("transport") ?? "") === "tls" ? 5061 : 5060;
	}

	/** The URI as written. */
	toString(): string {
		return this.source.text.slice(this.start, this.end);
	}
}

/** Reads the URI that a text of one octet per character is; `undefined` when it is malformed. */
export function parseUri(text: string): Uri | undefined {
	return readUri(sourceOf(text), 0, text.length);
}

/** Reads the URI in `[start, end)`; `undefined` when it is malformed. */
export function readUri(source: Source, start: number, end: number): Uri | undefined {
	const { octets } = source;
	const uri = new Uri(source, start, end);
	let at = readScheme(uri);
	if (at < 0) return undefined;
	if (uri.scheme === "tel") return readTel(uri, at);
	if (!uri.isSip) return isOpaque(octets, at, end) ? uri : undefined;
	const hostStart = readUserInfo(uri, at);
	if (hostStart < 0) return undefined;
	at = skipHost(octets, hostStart, end);
	if (at < 0) return undefined;
	uri.host = lowerSlice(source, hostStart, at);
	if (at < end && octets[at] === COLON) {
		const portStart = ++at;
		while (at < end && isDigit(octets[at]!)) at++;
		uri.port = readNumber(octets, portStart, at, 65_535);
		if (uri.port <= 0) return undefined;
	}
	return readTail(uri, at);
}

function readScheme(uri: Uri): number {
	const { octets } = uri.source;
	const { start, end } = uri;
	if (standsAt(octets, start, end, "sip:")) {
		uri.scheme = "sip";
		return start + 4;
	}
	let at = start;
	// RFC 3986 §3.1: a letter, then letters, digits, "+", "-", ".".
	while (at < end) {
		const code = octets[at]!;
		if (!isAlphanumeric(code) && (at === start || (code !== 0x2b && code !== 0x2d && code !== 0x2e))) break;
		at++;
	}
	if (at === start || at >= end || octets[at] !== COLON || isDigit(octets[start]!)) return -1;
	uri.scheme = lowerSlice(uri.source, start, at);
	return at + 1;
}

/** Behind the "@", or `at` when there is no user part; -1 when the user part is malformed. */
function readUserInfo(uri: Uri, at: number): number {
	const { octets, text } = uri.source;
	// "@" stands unescaped nowhere else in a SIP URI, so the first one ends the user part whatever else is in it (";", "?", "/").
	const sign = findOctet(octets, at, uri.end, AT);
	if (sign < 0) return at;
	let colon = sign;
	for (let i = at; i < sign; i++) {
		const code = octets[i]!;
		if (code === COLON) {
			if (colon < sign) return -1;
			colon = i;
		} else if (!isUserOctet(code)) return -1;
		else if (code === PERCENT && !isEscape(octets, i, sign)) return -1;
	}
	if (colon === at) return -1;
	uri.user = text.slice(at, colon);
	if (colon < sign) uri.password = text.slice(colon + 1, sign);
	return sign + 1;
}

/** unreserved, "%" of an escape, and user-unreserved; "#", "[" and "]" are not allowed but seen in dial strings ("#" only). */
function isUserOctet(code: number): boolean {
	if (isToken(code)) return code !== 0x60;
	switch (code) {
		case 0x23: // # (Choice §25.1: keypads have it, nothing else can be meant)
		case 0x24: // $
		case 0x26: // &
		case 0x28: // (
		case 0x29: // )
		case 0x2c: // ,
		case 0x2f: // /
		case 0x3b: // ;
		case 0x3d: // =
		case 0x3f: // ?
			return true;
		default:
			return false;
	}
}

function isEscape(octets: Uint8Array, at: number, end: number): boolean {
	return end - at > 2 && hexDigit(octets[at + 1]!) >= 0 && hexDigit(octets[at + 2]!) >= 0;
}

/** Parameters and headers: bounds only, they are read when asked for. */
function readTail(uri: Uri, at: number): Uri | undefined {
	const { octets } = uri.source;
	const { end } = uri;
	uri.paramsStart = at;
	uri.paramsEnd = end;
	if (at === end) return uri;
	if (octets[at] !== SEMICOLON && octets[at] !== QUESTION) return undefined;
	for (; at < end; at++) {
		const code = octets[at]!;
		if (code === QUESTION && uri.paramsEnd === end) uri.paramsEnd = at;
		else if (code === SEMICOLON && uri.paramsEnd === end && !isTailName(octets[at + 1], at + 1 === end))
			return undefined;
		else if (code === AT || !isTailOctet(code)) return undefined;
		else if (code === PERCENT && !isEscape(octets, at, end)) return undefined;
	}
	return uri;
}

/** A parameter has a name (RFC 3261 §25.1). */
function isTailName(first: number | undefined, isEnd: boolean): boolean {
	return !isEnd && first !== SEMICOLON && first !== EQUALS && first !== QUESTION;
}

/** What may stand in URI parameters and headers: no LWS, quotes, angle brackets, commas, braces or control octets. */
function isTailOctet(code: number): boolean {
	if (code <= 0x20 || code >= 0x7f) return false;
	return (
		code !== 0x22 &&
		code !== 0x3c &&
		code !== 0x3e &&
		code !== 0x2c &&
		code !== 0x5c &&
		code !== 0x7b &&
		code !== 0x7d &&
		code !== 0x5e
	);
}

function readTel(uri: Uri, at: number): Uri | undefined {
	const { octets, text } = uri.source;
	const { end } = uri;
	const semicolon = findOctet(octets, at, end, SEMICOLON);
	const stop = semicolon < 0 ? end : semicolon;
	if (stop === at || !isOpaque(octets, at, end)) return undefined;
	uri.user = text.slice(at, stop);
	uri.paramsStart = stop;
	return uri;
}

function isOpaque(octets: Uint8Array, at: number, end: number): boolean {
	if (at >= end) return false;
	for (let i = at; i < end; i++) {
		const code = octets[i]!;
		if (code <= 0x20 || code === 0x22 || code === 0x3c || code === 0x3e || code >= 0x7f) return false;
	}
	return true;
}

/** URI parameters are `;pname=pvalue` with other characters than header parameters, and no LWS. */
function uriParam(source: Source, start: number, end: number, lower: string): string | undefined {
	const { octets, text } = source;
	for (let at = start; at < end; ) {
		const next = findOctet(octets, at + 1, end, SEMICOLON);
		const stop = next < 0 ? end : next;
		const sign = findOctet(octets, at + 1, stop, EQUALS);
		const nameEnd = sign < 0 ? stop : sign;
		// RFC 4475 §3.1.1.3: names may be escaped too (n%61me).
		const isIt =
			findOctet(octets, at + 1, nameEnd, PERCENT) < 0
				? equalsFolded(octets, at + 1, nameEnd, lower)
				: asciiLower(unescapeUri(text.slice(at + 1, nameEnd))) === lower;
		if (isIt) return sign < 0 ? "" : text.slice(sign + 1, stop);
		at = stop;
	}
	return undefined;
}

/** Decodes every %-escape, once (RFC 3986 §2.4); what is no escape stays. The result has one octet per character. */
export function unescapeUri(text: string): string {
	let decoded = "";
	let copied = 0;
	for (let at = text.indexOf("%"); at >= 0; at = text.indexOf("%", at + 1)) {
		const high = hexDigit(text.charCodeAt(at + 1));
		const low = hexDigit(text.charCodeAt(at + 2));
		if (high < 0 || low < 0) continue;
		decoded += text.slice(copied, at) + String.fromCharCode(high * 16 + low);
		copied = at + 3;
		at += 2;
	}
	return copied === 0 ? text : decoded + text.slice(copied);
}

/**
 * The AOR of a SIP URI as `user@domain` (RFC 7904 §3.1): scheme, password, port, parameters and headers gone, escapes decoded,
 * domain in lower case. `undefined` without a user part, and for other schemes.
 */
export function aorOf(uri: Uri): string | undefined {
	if (!uri.isSip || uri.user === undefined) return undefined;
	const user = unescapeUri(uri.user);
	const text = utf8Text(user);
	return text === undefined ? undefined : `${text}@${uri.host}`;
}

/** A string of octets as the text they encode; `undefined` when they are no UTF-8. */
export function utf8Text(octets: string): string | undefined {
	let high = false;
	for (let i = 0; i < octets.length && !high; i++) high = octets.charCodeAt(i) >= 0x80;
	if (!high) return octets;
	const bytes = textToOctets(octets);
	return isUtf8(bytes) ? bytesToUtf8(bytes) : undefined;
}
