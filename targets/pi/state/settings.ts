/**
 * Settings from four places, one precedence: flags > environment > file > defaults.
 *
 * The file is TOML (`ringlet.toml` in the state directory, or --config / RINGLET_CONFIG). Where the state directory is, is said by
 * --state / RINGLET_STATE only: it cannot stand in a file inside it.
 */
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parse } from "smol-toml";
import * as v from "valibot";
import { StateDirectory } from "./directory.ts";
import { errorCode, errorText, UserError } from "./errors.ts";
import { MAX_SETTINGS_FILE } from "./limits.ts";
import { SETTINGS, type Setting, type SettingKey, type SettingValues } from "./settings-table.ts";

export interface SettingsInput {
	/** Flags as given, without the dashes: { "sip-udp": "5062", state: "/var/lib/ringlet" }. Camel case is understood as well. */
	readonly flags?: Readonly<Record<string, unknown>>;
	/** process.env */
	readonly env?: Readonly<Record<string, string | undefined>>;
}

export class Settings {
	/** Absolute path of the state directory. */
	readonly statePath: string;
	/** Absolute path of the settings file, whether it exists or not. */
	readonly filePath: string;
	readonly values: SettingValues;
	/** Things worth a line in the log: variables that begin with RINGLET_ and mean nothing. */
	readonly warnings: readonly string[];
	readonly #origins: ReadonlyMap<SettingKey, string>;

	constructor(
		paths: { readonly state: string; readonly file: string },
		values: SettingValues,
		origins: ReadonlyMap<SettingKey, string>,
		warnings: readonly string[],
	) {
		this.statePath = paths.state;
		this.filePath = paths.file;
		this.values = values;
		this.#origins = origins;
		this.warnings = warnings;
	}

	get<K extends SettingKey>(key: K): SettingValues[K] {
		return this.values[key];
	}

	/** Where the value comes from: "--sip-udp", "RINGLET_SIP_UDP", "<file>, [sip] udp", or "default". */
	origin(key: SettingKey): string {
		return this.#origins.get(key) ?? "default";
	}
}

const KEYS = Object.freeze(Object.keys(SETTINGS) as SettingKey[]);
/** Names that say where to look, not what to do. */
const PLACES: readonly string[] = Object.freeze(["state", "config"]);

/** The name of a setting as a flag, without the dashes. */
export function flagName(key: SettingKey): string {
	return key.replaceAll(".", "-");
}

/** The name of a setting in the environment. */
export function envName(key: SettingKey): string {
	return `RINGLET_${key.replaceAll(/[.-]/g, "_").toUpperCase()}`;
}

/** Reads all settings. Throws a `UserError` that names the place, the key and the fix. */
export function loadSettings(input: SettingsInput = {}): Settings {
	const env = input.env ?? {};
	const flags = namedFlags(input.flags ?? {});
	const state = resolve(placeOf("state", flags, env) ?? join(homedir(), ".ringlet"));
	const chosenFile = placeOf("config", flags, env);
	const file = resolve(chosenFile ?? new StateDirectory(state).settingsPath);
	const fromFile = readSettingsFile(file, chosenFile !== undefined);
	const values: Record<string, unknown> = {};
	const origins = new Map<SettingKey, string>();
	for (const key of KEYS) {
		const found = pick(key, flags, env, fromFile, file);
		if (found !== undefined) origins.set(key, found.origin);
		values[key] = found === undefined ? SETTINGS[key].initial : check(key, found.value, found.origin);
	}
	return new Settings({ state, file }, values as unknown as SettingValues, origins, unknownVariables(env));
}

/** One line per setting for help and docs: flag, variable, default, meaning. */
export function describeSettings(): { flag: string; env: string; key: SettingKey; initial: string; help: string }[] {
	return KEYS.map((key) => ({
		flag: `--${flagName(key)}`,
		env: envName(key),
		key,
		initial: String(SETTINGS[key].initial),
		help: SETTINGS[key].help,
	}));
}

interface Found {
	readonly value: unknown;
	readonly origin: string;
}

function pick(
	key: SettingKey,
	flags: ReadonlyMap<string, unknown>,
	env: Readonly<Record<string, string | undefined>>,
	fromFile: ReadonlyMap<string, unknown>,
	file: string,
): Found | undefined {
	const flag = flags.get(flagName(key));
	if (flag !== undefined) return { value: fromText(key, flag), origin: `--${flagName(key)}` };
	const variable = env[envName(key)];
	if (variable !== undefined && variable !== "") return { value: fromText(key, variable), origin: envName(key) };
	const value = fromFile.get(key);
	return value === undefined ? undefined : { value, origin: `${file}, ${key}` };
}

function check(key: SettingKey, value: unknown, origin: string): unknown {
	const setting: Setting<unknown> = SETTINGS[key];
	const result = v.safeParse(setting.schema, value);
	if (result.success) return result.output;
	throw new UserError(`${origin}: ${JSON.stringify(value)} ${result.issues[0].message}`, exampleOf(key));
}

function exampleOf(key: SettingKey): string {
	const initial = SETTINGS[key].initial;
	const shown = Array.isArray(initial) ? '["192.168.1.10"]' : JSON.stringify(initial);
	const [table, name] = key.includes(".") ? key.split(".") : [undefined, key];
	return `write for instance ${name} = ${shown}${table === undefined ? "" : ` under [${table}]`}`;
}

/** A flag or variable is text; it becomes what the file could have said. What does not fit is left for the check to refuse. */
function fromText(key: SettingKey, value: unknown): unknown {
	if (typeof value !== "string") return value;
	switch (SETTINGS[key].form) {
		case "number":
			return /^\d{1,9}$/.test(value) ? Number(value) : value;
		case "boolean":
			return value === "true" || value === "1" ? true : value === "false" || value === "0" ? false : value;
		case "list":
			return value.split(",").map((item) => item.trim());
		default:
			return value;
	}
}

function namedFlags(flags: Readonly<Record<string, unknown>>): Map<string, unknown> {
	const named = new Map<string, unknown>();
	for (const [name, value] of Object.entries(flags)) {
		if (value === undefined) continue;
		named.set(
			name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
			value,
		);
	}
	return named;
}

function placeOf(
	name: string,
	flags: ReadonlyMap<string, unknown>,
	env: Readonly<Record<string, string | undefined>>,
): string | undefined {
	const flag = flags.get(name);
	if (typeof flag === "string" && flag !== "") return flag;
	const variable = env[`RINGLET_${name.toUpperCase()}`];
	return variable === undefined || variable === "" ? undefined : variable;
}

/** Flattens `[sip] udp = 5060` to "sip.udp". Unknown keys are errors: a mistyped key must not be silently without effect. */
function readSettingsFile(file: string, mustExist: boolean): Map<string, unknown> {
	const flat = new Map<string, unknown>();
	const text = readFileText(file, mustExist);
	if (text === undefined) return flat;
	let tables: Record<string, unknown>;
	try {
		tables = parse(text);
	} catch (error) {
		throw new UserError(`${file}: not TOML (${errorText(error)})`, "correct that line");
	}
	flatten(tables, "", flat);
	for (const key of flat.keys())
		if (!KEYS.includes(key as SettingKey)) throw new UserError(`${file}: unknown key ${key}`, suggestion(key));
	return flat;
}

function flatten(table: Record<string, unknown>, prefix: string, into: Map<string, unknown>): void {
	for (const [name, value] of Object.entries(table)) {
		const key = prefix + name;
		const isTable = value !== null && typeof value === "object" && Object.getPrototypeOf(value) !== Array.prototype;
		if (isTable && !(value instanceof Date)) flatten(value as Record<string, unknown>, `${key}.`, into);
		else into.set(key, value);
	}
}

function readFileText(file: string, mustExist: boolean): string | undefined {
	try {
		if (statSync(file).size > MAX_SETTINGS_FILE)
			throw new UserError(`${file}: larger than ${MAX_SETTINGS_FILE} octets`, "this is no settings file");
		return readFileSync(file, "utf8");
	} catch (error) {
		if (error instanceof UserError) throw error;
		if (errorCode(error) === "ENOENT" && !mustExist) return undefined;
		throw new UserError(`${file}: cannot be read (${errorCode(error)})`, "check --config or RINGLET_CONFIG");
	}
}

function suggestion(key: string): string {
	const last = key.slice(key.lastIndexOf(".") + 1);
	const near = KEYS.filter((known) => known.endsWith(last) || known.startsWith(`${key.split(".")[0]}.`));
	return near.length === 0 ? "remove it" : `known keys like it: ${near.join(", ")}`;
}

function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
	const known = new Set([...KEYS.map(envName), ...PLACES.map((name) => `RINGLET_${name.toUpperCase()}`)]);
	return Object.keys(env)
		.filter((name) => name.startsWith("RINGLET_") && !known.has(name))
		.map((name) => `${name} is no setting and has no effect`);
}
