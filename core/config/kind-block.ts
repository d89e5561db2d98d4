/** `kind-block`: Kinds that travel in a ConfigUpdate of type kind, each signed by a kind-signer. RFC 6940 §11.1, §6.5.4. */
import type { Crypto } from "../../hal/hal.ts";
import { type LocalIdentity, signBlob } from "../identity/signer.ts";
import type { Verifier } from "../identity/verify.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { concatBytes, equalBytes, toHex, utf8ToBytes } from "../wire/bytes.ts";
import { decodeSecurityBlock, writeSecurityBlock } from "../wire/security.ts";
import { encode } from "../wire/writer.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import type { OverlayConfig } from "./document.ts";
import { readKindElement } from "./kind-element.ts";
import type { KindDefinition } from "./kinds.ts";
import { Namespace } from "./namespaces.ts";
import { outerPrefixFault } from "./read.ts";
import { includesNodeId } from "./verify.ts";
import { kindElement } from "./write.ts";
import { readXml, type XmlElement } from "./xml-tree.ts";

/** A kind-block that was read but not yet believed. */
export interface KindBlock {
	readonly kind: KindDefinition;
	/** The `kind` element, from its `<` to its `>`: what is signed. */
	readonly signedBytes: Uint8Array;
	/** Encoded SecurityBlock; undefined when there is no kind-signature. */
	readonly signature: Uint8Array | undefined;
}

/** Reads one KindDescription of a ConfigUpdate: a document whose root is `kind-block`. */
export function readKindBlock(bytes: Uint8Array): KindBlock | Refused {
	const root = readXml(bytes);
	if (isRefused(root)) return root;
	if (root.namespace !== Namespace.base || root.name !== "kind-block")
		return refuse("not a kind-block of RFC 6940", root.start);
	const prefixes = outerPrefixFault(root);
	if (prefixes !== undefined) return prefixes;
	const element = only(root, "kind");
	if (element === undefined) return refuse("kind-block without exactly one kind", root.start);
	const kind = readKindElement(element);
	if (isRefused(kind)) return refuse(`kind: ${kind.refused}`, element.start);
	const signatureElement = only(root, "kind-signature");
	const signature = signatureElement === undefined ? undefined : fromBase64(signatureElement.text);
	if (signatureElement !== undefined && signature === undefined)
		return refuse("kind-signature: not base64", signatureElement.start);
	return { kind, signedBytes: bytes.subarray(element.start, element.end), signature };
}

/** A kind-block of `kind`, signed by `signer`, who should be a kind-signer of the configuration. */
export function writeKindBlock(kind: KindDefinition, signer: LocalIdentity, crypto: Crypto): Uint8Array {
	const element = utf8ToBytes(kindElement(kind));
	const security = encode(writeSecurityBlock, signBlob(signer, element, crypto));
	return concatBytes(
		utf8ToBytes(`<kind-block xmlns="${Namespace.base}">`),
		element,
		utf8ToBytes(`<kind-signature>${toBase64(security)}</kind-signature></kind-block>`),
	);
}

/**
 * RFC 6940 §6.5.4 MUST: a Kind is accepted only when a kind-signer of the current configuration signed it, and when it does not
 * conflict with a known Kind of another signer. `known`: the Kinds in use. The result says who signed it.
 */
export function verifyKindBlock(
	block: KindBlock,
	config: OverlayConfig,
	known: readonly KindDefinition[],
	verifier: Verifier,
	wallMs: number,
): KindDefinition | Refused {
	// [D-27]: outside of a signed configuration there is no Kind without a signature.
	if (block.signature === undefined) return refuse("the Kind is not signed");
	const security = decodeSecurityBlock(block.signature);
	const signer = isRefused(security) ? security : verifier.verifyBlob(block.signedBytes, security, wallMs);
	if (isRefused(signer)) return signer;
	if (!includesNodeId(config.kindSigners, signer.nodeId))
		return refuse(`Node-ID ${toHex(signer.nodeId)} signed the Kind but is no kind-signer`);
	for (const other of known) {
		if (other.id !== block.kind.id || sameSigner(other.signedBy, signer.nodeId)) continue;
		return refuse(
			`Kind ${other.id} is defined by ${other.signedBy === undefined ? "the configuration" : "another kind-signer"}`,
		);
	}
	return { ...block.kind, signedBy: signer.nodeId };
}

/** RFC 6940 §11.1 MUST: a Kind whose signer is no longer a kind-signer is discarded, with what is stored of it. */
export function isKindAllowed(kind: KindDefinition, config: OverlayConfig): boolean {
	return kind.signedBy === undefined || includesNodeId(config.kindSigners, kind.signedBy);
}

function sameSigner(signedBy: Uint8Array | undefined, nodeId: Uint8Array): boolean {
	return signedBy !== undefined && equalBytes(signedBy, nodeId);
}

function only(parent: XmlElement, name: string): XmlElement | undefined {
	let found: XmlElement | undefined;
	for (const child of parent.children) {
		if (child.namespace !== Namespace.base || child.name !== name) continue;
		if (found !== undefined) return undefined;
		found = child;
	}
	return found;
}
