/** Signing as one of our identities. Before editing read RFC 6940 §6.3.4 (messages), §7.1 (stored values), §11.1 (documents). */
import type { Crypto, PrivateKey } from "../../hal/hal.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { concatBytes, equalBytes, includesBytes, toHex } from "../wire/bytes.ts";
import { CertificateType, HashAlgorithm, SignerIdentityType } from "../wire/codes.ts";
import { certificateHashInput, signatureInput } from "../wire/message.ts";
import {
	encodeSignerIdentity,
	type GenericCertificate,
	type SecurityBlock,
	type Signature,
	type SignerIdentity,
} from "../wire/security.ts";
import {
	encodeStoredDataValue,
	type StoredData,
	type StoredDataValue,
	signedValueBytes,
	storedSignatureInput,
} from "../wire/stored-data.ts";
import { type Certificate, readCertificate } from "./certificate.ts";

/** One certificate of ours with its key, as one of its Node-IDs. */
export interface LocalIdentity {
	readonly certificate: Certificate;
	/** DER, leaf first, then intermediates; root-certs are not included. */
	readonly chain: readonly Uint8Array[];
	/** The Node-ID of the certificate this identity signs as. */
	readonly nodeId: Uint8Array;
	readonly userName: string;
	readonly key: PrivateKey;
}

/** What a stored value needs besides its place. */
export interface StoredFields {
	/** Milliseconds since 1970. */
	readonly storageTime: number;
	readonly lifetimeS: number;
	readonly value: StoredDataValue;
}

/** Puts an identity together. Refused: an unreadable certificate, a key that is not its own, a Node-ID that is not in it. */
export function makeLocalIdentity(
	parts: {
		/** DER, leaf first. */
		readonly chain: readonly Uint8Array[];
		readonly key: PrivateKey;
		/** The first Node-ID of the certificate when left out. */
		readonly nodeId?: Uint8Array;
	},
	crypto: Crypto,
): LocalIdentity | Refused {
	const leaf = parts.chain[0];
	if (leaf === undefined) return refuse("an identity without a certificate");
	const certificate = readCertificate(leaf, crypto);
	if (isRefused(certificate)) return certificate;
	if (!equalBytes(certificate.spki, parts.key.spki)) return refuse("the private key is not that of the certificate");
	const nodeId = parts.nodeId ?? certificate.nodeIds[0];
	if (nodeId === undefined || certificate.userName === undefined)
		return refuse("the certificate names no Node-ID or no user: it is not one of an overlay's node");
	const fault = nodeIdFault(certificate, nodeId);
	if (fault !== undefined) return fault;
	return { certificate, chain: parts.chain, nodeId, userName: certificate.userName, key: parts.key };
}

/** Refused when the certificate does not have this Node-ID: whoever presents it is not the node that was meant. */
export function nodeIdFault(certificate: Certificate, nodeId: Uint8Array): Refused | undefined {
	if (includesBytes(certificate.nodeIds, nodeId)) return undefined;
	const named = certificate.nodeIds[0] === undefined ? "no Node-ID" : toHex(certificate.nodeIds[0]);
	return refuse(
		`Node-ID ${toHex(nodeId)} is not in the certificate of ${certificate.userName ?? "nobody"} (which names ${named})`,
	);
}

/** RFC 6940 §6.3.4 MUST: cert_hash for a certificate of one Node-ID, cert_hash_node_id for one of several. */
export function signerIdentity(identity: LocalIdentity, crypto: Crypto): SignerIdentity {
	const { certificate, nodeId } = identity;
	const hashAlg = HashAlgorithm.sha256;
	if (certificate.nodeIds.length === 1)
		return { identityType: SignerIdentityType.certHash, hashAlg, certificateHash: certificate.sha256 };
	const certificateHash = crypto.hash("sha256", certificateHashInput(certificate.der, nodeId));
	return { identityType: SignerIdentityType.certHashNodeId, hashAlg, certificateHash };
}

/**
 * Signs message contents (RFC 6940 §6.3.4). `contentsBytes`: the encoded MessageContents. `extraCertificates`: DER certificates of the
 * signers of values inside the message; doubles and those of `identity.chain` are left out.
 */
export function signMessage(
	identity: LocalIdentity,
	overlay: number,
	transactionIdHigh: number,
	transactionIdLow: number,
	contentsBytes: Uint8Array,
	crypto: Crypto,
	extraCertificates: readonly Uint8Array[] = [],
): SecurityBlock {
	const signer = signerIdentity(identity, crypto);
	const identityBytes = encodeSignerIdentity(signer);
	const input = signatureInput(overlay, transactionIdHigh, transactionIdLow, contentsBytes, identityBytes);
	return { certificates: bucket(identity.chain, extraCertificates), signature: sign(identity, signer, input) };
}

/** Signs a value for `resourceId` and `kind` (RFC 6940 §7.1); `valueBytes` of the result is the encoding to store. */
export function signStored(
	identity: LocalIdentity,
	resourceId: Uint8Array,
	kind: number,
	fields: StoredFields,
	crypto: Crypto,
): StoredData {
	const { storageTime, lifetimeS, value } = fields;
	const signer = signerIdentity(identity, crypto);
	const identityBytes = encodeSignerIdentity(signer);
	const input = storedSignatureInput(resourceId, kind, storageTime, signedValueBytes(value), identityBytes);
	return {
		storageTime,
		lifetime: lifetimeS,
		value,
		signature: sign(identity, signer, input),
		valueBytes: encodeStoredDataValue(value),
	};
}

/** Signs an element of the configuration document as it stands there (RFC 6940 §11.1). [D-28]: element || SignerIdentity. */
export function signBlob(identity: LocalIdentity, blob: Uint8Array, crypto: Crypto): SecurityBlock {
	const signer = signerIdentity(identity, crypto);
	const input = concatBytes(blob, encodeSignerIdentity(signer));
	return { certificates: bucket(identity.chain, []), signature: sign(identity, signer, input) };
}

function sign(identity: LocalIdentity, signer: SignerIdentity, input: Uint8Array): Signature {
	return { algorithm: identity.key.algorithm, identity: signer, signatureValue: identity.key.sign(input) };
}

/** RFC 6940 §6.3.4: every certificate needed, each once. */
function bucket(chain: readonly Uint8Array[], extra: readonly Uint8Array[]): GenericCertificate[] {
	const certificates: GenericCertificate[] = [];
	for (const certificate of chain) certificates.push({ type: CertificateType.x509, certificate });
	for (const certificate of extra) {
		if (certificates.some((entry) => equalBytes(entry.certificate, certificate))) continue;
		certificates.push({ type: CertificateType.x509, certificate });
	}
	return certificates;
}
