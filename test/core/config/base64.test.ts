import fc from "fast-check";
import { expect, test } from "vitest";
import { fromBase64, toBase64 } from "../../../core/config/base64.ts";

test("agrees with the platform's, both ways", () => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
			const text = toBase64(octets);
			expect(text).toBe(Buffer.from(octets).toString("base64"));
			expect(fromBase64(text)).toEqual(octets);
		}),
		{ seed: 8 },
	);
});

test("white space is passed over", () => {
	expect(fromBase64(" aGVs\n bG8=\t\r\n")).toEqual(new TextEncoder().encode("hello"));
	expect(fromBase64("")).toEqual(new Uint8Array(0));
});

test.each([
	"a",
	"ab",
	"abc",
	"abc=d",
	"a===",
	"ab=",
	"=",
	"====",
	"ab-_",
	"äbcd",
	"ab==cd==",
	"abcd=",
	"aB==",
	"aGVsbG9=",
])("refused: %s", (text) => {
	expect(fromBase64(text)).toBeUndefined();
});
