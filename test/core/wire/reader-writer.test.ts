import { describe, expect, test } from "vitest";
import { EMPTY } from "../../../core/wire/bytes.ts";
import { WireReader, whole } from "../../../core/wire/reader.ts";
import { encode, WireWriter } from "../../../core/wire/writer.ts";
import { hex } from "./kit.ts";

describe("reader", () => {
	test("reads numbers, octets and vectors in order", () => {
		const reader = new WireReader(
			hex("01 0203 040506 0708090a 0000000100000002 01 02aabb 0001cc 000001dd 00000001ee ff"),
		);
		expect(reader.u8()).toBe(1);
		expect(reader.u16()).toBe(0x0203);
		expect(reader.u24()).toBe(0x040506);
		expect(reader.u32()).toBe(0x0708090a);
		expect(reader.u64()).toBe(2 ** 32 + 2);
		expect(reader.boolean()).toBe(true);
		expect(reader.opaque8()).toEqual(hex("aabb"));
		expect(reader.opaque16()).toEqual(hex("cc"));
		expect(reader.opaque24()).toEqual(hex("dd"));
		expect(reader.opaque32()).toEqual(hex("ee"));
		expect(reader.remaining).toBe(1);
		expect(reader.rest()).toEqual(hex("ff"));
		expect(reader.refused).toBeUndefined();
	});

	test("the first fault stays, at its offset, and everything after it is nothing", () => {
		const reader = new WireReader(hex("010203"));
		reader.u16();
		expect(reader.u32()).toBe(0);
		expect(reader.refused).toEqual({ refused: "ends too early", at: 2 });
		expect(reader.u8()).toBe(0);
		expect(reader.bytes(1)).toBe(EMPTY);
		expect(reader.remaining).toBe(0);
		expect(reader.since(0)).toBe(EMPTY);
		reader.refuse("later", 0);
		reader.end();
		expect(reader.refused?.refused).toBe("ends too early");
		expect(whole(reader, {})).toEqual({ refused: "ends too early", at: 2 });
	});

	test("a length of the wire is held against what remains before anything is made", () => {
		for (const read of ["opaque8", "opaque16", "opaque24", "opaque32"] as const) {
			const reader = new WireReader(new Uint8Array(6).fill(0xff));
			expect(reader[read]()).toBe(EMPTY);
			expect(reader.reason).toBe("ends too early");
		}
	});

	test("uint64 above 2^53 - 1 and Booleans above 1 are refused where they begin", () => {
		expect(new WireReader(hex("001fffffffffffff")).u64()).toBe(Number.MAX_SAFE_INTEGER);
		const large = new WireReader(hex("00 0020000000000000"));
		large.u8();
		expect(large.u64()).toBe(0);
		expect(large.refused).toEqual({ refused: "uint64 above 2^53 - 1", at: 1 });
		const flag = new WireReader(hex("02"));
		flag.boolean();
		expect(flag.refused).toEqual({ refused: "Boolean is neither 0 nor 1", at: 0 });
	});

	test("octet strings are views of the input, not of its buffer", () => {
		const backing = hex("0011223344");
		const reader = new WireReader(backing.subarray(1));
		const view = reader.bytes(2);
		backing[1] = 0x99;
		expect(view).toEqual(hex("9922"));
		expect(reader.since(0)).toEqual(hex("9922"));
	});

	test("enter narrows, leave wants everything read", () => {
		const reader = new WireReader(hex("02 aabb 01 cc"));
		let outer = reader.enter(reader.u8());
		expect(reader.remaining).toBe(2);
		reader.u16();
		expect(reader.remaining).toBe(0);
		reader.leave(outer);
		outer = reader.enter(reader.u8());
		reader.leave(outer);
		expect(reader.refused).toEqual({ refused: "octets left over", at: 4 });
		const past = new WireReader(hex("05 aa"));
		past.enter(past.u8());
		expect(past.refused).toEqual({ refused: "length exceeds its container", at: 1 });
		const inside = new WireReader(hex("01 aabb"));
		inside.enter(inside.u8());
		inside.u16();
		expect(inside.refused).toEqual({ refused: "ends too early", at: 1 });
	});

	test("a sub-reader cannot see past its end, and its faults are its parent's, at offsets of the whole", () => {
		const reader = new WireReader(hex("00 aabb cc"));
		reader.u8();
		const sub = reader.sub(2);
		expect(sub.at).toBe(1);
		expect(sub.u24()).toBe(0);
		expect(reader.refused).toEqual({ refused: "ends too early", at: 1 });
		const dead = reader.sub(1);
		expect(dead.u8()).toBe(0);
		expect(dead.refused).toEqual(reader.refused);
	});
});

describe("writer", () => {
	test("grows at every step and loses nothing", () => {
		const writer = new WireWriter(0);
		const mark8 = writer.open8();
		const mark16 = writer.open16();
		const mark24 = writer.open24();
		const mark32 = writer.open32();
		for (let i = 0; i < 40; i++) writer.u8(i);
		writer.u16(0x1234);
		writer.u24(0x567890);
		writer.u32(0xffffffff);
		writer.u64(Number.MAX_SAFE_INTEGER);
		writer.boolean(true);
		writer.bytes(hex("aabb"));
		for (const mark of [mark32, mark24, mark16, mark8]) writer.close(mark);
		const counting = Array.from({ length: 40 }, (_, i) => i.toString(16).padStart(2, "0")).join("");
		const content = `${counting}1234567890ffffffff001fffffffffffff01aabb`;
		const length = content.length / 2;
		const lengths = [
			(length + 9).toString(16),
			(length + 7).toString(16).padStart(4, "0"),
			(length + 4).toString(16).padStart(6, "0"),
			length.toString(16).padStart(8, "0"),
		];
		expect(writer.length).toBe(length + 10);
		expect(writer.take()).toEqual(hex(lengths.join("") + content));
	});

	test("what was taken is not changed by what is written next", () => {
		for (const capacity of [4, 5, 1000]) {
			const writer = new WireWriter(capacity);
			writer.u32(0x01020304);
			const first = writer.take();
			expect(writer.length).toBe(0);
			writer.u32(0xffffffff);
			expect(first).toEqual(hex("01020304"));
			expect(writer.take()).toEqual(hex("ffffffff"));
		}
	});

	test("reset keeps the buffer, view shows it", () => {
		const writer = new WireWriter(8);
		writer.u16(1);
		writer.reset();
		writer.u16(2);
		expect(writer.view()).toEqual(hex("0002"));
	});

	test("patches what stands already, and only that", () => {
		const writer = new WireWriter(2);
		writer.u32(0);
		writer.u16(0);
		writer.patch32(0, 0xdeadbeef);
		writer.patch16(4, 0x1234);
		expect(() => writer.patch16(5, 0)).toThrow(RangeError);
		expect(() => writer.patch32(3, 0)).toThrow(RangeError);
		expect(writer.take()).toEqual(hex("deadbeef1234"));
	});

	test.each([
		["u8", 256],
		["u16", 65536],
		["u24", 2 ** 24],
		["u32", 2 ** 32],
		["u64", 2 ** 53],
		["u8", -1],
		["u32", Number.NaN],
	] as const)("%s does not take %d: our own bug throws", (write, value) => {
		expect(() => new WireWriter()[write](value)).toThrow(RangeError);
	});

	test("a vector longer than its length field throws", () => {
		const writer = new WireWriter();
		const mark = writer.open8();
		writer.bytes(new Uint8Array(256));
		expect(() => writer.close(mark)).toThrow(RangeError);
		expect(() => writer.opaque16(new Uint8Array(65536))).toThrow(RangeError);
	});

	test("encode gives the octets of one structure", () => {
		expect(encode((writer, value: number) => writer.u16(value), 7)).toEqual(hex("0007"));
	});
});
