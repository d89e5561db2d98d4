/**
 * Octet strings: hex, UTF-8, comparison. The core's only text coding; it works alike on Node, XS and in the simulator.
 */

/** The empty octet string; shared, never written (it has nothing to write). */
export const EMPTY = new Uint8Array(0);

const HEX = "0123456789abcdef";

/** Lower-case hex, two digits per octet, no separators. */
export function toHex(bytes: Uint8Array): string {
	let text = "";
	for (let i = 0; i < bytes.length; i++) {
		const octet = bytes[i]!;
		text += HEX[octet >> 4]! + HEX[octet & 15]!;
	}
	return text;
}

/** Value of one hex digit given by its character code, or -1. */
export function hexDigit(code: number): number {
	if (code >= 48 && code <= 57) return code - 48;
	const lower = code | 0x20;
	return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Octets of an even number of hex digits of either case; `undefined` for anything else. */
export function fromHex(text: string): Uint8Array | undefined {
	if (text.length % 2 !== 0) return undefined;
	const bytes = new Uint8Array(text.length / 2);
	for (let i = 0; i < bytes.length; i++) {
		const high = hexDigit(text.charCodeAt(2 * i));
		const low = hexDigit(text.charCodeAt(2 * i + 1));
		if (high < 0 || low < 0) return undefined;
		bytes[i] = high * 16 + low;
	}
	return bytes;
}

/** True when both have the same length and octets. Not constant time: for identifiers, never for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
	if (a.length !== b.length) return false;
	for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
	return true;
}

/** True when the list has these octets. */
export function includesBytes(list: readonly Uint8Array[], bytes: Uint8Array): boolean {
	for (let i = 0; i < list.length; i++) if (equalBytes(list[i]!, bytes)) return true;
	return false;
}

/**
 * Orders octet strings as big-endian unsigned numbers of equal length (Node-IDs, Resource-IDs); of two strings of which one
 * begins the other, the shorter is less. Negative, zero or positive.
 */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
	const shared = Math.min(a.length, b.length);
	for (let i = 0; i < shared; i++) {
		const difference = a[i]! - b[i]!;
		if (difference !== 0) return difference;
	}
	return a.length - b.length;
}

/** One new octet string with all parts in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
	let length = 0;
	for (let i = 0; i < parts.length; i++) length += parts[i]!.length;
	const whole = new Uint8Array(length);
	let at = 0;
	for (let i = 0; i < parts.length; i++) {
		whole.set(parts[i]!, at);
		at += parts[i]!.length;
	}
	return whole;
}

/** UTF-8 octets of a string; a lone surrogate becomes U+FFFD, as TextEncoder does. */
export function utf8ToBytes(text: string): Uint8Array {
	const bytes = new Uint8Array(utf8Length(text));
	let at = 0;
	for (let i = 0; i < text.length; i++) {
		const code = codePointAt(text, i);
		if (code > 0xffff) i++;
		if (code < 0x80) bytes[at++] = code;
		else {
			if (code < 0x800) bytes[at++] = 0xc0 | (code >> 6);
			else {
				if (code < 0x10000) bytes[at++] = 0xe0 | (code >> 12);
				else {
					bytes[at++] = 0xf0 | (code >> 18);
					bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
				}
				bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
			}
			bytes[at++] = 0x80 | (code & 0x3f);
		}
	}
	return bytes;
}

function utf8Length(text: string): number {
	let length = 0;
	for (let i = 0; i < text.length; i++) {
		const code = codePointAt(text, i);
		if (code > 0xffff) i++;
		length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	}
	return length;
}

function codePointAt(text: string, at: number): number {
	const high = text.charCodeAt(at);
	if (high < 0xd800 || high > 0xdfff) return high;
	if (high > 0xdbff || at + 1 >= text.length) return REPLACEMENT;
	const low = text.charCodeAt(at + 1);
	if (low < 0xdc00 || low > 0xdfff) return REPLACEMENT;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

const REPLACEMENT = 0xfffd;

/** Octets per `String.fromCharCode` call: far below every engine's limit on arguments. */
const CHUNK = 1024;

/**
 * The string of UTF-8 octets. Never fails: an octet that cannot belong where it stands becomes U+FFFD (overlong forms,
 * surrogates and values above U+10FFFF included). Whoever must not accept such text uses `isUtf8`.
 */
export function bytesToUtf8(bytes: Uint8Array): string {
	let text = "";
	const units: number[] = [];
	for (let at = 0; at < bytes.length; ) {
		const length = sequenceLength(bytes, at);
		const code = length === 0 ? REPLACEMENT : codePoint(bytes, at, length);
		at += length === 0 ? 1 : length;
		if (code < 0x10000) units.push(code);
		else units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
		if (units.length >= CHUNK) {
			text += String.fromCharCode.apply(undefined, units);
			units.length = 0;
		}
	}
	return text + String.fromCharCode.apply(undefined, units);
}

/** True when the octets are well-formed UTF-8. */
export function isUtf8(bytes: Uint8Array): boolean {
	for (let at = 0; at < bytes.length; ) {
		const length = sequenceLength(bytes, at);
		if (length === 0) return false;
		at += length;
	}
	return true;
}

/** Octets of the well-formed sequence at `at` (RFC 3629 §4), or 0. */
function sequenceLength(bytes: Uint8Array, at: number): number {
	const first = bytes[at]!;
	if (first < 0x80) return 1;
	const length =
		first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
	if (length === 0 || bytes.length - at < length) return 0;
	const second = bytes[at + 1]!;
	if ((second & 0xc0) !== 0x80) return 0;
	if ((first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f)) return 0;
	if ((first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f)) return 0;
	for (let i = 2; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
	return length;
}

function codePoint(bytes: Uint8Array, at: number, length: number): number {
	const first = bytes[at]!;
	if (length === 1) return first;
	let code = first & (0xff >> (length + 1));
	for (let i = 1; i < length; i++) code = (code << 6) | (bytes[at + i]! & 0x3f);
	return code;
}
