/** The topology plug-ins by their names in the configuration document (RFC 6940 §11.1, topology-plugin). */
import { CHORD_RELOAD, CHORD_SELF_TUNING, Chord } from "./chord.ts";
import { EXP_OVERLAY, Mesh } from "./mesh.ts";
import type { TopologyHost, TopologyPlugin } from "./plugin.ts";

export { CHORD_RELOAD, CHORD_SELF_TUNING, Chord, type ChordOptions } from "./chord.ts";
export { EXP_OVERLAY, Mesh } from "./mesh.ts";
export type * from "./plugin.ts";

export interface TopologyOptions {
	/** chord-reactive of the configuration; default true. */
	readonly reactive?: boolean;
	/** number-of-peers-to-probe of RFC 7363 §7; default 4. */
	readonly peersToProbe?: number;
}

/** RFC 7363 §7. */
const PEERS_TO_PROBE = 4;

/** The plug-in with this name, or `undefined` when this program does not have it (then the node cannot be a peer of the overlay). */
export function createTopology(
	name: string,
	host: TopologyHost,
	options: TopologyOptions = {},
): TopologyPlugin | undefined {
	switch (name) {
		case CHORD_RELOAD:
			return new Chord(host, { reactive: options.reactive !== false });
		case CHORD_SELF_TUNING:
			return new Chord(host, { peersToProbe: options.peersToProbe ?? PEERS_TO_PROBE });
		case EXP_OVERLAY:
			return new Mesh(host);
		default:
			return undefined;
	}
}
