/**
 * Messages made here: responses to a request (RFC 3261 §8.2.6), ACK and CANCEL for a request that was sent (§9.1, §17.1.1.3),
 * and requests of our own (§8.1.1).
 */
import { Header } from "./header-names.ts";
import { MAX_FORWARDS } from "./limits.ts";
import { LINE, type SipMessage } from "./message.ts";
import { reasonOf } from "./status.ts";
import { asciiLower } from "./syntax.ts";

/** How many octets of a Via line the note may replace: the top value gets `received` and `rport` (see `SipMessage.viaNote`). */
function viaLines(request: SipMessage): string {
	const { text } = request;
	let lines = "";
	for (let line = request.find(Header.via); line >= 0; line = request.find(Header.via, line + LINE)) {
		const start = request.lineStart(line);
		const end = request.lineEnd(line);
		if (lines === "" && request.viaNoteEnd > 0) {
			lines = text.slice(start, request.viaNoteAt) + request.viaNote + text.slice(request.viaNoteEnd, end);
		} else lines += text.slice(start, end);
	}
	return lines;
}

/** All lines of a header field, as they stand. */
export function linesOf(message: SipMessage, header: number): string {
	let lines = "";
	for (let line = message.find(header); line >= 0; line = message.find(header, line + LINE)) {
		lines += message.text.slice(message.lineStart(line), message.lineEnd(line));
	}
	return lines;
}

/** The first line of a header field, as it stands; "" when there is none. */
export function lineOf(message: SipMessage, header: number): string {
	const line = message.find(header);
	return line < 0 ? "" : message.text.slice(message.lineStart(line), message.lineEnd(line));
}

/**
 * Head of a response to `request`. `toTag` is added when the request's To has none; `extra` is whole header lines, the body's
 * Content-Type among them; `bodyOctets` is the body's length. Lines the request lacks are lacking in the response too.
 */
export function responseHead(
	request: SipMessage,
	status: number,
	reason: string,
	toTag: string,
	extra = "",
	bodyOctets = 0,
): string {
	const phrase = reason === "" ? reasonOf(status) : reason;
	const timestamp = status === 100 ? lineOf(request, Header.timestamp) : "";
	return (
		`SIP/2.0 ${status} ${phrase}\r\n${viaLines(request)}${lineOf(request, Header.from)}${toLine(request, toTag)}` +
		`${lineOf(request, Header.callId)}${lineOf(request, Header.cseq)}${timestamp}${extra}Content-Length: ${bodyOctets}\r\n\r\n`
	);
}

function toLine(request: SipMessage, toTag: string): string {
	const line = request.find(Header.to);
	if (line < 0) return "";
	const { text } = request;
	const to = request.to();
	// RFC 3261 §8.2.6.2: a tag in every response but 100, unless the request brought one.
	if (toTag === "" || to === undefined || to.tag !== "")
		return text.slice(request.lineStart(line), request.lineEnd(line));
	return `${text.slice(request.lineStart(line), request.valueEnd(line))};tag=${toTag}\r\n`;
}

/** The topmost Via value of a head that we sent, as a line. */
function topViaLine(sent: SipMessage): string {
	const via = sent.via();
	return via === undefined ? "" : `Via: ${sent.text.slice(via.start, via.end)}\r\n`;
}

/** CANCEL for a request we sent; `extra` holds whole lines, such as Reason (RFC 3326). RFC 3261 §9.1. */
export function cancelHead(sent: SipMessage, extra = ""): string {
	return (
		`CANCEL ${sent.requestUri()} SIP/2.0\r\n${topViaLine(sent)}Max-Forwards: ${MAX_FORWARDS}\r\n${linesOf(sent, Header.route)}` +
		`${lineOf(sent, Header.from)}${lineOf(sent, Header.to)}${lineOf(sent, Header.callId)}CSeq: ${sent.cseq} CANCEL\r\n` +
		`${extra}Content-Length: 0\r\n\r\n`
	);
}

/** ACK for a final response other than 2xx: To is the response's. RFC 3261 §17.1.1.3. */
export function ackHead(sent: SipMessage, response: SipMessage): string {
	return (
		`ACK ${sent.requestUri()} SIP/2.0\r\n${topViaLine(sent)}Max-Forwards: ${MAX_FORWARDS}\r\n${linesOf(sent, Header.route)}` +
		`${lineOf(sent, Header.from)}${lineOf(response, Header.to)}${lineOf(sent, Header.callId)}CSeq: ${sent.cseq} ACK\r\n` +
		"Content-Length: 0\r\n\r\n"
	);
}

/** What a request of our own says. Texts have one octet per character and no CR or LF; addresses stand as in the header field. */
export interface RequestParts {
	readonly method: string;
	readonly uri: string;
	/** Whole header value, tag included: `<sip:a@b>;tag=x`. */
	readonly from: string;
	readonly to: string;
	readonly callId: string;
	readonly cseq: number;
	/** Further header lines, each with its CRLF. */
	readonly headers?: string;
	readonly bodyOctets?: number;
}

/** Head of a request of our own. The Via line is put in by the transaction's flow. */
export function requestHead(parts: RequestParts, viaLine: string): string {
	return (
		`${parts.method} ${parts.uri} SIP/2.0\r\n${viaLine}Max-Forwards: ${MAX_FORWARDS}\r\nFrom: ${parts.from}\r\nTo: ${parts.to}\r\n` +
		`Call-ID: ${parts.callId}\r\nCSeq: ${parts.cseq} ${parts.method}\r\n${parts.headers ?? ""}` +
		`Content-Length: ${parts.bodyOctets ?? 0}\r\n\r\n`
	);
}

/** True when a text may stand in a header line: no CR, no LF, and one octet per character. */
export function isHeaderText(text: string): boolean {
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		if (code === 0x0d || code === 0x0a || code > 0xff) return false;
	}
	return true;
}

/** The URI as a Request-URI: without headers and `method`, which may not stand there (RFC 3261 §19.1.1 table 1, §16.6 item 2). */
export function asRequestUri(uri: string): string {
	const at = uri.indexOf("@");
	const question = uri.indexOf("?", Math.max(at, 0));
	const bare = question < 0 ? uri : uri.slice(0, question);
	const method = asciiLower(bare).indexOf(";method=", Math.max(at, 0));
	if (method < 0) return bare;
	const next = bare.indexOf(";", method + 1);
	return bare.slice(0, method) + (next < 0 ? "" : bare.slice(next));
}
