/** What the parts of one plug-in share. */
import type { Outbox } from "./outbox.ts";
import type { PeerTable } from "./peers.ts";
import type { TopologyHost } from "./plugin.ts";

export interface RingContext {
	readonly host: TopologyHost;
	/** Our Node-ID. */
	readonly self: Uint8Array;
	readonly out: Outbox;
	readonly peers: PeerTable;
	/** Peers wanted in the Neighbour Table on each side. */
	perSide(): number;
	/** Owes a node our Update, when we are in the ring. */
	show(id: Uint8Array, now: number): void;
}

/** Longest time until a request of ours has its result: all its transmissions (RFC 6940 §6.2.1), milliseconds. */
export function requestLifetimeMs(host: TopologyHost): number {
	return host.profile.overlayReliabilityMs * host.profile.transmissions;
}
