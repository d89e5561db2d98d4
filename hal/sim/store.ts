/** A record store of a simulated machine: it takes virtual time, survives the process, and loses at a power cut what it never reported. */
import type { RecordBatch, RecordStore } from "../hal.ts";
import type { SimMachine } from "./network.ts";

export class SimStore implements RecordStore {
	readonly #machine: SimMachine;
	readonly #records = new Map<string, unknown>();
	/** From a commit to its report, milliseconds. */
	commitMs: number;
	/** While set, commits fail for this reason and change nothing. */
	failing: string | undefined;
	/** Changes that were made. */
	commits = 0;
	#closed = false;

	constructor(machine: SimMachine, commitMs = 1) {
		this.#machine = machine;
		this.commitMs = commitMs;
	}

	get(key: string): unknown {
		return this.#records.get(key);
	}

	*entries(prefix: string): Iterable<readonly [key: string, value: unknown]> {
		const keys = [...this.#records.keys()].filter((key) => key.startsWith(prefix)).sort();
		for (const key of keys) yield [key, this.#records.get(key)];
	}

	commit(batch: RecordBatch, done: (error?: string) => void): void {
		const { life, network } = this.#machine;
		// A copy now: the caller may go on with what it gave.
		const put = batch.put.map(([key, value]) => [key, structuredClone(value)] as const);
		const remove = [...batch.remove];
		network.time.after(this.commitMs, () => {
			if (this.#machine.life !== life || !this.#machine.powered) return;
			const error = this.#closed ? "the store is closed" : this.failing;
			if (error === undefined) {
				for (const [key, value] of put) this.#records.set(key, value);
				for (const key of remove) this.#records.delete(key);
				this.commits++;
			}
			done(error);
		});
	}

	/** Opened again by the next life of the process. */
	reopen(): void {
		this.#closed = false;
	}

	close(): void {
		this.#closed = true;
	}
}
