/** Founding a household: CA, configuration-signer, the founder's own peer identity and the first document, in one commit. */
import { type ProfileName, writeConfigDocument } from "../../../core/config/document.ts";
import { isOverlayName } from "../../../core/identity/reload-uri.ts";
import type { Crypto, PrivateKey, RecordBatch } from "../../../hal/hal.ts";
import { UserError } from "../state/errors.ts";
import { StateKey, StatePrefix } from "../state/keys.ts";
import type { PiState } from "../state/state.ts";
import { Authority, keyHash, mustRead } from "./authority.ts";
import { composeConfig, TOPOLOGY_PLUGINS, type TopologyName } from "./compose.ts";
import { localIdentity, storedKeyPair } from "./key-pair.ts";
import { SIGNER_LIFETIME_MS } from "./limits.ts";
import { membershipEntries } from "./membership.ts";
import { peerUserName, SIGNER_NAME } from "./names.ts";
import type { Issued, Role } from "./types.ts";

/** What the founder chooses. */
export interface Founding {
	/** Overlay name = SIP domain; a DNS name in lower case with at least one dot. */
	readonly overlayName: string;
	/** Full mesh for a home of a few peers (default), or Chord. */
	readonly topology?: TopologyName;
	/** Timers; "house" by default. */
	readonly profile?: ProfileName;
}

/** The record `pi/household`. */
export interface HouseholdRecord {
	readonly overlayName: string;
	/** As in the document. */
	readonly topologyPlugin: string;
	readonly profile: ProfileName;
	readonly createdMs: number;
	/** Node-ID of the founder. */
	readonly founder: Uint8Array;
	/** Random; changes only by a restore. */
	readonly epoch: string;
	/** Counts what peers are told. */
	readonly sequence: number;
	/** Of the document in force, 0..65534. */
	readonly configSequence: number;
	/** When the document in force was signed. */
	readonly documentMs: number;
}

/** Everything a new household consists of. */
export function foundingEntries(
	state: PiState,
	founding: Founding,
	wallMs: number,
	crypto: Crypto,
): RecordBatch["put"] {
	const { overlayName } = founding;
	if (!isOverlayName(overlayName) || !overlayName.includes(".") || overlayName !== overlayName.toLowerCase())
		throw new UserError(`${overlayName}: not an overlay name`, "choose a domain name in lower case, like home.example");
	const ca = Authority.make(overlayName, wallMs, crypto);
	const authority = new Authority(overlayName, ca, crypto);
	const signer = newMember(authority, `${SIGNER_NAME}@${overlayName}`, "signer", wallMs, crypto);
	const peer = newMember(authority, peerUserName(crypto.random(8), overlayName), "peer", wallMs, crypto);
	const chosen = {
		topologyPlugin: TOPOLOGY_PLUGINS[founding.topology ?? "mesh"],
		profile: founding.profile ?? "house",
	};
	const parts = { overlayName, ...chosen, addresses: [], badNodes: [], sequence: 1, wallMs };
	const config = composeConfig({ ...parts, root: ca.certificate.der, signer: signer.nodeId }, crypto);
	const signerPair = { certificate: mustRead(signer.certificate, crypto), key: signer.key };
	const document = writeConfigDocument(config, localIdentity(signerPair, StateKey.signer), crypto);
	const record: HouseholdRecord = {
		overlayName,
		...chosen,
		createdMs: wallMs,
		founder: peer.nodeId,
		epoch: Buffer.from(crypto.random(8)).toString("hex"),
		sequence: 1,
		configSequence: config.sequence,
		documentMs: wallMs,
	};
	const pair = storedKeyPair(peer.certificate, peer.key);
	return [
		[StateKey.household, record],
		[StateKey.householdDocument, document],
		state.sealed(StateKey.ca, storedKeyPair(ca.certificate.der, ca.key)),
		state.sealed(StateKey.signer, storedKeyPair(signer.certificate, signer.key)),
		...membershipEntries(state, { overlayName, root: ca.certificate.der, enrollment: [], document, pair }),
		[StatePrefix.issued + signer.issued.key, signer.issued],
		[StatePrefix.issued + peer.issued.key, peer.issued],
	];
}

interface Member {
	readonly key: PrivateKey;
	readonly nodeId: Uint8Array;
	readonly certificate: Uint8Array;
	readonly issued: Issued;
}

function newMember(authority: Authority, userName: string, role: Role, wallMs: number, crypto: Crypto): Member {
	const key = crypto.generateKey();
	const nodeIds = authority.newNodeIds(1, () => false);
	const validity = authority.validity(wallMs, role === "signer" ? SIGNER_LIFETIME_MS : undefined);
	const issued: Issued = {
		key: keyHash(key.spki, crypto),
		userName,
		role,
		nodeIds,
		holder: undefined,
		issuedMs: wallMs,
		notAfterMs: validity.notAfterMs,
		revokedMs: undefined,
	};
	const certificate = authority.issue({ spki: key.spki, nodeIds, userName }, validity);
	return { key, nodeId: nodeIds[0] ?? new Uint8Array(), certificate, issued };
}
