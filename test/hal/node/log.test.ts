import { describe, expect, test } from "vitest";
import { LOG_VALUE_CHARACTERS } from "../../../hal/node/limits.ts";
import { isSecret, type LogOptions, nodeLog } from "../../../hal/node/log.ts";

const WALL = Date.UTC(2026, 2, 1, 12, 34, 56, 789);

function lines(options: LogOptions, isTTY = false): { log: ReturnType<typeof nodeLog>; written: string[] } {
	const written: string[] = [];
	const output = { isTTY, write: (line: string) => written.push(line) };
	return { log: nodeLog({ output, wallMs: () => WALL, ...options }), written };
}

describe("the log", () => {
	test("JSON lines where nobody looks", () => {
		const { log, written } = lines({ fields: { node: "ab12" } });
		log("info", "link.up", { address: "192.0.2.1", port: 6084, ok: true, none: undefined });
		expect(written).toHaveLength(1);
		expect(written[0]!.endsWith("\n")).toBe(true);
		expect(JSON.parse(written[0]!)).toEqual({
			time: "2026-03-01T12:34:56.789Z",
			level: "info",
			event: "link.up",
			node: "ab12",
			address: "192.0.2.1",
			port: 6084,
			ok: true,
		});
	});

	test("lines for people on a terminal", () => {
		const { log, written } = lines({}, true);
		log("info", "link.up", { address: "192.0.2.1", text: "two words", empty: "" });
		log("warn", "link.down", { reason: "framing lost" });
		expect(written[0]).toBe('12:34:56.789 INFO  link.up address=192.0.2.1 text="two words" empty=""\n');
		expect(written[1]).toBe('\u001b[33m12:34:56.789 WARN  link.down reason="framing lost"\u001b[0m\n');
	});

	test("levels below the wanted one are not written", () => {
		for (const [level, count] of [
			["debug", 4],
			["info", 3],
			["warn", 2],
			["error", 1],
		] as const) {
			const { log, written } = lines({ level });
			for (const each of ["debug", "info", "warn", "error"] as const) log(each, "x");
			expect(written).toHaveLength(count);
		}
	});

	test("secrets are hidden by name and by value, in both formats", () => {
		const secrets: Record<string, string> = {
			password: "hunter2",
			adminPassword: "hunter2",
			"pairing-code": "hunter2",
			api_token: "hunter2",
			privateKey: "hunter2",
			key: "hunter2",
			pin: "hunter2",
			Authorization: "hunter2",
			header: 'Digest username="door", response="hunter2"',
			text: "-----BEGIN EC PRIVATE KEY-----\nhunter2",
			url: "http://x/?password=hunter2",
		};
		for (const isTTY of [false, true]) {
			const { log, written } = lines({}, isTTY);
			log("error", "x", secrets);
			expect(written.join("")).not.toContain("hunter2");
			expect(written.join("").split("[hidden]")).toHaveLength(Object.keys(secrets).length + 1);
		}
		for (const name of [
			"nodeId",
			"publicKey",
			"errorCode",
			"reason",
			"keyword",
			"token_count_total",
			"pinNumberless",
		]) {
			expect(isSecret(name, "plain")).toBe(false);
		}
	});

	test("nothing a neighbour sends begins a line, colours a terminal, or fills a disk", () => {
		for (const isTTY of [false, true]) {
			const { log, written } = lines({}, isTTY);
			log("info", "x", { evil: "a\r\nb\u001b[31m\u009b\u2028", long: "z".repeat(5_000) });
			expect(written[0]!.split("\n")).toHaveLength(2);
			expect(written[0]).not.toContain("\u001b");
			expect(written[0]!.length).toBeLessThan(LOG_VALUE_CHARACTERS + 200);
		}
	});

	test("a field cannot take the place of time, level or event", () => {
		const { log, written } = lines({});
		log("info", "x", { event: "y", level: "error" });
		expect(JSON.parse(written[0]!)).toMatchObject({ event: "x", level: "info" });
	});
});
