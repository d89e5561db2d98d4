/** docs/device.md against the code: settings, LED, limits, status classes, boards, and the tests it names. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { LED_RHYTHMS } from "../../core/device/led.ts";
import * as limits from "../../core/device/limits.ts";
import { judge } from "../../core/device/ring.ts";
import { SETTINGS_FIELDS, type SettingsField } from "../../core/usages/device-settings-fields.ts";
import type { Board, Pin } from "../../hal/xs/board.ts";
import { board as esp32 } from "../../targets/esp32/boards/esp32.ts";
import { board as esp32s3 } from "../../targets/esp32/boards/esp32s3.ts";
import { board as echo } from "../../targets/esp32/boards/m5atom_s3_echo_base.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TEXT = readFileSync(`${ROOT}docs/device.md`, "utf8");

/** Rows of the tables of a section: cells. */
function rows(section: string): string[][] {
	const from = TEXT.indexOf(`\n## ${section}`);
	const part = TEXT.slice(from, TEXT.indexOf("\n## ", from + 4) < 0 ? undefined : TEXT.indexOf("\n## ", from + 4));
	const lines = part.split("\n").filter((line) => line.startsWith("| "));
	return lines.map((line) =>
		line
			.split("|")
			.slice(1, -1)
			.map((cell) => cell.trim()),
	);
}

function row(section: string, name: string): string[] {
	const found = rows(section).find(([first = ""]) => first.includes(`\`${name}\``));
	expect(found, `${section}: ${name}`).toBeDefined();
	return found ?? [];
}

function boundsOf(field: SettingsField): string {
	switch (field.kind) {
		case "number":
			return `${field.least} to ${field.most}`;
		case "boolean":
			return "true, false";
		case "choice":
			return field.of.join(", ");
		case "text":
			return `${field.most} octets`;
		case "aors":
			return `${field.most} addresses`;
		case "codes":
			return `${field.most} codes of 2 to 12 digits`;
	}
}

test.each(Object.entries(SETTINGS_FIELDS))("setting %s", (name, field: SettingsField) => {
	const [, initial = "", bounds = ""] = row("8.", name);
	const first = Array.isArray(field.initial) ? "none" : field.initial === "" ? '""' : String(field.initial);
	expect(initial).toBe(first);
	if (name !== "revision") expect(bounds).toBe(boundsOf(field));
});

test.each(Object.entries(LED_RHYTHMS))("LED pattern %s", (name, rhythm) => {
	const steps: string[] = [];
	for (let i = 0; i < rhythm.length; i += 2)
		steps.push(rhythm[i + 1] === 0 ? `${rhythm[i]}` : `${rhythm[i]} ${rhythm[i + 1]}`);
	expect(row("6.", name)[1]).toBe(steps.join(", "));
});

test("limits", () => {
	for (const [name, value] of Object.entries(limits)) {
		const [names = "", values = ""] = row("9.", name);
		const at = [...names.matchAll(/`(\w+)`/g)].findIndex(([, one]) => one === name);
		expect(Number(values.split(", ")[at]), name).toBe(value);
	}
});

test("what a final status means", () => {
	const listed = rows("1.");
	const find = (words: string): string => listed.find(([, meaning = ""]) => meaning.startsWith(words))?.[0] ?? "";
	const codes = (text: string): number[] => text.split(", ").map(Number);
	for (const status of codes(find("nobody there"))) expect(judge("refused", status), `${status}`).toBe("againLater");
	for (const status of codes(find("declined"))) expect(judge("refused", status), `${status}`).toBe("declined");
	let others = 0;
	for (let status = 400; status < 500; status++) if (judge("refused", status) !== "failed") others++;
	for (let status = 600; status < 700; status++) if (judge("refused", status) !== "failed") others++;
	expect(others).toBe(codes(find("nobody there")).length + codes(find("declined")).length);
});

test.each([
	["esp32", esp32],
	["esp32/esp32s3", esp32s3],
	["esp32/m5atom_s3_echo_base", echo],
] as const)("board %s", (name, board: Board) => {
	const [, buttons = "", contact, led, relay, chime, buzzer, , second] = row("3.", name);
	const pin = (one: Pin | undefined): string => (one === undefined ? "none" : `${one.pin}`);
	expect(buttons.replace(/ \(.*\)/, "")).toBe(board.buttons.map(pin).join(", "));
	expect([contact, led, relay, chime, buzzer]).toEqual(
		[board.contact, board.leds[0], board.relay, board.chime, board.buzzer].map(pin),
	);
	expect(second).toBe(board.hasSecondEdge ? "yes" : "no");
});

test("tests that the failure table names exist", () => {
	const named = rows("7.").flatMap((cells) =>
		[...(cells[3] ?? "").matchAll(/`([^`]+)`/g)].map(([, path = ""]) => path),
	);
	expect(named.length).toBeGreaterThan(15);
	for (const path of named) expect(existsSync(`${ROOT}${path}`), path).toBe(true);
	expect(readdirSync(`${ROOT}test/core/device`).length).toBeGreaterThan(3);
});
