/** Writes DER (X.690): each function gives one whole element. For certificates and requests, not for packets. */
import { concatBytes, utf8ToBytes } from "../wire/bytes.ts";
import { context, Tag } from "./der.ts";
import { msToCivil, padded } from "./time.ts";

/** An element: tag, shortest length, the parts one after the other. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
	const contents = concatBytes(...parts);
	const length = contents.length;
	let header: number[];
	if (length < 0x80) header = [tag, length];
	else if (length < 0x100) header = [tag, 0x81, length];
	else if (length < 0x10000) header = [tag, 0x82, length >> 8, length & 0xff];
	else header = [tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff];
	return concatBytes(Uint8Array.from(header), contents);
}

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
	return der(Tag.sequence, ...parts);
}

/** EXPLICIT [number]. */
export function explicit(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
	return der(context(number), ...parts);
}

/** OBJECT IDENTIFIER from its encoded contents. */
export function oid(contents: Uint8Array): Uint8Array {
	return der(Tag.oid, contents);
}

/** INTEGER from an unsigned big-endian number. */
export function unsignedInteger(magnitude: Uint8Array): Uint8Array {
	let start = 0;
	while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
	const digits = magnitude.subarray(start);
	const needsZero = digits.length === 0 || digits[0]! > 0x7f;
	return needsZero ? der(Tag.integer, Uint8Array.of(0), digits) : der(Tag.integer, digits);
}

/** INTEGER from a number 0..255. */
export function smallInteger(value: number): Uint8Array {
	return unsignedInteger(Uint8Array.of(value));
}

export function booleanTrue(): Uint8Array {
	return der(Tag.boolean, Uint8Array.of(0xff));
}

export function octetString(...contents: readonly Uint8Array[]): Uint8Array {
	return der(Tag.octetString, ...contents);
}

/** BIT STRING of whole octets. */
export function bitString(contents: Uint8Array): Uint8Array {
	return der(Tag.bitString, Uint8Array.of(0), contents);
}

/** BIT STRING of named bits in one octet: X.690 §11.2.2 drops the trailing zeros. */
export function namedBits(octet: number): Uint8Array {
	let unused = 0;
	while (unused < 7 && (octet & (1 << unused)) === 0) unused++;
	return der(Tag.bitString, Uint8Array.of(unused, octet));
}

export function utf8String(text: string): Uint8Array {
	return der(Tag.utf8String, utf8ToBytes(text));
}

/** RFC 5280 §4.1.2.5 MUST: UTCTime through 2049, GeneralizedTime from 2050. Fractions of a second are dropped. */
export function time(ms: number): Uint8Array {
	const { year, month, day, hour, minute, second } = msToCivil(ms);
	const rest = `${padded(month, 2)}${padded(day, 2)}${padded(hour, 2)}${padded(minute, 2)}${padded(second, 2)}Z`;
	if (year >= 1950 && year < 2050) return der(Tag.utcTime, utf8ToBytes(padded(year % 100, 2) + rest));
	return der(Tag.generalizedTime, utf8ToBytes(padded(year, 4) + rest));
}
