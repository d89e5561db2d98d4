/**
 * Starting when nobody may be there: who declares itself the overlay when all attempts to join one fail.
 *
 * Deviation (RFC 6940 §11.5: an ordinary node must not take itself for the whole overlay because it fails to connect): after a power
 * cut every peer of a house starts at once and none is in an overlay; if the founder is dead for good, no peer could ever begin.
 * So a peer that was a member before begins alone after a pause: the founder first, the others in an order given by their Node-IDs.
 * Partitions that arise when two begin are found and merged by the partition check of the topology (§10.7.4.4), which keeps trying
 * the bootstrap nodes. Seen by others as a partition that heals.
 */
import type { Endpoint, NodeEvent } from "../../core/overlay/node-types.ts";
import type { Log } from "../../hal/hal.ts";
import type { OverlayHost } from "./overlay-host.ts";

/** The founder waits this long for others before it begins alone. */
export const FOUNDER_PATIENCE_MS = 3_000;
/** The first and the last of the others. */
export const FIRST_PATIENCE_MS = 6_000;
export const LAST_PATIENCE_MS = 12_000;

export interface SurvivorOptions {
	readonly host: OverlayHost;
	readonly nodeId: Uint8Array;
	readonly founder: boolean;
	readonly log: Log;
}

export class Survivor {
	readonly #options: SurvivorOptions;
	#bootstrap: readonly Endpoint[] = [];
	#timer: NodeJS.Timeout | undefined;
	#joined = false;

	constructor(options: SurvivorOptions) {
		this.#options = options;
	}

	/** Joins through `bootstrap`; a founder that knows nobody begins at once. */
	start(bootstrap: readonly Endpoint[]): void {
		const { host, founder, nodeId } = this.#options;
		this.#bootstrap = bootstrap;
		const first = founder && bootstrap.length === 0;
		host.start({ first, bootstrap });
		if (first) return;
		const share = (nodeId[0] ?? 0) / 256;
		const patience = founder ? FOUNDER_PATIENCE_MS : FIRST_PATIENCE_MS + share * (LAST_PATIENCE_MS - FIRST_PATIENCE_MS);
		this.#timer = setTimeout(() => this.#begin(), patience);
	}

	event(event: NodeEvent): void {
		if (event.type === "joined") {
			this.#joined = true;
			clearTimeout(this.#timer);
		}
	}

	close(): void {
		clearTimeout(this.#timer);
	}

	#begin(): void {
		if (this.#joined) return;
		const linked = this.#options.host.command((node, now) => node.status(now).links.length);
		if (linked > 0) {
			// Somebody is there: joining takes its time, nothing is lost yet.
			this.#timer = setTimeout(() => this.#begin(), FOUNDER_PATIENCE_MS);
			return;
		}
		this.#options.log("warn", "overlay.alone", {
			hint: "no other peer answers; this one begins alone and goes on looking",
		});
		this.#options.host.command((node, now) => node.start({ first: true, bootstrap: this.#bootstrap }, now));
	}
}
