/** Nodes that did not answer a moment ago: whoever asks them again need not wait as long as for others. */
import { toHex } from "../../core/wire/bytes.ts";
import type { Clock } from "../../hal/hal.ts";

/** How long a silence is remembered. */
export const SILENT_FOR_MS = 60_000;
/** Nodes remembered; the one of longest ago is forgotten when there is one more. */
export const MAX_SILENT = 512;

export class SilentNodes {
	readonly #clock: Pick<Clock, "monotonicMs">;
	/** Hex of the Node-ID, and when it was silent; oldest first. */
	readonly #at = new Map<string, number>();

	constructor(clock: Pick<Clock, "monotonicMs">) {
		this.#clock = clock;
	}

	get size(): number {
		return this.#at.size;
	}

	/** It does not answer, or its connection was lost. */
	add(nodeId: Uint8Array): void {
		const key = toHex(nodeId);
		this.#at.delete(key);
		if (this.#at.size >= MAX_SILENT) {
			const oldest = this.#at.keys().next().value;
			if (oldest !== undefined) this.#at.delete(oldest);
		}
		this.#at.set(key, this.#clock.monotonicMs());
	}

	/** It was heard. */
	delete(nodeId: Uint8Array): void {
		this.#at.delete(toHex(nodeId));
	}

	has(nodeId: Uint8Array): boolean {
		const at = this.#at.get(toHex(nodeId));
		return at !== undefined && this.#clock.monotonicMs() - at < SILENT_FOR_MS;
	}
}
