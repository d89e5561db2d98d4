/**
 * The peer's store: lmdb, records encoded as CBOR by cbor-x, and a log in front of it.
 *
 *   commit ─► log, one write (O_DSYNC) ─► report        record-log.ts: safe from here on
 *                  └─ 500 ms, or half full ─► lmdb       one transaction for all changes since the last one, and how far it goes
 *
 * Durable means durable. lmdb's default in this package (`overlappingSync`) reports a commit before it is flushed; here it is off,
 * and a commit is LMDB's own: pages written, `fdatasync`, then the header page through an O_DSYNC descriptor, then the report. A
 * crash between any two of these leaves the snapshot before; what the log has beyond it is taken over at the next start.
 *
 *   directory/data.mdb   databases "records" (key -> CBOR) and "meta" (schema, writer, log)
 *   directory/log        changes that data.mdb may not have yet
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
import { CommitQueue } from "./commit-queue.ts";
import { RECORD_LOG_OCTETS, STORE_FREE_OCTETS } from "./limits.ts";
import { isRunning, ownMark, readMark } from "./process-mark.ts";
import {
	byOctets,
	type Change,
	decodeRecord,
	type EncodedBatch,
	encodeBatch,
	encodeRecord,
	storedKey,
} from "./record-codec.ts";
import { type LogMark, makeLog, newLogMark, RecordLog, readLog, readLogMark } from "./record-log.ts";
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

/** For the claim. */
const OCTETS_TO_OPEN = 1_048_576;

const SCHEMA_KEY = "schema";
const WRITER_KEY = "writer";
const LOG_KEY = "log";
/** How often a reader looks again when the writer clears the log meanwhile. */
const READS = 5;

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
	/** Of a writer. */
	readonly #log: RecordLog | undefined;
	readonly #queue: CommitQueue | undefined;
	#closed = false;
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
			if (this.#readOnly) {
				this.#checkSchema();
				return;
			}
			this.#claim();
			const { store, sequence } = this.#recover();
			this.#log = new RecordLog(this.#logPath, store);
			this.#queue = new CommitQueue(this.#log, sequence, (changes, upTo, done) =>
				this.#takeOver(changes, { store, sequence: upTo }, done),
			);
		} catch (error) {
			this.#environment.close();
			throw error;
		}
	}

	get #logPath(): string {
		return join(this.path, "log");
	}

	get(key: string): unknown {
		if (this.#closed) throw fault(this.path, "it is closed");
		const ahead = this.#ahead();
		const name = storedKey(key);
		const bytes = ahead.has(name) ? ahead.get(name) : this.#records.getBinary(Buffer.from(key));
		return bytes === undefined ? undefined : decodeRecord(key, bytes);
	}

	/** Key order is that of the keys' UTF-8 octets. A change reported during the iteration may be seen or not. */
	*entries(prefix: string): Iterable<readonly [key: string, value: unknown]> {
		if (this.#closed) throw fault(this.path, "it is closed");
		const start = Buffer.from(prefix);
		const end = afterPrefix(start);
		const range = { ...(start.length === 0 ? {} : { start }), ...(end === undefined ? {} : { end }) };
		const begin = start.toString();
		const ahead = [...this.#ahead()].filter(([key]) => key.startsWith(begin)).sort(([a], [b]) => byOctets(a, b));
		let next = 0;
		for (const entry of this.#records.getRange(range)) {
			const key = entry.key.toString();
			for (; next < ahead.length && byOctets(ahead[next]![0], key) < 0; next++) yield* live(ahead[next]!);
			// What stands in the log is newer.
			if (next < ahead.length && ahead[next]![0] === key) yield* live(ahead[next++]!);
			else yield [key, decodeRecord(key, entry.value)];
		}
		for (; next < ahead.length; next++) yield* live(ahead[next]!);
	}

	/** Changes that stand in the log and that lmdb has not got. */
	#ahead(): ReadonlyMap<string, Uint8Array | undefined> {
		return this.#queue?.pending ?? this.#readAhead();
	}

	/** As `#ahead`, for a reader: the writer is another process. */
	#readAhead(): ReadonlyMap<string, Uint8Array | undefined> {
		for (let attempt = 1; ; attempt++) {
			const mark = readLogMark(this.#metaRecord(LOG_KEY));
			if (mark === undefined || !existsSync(this.#logPath)) return NOTHING;
			const frames = readLog(this.#logPath, mark);
			if (typeof frames !== "string") return new Map(frames.flatMap(({ changes }) => changes));
			if (attempt === READS) throw fault(this.path, frames);
			// lmdb has taken over since our snapshot of it, and the log goes on from there.
			this.#environment.resetReadTxn();
		}
	}

	/**
	 * `done` is never called before `commit` returns. Batches that can be stored are reported in the order they were given. A full
	 * disk is told beforehand and passes; any other refusal of the disk is final: see `#explain`.
	 */
	commit(batch: RecordBatch, done: Report): void {
		const encoded = this.#refusal() ?? encodeBatch(batch);
		const fault = typeof encoded === "string" ? encoded : this.#noRoom(encoded);
		if (fault === undefined) this.#queue?.commit(encoded as EncodedBatch, done);
		else queueMicrotask(() => done(fault));
	}

	#refusal(): string | undefined {
		if (this.#closed) return "the store is closed";
		if (this.#readOnly) return "the store is open for reading";
		return this.#queue?.failure;
	}

	/** lmdb must never meet a full disk: see `#explain`. */
	#noRoom(batch: EncodedBatch): string | undefined {
		const free = freeOctets(this.path);
		return free - (this.#queue?.owed(batch) ?? 0) < this.#freeOctets
			? `the disk is full: ${free} octets free`
			: undefined;
	}

	/** Waits for commits under way (they are reported), then closes the files and calls `onClosed`. May be called twice. */
	close(onClosed?: () => void): void {
		if (onClosed !== undefined) this.#onClosed.push(onClosed);
		if (this.#closed) return;
		this.#closed = true;
		if (this.#queue === undefined) this.#finish();
		else this.#queue.drain(() => this.#finish());
	}

	#database(name: string): Binary {
		const database = this.#environment.openDB<Uint8Array, Buffer>({ name, encoding: "binary", keyEncoding: "binary" });
		// For reading only, lmdb gives undefined where there is none.
		if ((database as Binary | undefined) === undefined) throw fault(this.path, "there is none yet");
		return database;
	}

	/** All or nothing: the operations of one `batch` callback share a transaction. Nothing in it can throw: all is encoded. */
	#takeOver(changes: Iterable<Change>, mark: LogMark, done: Report): void {
		const written = this.#records.batch(() => {
			this.#putAll(changes, mark);
		});
		written.then(
			() => {
				// The snapshot that this turn of the event loop reads may be older.
				this.#environment.resetReadTxn();
				done();
			},
			(error: unknown) => this.#explain(error, done),
		);
	}

	#putAll(changes: Iterable<Change>, mark: LogMark): void {
		for (const [key, bytes] of changes) {
			if (bytes === undefined) this.#records.remove(Buffer.from(key));
			else this.#records.put(Buffer.from(key), bytes);
		}
		this.#meta.put(Buffer.from(LOG_KEY), encodeRecord(mark));
	}

	/**
	 * lmdb rejects with a general error; the reason comes in a second promise. After it no further commit is tried: lmdb 3.5 prints
	 * the reason of a failed write into a buffer that is too small for it, and what that has overwritten nobody knows. The files are
	 * as after the last commit that was reported; a new process opens them.
	 */
	#explain(error: unknown, done: Report): void {
		const reason = (error as { commitError?: Promise<never> }).commitError ?? Promise.reject(error);
		reason.catch((cause: unknown) => done(cause instanceof Error ? cause.message : String(cause)));
	}

	#finish(): void {
		try {
			const mayWrite = this.#queue?.failure === undefined && !this.#readOnly && freeOctets(this.path) > OCTETS_TO_OPEN;
			if (mayWrite) this.#meta.removeSync(Buffer.from(WRITER_KEY));
		} catch {
			// The disk may be full or gone. The claim is then stale, and the next writer sees that this process has ended.
		}
		this.#log?.close();
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

	/** What the last writer left in the log goes into lmdb; and there is a log. */
	#recover(): LogMark {
		const path = this.#logPath;
		const stored = readLogMark(this.#metaRecord(LOG_KEY));
		const mark = stored ?? newLogMark();
		const frames = existsSync(path) ? readLog(path, mark) : [];
		if (typeof frames === "string") throw fault(this.path, frames);
		const changes = frames.flatMap((frame) => frame.changes);
		const now = { store: mark.store, sequence: frames.at(-1)?.sequence ?? mark.sequence };
		if (now.sequence !== stored?.sequence) this.#environment.transactionSync(() => this.#putAll(changes, now));
		// One of another length was never finished, or is that of another version.
		if (!existsSync(path) || statSync(path).size !== RECORD_LOG_OCTETS) {
			makeLog(path);
			syncDirectory(this.path);
		}
		return now;
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

const NOTHING: ReadonlyMap<string, undefined> = new Map();

/** The record of a change; nothing for one that was removed. */
function* live([key, bytes]: Change): Iterable<readonly [key: string, value: unknown]> {
	if (bytes !== undefined) yield [key, decodeRecord(key, bytes)];
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
