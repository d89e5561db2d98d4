/** Waiting for what the machine reports, without sleeping. */

/** A place where callbacks say that something has happened; `until` looks again each time. */
export class Happenings {
	readonly list: string[] = [];
	#waiting: (() => void)[] = [];

	add(what: string): void {
		this.list.push(what);
		for (const wake of this.#waiting.splice(0)) wake();
	}

	/** Resolves as soon as `condition` holds; it is looked at after every happening. */
	async until(condition: () => boolean): Promise<void> {
		while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
	}

	/** Resolves once `what` has happened `count` times. */
	async seen(what: string, count = 1): Promise<void> {
		await this.until(() => this.list.filter((one) => one === what).length >= count);
	}
}

/** Lets everything that is already under way in this process come through. */
export async function turns(count = 5): Promise<void> {
	for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
