/**
 * One daemon per state directory: a lock file that names its holder.
 *
 * The file appears complete or not at all (`link` of a finished file). It is stale when the process it names is gone or
 * is another process by now (same number, other start time); then the next comer removes it and tries again.
 */
import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isRunning, ownMark, type ProcessMark, readMark } from "../../../hal/node/process-mark.ts";
import { errorCode, UserError } from "./errors.ts";

/** What a lock file says. */
interface Holder {
	readonly mark: ProcessMark;
	/** What holds it, for the message: "ringlet start". */
	readonly what: string;
}

/** Tries before giving up: each failed try means that somebody else took or removed the file in between. */
const TRIES = 5;

/** A held lock. */
export class FileLock {
	readonly #path: string;
	readonly #content: string;
	#held = true;

	private constructor(path: string, content: string) {
		this.#path = path;
		this.#content = content;
	}

	/** Takes the lock for this process, or throws a `UserError` that names the holder. `what`: shown to others. */
	static take(path: string, what: string): FileLock {
		const token = randomBytes(8).toString("hex");
		// The token makes two locks of one process differ.
		const content = JSON.stringify({ ...ownMark(), what, token });
		const draft = `${path}.${token}`;
		writeFileSync(draft, content, { mode: 0o600, flag: "wx" });
		try {
			for (let attempt = 0; attempt < TRIES; attempt++) {
				if (tryLink(draft, path)) return new FileLock(path, content);
				const found = readText(path);
				if (found === undefined) continue;
				const holder = readHolder(found);
				if (holder !== undefined && isRunning(holder.mark)) throw inUse(path, holder);
				removeStale(path, found, token);
			}
			throw new UserError(`${path}: other programs keep taking this lock`, "try again");
		} finally {
			rmSync(draft, { force: true });
		}
	}

	/** True while the file is still ours; false after `release`, or when somebody removed it by hand. */
	isHeld(): boolean {
		return this.#held && readText(this.#path) === this.#content;
	}

	/** Gives the lock back. Harmless when it is not held any more. */
	release(): void {
		if (this.isHeld()) rmSync(this.#path, { force: true });
		this.#held = false;
	}
}

/** Who holds the lock at `path` now: a line for people, or undefined when nobody does. */
export function lockHolder(path: string): string | undefined {
	const found = readText(path);
	const holder = found === undefined ? undefined : readHolder(found);
	return holder !== undefined && isRunning(holder.mark) ? `${holder.what} (process ${holder.mark.pid})` : undefined;
}

function inUse(path: string, holder: Holder): UserError {
	return new UserError(
		`${path}: ${holder.what} (process ${holder.mark.pid}) uses this state directory`,
		"stop it first, or choose another directory with --state",
	);
}

function tryLink(from: string, to: string): boolean {
	try {
		linkSync(from, to);
		return true;
	} catch (error) {
		if (errorCode(error) === "EEXIST") return false;
		throw error;
	}
}

/** Takes the stale file away; when the file under that name was a fresh one by then, it is put back. */
function removeStale(path: string, stale: string, token: string): void {
	const aside = `${path}.stale.${token}`;
	try {
		renameSync(path, aside);
	} catch (error) {
		if (errorCode(error) === "ENOENT") return;
		throw error;
	}
	if (readText(aside) !== stale) tryLink(aside, path);
	rmSync(aside, { force: true });
}

function readText(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		if (errorCode(error) === "ENOENT") return undefined;
		throw error;
	}
}

function readHolder(text: string): Holder | undefined {
	try {
		const value: unknown = JSON.parse(text);
		const mark = readMark(value);
		const { what } = value as { what?: unknown };
		return mark === undefined ? undefined : { mark, what: typeof what === "string" ? what : "a program" };
	} catch {
		return undefined;
	}
}
