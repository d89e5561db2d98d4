import fc from "fast-check";
import { expect, test } from "vitest";
import { isRefused } from "../../../../core/machine.ts";
import { MAX_PART_HEADER_SIZE, MAX_PART_HEADERS, MAX_PARTS } from "../../../../targets/pi/enrollment/limits.ts";
import { boundaryOf, readForm, writeForm } from "../../../../targets/pi/enrollment/multipart.ts";

const body = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
const part = (name: string, content: string): string =>
	`--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${content}\r\n`;
const read = (text: string) => readForm(body(text), "b");

test("the form as curl sends it", () => {
	const text =
		'--b\r\nContent-Disposition: form-data; name="username"\r\n\r\nalice\r\n' +
		'--b\r\nContent-Disposition: form-data; name="csr"; filename="alice.csr"\r\nContent-Type: application/pkcs10\r\n\r\n' +
		"\x30\x00\r\n--x\r\n" +
		"--b--\r\n";
	const form = read(text);
	if (isRefused(form)) throw new Error(form.refused);
	expect(
		form.parts.map(({ name, contentType, octets }) => [name, contentType, Buffer.from(octets).toString("latin1")]),
	).toEqual([
		["username", "text/plain", "alice"],
		["csr", "application/pkcs10", "\x30\x00\r\n--x"],
	]);
});

test("what is written reads back, whatever is in the parts", () => {
	fc.assert(
		fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: MAX_PARTS }), (contents) => {
			const parts = contents.map((octets, i) => ({ name: `p${i}`, contentType: "application/pkcs10", octets }));
			const form = readForm(writeForm(parts, "a-boundary-0123456789abcdef"), "a-boundary-0123456789abcdef");
			// An empty form has no first boundary: correct clients send at least one part.
			if (isRefused(form)) throw new Error(form.refused);
			expect(form.parts.map((one) => [...one.octets])).toEqual(contents.map((octets) => [...octets]));
		}),
		{ numRuns: 60 },
	);
});

test.each([
	["", /does not begin/],
	["preamble\r\n--b--", /does not begin/],
	[part("a", "x"), /has no end/],
	["--b\r\n", /has no end/],
	[`${part("a", "x")}--b--\r\nmore`, /something follows|not followed/],
	[`${part("a", "x")}--b--x`, /not followed|something follows/],
	[`${part("a", "x")}--bx\r\n`, /not followed/],
	[`${part("a", "x")}${part("a", "y")}--b--`, /two parts a/],
	[`${Array.from({ length: MAX_PARTS + 1 }, (_, i) => part(`p${i}`, "")).join("")}--b--`, /more than 8 parts/],
	["--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", /no name/],
	['--b\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n--b--', /no name/],
	["--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--", /no name/],
	["--b\r\nnonsense\r\n\r\nx\r\n--b--", /malformed header/],
	[
		'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b--',
		/is encoded/,
	],
	[`--b\r\n${"A: b\r\n".repeat(MAX_PART_HEADERS + 1)}\r\nx\r\n--b--`, /too many headers/],
	[`--b\r\nA: ${"b".repeat(MAX_PART_HEADER_SIZE)}\r\n\r\nx\r\n--b--`, /no end of headers, or too many/],
])("malformed: %j", (text, message) => {
	expect(read(text)).toMatchObject({ refused: expect.stringMatching(message) });
});

test("hostile octets: refused or read, never more", () => {
	const good = writeForm([{ name: "csr", contentType: "application/pkcs10", octets: body("xyz") }], "b");
	fc.assert(
		fc.property(
			fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 8 }),
			(changes) => {
				const bytes = good.slice();
				for (const [at, value] of changes) bytes[at] = value;
				const form = readForm(bytes, "b");
				if (!isRefused(form)) for (const one of form.parts) expect(one.octets.length).toBeLessThanOrEqual(bytes.length);
			},
		),
	);
});

test("boundaries", () => {
	expect(boundaryOf("multipart/form-data; boundary=----abc")).toBe("----abc");
	expect(boundaryOf('Multipart/Form-Data;boundary="a b"; charset=utf-8')).toBe("a b");
	for (const wrong of [
		undefined,
		"",
		"multipart/form-data",
		"multipart/mixed; boundary=b",
		'multipart/form-data; boundary="a "',
		`multipart/form-data; boundary=${"b".repeat(71)}`,
		'multipart/form-data; boundary=""',
	])
		expect(boundaryOf(wrong)).toBeUndefined();
});
