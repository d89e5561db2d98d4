/**
 * What the parts of a node share, and the seam between the node and its role. Types only.
 *
 * Parts call each other downwards through this context; what they want of the host they `emit`.
 */
import type { Crypto, Log } from "../../hal/hal.ts";
import type { OverlayConfig } from "../config/document.ts";
import type { LocalIdentity } from "../identity/signer.ts";
import type { VerifiedSigner } from "../identity/verify.ts";
import type { MessageExtension } from "../wire/contents.ts";
import type { Destination } from "../wire/destination.ts";
import type { Message } from "../wire/message.ts";
import type { Answers } from "./answers.ts";
import type { AppAttaches } from "./app-attach.ts";
import type { AttachSpec } from "./attach.ts";
import type { ConfigUpdates } from "./config-updates.ts";
import type { Connection, Connections } from "./connections.ts";
import type { Counters } from "./counters.ts";
import type { HopView } from "./hop-view.ts";
import type { Identities } from "./identities.ts";
import type { OverlayLimits } from "./limits.ts";
import type { Links } from "./links.ts";
import type { Endpoint, KnownEndpoint, NodeEvent, NodeOutput, RequestResult, StartOptions } from "./node-types.ts";
import type { TimerProfile } from "./profile.ts";
import type { Requests } from "./requests.ts";
import type { Settings } from "./settings.ts";
import type { WayErrors } from "./way-errors.ts";

/** A request that is verified and meant for us. All octets are a private copy: it may be answered later. */
export interface IncomingRequest {
	readonly code: number;
	readonly body: Uint8Array;
	readonly extensions: readonly MessageExtension[];
	readonly message: Message;
	/** DER certificates of the message. */
	readonly certificates: readonly Uint8Array[];
	readonly from: VerifiedSigner;
	/** Who was addressed, and signs the answer. */
	readonly identity: LocalIdentity;
	/** The link it came over; undefined for our own. */
	readonly connection: Connection | undefined;
	/** It came over the link that is bound to its signer. */
	readonly overLink: boolean;
	/** Destination list of the answer (RFC 6940 §6.3.1.2). */
	readonly back: readonly Destination[];
}

/** The services of a node. */
export interface NodeContext {
	readonly nodeId: Uint8Array;
	readonly crypto: Crypto;
	readonly profile: TimerProfile;
	readonly limits: OverlayLimits;
	readonly counters: Counters;
	readonly identities: Identities;
	readonly settings: Settings;
	readonly connections: Connections;
	readonly links: Links;
	readonly requests: Requests;
	readonly answers: Answers;
	readonly appAttaches: AppAttaches;
	readonly configUpdates: ConfigUpdates;
	readonly wayErrors: WayErrors;
	readonly role: Role;
	readonly listen: readonly Endpoint[];
	/** Octets a link's path carries in one message; Infinity over streams. */
	readonly pathLimit: number;
	/** Name previous hops by compressed ids. */
	readonly compressVia: boolean;
	readonly log: Log;
	/** In [0, 1). */
	random(): number;
	/** Milliseconds since 1970 at construction. */
	readonly startWallMs: number;
	/** Wall clock less monotonic clock; NaN while the time is not known. */
	readonly wallOffsetMs: number;
	/** Milliseconds since 1970; NaN while the time is not known: certificates are then checked without their dates. */
	wallMs(now: number): number;
	uptimeS(now: number): number;
	emit(output: NodeOutput): void;
	event(event: NodeEvent): void;
	result(token: number, result: RequestResult): void;
	/** Runs something after what is being done now, still within the same input: nothing is called back from within its cause. */
	later(run: (now: number) => void): void;
	/** Runs something when the host has carried out all there is: work ahead, that nobody waits for yet. It puts nothing out. */
	spare(run: () => void): void;
	/**
	 * Sends a message made here on its way: over `only` where given, else to where its first destination lies (possibly back to
	 * ourselves). The link it left by; undefined when there is no way now (or it came home).
	 */
	send(message: Uint8Array, now: number, only?: Connection): Connection | undefined;
}

/** What a node is in its overlay. `peerRole()` and `clientRole()` make one. */
export interface Role {
	readonly kind: "peer" | "client";
	readonly inOverlay: boolean;
	start(options: StartOptions, now: number): void;
	/** More bootstrap endpoints, found while running (mDNS). */
	discovered(endpoints: readonly KnownEndpoint[], now: number): void;
	leave(now: number): void;
	/** Resource Name octets -> Resource-ID, as the overlay hashes. */
	resourceId(name: Uint8Array): Uint8Array;
	/** An Attach of the host's; absent in a role that has no passive end. */
	attach?(spec: AttachSpec, now: number): void;
	/** Where a message for this point of the overlay goes next, when the node itself is not linked to it. */
	nextHop(id: Uint8Array): Connection | undefined;
	/** RFC 6940 §6.4: in charge of this Node-ID or Resource-ID. */
	isResponsible(id: Uint8Array): boolean;
	/** Reference 8.5: may this signer answer for this Resource-ID, as far as we can tell? */
	isCloseEnough(resourceId: Uint8Array, signer: Uint8Array): boolean;
	/** Which of the Node-IDs of one certificate a link is expected from (RFC 6940 §6.3.2.1). */
	expected(nodeIds: readonly Uint8Array[]): Uint8Array | undefined;
	/** Every how many idle periods a link to this node is probed. */
	idlesPerProbe(nodeId: Uint8Array): number;
	/** A critical message extension of this type is understood. */
	understands(extension: number): boolean;
	/** A message that is not for us: forward or drop it (RFC 6940 §6.1.2). `view` stands at the destination in question. */
	forward(view: HopView, from: Connection | undefined, now: number): void;
	/** As `forward`, over a certain link: the message's opaque id stands for it. */
	forwardTo(view: HopView, target: Connection, from: Connection | undefined, now: number): void;
	/** Serves a request of a method that depends on the role. False: not known to it. */
	serve(request: IncomingRequest, now: number): boolean;
	linkUp(connection: Connection, change: LinkChange, now: number): void;
	/** `nodeId` has no usable link any more. `clean`: a close we chose or a Leave announced. */
	linkDown(nodeId: Uint8Array, clean: boolean, now: number): void;
	/** `endpoint` turned out to be this node itself. */
	bootstrapIsSelf(endpoint: Endpoint): void;
	/** A newer document is in force. */
	configChanged(previous: OverlayConfig, now: number): void;
	persisted(batch: number, error: string | undefined, now: number): void;
	timeout(now: number): void;
	deadline(): number;
	status(now: number): RoleStatus;
}

/**
 * What a link that came up is: the only usable one to its node ("new"), one that took the place of an older one ("replaced": the node
 * may have restarted), or one of two that Attaches which crossed have opened ("double": nothing changes).
 */
export type LinkChange = "new" | "replaced" | "double";

export interface RoleStatus {
	readonly neighbours: readonly Uint8Array[];
	readonly routingTable: readonly Uint8Array[];
	readonly responsiblePpb: number;
	readonly topology: ReadonlyArray<readonly [string, string]>;
	readonly storedResources: number;
	readonly storedValues: number;
}
