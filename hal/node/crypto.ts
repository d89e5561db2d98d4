/**
 * The cryptography of a peer: node:crypto behind the HAL's interface. P-256 for our own keys; RSASSA-PKCS1-v1_5 is verified too,
 * because RFC 6940 §6.3.4 asks every implementation for it.
 */
import {
	createHash,
	createHmac,
	createPrivateKey,
	createPublicKey,
	generateKeyPairSync,
	type KeyObject,
	randomBytes,
	sign,
	verify,
} from "node:crypto";
import type { Crypto, HashName, PrivateKey, SignatureAlgorithm } from "../hal.ts";

/** Public keys kept ready for `verify`; the one used longest ago goes first. Importing a key costs as much as half a verification. */
const PUBLIC_KEYS_LIMIT = 512;

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
	return {
		random: (count) => plain(randomBytes(count)),
		hash: (name, data) => plain(createHash(name).update(data).digest()),
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
			const key = digest === undefined ? undefined : keys.get(spki);
			if (key === undefined || keyAlgorithm(key) !== algorithm.signature) return false;
			try {
				return verify(digest, data, key, signature);
			} catch {
				// OpenSSL refuses some malformed signatures and keys by an error; to the caller that is a wrong signature.
				return false;
			}
		},
	};
}

/** Imported public keys by their SubjectPublicKeyInfo. */
class PublicKeys {
	readonly #keys = new Map<string, KeyObject>();

	get(spki: Uint8Array): KeyObject | undefined {
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

function importPublic(spki: Uint8Array): KeyObject | undefined {
	try {
		return createPublicKey({
			key: Buffer.from(spki),
			format: "der",
			type: "spki",
		});
	} catch {
		// Not a key OpenSSL can read: nothing verifies under it.
		return undefined;
	}
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
