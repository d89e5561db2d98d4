/** Signing as one of our identities. RFC 6940 §6.3.4 (messages), §7.1 (stored values). */
import type { Crypto, PrivateKey } from "../../hal/hal.ts";
import type { SecurityBlock } from "../wire/security.ts";
import type { StoredData, StoredDataValue } from "../wire/store.ts";
import type { Certificate } from "./certificate.ts";

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

/**
 * Signs message contents (RFC 6940 §6.3.4). `contentsBytes`: the encoded MessageContents. `extraCertificates`: DER certificates of the
 * signers of values inside the message; doubles and those of `identity.chain` are left out.
 */
export declare function signMessage(
	identity: LocalIdentity,
	overlay: number,
	transactionIdHigh: number,
	transactionIdLow: number,
	contentsBytes: Uint8Array,
	crypto: Crypto,
	extraCertificates?: readonly Uint8Array[],
): SecurityBlock;

/** Signs a value for `resourceId` and `kind` (RFC 6940 §7.1); `valueBytes` of the result is the encoding to store. */
export declare function signStored(
	identity: LocalIdentity,
	resourceId: Uint8Array,
	kind: number,
	fields: StoredFields,
	crypto: Crypto,
): StoredData;
