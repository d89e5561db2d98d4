/**
 * SecurityBlock: certificates and signature of a message; the same Signature closes every stored value (RFC 6940 §6.3.4, §7.1).
 *
 *   certificates<0..2^16-1> | hash(1) signature(1) | identity_type(1) length(2) identity | signature_value<0..2^16-1>
 */
import type { Refused } from "../machine.ts";
import { EMPTY } from "./bytes.ts";
import { HashAlgorithm, SignatureAlgorithm, SignerIdentityType } from "./codes.ts";
import { WireReader, whole } from "./reader.ts";
import { WireWriter } from "./writer.ts";

/** One entry of the bucket; `type` 0 is X.509 in DER, others are kept unread. */
export interface GenericCertificate {
	readonly type: number;
	readonly certificate: Uint8Array;
}

/** TLS 1.2 SignatureAndHashAlgorithm. */
export interface SignatureAndHashAlgorithm {
	readonly hash: number;
	readonly signature: number;
}

/** Who signed. For `none` both values are empty; for a type no RFC defines, `other` keeps the octets. */
export interface SignerIdentity {
	readonly identityType: number;
	readonly hashAlg: number;
	/** certificate_hash, or certificate_node_id_hash for cert_hash_node_id. */
	readonly certificateHash: Uint8Array;
	readonly other?: Uint8Array;
}

export interface Signature {
	readonly algorithm: SignatureAndHashAlgorithm;
	readonly identity: SignerIdentity;
	readonly signatureValue: Uint8Array;
}

export interface SecurityBlock {
	readonly certificates: readonly GenericCertificate[];
	readonly signature: Signature;
}

/** RFC 6940 §7.4.2.2: what stands in place of a signature in values that a storing peer makes up. */
export const NO_SIGNATURE: Signature = Object.freeze({
	algorithm: Object.freeze({ hash: HashAlgorithm.none, signature: SignatureAlgorithm.anonymous }),
	identity: Object.freeze({
		identityType: SignerIdentityType.none,
		hashAlg: HashAlgorithm.none,
		certificateHash: EMPTY,
	}),
	signatureValue: EMPTY,
});

/** Reads a SignerIdentity. Refused: type 0, and a length that disagrees with the content of a known type. */
export function readSignerIdentity(reader: WireReader): SignerIdentity {
	const at = reader.at;
	const identityType = reader.u8();
	const outer = reader.enter(reader.u16());
	const identity = readIdentityValue(reader, identityType, at);
	reader.leave(outer);
	return identity;
}

function readIdentityValue(reader: WireReader, identityType: number, at: number): SignerIdentity {
	switch (identityType) {
		case SignerIdentityType.certHash:
		case SignerIdentityType.certHashNodeId: {
			const hashAlg = reader.u8();
			return { identityType, hashAlg, certificateHash: reader.opaque8() };
		}
		case SignerIdentityType.none:
			return { identityType, hashAlg: HashAlgorithm.none, certificateHash: EMPTY };
		default:
			if (identityType === SignerIdentityType.invalid) reader.refuse("SignerIdentity type 0 is invalid", at);
			// RFC 6940 §6.3.4: extensible, and its length allows to pass over it; the verifier will not know the signer.
			return { identityType, hashAlg: HashAlgorithm.none, certificateHash: EMPTY, other: reader.rest() };
	}
}

export function writeSignerIdentity(writer: WireWriter, identity: SignerIdentity): void {
	writer.u8(identity.identityType);
	const mark = writer.open16();
	if (identity.other !== undefined) writer.bytes(identity.other);
	else if (identity.identityType !== SignerIdentityType.none) {
		writer.u8(identity.hashAlg);
		writer.opaque8(identity.certificateHash);
	}
	writer.close(mark);
}

/** The complete encoding, type and length included: what signatures cover ([D-2]). */
export function encodeSignerIdentity(identity: SignerIdentity): Uint8Array {
	const writer = new WireWriter(64);
	writeSignerIdentity(writer, identity);
	return writer.take();
}

export function readSignature(reader: WireReader): Signature {
	const algorithm = { hash: reader.u8(), signature: reader.u8() };
	const identity = readSignerIdentity(reader);
	return { algorithm, identity, signatureValue: reader.opaque16() };
}

export function writeSignature(writer: WireWriter, signature: Signature): void {
	writer.u8(signature.algorithm.hash);
	writer.u8(signature.algorithm.signature);
	writeSignerIdentity(writer, signature.identity);
	writer.opaque16(signature.signatureValue);
}

/** The certificates in front of the signature. */
export function readCertificates(reader: WireReader): GenericCertificate[] {
	const certificates: GenericCertificate[] = [];
	const outer = reader.enter(reader.u16());
	while (reader.remaining > 0) certificates.push({ type: reader.u8(), certificate: reader.opaque16() });
	reader.leave(outer);
	return certificates;
}

/** Reads a SecurityBlock inside something larger. */
export function readSecurityBlock(reader: WireReader): SecurityBlock {
	const certificates = readCertificates(reader);
	return { certificates, signature: readSignature(reader) };
}

/** Reads octets that are one SecurityBlock and nothing else (the signatures of a configuration document). */
export function decodeSecurityBlock(bytes: Uint8Array): SecurityBlock | Refused {
	const reader = new WireReader(bytes);
	return whole(reader, readSecurityBlock(reader));
}

export function writeSecurityBlock(writer: WireWriter, block: SecurityBlock): void {
	const mark = writer.open16();
	for (let i = 0; i < block.certificates.length; i++) {
		const entry = block.certificates[i]!;
		writer.u8(entry.type);
		writer.opaque16(entry.certificate);
	}
	writer.close(mark);
	writeSignature(writer, block.signature);
}
