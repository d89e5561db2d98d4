/** The overlay configuration document. RFC 6940 §11.1; every element with its default. */
import type { KindBlock, KindDefinition } from "./kinds.ts";

export interface BootstrapNode {
	/** IPv4 or IPv6 text. */
	readonly address: string;
	readonly port: number;
}

/** Which timer profile the household chose (`ringlet:profile`, namespace urn:ringlet:config). */
export type ProfileName = "house" | "rfc";

/** One `configuration` element, defaults filled in. */
export interface OverlayConfig {
	/** Overlay name. */
	readonly instanceName: string;
	/** Low 32 bits of SHA-1(instance-name): `overlay` of the forwarding header. */
	readonly overlay: number;
	/** 0..65534. */
	readonly sequence: number;
	/** Milliseconds since 1970. */
	readonly expirationMs: number | undefined;
	readonly topologyPlugin: string;
	/** Octets, 16..20. */
	readonly nodeIdLength: number;
	/** DER. */
	readonly rootCerts: readonly Uint8Array[];
	readonly enrollmentServers: readonly string[];
	/** Digest when self-signed certificates are allowed. */
	readonly selfSignedPermitted: "sha1" | "sha256" | undefined;
	readonly bootstrapNodes: readonly BootstrapNode[];
	readonly turnDensity: number;
	readonly clientsPermitted: boolean;
	readonly noIce: boolean;
	readonly chordUpdateIntervalS: number;
	readonly chordPingIntervalS: number;
	readonly chordReactive: boolean;
	readonly sharedSecret: string | undefined;
	readonly maxMessageSize: number;
	readonly initialTtl: number;
	readonly overlayReliabilityTimerMs: number;
	readonly overlayLinkProtocols: readonly string[];
	readonly kindSigners: readonly Uint8Array[];
	readonly configurationSigners: readonly Uint8Array[];
	readonly badNodes: readonly Uint8Array[];
	/** Namespaces a member must support. */
	readonly mandatoryExtensions: readonly string[];
	readonly requiredKinds: readonly KindDefinition[];
	/** Ours; undefined when the document does not say (then the RFC's timers apply). */
	readonly profile: ProfileName | undefined;
	/** RFC 7374 §8 `redir:branching-factor`; absent = its default, 10. */
	readonly redirBranchingFactor?: number | undefined;
	/** RFC 7363 §7 `self-tuning:number-of-peers-to-probe`; absent = its default, 4. */
	readonly numberOfPeersToProbe?: number | undefined;
}

/** A document that was read but not yet believed. */
export interface ConfigDocument {
	readonly config: OverlayConfig;
	/** The whole document as received. */
	readonly bytes: Uint8Array;
	/** The configuration element, from its `<` to its `>`: what is signed. */
	readonly signedBytes: Uint8Array;
	/** Encoded SecurityBlocks of the `signature` elements that follow it. */
	readonly signatures: readonly Uint8Array[];
	/** required-kinds as they stand there: to send one on with `encodeKindBlock`, where it has a signature of its own. */
	readonly kindBlocks: readonly KindBlock[];
}

export { readConfigDocument } from "./read.ts";
export {
	expirationFault,
	rootCertificates,
	trustByConfig,
	unsupportedExtensions,
	verifyConfigSignature,
} from "./verify.ts";
export { writeConfigDocument } from "./write.ts";
