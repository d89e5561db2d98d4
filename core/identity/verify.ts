/**
 * Verifying who signed a message, a stored value or a document. Before editing read RFC 6940 §6.3.4, §7.1, §11.1.
 *
 *     SignerIdentity -> certificate (remembered by `Trust`, or found in the bucket by hashing) -> `Trust.check` -> signature
 *
 * Nothing is remembered here: a signature is verified every time it is asked for.
 */
import type { Crypto } from "../../hal/hal.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { concatBytes, equalBytes } from "../wire/bytes.ts";
import { CertificateType, HashAlgorithm, SignerIdentityType } from "../wire/codes.ts";
import { certificateHashInput, type Message, messageSignatureInput } from "../wire/message.ts";
import { encodeSignerIdentity, type GenericCertificate, type SecurityBlock, type Signature } from "../wire/security.ts";
import { type StoredData, storedDataSignatureInput } from "../wire/stored-data.ts";
import { type Certificate, readCertificate } from "./certificate.ts";
import { BUCKET_CERTIFICATES, CERTIFICATE_OCTETS } from "./limits.ts";
import { isStrongSignature, STRONG_SIGNATURES, strongHashName } from "./strength.ts";
import type { KnownSigner, Trust } from "./trust.ts";

/** Who signed: proven by signature, chain, time and bad-node. */
export interface VerifiedSigner {
	readonly certificate: Certificate;
	/** The Node-ID that the SignerIdentity indicates. */
	readonly nodeId: Uint8Array;
	readonly userName: string;
	/** DER: the certificate, then the intermediates used. What to hand out together with a value of this signer. */
	readonly chain?: readonly Uint8Array[];
}

/** Where the signer's certificate may be: DER, or entries of a security block. */
type Bucket = readonly Uint8Array[] | readonly GenericCertificate[];

export class Verifier {
	readonly #trust: Trust;
	readonly #crypto: Crypto;

	constructor(trust: Trust, crypto: Crypto) {
		this.#trust = trust;
		this.#crypto = crypto;
	}

	get trust(): Trust {
		return this.#trust;
	}

	/** RFC 6940 §6.3.4: the signature of a whole message, over the octets as received. */
	verifyMessage(message: Message, wallMs: number): VerifiedSigner | Refused {
		const { certificates, signature } = message.security;
		return this.#verify(messageSignatureInput(message), signature, certificates, wallMs);
	}

	/** RFC 6940 §7.1: the signature of one stored value. `certificates`: DER, where its signer's may be found. */
	verifyStored(
		resourceId: Uint8Array,
		kind: number,
		stored: StoredData,
		certificates: readonly Uint8Array[],
		wallMs: number,
	): VerifiedSigner | Refused {
		return this.#verify(storedDataSignatureInput(resourceId, kind, stored), stored.signature, certificates, wallMs);
	}

	/** Configuration and Kind signatures (RFC 6940 §11.1): `blob` as it stands in the document. [D-28]: blob || SignerIdentity. */
	verifyBlob(blob: Uint8Array, security: SecurityBlock, wallMs: number): VerifiedSigner | Refused {
		const { certificates, signature } = security;
		return this.#verify(concatBytes(blob, encodeSignerIdentity(signature.identity)), signature, certificates, wallMs);
	}

	#verify(input: Uint8Array, signature: Signature, bucket: Bucket, wallMs: number): VerifiedSigner | Refused {
		if (signature.identity.identityType === SignerIdentityType.none) return refuse("unsigned");
		if (!isStrongSignature(signature.algorithm)) return refuse(`not signed with ${STRONG_SIGNATURES}`);
		const signer = this.#findSigner(signature, bucket, wallMs);
		if (isRefused(signer)) return signer;
		const { certificate, nodeId } = signer;
		if (certificate.publicKeyAlgorithm !== signature.algorithm.signature)
			return refuse("the algorithm of the signature is not that of the certificate's key");
		if (!this.#crypto.verify(certificate.spki, signature.algorithm, input, signature.signatureValue))
			return refuse(`the signature is not that of ${certificate.userName}: altered, or signed with another key`);
		return { certificate, nodeId, userName: certificate.userName ?? "", chain: this.#trust.chainOf(certificate) };
	}

	/** RFC 6940 §6.3.4: the certificate that hashes to the SignerIdentity, checked, with the Node-ID that it indicates. */
	#findSigner(signature: Signature, bucket: Bucket, wallMs: number): KnownSigner | Refused {
		const { identityType, hashAlg, certificateHash } = signature.identity;
		const hashName = strongHashName(hashAlg);
		if (identityType !== SignerIdentityType.certHash && identityType !== SignerIdentityType.certHashNodeId)
			return refuse("SignerIdentity of an unknown type");
		if (hashName === undefined) return refuse("SignerIdentity with a hash weaker than SHA-256");
		if (hashAlg === HashAlgorithm.sha256) {
			const known =
				identityType === SignerIdentityType.certHash
					? this.#trust.findByHash(certificateHash)
					: this.#trust.findByNodeIdHash(certificateHash);
			if (known !== undefined) return this.#checked(known.certificate, known.nodeId, bucket, wallMs);
		}
		for (let i = 0; i < bucket.length && i < BUCKET_CERTIFICATES; i++) {
			const der = derOf(bucket[i]!);
			if (der === undefined || der.length > CERTIFICATE_OCTETS) continue;
			if (identityType === SignerIdentityType.certHash) {
				if (!equalBytes(this.#crypto.hash(hashName, der), certificateHash)) continue;
				return this.#signerOfOne(der, bucket, wallMs);
			}
			const certificate = readCertificate(der, this.#crypto);
			if (isRefused(certificate)) continue;
			for (const nodeId of certificate.nodeIds) {
				const hash = this.#crypto.hash(hashName, certificateHashInput(der, nodeId));
				if (equalBytes(hash, certificateHash)) return this.#checked(certificate, nodeId, bucket, wallMs);
			}
		}
		return refuse("the signer's certificate is not there: not in the message, and not seen before");
	}

	/** cert_hash says which certificate but not which Node-ID. */
	#signerOfOne(der: Uint8Array, bucket: Bucket, wallMs: number): KnownSigner | Refused {
		const certificate = this.#trust.check(der, derList(bucket), wallMs);
		if (isRefused(certificate)) return certificate;
		// RFC 6940 §6.3.4 MUST: cert_hash only with exactly one Node-ID.
		if (certificate.nodeIds.length !== 1)
			return refuse("the signature does not say which Node-ID of its certificate signs");
		return { certificate, nodeId: certificate.nodeIds[0]! };
	}

	#checked(certificate: Certificate, nodeId: Uint8Array, bucket: Bucket, wallMs: number): KnownSigner | Refused {
		const checked = this.#trust.recheck(certificate, derList(bucket), wallMs);
		return isRefused(checked) ? checked : { certificate: checked, nodeId };
	}
}

function derOf(entry: Uint8Array | GenericCertificate): Uint8Array | undefined {
	if (entry instanceof Uint8Array) return entry;
	return entry.type === CertificateType.x509 ? entry.certificate : undefined;
}

/** Candidates for intermediates. A bucket of at most one certificate (the signer's) has none. */
function derList(bucket: Bucket): readonly Uint8Array[] {
	if (bucket.length < 2) return NONE;
	const list: Uint8Array[] = [];
	for (let i = 0; i < bucket.length && i < BUCKET_CERTIFICATES; i++) {
		const der = derOf(bucket[i]!);
		if (der !== undefined) list.push(der);
	}
	return list;
}

const NONE: readonly Uint8Array[] = Object.freeze([]);
