/**
 * One button: raw edges to presses.
 *
 *   pin    ____|""|_|"""""""""""""""""""|_|"|______
 *   window     [30 ms.....]             [30 ms....]
 *   press                 ^ here        let go     ^ here
 *
 * A press is taken when the window of the first edge is over and the level has held for `STABLE_MS`: 30 to 50 ms after the finger, and
 * a disturbance shorter than the window is none. Lost edges do no lasting harm: a second "down" in a row means that the "up" was lost.
 */
import { STABLE_MS, STUCK_MS } from "./limits.ts";

/** What a button had to say. */
export type ButtonNews = "pressed" | "released" | "stuck" | "none";

export class Button {
	/** Debounced. */
	isDown = false;
	#isRawDown = false;
	/** When the level is judged; `Infinity` while nothing happens. */
	#judgeAt = Number.POSITIVE_INFINITY;
	/** The window in which edges are bounces ends here. */
	#windowEndsAt = 0;
	#stuckAt = Number.POSITIVE_INFINITY;

	/** A raw edge. */
	edge(isDown: boolean, windowMs: number, now: number): void {
		const isOpen = this.#judgeAt !== Number.POSITIVE_INFINITY;
		if (isDown === this.#isRawDown) {
			// Two "down" in a row: the "up" between them was lost, and this is a new press. Two "up" tell nothing.
			if (!isDown || isOpen || !this.isDown) return;
			this.isDown = false;
			this.#stuckAt = Number.POSITIVE_INFINITY;
		}
		this.#isRawDown = isDown;
		if (!isOpen) this.#windowEndsAt = now + windowMs;
		this.#judgeAt = Math.max(this.#windowEndsAt, now + STABLE_MS);
	}

	/** Call when the deadline is over, until "none". */
	expire(now: number): ButtonNews {
		if (now >= this.#judgeAt) {
			this.#judgeAt = Number.POSITIVE_INFINITY;
			if (this.#isRawDown === this.isDown) return "none";
			this.isDown = this.#isRawDown;
			this.#stuckAt = this.isDown ? now + STUCK_MS : Number.POSITIVE_INFINITY;
			return this.isDown ? "pressed" : "released";
		}
		if (now < this.#stuckAt) return "none";
		this.#stuckAt = Number.POSITIVE_INFINITY;
		return "stuck";
	}

	deadline(): number {
		return Math.min(this.#judgeAt, this.#stuckAt);
	}
}
