/** Writing a signed configuration document. RFC 6940 §11.1. What is wrong in a configuration is our own caller's fault, and throws. */
import type { Crypto } from "../../hal/hal.ts";
import { type LocalIdentity, signBlob } from "../identity/signer.ts";
import { isRefused } from "../machine.ts";
import { concatBytes, includesBytes, toHex, utf8ToBytes } from "../wire/bytes.ts";
import { writeSecurityBlock } from "../wire/security.ts";
import { encode } from "../wire/writer.ts";
import { toBase64 } from "./base64.ts";
import type { OverlayConfig } from "./document.ts";
import { dataModelText } from "./kind-element.ts";
import type { KindDefinition } from "./kinds.ts";
import { Namespace, namespaceDeclarations } from "./namespaces.ts";
import { readConfigDocument } from "./read.ts";
import { dateTimeText } from "./values.ts";

/**
 * The document of `config`, signed by `signer`, who should be a configuration-signer of the configuration before (and of this one).
 * Everything is written out, defaults too, so that the document reads the same wherever defaults differ.
 */
export function writeConfigDocument(config: OverlayConfig, signer: LocalIdentity, crypto: Crypto): Uint8Array {
	const kinds = config.requiredKinds.map((kind) => kindBlock(kind, config, signer, crypto));
	const configuration = utf8ToBytes(configurationElement(config, kinds));
	const security = encode(writeSecurityBlock, signBlob(signer, configuration, crypto));
	const document = concatBytes(
		utf8ToBytes(`<?xml version="1.0" encoding="UTF-8"?>\n<overlay xmlns="${Namespace.base}">\n`),
		configuration,
		utf8ToBytes(`\n<signature>${toBase64(security)}</signature>\n</overlay>\n`),
	);
	const read = readConfigDocument(document, crypto, config.instanceName);
	if (isRefused(read)) throw new Error(`this configuration cannot be written: ${read.refused}`);
	return document;
}

/** The `kind` element, standing for itself: it declares its namespaces. */
export function kindElement(kind: KindDefinition, indent = ""): string {
	const lines = [
		`<kind xmlns="${Namespace.base}" ${kind.name === undefined ? `id="${kind.id}"` : `name="${escaped(kind.name)}"`}>`,
		`\t<data-model>${dataModelText(kind.dataModel)}</data-model>`,
		`\t<access-control>${escaped(kind.accessControl)}</access-control>`,
		`\t<max-count>${kind.maxCount}</max-count>`,
		`\t<max-size>${kind.maxSize}</max-size>`,
	];
	if (kind.maxNodeMultiple !== undefined)
		lines.push(`\t<max-node-multiple>${kind.maxNodeMultiple}</max-node-multiple>`);
	const domains = kind.domainRestrictions;
	if (domains !== undefined) {
		// [D-29]: the grammar's name.
		lines.push(`\t<sip:domain-restriction xmlns:sip="${Namespace.sip}" enable="${domains.enable}">`);
		for (const pattern of domains.patterns) lines.push(`\t\t<sip:pattern>${escaped(pattern)}</sip:pattern>`);
		lines.push("\t</sip:domain-restriction>");
	}
	lines.push("</kind>");
	return lines.join(`\n${indent}`);
}

/**
 * Choice ([D-27], §11.1): inside of a signed configuration only private Kinds get a kind-signature, and only by a kind-signer: it lets a
 * member hand such a Kind on by itself. Registered ones are known to every member, and a signature would double their size.
 */
function kindBlock(kind: KindDefinition, config: OverlayConfig, signer: LocalIdentity, crypto: Crypto): string {
	const element = kindElement(kind, "\t\t\t");
	const signs = kind.name === undefined && includesBytes(config.kindSigners, signer.nodeId);
	const security = signs ? encode(writeSecurityBlock, signBlob(signer, utf8ToBytes(element), crypto)) : undefined;
	const signature = security === undefined ? "" : `\n\t\t\t<kind-signature>${toBase64(security)}</kind-signature>`;
	return `\t\t<kind-block>\n\t\t\t${element}${signature}\n\t\t</kind-block>`;
}

function configurationElement(config: OverlayConfig, kinds: readonly string[]): string {
	// All namespaces inside the signed octets: see `outerPrefixFault`.
	const lines = [`<configuration${namespaceDeclarations()}`];
	lines.push(`\tinstance-name="${escaped(config.instanceName)}" sequence="${config.sequence}"${expiration(config)}>`);
	writeOverlay(lines, config);
	writePeople(lines, config);
	writeTimers(lines, config);
	if (kinds.length > 0) lines.push("\t<required-kinds>", ...kinds, "\t</required-kinds>");
	lines.push("</configuration>");
	return lines.join("\n");
}

function expiration(config: OverlayConfig): string {
	return config.expirationMs === undefined ? "" : ` expiration="${dateTimeText(config.expirationMs)}"`;
}

/** What the overlay is and how messages travel. */
function writeOverlay(lines: string[], config: OverlayConfig): void {
	element(lines, "topology-plugin", config.topologyPlugin);
	element(lines, "node-id-length", config.nodeIdLength);
	if (config.profile !== undefined) element(lines, "ringlet:profile", config.profile);
	for (const namespace of config.mandatoryExtensions) element(lines, "mandatory-extension", namespace);
	element(lines, "clients-permitted", config.clientsPermitted);
	element(lines, "no-ice", config.noIce);
	element(lines, "turn-density", config.turnDensity);
	element(lines, "max-message-size", config.maxMessageSize);
	element(lines, "initial-ttl", config.initialTtl);
	for (const protocol of config.overlayLinkProtocols) element(lines, "overlay-link-protocol", protocol);
	for (const { address, port } of config.bootstrapNodes)
		lines.push(`\t<bootstrap-node address="${escaped(address)}" port="${port}"/>`);
}

/** Who is believed. */
function writePeople(lines: string[], config: OverlayConfig): void {
	for (const der of config.rootCerts) element(lines, "root-cert", toBase64(der));
	for (const url of config.enrollmentServers) element(lines, "enrollment-server", url);
	if (config.selfSignedPermitted !== undefined)
		lines.push(`\t<self-signed-permitted digest="${config.selfSignedPermitted}">true</self-signed-permitted>`);
	if (config.sharedSecret !== undefined) element(lines, "shared-secret", config.sharedSecret);
	for (const nodeId of config.configurationSigners) element(lines, "configuration-signer", toHex(nodeId));
	for (const nodeId of config.kindSigners) element(lines, "kind-signer", toHex(nodeId));
	for (const nodeId of config.badNodes) element(lines, "bad-node", toHex(nodeId));
}

function writeTimers(lines: string[], config: OverlayConfig): void {
	element(lines, "overlay-reliability-timer", config.overlayReliabilityTimerMs);
	element(lines, "chord:chord-update-interval", config.chordUpdateIntervalS);
	element(lines, "chord:chord-ping-interval", config.chordPingIntervalS);
	element(lines, "chord:chord-reactive", config.chordReactive);
	if (config.redirBranchingFactor !== undefined) element(lines, "redir:branching-factor", config.redirBranchingFactor);
	if (config.numberOfPeersToProbe !== undefined)
		element(lines, "self-tuning:number-of-peers-to-probe", config.numberOfPeersToProbe);
}

function element(lines: string[], name: string, value: string | number | boolean): void {
	lines.push(`\t<${name}>${escaped(String(value))}</${name}>`);
}

/** XML 1.0 §2.4. */
function escaped(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
