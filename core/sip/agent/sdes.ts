/**
 * SDES: keys of SRTP in SDP (RFC 4568 §9.1, §6).
 *
 *   a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:<40 characters of base64>|2^20|1:4 WSH=64
 *            ^tag ^suite               ^key and salt                    ^lifetime ^MKI ^session parameters
 */
import { fromBase64 } from "../../config/base64.ts";
import { decimal } from "../../wire/decimal.ts";
import { asciiLower } from "../syntax.ts";

/** The one suite we have (RFC 4568 §6.2.1). */
export const SDES_SUITE = "AES_CM_128_HMAC_SHA1_80";

/** Master key (16) and master salt (14). */
export const SDES_KEY_OCTETS = 30;

/** A crypto attribute that we can use. */
export interface SdesKey {
	readonly tag: number;
	readonly key: Uint8Array;
}

/** Longest tag: RFC 4568 §9.1 allows nine digits. */
const TAG_DIGITS = 9;
const MOST_TAG = 999_999_999;

/** The first usable crypto attribute of a stream: our suite, no MKI, no session parameters that would change the packets. */
export function readKey(lines: readonly string[]): SdesKey | undefined {
	for (let i = 0; i < lines.length; i++) {
		const line = lines[i]!;
		const found = line.startsWith("a=crypto:") ? readCrypto(line.slice(9)) : undefined;
		if (found !== undefined) return found;
	}
	return undefined;
}

function readCrypto(text: string): SdesKey | undefined {
	const parts = text.split(" ");
	const tag = decimal(parts[0] ?? "", MOST_TAG, TAG_DIGITS);
	if (tag < 0 || parts[1] !== SDES_SUITE) return undefined;
	const inline = parts[2] ?? "";
	if (asciiLower(inline.slice(0, 7)) !== "inline:") return undefined;
	for (let i = 3; i < parts.length; i++) if (parts[i] !== "" && !parts[i]!.startsWith("WSH=")) return undefined;
	const fields = inline.slice(7).split("|");
	// A colon stands in the MKI alone: packets would carry it.
	for (let i = 1; i < fields.length; i++) if (fields[i]!.indexOf(":") >= 0) return undefined;
	const key = fromBase64(fields[0]!);
	return key === undefined || key.length !== SDES_KEY_OCTETS ? undefined : { tag, key };
}
