/** Which digests and signatures are good enough to be believed. */
import type { HashName, SignatureAlgorithm } from "../../hal/hal.ts";
import { SignatureAlgorithm as Code, HashAlgorithm } from "../wire/codes.ts";

/** Names of the algorithms below, for refusals. */
export const STRONG_SIGNATURES = "ECDSA P-256 or RSA, with SHA-256 or longer";

/**
 * RFC 6940 §6.3.4 MUST: RSASSA-PKCS1-v1_5 with SHA-256 is supported; ECDSA is what Ringlet makes.
 * Choice: nothing weaker than SHA-256, neither under a signature nor as the hash that names its certificate.
 */
export function isStrongSignature(algorithm: SignatureAlgorithm): boolean {
	const known = algorithm.signature === Code.rsa || algorithm.signature === Code.ecdsa;
	return known && strongHashName(algorithm.hash) !== undefined;
}

/** Digest of a HashAlgorithm code point, when it is strong enough. */
export function strongHashName(hash: number): HashName | undefined {
	switch (hash) {
		case HashAlgorithm.sha256:
			return "sha256";
		case HashAlgorithm.sha384:
			return "sha384";
		case HashAlgorithm.sha512:
			return "sha512";
		default:
			return undefined;
	}
}
