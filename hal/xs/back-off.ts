/** Pauses that double from a first to a last one, each shortened by a random part of up to a quarter; never ends. */
export class BackOff {
	readonly #firstMs: number;
	readonly #lastMs: number;
	readonly #random: () => number;
	#nextMs: number;

	/** `random`: 0..1. */
	constructor(firstMs: number, lastMs: number, random: () => number) {
		this.#firstMs = firstMs;
		this.#lastMs = lastMs;
		this.#random = random;
		this.#nextMs = firstMs;
	}

	/** The pause before the next try. */
	next(): number {
		const pause = this.#nextMs;
		this.#nextMs = Math.min(2 * pause, this.#lastMs);
		return Math.round(pause * (1 - this.#random() / 4));
	}

	/** It went well. */
	reset(): void {
		this.#nextMs = this.#firstMs;
	}
}
