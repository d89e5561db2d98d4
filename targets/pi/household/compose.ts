/** The household's configuration document (RFC 6940 §11.1) from what the household knows. */
import type { OverlayConfig, ProfileName } from "../../../core/config/document.ts";
import { householdKinds } from "../../../core/config/kinds.ts";
import { overlayHash } from "../../../core/config/overlay-hash.ts";
import { HOUSE_PROFILE, RFC_PROFILE } from "../../../core/overlay/profile.ts";
import type { Crypto } from "../../../hal/hal.ts";
import { NODE_ID_LENGTH } from "./authority.ts";
import {
	DOCUMENT_LIFETIME_MS,
	HOUSE_MESSAGE_SIZE,
	HOUSE_TTL,
	MAX_BOOTSTRAP_NODES,
	MAX_ENROLLMENT_SERVERS,
} from "./limits.ts";
import type { Address, PeerAddresses } from "./types.ts";

/** Path of the enrollment server's URL; the document names it, so it may be any. */
export const ENROLL_PATH = "/enroll";

/** What people choose, and the name the document has for it. RFC 6940 has no name for a full mesh. */
export const TOPOLOGY_PLUGINS = Object.freeze({
	mesh: "EXP-OVERLAY",
	chord: "CHORD-RELOAD",
	"chord-self-tuning": "CHORD-SELF-TUNING",
} as const);
export type TopologyName = keyof typeof TOPOLOGY_PLUGINS;

export interface DocumentParts {
	readonly overlayName: string;
	readonly sequence: number;
	readonly topologyPlugin: string;
	readonly profile: ProfileName;
	/** DER. */
	readonly root: Uint8Array;
	/** Node-ID of the configuration-signer, which signs Kinds as well. */
	readonly signer: Uint8Array;
	/** Announced last comes first. */
	readonly addresses: readonly PeerAddresses[];
	readonly badNodes: readonly Uint8Array[];
	readonly wallMs: number;
}

export function composeConfig(parts: DocumentParts, crypto: Crypto): OverlayConfig {
	const profile = parts.profile === "house" ? HOUSE_PROFILE : RFC_PROFILE;
	const enrollment = distinct(parts.addresses.flatMap((peer) => peer.enrollment)).slice(0, MAX_ENROLLMENT_SERVERS);
	return {
		instanceName: parts.overlayName,
		overlay: overlayHash(parts.overlayName, crypto),
		sequence: parts.sequence,
		expirationMs: parts.wallMs + DOCUMENT_LIFETIME_MS,
		topologyPlugin: parts.topologyPlugin,
		nodeIdLength: NODE_ID_LENGTH,
		rootCerts: [parts.root],
		enrollmentServers: enrollment.map((address) => `https://${hostPort(address)}${ENROLL_PATH}`),
		selfSignedPermitted: undefined,
		// Limit (MAX_BOOTSTRAP_NODES): the peers announced last are named.
		bootstrapNodes: distinct(parts.addresses.flatMap((peer) => peer.link)).slice(0, MAX_BOOTSTRAP_NODES),
		// Choice (§11.1): no node is asked to be a TURN server; the links of a household need none (no-ice).
		turnDensity: 0,
		clientsPermitted: true,
		noIce: true,
		chordUpdateIntervalS: profile.chordUpdateMs / 1000,
		chordPingIntervalS: profile.chordPingMs / 1000,
		chordReactive: true,
		sharedSecret: undefined,
		maxMessageSize: HOUSE_MESSAGE_SIZE,
		initialTtl: HOUSE_TTL,
		overlayReliabilityTimerMs: profile.overlayReliabilityMs,
		overlayLinkProtocols: ["TLS"],
		kindSigners: [parts.signer],
		configurationSigners: [parts.signer],
		badNodes: parts.badNodes,
		mandatoryExtensions: [],
		requiredKinds: householdKinds(),
		profile: parts.profile,
	};
}

/** "192.0.2.1:6085", "[2001:db8::1]:6085" */
export function hostPort({ address, port }: Address): string {
	return `${address.includes(":") ? `[${address}]` : address}:${port}`;
}

function distinct(addresses: readonly Address[]): Address[] {
	const byText = new Map<string, Address>();
	for (const { address, port } of addresses) byText.set(hostPort({ address, port }), { address, port });
	return [...byText.values()];
}
