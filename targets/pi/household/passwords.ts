/** Passwords: hashed with scrypt for enrollment, and as SIP digest verifiers for the phones. */
import { createHash, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { UserError } from "../state/errors.ts";
import { MAX_PASSWORD, MIN_PASSWORD } from "./limits.ts";

/** RFC 7914 parameters: cost N, block size r, parallelism p. 128 * N * r = 32 MiB per check. */
export const SCRYPT_PARAMETERS = Object.freeze({ N: 2 ** 15, r: 8, p: 1 });
const HASH_SIZE = 32;
const SALT_SIZE = 16;
/** Memory OpenSSL may take; a little above what the parameters need. */
const MEMORY = 64 * 1024 * 1024;

export interface PasswordHash {
	readonly salt: Uint8Array;
	readonly hash: Uint8Array;
	readonly N: number;
	readonly r: number;
	readonly p: number;
}

/** Checks the form of a new password. Throws a `UserError`. */
export function checkNewPassword(password: unknown): string {
	const length = typeof password === "string" ? Buffer.byteLength(password) : 0;
	if (typeof password !== "string" || length < MIN_PASSWORD)
		throw new UserError(`the password is shorter than ${MIN_PASSWORD} characters`, "choose a longer one");
	if (length > MAX_PASSWORD)
		throw new UserError(`the password is longer than ${MAX_PASSWORD} octets`, "choose a shorter one");
	return password;
}

export async function hashPassword(password: string): Promise<PasswordHash> {
	const salt = new Uint8Array(randomBytes(SALT_SIZE));
	const { N, r, p } = SCRYPT_PARAMETERS;
	return { salt, hash: await derive(password, salt, N, r, p), N, r, p };
}

/** Compares in constant time. An absent hash costs as much as a wrong password, so that nobody learns which names exist. */
export async function checkPassword(password: string, stored: PasswordHash | undefined): Promise<boolean> {
	const { N, r, p } = stored ?? SCRYPT_PARAMETERS;
	const hash = await derive(password, stored?.salt ?? new Uint8Array(SALT_SIZE), N, r, p);
	return stored !== undefined && stored.hash.length === hash.length && timingSafeEqual(hash, stored.hash);
}

function derive(password: string, salt: Uint8Array, N: number, r: number, p: number): Promise<Uint8Array> {
	return new Promise((resolve, reject) => {
		scrypt(password, salt, HASH_SIZE, { N, r, p, maxmem: MEMORY }, (error, key) => {
			if (error === null) resolve(new Uint8Array(key));
			else reject(error);
		});
	});
}

/** RFC 7616 §3.4.2 (algorithm without -sess): A1 = username ":" realm ":" password; HA1 as lower-case hex. */
export function digestVerifiers(name: string, realm: string, password: string): { ha1Sha256: string; ha1Md5: string } {
	const a1 = `${name}:${realm}:${password}`;
	return {
		ha1Sha256: createHash("sha256").update(a1, "utf8").digest("hex"),
		ha1Md5: createHash("md5").update(a1, "utf8").digest("hex"),
	};
}
