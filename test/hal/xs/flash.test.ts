import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checksum, type KeyValue, PowerSafeStore } from "../../../hal/xs/flash.ts";
import { MAX_FLASH_PART, MAX_FLASH_PARTS } from "../../../hal/xs/limits.ts";

class PowerCut extends Error {}

/** A key-value store in memory; the power goes before the n-th write or removal, or in the middle of it. */
class FakeValues implements KeyValue {
	readonly values = new Map<string, Uint8Array>();
	operations = 0;
	cutAt = Number.POSITIVE_INFINITY;
	how: "before" | "torn" = "before";
	isFull = false;

	read(key: string): ArrayBuffer | undefined {
		const value = this.values.get(key);
		return value === undefined ? undefined : (value.slice().buffer as ArrayBuffer);
	}

	write(key: string, value: Uint8Array): void {
		if (this.isFull) throw new Error("no room");
		if (key.length > 15) throw new Error(`key too long: ${key}`);
		if (++this.operations === this.cutAt) {
			// A torn write leaves some octets of the new value, and the rest as flash is.
			if (this.how === "torn") this.values.set(key, value.slice().fill(255, value.length >> 1));
			throw new PowerCut();
		}
		this.values.set(key, value.slice());
	}

	delete(key: string): void {
		if (++this.operations === this.cutAt) {
			if (this.how === "torn") this.values.delete(key);
			throw new PowerCut();
		}
		this.values.delete(key);
	}
}

/** The store does not tell a cut from a worn page; after a cut nothing goes on, so the values are looked at by a new store. */
function rebooted(values: FakeValues): PowerSafeStore {
	values.cutAt = Number.POSITIVE_INFINITY;
	return new PowerSafeStore(values);
}

const octets = (length: number, seed = 1) => Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);

test("CRC-32 of IEEE 802.3", () => {
	// The check value of the code's catalogue is over "123456789"; sequence and part take its first five octets.
	const digits = Uint8Array.from("6789", (letter) => letter.charCodeAt(0));
	expect(checksum(0x31323334, 0x35, digits)).toBe(0xcbf43926);
});

describe("records", () => {
	test("what was set is there, also by another store on the same flash", () => {
		const values = new FakeValues();
		const store = new PowerSafeStore(values);
		expect(store.get("key")).toBeUndefined();
		for (const length of [0, 1, 100, MAX_FLASH_PART - 13, MAX_FLASH_PART, 3 * MAX_FLASH_PART]) {
			expect(store.set("key", octets(length, length))).toBe(true);
			expect(new PowerSafeStore(values).get("key")).toEqual(octets(length, length));
		}
		store.delete("key");
		expect(store.get("key")).toBeUndefined();
		expect(values.values.size).toBe(0);
	});

	test("too large: refused, the old value stays", () => {
		const store = new PowerSafeStore(new FakeValues());
		store.set("key", octets(5));
		expect(store.set("key", octets(MAX_FLASH_PART * MAX_FLASH_PARTS))).toBe(false);
		expect(store.get("key")).toEqual(octets(5));
	});

	test("flash full: false, the old value stays, later it works again", () => {
		const values = new FakeValues();
		const store = new PowerSafeStore(values);
		store.set("key", octets(5));
		values.isFull = true;
		expect(store.set("key", octets(6))).toBe(false);
		expect(store.get("key")).toEqual(octets(5));
		values.isFull = false;
		expect(store.set("key", octets(6))).toBe(true);
	});

	test("one octet changed in either slot: the other slot's value, never a wrong one", () => {
		const values = new FakeValues();
		const store = new PowerSafeStore(values);
		store.set("key", octets(20, 1));
		store.set("key", octets(20, 2));
		for (const [name, value] of values.values) {
			for (let at = 0; at < value.length; at++) {
				value[at]! ^= 0x10;
				const got = new PowerSafeStore(values).get("key");
				expect([octets(20, 1), octets(20, 2)], `${name} ${at}`).toContainEqual(got);
				value[at]! ^= 0x10;
			}
		}
	});

	test("keys of 15 characters are told apart", () => {
		const store = new PowerSafeStore(new FakeValues());
		store.set("settings-key-01", octets(1));
		store.set("settings-key-02", octets(2));
		expect(store.get("settings-key-01")).toEqual(octets(1));
	});

	test("the sequence may wrap", () => {
		const values = new FakeValues();
		const store = new PowerSafeStore(values);
		store.set("key", octets(3, 1));
		const slot = values.values.get("key.a")!;
		const view = new DataView(slot.buffer);
		view.setUint32(0, 0xffff_ffff);
		view.setUint32(9, checksum(0xffff_ffff, 1, octets(3, 1)));
		store.set("key", octets(3, 2));
		expect(store.get("key")).toEqual(octets(3, 2));
	});
});

describe("the power goes at any write", () => {
	test.each(["before", "torn"] as const)("set and delete, cut %s the n-th: old or new, never a mixture", (how) => {
		for (let cutAt = 1; ; cutAt++) {
			const values = new FakeValues();
			const old = octets(2 * MAX_FLASH_PART, 1);
			const fresh = octets(2 * MAX_FLASH_PART + 50, 2);
			new PowerSafeStore(values).set("key", octets(MAX_FLASH_PART, 9));
			new PowerSafeStore(values).set("key", old);
			values.operations = 0;
			values.cutAt = cutAt;
			values.how = how;
			const isSet = new PowerSafeStore(values).set("key", fresh);
			if (values.operations < cutAt) break;
			expect(isSet).toBe(false);
			expect(rebooted(values).get("key"), `cut ${cutAt}`).toEqual(old);
			expect(rebooted(values).set("key", fresh)).toBe(true);
			expect(rebooted(values).get("key")).toEqual(fresh);
		}
	});

	test.each(["before", "torn"] as const)("delete, cut %s the n-th: there or gone, never what was before", (how) => {
		for (let cutAt = 1; ; cutAt++) {
			const values = new FakeValues();
			const store = new PowerSafeStore(values);
			store.set("key", octets(10, 1));
			store.set("key", octets(10, 2));
			values.operations = 0;
			values.cutAt = cutAt;
			values.how = how;
			store.delete("key");
			if (values.operations < cutAt) break;
			const got = rebooted(values).get("key");
			expect([undefined, octets(10, 2)], `cut ${cutAt}`).toContainEqual(got);
		}
	});

	test("any series of writes with cuts: the last value that was said to be written, or the one that was being written", () => {
		const step = fc.record({
			length: fc.nat(2 * MAX_FLASH_PART),
			cutAt: fc.integer({ min: 1, max: 6 }),
			isTorn: fc.boolean(),
		});
		fc.assert(
			fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
				const values = new FakeValues();
				let known: Uint8Array | undefined;
				for (const [i, { length, cutAt, isTorn }] of steps.entries()) {
					values.operations = 0;
					values.cutAt = cutAt;
					values.how = isTorn ? "torn" : "before";
					const value = octets(length, i);
					if (new PowerSafeStore(values).set("key", value)) known = value;
					expect(rebooted(values).get("key")).toEqual(known);
				}
			}),
			{ numRuns: 20 },
		);
	});
});
