/** Reading a configuration document. RFC 6940 §11.1. What is read is not yet believed: see `verify.ts`. */
import type { Crypto } from "../../hal/hal.ts";
import { isOverlayName, lowerCase } from "../identity/reload-uri.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { fromBase64 } from "./base64.ts";
import type { ConfigDocument, OverlayConfig } from "./document.ts";
import { DEFAULT_LINK_PROTOCOL, Draft } from "./draft.ts";
import { readElements } from "./elements.ts";
import { SIGNATURES } from "./limits.ts";
import { Namespace, PREFIXES } from "./namespaces.ts";
import { overlayHash } from "./overlay-hash.ts";
import { SEQUENCE_MODULUS } from "./sequence.ts";
import { dateTimeValue, integerValue } from "./values.ts";
import { attribute, readXml, trimmed, type XmlElement } from "./xml-tree.ts";

/**
 * Reads a document. `overlayName`: the overlay that was asked for; of several configurations the one with this instance-name is
 * taken, and without one the document is refused. Left out: the first configuration.
 */
export function readConfigDocument(bytes: Uint8Array, crypto: Crypto, overlayName?: string): ConfigDocument | Refused {
	const root = readXml(bytes);
	if (isRefused(root)) return root;
	if (root.namespace !== Namespace.base || root.name !== "overlay")
		return refuse("not a configuration document: the root element is not overlay of RFC 6940", root.start);
	const prefixes = outerPrefixFault(root);
	if (prefixes !== undefined) return prefixes;
	const at = findConfiguration(root, overlayName);
	if (typeof at === "object") return at;
	const configuration = root.children[at]!;
	const draft = new Draft(crypto, bytes);
	const config = readConfiguration(draft, configuration);
	if (isRefused(config)) return config;
	const signatures: Uint8Array[] = [];
	for (let i = at + 1; i < root.children.length && isBase(root.children[i]!, "signature"); i++) {
		const signature = fromBase64(root.children[i]!.text);
		if (signature === undefined) return refuse("signature: not base64", root.children[i]!.start);
		if (signatures.length < SIGNATURES) signatures.push(signature);
	}
	const signedBytes = bytes.subarray(configuration.start, configuration.end);
	return { config, bytes, signedBytes, signatures, kindBlocks: draft.kindBlocks };
}

/**
 * Choice (§11.1): a signature covers the octets of `configuration` (or `kind`) alone, so a namespace declared outside of it could be
 * exchanged by anybody, and signed elements would change their meaning. Outside, the namespaces we read are therefore taken
 * under their usual prefixes only, and those prefixes for nothing else.
 */
export function outerPrefixFault(outer: XmlElement): Refused | undefined {
	for (const { name, value } of outer.attributes) {
		const prefix = name === "xmlns" ? "" : name.startsWith("xmlns:") ? name.slice(6) : undefined;
		if (prefix === undefined) continue;
		for (const [usual, namespace] of PREFIXES) {
			if ((usual === prefix) === (namespace === value)) continue;
			return refuse(
				`namespace prefix "${prefix}" is declared outside of the signed element: declare it there`,
				outer.start,
			);
		}
	}
	return undefined;
}

/** Index of the configuration to read. RFC 6940 §11.2: one with another instance-name is not ours. */
function findConfiguration(root: XmlElement, overlayName: string | undefined): number | Refused {
	let other: string | undefined;
	for (let i = 0; i < root.children.length; i++) {
		const child = root.children[i]!;
		if (!isBase(child, "configuration")) continue;
		const name = attribute(child, "instance-name") ?? "";
		if (overlayName === undefined || lowerCase(name) === lowerCase(overlayName)) return i;
		other ??= name;
	}
	if (other === undefined) return refuse("the document has no configuration element", root.start);
	return refuse(`the document is of overlay ${other}, not of ${overlayName}`, root.start);
}

function readConfiguration(draft: Draft, element: XmlElement): OverlayConfig | Refused {
	const instanceName = attribute(element, "instance-name") ?? "";
	if (!isOverlayName(instanceName)) return refuse("instance-name is missing or not a DNS name", element.start);
	const sequenceText = attribute(element, "sequence");
	// RFC 6940 §11.1: 65535 is not a sequence number.
	const sequence = sequenceText === undefined ? 0 : integerValue(trimmed(sequenceText), 0, SEQUENCE_MODULUS - 1);
	if (sequence === undefined) return refuse("sequence is not of 0 to 65534", element.start);
	const expiration = attribute(element, "expiration");
	if (expiration !== undefined) draft.expirationMs = dateTimeValue(trimmed(expiration));
	if (expiration !== undefined && draft.expirationMs === undefined)
		return refuse("expiration is not a date and time", element.start);
	readElements(draft, element);
	// RFC 6940 §11.1: without root-cert nobody could be believed, unless certificates may be self-signed.
	if (draft.rootCerts.length === 0 && draft.selfSignedPermitted === undefined)
		draft.refuse(element, "neither root-cert nor self-signed-permitted");
	return draft.fault ?? finished(draft, instanceName, sequence);
}

function finished(draft: Draft, instanceName: string, sequence: number): OverlayConfig {
	const { crypto, bytes: _bytes, kindBlocks: _kindBlocks, overlayLinkProtocols, ...rest } = draft;
	return {
		...rest,
		instanceName,
		overlay: overlayHash(instanceName, crypto),
		sequence,
		overlayLinkProtocols: overlayLinkProtocols.length === 0 ? [DEFAULT_LINK_PROTOCOL] : overlayLinkProtocols,
	};
}

function isBase(element: XmlElement, name: string): boolean {
	return element.namespace === Namespace.base && element.name === name;
}
