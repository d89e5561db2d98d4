/**
 * What of the store is on disk and what is on its way there.
 *
 *   put / remove          take()                 settled(batch, ok)
 *   ------------> staged --------> in flight --+----------------> on disk, forgotten here
 *                    ^                         |
 *                    +------- left over <------+ not ok
 *
 * A batch that failed is not undone: what it should have written goes out with the next one, in the state it has then.
 */
import type { RecordBatch } from "../../hal/hal.ts";

/** In place of a value: the record is to be removed. Frozen; told apart by identity. */
const REMOVED: unknown = Object.freeze({ removed: true });

/** The batch of a change that changes nothing; owners need not persist it. */
export const EMPTY_BATCH: RecordBatch = Object.freeze({ put: Object.freeze([]), remove: Object.freeze([]) });

/** True when there is nothing to write. */
export function isEmptyBatch(batch: RecordBatch): boolean {
	return batch.put.length === 0 && batch.remove.length === 0;
}

export class Journal {
	/** Key -> its newest value (or REMOVED), until a batch with exactly that value is on disk. */
	readonly #unsettled = new Map<string, unknown>();
	/** Keys to be written with the next batch: staged since the last one, or left over from one that failed. */
	readonly #due = new Set<string>();

	/** Records on their way to disk. */
	get unsettled(): number {
		return this.#unsettled.size;
	}

	put(key: string, value: unknown): void {
		this.#unsettled.set(key, value);
		this.#due.add(key);
	}

	remove(key: string): void {
		this.put(key, REMOVED);
	}

	/** True when the record stands on disk as last put. */
	isSettled(key: string): boolean {
		return !this.#unsettled.has(key);
	}

	/** Puts a record on its way to disk once more when it is not known to have arrived; so a batch depends on no other. */
	again(key: string): void {
		if (this.#unsettled.has(key)) this.#due.add(key);
	}

	/** Everything due, as one batch. */
	take(): RecordBatch {
		if (this.#due.size === 0) return EMPTY_BATCH;
		const put: (readonly [string, unknown])[] = [];
		const remove: string[] = [];
		for (const key of this.#due) {
			const value = this.#unsettled.get(key);
			if (value === REMOVED) remove.push(key);
			else put.push([key, value]);
		}
		this.#due.clear();
		return { put, remove };
	}

	settled(batch: RecordBatch, ok: boolean): void {
		for (let i = 0; i < batch.put.length; i++) this.#settle(batch.put[i]![0], batch.put[i]![1], ok);
		for (let i = 0; i < batch.remove.length; i++) this.#settle(batch.remove[i]!, REMOVED, ok);
	}

	/** A newer value of the same record is on its way when the two differ: then this batch says nothing about it. */
	#settle(key: string, value: unknown, ok: boolean): void {
		if (!this.#unsettled.has(key) || this.#unsettled.get(key) !== value) return;
		if (!ok) {
			this.#due.add(key);
			return;
		}
		this.#unsettled.delete(key);
		this.#due.delete(key);
	}
}
