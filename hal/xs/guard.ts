/**
 * The last line of every callback: an exception that leaves one would end the machine (XS aborts), so it is logged and counted instead.
 * Too many of them in a short time, and the device starts anew: a machine that throws all the time does nothing else.
 */
import type { Clock, Log } from "../hal.ts";
import { FAULT_WINDOW_MS, MAX_FAULTS } from "./limits.ts";

export class Guard {
	readonly #log: Log;
	readonly #clock: Clock;
	readonly #restart: (reason: string) => void;
	#faults = 0;
	#since = Number.NEGATIVE_INFINITY;

	constructor(log: Log, clock: Clock, restart: (reason: string) => void) {
		this.#log = log;
		this.#clock = clock;
		this.#restart = restart;
	}

	/** Told of an exception that was caught at the edge of `where`. */
	caught(where: string, error: unknown): void {
		const now = this.#clock.monotonicMs();
		if (now - this.#since > FAULT_WINDOW_MS) {
			this.#since = now;
			this.#faults = 0;
		}
		this.#faults++;
		this.#log("error", "fault", { where, error: error instanceof Error ? error.message : String(error) });
		if (this.#faults === MAX_FAULTS) this.#restart("too many faults");
	}

	/** Calls `step`; what it throws ends here. */
	run(where: string, step: () => void): void {
		try {
			step();
		} catch (error) {
			this.caught(where, error);
		}
	}
}
