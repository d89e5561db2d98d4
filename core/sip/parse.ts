/**
 * The indexer: finds start line, header lines and body of a message, and what is wrong with it. RFC 3261 §7, §18.3, §25.
 *
 * Three outcomes: a message; a message with a `fault` (a request is answered with it, a response dropped); nothing at all, when the
 * octets are no SIP message anybody could be answered about.
 */
import { EMPTY } from "../wire/bytes.ts";
import { Header, headerAt, headerNamed, headerNameLength, headerNumber, MANDATORY, UNIQUE } from "./header-names.ts";
import { DEFAULT_LIMITS, type SipLimits } from "./limits.ts";
import { type Fault, LINE, MAX_HEAD_OCTETS, SipMessage } from "./message.ts";
import { methodAt } from "./methods.ts";
import {
	COLON,
	CR,
	findOctet,
	HTAB,
	isDigit,
	isLws,
	LF,
	readNumber,
	SP,
	skipLws,
	skipToken,
	textToOctets,
	trimEnd,
	wordAt,
	wordOf,
} from "./syntax.ts";

const SIP_SLASH = wordOf("SIP/");
const VERSION_SPACE = wordOf("2.0 ");
const SPACE_SIP = wordOf(" SIP");
const SLASH_VERSION = wordOf("/2.0");

/** Turns octets into a text of one octet per character. The host passes its fastest (Node: `latin1Slice`). */
export type ReadOctets = (octets: Uint8Array, start: number, end: number) => string;

const CHUNK = 1024;

/** The core's own `ReadOctets`, for every machine. */
export function octetsToText(octets: Uint8Array, start: number, end: number): string {
	let text = "";
	for (let at = start; at < end; at += CHUNK) {
		const part = octets.subarray(at, Math.min(at + CHUNK, end));
		text += String.fromCharCode.apply(undefined, part as unknown as number[]);
	}
	return text;
}

/** Octets up to and with the first empty line, from `start`; -1 when there is none before `end`. */
export function headLength(octets: Uint8Array, start: number, end: number): number {
	// CR LF CR LF is four octets: one look in four finds one of them, unless it stands on CR or LF already.
	for (let i = start + 3; i < end; ) {
		const octet = octets[i]!;
		if (octet === LF) {
			if (octets[i - 1] === CR && octets[i - 2] === LF && octets[i - 3] === CR) return i + 1 - start;
			i += 2;
		} else if (octet === CR) i += 1;
		else i += 4;
	}
	return -1;
}

/** A datagram (or a message of a WebSocket): one message and nothing behind it that counts. `undefined`: not SIP, drop it. */
export function parseDatagram(
	datagram: Uint8Array,
	read: ReadOctets = octetsToText,
	limits: SipLimits = DEFAULT_LIMITS,
): SipMessage | undefined {
	let start = 0;
	// RFC 3261 §7.5: CRLFs before the start line are ignored (RFC 5626 keep-alives come so too).
	while (start < datagram.length && (datagram[start] === CR || datagram[start] === LF)) start++;
	if (start === datagram.length) return undefined;
	const octets = start === 0 ? datagram : datagram.subarray(start);
	const message = indexHead(octets, read(octets, 0, octets.length), limits);
	if (message !== undefined) setDatagramBody(message, limits);
	return message;
}

function setDatagramBody(message: SipMessage, limits: SipLimits): void {
	const at = message.headEnd + 2;
	const present = message.octets.length - at;
	const length = message.contentLength < 0 ? present : message.contentLength;
	// RFC 3261 §18.3: too few octets are an error, too many are ignored (RFC 4475 §3.1.1.8, §3.1.2.2).
	if (length > present) message.fault ??= TOO_SHORT;
	else if (length > limits.bodyOctets) message.fault ??= BODY_TOO_LARGE;
	else if (length > 0) message.setBody(at, at + length);
}

/** Indexes a message of our own making, or one from a test: its head as text, and its body. */
export function indexText(head: string, body: Uint8Array = EMPTY): SipMessage | undefined {
	const message = indexHead(textToOctets(head), head);
	if (message !== undefined) message.body = body;
	return message;
}

/** Indexes a head, the empty line included; octets behind it are left alone. `undefined` when it is no SIP message. */
export function indexHead(
	octets: Uint8Array,
	text: string,
	limits: SipLimits = DEFAULT_LIMITS,
): SipMessage | undefined {
	const message = new SipMessage(octets, text, EMPTY);
	const lineEnd = findLineEnd(text, 0);
	if (lineEnd < 0 || !readStartLine(message, lineEnd)) return undefined;
	indexLines(message, lineEnd + 2, limits);
	return message;
}

/** Where the CR of the line's CRLF stands; -1 - n when there is none, or a CR or LF alone stands at n. */
function findLineEnd(text: string, at: number): number {
	const cr = text.indexOf("\r", at);
	const lf = text.indexOf("\n", at);
	if (cr >= 0 && lf === cr + 1) return cr;
	if (cr < 0 && lf < 0) return -1 - text.length;
	return -1 - (lf < 0 || (cr >= 0 && cr < lf) ? cr : lf);
}

function readStartLine(message: SipMessage, end: number): boolean {
	const { octets } = message;
	if (end > 8 && wordAt(octets, 0) === SIP_SLASH && wordAt(octets, 4) === VERSION_SPACE) {
		return readStatusLine(message, 8, end);
	}
	const methodEnd = skipToken(octets, 0, end);
	if (methodEnd === 0 || octets[methodEnd] !== SP) return false;
	message.method = methodAt(message, 0, methodEnd);
	message.uriStart = methodEnd + 1;
	message.uriEnd = end - 8;
	const isUsual =
		message.uriEnd > message.uriStart &&
		wordAt(octets, message.uriEnd) === SPACE_SIP &&
		wordAt(octets, message.uriEnd + 4) === SLASH_VERSION;
	if (!isUsual) return readOddRequestLine(message, methodEnd, end);
	if (message.text.indexOf(" ", message.uriStart) !== message.uriEnd)
		return readOddRequestLine(message, methodEnd, end);
	return true;
}

function readStatusLine(message: SipMessage, at: number, end: number): boolean {
	// Three digits and a space; the space may miss when there is no reason phrase (RFC 4475 §3.1.1.13). Never above 699 (§3.1.2.19).
	const status = end < at + 3 ? -1 : readNumber(message.octets, at, at + 3, 699);
	if (status < 100) return false;
	if (end > at + 3 && message.octets[at + 3] !== SP) return false;
	message.status = status;
	message.uriStart = end > at + 3 ? at + 4 : end;
	message.uriEnd = end;
	return true;
}

/** A request line that is not exactly as it should be: it is still worth an answer when its parts can be told. */
function readOddRequestLine(message: SipMessage, methodEnd: number, end: number): boolean {
	const { octets } = message;
	const last = trimEnd(octets, methodEnd, end);
	let version = last;
	while (version > methodEnd && !isLws(octets[version - 1]!)) version--;
	const start = skipLws(octets, methodEnd, version);
	const uriEnd = trimEnd(octets, start, version);
	if (uriEnd <= start) return false;
	message.uriStart = start;
	message.uriEnd = uriEnd;
	const name = message.text.slice(version, last).toUpperCase();
	if (!name.startsWith("SIP/")) return false;
	// RFC 3261 §7.1: the version is compared without case. RFC 4475 §3.1.2.16: another version is 505; §3.1.2.9, §3.1.2.10: 400.
	message.fault = name === "SIP/2.0" ? MALFORMED_REQUEST_LINE : VERSION_NOT_SUPPORTED;
	return true;
}

/** Fills the index. Whatever is wrong is noted as a fault, and the rest indexed as far as it goes, for the answer. */
function indexLines(message: SipMessage, from: number, limits: SipLimits): void {
	const { octets, text } = message;
	const maxLength = limits.headerLines * LINE;
	const maxHead = Math.min(limits.headOctets, MAX_HEAD_OCTETS);
	let seen = 0;
	let at = from;
	for (;;) {
		if (octets[at] === CR && octets[at + 1] === LF) break;
		const found = headerAt(octets, at);
		let cr = isShort(headerNumber(found)) ? shortLineEnd(octets, at + headerNameLength(found)) : -1;
		if (cr < 0) cr = findLineEnd(text, at);
		while (cr >= 0 && (octets[cr + 2] === SP || octets[cr + 2] === HTAB)) cr = findLineEnd(text, cr + 2);
		if (cr < 0 || cr > maxHead || message.lines.length >= maxLength) {
			message.headEnd = at;
			if (cr > maxHead) message.fault ??= HEAD_TOO_LARGE;
			// Choice (§7.3.1): a CR or LF alone ends no line for us and may end one for the next element: refused, so nothing can hide.
			message.fault ??= cr >= 0 ? TOO_MANY_LINES : -1 - cr < text.length ? STRAY_LINE_BREAK : NO_EMPTY_LINE;
			return;
		}
		const header = indexLine(message, found, at, cr);
		if (header !== 0) {
			const bit = 1 << header;
			if ((seen & bit & UNIQUE) !== 0) message.fault ??= REPEATED_HEADER;
			else if (header === Header.contentLength) readContentLength(message);
			else if (header === Header.cseq) readCseq(message);
			seen |= bit;
		}
		at = cr + 2;
	}
	message.headEnd = at;
	if ((seen & MANDATORY) !== MANDATORY) message.fault ??= MISSING_HEADER;
}

/** Header fields of a few octets: walking over them costs less than a search of the text. */
const SHORT = (1 << Header.cseq) | (1 << Header.maxForwards) | (1 << Header.contentLength) | (1 << Header.expires);

function isShort(header: number): boolean {
	return ((1 << header) & SHORT) !== 0;
}

/** Where the CR of a line stands that has neither tabs nor folds; -1 for any other. */
function shortLineEnd(octets: Uint8Array, at: number): number {
	while (octets[at]! >= SP) at++;
	if (octets[at] !== CR || octets[at + 1] !== LF) return -1;
	const next = octets[at + 2];
	return next === SP || next === HTAB ? -1 : at;
}

/** Notes one header line that ends at `cr`; `found`: what `headerAt` says. Answers its header number. */
function indexLine(message: SipMessage, found: number, at: number, cr: number): number {
	const { octets } = message;
	let header = headerNumber(found);
	let start = at + headerNameLength(found) + 1;
	if (found === 0) {
		const colon = findOctet(octets, at, cr, COLON);
		if (colon <= at) {
			message.fault ??= MALFORMED_HEADER;
			return 0;
		}
		// RFC 3261 §7.3.1: white space may stand before the colon.
		const nameEnd = trimEnd(octets, at, colon);
		if (nameEnd < colon) header = headerNamed(message.text.slice(at, nameEnd));
		start = colon + 1;
	}
	// The usual line has one space here and none at its end.
	if (octets[start] === SP) start++;
	if (octets[start]! <= SP) start = skipLws(octets, start, cr);
	const end = octets[cr - 1]! <= SP ? trimEnd(octets, start, cr) : cr;
	message.addLine(header, at, start, end);
	return header;
}

function readContentLength(message: SipMessage): void {
	const line = message.lines.length - LINE;
	message.contentLength = readNumber(message.octets, message.valueStart(line), message.valueEnd(line), 0x7fff_ffff);
	if (message.contentLength < 0) message.fault ??= BAD_CONTENT_LENGTH;
}

function readCseq(message: SipMessage): void {
	const { octets, method } = message;
	const line = message.lines.length - LINE;
	const start = message.valueStart(line);
	const end = message.valueEnd(line);
	let at = start;
	while (at < end && isDigit(octets[at]!)) at++;
	// RFC 3261 §8.1.1.5: below 2^31; §25.1 and RFC 4475 §3.1.2.4 allow 32 bits on receipt.
	message.cseq = readNumber(octets, start, at, 0xffff_ffff);
	// The usual request: one space, and the octets of the request line.
	if (message.cseq >= 0 && octets[at] === SP && isMethodOf(message, at + 1, end)) {
		message.cseqMethod = method;
		return;
	}
	const methodStart = skipLws(octets, at, end);
	if (message.cseq < 0 || methodStart === at || methodStart === end || skipToken(octets, methodStart, end) !== end) {
		message.fault ??= BAD_CSEQ;
		return;
	}
	message.cseqMethod = methodAt(message, methodStart, end);
	// RFC 3261 §8.1.1.5: the method of the request line; RFC 4475 §3.1.2.17.
	if (message.status === 0 && message.cseqMethod !== method) message.fault ??= CSEQ_MISMATCH;
}

/** True when the method of the request, which its octets begin with, stands in `[at, end)`; false for a response. */
function isMethodOf({ octets, method }: SipMessage, at: number, end: number): boolean {
	const { length } = method;
	if (length === 0 || end - at !== length) return false;
	for (let i = 0; i < length; i++) if (octets[at + i] !== octets[i]) return false;
	return true;
}

function fault(status: number, reason: string): Fault {
	return Object.freeze({ status, reason });
}

const NO_EMPTY_LINE = fault(400, "Header Not Ended");
const STRAY_LINE_BREAK = fault(400, "Stray CR or LF");
const TOO_MANY_LINES = fault(400, "Too Many Header Fields");
const MALFORMED_HEADER = fault(400, "Malformed Header Field");
const REPEATED_HEADER = fault(400, "Repeated Header Field");
const MISSING_HEADER = fault(400, "Missing Header Field");
const MALFORMED_REQUEST_LINE = fault(400, "Malformed Request-Line");
const VERSION_NOT_SUPPORTED = fault(505, "Version Not Supported");
const BAD_CONTENT_LENGTH = fault(400, "Bad Content-Length");
const BAD_CSEQ = fault(400, "Bad CSeq");
const CSEQ_MISMATCH = fault(400, "CSeq Method Mismatch");
const TOO_SHORT = fault(400, "Body Shorter Than Content-Length");
/** Also the answer of the stream framer. */
export const BODY_TOO_LARGE = fault(413, "Request Entity Too Large");
/** Also the answer of the stream framer. */
export const HEAD_TOO_LARGE = fault(513, "Message Too Large");
/** RFC 3261 §18.3: over a stream, a message says how long it is. */
export const NO_CONTENT_LENGTH = fault(400, "Missing Content-Length");
