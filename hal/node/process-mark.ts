/** A mark of a running process that another process can later hold against what runs then, in spite of reused numbers. */
import { readFileSync } from "node:fs";

/** Plain data, for a record. */
export interface ProcessMark {
	readonly pid: number;
	/** Start of the process and of the machine as the system counts them; empty where it does not tell. */
	readonly started: string;
	readonly boot: string;
}

/** The mark of this process. */
export function ownMark(): ProcessMark {
	return { pid: process.pid, started: startOf(process.pid), boot: bootId() };
}

/** Reads a mark that was stored; `undefined` when it is none. */
export function readMark(value: unknown): ProcessMark | undefined {
	if (typeof value !== "object" || value === null) return undefined;
	const { pid, started, boot } = value as Record<string, unknown>;
	if (typeof pid !== "number" || typeof started !== "string" || typeof boot !== "string") return undefined;
	return { pid, started, boot };
}

/** True while the process that made the mark runs. Processes of another container or machine are not seen. */
export function isRunning(mark: ProcessMark): boolean {
	const boot = bootId();
	if (boot !== "" && mark.boot !== "" && boot !== mark.boot) return false;
	try {
		process.kill(mark.pid, 0);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
	}
	const started = startOf(mark.pid);
	return started === "" || mark.started === "" || started === mark.started;
}

/** Start time in clock ticks since boot: field 22 of /proc/PID/stat, counted behind the name, which may hold anything. */
function startOf(pid: number): string {
	const text = read(`/proc/${pid}/stat`);
	return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

function bootId(): string {
	return read("/proc/sys/kernel/random/boot_id").trim();
}

function read(path: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch {
		// Not Linux, or the process has just gone: then there is nothing to tell.
		return "";
	}
}
