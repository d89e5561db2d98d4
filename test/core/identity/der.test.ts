import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { context, DerReader, Tag } from "../../../core/identity/der.ts";
import * as w from "../../../core/identity/der-writer.ts";
import { civilToMs, formatMoment, msToCivil } from "../../../core/identity/time.ts";
import { fromHex, toHex } from "../../../core/wire/bytes.ts";

const hex = (text: string) => fromHex(text.replaceAll(" ", "")) as Uint8Array;

describe("reading", () => {
	test("a nested structure, element by element", () => {
		const reader = new DerReader(hex("30 0d 02 01 05 01 01 ff a0 05 04 03 616263"));
		reader.open(Tag.sequence);
		expect(reader.smallInteger()).toBe(5);
		expect(reader.boolean()).toBe(true);
		reader.open(context(0));
		expect(toHex(reader.contents(Tag.octetString))).toBe("616263");
		reader.close();
		reader.close();
		expect(reader.end()).toBeUndefined();
	});

	test.each([
		["ends inside the header", "30", "ends too early"],
		["ends inside the contents", "30 03 0201", "ends too early"],
		["indefinite length", "30 80 0000", "form that is not read"],
		["length of four octets", "30 84 00000000", "form that is not read"],
		["length not shortest (one octet)", `30 81 02 0500`, "shortest form"],
		["length not shortest (two octets)", `30 82 0002 0500`, "shortest form"],
		["another tag", "31 00", "unexpected DER tag"],
	])("refused: %s", (_what, octets, reason) => {
		const reader = new DerReader(hex(octets));
		reader.open(Tag.sequence);
		expect(reader.refused?.refused).toContain(reason);
		expect(reader.more()).toBe(false);
	});

	test("refused: a tag of several octets, an INTEGER that is negative or long, bits left over, NUL octets after the end", () => {
		const cases: ReadonlyArray<readonly [string, (reader: DerReader) => unknown, string]> = [
			["1f 8101 00", (r) => r.element(), "several octets"],
			["02 01 80", (r) => r.smallInteger(), "out of range"],
			["02 05 0100000000", (r) => r.smallInteger(), "out of range"],
			["02 00", (r) => r.smallInteger(), "out of range"],
			["03 02 0480", (r) => r.bitString(), "whole octets"],
			["03 00", (r) => r.bitString(), "whole octets"],
			["01 01 01", (r) => r.boolean(), "not a DER BOOLEAN"],
			["05 00 00", (r) => r.contents(Tag.nullValue), "left over"],
		];
		for (const [octets, act, reason] of cases) {
			const reader = new DerReader(hex(octets));
			act(reader);
			expect(reader.end()?.refused, octets).toContain(reason);
		}
	});

	test("octets left over in an element are a fault", () => {
		const reader = new DerReader(hex("30 04 0500 0500"));
		reader.open(Tag.sequence);
		reader.contents(Tag.nullValue);
		reader.close();
		expect(reader.end()).toEqual({ refused: "octets left over in a DER element", at: 4 });
	});

	test("depth is limited", () => {
		let element = w.sequence();
		for (let i = 0; i < 40; i++) element = w.sequence(element);
		const reader = new DerReader(element);
		for (let i = 0; i < 40; i++) reader.open(Tag.sequence);
		expect(reader.refused?.refused).toBe("DER nested too deep");
	});

	test("times: both forms, and what is not a time", () => {
		const time = (tag: number, text: string) => {
			const reader = new DerReader(w.der(tag, new TextEncoder().encode(text)));
			const ms = reader.time();
			return reader.end()?.refused ?? ms;
		};
		expect(time(Tag.utcTime, "260301120000Z")).toBe(Date.UTC(2026, 2, 1, 12));
		expect(time(Tag.utcTime, "500101000000Z")).toBe(Date.UTC(1950, 0, 1));
		expect(time(Tag.utcTime, "491231235959Z")).toBe(Date.UTC(2049, 11, 31, 23, 59, 59));
		expect(time(Tag.generalizedTime, "99991231235959Z")).toBe(Date.UTC(9999, 11, 31, 23, 59, 59));
		for (const bad of ["2603011200Z", "260301120000+0000", "26030112000Z0", "260a01120000Z", "", "2603011200000"])
			expect(time(Tag.utcTime, bad), bad).toBeTypeOf("string");
		for (const bad of [
			"261301120000Z",
			"260230120000Z",
			"250229000000Z",
			"260301240000Z",
			"260301126000Z",
			"260301120060Z",
		])
			expect(time(Tag.utcTime, bad), bad).toBe("no such date");
		expect(time(Tag.octetString, "260301120000Z")).toBe("unexpected DER tag");
	});

	test("any octets: no throw, no loop, whatever is asked", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(9), { maxLength: 60 }), (octets, acts) => {
				const reader = new DerReader(octets);
				for (const act of acts) {
					if (act === 0) reader.open(reader.peek());
					else if (act === 1) reader.close();
					else if (act === 2) reader.element();
					else if (act === 3) reader.smallInteger();
					else if (act === 4) reader.time();
					else if (act === 5) reader.bitString();
					else if (act === 6) reader.boolean();
					else if (act === 7) reader.oid();
					else reader.contents(reader.peek());
				}
				let steps = 0;
				while (reader.more()) {
					reader.element();
					expect(++steps).toBeLessThan(201);
				}
			}),
			{ numRuns: 2000, seed: 3 },
		);
	});
});

describe("writing", () => {
	test("what is written is read again, lengths in the shortest form", () => {
		for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
			const element = w.octetString(new Uint8Array(length));
			const reader = new DerReader(element);
			expect(reader.contents(Tag.octetString).length).toBe(length);
			expect(reader.end()).toBeUndefined();
		}
	});

	test("integers take the fewest octets and stay positive", () => {
		expect(toHex(w.unsignedInteger(hex("00 00 7f")))).toBe("02017f");
		expect(toHex(w.unsignedInteger(hex("80")))).toBe("02020080");
		expect(toHex(w.unsignedInteger(hex("00")))).toBe("020100");
		expect(toHex(w.unsignedInteger(new Uint8Array(0)))).toBe("020100");
	});

	test("named bits drop their trailing zeros", () => {
		expect(toHex(w.namedBits(0x80))).toBe("03020780");
		expect(toHex(w.namedBits(0x06))).toBe("03020106");
	});

	test("times: UTCTime through 2049, GeneralizedTime from 2050", () => {
		for (const ms of [
			Date.UTC(1970, 0, 1),
			Date.UTC(2049, 11, 31, 23, 59, 59),
			Date.UTC(2050, 0, 1),
			Date.UTC(2099, 5, 6),
		]) {
			const element = w.time(ms);
			expect(element[0]).toBe(ms < Date.UTC(2050, 0, 1) ? Tag.utcTime : Tag.generalizedTime);
			expect(new DerReader(element).time()).toBe(ms);
		}
	});
});

describe("the calendar", () => {
	test("agrees with the platform's, both ways, for every kind of year", () => {
		fc.assert(
			fc.property(fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }), (seconds) => {
				const ms = seconds * 1000;
				const date = new Date(ms);
				const civil = msToCivil(ms);
				expect(civil).toEqual({
					year: date.getUTCFullYear(),
					month: date.getUTCMonth() + 1,
					day: date.getUTCDate(),
					hour: date.getUTCHours(),
					minute: date.getUTCMinutes(),
					second: date.getUTCSeconds(),
				});
				expect(civilToMs(civil)).toBe(ms);
			}),
			{ numRuns: 2000, seed: 4 },
		);
	});

	test("is written for people to the minute", () => {
		expect(formatMoment(Date.UTC(2031, 1, 3, 4, 5, 6))).toBe("2031-02-03 04:05 UTC");
	});
});
