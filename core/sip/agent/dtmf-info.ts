/** DTMF in INFO, the second way in: application/dtmf-relay as many phones send it, and application/dtmf. RFC 6086 Appendix A.1 (legacy use). */
import { octetsToText } from "../parse.ts";
import { asciiLower, textToOctets } from "../syntax.ts";
import { mediaTypeOf } from "./headers.ts";

/** The usual type. */
export const DTMF_RELAY = "application/dtmf-relay";
const DTMF = "application/dtmf";
const DIGITS = "0123456789*#ABCD";
const DEFAULT_DURATION_MS = 160;
/** Longer bodies are no digit. */
const MAX_OCTETS = 128;

/** One key. */
export interface DtmfDigit {
	/** One of 0-9 * # A-D. */
	readonly digit: string;
	readonly durationMs: number;
}

/** The digit an INFO brings; `undefined` when it brings none. */
export function readDtmfInfo(contentType: string, body: Uint8Array): DtmfDigit | undefined {
	const type = mediaTypeOf(contentType);
	if (body.length > MAX_OCTETS) return undefined;
	const text = octetsToText(body, 0, body.length);
	if (type === DTMF) return digitOf(text.trim(), DEFAULT_DURATION_MS);
	if (type !== DTMF_RELAY) return undefined;
	let signal = "";
	let durationMs = DEFAULT_DURATION_MS;
	for (let at = 0; at < text.length; ) {
		let end = text.indexOf("\n", at);
		if (end < 0) end = text.length;
		const line = text.slice(at, end);
		const sign = line.indexOf("=");
		const name = asciiLower(line.slice(0, Math.max(sign, 0)).trim());
		const value = line.slice(sign + 1).trim();
		if (name === "signal") signal = value;
		else if (name === "duration" && Number(value) > 0 && Number(value) <= 10_000) durationMs = Number(value);
		at = end + 1;
	}
	return digitOf(signal, durationMs);
}

function digitOf(signal: string, durationMs: number): DtmfDigit | undefined {
	const upper = signal.toUpperCase();
	// Some phones number the two keys below the digits.
	const digit = upper === "10" ? "*" : upper === "11" ? "#" : upper;
	return digit.length === 1 && DIGITS.indexOf(digit) >= 0 ? { digit, durationMs } : undefined;
}

/** The body of an `application/dtmf-relay`. */
export function writeDtmfInfo(digit: string, durationMs = DEFAULT_DURATION_MS): Uint8Array {
	return textToOctets(`Signal=${digit}\r\nDuration=${durationMs}\r\n`);
}
