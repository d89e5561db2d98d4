/**
 * TLS as RELOAD links need it (RFC 6940 §6.6: both ends present certificates; RFC 5246, RFC 8446). Who the other end is decides
 * the core (`Trust`), not OpenSSL: every certificate is accepted here, and handed over as DER.
 */
import { constants } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions, type TLSSocket } from "node:tls";
import type { PrivateKey } from "../hal.ts";
import { CHAIN_CERTIFICATES } from "./limits.ts";

/** What an end of a TLS connection shows and proves; a LocalIdentity of the core fits. */
export interface TlsIdentity {
	/** DER, leaf first. */
	readonly chain: readonly Uint8Array[];
	readonly key: PrivateKey;
}

export interface TlsVersions {
	readonly minVersion?: "TLSv1.2" | "TLSv1.3";
	readonly maxVersion?: "TLSv1.2" | "TLSv1.3";
}

/** Authenticated encryption and elliptic curves only; for TLS 1.2 the ECDSA suites that fit P-256 certificates. */
const CIPHERS = [
	"TLS_AES_128_GCM_SHA256",
	"TLS_AES_256_GCM_SHA384",
	"TLS_CHACHA20_POLY1305_SHA256",
	"ECDHE-ECDSA-AES128-GCM-SHA256",
	"ECDHE-ECDSA-AES256-GCM-SHA384",
	"ECDHE-ECDSA-CHACHA20-POLY1305",
].join(":");

/** P-256 first: devices have it in hardware or in their TLS library; X25519 where both like it better. */
const CURVES = "prime256v1:X25519";

/**
 * OpenSSL options. No session tickets and no resumption: a resumed TLS 1.2 session shows no certificate, and every link must
 * show one. No renegotiation: the identity of a link never changes.
 */
const OPTIONS =
	constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE;

/** Contexts by identity: parsing keys and certificates costs as much as half a handshake. */
const contexts = new WeakMap<TlsIdentity, Map<string, SecureContext>>();

/** The options of a context, for APIs that build their own. */
export function secureContextOptions(identity: TlsIdentity, versions: TlsVersions = {}): SecureContextOptions {
	return {
		cert: identity.chain.map((der) => pem("CERTIFICATE", der)).join(""),
		key: pem("PRIVATE KEY", identity.key.exportPkcs8()),
		ciphers: CIPHERS,
		ecdhCurve: CURVES,
		minVersion: versions.minVersion ?? "TLSv1.2",
		maxVersion: versions.maxVersion ?? "TLSv1.3",
		secureOptions: OPTIONS,
	};
}

/** The context of an identity; the same one each time for the same object. Throws when key and certificate do not fit. */
export function secureContext(identity: TlsIdentity, versions: TlsVersions = {}): SecureContext {
	let byVersion = contexts.get(identity);
	if (byVersion === undefined) {
		byVersion = new Map();
		contexts.set(identity, byVersion);
	}
	const name = `${versions.minVersion}-${versions.maxVersion}`;
	let context = byVersion.get(name);
	if (context === undefined) {
		context = createSecureContext(secureContextOptions(identity, versions));
		byVersion.set(name, context);
	}
	return context;
}

/**
 * The certificates the other end has shown, DER, leaf first; empty when it has shown none. The handshake has proved that it holds
 * the leaf's key; nothing else about them has been checked.
 */
export function peerChain(socket: TLSSocket): Uint8Array[] {
	const chain: Uint8Array[] = [];
	let certificate = socket.getPeerX509Certificate();
	while (certificate !== undefined && chain.length < CHAIN_CERTIFICATES) {
		const der = certificate.raw;
		const last = chain[chain.length - 1];
		// OpenSSL gives a client the leaf twice: once as such and once as the first of the chain.
		if (last === undefined || !der.equals(last)) chain.push(new Uint8Array(der));
		certificate = certificate.issuerCertificate;
	}
	return chain;
}

function pem(label: string, der: Uint8Array): string {
	const text = Buffer.from(der).toString("base64");
	let lines = `-----BEGIN ${label}-----\n`;
	for (let at = 0; at < text.length; at += 64) lines += `${text.slice(at, at + 64)}\n`;
	return `${lines}-----END ${label}-----\n`;
}
