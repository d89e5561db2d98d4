/** Runs asynchronous changes one after the other, in the order in which they were asked for. */
export class Serial {
	#last: Promise<unknown> = Promise.resolve();

	/** Runs `change` when all earlier ones have ended, whether well or not. */
	run<T>(change: () => Promise<T> | T): Promise<T> {
		const result = this.#last.then(change);
		this.#last = result.catch(() => undefined);
		return result;
	}

	/** Resolves when everything asked for so far has ended. */
	async idle(): Promise<void> {
		await this.#last;
	}
}
