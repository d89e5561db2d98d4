/**
 * P-256 around the SDK's arithmetic, which trusts what it is given: keys and signatures are checked here, keys are read and written as
 * DER, and nonces are made by RFC 6979. Nothing native: hashes come as a function.
 */
import { fromBigInt, fromHex, startsWith, toBigInt } from "./octets.ts";

const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
/** Order of the base point. */
export const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export const SCALAR_OCTETS = 32;
const POINT_OCTETS = 65;
/** Octets a key is made from: more than 32, so that the reduction leaves no bias (FIPS 186-5 A.2.1). */
export const KEY_SEED_OCTETS = 48;

/** RFC 5480 §2.1.1: SubjectPublicKeyInfo up to the point. */
const SPKI_PREFIX = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
/** RFC 5958 with RFC 5915, as OpenSSL writes it; the point follows the second. */
const PKCS8_PREFIX = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420";
const PKCS8_POINT_PREFIX = "a144034200";
/** The same without the optional public key. */
const PKCS8_SHORT_PREFIX = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";

/** Numbers of a point that lies on the curve. */
export interface Point {
	readonly x: bigint;
	readonly y: bigint;
}

/** The point of a P-256 SubjectPublicKeyInfo (uncompressed); undefined for another key or a point off the curve. */
export function readSpki(spki: Uint8Array): Point | undefined {
	const prefix = fromHex(SPKI_PREFIX);
	if (spki.length !== prefix.length + POINT_OCTETS || !startsWith(spki, prefix)) return undefined;
	if (spki[prefix.length] !== 4) return undefined;
	const x = toBigInt(spki.subarray(prefix.length + 1, prefix.length + 1 + SCALAR_OCTETS));
	const y = toBigInt(spki.subarray(prefix.length + 1 + SCALAR_OCTETS));
	// A point off the curve would let its owner choose an easier group.
	if (x >= P || y >= P || (y * y - (x * x * x - 3n * x + B)) % P !== 0n) return undefined;
	return { x, y };
}

export function writeSpki(point: Uint8Array): Uint8Array {
	return join(fromHex(SPKI_PREFIX), point);
}

/** The secret of a PKCS#8 key in either form; throws on anything else. */
export function readPkcs8(pkcs8: Uint8Array): Uint8Array {
	const long = fromHex(PKCS8_PREFIX);
	const short = fromHex(PKCS8_SHORT_PREFIX);
	let at = -1;
	const longLength = long.length + SCALAR_OCTETS + PKCS8_POINT_PREFIX.length / 2 + POINT_OCTETS;
	if (pkcs8.length === longLength && startsWith(pkcs8, long)) at = long.length;
	else if (pkcs8.length === short.length + SCALAR_OCTETS && startsWith(pkcs8, short)) at = short.length;
	if (at < 0) throw new Error("not a PKCS#8 P-256 private key");
	const secret = pkcs8.slice(at, at + SCALAR_OCTETS);
	const scalar = toBigInt(secret);
	if (scalar <= 0n || scalar >= N) throw new Error("not a P-256 private key");
	return secret;
}

export function writePkcs8(secret: Uint8Array, point: Uint8Array): Uint8Array {
	return join(fromHex(PKCS8_PREFIX), secret, fromHex(PKCS8_POINT_PREFIX), point);
}

/** The secret made from `seed` (KEY_SEED_OCTETS of randomness). */
export function secretFrom(seed: Uint8Array): Uint8Array {
	return fromBigInt((toBigInt(seed) % (N - 1n)) + 1n, SCALAR_OCTETS);
}

/** True when DER ECDSA-Sig-Value of two numbers of 1..n-1, strictly encoded: the SDK checks neither. */
export function isSignature(der: Uint8Array): boolean {
	if (der.length < 8 || der.length > 72 || der[0] !== 0x30 || der[1] !== der.length - 2) return false;
	const second = 4 + der[3]!;
	if (second + 2 > der.length || second + 2 + der[second + 1]! !== der.length) return false;
	return isScalarAt(der, 2) && isScalarAt(der, second);
}

function isScalarAt(der: Uint8Array, at: number): boolean {
	const length = der[at + 1]!;
	if (der[at] !== 2 || length < 1 || length > SCALAR_OCTETS + 1) return false;
	const first = der[at + 2]!;
	if (first >= 0x80 || (first === 0 && length > 1 && der[at + 3]! < 0x80)) return false;
	const value = toBigInt(der.subarray(at + 2, at + 2 + length));
	return value > 0n && value < N;
}

/** HMAC-SHA256. */
export type Hmac = (key: Uint8Array, data: Uint8Array) => Uint8Array;

/**
 * RFC 6979 §3.2: the nonce for a SHA-256 digest (qlen = hlen = 256). The SDK's own would come from a generator that repeats; two
 * signatures with one nonce give the key away.
 */
export function nonceFor(secret: Uint8Array, digest: Uint8Array, hmac: Hmac): bigint {
	// §2.3.4 bits2octets: reduced once.
	const value = toBigInt(digest);
	const message = join(secret, fromBigInt(value >= N ? value - N : value, SCALAR_OCTETS));
	let v: Uint8Array = new Uint8Array(SCALAR_OCTETS).fill(1);
	let k: Uint8Array = new Uint8Array(SCALAR_OCTETS);
	k = hmac(k, join(v, Uint8Array.of(0), message));
	v = hmac(k, v);
	k = hmac(k, join(v, Uint8Array.of(1), message));
	v = hmac(k, v);
	for (;;) {
		v = hmac(k, v);
		const nonce = toBigInt(v);
		if (nonce > 0n && nonce < N) return nonce;
		k = hmac(k, join(v, Uint8Array.of(0)));
		v = hmac(k, v);
	}
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
	let length = 0;
	for (const part of parts) length += part.length;
	const all = new Uint8Array(length);
	let at = 0;
	for (const part of parts) {
		all.set(part, at);
		at += part.length;
	}
	return all;
}
