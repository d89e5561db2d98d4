/** The household's certificate authority: its key signs certificates for nodes, users, the configuration-signer and the TLS server. */
import { isIP } from "node:net";
import { type Certificate, readCertificate } from "../../../core/identity/certificate.ts";
import {
	makeCaCertificate,
	makeCertificate,
	makeServerCertificate,
	type Validity,
} from "../../../core/identity/certificate-writer.ts";
import { isOverlayName } from "../../../core/identity/reload-uri.ts";
import { isRefused } from "../../../core/machine.ts";
import type { Crypto } from "../../../hal/hal.ts";
import { type KeyPair, pem } from "./key-pair.ts";
import { BACKDATE_MS, CA_LIFETIME_MS, CERTIFICATE_LIFETIME_MS } from "./limits.ts";

/** Octets of a Node-ID in a household (node-id-length). */
export const NODE_ID_LENGTH = 16;

export class Authority {
	readonly overlayName: string;
	readonly #pair: KeyPair;
	readonly #crypto: Crypto;

	constructor(overlayName: string, pair: KeyPair, crypto: Crypto) {
		this.overlayName = overlayName;
		this.#pair = pair;
		this.#crypto = crypto;
	}

	/** A new CA: P-256, self-signed. */
	static make(overlayName: string, wallMs: number, crypto: Crypto): KeyPair {
		const key = crypto.generateKey();
		const validity = { notBeforeMs: wallMs - BACKDATE_MS, notAfterMs: wallMs + CA_LIFETIME_MS };
		const der = makeCaCertificate({ overlayName, key, ...validity }, crypto);
		return { certificate: mustRead(der, crypto), key };
	}

	/** The CA's certificate: root-cert of the configuration. */
	get root(): Certificate {
		return this.#pair.certificate;
	}

	/** The CA's certificate as PEM, for curl and phones. */
	get rootPem(): string {
		return pem("CERTIFICATE", this.root.der);
	}

	/** What an invitation pins: `fingerprintOf` of the CA's key. */
	get fingerprint(): string {
		return fingerprintOf(this.root.spki, this.#crypto);
	}

	/** From an hour ago on, for `lifetimeMs`, and never beyond the CA. */
	validity(wallMs: number, lifetimeMs = CERTIFICATE_LIFETIME_MS): Validity {
		return { notBeforeMs: wallMs - BACKDATE_MS, notAfterMs: Math.min(wallMs + lifetimeMs, this.root.notAfterMs) };
	}

	/** A certificate for a node or user, DER. */
	issue(
		subject: { readonly spki: Uint8Array; readonly nodeIds: readonly Uint8Array[]; readonly userName: string },
		validity: Validity,
	): Uint8Array {
		return makeCertificate({ ...subject, overlayName: this.overlayName, ...validity }, this.#pair, this.#crypto);
	}

	/**
	 * The TLS certificate of the enrollment server. RFC 6940 §11.2 MUST: it matches the overlay name; the addresses are in it as
	 * well, for clients that were given one of them. Hosts that are neither address nor DNS name are left out.
	 */
	issueServer(spki: Uint8Array, hosts: readonly string[], validity: Validity): Uint8Array {
		const ipAddresses = hosts.map(addressOctets).filter((octets) => octets !== undefined);
		const dnsNames = hosts.map((host) => host.toLowerCase()).filter((host) => isIP(host) === 0 && isOverlayName(host));
		const names = { overlayName: this.overlayName, dnsNames: [...new Set(dnsNames)], ipAddresses };
		return makeServerCertificate({ spki, ...names, ...validity }, this.#pair, this.#crypto);
	}

	/**
	 * RFC 6940 §11.3 MUST: Node-IDs are random and the server's choice. `taken` tells whether one is in use.
	 * All zero (no node) and all ones (wildcard, §6.3.1.1) are never drawn.
	 */
	newNodeIds(count: number, taken: (nodeId: Uint8Array) => boolean): Uint8Array[] {
		const nodeIds: Uint8Array[] = [];
		while (nodeIds.length < count) {
			const nodeId = this.#crypto.random(NODE_ID_LENGTH);
			const special = nodeId.every((octet) => octet === 0) || nodeId.every((octet) => octet === 0xff);
			if (!special && !taken(nodeId)) nodeIds.push(nodeId);
		}
		return nodeIds;
	}
}

/** SHA-256 of a SubjectPublicKeyInfo, as base64url: how a household is told from another with the same name. */
export function fingerprintOf(spki: Uint8Array, crypto: Crypto): string {
	return Buffer.from(crypto.hash("sha256", spki)).toString("base64url");
}

/** SHA-256 of a SubjectPublicKeyInfo, hex: how the registry finds a key. */
export function keyHash(spki: Uint8Array, crypto: Crypto): string {
	return Buffer.from(crypto.hash("sha256", spki)).toString("hex");
}

/** 4 or 16 octets of an IP address; undefined for anything else. */
export function addressOctets(address: string): Uint8Array | undefined {
	if (isIP(address) === 4) return Uint8Array.from(address.split("."), Number);
	if (isIP(address) !== 6 || address.includes("%")) return undefined;
	const [head = "", tail] = embeddedV4(address).split("::");
	const left = groups(head);
	const right = tail === undefined ? [] : groups(tail);
	const zeros = new Array<number>(8 - left.length - right.length).fill(0);
	return Uint8Array.from([...left, ...zeros, ...right].flatMap((group) => [group >> 8, group & 0xff]));
}

/** `::ffff:192.0.2.1` -> `::ffff:c000:201` */
function embeddedV4(address: string): string {
	const at = address.lastIndexOf(":");
	const last = address.slice(at + 1);
	if (isIP(last) !== 4) return address;
	const [a = 0, b = 0, c = 0, d = 0] = last.split(".").map(Number);
	return `${address.slice(0, at + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function groups(text: string): number[] {
	return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

/** Reads a certificate that was just made here. */
export function mustRead(der: Uint8Array, crypto: Crypto): Certificate {
	const read = readCertificate(der, crypto);
	if (isRefused(read)) throw new Error(`a certificate made here does not read: ${read.refused}`);
	return read;
}
