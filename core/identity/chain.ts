/** From a certificate to a root-cert: RFC 5280 §6.1 in the small. */
import type { Crypto } from "../../hal/hal.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { equalBytes } from "../wire/bytes.ts";
import { type Certificate, readCertificate } from "./certificate.ts";
import { BUCKET_CERTIFICATES, CHAIN_INTERMEDIATES, CHAIN_VERIFICATIONS } from "./limits.ts";
import { KeyUsage } from "./oids.ts";
import { isStrongSignature, STRONG_SIGNATURES } from "./strength.ts";
import { formatMoment } from "./time.ts";

/** One issuer of a chain; `role` names it in refusals. */
export interface ChainLink {
	readonly certificate: Certificate;
	readonly role: string;
}

export interface ChainContext {
	readonly crypto: Crypto;
	readonly roots: readonly Certificate[];
	readonly wallMs: number;
}

const ROOT_ROLE = "the overlay's root-cert";
const INTERMEDIATE_ROLE = "an intermediate certificate";

/** The search's memory: what is left to spend, and the fault most worth telling. */
interface Search {
	readonly context: ChainContext;
	readonly others: readonly Uint8Array[];
	/** Read out of `others` when no root-cert has issued the leaf itself. */
	intermediates: readonly Certificate[] | undefined;
	verifications: number;
	fault: Refused | undefined;
}

/** Issuers of `leaf`, from the nearest to the root-cert; every signature verified, every validity and constraint met. */
export function findChain(
	leaf: Certificate,
	others: readonly Uint8Array[],
	context: ChainContext,
): readonly ChainLink[] | Refused {
	const search: Search = {
		context,
		others,
		intermediates: undefined,
		verifications: CHAIN_VERIFICATIONS,
		fault: undefined,
	};
	const chain = climb(leaf, 0, search);
	if (chain !== undefined) return chain;
	return (
		search.fault ?? refuse("the certificate is not issued by a root-cert of this overlay: enroll with this overlay")
	);
}

/**
 * Why a certificate is not valid now, in words that mention the clock: on a fresh device it is the usual reason. A `wallMs` of NaN says
 * that the time is not known; then nothing is too early or too late.
 */
export function timeFault(certificate: Certificate, role: string, wallMs: number): Refused | undefined {
	const { notBeforeMs, notAfterMs } = certificate;
	// RFC 5280 §4.1.2.5: both ends belong to the validity; notAfter holds through its last second.
	if (wallMs < notBeforeMs)
		return refuse(
			`${role} is valid from ${formatMoment(notBeforeMs)} on, but the clock here says ${formatMoment(wallMs)}: set the clock`,
		);
	if (wallMs >= notAfterMs + 1000)
		return refuse(
			`${role} expired on ${formatMoment(notAfterMs)}, and the clock here says ${formatMoment(wallMs)}: ` +
				"enroll again, or set the clock if it is wrong",
		);
	return undefined;
}

/** Certificates that may stand between leaf and root; unreadable and unfit ones are passed over. */
function readIntermediates(others: readonly Uint8Array[], crypto: Crypto): Certificate[] {
	const found: Certificate[] = [];
	const count = Math.min(others.length, BUCKET_CERTIFICATES);
	for (let i = 0; i < count; i++) {
		const certificate = readCertificate(others[i]!.slice(), crypto);
		if (!isRefused(certificate) && mayIssue(certificate)) found.push(certificate);
	}
	return found;
}

/** RFC 5280 §6.1.4 (k), (n): basicConstraints with cA, and keyCertSign where there is a keyUsage. */
function mayIssue(certificate: Certificate): boolean {
	return (
		certificate.isCa && (certificate.keyUsage === undefined || (certificate.keyUsage & KeyUsage.keyCertSign) !== 0)
	);
}

/** `below`: intermediates already between the leaf and `subject`'s issuer. */
function climb(subject: Certificate, below: number, search: Search): ChainLink[] | undefined {
	for (const root of search.context.roots) {
		if (isIssuedBy(subject, root, ROOT_ROLE, below, search)) return [{ certificate: root, role: ROOT_ROLE }];
	}
	if (below === CHAIN_INTERMEDIATES) return undefined;
	search.intermediates ??= readIntermediates(search.others, search.context.crypto);
	for (const issuer of search.intermediates) {
		if (!isIssuedBy(subject, issuer, INTERMEDIATE_ROLE, below, search)) continue;
		const above = climb(issuer, below + 1, search);
		if (above === undefined) continue;
		return [{ certificate: issuer, role: INTERMEDIATE_ROLE }].concat(above);
	}
	return undefined;
}

function isIssuedBy(subject: Certificate, issuer: Certificate, role: string, below: number, search: Search): boolean {
	if (!equalBytes(subject.issuer, issuer.subject) || !keysMatch(subject, issuer)) return false;
	const fault = issuerFault(subject, issuer, role, below, search);
	if (fault === undefined) return true;
	search.fault ??= fault;
	return false;
}

/** RFC 5280 §4.2.1.1: the authority key identifier, where both sides have one, tells CAs of the same name apart. */
function keysMatch(subject: Certificate, issuer: Certificate): boolean {
	if (subject.authorityKeyId === undefined || issuer.subjectKeyId === undefined) return true;
	return equalBytes(subject.authorityKeyId, issuer.subjectKeyId);
}

function issuerFault(
	subject: Certificate,
	issuer: Certificate,
	role: string,
	below: number,
	search: Search,
): Refused | undefined {
	if (!mayIssue(issuer)) return refuse(`${role} may not issue certificates (basicConstraints, keyUsage)`);
	if (issuer.pathLength !== undefined && below > issuer.pathLength)
		return refuse(`${role} may not have that many certificates below it (pathLenConstraint)`);
	const late = timeFault(issuer, role, search.context.wallMs);
	if (late !== undefined) return late;
	if (!isStrongSignature(subject.signatureAlgorithm))
		return refuse(`the certificate is not signed with ${STRONG_SIGNATURES}: enroll again`);
	if (search.verifications === 0) return refuse("too many certificates to try for one chain");
	search.verifications--;
	const { signatureAlgorithm, tbs, signatureValue } = subject;
	if (search.context.crypto.verify(issuer.spki, signatureAlgorithm, tbs, signatureValue)) return undefined;
	return refuse(`the certificate names ${role} as its issuer but was not signed by it: altered or forged`);
}
