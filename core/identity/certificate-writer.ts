/**
 * Writes certificates: a household's CA, its nodes and users, its enrollment server, self-signed ones. Before editing read RFC 5280
 * §4 and RFC 6940 §11.3. Everything is signed with ECDSA on P-256 and SHA-256.
 *
 *     household CA (root-cert of the configuration)
 *      |-- node or user: empty subject, RELOAD URIs, one rfc822Name
 *      `-- enrollment server: DNS name = overlay name (RFC 6940 §11.3: what a joining node expects of its TLS certificate)
 *
 * What is wrong in a template is our own caller's fault, and throws.
 */
import type { Crypto, PrivateKey } from "../../hal/hal.ts";
import { fromHex, utf8ToBytes } from "../wire/bytes.ts";
import type { Certificate } from "./certificate.ts";
import { context, DerReader, Tag } from "./der.ts";
import * as w from "./der-writer.ts";
import { isUserName } from "./extensions.ts";
import { NODE_IDS } from "./limits.ts";
import { KeyUsage, Oid } from "./oids.ts";
import { isNodeIdLength, isOverlayName, writeReloadUri } from "./reload-uri.ts";
import { selfSignedNodeIds } from "./self-signed.ts";
import { readSpki } from "./spki.ts";

/** Validity, milliseconds since 1970. */
export interface Validity {
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
}

/** Who signs: the CA's certificate and its key. */
export interface Issuer {
	readonly certificate: Certificate;
	readonly key: PrivateKey;
}

export interface NodeCertificateTemplate extends Validity {
	/** Public key of the node or user, DER SubjectPublicKeyInfo. */
	readonly spki: Uint8Array;
	/** RFC 6940 §11.3: chosen at random by the enrollment server. */
	readonly nodeIds: readonly Uint8Array[];
	readonly userName: string;
	readonly overlayName: string;
}

/** The certificate authority of a household: what root-cert holds. It issues end-entity certificates only (pathLength 0). */
export function makeCaCertificate(
	template: Validity & { overlayName: string; key: PrivateKey },
	crypto: Crypto,
): Uint8Array {
	const name = commonName(`Ringlet CA of ${template.overlayName}`);
	const keyId = keyIdentifier(template.key.spki, crypto);
	return sign(template, crypto, template.key, {
		issuer: name,
		subject: name,
		spki: template.key.spki,
		extensions: [
			basicConstraints(0),
			keyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign),
			subjectKeyIdentifier(keyId),
			authorityKeyIdentifier(keyId),
		],
	});
}

/** A node's or user's certificate (RFC 6940 §11.3). */
export function makeCertificate(template: NodeCertificateTemplate, issuer: Issuer, crypto: Crypto): Uint8Array {
	return sign(template, crypto, issuer.key, {
		issuer: issuer.certificate.subject,
		subject: EMPTY_NAME,
		spki: template.spki,
		extensions: [
			...endEntity(reloadNames(template), true),
			subjectKeyIdentifier(keyIdentifier(template.spki, crypto)),
			authorityKeyIdentifier(issuerKeyIdentifier(issuer, crypto)),
		],
	});
}

/** A certificate that its own key signs; its Node-IDs follow from the key (RFC 6940 §11.3.1). */
export function makeSelfSignedCertificate(
	template: Validity & {
		readonly key: PrivateKey;
		readonly userName: string;
		readonly overlayName: string;
		readonly nodeIdLength: number;
		readonly digest: "sha1" | "sha256";
		/** How many Node-IDs; 1 when left out. */
		readonly count?: number;
	},
	crypto: Crypto,
): Uint8Array {
	const { key, userName, overlayName, digest, nodeIdLength } = template;
	const nodeIds = selfSignedNodeIds(key.spki, digest, nodeIdLength, template.count ?? 1, crypto);
	return sign(template, crypto, key, {
		issuer: EMPTY_NAME,
		subject: EMPTY_NAME,
		spki: key.spki,
		extensions: [
			...endEntity(reloadNames({ nodeIds, userName, overlayName }), true),
			subjectKeyIdentifier(keyIdentifier(key.spki, crypto)),
		],
	});
}

/** The TLS certificate of the enrollment server: DNS name = overlay name (RFC 6940 §11.2), and the names people type. */
export function makeServerCertificate(
	template: Validity & {
		readonly spki: Uint8Array;
		readonly overlayName: string;
		readonly dnsNames?: readonly string[];
		/** 4 or 16 octets each. */
		readonly ipAddresses?: readonly Uint8Array[];
	},
	issuer: Issuer,
	crypto: Crypto,
): Uint8Array {
	const names = [dnsName(template.overlayName)];
	for (const name of template.dnsNames ?? []) if (name !== template.overlayName) names.push(dnsName(name));
	for (const address of template.ipAddresses ?? []) {
		if (address.length !== 4 && address.length !== 16) throw new Error("an IP address has 4 or 16 octets");
		names.push(w.der(IP_ADDRESS, address));
	}
	return sign(template, crypto, issuer.key, {
		issuer: issuer.certificate.subject,
		subject: commonName(template.overlayName),
		spki: template.spki,
		extensions: [
			...endEntity(names, false),
			// RFC 5280 §4.2.1.12: browsers and phones want it of a TLS server.
			extension(Oid.extKeyUsage, false, w.sequence(knownOid(Oid.serverAuth))),
			subjectKeyIdentifier(keyIdentifier(template.spki, crypto)),
			authorityKeyIdentifier(issuerKeyIdentifier(issuer, crypto)),
		],
	});
}

/** RFC 5280 §4.1.2.4: an empty sequence of RDNs. */
export const EMPTY_NAME: Uint8Array = w.sequence();

/** One Extension. */
export function extension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
	return critical
		? w.sequence(knownOid(oid), w.booleanTrue(), w.octetString(value))
		: w.sequence(knownOid(oid), w.octetString(value));
}

/** GeneralName rfc822Name. */
export function rfc822Name(userName: string): Uint8Array {
	if (!isUserName(userName))
		throw new Error(`"${userName}" cannot be a user name: it has the form name@domain, in ASCII`);
	return w.der(context(1, false), utf8ToBytes(userName));
}

export function knownOid(hex: string): Uint8Array {
	return w.oid(fromHex(hex)!);
}

/** AlgorithmIdentifier ecdsa-with-SHA256 (RFC 5758 §3.2: without parameters). */
export function ecdsaWithSha256(): Uint8Array {
	return w.sequence(knownOid(Oid.ecdsaWithSha256));
}

const IP_ADDRESS = context(7, false);
/** RFC 5280 §4.1.2.2: positive, at most 20 octets, unpredictable. */
const SERIAL_OCTETS = 16;

interface Parts {
	readonly issuer: Uint8Array;
	readonly subject: Uint8Array;
	readonly spki: Uint8Array;
	readonly extensions: readonly Uint8Array[];
}

function sign(validity: Validity, crypto: Crypto, key: PrivateKey, parts: Parts): Uint8Array {
	if (!(validity.notBeforeMs < validity.notAfterMs)) throw new Error("a certificate ends after it begins");
	const serial = crypto.random(SERIAL_OCTETS).slice();
	serial[0] = (serial[0]! & 0x7f) | 0x40;
	const tbs = w.sequence(
		w.explicit(0, w.smallInteger(2)),
		w.unsignedInteger(serial),
		ecdsaWithSha256(),
		parts.issuer,
		w.sequence(w.time(validity.notBeforeMs), w.time(validity.notAfterMs)),
		parts.subject,
		parts.spki,
		w.explicit(3, w.sequence(...parts.extensions)),
	);
	return w.sequence(tbs, ecdsaWithSha256(), w.bitString(key.sign(tbs)));
}

/** basicConstraints, keyUsage and subjectAltName of whoever signs messages but no certificates. */
function endEntity(names: readonly Uint8Array[], namesAreCritical: boolean): Uint8Array[] {
	return [
		basicConstraints(undefined),
		keyUsage(KeyUsage.digitalSignature),
		// RFC 5280 §4.2.1.6 MUST: critical when the subject is empty.
		extension(Oid.subjectAltName, namesAreCritical, w.sequence(...names)),
	];
}

function reloadNames(template: Pick<NodeCertificateTemplate, "nodeIds" | "userName" | "overlayName">): Uint8Array[] {
	const { nodeIds, overlayName, userName } = template;
	if (nodeIds.length === 0 || nodeIds.length > NODE_IDS) throw new Error(`a certificate has 1 to ${NODE_IDS} Node-IDs`);
	if (!isOverlayName(overlayName)) throw new Error(`"${overlayName}" cannot be an overlay name: it must be a DNS name`);
	const names: Uint8Array[] = [];
	for (const nodeId of nodeIds) {
		if (!isNodeIdLength(nodeId.length)) throw new Error("a Node-ID has 16 to 20 octets");
		names.push(w.der(context(6, false), utf8ToBytes(writeReloadUri(nodeId, overlayName))));
	}
	names.push(rfc822Name(userName));
	return names;
}

function basicConstraints(pathLength: number | undefined): Uint8Array {
	const value = pathLength === undefined ? w.sequence() : w.sequence(w.booleanTrue(), w.smallInteger(pathLength));
	return extension(Oid.basicConstraints, true, value);
}

function keyUsage(bits: number): Uint8Array {
	return extension(Oid.keyUsage, true, w.namedBits(bits));
}

function subjectKeyIdentifier(keyId: Uint8Array): Uint8Array {
	return extension(Oid.subjectKeyIdentifier, false, w.octetString(keyId));
}

function authorityKeyIdentifier(keyId: Uint8Array): Uint8Array {
	return extension(Oid.authorityKeyIdentifier, false, w.sequence(w.der(context(0, false), keyId)));
}

function issuerKeyIdentifier(issuer: Issuer, crypto: Crypto): Uint8Array {
	return issuer.certificate.subjectKeyId ?? keyIdentifier(issuer.certificate.spki, crypto);
}

/** RFC 5280 §4.2.1.2 method 1: SHA-1 of the key's octets. */
function keyIdentifier(spki: Uint8Array, crypto: Crypto): Uint8Array {
	const reader = new DerReader(spki);
	const { key, algorithm } = readSpki(reader);
	if (reader.end() !== undefined || algorithm === 0)
		throw new Error("not a public key that Ringlet certifies (P-256 or RSA)");
	return crypto.hash("sha1", key);
}

function commonName(text: string): Uint8Array {
	return w.sequence(w.der(Tag.set, w.sequence(knownOid(Oid.commonName), w.utf8String(text))));
}

function dnsName(name: string): Uint8Array {
	if (!isOverlayName(name)) throw new Error(`"${name}" is not a DNS name`);
	return w.der(context(2, false), utf8ToBytes(name));
}
