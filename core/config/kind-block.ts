/** `kind-block`: Kinds that travel in a ConfigUpdate of type kind, each signed by a kind-signer. RFC 6940 §11.1, §6.5.4. */
import type { Crypto } from "../../hal/hal.ts";
import { type LocalIdentity, signBlob } from "../identity/signer.ts";
import type { VerifiedSigner, Verifier } from "../identity/verify.ts";
import { isRefused, type Refused, refuse } from "../machine.ts";
import { concatBytes, equalBytes, includesBytes, toHex, utf8ToBytes } from "../wire/bytes.ts";
import { decodeSecurityBlock, writeSecurityBlock } from "../wire/security.ts";
import { encode } from "../wire/writer.ts";
import { toBase64 } from "./base64.ts";
import type { OverlayConfig } from "./document.ts";
import { readKindBlockElement } from "./kind-element.ts";
import type { KindBlock, KindDefinition } from "./kinds.ts";
import { Namespace, namespaceDeclarations } from "./namespaces.ts";
import { outerPrefixFault } from "./read.ts";
import { kindElement } from "./write.ts";
import { readXml } from "./xml-tree.ts";

/** Reads one KindDescription of a ConfigUpdate: a document whose root is `kind-block`. */
export function readKindBlock(bytes: Uint8Array): KindBlock | Refused {
	const root = readXml(bytes);
	if (isRefused(root)) return root;
	if (root.namespace !== Namespace.base || root.name !== "kind-block")
		return refuse("not a kind-block of RFC 6940", root.start);
	const prefixes = outerPrefixFault(root);
	if (prefixes !== undefined) return prefixes;
	const block = readKindBlockElement(root, bytes);
	return typeof block === "string" ? refuse(block, root.start) : block;
}

/** A kind-block of `kind`, signed by `signer`, who should be a kind-signer of the configuration. */
export function writeKindBlock(kind: KindDefinition, signer: LocalIdentity, crypto: Crypto): Uint8Array {
	const signedBytes = utf8ToBytes(kindElement(kind));
	const signature = encode(writeSecurityBlock, signBlob(signer, signedBytes, crypto));
	return encodeKindBlock({ kind, signedBytes, signature });
}

/** A kind-block that was read, to be sent on (Error_Unknown_Kind): its `kind` octet by octet, its signature. */
export function encodeKindBlock(block: KindBlock): Uint8Array {
	const { signedBytes, signature } = block;
	const text = signature === undefined ? "" : `<kind-signature>${toBase64(signature)}</kind-signature>`;
	// All namespaces, because the `kind` may have stood in a document that declared them further out.
	const open = `<kind-block${namespaceDeclarations()}>`;
	return concatBytes(utf8ToBytes(open), signedBytes, utf8ToBytes(`${text}</kind-block>`));
}

/** RFC 6940 §11.1 MUST: the signature of a kind-block, by a kind-signer of the current configuration. */
export function verifyKindSignature(
	block: KindBlock,
	config: OverlayConfig,
	verifier: Verifier,
	wallMs: number,
): VerifiedSigner | Refused {
	// [D-27]: outside of a signed configuration there is no Kind without a signature.
	if (block.signature === undefined) return refuse("the Kind is not signed");
	const security = decodeSecurityBlock(block.signature);
	const signer = isRefused(security) ? security : verifier.verifyBlob(block.signedBytes, security, wallMs);
	if (isRefused(signer) || includesBytes(config.kindSigners, signer.nodeId)) return signer;
	return refuse(`Node-ID ${toHex(signer.nodeId)} signed the Kind but is no kind-signer`);
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
	const signer = verifyKindSignature(block, config, verifier, wallMs);
	if (isRefused(signer)) return signer;
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
	return kind.signedBy === undefined || includesBytes(config.kindSigners, kind.signedBy);
}

function sameSigner(signedBy: Uint8Array | undefined, nodeId: Uint8Array): boolean {
	return signedBy !== undefined && equalBytes(signedBy, nodeId);
}
