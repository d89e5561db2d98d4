/**
 * The seam between the overlay's node and its topology: RFC 6940 §6.4 (what a plug-in must supply) as an interface.
 *
 * A plug-in is a machine. It owns the Neighbour Table, the Finger Table and the notion of responsibility; it owns no link, no
 * signature and no stored value. The node owns those, asks the plug-in where things belong, and carries out what it puts out.
 * Node-IDs and Resource-IDs are raw octets of the overlay's Node-ID length.
 */
import type { Machine } from "../../machine.ts";
import type { MessageExtension } from "../../wire/contents.ts";
import type { Destination } from "../../wire/destination.ts";
import type { TimerProfile } from "../profile.ts";

/** What a plug-in may ask of its node at any time (no side effects). */
export interface TopologyHost {
	readonly nodeId: Uint8Array;
	readonly profile: TimerProfile;
	/** Octets of a Node-ID, 16..20. */
	readonly nodeIdLength: number;
	/** SHA-1 (RFC 6940 §10.2). */
	sha1(data: Uint8Array): Uint8Array;
	/** A number in [0, 1) from the node's random source. */
	random(): number;
	/** True while a live link to this node exists (Connection Table, clients included). */
	isConnected(nodeId: Uint8Array): boolean;
	/** Node-IDs of the whole Connection Table. */
	connections(): Uint8Array[];
	/** Bootstrap nodes with a live link now (their Node-IDs), for joining and partition checks. */
	bootstrapLinks(): Uint8Array[];
	/** Seconds since this node started. */
	uptimeS(now: number): number;
}

export type TopologyInput =
	| { readonly type: "timeout" }
	/** `first`: this node was told that it founds the overlay; it is in the ring at once. Else join through the bootstrap links. */
	| { readonly type: "start"; readonly first: boolean }
	/** Say goodbye (Leave) to all neighbours; `left` follows. */
	| { readonly type: "leave" }
	/**
	 * The Connection Table gained or lost a node. `clean`: a close we chose or a Leave announced.
	 *
	 * `linkUp` may come again for a node without a `linkDown` between: a new link took the place of an older one that nobody had missed
	 * yet, so the node may have restarted and know nothing of what was said over the older one.
	 */
	| { readonly type: "linkUp"; readonly nodeId: Uint8Array }
	| { readonly type: "linkDown"; readonly nodeId: Uint8Array; readonly clean: boolean }
	/** A verified Join, Leave, Update or RouteQuery request for us; `overLink`: it came on the link bound to its signer. */
	| {
			readonly type: "request";
			readonly token: number;
			readonly code: number;
			readonly from: Uint8Array;
			readonly overLink: boolean;
			readonly body: Uint8Array;
	  }
	/** The answer (or final failure) of something sent with `send` or `attach`. `from`: who signed the answer. */
	| {
			readonly type: "result";
			readonly token: number;
			readonly ok: boolean;
			readonly from: Uint8Array | undefined;
			readonly body: Uint8Array | undefined;
			/** RFC 6940 error code, or 4 (Error_Request_Timeout) when nothing came. */
			readonly errorCode: number;
			/** Extensions of the answer, if any. */
			readonly extensions?: readonly MessageExtension[];
	  }
	/** A verified Probe request for us carried these extensions. The node answers it, with `probeExtensions()` on the answer. */
	| { readonly type: "probed"; readonly from: Uint8Array; readonly extensions: readonly MessageExtension[] }
	/** The peer asked for an Update in an Attach (send_update), and its link is up. (For RouteQuery the plug-in sees it itself.) */
	| { readonly type: "updateWanted"; readonly nodeId: Uint8Array }
	/** Everything of a `handOver` has been stored at `to` (or given up). */
	| { readonly type: "handedOver"; readonly to: Uint8Array; readonly ok: boolean };

export type TopologyOutput =
	/** A request of the plug-in's own (Join, Leave, Update, Ping, Probe, RouteQuery). A `result` with this token follows. */
	| {
			readonly type: "send";
			readonly token: number;
			readonly code: number;
			readonly destination: readonly Destination[];
			readonly body: Uint8Array;
			readonly extensions?: readonly MessageExtension[];
	  }
	/** Attach, then the link. `result.from` is the Node-ID the new link leads to; `ok` only when the link is up (or was before). */
	| {
			readonly type: "attach";
			readonly token: number;
			readonly destination: readonly Destination[];
			readonly sendUpdate: boolean;
	  }
	/** The answer body of a `request`, or its refusal. */
	| { readonly type: "answer"; readonly token: number; readonly body: Uint8Array }
	| {
			readonly type: "refuse";
			readonly token: number;
			readonly errorCode: number;
			readonly info: string;
	  }
	/** The plug-in has no more use for this link (the node keeps it when somebody else has). */
	| { readonly type: "release"; readonly nodeId: Uint8Array }
	/** Store at `to` (replica_number 1) all values whose Resource-ID is in the ring interval (after, upTo]. `handedOver` follows. */
	| {
			readonly type: "handOver";
			readonly to: Uint8Array;
			readonly after: Uint8Array;
			readonly upTo: Uint8Array;
	  }
	/** Responsibility or replica sets changed: the node re-examines what it stores (replicate, pass on, delete). */
	| { readonly type: "placementChanged" }
	/** This node is part of the overlay now / is not any more / has finished leaving. */
	| { readonly type: "joined" }
	| { readonly type: "isolated" }
	| { readonly type: "left" };

export interface TopologyPlugin extends Machine<TopologyInput, TopologyOutput> {
	/** As in the configuration document: "CHORD-RELOAD", ... */
	readonly name: string;
	/** True between `joined` and `isolated` / `left`. */
	readonly inOverlay: boolean;
	/** Resource Name octets -> Resource-ID (RFC 6940 §10.2 for Chord). */
	resourceId(name: Uint8Array): Uint8Array;
	/** RFC 6940 §10.1: this node is in charge of `id` (a Node-ID or Resource-ID as a point of the overlay). */
	isResponsible(id: Uint8Array): boolean;
	/** The Node-ID of the Routing Table to forward to, or `undefined` when nobody is closer than we are. */
	nextHop(id: Uint8Array): Uint8Array | undefined;
	/** Peers of the Routing Table, nearest successor first. */
	routingTable(): Uint8Array[];
	/** Peers of the Neighbour Table. */
	neighbours(): Uint8Array[];
	/** Share of the resource space, parts per billion (Probe responsible_set). */
	responsiblePpb(): number;
	/** Where the replicas of a resource go when we are responsible for it (at most two), in order. */
	replicaSet(resourceId: Uint8Array): Uint8Array[];
	/** §10.4: `from` may store a replica of this resource at us: a fitting predecessor, as far as we know. */
	mayReplicate(resourceId: Uint8Array, from: Uint8Array): boolean;
	/** False when the resource is neither ours nor one we are in the replica set for (we may forget it). */
	shouldKeep(resourceId: Uint8Array): boolean;
	/** §6.3.4: `signer` is at least as close to the Resource-ID as any node of our own Neighbour Table. */
	isCloseEnough(resourceId: Uint8Array, signer: Uint8Array): boolean;
	/** Extensions for the answer to a Probe request (RFC 7363 §6.5); none when absent. */
	probeExtensions?(now: number): readonly MessageExtension[];
	/** Lines for `ringlet status`: name and value. */
	describe(): ReadonlyArray<readonly [string, string]>;
}
