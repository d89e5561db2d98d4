import fc from "fast-check";
import { expect, test } from "vitest";
import { decodePlain, encodePlain, newSecretKey, SecretBox } from "../../../../targets/pi/state/secret-box.ts";

test("what was sealed opens again, under its own key only", () => {
	const box = new SecretBox(newSecretKey());
	const value = { name: "alice", hash: Uint8Array.of(1, 2, 3), list: [1, "two", null], absent: undefined };
	const sealed = box.seal("pi/account/alice", value);
	expect(box.open("pi/account/alice", sealed)).toEqual({
		name: "alice",
		hash: Uint8Array.of(1, 2, 3),
		list: [1, "two", null],
	});
	expect(() => box.open("pi/account/bob", sealed)).toThrow(/pi\/account\/bob: secret\.key does not open it/);
	expect(() => new SecretBox(newSecretKey()).open("pi/account/alice", sealed)).toThrow(
		/secret\.key that belongs to this store/,
	);
});

test("any octet changed is noticed", () => {
	const box = new SecretBox(new Uint8Array(32).fill(7));
	fc.assert(
		fc.property(fc.string(), fc.nat(), fc.integer({ min: 1, max: 255 }), (text, at, flip) => {
			const sealed = box.seal("k", text);
			const part = at % 2 === 0 ? sealed.n : sealed.c;
			part[at % part.length]! ^= flip;
			expect(() => box.open("k", sealed)).toThrow();
		}),
		{ numRuns: 50 },
	);
});

test("things that are no sealed value are refused in one line", () => {
	const box = new SecretBox(newSecretKey());
	for (const wrong of [
		undefined,
		null,
		5,
		"x",
		{},
		{ v: 2, n: new Uint8Array(12), c: new Uint8Array(20) },
		{ v: 1, n: 1, c: 2 },
	])
		expect(() => box.open("k", wrong)).toThrow(/^record k: not a sealed value; restore/);
});

test("the same value never seals to the same octets, and MACs differ by purpose", () => {
	const box = new SecretBox(newSecretKey());
	expect(box.seal("k", "x").c).not.toEqual(box.seal("k", "x").c);
	expect(box.mac("a", "code")).toEqual(box.mac("a", "code"));
	expect(box.mac("a", "code")).not.toEqual(box.mac("b", "code"));
});

test("plain CBOR keeps octet strings apart from the input", () => {
	const bytes = encodePlain({ der: Uint8Array.of(9, 9) });
	const value = decodePlain(bytes) as { der: Uint8Array };
	bytes.fill(0);
	expect(value.der).toEqual(Uint8Array.of(9, 9));
	expect(value.der.constructor).toBe(Uint8Array);
});
