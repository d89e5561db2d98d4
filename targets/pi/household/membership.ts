/** That this node belongs to a household: the household's name and CA, the node's own identity, the document in force. */
import { existsSync, readFileSync } from "node:fs";
import { type Certificate, readCertificate } from "../../../core/identity/certificate.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { isRefused } from "../../../core/machine.ts";
import type { Crypto, RecordBatch } from "../../../hal/hal.ts";
import { UserError } from "../state/errors.ts";
import { StateKey, StatePrefix } from "../state/keys.ts";
import type { PiState } from "../state/state.ts";
import { localIdentity, openKeyPair, pem, type StoredKeyPair } from "./key-pair.ts";
import type { Address } from "./types.ts";

const PEER = `${StatePrefix.identity}peer`;

export interface Membership {
	readonly overlayName: string;
	/** The household CA. */
	readonly root: Certificate;
	/** This peer's own identity. */
	readonly identity: LocalIdentity;
	/** The signed configuration document last taken over. */
	readonly document: Uint8Array;
	/** Where the enrollment server was met when this node joined; the document names later ones. */
	readonly enrollment: readonly Address[];
}

interface MembershipRecord {
	readonly overlayName: string;
	readonly root: Uint8Array;
	readonly enrollment: readonly Address[];
}

/** The entries that make this node a member. */
export function membershipEntries(
	state: PiState,
	membership: MembershipRecord & { readonly document: Uint8Array; readonly pair: StoredKeyPair },
): RecordBatch["put"] {
	const { overlayName, root, enrollment } = membership;
	return [
		[StateKey.membership, { overlayName, root, enrollment }],
		[StateKey.document, membership.document],
		identityEntry(state, membership.pair),
	];
}

/** The entry for a renewed certificate of the peer itself. */
export function identityEntry(state: PiState, pair: StoredKeyPair): readonly [string, unknown] {
	return state.sealed(PEER, pair);
}

/** `household-ca.pem` for curl and phones: written when it is missing (a restored state) or another. */
export function writeCaFile(state: PiState, root: Uint8Array): void {
	const { caPath } = state.directory;
	const text = pem("CERTIFICATE", root);
	if (!existsSync(caPath) || readFileSync(caPath, "utf8") !== text) state.directory.writeFile(caPath, text);
}

/** Undefined when this state directory belongs to no household yet. Throws a `UserError` when it is damaged. */
export function openMembership(state: PiState, crypto: Crypto): Membership | undefined {
	const record = state.get(StateKey.membership) as MembershipRecord | undefined;
	if (record === undefined) return undefined;
	const root = readCertificate(record.root, crypto);
	const document = state.get(StateKey.document);
	if (isRefused(root) || !(document instanceof Uint8Array))
		throw new UserError(`record ${StateKey.membership}: damaged`, "restore the state directory from a backup");
	const identity = localIdentity(openKeyPair(state.getSealed(PEER), PEER, crypto), PEER);
	return { overlayName: record.overlayName, root, identity, document, enrollment: record.enrollment };
}
