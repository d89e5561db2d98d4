/**
 * Who may write where: the access control policies of RFC 6940 §7.3 and NODE-ID-MATCH of RFC 7374 §5. Pure functions: the storing peer asks them for every store, the reader asks them again for every value.
 * A device's bundle may carry this file, `redir-tree.ts` and `verify-fetched.ts`; they need nothing else of this folder.
 */
import type { KindDefinition } from "../config/kinds.ts";
import { isRefused } from "../machine.ts";
import { concatBytes, equalBytes, utf8ToBytes } from "../wire/bytes.ts";
import { HashAlgorithm, SignatureAlgorithm, SignerIdentityType } from "../wire/codes.ts";
import { readRedirServiceProvider } from "../wire/redir.ts";
import type { Signature } from "../wire/security.ts";
import type { DataValue, StoredDataValue } from "../wire/store.ts";
import { redirResourceName, treeNodeOf, usableBranchingFactor } from "./redir-tree.ts";

/** What of a signer counts. */
export interface AccessSigner {
	/** Node-ID that the SignerIdentity indicates. */
	readonly nodeId: Uint8Array;
	/** rfc822Name of the certificate. */
	readonly userName: string;
}

/** What of the overlay counts. */
export interface AccessOverlay {
	/** Resource Name -> Resource-ID. */
	resourceHash(name: Uint8Array): Uint8Array;
	readonly nodeIdLength: number;
	/** RFC 7374 §8; 10 when absent. */
	redirBranchingFactor?(): number | undefined;
}

/** One write to be judged. */
export interface AccessInput {
	readonly resourceId: Uint8Array;
	readonly kind: KindDefinition;
	/** Dictionary key; `undefined` for the other models. */
	readonly key: Uint8Array | undefined;
	readonly value: DataValue;
	readonly signer: AccessSigner;
}

type AccessPolicy = (input: AccessInput, overlay: AccessOverlay) => boolean;

/** RFC 6940 §7.3.4: greatest i of NODE-MULTIPLE, since i is one octet (D-3). */
const GREATEST_MULTIPLE = 255;

/** RFC 6940 §7.3.1 */
function userMatch(input: AccessInput, overlay: AccessOverlay): boolean {
	return input.signer.userName !== "" && isResource(input, overlay, utf8ToBytes(input.signer.userName));
}

/** RFC 6940 §7.3.2 */
function nodeMatch(input: AccessInput, overlay: AccessOverlay): boolean {
	return isResource(input, overlay, input.signer.nodeId);
}

/** RFC 6940 §7.3.3: dictionary only. */
function userNodeMatch(input: AccessInput, overlay: AccessOverlay): boolean {
	return input.key !== undefined && equalBytes(input.key, input.signer.nodeId) && userMatch(input, overlay);
}

/** RFC 6940 §7.3.4: i is not on the wire, so all are tried. D-3: one octet, from 1. */
function nodeMultiple(input: AccessInput, overlay: AccessOverlay): boolean {
	const most = Math.min(input.kind.maxNodeMultiple ?? 0, GREATEST_MULTIPLE);
	const name = concatBytes(input.signer.nodeId, new Uint8Array(1));
	for (let i = 1; i <= most; i++) {
		name[name.length - 1] = i;
		if (isResource(input, overlay, name)) return true;
	}
	return false;
}

/**
 * RFC 7374 §5: the key is the signer's Node-ID; a record that exists must also be the one of this tree node, and the Node-ID must
 * belong into it.
 */
function nodeIdMatch(input: AccessInput, overlay: AccessOverlay): boolean {
	const nodeId = input.signer.nodeId;
	if (input.key === undefined || !equalBytes(input.key, nodeId)) return false;
	if (!input.value.exists) return true;
	const record = readRedirServiceProvider(input.value.value, overlay.nodeIdLength);
	if (isRefused(record)) return false;
	const name = redirResourceName(record.namespace, record.level, record.node);
	if (!isResource(input, overlay, name)) return false;
	const branchingFactor = usableBranchingFactor(overlay.redirBranchingFactor?.());
	// A level beyond the deepest has no position that fits the record.
	return record.level <= 16 && treeNodeOf(nodeId, record.level, branchingFactor) === record.node;
}

function isResource(input: AccessInput, overlay: AccessOverlay, name: Uint8Array): boolean {
	return equalBytes(overlay.resourceHash(name), input.resourceId);
}

/** RFC 6940 §14.3 "RELOAD Access Control Policies". Omitted: USER-CHAIN-ACL (RFC 8076), EXP-MATCH. */
const POLICIES: Readonly<Record<string, AccessPolicy>> = Object.freeze({
	"USER-MATCH": userMatch,
	"NODE-MATCH": nodeMatch,
	"USER-NODE-MATCH": userNodeMatch,
	"NODE-MULTIPLE": nodeMultiple,
	"NODE-ID-MATCH": nodeIdMatch,
});

/** True for policies this peer can judge; a Kind with another one cannot be stored here. */
export function isKnownPolicy(name: string): boolean {
	return Object.hasOwn(POLICIES, name);
}

/** True when `input.signer` may write this value here. A policy we do not know allows nobody. */
export function isWriteAllowed(input: AccessInput, overlay: AccessOverlay): boolean {
	const name = input.kind.accessControl;
	return Object.hasOwn(POLICIES, name) && POLICIES[name]!(input, overlay);
}

/** The key of a dictionary entry; `undefined` for the other models. */
export function keyOf(value: StoredDataValue): Uint8Array | undefined {
	return value.model === "dictionary" ? value.key : undefined;
}

/** True for signatures that only synthesized values have; RFC 6940 §7.4.1.1 MUST NOT be accepted in a Store. */
export function isUnsigned(signature: Signature): boolean {
	const { algorithm, identity } = signature;
	const noAlgorithm = algorithm.hash === HashAlgorithm.none && algorithm.signature === SignatureAlgorithm.anonymous;
	return noAlgorithm || identity.identityType === SignerIdentityType.none;
}
