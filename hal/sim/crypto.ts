/** The simulator's cryptography: real and slow, or a stand-in that costs what a hash costs. */
import { hmac } from "@noble/hashes/hmac.js";
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js";
import type { Crypto, PrivateKey } from "../hal.ts";
import { nobleCrypto } from "../noble.ts";
import type { SeededRandom } from "./random.ts";

/** P-256 over @noble with the world's randomness: a verification costs about 6 ms, so for small worlds only. */
export function simCrypto(random: SeededRandom): Crypto {
	return nobleCrypto({ random: (count) => random.bytes(count) });
}

/** SubjectPublicKeyInfo of a P-256 key up to the point: certificates of the stand-in look like real ones. */
const SPKI_PREFIX = Uint8Array.of(
	...[0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a],
	...[0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04],
);
const POINT_OCTETS = 64;
const ALGORITHM = Object.freeze({ hash: 4, signature: 3 });
const HASHES = Object.freeze({ md5, sha1, sha256, sha384, sha512 });

/**
 * NOT CRYPTOGRAPHY, for networks of hundreds of simulated peers. A "signature" has the form and length of an ECDSA-Sig-Value and fails
 * for other data or another key, but whoever knows a public key can make it. Digests and HMACs are real.
 */
export function standInCrypto(random: SeededRandom): Crypto {
	return {
		random: (count) => random.bytes(count),
		hash: (name, data) => HASHES[name](data),
		hmac: (name, key, data) => hmac(HASHES[name], key, data),
		generateKey: () => standInKey(random.bytes(POINT_OCTETS)),
		importKey(pkcs8) {
			if (pkcs8.length !== POINT_OCTETS) throw new Error("not a key of the stand-in");
			return standInKey(pkcs8.slice());
		},
		verify(spki, algorithm, data, signature) {
			if (algorithm.hash !== ALGORITHM.hash || algorithm.signature !== ALGORITHM.signature) return false;
			if (spki.length !== SPKI_PREFIX.length + POINT_OCTETS || signature.length !== SIGNATURE_OCTETS) return false;
			const expected = standInSignature(spki, data);
			for (let i = 0; i < SIGNATURE_OCTETS; i++) if (signature[i] !== expected[i]) return false;
			return true;
		},
	};
}

function standInKey(point: Uint8Array): PrivateKey {
	const spki = new Uint8Array(SPKI_PREFIX.length + POINT_OCTETS);
	spki.set(SPKI_PREFIX);
	spki.set(point, SPKI_PREFIX.length);
	return { spki, algorithm: ALGORITHM, sign: (data) => standInSignature(spki, data), exportPkcs8: () => point.slice() };
}

/** SEQUENCE of two INTEGERs of 32 octets: 70 octets, as half of all P-256 signatures (the others have 71 or 72). */
const SIGNATURE_OCTETS = 70;

function standInSignature(spki: Uint8Array, data: Uint8Array): Uint8Array {
	const signature = new Uint8Array(SIGNATURE_OCTETS);
	signature.set([0x30, SIGNATURE_OCTETS - 2, 2, 32]);
	signature.set([2, 32], 36);
	const words = new DataView(signature.buffer);
	// Four passes over the data (128 bits) are enough to tell any two apart; the rest is stretched from them.
	for (let pass = 0; pass < 4; pass++) {
		const digest = mix(spki, mix(data, GOLDEN + pass));
		for (let i = pass; i < 16; i += 4)
			words.setUint32(i < 8 ? 4 + 4 * i : 38 + 4 * (i - 8), finish(digest + i * GOLDEN));
	}
	// Positive INTEGERs in their shortest form.
	signature[4] = (signature[4]! & 0x7f) | 0x40;
	signature[38] = (signature[38]! & 0x7f) | 0x40;
	return signature;
}

const GOLDEN = 0x9e3779b9;

/** A fast hash of 32 bits (MurmurHash3's round per octet quartet). */
function mix(data: Uint8Array, seed: number): number {
	let hash = seed | 0;
	let at = 0;
	for (; at + 4 <= data.length; at += 4) {
		let word = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
		word = Math.imul(word, 0xcc9e2d51);
		word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
		hash ^= word;
		hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
	}
	for (; at < data.length; at++) hash = Math.imul(hash ^ data[at]!, 0x01000193);
	return finish(hash ^ data.length);
}

function finish(hash: number): number {
	let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
	return (mixed ^ (mixed >>> 16)) >>> 0;
}
