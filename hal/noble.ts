/**
 * Cryptography in JavaScript, over @noble: for the simulator (its randomness comes from the seed, and RFC 6979 signatures repeat), as
 * fallback of the device, and as oracle in tests. 28 to 42 times slower than node:crypto, so a peer never uses it.
 * P-256 only: RSA signatures never verify here.
 */
import { p256 } from "@noble/curves/nist.js";
import { hmac } from "@noble/hashes/hmac.js";
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js";
import { concatBytes, hexToBytes } from "@noble/hashes/utils.js";
import type { Crypto, HashName, PrivateKey, SignatureAlgorithm } from "./hal.ts";

/** The hash functions of @noble by their names in the HAL. */
const HASHES = Object.freeze({ md5, sha1, sha256, sha384, sha512 });
/** TLS 1.2 HashAlgorithm -> digest, for signatures; as in hal/node. */
const SIGNATURE_HASHES: Readonly<Record<number, HashName>> = Object.freeze({
	4: "sha256",
	5: "sha384",
	6: "sha512",
});
const ECDSA_SHA256: SignatureAlgorithm = Object.freeze({
	hash: 4,
	signature: 3,
});

/** Randomness a P-256 key is made from: more than 32 octets, so that the reduction leaves no bias (FIPS 186-5 A.2.1). */
const KEY_SEED_OCTETS = 48;
const SECRET_OCTETS = 32;

/** SubjectPublicKeyInfo of a P-256 key (RFC 5480 §2.1.1) up to the point; the last octet but one is the length of the BIT STRING. */
const SPKI_PREFIX = hexToBytes("3059301306072a8648ce3d020106082a8648ce3d030107034200");
const SPKI_PREFIX_COMPRESSED = hexToBytes("3039301306072a8648ce3d020106082a8648ce3d030107032200");
/** PKCS#8 (RFC 5958) with ECPrivateKey (RFC 5915), as OpenSSL writes it: secret and point follow their prefixes. */
const PKCS8_PREFIX = hexToBytes("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420");
const PKCS8_POINT_PREFIX = hexToBytes("a144034200");
/** The same without the optional public key. */
const PKCS8_SHORT_PREFIX = hexToBytes("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420");

/** The HAL's `Crypto` over @noble. `random` supplies every random octet; the rest is deterministic. */
export function nobleCrypto(options: { readonly random: (count: number) => Uint8Array }): Crypto {
	return {
		random: (count) => options.random(count),
		hash: (name, data) => HASHES[name](data),
		hmac: (name, key, data) => hmac(HASHES[name], key, data),
		generateKey: () => privateKey(p256.utils.randomSecretKey(options.random(KEY_SEED_OCTETS))),
		importKey: (pkcs8) => privateKey(readPkcs8(pkcs8)),
		verify(spki, algorithm, data, signature) {
			const hashName = SIGNATURE_HASHES[algorithm.hash];
			const point = readSpki(spki);
			if (hashName === undefined || algorithm.signature !== ECDSA_SHA256.signature || point === undefined) return false;
			try {
				// lowS: false because half of all valid signatures of OpenSSL and Mbed TLS have a high s.
				const options = { prehash: false, lowS: false, format: "der" } as const;
				return p256.verify(signature, HASHES[hashName](data), point, options);
			} catch {
				// A malformed signature or a point off the curve: to the caller a wrong signature.
				return false;
			}
		},
	};
}

function privateKey(secret: Uint8Array): PrivateKey {
	const point = p256.getPublicKey(secret, false);
	return {
		spki: concatBytes(SPKI_PREFIX, point),
		algorithm: ECDSA_SHA256,
		sign: (data) =>
			p256.sign(sha256(data), secret, {
				prehash: false,
				lowS: false,
				format: "der",
			}),
		exportPkcs8: () => concatBytes(PKCS8_PREFIX, secret, PKCS8_POINT_PREFIX, point),
	};
}

/** The point of a P-256 SubjectPublicKeyInfo, or undefined. */
function readSpki(spki: Uint8Array): Uint8Array | undefined {
	if (startsWith(spki, SPKI_PREFIX) && spki.length === SPKI_PREFIX.length + 65)
		return spki.subarray(SPKI_PREFIX.length);
	const compressed = SPKI_PREFIX_COMPRESSED;
	if (startsWith(spki, compressed) && spki.length === compressed.length + 33) return spki.subarray(compressed.length);
	return undefined;
}

/** The secret scalar of a P-256 PKCS#8 key in either of its two DER forms; throws on anything else (an interface rule). */
function readPkcs8(pkcs8: Uint8Array): Uint8Array {
	const pointAt = PKCS8_PREFIX.length + SECRET_OCTETS + PKCS8_POINT_PREFIX.length;
	let secret: Uint8Array | undefined;
	if (startsWith(pkcs8, PKCS8_PREFIX) && pkcs8.length === pointAt + 65) {
		secret = pkcs8.slice(PKCS8_PREFIX.length, PKCS8_PREFIX.length + SECRET_OCTETS);
	} else if (startsWith(pkcs8, PKCS8_SHORT_PREFIX) && pkcs8.length === PKCS8_SHORT_PREFIX.length + SECRET_OCTETS) {
		secret = pkcs8.slice(PKCS8_SHORT_PREFIX.length);
	}
	if (secret === undefined || !p256.utils.isValidSecretKey(secret)) throw new Error("not a PKCS#8 P-256 private key");
	return secret;
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
	for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
	return true;
}
