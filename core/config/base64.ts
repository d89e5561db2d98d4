/** Base64 with the alphabet of RFC 4648 §4. */
import { utf8ToBytes } from "../wire/bytes.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Text with padding, in one line. */
export function toBase64(bytes: Uint8Array): string {
	let text = "";
	for (let at = 0; at < bytes.length; at += 3) {
		const left = bytes.length - at;
		const bits = (bytes[at]! << 16) | ((left > 1 ? bytes[at + 1]! : 0) << 8) | (left > 2 ? bytes[at + 2]! : 0);
		text += ALPHABET[bits >> 18]! + ALPHABET[(bits >> 12) & 63]!;
		text += left > 1 ? ALPHABET[(bits >> 6) & 63]! : "=";
		text += left > 2 ? ALPHABET[bits & 63]! : "=";
	}
	return text;
}

/** Octets, or `undefined` when the text is not base64. White space between the characters is passed over; padding is needed. */
export function fromBase64(text: string): Uint8Array | undefined {
	const characters = utf8ToBytes(text);
	let digits = 0;
	let padding = 0;
	for (let i = 0; i < characters.length; i++) {
		const character = characters[i]!;
		if (isSpace(character)) continue;
		if (character === 0x3d) padding++;
		else if (padding > 0 || digitOf(character) < 0) return undefined;
		else digits++;
	}
	if (padding > 2 || (digits + padding) % 4 !== 0) return undefined;
	const bytes = new Uint8Array(Math.floor((digits * 3) / 4));
	let bits = 0;
	let count = 0;
	let at = 0;
	for (let i = 0; i < characters.length; i++) {
		const digit = digitOf(characters[i]!);
		if (digit < 0) continue;
		bits = ((bits << 6) | digit) & 0xffffff;
		count += 6;
		if (count < 8) continue;
		count -= 8;
		bytes[at++] = (bits >> count) & 0xff;
	}
	// RFC 4648 §3.5: bits left over are zero, so that one octet string has one text.
	return (bits & ((1 << count) - 1)) === 0 ? bytes : undefined;
}

function isSpace(character: number): boolean {
	return character === 0x20 || character === 0x09 || character === 0x0a || character === 0x0d;
}

function digitOf(character: number): number {
	if (character >= 0x41 && character <= 0x5a) return character - 0x41;
	if (character >= 0x61 && character <= 0x7a) return character - 0x61 + 26;
	if (character >= 0x30 && character <= 0x39) return character - 0x30 + 52;
	return character === 0x2b ? 62 : character === 0x2f ? 63 : -1;
}
