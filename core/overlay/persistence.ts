/** Batches on their way to the disk: numbered, in order, reported once (core/storage: apply now, answer after persisted). */
import type { RecordBatch } from "../../hal/hal.ts";
import { isEmptyBatch, type Storage } from "../storage/storage.ts";
import type { NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import { Times } from "./limits.ts";

export class Persistence {
	readonly #context: NodeContext;
	readonly #storage: Storage;
	readonly #batches = new Map<number, { change: RecordBatch; done: (ok: boolean, now: number) => void }>();
	#last = 0;
	/** When what a failed batch left is written again. */
	#retryAt = Infinity;

	constructor(context: NodeContext, storage: Storage) {
		this.#context = context;
		this.#storage = storage;
	}

	/** True when another batch may be given out. */
	get hasRoom(): boolean {
		return this.#batches.size < this.#context.limits.persistBatches;
	}

	/** Commits a change; `done` is called later, also for an empty one. */
	commit(change: RecordBatch, done: (ok: boolean, now: number) => void = () => {}): void {
		if (isEmptyBatch(change)) {
			this.#context.later((now) => done(true, now));
			return;
		}
		const batch = ++this.#last;
		this.#batches.set(batch, { change, done });
		this.#context.emit({ type: "persist", batch, change });
	}

	/** The host's report. */
	persisted(batch: number, error: string | undefined, now: number): void {
		const entry = this.#batches.get(batch);
		if (entry === undefined) return;
		this.#batches.delete(batch);
		this.#storage.settled(entry.change, error === undefined);
		if (error !== undefined) {
			this.#context.counters.add(Counter.persistFailures);
			this.#context.log("error", "storage.persist", { reason: error });
			this.#retryAt = Math.min(this.#retryAt, now + Times.persistRetryMs);
		}
		entry.done(error === undefined, now);
	}

	deadline(): number {
		return this.#retryAt;
	}

	timeout(now: number): void {
		if (now < this.#retryAt) return;
		this.#retryAt = Infinity;
		this.commit(this.#storage.retryChange());
	}
}
