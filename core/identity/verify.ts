/** Verifying who signed a message or a stored value. RFC 6940 §6.3.4, §7.1. */
import type { Crypto } from "../../hal/hal.ts";
import { type Refused, refuse } from "../machine.ts";
import type { Message } from "../wire/message.ts";
import type { SecurityBlock } from "../wire/security.ts";
import type { StoredData } from "../wire/store.ts";
import type { Certificate } from "./certificate.ts";
import type { Trust } from "./trust.ts";

/** Who signed: proven by signature, chain, time and bad-node. */
export interface VerifiedSigner {
	readonly certificate: Certificate;
	/** The Node-ID that the SignerIdentity indicates. */
	readonly nodeId: Uint8Array;
	readonly userName: string;
}

export class Verifier {
	constructor(_trust: Trust, _crypto: Crypto) {}

	/** RFC 6940 §6.3.4: the signature of a whole message, over the octets as received. */
	verifyMessage(_message: Message, _wallMs: number): VerifiedSigner | Refused {
		return refuse("messages cannot be verified yet");
	}

	/** RFC 6940 §7.1: the signature of one stored value. `certificates`: DER, where its signer's may be found. */
	verifyStored(
		_resourceId: Uint8Array,
		_kind: number,
		_stored: StoredData,
		_certificates: readonly Uint8Array[],
		_wallMs: number,
	): VerifiedSigner | Refused {
		return refuse("values cannot be verified yet");
	}

	/** Configuration and Kind signatures (RFC 6940 §11.1): `blob` as it stands in the document. */
	verifyBlob(_blob: Uint8Array, _security: SecurityBlock, _wallMs: number): VerifiedSigner | Refused {
		return refuse("documents cannot be verified yet");
	}
}
