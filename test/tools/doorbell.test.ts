/** The words and keys of a doorbell on a PC. */
import { describe, expect, test } from "vitest";
import { MAX_LINE, readCommand } from "../../tools/doorbell/commands.ts";
import { commandOfKey, lineOf } from "../../tools/doorbell/keys.ts";

describe("commands on stdin", () => {
	test.each([
		["press", { type: "press", button: 0, ms: 120 }],
		["press 2 500", { type: "press", button: 2, ms: 500 }],
		["  contact open ", { type: "contact", isOpen: true }],
		["network down", { type: "network", isUp: false }],
		["pair ringlet://a/b/c/d/e", { type: "pair", code: "ringlet://a/b/c/d/e" }],
		["hangup", { type: "hangup" }],
		["status", { type: "status" }],
		["quit", { type: "quit" }],
	])("%s", (line, expected) => {
		expect(readCommand(line)).toEqual(expected);
	});

	test.each([
		"",
		"press x",
		"press 16",
		"press 0 0",
		"contact",
		"network on",
		"pair",
		"open",
		"x".repeat(MAX_LINE + 1),
	])("refused with a reason: %s", (line) => {
		expect(typeof readCommand(line)).toBe("string");
	});
});

describe("the terminal", () => {
	test("keys are buttons, the rest is what it says", () => {
		expect(commandOfKey(" ", true)).toMatchObject({ type: "press", button: 0 });
		expect(commandOfKey("3", true)).toMatchObject({ type: "press", button: 3 });
		expect(commandOfKey("n", true)).toEqual({ type: "network", isUp: false });
		expect(commandOfKey("n", false)).toEqual({ type: "network", isUp: true });
		expect(commandOfKey("\u0003", true)).toEqual({ type: "quit" });
		expect(commandOfKey("z", true)).toBeUndefined();
	});

	test("events are told in words, rhythms are not", () => {
		expect(lineOf({ type: "call", call: 1, state: "progress", status: 180 })).toBe("call 1: progress 180");
		expect(lineOf({ type: "led", pattern: "idle" })).toBe("");
		expect(lineOf({ type: "pairingFailed", reason: "no" })).toContain("no");
	});
});
