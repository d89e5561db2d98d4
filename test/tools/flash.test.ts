import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { BOARDS, mcconfigArguments, missingSdk } from "../../tools/flash.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

function flash(...args: string[]): { code: number | null; text: string } {
	const environment = { ...process.env, MODDABLE: "", IDF_PATH: "" };
	const done = spawnSync(process.execPath, ["tools/run.mjs", "tools/flash.ts", ...args], {
		cwd: ROOT,
		env: environment,
		encoding: "utf8",
	});
	return { code: done.status, text: done.stderr + done.stdout };
}

test("without the Moddable SDK: one clear message, exit code 2", () => {
	const { code, text } = flash("--device", "frontdoor", "--board", "esp32/esp32s3");
	expect(code).toBe(2);
	expect(text.trim().split("\n")).toHaveLength(1);
	expect(text).toContain("the Moddable SDK is not here: install it");
});

test("a board that is none, a name that is none: what there is instead", () => {
	expect(flash("--device", "frontdoor", "--board", "esp8266").text).toContain(BOARDS.join(", "));
	expect(flash("--device", "front door", "--board", "esp32").code).toBe(2);
	expect(flash("--device", "frontdoor").code).toBe(2);
});

test("what mcconfig is called with: never the names that make the SDK's setup wait for Wi-Fi", () => {
	const asked = { device: "frontdoor", board: "esp32", wifi: "home", pairing: "ringlet://x" };
	const called = mcconfigArguments(asked, "secret");
	expect(called).toEqual([
		...["-m", "-p", "esp32", 'device="frontdoor"', 'wifi="home"'],
		...['wifiPassword="secret"', 'pairing="ringlet://x"'],
	]);
	expect(called.join(" ")).not.toMatch(/ssid=|password=/);
});

test("what is missing is told", () => {
	expect(missingSdk({}, "lin")).toContain("MODDABLE");
	expect(missingSdk({ MODDABLE: "/nowhere" }, "lin")).toContain("MODDABLE");
});
