import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	bytesToUtf8,
	compareBytes,
	concatBytes,
	equalBytes,
	fromHex,
	includesBytes,
	isUtf8,
	toHex,
	utf8ToBytes,
} from "../../../core/wire/bytes.ts";
import { octets } from "./arbitraries.ts";
import { hex } from "./kit.ts";

describe("hex", () => {
	test("there and back", () => {
		fc.assert(
			fc.property(octets(100), (bytes) => {
				expect(fromHex(toHex(bytes))).toEqual(bytes);
			}),
		);
		expect(toHex(new Uint8Array([0, 1, 0xab, 0xff]))).toBe("0001abff");
		expect(fromHex("00ABff")).toEqual(new Uint8Array([0, 0xab, 0xff]));
		expect(fromHex("")).toEqual(new Uint8Array(0));
	});

	test.each(["0", "0g", "g0", " 00", "0x", "/0", ":0", "@0", "`0"])("%j is not hex", (text) => {
		expect(fromHex(text)).toBeUndefined();
	});
});

describe("comparison", () => {
	test.each([
		["", "", 0],
		["00", "01", -1],
		["ff", "01", 1],
		["8000", "7fff", 1],
		["01", "0100", -1],
		["02", "0100", 1],
	])("%s and %s", (a, b, sign) => {
		expect(Math.sign(compareBytes(hex(a), hex(b)))).toBe(sign);
		expect(Math.sign(compareBytes(hex(b), hex(a)))).toBe(sign === 0 ? 0 : -sign);
		expect(equalBytes(hex(a), hex(b))).toBe(sign === 0);
	});

	test("a list has octets by their values", () => {
		const list = [Uint8Array.of(1, 2), Uint8Array.of(3)];
		expect(
			[Uint8Array.of(3), Uint8Array.of(1, 2), Uint8Array.of(1), Uint8Array.of()].map((one) => includesBytes(list, one)),
		).toEqual([true, true, false, false]);
	});

	test("concatenation copies", () => {
		const part = new Uint8Array([1]);
		const whole = concatBytes(part, new Uint8Array(0), new Uint8Array([2, 3]));
		part[0] = 9;
		expect(whole).toEqual(new Uint8Array([1, 2, 3]));
		expect(concatBytes()).toEqual(new Uint8Array(0));
	});
});

describe("UTF-8", () => {
	test("encodes as TextEncoder does, lone surrogates included", () => {
		const point = fc.oneof(fc.integer({ min: 0, max: 0xff }), fc.integer({ min: 0, max: 0x10ffff }));
		const text = fc.array(point, { maxLength: 50 }).map((points) => String.fromCodePoint(...points));
		const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 30 });
		fc.assert(
			fc.property(text, (value) => {
				expect(utf8ToBytes(value)).toEqual(new TextEncoder().encode(value));
			}),
		);
		fc.assert(
			fc.property(units, (codes) => {
				const value = String.fromCharCode(...codes);
				expect(utf8ToBytes(value)).toEqual(new TextEncoder().encode(value));
			}),
		);
	});

	test("decodes what it encoded, long texts too", () => {
		for (const text of ["", "plain", "Grüße", "€", "𝄞", "\u0000", "a".repeat(5000), "𝄞é".repeat(2000)]) {
			expect(bytesToUtf8(utf8ToBytes(text))).toBe(text);
			expect(isUtf8(utf8ToBytes(text))).toBe(true);
		}
	});

	test("any octets decode, and well-formed ones as TextDecoder decodes them", () => {
		const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
		const likely = fc.array(
			fc.constantFrom(0x41, 0x80, 0xbf, 0xc2, 0xe0, 0xa0, 0xed, 0x9f, 0xf0, 0x90, 0xf4, 0x8f, 0xff),
		);
		fc.assert(
			fc.property(
				fc.oneof(
					octets(40),
					likely.map((list) => new Uint8Array(list)),
				),
				(bytes) => {
					let expected: string | undefined;
					try {
						expected = strict.decode(bytes);
					} catch {
						expected = undefined;
					}
					expect(isUtf8(bytes)).toBe(expected !== undefined);
					const text = bytesToUtf8(bytes);
					if (expected !== undefined) expect(text).toBe(expected);
					else expect(text).toContain("\ufffd");
				},
			),
			{ numRuns: 2000 },
		);
	});

	test.each([
		["overlong slash", "c0af"],
		["overlong in three", "e080af"],
		["overlong in four", "f08080af"],
		["surrogate", "eda080"],
		["above U+10FFFF", "f4908080"],
		["five octets", "f888808080"],
		["cut", "e282"],
		["lone continuation", "80"],
	])("%s is not UTF-8", (_name, octetsInHex) => {
		expect(isUtf8(hex(octetsInHex))).toBe(false);
		expect(bytesToUtf8(hex(octetsInHex))).toMatch(/^\ufffd+$/);
	});
});
