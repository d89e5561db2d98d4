/** The number that stands for an overlay in every header (RFC 6940 §6.3.2). */
import { utf8ToBytes } from "./bytes.ts";

/** Low 32 bits of SHA-1(overlay name); `sha1` comes from the HAL. */
export function overlayHash(overlayName: string, sha1: (data: Uint8Array) => Uint8Array): number {
	const digest = sha1(utf8ToBytes(overlayName));
	let overlay = 0;
	for (let i = digest.length - 4; i < digest.length; i++) overlay = overlay * 256 + digest[i]!;
	return overlay;
}
