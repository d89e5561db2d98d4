/**
 * The way of a change: the queue, the log, the report, lmdb. Batches go into the log in the order they came, all that wait in one
 * write; lmdb takes over what stands in the log from time to time.
 *
 *   commit ─► queue ─► log ─► pending, report ─► lmdb ─► gone from pending, its slots of the log are free
 *              └─ too large for the log ─► lmdb ─► report          (after lmdb has taken over everything before it)
 */
import { RECORD_LOG_MS } from "./limits.ts";
import type { Change, EncodedBatch } from "./record-codec.ts";
import { encodeChanges, FRAME_OCTETS, type RecordLog } from "./record-log.ts";

type Report = (error?: string) => void;

/** What a change costs lmdb: the pages from the root to its leaf are copied, and the list of free pages grows. */
const OCTETS_PER_CHANGE = 32_768;
/** Octets of a change in the log besides its value. */
const CHANGE_OVERHEAD = 32;

/** Puts changes into lmdb, and that it has everything up to `sequence`, in one transaction; `done` comes later. */
export type TakeOver = (changes: Iterable<Change>, sequence: number, done: Report) => void;

interface Waiting {
	readonly batch: EncodedBatch;
	readonly logOctets: number;
	readonly done: Report;
}

export class CommitQueue {
	/** What stands in the log and not in lmdb: the octets of a record, or `undefined` when it was removed. */
	readonly pending = new Map<string, Uint8Array | undefined>();
	readonly #log: RecordLog;
	readonly #takeOver: TakeOver;
	#queue: Waiting[] = [];
	/** Octets that lmdb will need for what waits, and for what is pending. */
	#owedByQueue = 0;
	#owedByPending = 0;
	/** The last frame (or batch past the log) that was begun, that is safe, and that lmdb has. */
	#begun: number;
	#safe: number;
	#taken: number;
	#writing = false;
	#taking = false;
	#timer: NodeJS.Timeout | undefined;
	#failure: string | undefined;
	#onDrained: (() => void) | undefined;

	constructor(log: RecordLog, sequence: number, takeOver: TakeOver) {
		this.#log = log;
		this.#takeOver = takeOver;
		this.#begun = sequence;
		this.#safe = sequence;
		this.#taken = sequence;
	}

	/** Octets that lmdb will need on the disk for everything it has not got, and for this batch. */
	owed(batch: EncodedBatch): number {
		return this.#owedByQueue + this.#owedByPending + cost(batch);
	}

	/** Why no commit is tried any more. */
	get failure(): string | undefined {
		return this.#failure;
	}

	/** `done` is called later, in the order of the calls. */
	commit(batch: EncodedBatch, done: Report): void {
		let logOctets = 0;
		for (const [key, bytes] of batch.changes) logOctets += 3 * key.length + (bytes?.length ?? 0) + CHANGE_OVERHEAD;
		this.#queue.push({ batch, logOctets, done });
		this.#owedByQueue += cost(batch);
		this.#pump();
	}

	/** Calls back once everything is reported and lmdb has it, or the disk has failed. No commit may follow. */
	drain(onDrained: () => void): void {
		this.#onDrained = onDrained;
		this.#pump();
	}

	#pump(): void {
		if (this.#writing) return;
		const [first] = this.#queue;
		if (this.#failure !== undefined) this.#refuseAll();
		else if (first === undefined) this.#drained();
		else if (first.logOctets > FRAME_OCTETS) this.#writePast(first);
		else this.#writeFrame();
	}

	#refuseAll(): void {
		const refused = this.#queue;
		this.#queue = [];
		this.#owedByQueue = 0;
		for (const { done } of refused) done(this.#failure);
		this.#drained();
	}

	#drained(): void {
		if (this.#onDrained === undefined || this.#taking) return;
		if (this.#safe > this.#taken && this.#failure === undefined) {
			this.#take();
			return;
		}
		clearTimeout(this.#timer);
		const onDrained = this.#onDrained;
		this.#onDrained = undefined;
		onDrained();
	}

	/** All batches that wait and fit one frame. */
	#writeFrame(): void {
		let count = 0;
		let octets = 0;
		const changes: Change[] = [];
		for (const { batch, logOctets } of this.#queue) {
			octets += logOctets;
			if (octets > FRAME_OCTETS) break;
			for (const change of batch.changes) changes.push(change);
			count++;
		}
		const payload = encodeChanges(changes);
		if (!this.#log.hasRoom(payload)) {
			this.#take();
			return;
		}
		const group = this.#leave(count);
		this.#log.append(this.#begun, payload, (error) => {
			this.#writing = false;
			if (error === undefined) this.#logged(group, changes);
			else this.#failed(error);
			this.#report(group, error);
		});
	}

	/** The first `count` batches are on their way. */
	#leave(count: number): Waiting[] {
		const group = this.#queue.splice(0, count);
		for (const { batch } of group) this.#owedByQueue -= cost(batch);
		this.#writing = true;
		this.#begun++;
		return group;
	}

	#logged(group: readonly Waiting[], changes: readonly Change[]): void {
		this.#safe = this.#begun;
		for (const [key, bytes] of changes) this.pending.set(key, bytes);
		for (const { batch } of group) this.#owedByPending += cost(batch);
		if (this.#log.isHalfFull) this.#take();
		else this.#takeLater();
	}

	#report(group: readonly Waiting[], error?: string): void {
		try {
			for (const { done } of group) done(error);
		} finally {
			this.#pump();
		}
	}

	/** Older changes of the log would undo it at the next start, so lmdb takes them over first. */
	#writePast(large: Waiting): void {
		if (this.#safe > this.#taken) {
			this.#take();
			return;
		}
		const group = this.#leave(1);
		this.#takeOver(large.batch.changes, this.#begun, (error) => {
			this.#writing = false;
			if (error === undefined) this.#safe = this.#taken = this.#begun;
			else this.#failed(error);
			this.#report(group, error);
		});
	}

	#takeLater(): void {
		this.#timer ??= setTimeout(() => this.#take(), RECORD_LOG_MS).unref();
	}

	/** lmdb takes over what stands in the log. */
	#take(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		if (this.#taking || this.#safe === this.#taken || this.#failure !== undefined) return;
		this.#taking = true;
		const changes = [...this.pending];
		const sequence = this.#safe;
		const owed = this.#owedByPending;
		this.#takeOver(changes, sequence, (error) => {
			this.#taking = false;
			if (error === undefined) this.#took(changes, sequence, owed);
			// What was acknowledged stands in the log; a new process takes it over.
			else this.#failed(error);
			this.#pump();
		});
	}

	#took(changes: readonly Change[], sequence: number, owed: number): void {
		for (const [key, bytes] of changes) if (this.pending.get(key) === bytes) this.pending.delete(key);
		this.#taken = sequence;
		this.#owedByPending -= owed;
		this.#log.release(sequence);
		if (this.#safe > sequence) this.#takeLater();
	}

	#failed(words: string): void {
		this.#failure ??= `the store has failed, start again: ${words}`;
	}
}

function cost({ changes, octets }: EncodedBatch): number {
	return octets + changes.length * OCTETS_PER_CHANGE;
}
