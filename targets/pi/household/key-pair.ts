/** A certificate with its key, as a sealed record and in memory. */

import { type Certificate, readCertificate } from "../../../core/identity/certificate.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { isRefused } from "../../../core/machine.ts";
import type { Crypto, PrivateKey } from "../../../hal/hal.ts";
import { UserError } from "../state/errors.ts";
import { RENEW_AT } from "./limits.ts";

/** What is sealed: DER certificate and PKCS#8 key. */
export interface StoredKeyPair {
	readonly certificate: Uint8Array;
	readonly pkcs8: Uint8Array;
}

export interface KeyPair {
	readonly certificate: Certificate;
	readonly key: PrivateKey;
}

export function storedKeyPair(certificate: Uint8Array, key: PrivateKey): StoredKeyPair {
	return { certificate, pkcs8: key.exportPkcs8() };
}

/** Opens a stored pair; `where` names the record in the error. */
export function openKeyPair(stored: unknown, where: string, crypto: Crypto): KeyPair {
	const { certificate, pkcs8 } = (stored ?? {}) as Partial<StoredKeyPair>;
	if (!(certificate instanceof Uint8Array) || !(pkcs8 instanceof Uint8Array))
		throw new UserError(`record ${where}: missing or damaged`, "restore the state directory from a backup");
	const read = readCertificate(certificate, crypto);
	if (isRefused(read))
		throw new UserError(`record ${where}: ${read.refused}`, "restore the state directory from a backup");
	return { certificate: read, key: crypto.importKey(pkcs8) };
}

/** An identity of the overlay from its pair. The household CA issues directly: the chain is the certificate alone. */
export function localIdentity(pair: KeyPair, where: string): LocalIdentity {
	const nodeId = pair.certificate.nodeIds[0];
	const userName = pair.certificate.userName;
	if (nodeId === undefined || userName === undefined)
		throw new UserError(`record ${where}: its certificate names no node`, "restore the state directory from a backup");
	return { certificate: pair.certificate, chain: [pair.certificate.der], nodeId, userName, key: pair.key };
}

/** True from `part` of its lifetime on. */
export function wantsRenewal(certificate: Certificate, wallMs: number, part: number = RENEW_AT): boolean {
	const { notBeforeMs, notAfterMs } = certificate;
	return wallMs >= notBeforeMs + (notAfterMs - notBeforeMs) * part;
}

/** PEM of DER octets (RFC 7468). */
export function pem(label: "CERTIFICATE" | "PRIVATE KEY", der: Uint8Array): string {
	const lines = Buffer.from(der)
		.toString("base64")
		.replaceAll(/(.{64})(?=.)/g, "$1\n");
	return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
