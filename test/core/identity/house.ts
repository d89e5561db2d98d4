/** A household for tests: a CA, nodes with certificates, a clock that stands still. */

import { type Certificate, readCertificate } from "../../../core/identity/certificate.ts";
import { type Issuer, makeCaCertificate, makeCertificate } from "../../../core/identity/certificate-writer.ts";
import { type LocalIdentity, makeLocalIdentity } from "../../../core/identity/signer.ts";
import { Trust, type TrustOptions } from "../../../core/identity/trust.ts";
import { isRefused, type Refused } from "../../../core/machine.ts";
import type { Crypto, PrivateKey } from "../../../hal/hal.ts";
import { nodeCrypto } from "../../../hal/node/crypto.ts";

export const crypto: Crypto = nodeCrypto();
export const DAY = 86_400_000;
/** 2026-03-01T12:00Z */
export const NOW = 1_772_366_400_000;
export const OVERLAY = "overlay.example.org";

export const validity = { notBeforeMs: NOW - DAY, notAfterMs: NOW + 365 * DAY };

/** The result, or a test failure that says why it was refused. */
export function good<T extends object>(result: T | Refused): T {
	if (isRefused(result)) throw new Error(`refused at ${result.at}: ${result.refused}`);
	return result;
}

/** The refusal's text, or a test failure. */
export function why(result: object | Refused | undefined): string {
	if (result === undefined || !isRefused(result)) throw new Error("not refused");
	return result.refused;
}

export function newIssuer(overlayName = OVERLAY, times = validity): Issuer {
	const key = crypto.generateKey();
	return { certificate: read(makeCaCertificate({ ...times, overlayName, key }, crypto)), key };
}

export function read(der: Uint8Array): Certificate {
	return good(readCertificate(der, crypto));
}

export interface Member {
	readonly userName?: string;
	readonly nodeIds?: readonly Uint8Array[];
	readonly overlayName?: string;
	readonly key?: PrivateKey;
	readonly notBeforeMs?: number;
	readonly notAfterMs?: number;
	readonly chain?: readonly Uint8Array[];
	readonly nodeId?: Uint8Array;
}

/** A node or user enrolled at `issuer`. */
export function enroll(issuer: Issuer, member: Member = {}): LocalIdentity {
	const key = member.key ?? crypto.generateKey();
	const template = {
		...validity,
		userName: "door@overlay.example.org",
		nodeIds: [crypto.random(16)],
		overlayName: OVERLAY,
		...member,
		spki: key.spki,
	};
	const chain = [makeCertificate(template, issuer, crypto), ...(member.chain ?? [])];
	return good(makeLocalIdentity({ chain, key, ...(member.nodeId ? { nodeId: member.nodeId } : {}) }, crypto));
}

export function trustOf(issuer: Issuer | Certificate, options: Partial<TrustOptions> = {}): Trust {
	const root = "der" in issuer ? issuer : issuer.certificate;
	return new Trust({ crypto, roots: [root], overlayName: OVERLAY, nodeIdLength: 16, ...options });
}
