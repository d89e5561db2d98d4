/** Figures for the documentation: what an idle overlay costs, and how long failures last. */
import { HOUSE_PROFILE, RFC_PROFILE, type TimerProfile } from "../../core/overlay/profile.ts";
import { CHORD_RELOAD, EXP_OVERLAY } from "../../core/overlay/topology/index.ts";
import { messageCodeName } from "../../core/wire/names.ts";
import { World } from "./world.ts";

export interface IdleOptions {
	readonly peers: number;
	readonly plugin?: string;
	readonly profile?: TimerProfile;
	readonly seed?: number;
	/** Virtual time before the measurement, and of it. */
	readonly warmUpMs?: number;
	readonly measureMs?: number;
}

/** What one peer sends per hour while nobody asks for anything. */
export interface IdleTraffic {
	readonly plugin: string;
	readonly profile: string;
	readonly peers: number;
	readonly linksPerPeer: number;
	readonly messagesPerHour: number;
	/** Frames and acknowledgements, without TLS, TCP and IP. */
	readonly octetsPerHour: number;
	/** With 29 octets of TLS record and 52 of TCP and IPv4 for each write. */
	readonly octetsOnWirePerHour: number;
	/** By message code name. */
	readonly messages: Readonly<Record<string, number>>;
}

/** TLS 1.2 AES-GCM record (5 + 8 + 16), and IPv4 with TCP and timestamps (20 + 32). */
const WRITE_OVERHEAD = 29 + 52;
const HOUR_MS = 3_600_000;

/** Lets an overlay of so many peers settle, then counts what they send. */
export function measureIdle(options: IdleOptions): IdleTraffic {
	const { peers, plugin = CHORD_RELOAD, profile = HOUSE_PROFILE, seed = 1 } = options;
	const { warmUpMs = 120_000, measureMs = HOUR_MS } = options;
	const world = new World({ seed, plugin, profile });
	world.found(peers);
	world.advance(warmUpMs);
	world.resetTraffic();
	world.advance(measureMs);
	const traffic = world.traffic();
	const perHour = (count: number): number => Math.round((count * HOUR_MS) / measureMs / peers);
	let links = 0;
	for (const peer of world.peers()) links += peer.node.status(world.time.now).links.length;
	const messages: Record<string, number> = {};
	for (const [code, count] of [...traffic.byCode].sort((a, b) => a[0] - b[0])) {
		messages[messageCodeName(code)] = perHour(count);
	}
	return {
		plugin,
		profile: profile.name,
		peers,
		linksPerPeer: links / peers,
		messagesPerHour: perHour(traffic.messages),
		octetsPerHour: perHour(traffic.octets),
		octetsOnWirePerHour: perHour(traffic.octets + traffic.writes * WRITE_OVERHEAD),
		messages,
	};
}

/** The table of docs: both plug-ins, both profiles, small and full house. */
export function measureIdleTable(peers: readonly number[] = [3, 16], measureMs = HOUR_MS): IdleTraffic[] {
	const table: IdleTraffic[] = [];
	for (const profile of [HOUSE_PROFILE, RFC_PROFILE]) {
		for (const plugin of [CHORD_RELOAD, EXP_OVERLAY]) {
			for (const count of peers) table.push(measureIdle({ peers: count, plugin, profile, measureMs }));
		}
	}
	return table;
}

export interface Healing {
	/** From the power loss until no peer knows the dead one any more, and until the ring is right; milliseconds. */
	readonly noticedMs: number;
	readonly healedMs: number;
}

/** A peer loses power: how long the others need. */
export function measureHealing(world: World, victim: { powerOff(): void; readonly id: Uint8Array }): Healing {
	victim.powerOff();
	const start = world.time.now;
	const hex = victim.id.join();
	const isKnown = (): boolean =>
		world.peers().some((peer) => peer.plugin?.routingTable().some((id) => id.join() === hex) === true);
	while (isKnown() && world.time.now - start < 60_000) world.advance(10);
	const noticedMs = world.time.now - start;
	world.settle(60_000, 10);
	return { noticedMs, healedMs: world.time.now - start };
}
