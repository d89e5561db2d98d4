/** Certification requests: PKCS #10 (RFC 2986) as RFC 6940 §11.3 posts them to the enrollment server. */
import type { Crypto, PrivateKey } from "../../hal/hal.ts";
import { type Refused, refuse } from "../machine.ts";
import { EMPTY_NAME, ecdsaWithSha256, extension, knownOid, rfc822Name } from "./certificate-writer.ts";
import { context, DerReader, Tag } from "./der.ts";
import * as w from "./der-writer.ts";
import { readRequestedExtensions } from "./extensions.ts";
import { CERTIFICATE_OCTETS } from "./limits.ts";
import { Oid } from "./oids.ts";
import { readSignatureAlgorithm, readSpki } from "./spki.ts";
import { isStrongSignature, STRONG_SIGNATURES } from "./strength.ts";

export interface CertificationRequest {
	/** The key to certify; the request proves that its owner sent it. */
	readonly spki: Uint8Array;
	/** SignatureAlgorithm code point of that key: rsa 1, ecdsa 3. */
	readonly publicKeyAlgorithm: number;
	/** The user name asked for (rfc822Name of a requested subjectAltName); undefined when none is. */
	readonly userName: string | undefined;
}

/**
 * A request for a certificate of `key` and `userName`. Choice (§11.3: "the requested user name in the CSR"): the name stands as the
 * rfc822Name of a requested subjectAltName; the subject is empty, as it will be in the certificate.
 */
export function makeCertificationRequest(key: PrivateKey, userName: string): Uint8Array {
	const names = w.sequence(rfc822Name(userName));
	const extensions = w.sequence(extension(Oid.subjectAltName, true, names));
	const attribute = w.sequence(knownOid(Oid.extensionRequest), w.der(Tag.set, extensions));
	const info = w.sequence(w.smallInteger(0), EMPTY_NAME, key.spki, w.explicit(0, attribute));
	return w.sequence(info, ecdsaWithSha256(), w.bitString(key.sign(info)));
}

/** Reads a request and verifies its signature by its own key. */
export function readCertificationRequest(der: Uint8Array, crypto: Crypto): CertificationRequest | Refused {
	if (der.length > CERTIFICATE_OCTETS) return refuse("certification request too large");
	const reader = new DerReader(der);
	reader.open(Tag.sequence);
	const info = reader.element(Tag.sequence);
	const algorithm = readSignatureAlgorithm(reader);
	const signature = reader.bitString();
	reader.close();
	const inner = new DerReader(info);
	inner.open(Tag.sequence);
	// RFC 2986 §4.1: version 1 has the value 0.
	if (inner.smallInteger() !== 0) inner.refuse("not a PKCS #10 version 1 request");
	inner.element(Tag.sequence);
	const key = readSpki(inner);
	const userName = readAttributes(inner);
	inner.close();
	const fault = reader.end() ?? inner.end();
	if (fault !== undefined) return fault;
	if (key.algorithm === 0) return refuse("the key of the request is neither P-256 nor RSA; make a P-256 key");
	if (!isStrongSignature(algorithm)) return refuse(`the request is not signed with ${STRONG_SIGNATURES}`);
	if (!crypto.verify(key.spki, algorithm, info, signature))
		return refuse("the signature of the request does not verify with the key in it");
	return { spki: key.spki, publicKeyAlgorithm: key.algorithm, userName };
}

/** `[0] IMPLICIT SET OF Attribute`: the requested user name. Attributes other than extensionRequest are passed over. */
function readAttributes(reader: DerReader): string | undefined {
	let userName: string | undefined;
	// RFC 2986 §4.1 has the field always; some programs leave it out when there is nothing in it.
	if (reader.peek() !== context(0)) return undefined;
	reader.open(context(0));
	while (reader.more()) {
		reader.open(Tag.sequence);
		const isExtensionRequest = reader.oid() === Oid.extensionRequest;
		reader.open(Tag.set);
		if (isExtensionRequest) userName = readRequestedExtensions(reader).userName;
		else while (reader.more()) reader.element();
		reader.close();
		reader.close();
	}
	reader.close();
	return userName;
}
