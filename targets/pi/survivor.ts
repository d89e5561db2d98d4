/**
 * Starting when nobody may be there: who declares itself the overlay when all attempts to join one fail.
 *
 * Deviation (RFC 6940 §11.5: an ordinary node must not take itself for the whole overlay because it fails to connect): after a power
 * cut every peer of a house starts at once and none is in an overlay; if the founder is dead for good, no peer could ever begin.
 * So a peer that was a member before begins alone after a pause: the founder first, the others in an order given by their Node-IDs.
 *
 *   pause over ── no link ──────────────────────────────► begin
 *        ▲      └ linked: Probe (who is in charge of what?)
 *        │            ├ somebody is in the ring ─► wait: joining takes its time
 *        └── 3 s ─────┤
 *                     └ nobody is: founder, or first by Node-ID of those who answer ─► begin; else wait, a few times
 *
 * Partitions that arise when two begin all the same are found and merged by the partition check of the topology (§10.7.4.4), which
 * keeps trying the bootstrap nodes. Seen by others as a partition that heals.
 */
import type { KnownEndpoint, NodeEvent } from "../../core/overlay/node-types.ts";
import { compareBytes } from "../../core/wire/bytes.ts";
import { ProbeInformationType } from "../../core/wire/codes.ts";
import { nodeDestination } from "../../core/wire/destination.ts";
import type { Log } from "../../hal/hal.ts";
import type { OverlayHost } from "./overlay-host.ts";
import { nodeTimers, type Timers } from "./state/timers.ts";

/** The founder waits this long for others before it begins alone. */
export const FOUNDER_PATIENCE_MS = 3_000;
/** The first and the last of the others. */
export const FIRST_PATIENCE_MS = 6_000;
export const LAST_PATIENCE_MS = 12_000;
/** Between two looks at who is there. */
export const LOOK_AGAIN_MS = 3_000;
/** So often another peer, first by its Node-ID, is let go first; then it is not waited for any more. */
export const MAX_YIELDS = 3;
/** Neighbours asked; a house that restarts has few. */
const MAX_ASKED = 16;

export interface SurvivorOptions {
	readonly host: Pick<OverlayHost, "start" | "command" | "probe">;
	readonly nodeId: Uint8Array;
	readonly founder: boolean;
	readonly log: Log;
	readonly timers?: Timers;
}

/** What a neighbour says of itself: its share of the ring, or that it does not answer. */
interface Neighbour {
	readonly nodeId: Uint8Array;
	readonly responsiblePpb: number | undefined;
}

export class Survivor {
	readonly #options: SurvivorOptions;
	#bootstrap: readonly KnownEndpoint[] = [];
	#stop: () => void = () => undefined;
	/** Joined, begun or closed. */
	#over = false;
	#yields = 0;

	constructor(options: SurvivorOptions) {
		this.#options = options;
	}

	/** Joins through `bootstrap`; a founder that knows nobody begins at once. */
	start(bootstrap: readonly KnownEndpoint[]): void {
		const { host, founder, nodeId } = this.#options;
		this.#bootstrap = bootstrap;
		const first = founder && bootstrap.length === 0;
		host.start({ first, bootstrap });
		if (first) return;
		const share = (nodeId[0] ?? 0) / 256;
		this.#lookAfter(founder ? FOUNDER_PATIENCE_MS : FIRST_PATIENCE_MS + share * (LAST_PATIENCE_MS - FIRST_PATIENCE_MS));
	}

	event(event: NodeEvent): void {
		if (event.type === "joined") this.close();
	}

	/** It does not begin any more, whatever happens. */
	close(): void {
		this.#over = true;
		this.#stop();
	}

	#lookAfter(ms: number): void {
		this.#stop = (this.#options.timers ?? nodeTimers).after(ms, () => void this.#look());
	}

	async #look(): Promise<void> {
		const neighbours = await this.#ask();
		if (this.#over) return;
		if (this.#mayBegin(neighbours)) this.#begin();
		else this.#lookAfter(LOOK_AGAIN_MS);
	}

	async #ask(): Promise<Neighbour[]> {
		const { host } = this.#options;
		const links = host.command((node, now) => node.status(now).links);
		const nodeIds = links.flatMap(({ nodeId }) => (nodeId === undefined ? [] : [nodeId])).slice(0, MAX_ASKED);
		return await Promise.all(
			nodeIds.map(async (nodeId) => {
				try {
					const { body } = await host.probe([nodeDestination(nodeId)], [ProbeInformationType.responsibleSet]);
					const share = body.info.find(({ type }) => type === ProbeInformationType.responsibleSet);
					return { nodeId, responsiblePpb: share?.value };
				} catch {
					return { nodeId, responsiblePpb: undefined };
				}
			}),
		);
	}

	#mayBegin(neighbours: readonly Neighbour[]): boolean {
		const { founder, nodeId } = this.#options;
		// Somebody is in the ring: joining takes its time, nothing is lost yet.
		if (neighbours.some(({ responsiblePpb }) => responsiblePpb !== undefined && responsiblePpb > 0)) return false;
		if (founder || this.#yields >= MAX_YIELDS) return true;
		const isFirst = neighbours.every(
			(other) => other.responsiblePpb === undefined || compareBytes(nodeId, other.nodeId) < 0,
		);
		if (!isFirst) this.#yields++;
		return isFirst;
	}

	#begin(): void {
		this.close();
		this.#options.log("warn", "overlay.alone", {
			hint: "no other peer is in the overlay; this one begins it and goes on looking",
		});
		this.#options.host.command((node, now) => node.start({ first: true, bootstrap: this.#bootstrap }, now));
	}
}
