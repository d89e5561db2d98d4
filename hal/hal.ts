/**
 * What the core asks of a machine. Types only: `hal/node`, `hal/sim` and (for the device) `hal/xs` answer them.
 *
 * Crypto, clock and log are plain synchronous interfaces. I/O classes follow the pattern of ECMA-419: an options object with
 * `onReadable`, `onWritable`, `onError`; `read`, `write`, `close`; a free `target` property.
 */

/** Names of the digests of the TLS 1.2 registry that Ringlet uses, and MD5 for SIP digest with old phones. */
export type HashName = "md5" | "sha1" | "sha256" | "sha384" | "sha512";

/** TLS 1.2 SignatureAndHashAlgorithm, as two code points (RFC 5246 §7.4.1.4.1): sha256 = 4, rsa = 1, ecdsa = 3. */
export interface SignatureAlgorithm {
	readonly hash: number;
	readonly signature: number;
}

/** A private key that never leaves the HAL except by `exportPkcs8`. P-256 unless said otherwise. */
export interface PrivateKey {
	/** The public half, DER SubjectPublicKeyInfo. */
	readonly spki: Uint8Array;
	/** What `sign` produces. */
	readonly algorithm: SignatureAlgorithm;
	/** Signs (hashing included); ECDSA values are the DER ECDSA-Sig-Value. */
	sign(data: Uint8Array): Uint8Array;
	/** DER PKCS#8, for the one place that stores the key. */
	exportPkcs8(): Uint8Array;
}

/** AES-128 in counter mode, in place (RFC 3711 §4.1.1); one key schedule, used for many packets. */
export interface AesCtr {
	/** XORs `data[from..to)` with the key stream that begins at `counter` (16 octets, big-endian, not changed). */
	apply(counter: Uint8Array, data: Uint8Array, from: number, to: number): void;
}

/** HMAC under one key, used for many packets. */
export interface HmacKey {
	/** Writes the whole MAC of `data[from..to)` to `out` from its octet 0 on. */
	digestInto(data: Uint8Array, from: number, to: number, out: Uint8Array): void;
}

/** Cryptography; synchronous on every platform. */
export interface Crypto {
	/** `count` octets from the platform's secure generator (seeded in the simulator). */
	random(count: number): Uint8Array;
	hash(name: HashName, data: Uint8Array): Uint8Array;
	hmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array;
	/** A new P-256 key. */
	generateKey(): PrivateKey;
	/** Throws when the octets are not a PKCS#8 key this platform can use. */
	importKey(pkcs8: Uint8Array): PrivateKey;
	/** False for a wrong signature, a key of another type, or an algorithm this platform does not have. Never throws. */
	verify(spki: Uint8Array, algorithm: SignatureAlgorithm, data: Uint8Array, signature: Uint8Array): boolean;
}

/** What SRTP and sealed records need; synchronous, and without garbage per packet where the platform allows it. */
export interface MediaCrypto {
	/** `key`: 16 octets. */
	aesCtr(key: Uint8Array): AesCtr;
	hmacKey(name: HashName, key: Uint8Array): HmacKey;
}

/** Two clocks: one that only goes forward, one that people set. */
export interface Clock {
	/** Milliseconds, monotonic, arbitrary origin. */
	monotonicMs(): number;
	/** Milliseconds since 1970-01-01T00:00Z. */
	wallMs(): number;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** `event` is a stable, greppable name ("link.refused"); `fields` carry the rest. Never secrets. */
export type Log = (
	level: LogLevel,
	event: string,
	fields?: Readonly<Record<string, string | number | boolean | undefined>>,
) => void;

/** One atomic change of a record store. Values are plain data (numbers, strings, booleans, Uint8Array, arrays, objects). */
export interface RecordBatch {
	readonly put: ReadonlyArray<readonly [key: string, value: unknown]>;
	readonly remove: readonly string[];
}

/** A crash-safe store of records; what `done` reported without error survives a kill at any instant. */
export interface RecordStore {
	get(key: string): unknown;
	/** All records whose key starts with `prefix`, in key order. */
	entries(prefix: string): Iterable<readonly [key: string, value: unknown]>;
	/** All or nothing; `done` is called once the change is on disk, or with a reason when it is not. */
	commit(batch: RecordBatch, done: (error?: string) => void): void;
	close(): void;
}
