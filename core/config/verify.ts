/** Whether to believe a configuration document. RFC 6940 §11.1; §6.5.4 (ConfigUpdate). */
import type { Crypto } from "../../hal/hal.ts";
import { type Certificate, readCertificate } from "../identity/certificate.ts";
import { formatMoment } from "../identity/time.ts";
import { Trust } from "../identity/trust.ts";
import type { Verifier } from "../identity/verify.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { includesBytes, toHex } from "../wire/bytes.ts";
import { decodeSecurityBlock } from "../wire/security.ts";
import type { ConfigDocument, OverlayConfig } from "./document.ts";
import { SUPPORTED_EXTENSIONS } from "./namespaces.ts";

/**
 * Checks that a document is signed by a configuration-signer of `previous`, the configuration in force (RFC 6940 §11.1 MUST).
 * `verifier` trusts by `previous`. The sequence is another question: `isNewerSequence`.
 * For a first document that came by hand, `previous` may be its own configuration: then it is at least whole, and of one household.
 */
export function verifyConfigSignature(
	document: ConfigDocument,
	previous: OverlayConfig,
	verifier: Verifier,
	wallMs: number,
): undefined | Refused {
	const { config, signatures, signedBytes } = document;
	// To the letter, though DNS names compare without case: the overlay field of messages is a hash of it.
	if (config.instanceName !== previous.instanceName)
		return refuse(`the document is of overlay ${config.instanceName}, not of ${previous.instanceName}`);
	let fault: Refused | undefined;
	for (const octets of signatures) {
		const security = decodeSecurityBlock(octets);
		const signer = isRefused(security) ? security : verifier.verifyBlob(signedBytes, security, wallMs);
		if (isRefused(signer)) fault ??= signer;
		else if (includesBytes(previous.configurationSigners, signer.nodeId)) return undefined;
		else fault ??= refuse(`Node-ID ${toHex(signer.nodeId)} signed the document but is no configuration-signer`);
	}
	return fault ?? refuse("the document is not signed");
}

/** RFC 6940 §11.1: a member should have fetched a newer document by then. Refused once the document has run out. */
export function expirationFault(config: OverlayConfig, wallMs: number): Refused | undefined {
	if (config.expirationMs === undefined || wallMs < config.expirationMs) return undefined;
	return refuse(
		`the configuration expired on ${formatMoment(config.expirationMs)}, and the clock here says ${formatMoment(wallMs)}: ` +
			"fetch a new one, or set the clock if it is wrong",
	);
}

/** RFC 6940 §11.1 MUST NOT: a node that does not support a mandatory-extension must not join. Those that this version does not. */
export function unsupportedExtensions(config: OverlayConfig): string[] {
	return config.mandatoryExtensions.filter((namespace) => !SUPPORTED_EXTENSIONS.includes(namespace));
}

/** root-cert elements as certificates. */
export function rootCertificates(config: OverlayConfig, crypto: Crypto): Certificate[] | Refused {
	const roots: Certificate[] = [];
	for (const der of config.rootCerts) {
		const certificate = readCertificate(der, crypto);
		if (isRefused(certificate)) return certificate;
		roots.push(certificate);
	}
	return roots;
}

/** Whom a member of the overlay believes by this configuration. */
export function trustByConfig(config: OverlayConfig, crypto: Crypto): Trust | Refused {
	const roots = rootCertificates(config, crypto);
	if (isRefused(roots)) return roots;
	return new Trust({
		crypto,
		roots,
		overlayName: config.instanceName,
		nodeIdLength: config.nodeIdLength,
		selfSigned: config.selfSignedPermitted,
		badNodes: config.badNodes,
	});
}
