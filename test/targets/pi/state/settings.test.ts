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
	const { state, file: path } = file("[sip]\nudp = 1001\ntcp = 1001\ntls = 1001\n");
	const env = { RINGLET_STATE: state, RINGLET_SIP_UDP: "1002", RINGLET_SIP_TCP: "1002" };
	const settings = loadSettings({ flags: { sipUdp: "1003" }, env });
	expect(settings.statePath).toBe(state);
	expect([settings.get("sip.udp"), settings.origin("sip.udp")]).toEqual([1003, "--sip-udp"]);
	expect([settings.get("sip.tcp"), settings.origin("sip.tcp")]).toEqual([1002, "RINGLET_SIP_TCP"]);
	expect([settings.get("sip.tls"), settings.origin("sip.tls")]).toEqual([1001, `${path}, sip.tls`]);
	expect([settings.get("sip.websocket"), settings.origin("sip.websocket")]).toEqual([5066, "default"]);
});

test("lists, booleans, choices, and empty variables that say nothing", () => {
	const state = scratch();
	const settings = loadSettings({
		flags: { state, "overlay-addresses": "192.0.2.1, fd00::1", mdns: false },
		env: { RINGLET_LOG_LEVEL: "debug", RINGLET_MDNS: "1", RINGLET_SIP_UDP: "" },
	});
	expect(settings.get("overlay.addresses")).toEqual(["192.0.2.1", "fd00::1"]);
	expect(settings.get("mdns")).toBe(false);
	expect(settings.get("log.level")).toBe("debug");
	expect(settings.get("sip.udp")).toBe(5060);
});

test.each([
	[
		"[sip]\nudp = 70000",
		/ringlet\.toml, sip\.udp: 70000 must be 0 \(off.*; write for instance udp = 5060 under \[sip\]/,
	],
	['[sip]\nudp = "x"', /ringlet\.toml, sip\.udp: "x" must be a number/],
	["[sip]\nupd = 5060", /ringlet\.toml: unknown key sip\.upd; known keys like it: sip\.bind, sip\.udp/],
	["colour = 1", /unknown key colour; remove it/],
	[
		'domain = "Home"',
		/ringlet\.toml, domain: "Home" must be a domain name.*; write for instance domain = "ringlet\.home\.arpa"/,
	],
	["= 5", /ringlet\.toml: not TOML .*; correct that line/],
	['[log]\nlevel = "loud"', /must be one of debug, info, warn, error/],
	["[overlay]\naddresses = 1", /must be a list of texts/],
])("%s is an error that names file, key and fix", (text, message) => {
	const { state } = file(text);
	expect(() => loadSettings({ flags: { state } })).toThrow(message);
});

test("errors of flags and variables name them", () => {
	expect(() => loadSettings({ flags: { "sip-udp": "many" } })).toThrow(/^--sip-udp: "many" must be a number/);
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
	expect(envName("overlay.port")).toBe("RINGLET_OVERLAY_PORT");
	expect(flagName("overlay.port" satisfies SettingKey)).toBe("overlay-port");
});
