/**
 * The cryptography of a peer: node:crypto behind the HAL's interface. P-256 for our own keys; RSASSA-PKCS1-v1_5 is verified too,
 * because RFC 6940 §6.3.4 asks every implementation for it.
 */
import * as node from "node:crypto";
import {
	createHash,
	createHmac,
	createPrivateKey,
	createPublicKey,
	generateKeyPairSync,
	type KeyObject,
	randomFillSync,
	sign,
	verify,
} from "node:crypto";
import type { Crypto, HashName, PrivateKey, SignatureAlgorithm } from "../hal.ts";

/** Public keys kept ready for `verify`; the one used longest ago goes first. Importing a key costs as much as half a verification. */
const PUBLIC_KEYS_LIMIT = 512;

/** Octets drawn from the generator at once: a call costs as much as a hash, and most calls want 8 octets. */
const RANDOM_POOL_OCTETS = 1_024;

/** Node before 20.12 has no one-shot `hash`. */
const hash: (name: HashName, data: Uint8Array) => Buffer =
	(node.hash as typeof node.hash | undefined) === undefined
		? (name, data) => createHash(name).update(data).digest()
		: (name, data) => node.hash(name, data, "buffer");

/** TLS 1.2 HashAlgorithm -> digest, for signatures. Choice (RFC 6940 §6.3.4): nothing weaker than SHA-256. */
const HASHES: Readonly<Record<number, HashName>> = Object.freeze({
	4: "sha256",
	5: "sha384",
	6: "sha512",
});
const RSA = 1;
const ECDSA = 3;
const ECDSA_SHA256: SignatureAlgorithm = Object.freeze({
	hash: 4,
	signature: ECDSA,
});

/** The HAL's `Crypto` over node:crypto. Each call makes one with a cache of its own. */
export function nodeCrypto(): Crypto {
	const keys = new PublicKeys();
	const pool = new RandomPool();
	return {
		random: (count) => pool.take(count),
		hash: (name, data) => plain(hash(name, data)),
		hmac: (name, key, data) => plain(createHmac(name, key).update(data).digest()),
		generateKey: () => privateKey(generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey),
		importKey: (pkcs8) =>
			privateKey(
				createPrivateKey({
					key: Buffer.from(pkcs8),
					format: "der",
					type: "pkcs8",
				}),
			),
		verify(spki, algorithm, data, signature) {
			const digest = HASHES[algorithm.hash];
			const known = digest === undefined ? undefined : keys.get(spki);
			if (known === undefined || known.algorithm !== algorithm.signature) return false;
			try {
				return verify(digest, data, known.key, signature);
			} catch {
				// OpenSSL refuses some malformed signatures and keys by an error; to the caller that is a wrong signature.
				return false;
			}
		},
	};
}

/** Octets of the generator, drawn ahead. What was handed out is wiped. */
class RandomPool {
	readonly #octets = new Uint8Array(RANDOM_POOL_OCTETS);
	#at = RANDOM_POOL_OCTETS;

	take(count: number): Uint8Array {
		if (count > RANDOM_POOL_OCTETS / 8) return randomFillSync(new Uint8Array(count));
		if (this.#at + count > RANDOM_POOL_OCTETS) {
			randomFillSync(this.#octets);
			this.#at = 0;
		}
		const end = this.#at + count;
		const octets = this.#octets.slice(this.#at, end);
		this.#octets.fill(0, this.#at, end);
		this.#at = end;
		return octets;
	}
}

/** A key, and what it verifies: looked up once, since asking a key for its curve is a call into OpenSSL. */
interface PublicKey {
	readonly key: KeyObject;
	/** SignatureAlgorithm code point; 0 for a key that nobody may sign with. */
	readonly algorithm: number;
}

/** Imported public keys by their SubjectPublicKeyInfo. */
class PublicKeys {
	readonly #keys = new Map<string, PublicKey>();

	get(spki: Uint8Array): PublicKey | undefined {
		const name = Buffer.from(spki.buffer, spki.byteOffset, spki.byteLength).toString("latin1");
		let key = this.#keys.get(name);
		if (key !== undefined) {
			this.#keys.delete(name);
		} else {
			key = importPublic(spki);
			if (key === undefined) return undefined;
			if (this.#keys.size >= PUBLIC_KEYS_LIMIT) this.#keys.delete(this.#keys.keys().next().value as string);
		}
		this.#keys.set(name, key);
		return key;
	}
}

/** DER SubjectPublicKeyInfo of a P-256 key up to the two coordinates of an uncompressed point (RFC 5480 §2). */
const P256_SPKI = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex");
const COORDINATE_OCTETS = 32;

/** OpenSSL's reader of DER tries every format it knows; from coordinates a P-256 key takes half the time. Both check the point. */
function importPublic(spki: Uint8Array): PublicKey | undefined {
	const der = Buffer.from(spki);
	try {
		if (!isPlainP256(der)) {
			const key = createPublicKey({ key: der, format: "der", type: "spki" });
			return { key, algorithm: keyAlgorithm(key) };
		}
		const x = der.toString("base64url", P256_SPKI.length, P256_SPKI.length + COORDINATE_OCTETS);
		const y = der.toString("base64url", P256_SPKI.length + COORDINATE_OCTETS);
		return { key: createPublicKey({ key: { kty: "EC", crv: "P-256", x, y }, format: "jwk" }), algorithm: ECDSA };
	} catch {
		// Not a key OpenSSL can read: nothing verifies under it.
		return undefined;
	}
}

function isPlainP256(der: Buffer): boolean {
	if (der.length !== P256_SPKI.length + 2 * COORDINATE_OCTETS) return false;
	return P256_SPKI.compare(der, 0, P256_SPKI.length) === 0;
}

/** SignatureAlgorithm code point of a key: only P-256 counts as ecdsa, as on every other machine of the HAL. */
function keyAlgorithm(key: KeyObject): number {
	if (key.asymmetricKeyType === "rsa") return RSA;
	return key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1" ? ECDSA : 0;
}

function privateKey(key: KeyObject): PrivateKey {
	if (keyAlgorithm(key) !== ECDSA) throw new Error("not a P-256 key: Ringlet makes and keeps P-256 keys only");
	return {
		spki: plain(createPublicKey(key).export({ format: "der", type: "spki" })),
		algorithm: ECDSA_SHA256,
		sign: (data) => plain(sign("sha256", data, key)),
		exportPkcs8: () => plain(key.export({ format: "der", type: "pkcs8" })),
	};
}

/** The core compares and keeps plain Uint8Arrays: a copy also leaves the shared pool of Buffer. */
function plain(buffer: Buffer): Uint8Array {
	return new Uint8Array(buffer);
}
