/** What the `ringlet` command prints, and how it ends. Colours only on a terminal, and never where NO_COLOR is set. */
import { errorText, UserError } from "../../targets/pi/state/errors.ts";

/** Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the daemon is not running. */
export const ExitCode = Object.freeze({ done: 0, failed: 1, usage: 2, noDaemon: 3 });

/** Thrown when a command needs the daemon of the state directory and none runs. */
export class NoDaemon extends UserError {}

const COLOUR = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;

function paint(code: number): (text: string) => string {
	return (text) => (COLOUR ? `\u001b[${code}m${text}\u001b[0m` : text);
}

export const bold = paint(1);
export const dim = paint(2);
export const red = paint(31);
export const green = paint(32);
export const yellow = paint(33);

/** One JSON document on one line, or the lines for people. */
export function print(json: boolean | undefined, value: unknown, lines: () => readonly string[]): void {
	process.stdout.write(
		json === true
			? `${JSON.stringify(value)}\n`
			: lines()
					.map((line) => `${line}\n`)
					.join(""),
	);
}

/** Width of a text on a terminal: colours take no room. */
function width(text: string): number {
	let columns = 0;
	for (let at = 0; at < text.length; at++) {
		if (text.charCodeAt(at) !== 0x1b) columns++;
		else at = text.indexOf("m", at);
	}
	return columns;
}

/** Rows as a table: columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
	const widths: number[] = [];
	for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, width(cell));
	return rows.map((row) =>
		row
			.map((cell, i) => (i === row.length - 1 ? cell : cell + " ".repeat((widths[i] ?? 0) - width(cell))))
			.join("  ")
			.trimEnd(),
	);
}

/** Prints an error as one line on stderr (a JSON line on stdout with --json) and sets the exit code. */
export function fail(error: unknown, json: boolean | undefined): void {
	const known = error instanceof UserError;
	const text = errorText(error);
	if (json === true) process.stdout.write(`${JSON.stringify({ error: text, fix: known ? error.fix : "" })}\n`);
	else process.stderr.write(`${red("ringlet:")} ${text}\n`);
	if (!known && process.env.RINGLET_LOG_LEVEL === "debug" && error instanceof Error)
		process.stderr.write(`${error.stack ?? ""}\n`);
	process.exitCode = error instanceof NoDaemon ? ExitCode.noDaemon : ExitCode.failed;
}
