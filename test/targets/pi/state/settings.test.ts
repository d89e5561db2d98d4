import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MAX_SETTINGS_FILE } from "../../../../targets/pi/state/limits.ts";
import { describeSettings, envName, flagName, loadSettings } from "../../../../targets/pi/state/settings.ts";
import { SETTINGS, type SettingKey } from "../../../../targets/pi/state/settings-table.ts";
import { scratch } from "../support.ts";

function file(text: string): { state: string; file: string } {
	const state = scratch();
	writeFileSync(join(state, "ringlet.toml"), text);
	return { state, file: join(state, "ringlet.toml") };
}

test("flags before environment before file before defaults", () => {
	const { state, file: path } = file('domain = "file.example"\nlink = "[::]:1001"\nhttp = "[::]:1001"\n');
	const env = { RINGLET_STATE: state, RINGLET_DOMAIN: "env.example", RINGLET_LINK: "[::]:1002" };
	const settings = loadSettings({ flags: { domain: "flag.example" }, env });
	expect(settings.statePath).toBe(state);
	expect([settings.get("domain"), settings.origin("domain")]).toEqual(["flag.example", "--domain"]);
	expect([settings.get("link"), settings.origin("link")]).toEqual(["[::]:1002", "RINGLET_LINK"]);
	expect([settings.get("http"), settings.origin("http")]).toEqual(["[::]:1001", `${path}, http`]);
	expect([settings.get("profile"), settings.origin("profile")]).toEqual(["house", "default"]);
});

test("lists, booleans, choices, and empty variables that say nothing", () => {
	const state = scratch();
	const settings = loadSettings({
		flags: { state, addresses: "192.0.2.1, fd00::1", mdns: false },
		env: { RINGLET_LOG_LEVEL: "debug", RINGLET_MDNS: "1", RINGLET_LINK: "" },
	});
	expect(settings.get("addresses")).toEqual(["192.0.2.1", "fd00::1"]);
	expect(settings.get("mdns")).toBe(false);
	expect(settings.get("log.level")).toBe("debug");
	expect(settings.get("link")).toBe("[::]:6084");
});

test.each([
	["link = 6084", /ringlet\.toml, link: 6084 must be text; write for instance link = "\[::\]:6084"/],
	["[log]\nlevle = 1", /ringlet\.toml: unknown key log\.levle; known keys like it: log\.level, log\.format/],
	["colour = 1", /unknown key colour; remove it/],
	[
		'domain = "Home"',
		/ringlet\.toml, domain: "Home" must be a domain name.*; write for instance domain = "ringlet\.home\.arpa"/,
	],
	["= 5", /ringlet\.toml: not TOML .*; correct that line/],
	['[log]\nlevel = "loud"', /must be one of debug, info, warn, error/],
	["addresses = 1", /must be a list of texts/],
])("%s is an error that names file, key and fix", (text, message) => {
	const { state } = file(text);
	expect(() => loadSettings({ flags: { state } })).toThrow(message);
});

test("errors of flags and variables name them", () => {
	expect(() => loadSettings({ flags: { "log-level": "many" } })).toThrow(/^--log-level: "many" must be one of/);
	expect(() => loadSettings({ env: { RINGLET_MDNS: "perhaps" } })).toThrow(
		/^RINGLET_MDNS: "perhaps" must be true or false/,
	);
	expect(loadSettings({ env: { RINGLET_COLOUR: "red" } }).warnings).toEqual([
		"RINGLET_COLOUR is no setting and has no effect",
	]);
});

test("a file that was asked for must be there; the usual one need not", () => {
	const state = scratch();
	expect(loadSettings({ flags: { state } }).filePath).toBe(join(state, "ringlet.toml"));
	expect(() => loadSettings({ flags: { state, config: join(state, "no.toml") } })).toThrow(
		/no\.toml: cannot be read \(ENOENT\)/,
	);
});

test("limit: a file that is too large is not read", () => {
	const { state } = file(`# ${"x".repeat(MAX_SETTINGS_FILE)}`);
	expect(() => loadSettings({ flags: { state } })).toThrow(/larger than 262144 octets; this is no settings file/);
});

test("every setting has its names and its meaning", () => {
	const described = describeSettings();
	expect(described.map((one) => one.key)).toEqual(Object.keys(SETTINGS));
	expect(new Set(described.map((one) => one.env)).size).toBe(described.length);
	for (const { help } of described) expect(help).not.toBe("");
	expect(envName("log.level")).toBe("RINGLET_LOG_LEVEL");
	expect(flagName("log.level" satisfies SettingKey)).toBe("log-level");
});
