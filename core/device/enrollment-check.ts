/**
 * What a device believes while it enrolls: the server by the household's fingerprint, the answer by the household's CA. RFC 6940 §11.2,
 * §11.3. All here is asked before anything is kept.
 */
import { Decoder } from "cbor-x";
import type { Crypto, PrivateKey } from "../../hal/hal.ts";
import { readConfigDocument } from "../config/read.ts";
import { unsupportedExtensions, verifyConfigSignature } from "../config/verify.ts";
import { type Certificate, readCertificate } from "../identity/certificate.ts";
import { timeFault } from "../identity/chain.ts";
import { lowerCase } from "../identity/reload-uri.ts";
import { Trust } from "../identity/trust.ts";
import { Verifier } from "../identity/verify.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { equalBytes } from "../wire/bytes.ts";

/** Certificates of a server that are looked at. */
const MOST_CERTIFICATES = 4;
const SETTINGS_KEY_OCTETS = 32;

/** The household that is meant. */
export interface Household {
	readonly overlayName: string;
	/** SHA-256 of the CA's SubjectPublicKeyInfo. */
	readonly fingerprint: Uint8Array;
}

/** What enrollment has brought; everything in it was checked. */
export interface PairingOutcome {
	readonly key: PrivateKey;
	/** "frontdoor@home.example" */
	readonly userName: string;
	readonly certificate: Uint8Array;
	/** The household's CA. */
	readonly root: Uint8Array;
	/** The configuration document as received. */
	readonly document: Uint8Array;
	/** 32 octets that open the device's settings; in a renewal mostly absent: the device has it. */
	readonly settingsKey: Uint8Array | undefined;
}

/** True for the CA certificate of the household. */
function isHouseholdCa(certificate: Certificate, household: Household, crypto: Crypto): boolean {
	return certificate.isCa && equalBytes(crypto.hash("sha256", certificate.spki), household.fingerprint);
}

/**
 * Whether a TLS server is the household's enrollment server: it shows the CA of the fingerprint, and a certificate issued by that CA for
 * the overlay's name (RFC 6940 §11.2). `wallMs` NaN: the clock is not set, dates are not looked at.
 */
export function serverFault(
	chain: readonly Uint8Array[],
	household: Household,
	crypto: Crypto,
	wallMs: number,
): Refused | undefined {
	const leaf = chain[0] === undefined ? refuse("the server shows no certificate") : readCertificate(chain[0], crypto);
	if (isRefused(leaf)) return leaf;
	for (let i = 1; i < chain.length && i < MOST_CERTIFICATES; i++) {
		const ca = readCertificate(chain[i]!, crypto);
		if (isRefused(ca) || !isHouseholdCa(ca, household, crypto)) continue;
		if (!crypto.verify(ca.spki, leaf.signatureAlgorithm, leaf.tbs, leaf.signatureValue))
			return refuse("the server's certificate is not signed by the household");
		const name = lowerCase(household.overlayName);
		if (!leaf.dnsNames.some((one) => lowerCase(one) === name))
			return refuse("the server's certificate is of the household and not of its enrollment server");
		return timeFault(ca, "the household's CA", wallMs) ?? timeFault(leaf, "the server's certificate", wallMs);
	}
	return refuse("the server belongs to another household");
}

/** Reads and checks the body of a positive answer. */
export function readOutcome(
	body: Uint8Array,
	household: Household,
	key: PrivateKey,
	userName: string,
	crypto: Crypto,
	wallMs: number,
): PairingOutcome | Refused {
	const map = decodeMap(body);
	if (map === undefined) return refuse("the answer is no CBOR map");
	const certificate = octetsOf(map, "certificate");
	const root = octetsOf(map, "root");
	const document = octetsOf(map, "document");
	const settingsKey = octetsOf(map, "settingsKey");
	if (certificate === undefined || root === undefined || document === undefined)
		return refuse("the answer lacks certificate, root or document");
	if (settingsKey !== undefined && settingsKey.length !== SETTINGS_KEY_OCTETS)
		return refuse("the settings key has another length than 32 octets");
	const ca = readCertificate(root, crypto);
	if (isRefused(ca)) return ca;
	if (!isHouseholdCa(ca, household, crypto)) return refuse("the answer's CA is not the household's");
	const fault =
		certificateFault(certificate, ca, household, key, userName, crypto, wallMs) ??
		documentFault(document, ca, household, crypto, wallMs);
	return fault ?? { key, userName, certificate, root, document, settingsKey };
}

function certificateFault(
	der: Uint8Array,
	ca: Certificate,
	household: Household,
	key: PrivateKey,
	userName: string,
	crypto: Crypto,
	wallMs: number,
): Refused | undefined {
	const read = readCertificate(der, crypto);
	if (isRefused(read)) return read;
	const nodeIdLength = read.nodeIds[0]?.length;
	if (nodeIdLength === undefined) return refuse("the certificate has no Node-ID");
	const trust = new Trust({ crypto, roots: [ca], overlayName: household.overlayName, nodeIdLength });
	const certificate = trust.check(der, [], wallMs);
	if (isRefused(certificate)) return certificate;
	if (!equalBytes(certificate.spki, key.spki)) return refuse("the certificate is for another key");
	return certificate.userName === userName ? undefined : refuse("the certificate is for another name");
}

function documentFault(
	bytes: Uint8Array,
	ca: Certificate,
	household: Household,
	crypto: Crypto,
	wallMs: number,
): Refused | undefined {
	const document = readConfigDocument(bytes, crypto, household.overlayName);
	if (isRefused(document)) return document;
	const { config } = document;
	if (!config.rootCerts.some((der) => equalBytes(der, ca.der)))
		return refuse("the configuration document does not name the household's CA");
	const { nodeIdLength, badNodes } = config;
	const trust = new Trust({ crypto, roots: [ca], overlayName: household.overlayName, nodeIdLength, badNodes });
	const fault = verifyConfigSignature(document, config, new Verifier(trust, crypto), wallMs);
	if (fault !== undefined) return fault;
	// RFC 6940 §11.1 MUST NOT join with a mandatory-extension that is not supported.
	const unsupported = unsupportedExtensions(config);
	return unsupported.length === 0
		? undefined
		: refuse("the household needs an extension that this version does not have");
}

function decodeMap(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
	try {
		const decoder = new Decoder({ useRecords: false, mapsAsObjects: true });
		const value: unknown = decoder.decode(body.slice() as Parameters<Decoder["decode"]>[0]);
		if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
		return value as Readonly<Record<string, unknown>>;
	} catch {
		// The decoder throws at octets that are no CBOR: to the caller no map.
		return undefined;
	}
}

/** A copy: what is kept must not hold the whole answer. */
function octetsOf(map: Readonly<Record<string, unknown>>, name: string): Uint8Array | undefined {
	const value = map[name];
	return value instanceof Uint8Array ? new Uint8Array(value) : undefined;
}
