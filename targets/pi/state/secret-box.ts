/**
 * Secrets at rest: AES-256-GCM under a key derived from `secret.key`, bound to the key of the record they are stored under.
 * Whoever has the store but not `secret.key` learns names and dates, but no password verifier and no private key.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { Encoder } from "cbor-x";
import { UserError } from "./errors.ts";
import { SECRET_KEY_SIZE } from "./limits.ts";

const NONCE_SIZE = 12;
const TAG_SIZE = 16;
const SEAL_VERSION = 1;
/** Plain CBOR (RFC 8949): no record extension, so that any decoder reads it. */
const codec = new Encoder({ useRecords: false, mapsAsObjects: true });

/** A sealed value as it lies in the store. */
export interface Sealed {
	/** Version of this form: 1. */
	readonly v: number;
	/** Nonce, 12 octets, random. */
	readonly n: Uint8Array;
	/** AES-256-GCM of the CBOR encoding, tag appended. */
	readonly c: Uint8Array;
}

export class SecretBox {
	readonly #sealKey: Buffer;
	readonly #secret: Uint8Array;

	/** `secret`: the contents of `secret.key`, 32 octets. */
	constructor(secret: Uint8Array) {
		if (secret.length !== SECRET_KEY_SIZE) throw new Error(`a secret key has ${SECRET_KEY_SIZE} octets`);
		this.#secret = secret;
		this.#sealKey = this.#derive("ringlet seal 1");
	}

	#derive(purpose: string): Buffer {
		return Buffer.from(hkdfSync("sha256", this.#secret, new Uint8Array(0), purpose, 32));
	}

	/** Encrypts plain data (what CBOR can hold) for the record `key`. */
	seal(key: string, value: unknown): Sealed {
		const nonce = randomBytes(NONCE_SIZE);
		const cipher = createCipheriv("aes-256-gcm", this.#sealKey, nonce);
		cipher.setAAD(Buffer.from(key, "utf8"));
		const body = Buffer.concat([cipher.update(codec.encode(plainData(value))), cipher.final(), cipher.getAuthTag()]);
		return { v: SEAL_VERSION, n: plain(nonce), c: plain(body) };
	}

	/** Decrypts the record `key`. Throws a `UserError` when the record was not sealed with this key, or was moved or changed. */
	open(key: string, sealed: unknown): unknown {
		const { v, n, c } = (sealed ?? {}) as Partial<Sealed>;
		if (v !== SEAL_VERSION || !(n instanceof Uint8Array) || !(c instanceof Uint8Array) || c.length < TAG_SIZE)
			throw new UserError(`record ${key}: not a sealed value`, "restore the state directory from a backup");
		try {
			const decipher = createDecipheriv("aes-256-gcm", this.#sealKey, n);
			decipher.setAAD(Buffer.from(key, "utf8"));
			decipher.setAuthTag(c.subarray(c.length - TAG_SIZE));
			const body = Buffer.concat([decipher.update(c.subarray(0, c.length - TAG_SIZE)), decipher.final()]);
			return plainData(codec.decode(body));
		} catch {
			throw new UserError(
				`record ${key}: secret.key does not open it`,
				"put the secret.key that belongs to this store back, or restore both from a backup",
			);
		}
	}

	/** HMAC-SHA-256 under a key of its own per purpose: for codes that are compared, never read back. */
	mac(purpose: string, text: string): Uint8Array {
		return plain(createHmac("sha256", this.#derive(purpose)).update(text, "utf8").digest());
	}
}

/** A new `secret.key`. */
export function newSecretKey(): Uint8Array {
	return plain(randomBytes(SECRET_KEY_SIZE));
}

function plain(bytes: Uint8Array): Uint8Array {
	return new Uint8Array(bytes);
}

/** Plain data: Buffers become Uint8Arrays of their own, so that they outlive a decoder's input; absent members are left out. */
export function plainData(value: unknown): unknown {
	if (value instanceof Uint8Array) return plain(value);
	if (Array.isArray(value)) return value.map(plainData);
	if (value !== null && typeof value === "object") {
		const result: Record<string, unknown> = {};
		for (const [name, item] of Object.entries(value)) if (item !== undefined) result[name] = plainData(item);
		return result;
	}
	return value;
}

/** Plain CBOR of plain data. */
export function encodePlain(value: unknown): Uint8Array {
	return plain(codec.encode(plainData(value)));
}

/** Reads plain CBOR; throws on anything else. */
export function decodePlain(bytes: Uint8Array): unknown {
	return plainData(codec.decode(bytes as Buffer));
}
