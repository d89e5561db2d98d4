/** One opened state directory: lock, store and secrets, for exactly one process at a time. */
import type { RecordBatch, RecordStore } from "../../../hal/hal.ts";
import { NodeRecordStore } from "../../../hal/node/record-store.ts";
import { StateDirectory } from "./directory.ts";
import { UserError } from "./errors.ts";
import { FileLock } from "./lock.ts";
import { plainData, SecretBox } from "./secret-box.ts";

export interface PiStateOptions {
	/** Path of the state directory. */
	readonly path: string;
	/** What uses it, for the message others get: "ringlet start". */
	readonly what?: string;
	/** Refuse to make a directory that was never used; for commands that need an existing state. */
	readonly mustExist?: boolean;
	/** Opens the store; lmdb by default. */
	readonly openStore?: (path: string) => RecordStore;
}

export class PiState {
	readonly directory: StateDirectory;
	/** The one store; core/storage and the host share it (prefixes: keys.ts). */
	readonly store: RecordStore;
	readonly secrets: SecretBox;
	readonly #lock: FileLock;
	#closed = false;

	private constructor(directory: StateDirectory, store: RecordStore, secrets: SecretBox, lock: FileLock) {
		this.directory = directory;
		this.store = store;
		this.secrets = secrets;
		this.#lock = lock;
	}

	/** Opens (or makes) a state directory. Throws a `UserError` that names the file and the fix. */
	static open(options: PiStateOptions): PiState {
		const directory = new StateDirectory(options.path);
		if (options.mustExist === true && !directory.exists())
			throw new UserError(`${directory.path}: no Ringlet state here`, "run `ringlet start` first, or give --state");
		directory.make();
		const lock = FileLock.take(directory.lockPath, options.what ?? "another Ringlet");
		let store: RecordStore | undefined;
		try {
			directory.prepare();
			const secrets = new SecretBox(directory.readSecretKey());
			store = (options.openStore ?? openLmdb)(directory.storePath);
			if (!lock.isHeld()) throw new UserError(`${directory.lockPath}: taken by another program`, "try again");
			return new PiState(directory, store, secrets, lock);
		} catch (error) {
			store?.close();
			lock.release();
			throw error;
		}
	}

	/** A record, or undefined. Octet strings in it are the caller's own. */
	get(key: string): unknown {
		return plainData(this.store.get(key));
	}

	/** A sealed record, opened; undefined when there is none. Throws a `UserError` when `secret.key` does not open it. */
	getSealed(key: string): unknown {
		const sealed = this.store.get(key);
		return sealed === undefined ? undefined : this.secrets.open(key, sealed);
	}

	/** All records under `prefix`, as [key, value]. */
	list(prefix: string): (readonly [string, unknown])[] {
		const found: (readonly [string, unknown])[] = [];
		for (const [key, value] of this.store.entries(prefix)) found.push([key, plainData(value)]);
		return found;
	}

	/** All sealed records under `prefix`, opened. */
	listSealed(prefix: string): (readonly [string, unknown])[] {
		return this.list(prefix).map(([key, sealed]) => [key, this.secrets.open(key, sealed)] as const);
	}

	/** A sealed entry for `commit`. */
	sealed(key: string, value: unknown): readonly [string, unknown] {
		return [key, this.secrets.seal(key, value)];
	}

	/** All or nothing; resolves once the change is on disk. Rejects with a `UserError` when it is not. */
	commit(put: RecordBatch["put"], remove: RecordBatch["remove"] = []): Promise<void> {
		return new Promise((resolve, reject) => {
			const plain = put.map(([key, value]) => [key, plainData(value)] as const);
			this.store.commit({ put: plain, remove }, (error) => {
				if (error === undefined) resolve();
				else
					reject(
						new UserError(`${this.directory.storePath}: cannot be written (${error})`, "check space and permissions"),
					);
			});
		});
	}

	/** Lets commits under way end, closes the store and gives the directory back. May be called twice. */
	async close(): Promise<void> {
		if (this.#closed) return;
		this.#closed = true;
		const { store } = this;
		if (store instanceof NodeRecordStore) await new Promise<void>((resolve) => store.close(resolve));
		else store.close();
		this.#lock.release();
	}
}

function openLmdb(path: string): RecordStore {
	return new NodeRecordStore({ path });
}
