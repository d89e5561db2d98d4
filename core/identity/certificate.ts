/** X.509 certificates as RELOAD uses them. Before editing read RFC 5280 §4 and RFC 6940 §11.3. */
import type { Crypto, SignatureAlgorithm } from "../../hal/hal.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { equalBytes } from "../wire/bytes.ts";
import { context, DerReader, Tag } from "./der.ts";
import { type CertificateExtensions, readExtensions } from "./extensions.ts";
import { CERTIFICATE_OCTETS } from "./limits.ts";
import { type PublicKeyInfo, readSignatureAlgorithm, readSpki } from "./spki.ts";

/** What Ringlet reads out of an X.509 certificate. All octet strings are views into `der` where they can be. */
export interface Certificate {
	/** The whole certificate, as received. */
	readonly der: Uint8Array;
	/** tbsCertificate as it stands in `der`: what the issuer signed. */
	readonly tbs: Uint8Array;
	readonly serialNumber: Uint8Array;
	/** Encoded Name of the issuer and of the subject. */
	readonly issuer: Uint8Array;
	readonly subject: Uint8Array;
	readonly subjectEmpty: boolean;
	/** Validity, milliseconds since 1970. */
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** DER SubjectPublicKeyInfo. */
	readonly spki: Uint8Array;
	/** SignatureAlgorithm code point of the key: rsa 1, ecdsa 3; 0 for any other key. */
	readonly publicKeyAlgorithm: number;
	/** How the issuer signed; {0, 0} for an algorithm Ringlet does not know. */
	readonly signatureAlgorithm: SignatureAlgorithm;
	readonly signatureValue: Uint8Array;
	/** The only rfc822Name; undefined when there is none. */
	readonly userName: string | undefined;
	/** Node-IDs of the RELOAD URIs, in order. */
	readonly nodeIds: readonly Uint8Array[];
	/** Overlay name of the RELOAD URIs, in lower case; undefined without a RELOAD URI. */
	readonly overlayName: string | undefined;
	readonly dnsNames: readonly string[];
	/** basicConstraints. */
	readonly isCa: boolean;
	readonly pathLength: number | undefined;
	/** keyUsage as in `KeyUsage`; undefined when the extension is absent (then everything is allowed). */
	readonly keyUsage: number | undefined;
	/** subjectKeyIdentifier and the key identifier of authorityKeyIdentifier. */
	readonly subjectKeyId: Uint8Array | undefined;
	readonly authorityKeyId: Uint8Array | undefined;
	/** SHA-256 of `der`. */
	readonly sha256: Uint8Array;
}

/** Reads one DER certificate. Says nothing about who signed it or when it is valid: that is `Trust`. */
export function readCertificate(der: Uint8Array, crypto: Crypto): Certificate | Refused {
	if (der.length > CERTIFICATE_OCTETS) return refuse("certificate too large");
	const reader = new DerReader(der);
	reader.open(Tag.sequence);
	const tbs = reader.element(Tag.sequence);
	const outerAt = reader.at;
	const signatureAlgorithm = readSignatureAlgorithm(reader);
	const outer = der.subarray(outerAt, reader.at);
	const signatureValue = reader.bitString();
	reader.close();
	const refused = reader.end();
	if (refused !== undefined) return refused;
	const parts = readTbs(tbs, outer);
	if (isRefused(parts)) return parts;
	const { serialNumber, issuer, subject, subjectEmpty, notBeforeMs, notAfterMs, extensions } = parts;
	return {
		der,
		tbs,
		serialNumber,
		issuer,
		subject,
		subjectEmpty,
		notBeforeMs,
		notAfterMs,
		spki: parts.key.spki,
		publicKeyAlgorithm: parts.key.algorithm,
		signatureAlgorithm,
		signatureValue,
		userName: extensions.userName,
		nodeIds: extensions.nodeIds,
		overlayName: extensions.overlayName,
		dnsNames: extensions.dnsNames,
		isCa: extensions.isCa,
		pathLength: extensions.pathLength,
		keyUsage: extensions.keyUsage,
		subjectKeyId: extensions.subjectKeyId,
		authorityKeyId: extensions.authorityKeyId,
		sha256: crypto.hash("sha256", der),
	};
}

interface TbsCertificate {
	readonly serialNumber: Uint8Array;
	readonly issuer: Uint8Array;
	readonly subject: Uint8Array;
	readonly subjectEmpty: boolean;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	readonly key: PublicKeyInfo;
	readonly extensions: CertificateExtensions;
}

/** RFC 5280 §4.1.1.1: tbsCertificate. `outer`: the AlgorithmIdentifier outside of it, which must be the same. */
function readTbs(tbs: Uint8Array, outer: Uint8Array): TbsCertificate | Refused {
	const reader = new DerReader(tbs);
	reader.open(Tag.sequence);
	// RFC 6940 §11.3: X.509 version 3 (the value 2); a version 1 certificate leaves the field out.
	reader.open(context(0));
	if (reader.smallInteger() !== 2) reader.refuse("not an X.509 version 3 certificate");
	reader.close();
	const serialNumber = reader.contents(Tag.integer);
	// RFC 5280 §4.1.1.2 MUST: the algorithm inside equals the one outside.
	if (!equalBytes(reader.element(Tag.sequence), outer)) reader.refuse("certificate names two signature algorithms");
	const issuer = reader.element(Tag.sequence);
	reader.open(Tag.sequence);
	const notBeforeMs = reader.time();
	const notAfterMs = reader.time();
	reader.close();
	const subject = reader.element(Tag.sequence);
	const key = readSpki(reader);
	// issuerUniqueID and subjectUniqueID (RFC 5280 §4.1.2.8): obsolete, passed over.
	if (reader.peek() === context(1, false)) reader.element();
	if (reader.peek() === context(2, false)) reader.element();
	const extensions = readExtensions(reader);
	reader.close();
	const refused = reader.end();
	if (refused !== undefined) return refused;
	return {
		serialNumber,
		issuer,
		subject,
		subjectEmpty: subject.length === 2,
		notBeforeMs,
		notAfterMs,
		key,
		extensions,
	};
}
