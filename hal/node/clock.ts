/** The clocks of Node, and the one timer that a machine's `deadline()` needs. */
import type { Clock } from "../hal.ts";

/** Monotonic time from the performance timer, wall time from the system clock. */
export function nodeClock(): Clock {
	return {
		monotonicMs: () => performance.now(),
		wallMs: () => Date.now(),
	};
}

/** setTimeout turns anything longer into 1 ms. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Calls back when a time of the clock is reached. Made for deadlines that move at every input: as long as the new time is later
 * than the one armed, no host timer is touched; the timer looks again when it fires.
 */
export class Deadline {
	readonly #clock: Clock;
	readonly #onDue: () => void;
	#timer: NodeJS.Timeout | undefined;
	/** What the host timer is set to, and what is wanted. */
	#armedFor = Infinity;
	#wanted = Infinity;
	#closed = false;

	/** `onDue` is called at or after each time asked for, at most once per `at`. */
	constructor(clock: Clock, onDue: () => void) {
		this.#clock = clock;
		this.#onDue = onDue;
	}

	/** Asks for a call at `timeMs` (monotonic) in place of whatever was asked before; Infinity asks for none. */
	at(timeMs: number): void {
		if (this.#closed) return;
		this.#wanted = timeMs;
		if (timeMs < this.#armedFor) this.#arm(timeMs);
	}

	/** No call any more, whatever is asked. */
	close(): void {
		this.#closed = true;
		this.#wanted = Infinity;
		this.#armedFor = Infinity;
		clearTimeout(this.#timer);
	}

	#arm(timeMs: number): void {
		clearTimeout(this.#timer);
		this.#armedFor = timeMs;
		// Rounded up: a timer that fires early would only be set again.
		const waitMs = Math.ceil(timeMs - this.#clock.monotonicMs());
		this.#timer = setTimeout(() => this.#fired(), Math.min(Math.max(waitMs, 0), LONGEST_TIMEOUT_MS));
	}

	#fired(): void {
		this.#armedFor = Infinity;
		const wanted = this.#wanted;
		if (wanted === Infinity) return;
		if (this.#clock.monotonicMs() < wanted) {
			this.#arm(wanted);
			return;
		}
		this.#wanted = Infinity;
		this.#onDue();
	}
}
