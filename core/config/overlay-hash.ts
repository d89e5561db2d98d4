/** The overlay field of every message. RFC 6940 §6.3.2. */
import type { Crypto } from "../../hal/hal.ts";
import { utf8ToBytes } from "../wire/bytes.ts";

/** The low 32 bits of SHA-1 of the overlay name. */
export function overlayHash(overlayName: string, crypto: Crypto): number {
	const digest = crypto.hash("sha1", utf8ToBytes(overlayName));
	return ((digest[16]! << 24) | (digest[17]! << 16) | (digest[18]! << 8) | digest[19]!) >>> 0;
}
