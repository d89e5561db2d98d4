/**
 * One Via value (RFC 3261 §20.42), with rport and received (RFC 3581).
 *
 *   SIP/2.0/UDP host:port;branch=z9hG4bK...;rport;received=192.0.2.1 , next value
 *   |start      |host                     |rportEnd                |end
 */
import {
	CLOSE_BRACKET,
	COLON,
	COMMA,
	EQUALS,
	equalsFolded,
	isDigit,
	lowerSlice,
	OPEN_BRACKET,
	QUOTE,
	readNumber,
	SEMICOLON,
	SLASH,
	SMALL,
	type Source,
	skipHostName,
	skipLws,
	skipQuoted,
	skipToken,
	skipValue,
	standsAt,
	trimEnd,
	wordAt,
	wordOf,
} from "./syntax.ts";

/** RFC 3261 §8.1.1.7: every branch made by an element of RFC 3261 begins so. */
export const MAGIC_COOKIE = "z9hG4bK";

const WORD_SIP = wordOf("SIP/");
const WORD_VERSION = wordOf("2.0/");
const WORD_UDP = wordOf("UDP\xff");
const WORD_TCP = wordOf("TCP\xff");
const WORD_TLS = wordOf("TLS\xff");
const WORD_BRAN = wordOf("bran");

/** A Via value. Positions are those of the text it was read from. */
export class Via {
	readonly #source: Source;
	start = 0;
	/** Behind the value, trailing LWS not included. */
	end = 0;
	/** Where the next value of the same line begins, or -1. */
	next = -1;
	/** Upper case. */
	transport = "";
	hostStart = 0;
	hostEnd = 0;
	/** 0 when absent. */
	port = 0;
	/** "" when absent. */
	branch = "";
	/** RFC 3581: -1 without rport, 0 asked for, else the port. */
	rport = -1;
	/** Behind the name `rport` when it has no value; else -1. */
	rportEnd = -1;
	/** The value of `received`, "" when absent, from the end of what stands before it to its own end. */
	received = "";
	receivedStart = -1;
	receivedEnd = -1;
	maddr = "";
	/** No capital stands in the host. */
	isHostLower = false;
	#host: string | undefined;

	constructor(source: Source) {
		this.#source = source;
	}

	/** Lower case; IPv6 in brackets. */
	get host(): string {
		if (this.#host === undefined) {
			const { hostStart, hostEnd } = this;
			this.#host = this.isHostLower
				? this.#source.text.slice(hostStart, hostEnd)
				: lowerSlice(this.#source, hostStart, hostEnd);
		}
		return this.#host;
	}

	/** `sent-by` with the default port filled in, for comparing (RFC 3261 §17.2.3). */
	sentBy(): string {
		return `${this.host}:${this.port === 0 ? defaultPort(this.transport) : this.port}`;
	}
}

/** Default port of a Via transport (RFC 3261 §18.2.1; RFC 7118 §5.2 for WebSocket). */
export function defaultPort(transport: string): number {
	switch (transport) {
		case "TLS":
			return 5061;
		case "WS":
			return 80;
		case "WSS":
			return 443;
		default:
			return 5060;
	}
}

/** Reads the Via value at `start` of a header value that ends at `end`; `undefined` when it is malformed. */
export function readVia(source: Source, start: number, end: number): Via | undefined {
	const { octets } = source;
	const via = new Via(source);
	let at = skipLws(octets, start, end);
	via.start = at;
	at = readProtocol(octets, at, end);
	if (at < 0) return undefined;
	const transportEnd = skipToken(octets, at, end);
	if (transportEnd === at) return undefined;
	via.transport = transportName(source, at, transportEnd);
	at = skipLws(octets, transportEnd, end);
	// RFC 3261 §25.1: LWS stands between the protocol and sent-by.
	if (at === transportEnd) return undefined;
	at = readSentBy(octets, at, end, via);
	return at < 0 ? undefined : readParams(source, at, end, via);
}

/** Behind "SIP/2.0/", with LWS allowed around the slashes (RFC 4475 §3.1.1.1); -1 when it is not there. */
function readProtocol(octets: Uint8Array, at: number, end: number): number {
	if (end - at > 8 && wordAt(octets, at) === WORD_SIP && wordAt(octets, at + 4) === WORD_VERSION) {
		return skipLws(octets, at + 8, end);
	}
	const nameEnd = skipToken(octets, at, end);
	if (!equalsFolded(octets, at, nameEnd, "sip")) return -1;
	at = skipLws(octets, nameEnd, end);
	if (at >= end || octets[at] !== SLASH) return -1;
	at = skipLws(octets, at + 1, end);
	if (!standsAt(octets, at, end, "2.0")) return -1;
	at = skipLws(octets, at + 3, end);
	if (at >= end || octets[at] !== SLASH) return -1;
	return skipLws(octets, at + 1, end);
}

function transportName(source: Source, start: number, end: number): string {
	if (end - start === 3) {
		const word = wordAt(source.octets, start) | 0xff;
		if (word === WORD_UDP) return "UDP";
		if (word === WORD_TCP) return "TCP";
		if (word === WORD_TLS) return "TLS";
	}
	return source.text.slice(start, end).toUpperCase();
}

function readSentBy(octets: Uint8Array, at: number, end: number, via: Via): number {
	const found = skipHostName(octets, at, end);
	via.isHostLower = found > at;
	const hostEnd = found === at ? skipIpv6Reference(octets, at, end) : found < 0 ? ~found : found;
	if (hostEnd < 0) return -1;
	via.hostStart = at;
	via.hostEnd = hostEnd;
	at = skipLws(octets, hostEnd, end);
	if (at >= end || octets[at] !== COLON) return at;
	at = skipLws(octets, at + 1, end);
	let portEnd = at;
	while (portEnd < end && isDigit(octets[portEnd]!)) portEnd++;
	via.port = readNumber(octets, at, portEnd, 65_535);
	return via.port <= 0 ? -1 : skipLws(octets, portEnd, end);
}

/** Behind the host at `at` (name, IPv4, or IPv6 in brackets); -1 when there is none. */
export function skipHost(octets: Uint8Array, at: number, end: number): number {
	const found = skipHostName(octets, at, end);
	if (found === at) return skipIpv6Reference(octets, at, end);
	return found < 0 ? ~found : found;
}

function skipIpv6Reference(octets: Uint8Array, start: number, end: number): number {
	if (start >= end || octets[start] !== OPEN_BRACKET) return -1;
	for (let at = start + 1; at < end; at++) {
		const code = octets[at]!;
		if (code === CLOSE_BRACKET) return at - start > 2 ? at + 1 : -1;
		const hex = isDigit(code) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66);
		if (!hex && code !== COLON && code !== 0x2e) return -1;
	}
	return -1;
}

/** The parameters, written out here: every message has one such walk. */
function readParams(source: Source, at: number, end: number, via: Via): Via | undefined {
	const { octets } = source;
	via.end = trimEnd(octets, via.start, at);
	for (;;) {
		const before = via.end;
		if (at >= end) return via;
		const code = octets[at]!;
		if (code === COMMA) return endAtComma(octets, at, end, via);
		if (code !== SEMICOLON) return undefined;
		const nameStart = skipLws(octets, at + 1, end);
		const nameEnd = skipToken(octets, nameStart, end);
		if (nameEnd === nameStart) return undefined;
		at = nameEnd;
		let valueStart = -1;
		let valueEnd = nameEnd;
		if (at < end && octets[at] !== SEMICOLON) at = skipLws(octets, at, end);
		if (at < end && octets[at] === EQUALS) {
			valueStart = skipLws(octets, at + 1, end);
			const isQuoted = valueStart < end && octets[valueStart] === QUOTE;
			valueEnd = isQuoted ? skipQuoted(octets, valueStart, end) : skipValue(octets, valueStart, end);
			if (valueEnd <= valueStart) return undefined;
			at = skipLws(octets, valueEnd, end);
		}
		via.end = valueEnd;
		noteParam(source, via, before, nameStart, nameEnd, valueStart);
	}
}

/** A further value follows a comma; a comma with nothing behind it is malformed (RFC 4475 §3.1.2.1). */
function endAtComma(octets: Uint8Array, at: number, end: number, via: Via): Via | undefined {
	via.next = skipLws(octets, at + 1, end);
	return via.next >= end || octets[via.next] === COMMA ? undefined : via;
}

function noteParam(
	source: Source,
	via: Via,
	before: number,
	nameStart: number,
	nameEnd: number,
	valueStart: number,
): void {
	const { octets, text } = source;
	switch (nameEnd - nameStart) {
		case 5:
			if (equalsFolded(octets, nameStart, nameEnd, "rport")) {
				via.rport = valueStart < 0 ? 0 : readNumber(octets, valueStart, via.end, 65_535);
				if (valueStart < 0) via.rportEnd = nameEnd;
			} else if (equalsFolded(octets, nameStart, nameEnd, "maddr")) via.maddr = valueText(source, valueStart, via.end);
			break;
		case 6:
			if (isBranch(octets, nameStart) && valueStart >= 0) {
				via.branch = text.slice(valueStart, via.end);
			}
			break;
		case 8:
			if (equalsFolded(octets, nameStart, nameEnd, "received")) {
				via.received = valueText(source, valueStart, via.end);
				via.receivedStart = before;
				via.receivedEnd = via.end;
			}
			break;
		default:
			break;
	}
}

/** "branch", six octets in any case. */
function isBranch(octets: Uint8Array, at: number): boolean {
	if ((wordAt(octets, at) | SMALL) !== WORD_BRAN) return false;
	return (octets[at + 4]! | 0x20) === 0x63 && (octets[at + 5]! | 0x20) === 0x68;
}

function valueText(source: Source, start: number, end: number): string {
	return start < 0 ? "" : source.text.slice(start, end);
}
