/** Puts a peer's overlay node together: role, topology plug-in, timers, usages, as the configuration document says. */
import type { OverlayConfig } from "../../core/config/document.ts";
import type { LocalIdentity } from "../../core/identity/signer.ts";
import { OverlayNode } from "../../core/overlay/node.ts";
import type { ApplicationListener, Endpoint } from "../../core/overlay/node-types.ts";
import { peerRole } from "../../core/overlay/peer.ts";
import { HOUSE_PROFILE, RFC_PROFILE, type TimerProfile } from "../../core/overlay/profile.ts";
import { createTopology } from "../../core/overlay/topology/index.ts";
import type { TopologyHost, TopologyPlugin } from "../../core/overlay/topology/plugin.ts";
import { STORAGE_PREFIX } from "../../core/storage/storage.ts";
import { sipKindCheck } from "../../core/usages/sip-check.ts";
import { KindId } from "../../core/wire/codes.ts";
import type { Crypto, Log, RecordStore } from "../../hal/hal.ts";
import { MAX_ACCOUNTS } from "./household/limits.ts";
import { UserError } from "./state/errors.ts";

export interface PeerNodeOptions {
	readonly identity: LocalIdentity;
	readonly config: OverlayConfig;
	readonly configBytes: Uint8Array;
	readonly crypto: Crypto;
	readonly store: RecordStore;
	readonly log: Log;
	readonly wallMs: number;
	readonly listen: readonly Endpoint[];
	readonly applications?: readonly ApplicationListener[];
}

/** The profile the document names, with the document's own timers. */
export function timerProfile(config: OverlayConfig): TimerProfile {
	return {
		...(config.profile === "house" ? HOUSE_PROFILE : RFC_PROFILE),
		overlayReliabilityMs: config.overlayReliabilityTimerMs,
		chordUpdateMs: config.chordUpdateIntervalS * 1000,
		chordPingMs: config.chordPingIntervalS * 1000,
	};
}

/** Throws a `UserError` when the document asks for a topology plug-in that this program does not have. */
export function makePeerNode(options: PeerNodeOptions): OverlayNode {
	const { config, store } = options;
	const topology = (host: TopologyHost): TopologyPlugin => {
		const plugin = createTopology(config.topologyPlugin, host, {
			reactive: config.chordReactive,
			...(config.numberOfPeersToProbe === undefined ? {} : { peersToProbe: config.numberOfPeersToProbe }),
		});
		if (plugin === undefined)
			throw new UserError(`the overlay uses ${config.topologyPlugin}, which this Ringlet does not have`, "update it");
		return plugin;
	};
	const role = peerRole({
		topology,
		records: store.entries(STORAGE_PREFIX),
		kindChecks: { [KindId.sipRegistration]: sipKindCheck(config.instanceName) },
	});
	// A hosted user for each account, and the house.
	const limits = { identities: MAX_ACCOUNTS + 1 };
	return new OverlayNode({ ...options, profile: timerProfile(config), role, limits });
}
