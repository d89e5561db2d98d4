/**
 * What goes into an `OverlayNode`, what comes out, and what its commands take and give. Types only.
 *
 * The node is sans-IO: the host owns sockets, TLS, disk and clocks. Every number called `link`, `connect`, `batch` or `token`
 * is a handle that means something only between one host and one node.
 */
import type { Crypto, Log, RecordBatch } from "../../hal/hal.ts";
import type { OverlayConfig } from "../config/document.ts";
import type { LocalIdentity } from "../identity/signer.ts";
import type { VerifiedSigner } from "../identity/verify.ts";
import type { LinkLimits } from "../link/limits.ts";
import type { Destination } from "../wire/destination.ts";
import type { PingAns } from "../wire/ping.ts";
import type { ProbeInformation } from "../wire/probe.ts";
import type { StatKindResponse } from "../wire/stat.ts";
import type { StoredData } from "../wire/stored-data.ts";
import type { NodeContext, Role } from "./context.ts";
import type { OverlayLimits } from "./limits.ts";
import type { TimerProfile } from "./profile.ts";

/** An IP address as text and a port. */
export interface Endpoint {
	readonly address: string;
	readonly port: number;
}

/** An endpoint, and who is said to be there: a node that is linked already needs no second link to find that out. */
export interface KnownEndpoint extends Endpoint {
	readonly nodeId?: Uint8Array;
}

/** What the host tells the node. */
export type NodeInput =
	| { readonly type: "timeout" }
	/** A mutually authenticated TLS connection for RELOAD is up. `connect`: it is the answer to that output; absent: accepted. */
	| {
			readonly type: "linkUp";
			readonly link: number;
			readonly connect?: number;
			/** The neighbour's certificates, DER, leaf first. */
			readonly chain: readonly Uint8Array[];
			readonly address: string;
			readonly port: number;
	  }
	| { readonly type: "linkDown"; readonly link: number; readonly reason: string }
	/** Plaintext octets of the stream; the node keeps no reference after `handle`. */
	| { readonly type: "bytes"; readonly link: number; readonly bytes: Uint8Array }
	/** Octets have left the host's send buffer of the link; `buffered` of those handed out are still in it (absent: none). */
	| { readonly type: "drained"; readonly link: number; readonly buffered?: number }
	| { readonly type: "connectFailed"; readonly connect: number; readonly reason: string }
	/** The batch is on disk, or is not (`error`). */
	| { readonly type: "persisted"; readonly batch: number; readonly error?: string }
	/** Wall clock; at start and whenever it was set. Between two of them the node counts on with `now`. */
	| { readonly type: "clock"; readonly wallMs: number }
	/** A configuration document from the enrollment server or another trusted place. */
	| { readonly type: "document"; readonly bytes: Uint8Array };

/** What the node wants of the host. */
export type NodeOutput =
	/** Open TCP, then TLS as client with the node's own certificate; `linkUp` or `connectFailed` follows. */
	| {
			readonly type: "connect";
			readonly connect: number;
			readonly address: string;
			readonly port: number;
			/** The Node-ID the certificate must carry (the node checks it again). */
			readonly expect?: Uint8Array;
			/** For SNI: `<hex of the Node-ID wanted>.<overlay name>`, or the overlay name when nobody is expected. */
			readonly serverName: string;
	  }
	/** Octets for the stream; the view is valid until the next `handle` or command. */
	| { readonly type: "transmit"; readonly link: number; readonly bytes: Uint8Array }
	/** Close the stream. No `linkDown` is needed for it (one is harmless). */
	| { readonly type: "close"; readonly link: number; readonly reason: string }
	/** Commit, then `persisted`. */
	| { readonly type: "persist"; readonly batch: number; readonly change: RecordBatch }
	| { readonly type: "result"; readonly token: number; readonly result: RequestResult }
	| { readonly type: "event"; readonly event: NodeEvent };

/** Something the host or the usages may want to know. */
export type NodeEvent =
	/** A peer is in the ring (`nodeId` is its own); a client has a peer, maybe another one than before (`nodeId` is the peer's). */
	| { readonly type: "joined"; readonly nodeId: Uint8Array }
	| { readonly type: "isolated" }
	/** After `leave`: every link may be closed and the process may end. */
	| { readonly type: "left" }
	| { readonly type: "peerUp"; readonly nodeId: Uint8Array; readonly address: string; readonly port: number }
	| { readonly type: "peerDown"; readonly nodeId: Uint8Array; readonly reason: string }
	/** Hosts worth remembering for the next start changed (at most ten, directly connected peers, RFC 6940 §11.4). */
	| { readonly type: "cachedPeers"; readonly peers: readonly Endpoint[] }
	/** A newer configuration document is in force; the host keeps the octets. */
	| { readonly type: "config"; readonly config: OverlayConfig; readonly bytes: Uint8Array }
	/** An AppAttach for one of our identities was answered as the active end: connect out by TLS as that identity. */
	| {
			readonly type: "appConnect";
			readonly identity: LocalIdentity;
			readonly address: string;
			readonly port: number;
			/** All usable candidates, best first; `address` and `port` are the first of them. */
			readonly candidates: readonly Endpoint[];
			/** The Node-ID the server's certificate must carry. */
			readonly expect: Uint8Array;
			readonly application: number;
			readonly serverName: string;
	  }
	/** An AppAttach for one of our identities was answered as the passive end: `expect` will connect to our application port. */
	| {
			readonly type: "appExpect";
			readonly identity: LocalIdentity;
			readonly expect: Uint8Array;
			readonly application: number;
	  }
	/** Somebody was turned away. `what` is a stable name ("link.certificate"), also counted. */
	| {
			readonly type: "refused";
			readonly what: string;
			readonly reason: string;
			readonly address: string;
	  }
	/** Newer values of another peer replaced ours after a partition or a restart (RFC 6940 §7.4.1.2). */
	| { readonly type: "merged"; readonly resourceId: Uint8Array; readonly values: number };

/** A stored value as a reader gets it: verified here, or synthesized by the storing peer (`signer` undefined). */
export interface FetchedValue {
	readonly stored: StoredData;
	readonly signer: VerifiedSigner | undefined;
}

export interface FetchedKind {
	readonly kind: number;
	readonly generation: number;
	readonly values: readonly FetchedValue[];
	/** Values whose signature, certificate or access rule did not hold (RFC 6940 §7.4.2.2: the reader is told). */
	readonly discarded: number;
}

/** One step of `trace`. */
export interface TraceHop {
	readonly nodeId: Uint8Array;
	readonly rttMs: number;
}

/** The parsed answer of each command. */
export type AnswerBody =
	| { readonly type: "ping"; readonly ping: PingAns }
	| { readonly type: "probe"; readonly info: readonly ProbeInformation[] }
	| {
			readonly type: "store";
			readonly kinds: readonly {
				readonly kind: number;
				readonly generation: number;
				readonly replicas: readonly Uint8Array[];
			}[];
	  }
	| { readonly type: "fetch"; readonly kinds: readonly FetchedKind[] }
	| { readonly type: "stat"; readonly kinds: readonly StatKindResponse[] }
	| { readonly type: "find"; readonly results: readonly { readonly kind: number; readonly closest: Uint8Array }[] }
	| { readonly type: "routeQuery"; readonly nextPeer: Uint8Array }
	| { readonly type: "attach"; readonly nodeId: Uint8Array }
	/** `connect`: as the active end, connect to these; empty as the passive end: `expect` connects to us. */
	| {
			readonly type: "appAttach";
			readonly expect: Uint8Array;
			readonly connect: readonly Endpoint[];
			readonly serverName: string;
	  }
	| { readonly type: "configUpdate" }
	| { readonly type: "trace"; readonly hops: readonly TraceHop[]; readonly complete: boolean }
	/** Answers of methods the node has no parser for. */
	| { readonly type: "other"; readonly code: number; readonly body: Uint8Array };

/** The end of a command. */
export type RequestResult =
	| {
			readonly ok: true;
			readonly body: AnswerBody;
			/** Who signed the answer. */
			readonly from: VerifiedSigner;
			/** Overlay hops of the answer (initial-ttl minus the ttl it arrived with, plus one), where the sender used our initial-ttl. */
			readonly hops?: number;
			/** From first transmission to answer. */
			readonly rttMs: number;
	  }
	| {
			readonly ok: false;
			/** RFC 6940 error code; 4 (Error_Request_Timeout) when nothing came. */
			readonly errorCode: number;
			/** error_info as text, or the local reason. */
			readonly info: string;
			/** error_info as received. */
			readonly infoBytes?: Uint8Array;
	  };

/** Common to all requests. */
export interface RequestOptions {
	/** Node-ID of the local identity that signs; the node's own when absent. */
	readonly as?: Uint8Array;
	/** RFC 6940 §6.3.2 max_response_length; 0 = unlimited. */
	readonly maxResponseLength?: number;
	/** Store, Fetch, Stat, Find: where it goes instead of to the Resource-ID (a certain peer, a source route). */
	readonly destination?: readonly Destination[];
}

/** A value to store: the node signs it as `as` of the request. */
export interface StoreValue {
	/** The model of the Kind decides which of `index` and `key` is meant. */
	readonly index?: number;
	readonly key?: Uint8Array;
	readonly exists: boolean;
	readonly value: Uint8Array;
	readonly lifetimeS: number;
	/** Milliseconds since 1970; the wall clock when absent. */
	readonly storageTimeMs?: number;
}

export interface StoreKind {
	readonly kind: number;
	/** 0 = do not check (RFC 6940 §7.4.1). */
	readonly generation?: number;
	readonly values: readonly StoreValue[];
}

export interface FetchKind {
	readonly kind: number;
	/** Answered without values when it equals the stored counter; 0 or absent = all. */
	readonly generation?: number;
	/** Array Kinds: ranges (default: everything). */
	readonly ranges?: readonly { readonly first: number; readonly last: number }[];
	/** Dictionary Kinds: keys (default: all). */
	readonly keys?: readonly Uint8Array[];
}

export interface AppAttachOptions extends RequestOptions {
	/**
	 * "passive" (default, RFC 6940 §6.5.2.1): we are the TLS server, the other end connects to our application port.
	 * "active": we connect (a device has no TLS server side, §6.5.2.1 allows active/passive for AppAttach).
	 */
	readonly role?: "passive" | "active";
}

export interface StartOptions {
	/** This node was told that it founds the overlay. */
	readonly first?: boolean;
	/** From the configuration document, the cache of the last run, and mDNS; tried in this order. */
	readonly bootstrap: readonly KnownEndpoint[];
}

/** An application port of this host, for AppAttach. */
export interface ApplicationListener {
	readonly application: number;
	readonly listen: readonly Endpoint[];
}

export interface LinkStatus {
	readonly link: number;
	readonly nodeId: Uint8Array | undefined;
	readonly address: string;
	readonly port: number;
	readonly initiated: boolean;
	readonly state: "ok" | "suspect" | "retiring";
	/** Smoothed; -1 before the first sample. */
	readonly rttMs: number;
}

/** Plain data for `ringlet status`. */
export interface NodeStatus {
	readonly nodeId: Uint8Array;
	readonly role: "peer" | "client";
	readonly overlay: string;
	readonly sequence: number;
	readonly inOverlay: boolean;
	readonly uptimeS: number;
	readonly links: readonly LinkStatus[];
	readonly neighbours: readonly Uint8Array[];
	readonly routingTable: readonly Uint8Array[];
	readonly responsiblePpb: number;
	readonly topology: ReadonlyArray<readonly [string, string]>;
	readonly storedResources: number;
	readonly storedValues: number;
	readonly identities: readonly { readonly nodeId: Uint8Array; readonly userName: string }[];
	readonly counters: Readonly<Record<string, number>>;
}

export interface OverlayNodeOptions {
	/** The peer's (or device's) own identity; it owns the links. */
	readonly identity: LocalIdentity;
	readonly config: OverlayConfig;
	/** The document `config` was read from: handed on by ConfigUpdate. Empty: never handed on. */
	readonly configBytes: Uint8Array;
	readonly crypto: Crypto;
	readonly profile: TimerProfile;
	/**
	 * Wall clock at construction; milliseconds since 1970. Counted on from the first `now` the node is given. NaN: nobody knows (a device
	 * without a battery): certificates are believed whatever their dates, nothing is stored, until a `clock` says what time it is.
	 */
	readonly wallMs: number;
	/** Where others reach our overlay listener (candidates of Attach). Empty: this node only connects out. */
	readonly listen: readonly Endpoint[];
	/** Application ports others may ask for by AppAttach. */
	readonly applications?: readonly ApplicationListener[];
	/** `peerRole({...})` of peer.ts or `clientRole()` of client.ts. */
	readonly role: RoleFactory;
	/** Issue compressed ids instead of Node-IDs in via lists (RFC 6940 §6.3.2.2, MAY). */
	readonly compressVia?: boolean;
	/** Other limits than those of the role (`PEER_LIMITS`, `CLIENT_LIMITS`). */
	readonly limits?: Partial<OverlayLimits>;
	/** Octets above which messages on a link are fragmented; Infinity by default (TLS over TCP needs none). */
	readonly pathLimit?: number;
	readonly log?: Log;
}

/** Peer-only code (storage, topology, forwarding) stays out of a device's bundle: the role is chosen by the host. */
export interface RoleFactory {
	readonly limits: OverlayLimits;
	readonly linkLimits: LinkLimits;
	make(context: NodeContext): Role;
}

/** The commands of `OverlayNode`; each queues output and gives the token of the `result` that follows. */
export interface OverlayCommands {
	start(options: StartOptions, now: number): void;
	/** More bootstrap endpoints, found while running (mDNS). */
	discovered(endpoints: readonly KnownEndpoint[], now: number): void;
	leave(now: number): void;
	addIdentity(identity: LocalIdentity): boolean;
	removeIdentity(nodeId: Uint8Array): void;
	ping(destination: readonly Destination[], now: number, options?: RequestOptions): number;
	probe(
		destination: readonly Destination[],
		requested: readonly number[],
		now: number,
		options?: RequestOptions,
	): number;
	store(resourceId: Uint8Array, kinds: readonly StoreKind[], now: number, options?: RequestOptions): number;
	fetch(resourceId: Uint8Array, kinds: readonly FetchKind[], now: number, options?: RequestOptions): number;
	stat(resourceId: Uint8Array, kinds: readonly FetchKind[], now: number, options?: RequestOptions): number;
	find(resourceId: Uint8Array, kinds: readonly number[], now: number, options?: RequestOptions): number;
	routeQuery(
		via: readonly Destination[],
		destination: Destination,
		sendUpdate: boolean,
		now: number,
		options?: RequestOptions,
	): number;
	attach(destination: readonly Destination[], sendUpdate: boolean, now: number, options?: RequestOptions): number;
	appAttach(destination: readonly Destination[], application: number, now: number, options?: AppAttachOptions): number;
	configUpdate(destination: readonly Destination[], now: number, options?: RequestOptions): number;
	/** Iterative RouteQuery walk towards `destination`. */
	trace(destination: Destination, now: number): number;
	/** Resource Name octets -> Resource-ID, as the topology plug-in of this overlay hashes. */
	resourceId(name: Uint8Array): Uint8Array;
}
