/** The log of Node: lines for people on a terminal, one JSON object a line otherwise. */
import type { Log, LogLevel } from "../hal.ts";
import { LOG_VALUE_CHARACTERS } from "./limits.ts";

/** Where lines go; process.stderr fits. */
export interface LogOutput {
	write(line: string): unknown;
	readonly isTTY?: boolean;
}

export interface LogOptions {
	/** Nothing below this level is written. */
	readonly level?: LogLevel;
	readonly output?: LogOutput;
	/** Chosen by `output.isTTY` when absent. */
	readonly format?: "human" | "json";
	/** Fields of every line ("node": ...). */
	readonly fields?: Readonly<Record<string, string | number | boolean | undefined>>;
	readonly wallMs?: () => number;
}

type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

const LEVELS: Readonly<Record<LogLevel, number>> = Object.freeze({ debug: 0, info: 1, warn: 2, error: 3 });
const COLOURS: Readonly<Record<LogLevel, string>> = Object.freeze({
	debug: "\u001b[2m",
	info: "",
	warn: "\u001b[33m",
	error: "\u001b[31m",
});
const RESET = "\u001b[0m";

/** What is written in place of a secret. */
const HIDDEN = "[hidden]";
/** Field names that are secrets, and endings that make a name one; compared in lower case without "-" and "_". */
const SECRET_NAMES: ReadonlySet<string> = new Set([
	"key",
	"pin",
	"authorization",
	"cookie",
	"ha1",
	"psk",
	"seed",
	"credential",
]);
const SECRET_ENDINGS: readonly string[] = [
	"password",
	"passwd",
	"passphrase",
	"secret",
	"token",
	"privatekey",
	"pairingcode",
];
/** What gives a secret away whatever its field is called. */
const SECRET_VALUE = /PRIVATE KEY-----|\bDigest\s+\w+=|\bBearer\s+\S{8}|\bBasic\s+[\w+/]{8,}={0,2}$|\bpassword\s*[=:]/i;

/** Makes a log. Each call writes one line at once; secrets, control characters and over-long values never get through. */
export function nodeLog(options: LogOptions = {}): Log {
	const output = options.output ?? process.stderr;
	const least = LEVELS[options.level ?? "info"];
	const human = (options.format ?? (output.isTTY ? "human" : "json")) === "human";
	const wallMs = options.wallMs ?? (() => Date.now());
	const common = options.fields ?? {};
	return (level, event, fields = {}) => {
		if (LEVELS[level] < least) return;
		const time = new Date(wallMs()).toISOString();
		const all = { ...common, ...fields };
		output.write(human ? humanLine(time, level, event, all) : jsonLine(time, level, event, all));
	};
}

/** True when a field of this name and value must not be written. */
export function isSecret(name: string, value: string | number | boolean | undefined): boolean {
	const plain = name.replace(/[-_]/g, "").toLowerCase();
	if (SECRET_NAMES.has(plain) || SECRET_ENDINGS.some((ending) => plain.endsWith(ending))) return true;
	return typeof value === "string" && SECRET_VALUE.test(value);
}

function jsonLine(time: string, level: LogLevel, event: string, fields: Fields): string {
	const line: Record<string, string | number | boolean> = { time, level, event };
	for (const [name, value] of Object.entries(fields)) {
		if (value === undefined || name in line) continue;
		line[name] = isSecret(name, value) ? HIDDEN : typeof value === "string" ? cut(value) : value;
	}
	return `${JSON.stringify(line)}\n`;
}

function humanLine(time: string, level: LogLevel, event: string, fields: Fields): string {
	let line = `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${visible(event)}`;
	for (const [name, value] of Object.entries(fields)) {
		if (value !== undefined) line += ` ${name}=${isSecret(name, value) ? HIDDEN : humanValue(value)}`;
	}
	const colour = COLOURS[level];
	return colour === "" ? `${line}\n` : `${colour}${line}${RESET}\n`;
}

function humanValue(value: string | number | boolean): string {
	if (typeof value !== "string") return String(value);
	const shown = visible(cut(value));
	return /[\s"=]/.test(shown) || shown === "" ? JSON.stringify(shown) : shown;
}

function cut(value: string): string {
	return value.length > LOG_VALUE_CHARACTERS ? `${value.slice(0, LOG_VALUE_CHARACTERS)}…` : value;
}

/** Control characters as escapes: what a neighbour sent can neither begin a new line nor steer the terminal. */
function visible(text: string): string {
	let shown = "";
	for (const character of text) {
		const code = character.codePointAt(0) ?? 0;
		const isControl = code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0x2028 || code === 0x2029;
		shown += isControl ? `\\u${code.toString(16).padStart(4, "0")}` : character;
	}
	return shown;
}
