/**
 * Watches what may hang without an error: each watched thing says from time to time that it lives; one that was silent for too long is
 * restarted, and when that has helped nothing twice, the device is.
 */
import type { Timers } from "../device.ts";
import type { Clock, Log } from "../hal.ts";
import { WATCH_EVERY_MS } from "./limits.ts";

export interface Watched {
	readonly name: string;
	/** Silence for longer than this is a hang. */
	readonly silenceMs: number;
	/** Starts it anew. */
	revive(): void;
}

interface Watch {
	readonly watched: Watched;
	heardAt: number;
	revivals: number;
}

/** Revivals in a row that may fail. */
const MAX_REVIVALS = 2;

export class Supervisor {
	readonly #watches: Watch[] = [];
	readonly #clock: Clock;
	readonly #timers: Timers;
	readonly #log: Log;
	readonly #restart: (reason: string) => void;

	constructor(clock: Clock, timers: Timers, log: Log, restart: (reason: string) => void) {
		this.#clock = clock;
		this.#timers = timers;
		this.#log = log;
		this.#restart = restart;
		this.#next();
	}

	/** The function returned says "it lives". */
	watch(watched: Watched): () => void {
		const watch: Watch = { watched, heardAt: this.#clock.monotonicMs(), revivals: 0 };
		this.#watches.push(watch);
		return () => {
			watch.heardAt = this.#clock.monotonicMs();
			watch.revivals = 0;
		};
	}

	#next(): void {
		this.#timers.set(() => {
			// First, so that nothing below can end the watch.
			this.#next();
			this.#look();
		}, WATCH_EVERY_MS);
	}

	#look(): void {
		const now = this.#clock.monotonicMs();
		for (const watch of this.#watches) {
			const { name, silenceMs } = watch.watched;
			if (now - watch.heardAt <= silenceMs) continue;
			watch.heardAt = now;
			watch.revivals++;
			this.#log("error", "watch.silent", { name, revivals: watch.revivals });
			if (watch.revivals > MAX_REVIVALS) this.#restart(`${name} hangs`);
			else this.#revive(watch.watched);
		}
	}

	#revive(watched: Watched): void {
		try {
			watched.revive();
		} catch (error) {
			this.#log("error", "watch.revive", { name: watched.name, error: String(error) });
		}
	}
}
