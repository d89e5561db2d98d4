/** Two clocks of the device: one that only goes forward, and the wall clock, which SNTP sets. */
import Time from "time";
import type { Clock } from "../hal.ts";

/** Before this the wall clock was never set: 2025-01-01. */
export const EARLIEST_WALL_MS = 1_735_689_600_000;

export class XsClock implements Clock {
	#last = Time.ticks;
	#base = 0;

	/** `Time.ticks` is a 32-bit number of milliseconds: it wraps after 49 days, and must be asked more often than that. */
	monotonicMs(): number {
		const now = Time.ticks;
		this.#base += (now - this.#last) >>> 0;
		this.#last = now;
		return this.#base;
	}

	wallMs(): number {
		return Date.now();
	}

	get isSet(): boolean {
		return Date.now() >= EARLIEST_WALL_MS;
	}

	setWallMs(wallMs: number): void {
		Time.set(Math.floor(wallMs / 1_000));
	}
}
