/** The documentation against the tree: links, commands, settings and limits that it names exist, with the values it gives. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import * as config from "../core/config/limits.ts";
import * as pairing from "../core/device/pairing-limits.ts";
import * as identity from "../core/identity/limits.ts";
import * as link from "../core/link/limits.ts";
import * as media from "../core/media/limits.ts";
import * as overlay from "../core/overlay/limits.ts";
import * as topology from "../core/overlay/topology/limits.ts";
import * as agent from "../core/sip/agent/limits.ts";
import * as sip from "../core/sip/limits.ts";
import * as storage from "../core/storage/limits.ts";
import * as usages from "../core/usages/limits.ts";
import * as wire from "../core/wire/limits.ts";
import * as pc from "../hal/node/device/limits.ts";
import * as node from "../hal/node/limits.ts";
import * as sim from "../hal/sim/limits.ts";
import pkg from "../package.json" with { type: "json" };
import * as unit from "../targets/esp32/unit/limits.ts";
import * as enrollment from "../targets/pi/enrollment/limits.ts";
import * as household from "../targets/pi/household/limits.ts";
import * as state from "../targets/pi/state/limits.ts";
import { SETTINGS } from "../targets/pi/state/settings-table.ts";
import { addDeviceCommands } from "../tools/cli/device.ts";
import { addDoorbellCommand } from "../tools/cli/doorbell.ts";
import { addHouseholdCommands } from "../tools/cli/household.ts";
import { addLookCommands } from "../tools/cli/look.ts";
import { addPeerCommands } from "../tools/cli/peer.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SKIPPED: readonly string[] = ["node_modules", "dist", ".git", "coverage", "vectors", "wt"];

function pagesUnder(folder: string): string[] {
	const pages: string[] = [];
	for (const entry of readdirSync(folder, { withFileTypes: true })) {
		if (SKIPPED.includes(entry.name)) continue;
		const path = join(folder, entry.name);
		if (entry.isDirectory()) pages.push(...pagesUnder(path));
		else if (entry.name.endsWith(".md")) pages.push(path);
	}
	return pages;
}

const PAGES = pagesUnder(ROOT).map((path) => ({ name: relative(ROOT, path), path, text: readFileSync(path, "utf8") }));

function page(name: string): string {
	return PAGES.find((one) => one.name === name)?.text ?? "";
}

/** What stands in code: `spans` and fenced blocks. */
function codeOf(text: string): string[] {
	const blocks = [...text.matchAll(/^```[a-z]*\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? "");
	const spans = [...text.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? "");
	return [...blocks, ...spans];
}

describe.each(PAGES)("$name", ({ path, text }) => {
	test("relative links lead to files", () => {
		const prose = text.replaceAll(/^```[\s\S]*?^```/gm, "");
		for (const [, target = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
			if (/^[a-z]+:/.test(target) || target.startsWith("#")) continue;
			expect(existsSync(join(dirname(path), target.split("#")[0] ?? "")), target).toBe(true);
		}
	});

	test("npm scripts exist", () => {
		for (const code of codeOf(text))
			for (const [, name = ""] of code.matchAll(/npm run (?:--silent )?([\w:-]+)/g))
				expect(Object.keys(pkg.scripts), `npm run ${name}`).toContain(name);
	});

	test("commands of ringlet exist", () => {
		for (const code of codeOf(text))
			for (const [, words = ""] of code.matchAll(/(?:^|[\s'"(])(?<!-u )ringlet((?: +[a-z][a-z-]*)+)/gm))
				expect(unknownCommand(words.trim().split(/ +/)), `ringlet${words}`).toBe(words === NO_COMMAND ? "seal" : "");
	});
});

/** docs/enrollment.md names the info string of a key derivation. */
const NO_COMMAND = " seal";

const PROGRAM = new Command("ringlet");
addPeerCommands(PROGRAM);
addHouseholdCommands(PROGRAM);
addDeviceCommands(PROGRAM);
addLookCommands(PROGRAM);
addDoorbellCommand(PROGRAM);

/** "" when the words begin with a command, else what is unknown. */
function unknownCommand([name = "", second]: readonly string[]): string {
	if (name === "help") return second === undefined ? "" : unknownCommand([second]);
	const command = PROGRAM.commands.find((one) => one.name() === name);
	if (command === undefined) return name;
	if (second === undefined || command.commands.length === 0) return "";
	return command.commands.some((one) => one.name() === second) ? "" : second;
}

test("README.md lists every setting with its default", () => {
	const matches = page("README.md").matchAll(/^\| `([a-z.]+)` \|(?: `(.*?)`)? \|/gm);
	const rows = new Map([...matches].map(([, key = "", value = ""]) => [key, value]));
	for (const [key, { initial }] of Object.entries(SETTINGS))
		expect(rows.get(key), key).toBe(Array.isArray(initial) ? initial.join(", ") : String(initial));
});

test("docs/dependencies.md has every package", () => {
	for (const name of Object.keys({ ...pkg.dependencies, ...pkg.devDependencies }))
		expect(page("docs/dependencies.md"), name).toContain(name);
});

function sourcesUnder(folder: string): string[] {
	return readdirSync(folder, { recursive: true, encoding: "utf8" })
		.filter((name) => name.endsWith(".ts"))
		.map((name) => readFileSync(join(folder, name), "utf8"));
}

test("docs/peer-protocol.md has the section of every choice and deviation that the code names", () => {
	const text = page("docs/peer-protocol.md");
	const missing: string[] = [];
	for (const source of [...sourcesUnder(join(ROOT, "core")), ...sourcesUnder(join(ROOT, "targets"))])
		for (const [, sections = ""] of source.matchAll(/(?:Choice|Deviation) \(([^)]*)\)/g))
			for (const [section] of sections.matchAll(/§[\d.]*\d/g)) if (!text.includes(section)) missing.push(section);
	expect(missing).toEqual([]);
});

const UNITS: Readonly<Record<string, number>> = {
	KiB: 1024,
	MiB: 1024 ** 2,
	GiB: 1024 ** 3,
	ms: 1,
	s: 1000,
	min: 60_000,
	h: 3_600_000,
	days: 86_400_000,
};

function numberOf(text: string): number {
	const [, digits = "", unit] = /^([\d,.]+)(?: (\w+))?$/.exec(text) ?? [];
	return Number(digits.replaceAll(",", "")) * (unit === undefined ? 1 : (UNITS[unit] ?? Number.NaN));
}

/** Name -> values by column, of the tables between the mention of a limits file and the next one. */
function documented(file: string): Map<string, number[]> {
	const text = page("docs/limits.md");
	const from = text.indexOf(`\`${file}\``);
	const next = text.indexOf("limits.ts`", from + file.length + 2);
	const part = from < 0 ? "" : text.slice(from, next < 0 ? undefined : next);
	const found = new Map<string, number[]>();
	for (const line of part.split("\n")) {
		const cells = line.split("|").map((cell) => cell.trim());
		const names = [...(cells[1] ?? "").matchAll(/`(\w+)`/g)].map((match) => match[1] ?? "");
		const columns = cells.slice(2).map((cell) => cell.split(", ").map(numberOf));
		names.forEach((name, i) => {
			// One name may have several values (EXPIRES), several names have one each.
			const single = names.length === 1 ? columns.map((column) => column) : columns.map((column) => [column[i] ?? NaN]);
			found.set(name, single.flat());
		});
	}
	return found;
}

function numbersOf(module: object): [string, number[]][] {
	const numbers: [string, number[]][] = [];
	for (const [name, value] of Object.entries(module)) {
		if (typeof value === "number") numbers.push([name, [value]]);
		else if (name === "EXPIRES") numbers.push([name, Object.values(value as Record<string, number>)]);
	}
	return numbers;
}

/** Fields of two objects side by side: a column each. */
function fieldsOf(...objects: readonly object[]): [string, number[]][] {
	return Object.keys(objects[0] ?? {}).map((name) => [
		name,
		objects.map((object) => (object as Record<string, number>)[name] ?? Number.NaN),
	]);
}

/** In a sentence rather than a row. */
const ELSEWHERE: readonly string[] = ["VALUE_OVERHEAD", "RENEW_AT"];

test.each([
	["core/wire/limits.ts", numbersOf(wire)],
	["core/identity/limits.ts", numbersOf(identity)],
	["core/config/limits.ts", numbersOf(config)],
	["core/link/limits.ts", fieldsOf(link.LINK_LIMITS, link.DEVICE_LINK_LIMITS)],
	["core/overlay/limits.ts", [...fieldsOf(overlay.PEER_LIMITS, overlay.CLIENT_LIMITS), ...fieldsOf(overlay.Times)]],
	["core/overlay/topology/limits.ts", numbersOf(topology)],
	["core/storage/limits.ts", [...fieldsOf(storage.DEFAULT_LIMITS), ...numbersOf(storage)]],
	["core/usages/limits.ts", numbersOf(usages)],
	["core/sip/limits.ts", [...fieldsOf(sip.DEFAULT_LIMITS), ...fieldsOf(sip.DEFAULT_TIMERS), ...numbersOf(sip)]],
	["core/sip/agent/limits.ts", numbersOf(agent)],
	["core/media/limits.ts", numbersOf(media)],
	["core/device/pairing-limits.ts", numbersOf(pairing)],
	["hal/node/limits.ts", numbersOf(node)],
	["hal/node/device/limits.ts", numbersOf(pc)],
	["hal/sim/limits.ts", numbersOf(sim)],
	["targets/esp32/unit/limits.ts", numbersOf(unit)],
	["targets/pi/household/limits.ts", numbersOf(household)],
	["targets/pi/enrollment/limits.ts", numbersOf(enrollment)],
	["targets/pi/state/limits.ts", numbersOf(state)],
] as const)("docs/limits.md has every limit of %s, with its value", (file, limits) => {
	const found = documented(file);
	for (const [name, values] of limits) {
		if (ELSEWHERE.includes(name)) continue;
		expect(found.get(name)?.slice(0, values.length), name).toEqual(values);
	}
});
