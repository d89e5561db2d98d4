/** Header fields that only a user agent reads: Session-Expires, Min-SE, Reason, and what asks for an answer at once. */
import { headerNamed } from "../header-names.ts";
import { LINE, type SipMessage } from "../message.ts";
import { paramOf } from "../params.ts";
import { asciiLower, equalsFolded, findOctet, readNumber, SEMICOLON, trimEnd, unquote } from "../syntax.ts";
import type { Reason } from "./types.ts";

/** Line index of a header field that has no number; -1 without. `compact`: its one-letter form, "" for none. */
export function lineNamed(message: SipMessage, lower: string, compact = "", from = 0): number {
	const { octets, lines } = message;
	const number = headerNamed(lower);
	for (let line = from; line < lines.length; line += LINE) {
		if (message.headerOf(line) !== number) continue;
		const start = message.lineStart(line);
		const end = nameEnd(message, start);
		if (equalsFolded(octets, start, end, lower)) return line;
		if (compact !== "" && equalsFolded(octets, start, end, compact)) return line;
	}
	return -1;
}

function nameEnd(message: SipMessage, start: number): number {
	const colon = message.text.indexOf(":", start);
	return trimEnd(message.octets, start, colon);
}

/** Value of such a header field; `undefined` without. */
export function valueNamed(message: SipMessage, lower: string, compact = ""): string | undefined {
	const line = lineNamed(message, lower, compact);
	return line < 0 ? undefined : message.text.slice(message.valueStart(line), message.valueEnd(line));
}

/** True when a comma list in a header field (by number) names `lower`. */
export function lists(message: SipMessage, header: number, lower: string): boolean {
	for (let line = message.find(header); line >= 0; line = message.find(header, line + LINE)) {
		const tags = message.text.slice(message.valueStart(line), message.valueEnd(line)).split(",");
		for (let i = 0; i < tags.length; i++) if (asciiLower(tags[i]!.trim()) === lower) return true;
	}
	return false;
}

/** RFC 4028 §4. */
export interface SessionExpires {
	/** -1: the header field is missing or no number. */
	readonly expiresS: number;
	/** Who refreshes; "" when it is left open. */
	readonly refresher: "" | "uac" | "uas";
}

const NO_EXPIRES: SessionExpires = Object.freeze({ expiresS: -1, refresher: "" });

/** Session-Expires of a request or a 2xx. */
export function readSessionExpires(message: SipMessage): SessionExpires {
	const line = lineNamed(message, "session-expires", "x");
	if (line < 0) return NO_EXPIRES;
	const expiresS = deltaSeconds(message, line);
	const start = message.valueStart(line);
	const params = findOctet(message.octets, start, message.valueEnd(line), SEMICOLON);
	const refresher = params < 0 ? undefined : paramOf(message, params, message.valueEnd(line), "refresher");
	const who = asciiLower(refresher ?? "");
	return { expiresS, refresher: who === "uac" || who === "uas" ? who : "" };
}

/** Min-SE in seconds; -1 without. */
export function readMinExpires(message: SipMessage): number {
	const line = lineNamed(message, "min-se");
	return line < 0 ? -1 : deltaSeconds(message, line);
}

function deltaSeconds(message: SipMessage, line: number): number {
	const start = message.valueStart(line);
	const end = message.valueEnd(line);
	const semicolon = findOctet(message.octets, start, end, SEMICOLON);
	const stop = trimEnd(message.octets, start, semicolon < 0 ? end : semicolon);
	return readNumber(message.octets, start, stop, 0x7fff_ffff);
}

/** The first Reason value (RFC 3326); `undefined` without one. */
export function readReason(message: SipMessage): Reason | undefined {
	const value = valueNamed(message, "reason");
	if (value === undefined) return undefined;
	const semicolon = value.indexOf(";");
	const protocol = (semicolon < 0 ? value : value.slice(0, semicolon)).trim();
	const line = lineNamed(message, "reason");
	const start = message.valueStart(line) + (semicolon < 0 ? value.length : semicolon);
	const end = message.valueEnd(line);
	const cause = Number(paramOf(message, start, end, "cause") ?? "0");
	return { protocol, cause: cause >= 0 && cause < 1000 ? cause : 0, text: paramOf(message, start, end, "text") ?? "" };
}

/** A Reason line; "" without one. */
export function reasonLine(reason: Reason | undefined): string {
	if (reason === undefined) return "";
	return `Reason: ${reason.protocol};cause=${reason.cause};text="${quotable(reason.text)}"\r\n`;
}

function quotable(text: string): string {
	let safe = "";
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		if (code >= 0x20 && code !== 0x22 && code !== 0x5c && code <= 0xff) safe += text[i]!;
	}
	return safe;
}

/** RFC 3326 §2 and what proxies write in a CANCEL when another phone has taken the call. */
export function isAnsweredElsewhere(message: SipMessage): boolean {
	const reason = readReason(message);
	if (reason === undefined) return false;
	if (asciiLower(reason.protocol) === "sip" && reason.cause === 200) return true;
	return asciiLower(reason.protocol) === "q.850" && reason.cause === 26;
}

/** RFC 5373 §4 (Answer-Mode), and Call-Info or Alert-Info as intercoms write them. */
export function wantsAutoAnswer(message: SipMessage): boolean {
	const mode = valueNamed(message, "answer-mode") ?? valueNamed(message, "priv-answer-mode") ?? "";
	if (asciiLower(mode.slice(0, 4)) === "auto") return true;
	if (asciiLower(valueNamed(message, "call-info") ?? "").indexOf("answer-after=0") >= 0) return true;
	const alert = asciiLower(valueNamed(message, "alert-info") ?? "");
	return (
		alert.indexOf("info=alert-autoanswer") >= 0 ||
		alert.indexOf("alert-autoanswer") >= 0 ||
		alert.indexOf("info=intercom") >= 0
	);
}

/** A media type without its parameters, in lower case: "application/sdp". */
export function mediaTypeOf(contentType: string): string {
	const semicolon = contentType.indexOf(";");
	return asciiLower((semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim());
}

/** A display name without its quotes. */
export function plainName(display: string): string {
	return display.startsWith('"') ? unquote(display, 0, display.length) : display;
}
