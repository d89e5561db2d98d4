/**
 * Backup and restore of a state directory: one file with every record of the store as of one instant, `secret.key` and the settings.
 *
 *     "RINGLET-BACKUP 1\n"  then  salt(16) nonce(12) AES-256-GCM(scrypt(passphrase, salt), CBOR{...}) tag(16)   with a passphrase, or
 *     "RINGLET-BACKUP 0\n"  then  CBOR{...}                                                                  without one.
 *
 * Without a passphrase the file is as secret as the state directory itself (it is written 0600).
 */
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import type { RecordStore } from "../../../hal/hal.ts";
import { StateDirectory, writeFileDurably } from "./directory.ts";
import { errorCode, UserError } from "./errors.ts";
import { StateKey } from "./keys.ts";
import { MAX_BACKUP_FILE, STATE_SCHEMA } from "./limits.ts";
import { decodePlain, encodePlain } from "./secret-box.ts";
import { PiState, type PiStateOptions } from "./state.ts";

const SEALED = "RINGLET-BACKUP 1\n";
const OPEN = "RINGLET-BACKUP 0\n";
const SALT_SIZE = 16;
const NONCE_SIZE = 12;
const TAG_SIZE = 16;
/** Choice: 128 MiB and about a second; a backup is opened rarely. */
const SCRYPT = Object.freeze({ N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 });
/** Restoring steps the configuration sequence on by this much, so that documents signed after the backup are not newer than the next. */
const SEQUENCE_STEP = 1000;
/** RFC 6940 §6.3.2: sequences count modulo 65535. */
const SEQUENCE_MODULUS = 65535;

interface Contents {
	readonly schema: number;
	readonly createdMs: number;
	readonly secretKey: Uint8Array;
	readonly settings: string | undefined;
	readonly records: readonly (readonly [string, unknown])[];
}

export interface BackupOptions {
	/** Encrypts the file; without it the file holds every secret in the clear. */
	readonly passphrase?: string;
}

/**
 * Writes a backup of an opened state to `file` (0600). The store is read in one go, so the records belong together even while
 * the daemon runs. Gives the number of records.
 */
export function backupState(state: PiState, file: string, wallMs: number, options: BackupOptions = {}): number {
	const { directory } = state;
	const records = readAll(state.store);
	const body = encodePlain({
		schema: STATE_SCHEMA,
		createdMs: wallMs,
		secretKey: directory.readSecretKey(),
		settings: existsSync(directory.settingsPath) ? readFileSync(directory.settingsPath, "utf8") : undefined,
		records,
	});
	const { passphrase } = options;
	const content =
		passphrase === undefined
			? Buffer.concat([Buffer.from(OPEN), body])
			: Buffer.concat([Buffer.from(SEALED), encrypt(body, passphrase)]);
	try {
		writeFileDurably(file, content);
	} catch (error) {
		throw new UserError(`${file}: cannot be written (${errorCode(error)})`, "choose another file");
	}
	return records.length;
}

/**
 * Makes a state directory from a backup; `path` must not hold a state yet. The configuration sequence is stepped on, because
 * the household may have seen later documents than the backup knows. Gives the number of records.
 */
export async function restoreState(
	file: string,
	path: string,
	options: BackupOptions & Pick<PiStateOptions, "openStore"> = {},
): Promise<number> {
	const contents = readBackup(file, options.passphrase);
	const target = new StateDirectory(path);
	if (existsSync(target.path) && (!statSync(target.path).isDirectory() || readdirSync(target.path).length > 0))
		throw new UserError(`${target.path}: exists and is not empty`, "choose a new directory with --state");
	// Built beside its place and renamed at the end: a restore that is cut off leaves no half state behind.
	const draft = new StateDirectory(`${target.path}.restoring`);
	rmSync(draft.path, { recursive: true, force: true });
	draft.make();
	draft.writeFile(draft.secretKeyPath, contents.secretKey);
	if (contents.settings !== undefined) draft.writeFile(draft.settingsPath, contents.settings);
	draft.adopt();
	const { openStore } = options;
	const state = PiState.open({
		path: draft.path,
		what: "ringlet restore",
		...(openStore === undefined ? {} : { openStore }),
	});
	try {
		await state.commit(contents.records.map(stepOn));
	} finally {
		await state.close();
	}
	renameSync(draft.path, target.path);
	return contents.records.length;
}

function stepOn([key, value]: readonly [string, unknown]): readonly [string, unknown] {
	if (key !== StateKey.household || value === null || typeof value !== "object") return [key, value];
	const household = value as { configSequence?: unknown };
	const sequence = typeof household.configSequence === "number" ? household.configSequence : 0;
	// `restored`: the next opening signs a new document and starts a new epoch of the household state.
	return [key, { ...household, configSequence: (sequence + SEQUENCE_STEP) % SEQUENCE_MODULUS, restored: true }];
}

function readAll(store: RecordStore): (readonly [string, unknown])[] {
	const records: (readonly [string, unknown])[] = [];
	for (const [key, value] of store.entries("")) records.push([key, value]);
	return records;
}

function readBackup(file: string, passphrase: string | undefined): Contents {
	const bytes = readBounded(file);
	const head = bytes.subarray(0, SEALED.length).toString("latin1");
	if (head !== SEALED && head !== OPEN) throw new UserError(`${file}: not a Ringlet backup`, "check the file name");
	if (head === SEALED && passphrase === undefined)
		throw new UserError(`${file}: needs its passphrase`, "give the passphrase it was made with");
	const rest = bytes.subarray(SEALED.length);
	let contents: Contents;
	try {
		contents = decodePlain(head === SEALED ? decrypt(rest, passphrase ?? "") : rest) as Contents;
	} catch {
		const fix = head === SEALED ? "check the passphrase" : "take another copy";
		throw new UserError(`${file}: damaged, or opened with a wrong passphrase`, fix);
	}
	if (!(contents?.secretKey instanceof Uint8Array) || !Array.isArray(contents.records))
		throw new UserError(`${file}: not a Ringlet backup`, "check the file name");
	if (contents.schema > STATE_SCHEMA) throw new UserError(`${file}: made by a newer Ringlet`, "update Ringlet");
	return contents;
}

function readBounded(file: string): Buffer {
	try {
		if (statSync(file).size > MAX_BACKUP_FILE) throw new UserError(`${file}: too large`, "this is no backup");
		return readFileSync(file);
	} catch (error) {
		if (error instanceof UserError) throw error;
		throw new UserError(`${file}: cannot be read (${errorCode(error)})`, "check the file name");
	}
}

function encrypt(body: Uint8Array, passphrase: string): Buffer {
	const salt = randomBytes(SALT_SIZE);
	const nonce = randomBytes(NONCE_SIZE);
	const cipher = createCipheriv("aes-256-gcm", scryptSync(passphrase, salt, 32, SCRYPT), nonce);
	return Buffer.concat([salt, nonce, cipher.update(body), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(bytes: Buffer, passphrase: string): Buffer {
	const salt = bytes.subarray(0, SALT_SIZE);
	const nonce = bytes.subarray(SALT_SIZE, SALT_SIZE + NONCE_SIZE);
	const decipher = createDecipheriv("aes-256-gcm", scryptSync(passphrase, salt, 32, SCRYPT), nonce);
	decipher.setAuthTag(bytes.subarray(bytes.length - TAG_SIZE));
	const body = bytes.subarray(SALT_SIZE + NONCE_SIZE, bytes.length - TAG_SIZE);
	return Buffer.concat([decipher.update(body), decipher.final()]);
}
