/** A record store that forgets: for tests, for the simulator, and for a peer that is told to keep nothing. */
import type { RecordBatch, RecordStore } from "../hal.ts";
import { byOctets, decodeRecord, type EncodedBatch, encodeBatch } from "./record-codec.ts";

export interface MemoryStoreOptions {
	/** True: changes wait for `settle`; false (default): they happen in the next microtask, in order. */
	readonly manual?: boolean;
}

interface Waiting {
	readonly batch: EncodedBatch;
	readonly done: (error?: string) => void;
}

export class MemoryStore implements RecordStore {
	readonly #records = new Map<string, Uint8Array>();
	readonly #manual: boolean;
	#waiting: Waiting[] = [];
	#failures: string[] = [];
	#closed = false;

	constructor(options: MemoryStoreOptions = {}) {
		this.#manual = options.manual ?? false;
	}

	get(key: string): unknown {
		const bytes = this.#records.get(key);
		return bytes === undefined ? undefined : decodeRecord(key, bytes);
	}

	*entries(prefix: string): Iterable<readonly [key: string, value: unknown]> {
		const keys = [...this.#records.keys()].filter((key) => key.startsWith(prefix));
		keys.sort(byOctets);
		for (const key of keys) {
			const bytes = this.#records.get(key);
			if (bytes !== undefined) yield [key, decodeRecord(key, bytes)];
		}
	}

	commit(batch: RecordBatch, done: (error?: string) => void): void {
		const encoded = this.#closed ? "the store is closed" : encodeBatch(batch);
		if (typeof encoded === "string") {
			queueMicrotask(() => done(encoded));
			return;
		}
		this.#waiting.push({ batch: encoded, done });
		if (!this.#manual) queueMicrotask(() => this.settle(1));
	}

	/** Lets the oldest `count` changes happen and reports them; all when absent. */
	settle(count = Infinity): void {
		for (let i = 0; i < count; i++) {
			const change = this.#waiting.shift();
			if (change === undefined) return;
			const failure = this.#failures.shift();
			if (failure === undefined) {
				for (const [key, bytes] of change.batch.changes) {
					if (bytes === undefined) this.#records.delete(key);
					else this.#records.set(key, bytes);
				}
			}
			change.done(failure);
		}
	}

	/** The next change fails for this reason and alters nothing. */
	failNext(reason: string): void {
		this.#failures.push(reason);
	}

	/** What a power cut does: changes that were not reported are gone, without a report. */
	crash(): void {
		this.#waiting = [];
	}

	close(): void {
		this.#closed = true;
	}
}
