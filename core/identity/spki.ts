/** SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) and AlgorithmIdentifier of signatures: which key, which algorithm. */
import type { SignatureAlgorithm } from "../../hal/hal.ts";
import { SignatureAlgorithm as Code } from "../wire/codes.ts";
import { DerReader, Tag } from "./der.ts";
import { RSA_BITS_LEAST, RSA_BITS_MOST } from "./limits.ts";
import { Oid, SIGNATURE_OIDS, UNKNOWN_SIGNATURE_ALGORITHM } from "./oids.ts";

export interface PublicKeyInfo {
	/** The whole element: a view. */
	readonly spki: Uint8Array;
	/** rsa 1, ecdsa 3 (P-256), 0 for any other key. */
	readonly algorithm: number;
	/** The BIT STRING's octets: what key identifiers are digests of (RFC 5280 §4.2.1.2). */
	readonly key: Uint8Array;
}

/** Reads the next element of `reader` as a SubjectPublicKeyInfo. RSA keys too weak or too large to verify with are refused. */
export function readSpki(reader: DerReader): PublicKeyInfo {
	const at = reader.at;
	const spki = reader.element(Tag.sequence);
	const inner = new DerReader(spki);
	inner.open(Tag.sequence);
	inner.open(Tag.sequence);
	const keyOid = inner.oid();
	let algorithm = 0;
	if (keyOid === Oid.ecPublicKey && inner.peek() === Tag.oid) {
		if (inner.oid() === Oid.prime256v1) algorithm = Code.ecdsa;
	} else if (keyOid === Oid.rsaEncryption) {
		inner.contents(Tag.nullValue);
		algorithm = Code.rsa;
	} else {
		while (inner.more()) inner.element();
	}
	inner.close();
	const key = inner.bitString();
	inner.close();
	const fault = inner.end() ?? (algorithm === Code.rsa ? rsaFault(key) : undefined);
	if (fault !== undefined) reader.refuse(fault.refused, at);
	return { spki, algorithm, key };
}

/** Key octets of a SubjectPublicKeyInfo of our own; empty when it is not one. */
export function keyOctets(spki: Uint8Array): Uint8Array {
	return readSpki(new DerReader(spki)).key;
}

/** Choice: 2048..4096 bits and a public exponent below 2^32, so that no certificate makes verifying expensive. */
function rsaFault(key: Uint8Array) {
	const reader = new DerReader(key);
	reader.open(Tag.sequence);
	const modulus = reader.contents(Tag.integer);
	const exponent = reader.contents(Tag.integer);
	reader.close();
	const start = modulus[0] === 0 ? 1 : 0;
	const bits = (modulus.length - start) * 8;
	if (bits < RSA_BITS_LEAST || bits > RSA_BITS_MOST)
		reader.refuse(`RSA key is not of ${RSA_BITS_LEAST} to ${RSA_BITS_MOST} bits`);
	if (exponent.length > 5) reader.refuse("RSA exponent too large");
	return reader.end();
}

/** Reads the next element as the AlgorithmIdentifier of a signature; {0, 0} for one that is not known. */
export function readSignatureAlgorithm(reader: DerReader): SignatureAlgorithm {
	reader.open(Tag.sequence);
	const algorithm = SIGNATURE_OIDS[reader.oid()] ?? UNKNOWN_SIGNATURE_ALGORITHM;
	// RFC 4055 §5: NULL for RSA; RFC 5758 §3.2: absent for ECDSA.
	if (algorithm.signature === Code.rsa && reader.peek() === Tag.nullValue) reader.contents(Tag.nullValue);
	if (algorithm.signature === 0) while (reader.more()) reader.element();
	reader.close();
	return algorithm;
}
