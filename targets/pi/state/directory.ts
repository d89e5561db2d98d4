/**
 * The state directory: everything one Ringlet keeps on disk.
 *
 *     <state>/            0700
 *       ringlet-state.json  0600  {"format":"ringlet-state","schema":1}
 *       secret.key          0600  32 octets; opens the sealed records of the store
 *       ringlet.toml        0600  settings (optional, written by people)
 *       daemon.lock         0600  who uses the directory now
 *       control.sock        0600  commands to the running daemon
 *       household-ca.pem    0600  certificate of the household CA (public; for curl and the like)
 *       store/              0700  lmdb (key prefixes: keys.ts)
 */
import {
	chmodSync,
	closeSync,
	fchmodSync,
	fsyncSync,
	lstatSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	renameSync,
	type Stats,
	writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { errorCode, UserError } from "./errors.ts";
import { SECRET_KEY_SIZE, STATE_SCHEMA } from "./limits.ts";
import { newSecretKey } from "./secret-box.ts";

const FORMAT = "ringlet-state";
const MARKER = `${JSON.stringify({ format: FORMAT, schema: STATE_SCHEMA })}\n`;

export class StateDirectory {
	/** Absolute path. */
	readonly path: string;
	readonly schemaPath: string;
	readonly secretKeyPath: string;
	readonly settingsPath: string;
	readonly lockPath: string;
	readonly socketPath: string;
	readonly caPath: string;
	readonly storePath: string;

	/** Only names things; touches no disk. */
	constructor(path: string) {
		this.path = resolve(path);
		this.schemaPath = join(this.path, "ringlet-state.json");
		this.secretKeyPath = join(this.path, "secret.key");
		this.settingsPath = join(this.path, "ringlet.toml");
		this.lockPath = join(this.path, "daemon.lock");
		this.socketPath = join(this.path, "control.sock");
		this.caPath = join(this.path, "household-ca.pem");
		this.storePath = join(this.path, "store");
	}

	/** True when a Ringlet has lived here. */
	exists(): boolean {
		return statOf(this.schemaPath) !== undefined;
	}

	/**
	 * Makes the directory, or checks who owns it and what it holds. A directory that holds other things is refused, so that
	 * a mistyped path changes nothing.
	 */
	make(): void {
		const stats = statOf(this.path);
		if (stats === undefined) mkdirSync(this.path, { recursive: true, mode: 0o700 });
		else this.#checkDirectory(stats);
		chmodSync(this.path, 0o700);
	}

	/** Makes what is missing inside, or checks the schema version. To be called with the lock held. */
	prepare(): void {
		if (this.exists()) this.#checkSchema();
		else this.#create();
		mkdirSync(this.storePath, { recursive: true, mode: 0o700 });
	}

	/** Restoring: marks a directory whose `secret.key` was put in place by the caller as a state directory. */
	adopt(): void {
		this.writeFile(this.schemaPath, MARKER);
	}

	/** The octets of `secret.key`. */
	readSecretKey(): Uint8Array {
		const stats = statOf(this.secretKeyPath);
		if (stats === undefined)
			throw new UserError(`${this.secretKeyPath}: missing, so the store cannot be opened`, "restore it from a backup");
		if ((stats.mode & 0o077) !== 0)
			throw new UserError(
				`${this.secretKeyPath}: other users may read it (mode ${(stats.mode & 0o777).toString(8)})`,
				`chmod 600 ${this.secretKeyPath}`,
			);
		const secret = readFileSync(this.secretKeyPath);
		if (secret.length !== SECRET_KEY_SIZE)
			throw new UserError(
				`${this.secretKeyPath}: ${secret.length} octets instead of ${SECRET_KEY_SIZE}`,
				"restore it from a backup",
			);
		return new Uint8Array(secret);
	}

	/** Writes a file of the directory as 0600, complete or not at all, and on disk when this returns. */
	writeFile(path: string, content: string | Uint8Array): void {
		writeFileDurably(path, content);
	}

	#checkDirectory(stats: Stats): void {
		if (!stats.isDirectory()) throw new UserError(`${this.path}: not a directory`, "choose another with --state");
		const uid = process.getuid?.();
		if (uid !== undefined && stats.uid !== uid)
			throw new UserError(
				`${this.path}: belongs to user ${stats.uid}, and this program runs as user ${uid}`,
				"run it as the owner, or choose another directory with --state",
			);
		const isOurs = this.exists() || readdirSync(this.path).every((name) => MAY_PRECEDE.includes(name));
		if (!isOurs)
			throw new UserError(
				`${this.path}: holds other things than a Ringlet state`,
				"choose an empty or a new directory with --state",
			);
	}

	#checkSchema(): void {
		let schema: unknown;
		try {
			const marker = JSON.parse(readFileSync(this.schemaPath, "utf8")) as Record<string, unknown>;
			schema = marker.format === FORMAT ? marker.schema : undefined;
		} catch {
			schema = undefined;
		}
		if (typeof schema !== "number")
			throw new UserError(`${this.schemaPath}: not readable as a state marker`, "restore it from a backup");
		if (schema > STATE_SCHEMA)
			throw new UserError(
				`${this.schemaPath}: written by a newer Ringlet (schema ${schema}, this one knows ${STATE_SCHEMA})`,
				"update Ringlet",
			);
	}

	/** The marker comes last: a directory without it was never used, so its key may still be made anew. */
	#create(): void {
		if (statOf(this.storePath) !== undefined && readdirSync(this.storePath).length > 0)
			throw new UserError(`${this.schemaPath}: missing beside a store`, "restore the state directory from a backup");
		this.writeFile(this.secretKeyPath, newSecretKey());
		this.adopt();
	}
}

/** What may lie in a directory before its first use: settings, and leftovers of a first start that was cut off. */
const MAY_PRECEDE: readonly string[] = Object.freeze([
	"ringlet.toml",
	"secret.key",
	"secret.key.new",
	"ringlet-state.json.new",
	"daemon.lock",
	"store",
	"lost+found",
]);

/** Writes a 0600 file that survives a power loss: either the old contents are there afterwards, or all of the new. */
export function writeFileDurably(path: string, content: string | Uint8Array): void {
	const draft = `${path}.new`;
	const file = openSync(draft, "w", 0o600);
	try {
		fchmodSync(file, 0o600);
		writeFileSync(file, content);
		fsyncSync(file);
	} finally {
		closeSync(file);
	}
	renameSync(draft, path);
	syncDirectory(dirname(path));
}

/** Makes renames and new names in a directory durable (where the system lets a directory be opened). */
function syncDirectory(path: string): void {
	const directory = openSync(path, "r");
	try {
		fsyncSync(directory);
	} catch {
		// Some file systems have no fsync for directories: they order renames themselves.
	} finally {
		closeSync(directory);
	}
}

function statOf(path: string): Stats | undefined {
	try {
		return lstatSync(path);
	} catch (error) {
		if (errorCode(error) === "ENOENT") return undefined;
		throw new UserError(`${path}: ${errorCode(error) || "not accessible"}`, "check the path and its permissions");
	}
}
