/**
 * The peer's store: lmdb, records encoded as CBOR by cbor-x.
 *
 * Durable means durable. lmdb's default in this package (`overlappingSync`) reports a commit before it is flushed; here it is off,
 * and a commit is LMDB's own: pages written, `fdatasync`, then the header page through an O_DSYNC descriptor, then the report. A
 * crash between any two of these leaves the snapshot before.
 *
 *   directory/data.mdb   databases "records" (key -> CBOR) and "meta" (schema, writer)
 *   directory/lock.mdb   lmdb's table of readers
 */
import {
	chmodSync,
	closeSync,
	existsSync,
	fsyncSync,
	mkdirSync,
	openSync,
	rmSync,
	statfsSync,
	statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type Database, open, type RootDatabase } from "lmdb";
import type { RecordBatch, RecordStore } from "../hal.ts";
import { STORE_FREE_OCTETS } from "./limits.ts";
import { isRunning, ownMark, readMark } from "./process-mark.ts";
import { decodeRecord, type EncodedBatch, encodeBatch, encodeRecord } from "./record-codec.ts";
import { checkStoreFile } from "./store-file.ts";

export interface NodeRecordStoreOptions {
	/** Directory of the store; made (for its owner only) when there is none. */
	readonly path: string;
	/** Read while another process writes: no writer's claim, `commit` fails. */
	readonly readOnly?: boolean;
	/** Refuse to begin a new store. */
	readonly mustExist?: boolean;
	/** Octets that stay free on the disk. */
	readonly freeOctets?: number;
}

/** The version of what stands in the files. A newer one is refused, never guessed at. */
export const STORE_SCHEMA = 1;

/** A change copies the pages from the root to its leaf, and the list of free pages grows. */
const OCTETS_PER_CHANGE = 32_768;

/** For the claim. */
const OCTETS_TO_OPEN = 1_048_576;

const SCHEMA_KEY = "schema";
const WRITER_KEY = "writer";

type Binary = Database<Uint8Array, Buffer>;
type Report = (error?: string) => void;

/**
 * One writer process, any number of readers. `get` and `entries` see a change from the moment it is reported; in a reader process
 * from the next turn of its event loop on. Opening throws one Error that names the directory and what is wrong with it.
 */
export class NodeRecordStore implements RecordStore {
	readonly path: string;
	readonly #readOnly: boolean;
	readonly #freeOctets: number;
	readonly #environment: RootDatabase<Uint8Array, Buffer>;
	readonly #records: Binary;
	readonly #meta: Binary;
	/** Commits not reported yet; `close` waits for them. */
	#underWay = 0;
	#closed = false;
	/** Why the disk refused a commit. */
	#failure: string | undefined;
	#onClosed: (() => void)[] = [];

	constructor(options: NodeRecordStoreOptions) {
		this.path = options.path;
		this.#readOnly = options.readOnly ?? false;
		this.#freeOctets = options.freeOctets ?? STORE_FREE_OCTETS;
		prepare(options);
		this.#environment = openEnvironment(this.path, this.#readOnly);
		try {
			this.#records = this.#database("records");
			this.#meta = this.#database("meta");
			if (this.#readOnly) this.#checkSchema();
			else this.#claim();
		} catch (error) {
			this.#environment.close();
			throw error;
		}
	}

	get(key: string): unknown {
		if (this.#closed) throw fault(this.path, "it is closed");
		const bytes = this.#records.getBinary(Buffer.from(key));
		return bytes === undefined ? undefined : decodeRecord(key, bytes);
	}

	/** Key order is that of the keys' UTF-8 octets. A change reported during the iteration may be seen or not. */
	*entries(prefix: string): Iterable<readonly [key: string, value: unknown]> {
		if (this.#closed) throw fault(this.path, "it is closed");
		const start = Buffer.from(prefix);
		const end = afterPrefix(start);
		const range = { ...(start.length === 0 ? {} : { start }), ...(end === undefined ? {} : { end }) };
		for (const entry of this.#records.getRange(range)) {
			const key = entry.key.toString();
			yield [key, decodeRecord(key, entry.value)];
		}
	}

	/**
	 * `done` is never called before `commit` returns. Batches that can be stored are reported in the order they were given. A full
	 * disk is told beforehand and passes; any other refusal of the disk is final: see `#explain`.
	 */
	commit(batch: RecordBatch, done: Report): void {
		const encoded = this.#refusal() ?? encodeBatch(batch);
		const fault = typeof encoded === "string" ? encoded : this.#noRoom(encoded);
		if (fault !== undefined) {
			queueMicrotask(() => done(fault));
			return;
		}
		this.#underWay++;
		this.#write(encoded as EncodedBatch).then(
			() => this.#report(done),
			(error: unknown) => this.#explain(error, done),
		);
	}

	#refusal(): string | undefined {
		if (this.#closed) return "the store is closed";
		if (this.#readOnly) return "the store is open for reading";
		return this.#failure;
	}

	/** lmdb must never meet a full disk: see `#explain`. */
	#noRoom(batch: EncodedBatch): string | undefined {
		const free = freeOctets(this.path);
		const needed = batch.octets + (batch.put.length + batch.remove.length) * OCTETS_PER_CHANGE;
		return free - needed < this.#freeOctets ? `the disk is full: ${free} octets free` : undefined;
	}

	/** Waits for commits under way (they are reported), then closes the files and calls `onClosed`. May be called twice. */
	close(onClosed?: () => void): void {
		if (onClosed !== undefined) this.#onClosed.push(onClosed);
		if (this.#closed) return;
		this.#closed = true;
		if (this.#underWay === 0) this.#finish();
	}

	#database(name: string): Binary {
		const database = this.#environment.openDB<Uint8Array, Buffer>({ name, encoding: "binary", keyEncoding: "binary" });
		// For reading only, lmdb gives undefined where there is none.
		if ((database as Binary | undefined) === undefined) throw fault(this.path, "there is none yet");
		return database;
	}

	/** All or nothing: the operations of one `batch` callback share a transaction. Nothing in it can throw: all is encoded. */
	async #write(batch: EncodedBatch): Promise<void> {
		await this.#records.batch(() => {
			for (const [key, bytes] of batch.put) this.#records.put(key, bytes);
			for (const key of batch.remove) this.#records.remove(key);
		});
	}

	#report(done: Report, error?: string): void {
		this.#underWay--;
		try {
			done(error);
		} finally {
			if (this.#closed && this.#underWay === 0) this.#finish();
		}
	}

	/**
	 * lmdb rejects with a general error; the reason comes in a second promise. After it no further commit is tried: lmdb 3.5 prints
	 * the reason of a failed write into a buffer that is too small for it, and what that has overwritten nobody knows. The files are
	 * as after the last commit that was reported; a new process opens them.
	 */
	#explain(error: unknown, done: Report): void {
		const reason = (error as { commitError?: Promise<never> }).commitError ?? Promise.reject(error);
		reason.catch((cause: unknown) => {
			const words = cause instanceof Error ? cause.message : String(cause);
			this.#failure ??= `the store has failed, start again: ${words}`;
			this.#report(done, words);
		});
	}

	#finish(): void {
		try {
			const mayWrite = !this.#readOnly && this.#failure === undefined && freeOctets(this.path) > OCTETS_TO_OPEN;
			if (mayWrite) this.#meta.removeSync(Buffer.from(WRITER_KEY));
		} catch {
			// The disk may be full or gone. The claim is then stale, and the next writer sees that this process has ended.
		}
		void this.#environment.close().then(() => {
			for (const onClosed of this.#onClosed.splice(0)) onClosed();
		});
	}

	/** One writer: the claim is read and written in one transaction, which lmdb allows to one process at a time. */
	#claim(): void {
		const free = freeOctets(this.path);
		if (free < OCTETS_TO_OPEN) throw fault(this.path, `the disk is full: ${free} octets free`);
		this.#environment.transactionSync(() => {
			this.#checkSchema();
			const writer = readMark(this.#metaRecord(WRITER_KEY));
			if (writer !== undefined && isRunning(writer)) throw fault(this.path, `it is in use by process ${writer.pid}`);
			this.#meta.put(Buffer.from(SCHEMA_KEY), encodeRecord({ version: STORE_SCHEMA }));
			this.#meta.put(Buffer.from(WRITER_KEY), encodeRecord(ownMark()));
		});
	}

	#checkSchema(): void {
		const schema = this.#metaRecord(SCHEMA_KEY);
		if (schema === undefined && !this.#readOnly) return;
		const version = (schema as { version?: unknown } | undefined)?.version;
		if (version === STORE_SCHEMA) return;
		throw fault(this.path, `its schema is ${version}, this Ringlet knows ${STORE_SCHEMA}`);
	}

	#metaRecord(key: string): unknown {
		const bytes = this.#meta.getBinary(Buffer.from(key));
		return bytes === undefined ? undefined : decodeRecord(key, bytes);
	}
}

function openEnvironment(path: string, readOnly: boolean): RootDatabase<Uint8Array, Buffer> {
	try {
		return open<Uint8Array, Buffer>({
			path,
			noSubdir: false,
			maxDbs: 4,
			encoding: "binary",
			keyEncoding: "binary",
			overlappingSync: false,
			// With it lmdb starts each turn's batch by a promise of its own that nobody can catch: a full disk would end the process.
			eventTurnBatching: false,
			readOnly,
		});
	} catch (error) {
		throw fault(path, error instanceof Error ? error.message : String(error), error);
	}
}

/** Makes directory and files for their owner only, or finds the fault in those that are there. */
function prepare(options: NodeRecordStoreOptions): void {
	const { path } = options;
	const data = join(path, "data.mdb");
	if (existsSync(path) && !statSync(path).isDirectory()) throw fault(path, "it is not a directory");
	if (!existsSync(data)) {
		if (options.readOnly || options.mustExist) throw fault(path, "there is none");
		begin(path, data);
		return;
	}
	const state = checkStoreFile(data);
	if (typeof state === "object") throw fault(path, `${data} is damaged: ${state.fault}`);
	if (state === "sound") return;
	if (options.readOnly || options.mustExist) throw fault(path, "there is none yet");
	rmSync(data);
	begin(path, data);
}

function begin(path: string, data: string): void {
	mkdirSync(path, { recursive: true, mode: 0o700 });
	for (const file of [data, join(path, "lock.mdb")]) {
		closeSync(openSync(file, "a", 0o600));
		chmodSync(file, 0o600);
	}
	// The names must survive a power cut as the contents do.
	syncDirectory(path);
	syncDirectory(dirname(path));
}

function freeOctets(path: string): number {
	const { bavail, bsize } = statfsSync(path);
	return bavail * bsize;
}

function syncDirectory(path: string): void {
	const directory = openSync(path, "r");
	try {
		fsyncSync(directory);
	} finally {
		closeSync(directory);
	}
}

/** The least octets that are above all that begin with the prefix; `undefined` when there are none. */
function afterPrefix(prefix: Buffer): Buffer | undefined {
	const end = Buffer.from(prefix);
	for (let i = end.length - 1; i >= 0; i--) {
		if (end[i]! < 0xff) {
			end[i] = end[i]! + 1;
			return end.subarray(0, i + 1);
		}
	}
	return undefined;
}

function fault(path: string, reason: string, cause?: unknown): Error {
	return new Error(`record store ${path}: ${reason}`, cause === undefined ? undefined : { cause });
}
