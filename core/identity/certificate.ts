/** X.509 certificates as RELOAD uses them. Before editing read RFC 5280 §4 and RFC 6940 §11.3. */
import type { Crypto, SignatureAlgorithm } from "../../hal/hal.ts";
import { type Refused, refuse } from "../machine.ts";

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
export function readCertificate(_der: Uint8Array, _crypto: Crypto): Certificate | Refused {
	return refuse("certificates cannot be read yet");
}
