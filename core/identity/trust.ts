/**
 * Whom this node believes. Before editing read RFC 6940 §11.1 (bad-node), §11.3, §11.3.1 and RFC 5280 §6.
 *
 *     leaf -> seen before? --yes--> time of the whole chain, bad-node -> believed
 *               | no
 *               v
 *     contents (overlay, Node-IDs, user name, keyUsage), time, bad-node
 *               v
 *     chain to a root-cert, through at most CHAIN_INTERMEDIATES   or   self-signed: Node-IDs follow from the key
 *               v
 *     remembered (signatures of the chain are not verified again), believed
 *
 * What depends on time or on the bad-node list is checked each time; only signatures that did verify are remembered.
 */
import type { Crypto } from "../../hal/hal.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { equalBytes, includesBytes, toHex } from "../wire/bytes.ts";
import { certificateHashInput } from "../wire/message.ts";
import { type Certificate, readCertificate } from "./certificate.ts";
import { type ChainLink, findChain, timeFault } from "./chain.ts";
import { CERTIFICATE_OCTETS, TRUST_CACHE } from "./limits.ts";
import { KeyUsage } from "./oids.ts";
import { lowerCase } from "./reload-uri.ts";
import { selfSignedNodeIds } from "./self-signed.ts";

export interface TrustOptions {
	readonly crypto: Crypto;
	/** root-cert elements of the configuration. */
	readonly roots: readonly Certificate[];
	/** instance-name of the configuration. */
	readonly overlayName: string;
	/** Octets of a Node-ID, 16..20. */
	readonly nodeIdLength: number;
	/** Digest of self-signed-permitted; undefined when self-signed certificates are not allowed. */
	readonly selfSigned?: "sha1" | "sha256" | undefined;
	/** bad-node elements: revoked Node-IDs. */
	readonly badNodes?: readonly Uint8Array[];
}

/** A certificate whose chain verified. */
interface Entry {
	readonly certificate: Certificate;
	/** Issuers up to the root-cert; empty when the leaf is self-signed or a root-cert itself. */
	readonly issuers: readonly ChainLink[];
	/** DER: the certificate, then the intermediates used; root-certs are not included. */
	readonly chain: readonly Uint8Array[];
	/** Keys of `#byNodeIdHash` that lead here. */
	readonly aliases: readonly string[];
}

/** A certificate known by the hash that a SignerIdentity gives. */
export interface KnownSigner {
	readonly certificate: Certificate;
	readonly nodeId: Uint8Array;
}

export class Trust {
	readonly #crypto: Crypto;
	readonly #overlayName: string;
	readonly #nodeIdLength: number;
	#roots: readonly Certificate[];
	#selfSigned: "sha1" | "sha256" | undefined;
	#badNodes = new Set<string>();
	/** Certificates seen before, by the hex of their SHA-256; in order of use, oldest first. */
	readonly #entries = new Map<string, Entry>();
	/** RFC 6940 §6.3.4 cert_hash_node_id: hex of SHA-256(Node-ID || certificate), for certificates of several Node-IDs. */
	readonly #byNodeIdHash = new Map<string, KnownSigner>();

	constructor(options: TrustOptions) {
		this.#crypto = options.crypto;
		this.#roots = options.roots;
		this.#overlayName = lowerCase(options.overlayName);
		this.#nodeIdLength = options.nodeIdLength;
		this.#selfSigned = options.selfSigned;
		this.setBadNodes(options.badNodes ?? []);
	}

	/** Certificates remembered, at most `TRUST_CACHE`. */
	get size(): number {
		return this.#entries.size;
	}

	/**
	 * Checks that `leafDer` is a certificate of this overlay now: chain, validity, contents, bad-node.
	 * `others`: DER certificates that may be intermediates, in any order. `wallMs`: milliseconds since 1970; NaN while the time is not
	 * known (dates are not checked then).
	 */
	check(leafDer: Uint8Array, others: readonly Uint8Array[], wallMs: number): Certificate | Refused {
		if (leafDer.length > CERTIFICATE_OCTETS) return refuse("certificate too large");
		const key = toHex(this.#crypto.hash("sha256", leafDer));
		const known = this.#recall(key, wallMs);
		if (known !== undefined) return known;
		// A copy: what is remembered must not live in a buffer that the next packet overwrites.
		const certificate = readCertificate(leafDer.slice(), this.#crypto);
		if (isRefused(certificate)) return certificate;
		const fault = this.#leafFault(certificate) ?? this.#presentFault(certificate, wallMs);
		if (fault !== undefined) return fault;
		const issuers = this.#findIssuers(certificate, others, wallMs);
		if (isRefused(issuers)) return issuers;
		this.#remember(key, certificate, issuers);
		return certificate;
	}

	/** As `check`, for a certificate that `check` gave out: no hashing when it is still remembered. */
	recheck(certificate: Certificate, others: readonly Uint8Array[], wallMs: number): Certificate | Refused {
		return this.#recall(toHex(certificate.sha256), wallMs) ?? this.check(certificate.der, others, wallMs);
	}

	/** cert_hash: the remembered certificate with this SHA-256, when it has just one Node-ID. */
	findByHash(hash: Uint8Array): KnownSigner | undefined {
		const certificate = this.#entries.get(toHex(hash))?.certificate;
		if (certificate === undefined || certificate.nodeIds.length !== 1) return undefined;
		return { certificate, nodeId: certificate.nodeIds[0]! };
	}

	/** cert_hash_node_id: the remembered certificate of several Node-IDs with this SHA-256(Node-ID || certificate). */
	findByNodeIdHash(hash: Uint8Array): KnownSigner | undefined {
		return this.#byNodeIdHash.get(toHex(hash));
	}

	/** What others need, besides root-certs, to verify what `certificate` signs: DER, itself first, then intermediates. */
	chainOf(certificate: Certificate): readonly Uint8Array[] {
		return this.#entries.get(toHex(certificate.sha256))?.chain ?? [certificate.der];
	}

	/** Replaces the bad-node list; takes effect at once, also for remembered certificates. */
	setBadNodes(badNodes: readonly Uint8Array[]): void {
		this.#badNodes = new Set();
		for (const nodeId of badNodes) this.#badNodes.add(toHex(nodeId));
	}

	/** Replaces the trust anchors and forgets every chain checked before. */
	setRoots(roots: readonly Certificate[]): void {
		this.#roots = roots;
		this.#forgetAll();
	}

	/** Allows self-signed certificates with this digest, or (undefined) no longer; forgets every chain checked before. */
	setSelfSigned(digest: "sha1" | "sha256" | undefined): void {
		this.#selfSigned = digest;
		this.#forgetAll();
	}

	/** True when the bad-node list has this Node-ID. */
	isBadNode(nodeId: Uint8Array): boolean {
		return this.#badNodes.has(toHex(nodeId));
	}

	/** The remembered certificate, or why it is not good now; undefined when it is not known (any more). */
	#recall(key: string, wallMs: number): Certificate | Refused | undefined {
		const entry = this.#entries.get(key);
		if (entry === undefined) return undefined;
		const fault = this.#presentFault(entry.certificate, wallMs);
		if (fault !== undefined) return fault;
		this.#entries.delete(key);
		for (const issuer of entry.issuers) {
			if (timeFault(issuer.certificate, issuer.role, wallMs) === undefined) continue;
			// An issuer ran out: another chain may lead to another root-cert, so the whole search is due again.
			this.#forgetAliases(entry);
			return undefined;
		}
		this.#entries.set(key, entry);
		return entry.certificate;
	}

	#remember(key: string, certificate: Certificate, issuers: readonly ChainLink[]): void {
		if (this.#entries.size >= TRUST_CACHE) this.#forgetOldest();
		const aliases: string[] = [];
		if (certificate.nodeIds.length > 1) {
			for (const nodeId of certificate.nodeIds) {
				const alias = toHex(this.#crypto.hash("sha256", certificateHashInput(certificate.der, nodeId)));
				this.#byNodeIdHash.set(alias, { certificate, nodeId });
				aliases.push(alias);
			}
		}
		this.#entries.set(key, { certificate, issuers, chain: chainOf(certificate, issuers), aliases });
	}

	#forgetOldest(): void {
		const oldest = this.#entries.entries().next();
		if (oldest.done === true) return;
		this.#entries.delete(oldest.value[0]);
		this.#forgetAliases(oldest.value[1]);
	}

	#forgetAliases(entry: Entry): void {
		for (const alias of entry.aliases) this.#byNodeIdHash.delete(alias);
	}

	#forgetAll(): void {
		this.#entries.clear();
		this.#byNodeIdHash.clear();
	}

	/** What may change from one moment to the next. */
	#presentFault(certificate: Certificate, wallMs: number): Refused | undefined {
		for (const nodeId of certificate.nodeIds) {
			// RFC 6940 §11.1 bad-node: the certificate is revoked.
			if (this.isBadNode(nodeId))
				return refuse(
					`Node-ID ${toHex(nodeId)} is revoked (bad-node of the configuration): enroll again for a new one`,
				);
		}
		return timeFault(certificate, `the certificate of ${certificate.userName}`, wallMs);
	}

	/** RFC 6940 §11.3: what the certificate of a node says. */
	#leafFault(certificate: Certificate): Refused | undefined {
		const { nodeIds, overlayName, userName, keyUsage } = certificate;
		if (overlayName === undefined || nodeIds.length === 0)
			return refuse("the certificate names no Node-ID (RELOAD URI): it is not one of an overlay's node");
		if (overlayName !== this.#overlayName)
			return refuse(
				`the certificate is of overlay ${overlayName}, this is ${this.#overlayName}: enroll with ${this.#overlayName}`,
			);
		if (userName === undefined) return refuse("the certificate names no user (rfc822Name): enroll again");
		for (const nodeId of nodeIds) {
			if (nodeId.length !== this.#nodeIdLength)
				return refuse(
					`the certificate has a Node-ID of ${nodeId.length} octets, this overlay uses ${this.#nodeIdLength}`,
				);
			// RFC 6940 §6.3.1.1: the wildcard Node-ID, and zero, are nobody's.
			if (nodeId.every((octet) => octet === 0) || nodeId.every((octet) => octet === 0xff))
				return refuse("the certificate names a reserved Node-ID");
		}
		if (keyUsage !== undefined && (keyUsage & KeyUsage.digitalSignature) === 0)
			return refuse("the key of the certificate may not sign (keyUsage)");
		if (certificate.publicKeyAlgorithm === 0) return refuse("the key of the certificate is neither P-256 nor RSA");
		return undefined;
	}

	#findIssuers(
		certificate: Certificate,
		others: readonly Uint8Array[],
		wallMs: number,
	): readonly ChainLink[] | Refused {
		for (const root of this.#roots) if (equalBytes(root.der, certificate.der)) return [];
		const isSelfIssued = equalBytes(certificate.issuer, certificate.subject);
		if (isSelfIssued && this.#verifiesItself(certificate)) return this.#selfSignedFault(certificate) ?? [];
		return findChain(certificate, others, { crypto: this.#crypto, roots: this.#roots, wallMs });
	}

	#verifiesItself(certificate: Certificate): boolean {
		const { spki, signatureAlgorithm, tbs, signatureValue } = certificate;
		return this.#crypto.verify(spki, signatureAlgorithm, tbs, signatureValue);
	}

	/** RFC 6940 §11.3.1 MUST: the Node-IDs of a self-signed certificate are digests of its key. */
	#selfSignedFault(certificate: Certificate): Refused | undefined {
		const digest = this.#selfSigned;
		if (digest === undefined)
			return refuse("this overlay takes no self-signed certificates: enroll with its enrollment server");
		const { nodeIds, spki } = certificate;
		const expected = selfSignedNodeIds(spki, digest, this.#nodeIdLength, nodeIds.length, this.#crypto);
		// All Node-IDs of a certificate differ, so each expected one is there, in whatever order.
		if (nodeIds.every((nodeId) => includesBytes(expected, nodeId))) return undefined;
		return refuse(`a Node-ID of the self-signed certificate is not the ${digest} of its key`);
	}
}

/** The last issuer is a root-cert. */
function chainOf(certificate: Certificate, issuers: readonly ChainLink[]): Uint8Array[] {
	const chain = [certificate.der];
	for (let i = 0; i < issuers.length - 1; i++) chain.push(issuers[i]!.certificate.der);
	return chain;
}
