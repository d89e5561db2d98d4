/** Object identifiers, as the hex of their DER contents. Compared as text; `fromHex` gives the octets to write. */
import type { SignatureAlgorithm } from "../../hal/hal.ts";

export const Oid = Object.freeze({
	/** Keys: RFC 5480 §2.1.1, RFC 3279 §2.3.1. */
	ecPublicKey: "2a8648ce3d0201",
	prime256v1: "2a8648ce3d030107",
	rsaEncryption: "2a864886f70d010101",
	/** Extensions: RFC 5280 §4.2. */
	subjectKeyIdentifier: "551d0e",
	keyUsage: "551d0f",
	subjectAltName: "551d11",
	basicConstraints: "551d13",
	authorityKeyIdentifier: "551d23",
	extKeyUsage: "551d25",
	/** RFC 5280 §4.2.1.12. */
	serverAuth: "2b06010505070301",
	clientAuth: "2b06010505070302",
	/** RFC 2985 §5.4.2. */
	extensionRequest: "2a864886f70d01090e",
	/** X.520 commonName. */
	commonName: "550403",
	ecdsaWithSha256: "2a8648ce3d040302",
} as const);

/** Signature algorithm identifiers -> code points of TLS 1.2. RFC 5758 §3.2, RFC 4055 §5, RFC 3279 §2.2.1. */
export const SIGNATURE_OIDS: Readonly<Record<string, SignatureAlgorithm>> = Object.freeze({
	"2a8648ce3d040302": Object.freeze({ hash: 4, signature: 3 }),
	"2a8648ce3d040303": Object.freeze({ hash: 5, signature: 3 }),
	"2a8648ce3d040304": Object.freeze({ hash: 6, signature: 3 }),
	"2a864886f70d01010b": Object.freeze({ hash: 4, signature: 1 }),
	"2a864886f70d01010c": Object.freeze({ hash: 5, signature: 1 }),
	"2a864886f70d01010d": Object.freeze({ hash: 6, signature: 1 }),
	/** SHA-1: known so that a refusal can name it; a root-cert's own signature is not looked at. */
	"2a864886f70d010105": Object.freeze({ hash: 2, signature: 1 }),
	"2a8648ce3d0401": Object.freeze({ hash: 2, signature: 3 }),
});

export const UNKNOWN_SIGNATURE_ALGORITHM: SignatureAlgorithm = Object.freeze({ hash: 0, signature: 0 });

/** keyUsage bits as the first octet of the BIT STRING has them (RFC 5280 §4.2.1.3). */
export const KeyUsage = Object.freeze({
	digitalSignature: 0x80,
	keyEncipherment: 0x20,
	keyCertSign: 0x04,
	cRLSign: 0x02,
} as const);
