/** The flash of a device on a PC: a cut at any octet leaves the old value or the new one. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FileFlash } from "../../../../hal/node/device/flash.ts";
import { FLASH_VALUE_OCTETS } from "../../../../hal/node/device/limits.ts";

let directory: string;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "flash-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const value = (number: number, length = 40) => new Uint8Array(length).fill(number);

describe("flash in files", () => {
	test("keeps, replaces and deletes; other keys stay", () => {
		const flash = new FileFlash(directory);
		expect(flash.get("key")).toBeUndefined();
		for (let i = 1; i < 5; i++) expect(flash.set("key", value(i))).toBe(true);
		flash.set("key-2", value(9));
		expect(new FileFlash(directory).get("key")).toEqual(value(4));
		flash.delete("key");
		expect(flash.get("key")).toBeUndefined();
		expect(flash.get("key-2")).toEqual(value(9));
	});

	test("power goes during a write, at every octet: the old value or the new one", () => {
		const flash = new FileFlash(directory);
		flash.set("key", value(1));
		flash.set("key", value(2));
		flash.set("key", value(3));
		const file = join(directory, "key.0");
		const whole = readFileSync(file);
		for (let length = 0; length <= whole.length; length++) {
			writeFileSync(file, whole);
			truncateSync(file, length);
			expect(new FileFlash(directory).get("key")).toEqual(length === whole.length ? value(3) : value(2));
		}
		for (let at = 0; at < whole.length; at++) {
			const damaged = Uint8Array.from(whole);
			damaged[at]! ^= 0x10;
			writeFileSync(file, damaged);
			expect(new FileFlash(directory).get("key")).toEqual(value(2));
		}
	});

	test("full or worn: the old value stays and the writer is told", () => {
		const flash = new FileFlash(directory);
		flash.set("key", value(1));
		flash.mayWrite = () => false;
		expect(flash.set("key", value(2))).toBe(false);
		expect(flash.get("key")).toEqual(value(1));
		flash.mayWrite = () => true;
		expect(flash.set("key", value(0, FLASH_VALUE_OCTETS + 1))).toBe(false);
		expect(flash.set("key", value(0, FLASH_VALUE_OCTETS))).toBe(true);
		rmSync(directory, { recursive: true });
		expect(flash.set("key", value(2))).toBe(false);
	});

	test("names that are no keys of a device are refused and touch nothing", () => {
		const flash = new FileFlash(directory);
		for (const key of ["", "../key", "Key", "a/b", "sixteen-letters-", "k.0"]) {
			expect(flash.set(key, value(1))).toBe(false);
			expect(flash.get(key)).toBeUndefined();
			flash.delete(key);
		}
		expect(readdirSync(directory)).toEqual([]);
	});
});
