/** The LED language: the rhythm of each pattern, and a player that turns a pattern into levels over time. */
import type { LedPattern } from "./types.ts";

/** Level and duration in turn; repeated from the start. One pair with duration 0: steady. docs/device.md shows the same table. */
export const LED_RHYTHMS: Readonly<Record<LedPattern, readonly number[]>> = Object.freeze({
	off: Object.freeze([0, 0]),
	idle: Object.freeze([40, 0]),
	offline: Object.freeze([40, 2900, 255, 100]),
	pressed: Object.freeze([255, 0]),
	searching: Object.freeze([255, 100, 0, 100]),
	calling: Object.freeze([255, 250, 0, 250]),
	ringing: Object.freeze([255, 500, 0, 500]),
	incoming: Object.freeze([255, 100, 0, 100, 255, 100, 0, 700]),
	talking: Object.freeze([200, 0]),
	opened: Object.freeze([255, 900, 0, 100]),
	noAnswer: Object.freeze([255, 700, 0, 300]),
	error: Object.freeze([255, 120, 0, 120, 255, 120, 0, 120, 255, 120, 0, 700]),
	pairing: Object.freeze([255, 100, 0, 100, 255, 100, 0, 1200]),
	pairingBusy: Object.freeze([255, 100, 0, 400]),
	pairingFailed: Object.freeze([255, 60, 0, 60, 255, 60, 0, 60, 255, 60, 0, 60, 255, 60, 0, 60, 255, 60, 0, 900]),
	revoked: Object.freeze([255, 1500, 0, 1500]),
});

/** Plays one pattern; whoever has the pin asks `level` after `show` and `advance`. */
export class LedPlayer {
	#rhythm: readonly number[] = LED_RHYTHMS.off;
	/** Index of the level that shows. */
	#at = 0;
	#nextAt = Number.POSITIVE_INFINITY;

	/** 0..255 */
	get level(): number {
		return this.#rhythm[this.#at]!;
	}

	/** Begins a pattern. */
	show(pattern: LedPattern, now: number): void {
		this.#rhythm = LED_RHYTHMS[pattern];
		this.#at = 0;
		this.#schedule(now);
	}

	/** Goes on to the step that shows now. A late call does not run after what was missed. */
	advance(now: number): void {
		if (now < this.#nextAt) return;
		this.#at = (this.#at + 2) % this.#rhythm.length;
		this.#schedule(now);
	}

	deadline(): number {
		return this.#nextAt;
	}

	#schedule(now: number): void {
		const ms = this.#rhythm[this.#at + 1]!;
		this.#nextAt = ms === 0 ? Number.POSITIVE_INFINITY : now + ms;
	}
}
