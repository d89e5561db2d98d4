/** What is acknowledged is on disk; what is on disk comes back; what is broken there stops nothing. */
import { describe, expect, test } from "vitest";
import { Journal } from "../../../core/storage/journal.ts";
import type { StoreAccepted } from "../../../core/storage/storage.ts";
import { isEmptyBatch } from "../../../core/storage/storage.ts";
import { ErrorCode } from "../../../core/wire/codes.ts";
import { contents, entry, item, Kind, resourceOf, single, T0, World } from "./support.ts";

const ALICE = "alice@house.example";

function setup(limits = {}) {
	const world = new World({ storage: { limits } });
	const alice = world.identity(ALICE);
	const place = resourceOf(ALICE);
	const put = (text: string, storageTime = world.wallMs, lifetimeS = 3600) =>
		world.sign(alice, place, Kind.userSingle, single(text), { storageTime, lifetimeS });
	const accept = (result: ReturnType<World["store"]>): StoreAccepted => {
		if (!result.ok) throw new Error("refused");
		return result;
	};
	return { world, alice, place, put, accept };
}

describe("restart", () => {
	test("values, counters, certificates and lifetimes come back; new rows and certificates do not collide", () => {
		const { world, alice, place, put } = setup();
		const at = (i: number, text: string) => world.sign(alice, place, Kind.userArray, entry(i, text));
		const one = put("one", T0, 100);
		world.stored(alice, place, Kind.userSingle, [one]);
		world.stored(alice, place, Kind.userArray, [at(0, "a"), at(2, "c")]);
		world.stored(alice, place, Kind.userDictionary, [
			world.sign(alice, place, Kind.userDictionary, item(new Uint8Array(3000).fill(5), "long key")),
		]);
		const before = world.storage.totals();
		world.wallMs = T0 + 40_000;
		expect(world.restart()).toMatchObject({ values: 4, broken: 0, expired: 0, change: { put: [], remove: [] } });
		expect(world.storage.totals()).toEqual(before);
		expect(world.values(place, Kind.userSingle)[0]).toMatchObject({ lifetime: 60, storageTime: T0 });
		expect(world.values(place, Kind.userArray).map((stored) => stored.value.value.exists)).toEqual([true, false, true]);
		const { certificates } = world.fetch({
			resource: place,
			specifiers: [{ kind: Kind.userSingle, generation: 0, model: "single" }],
		});
		expect(certificates).toEqual(alice.chain);
		expect(world.stored(alice, place, Kind.userSingle, [one]).changed).toBe(false);
		world.stored(alice, place, Kind.userArray, [at(1, "b")]);
		world.restart();
		expect(world.values(place, Kind.userArray).map(contents)).toEqual(["a", "b", "c"]);
	});

	test("what expired meanwhile is dropped, with the certificates that nobody needs any more", () => {
		const { world, alice, place, put } = setup();
		world.stored(alice, place, Kind.userSingle, [put("one", T0, 100)]);
		world.wallMs = T0 + 100_000;
		const loaded = world.restart();
		expect(loaded).toMatchObject({ values: 0, broken: 0, expired: 1 });
		world.commit(loaded.change);
		expect(world.disk.size).toBe(0);
	});

	test("a clock set back gives no value more than its lifetime", () => {
		const { world, alice, place, put } = setup();
		world.stored(alice, place, Kind.userSingle, [put("one", T0, 100)]);
		world.wallMs = T0 - 1_000_000;
		world.restart();
		expect(world.values(place, Kind.userSingle)[0]!.lifetime).toBe(100);
	});

	test("broken records are left out, counted and cleared; the good ones stay", () => {
		const { world, alice, place, put } = setup();
		world.stored(alice, place, Kind.userSingle, [put("one")]);
		world.stored(alice, place, Kind.userArray, [world.sign(alice, place, Kind.userArray, entry(0, "a"))]);
		const hex = Array.from(place, (octet) => octet.toString(16).padStart(2, "0")).join("");
		const valueKey = Array.from(world.disk.keys()).find((key) => key.startsWith("storage/v/"))!;
		const record = world.disk.get(valueKey) as Record<string, unknown>;
		const row = (n: number) => `${valueKey.slice(0, -8)}0000000${n}`;
		const broken: [string, unknown][] = [
			["storage/x", 1],
			["storage/v/zz", record],
			[row(1), undefined],
			[row(2), { ...record, value: Uint8Array.of(2) }],
			[row(3), { ...record, signature: new Uint8Array() }],
			[row(4), { ...record, lifetime: -1 }],
			[row(5), { ...record, lifetime: 2 ** 33 }],
			[row(6), { ...record, certificates: ["00"] }],
			[row(7), { ...record, nodeIds: [Uint8Array.of(1)] }],
			[row(8), { ...record, certificates: [] }],
			[row(9), record], // the same place a second time
			[`storage/v/${hex}/f0000099/00000000`, record], // a Kind that is gone
			[`storage/v/${hex.toUpperCase()}/f0000001/00000000`, record],
			["storage/c/00", { der: Uint8Array.of(1) }],
			["storage/c/11", null],
			[`storage/k/${hex}/f0000002`, { generation: "many" }],
			[`storage/k/${hex}/f0000001x`, { generation: 1 }],
		];
		for (const [key, value] of broken) world.disk.set(key, value);
		const loaded = world.restart();
		expect(loaded.values).toBe(2);
		expect(loaded.broken).toBe(broken.length + 1); // and the array's lost counter, mended
		world.commit(loaded.change);
		expect(world.disk.size).toBe(5);
		expect(world.values(place, Kind.userSingle).map(contents)).toEqual(["one"]);
		expect(world.restart()).toMatchObject({ values: 2, broken: 0 });
	});
});

describe("disk and memory", () => {
	test("a store in flight is seen by the next one: counter and storage_time", () => {
		const { world, alice, place, put, accept } = setup();
		const first = accept(world.store(alice, place, Kind.userSingle, [put("one")]));
		const { generationCounter } = first.responses([]).kindResponses[0]!;
		const stale = world.store(alice, place, Kind.userSingle, [put("two", T0 + 1)], {
			generation: generationCounter - 1,
		});
		expect(stale).toMatchObject({ ok: false, errorCode: ErrorCode.generationCounterTooLow });
		expect(world.store(alice, place, Kind.userSingle, [put("old", T0 - 1)])).toMatchObject({
			ok: false,
			errorCode: ErrorCode.dataTooOld,
		});
		const second = accept(
			world.store(alice, place, Kind.userSingle, [put("two", T0 + 1)], { generation: generationCounter }),
		);
		world.write(first.change);
		world.write(second.change);
		world.storage.settled(first.change, true);
		world.storage.settled(second.change, true);
		world.restart();
		expect(world.values(place, Kind.userSingle).map(contents)).toEqual(["two"]);
	});

	test("a repeat while the first is in flight waits for the disk as well", () => {
		const { world, alice, place, put, accept } = setup();
		const value = put("one");
		const first = accept(world.store(alice, place, Kind.userSingle, [value]));
		const repeat = accept(world.store(alice, place, Kind.userSingle, [value]));
		expect(repeat.changed).toBe(false);
		expect(isEmptyBatch(repeat.change)).toBe(false);
		// Only the second batch reaches the disk: it is complete by itself.
		world.storage.settled(first.change, false);
		world.commit(repeat.change);
		expect(isEmptyBatch(world.storage.retryChange())).toBe(true);
		expect(world.restart().values).toBe(1);
		expect(isEmptyBatch(accept(world.store(alice, place, Kind.userSingle, [value])).change)).toBe(true);
	});

	test("a failed batch goes out with the next one; a certificate in it is not missed by a value acknowledged since", () => {
		const { world, alice, place, put, accept } = setup();
		const failed = accept(world.store(alice, place, Kind.userSingle, [put("one")]));
		const next = accept(
			world.store(alice, place, Kind.userArray, [world.sign(alice, place, Kind.userArray, entry(0, "a"))]),
		);
		world.storage.settled(failed.change, false);
		world.commit(next.change);
		expect(world.restart()).toMatchObject({ values: 1, broken: 0 });
		expect(world.values(place, Kind.userArray).map(contents)).toEqual(["a"]);
	});

	test("a batch that failed is written by retryChange in the state of then", () => {
		const { world, alice, place, put, accept } = setup();
		const failed = accept(world.store(alice, place, Kind.userSingle, [put("one")]));
		world.storage.settled(failed.change, false);
		expect(world.storage.counters().persistFailures).toBe(1);
		const again = world.storage.retryChange();
		expect(again.put.length).toBe(failed.change.put.length);
		world.commit(again);
		expect(world.restart().values).toBe(1);
	});

	test("killed between any two writes, acknowledged values are there", () => {
		const { world, alice, place, put, accept } = setup();
		for (let i = 0; i < 6; i++) {
			const result = accept(world.store(alice, place, Kind.userSingle, [put(`${i}`, T0 + i)]));
			if (i < 4) world.commit(result.change);
			else if (i === 4) world.write(result.change);
		}
		world.restart();
		expect(world.values(place, Kind.userSingle).map(contents)).toEqual(["4"]);
	});

	test("limit maxUnsettled: stores wait for the disk, reads do not", () => {
		const { world, alice, place, put } = setup({ maxUnsettled: 2 });
		const result = world.store(alice, place, Kind.userSingle, [put("one")]);
		const refused = world.store(alice, place, Kind.userSingle, [put("two", T0 + 1)]);
		expect(refused).toMatchObject({ ok: false, errorCode: ErrorCode.dataTooLarge });
		expect(world.values(place, Kind.userSingle)).toHaveLength(1);
		if (result.ok) world.commit(result.change);
		expect(world.store(alice, place, Kind.userSingle, [put("two", T0 + 1)]).ok).toBe(true);
	});

	test("the journal: a newer value in flight is not settled by an older batch", () => {
		const journal = new Journal();
		journal.put("k", { n: 1 });
		const one = journal.take();
		journal.put("k", { n: 2 });
		const two = journal.take();
		journal.settled(one, true);
		expect(journal.isSettled("k")).toBe(false);
		journal.settled(two, false);
		expect(journal.take()).toEqual(two);
		journal.remove("k");
		journal.settled(two, true);
		expect(journal.isSettled("k")).toBe(false);
		const three = journal.take();
		expect(three).toEqual({ put: [], remove: ["k"] });
		journal.settled(three, true);
		expect(journal.isSettled("k")).toBe(true);
		expect(journal.unsettled).toBe(0);
	});
});

describe("going", () => {
	test("expire removes what has ended and says when to come again", () => {
		const { world, alice, place, put } = setup({ expiryGridMs: 5_000 });
		expect(world.storage.nextExpiry()).toBe(Number.POSITIVE_INFINITY);
		world.stored(alice, place, Kind.userSingle, [put("one", T0, 10)]);
		world.stored(alice, place, Kind.userArray, [
			world.sign(alice, place, Kind.userArray, entry(0, "a"), { lifetimeS: 12 }),
		]);
		expect(world.storage.nextExpiry()).toBe(T0 + 10_000);
		world.wallMs = T0 + 9_999;
		expect(isEmptyBatch(world.storage.expire(world.wallMs))).toBe(true);
		expect(world.storage.nextExpiry()).toBe(T0 + 14_999); // not more often than every 5 s
		world.wallMs = T0 + 10_000;
		world.commit(world.storage.expire(world.wallMs));
		expect(world.storage.totals()).toMatchObject({ values: 1, certificates: 1 });
		world.wallMs = T0 + 12_000;
		world.commit(world.storage.expire(world.wallMs));
		expect(world.storage.nextExpiry()).toBe(Number.POSITIVE_INFINITY);
		expect(world.disk.size).toBe(0);
		expect(world.storage.counters().expired).toBe(2);
	});

	test("a clock that was ahead does not put off the sweep for long", () => {
		const { world, alice, place, put } = setup();
		world.storage.expire(T0 + 1e12);
		world.stored(alice, place, Kind.userSingle, [put("one", T0, 10)]);
		expect(world.storage.nextExpiry()).toBe(T0 + 15_000);
	});

	test("forget, removeKind and dropSigner", () => {
		const { world, alice, place, put } = setup();
		const both = world.identity("two@house.example", undefined, 2);
		const bobs = resourceOf("two@house.example");
		world.stored(alice, place, Kind.userSingle, [put("one")]);
		world.stored(alice, place, Kind.userArray, [world.sign(alice, place, Kind.userArray, entry(0, "a"))]);
		world.stored(both, bobs, Kind.userSingle, [world.sign(both, bobs, Kind.userSingle, single("b"))]);
		world.commit(world.storage.removeKind(Kind.userArray));
		expect(world.storage.valuesPerKind()).toEqual([[Kind.userSingle, 2]]);
		// A bad Node-ID revokes the certificate, even when the other one signed.
		world.commit(world.storage.dropSigner(both.certificate.nodeIds[1]!));
		expect(world.storage.resources()).toEqual([place]);
		expect(isEmptyBatch(world.storage.forget(bobs))).toBe(true);
		world.commit(world.storage.forget(place));
		expect(world.disk.size).toBe(0);
		expect(world.storage.totals()).toEqual({ resources: 0, values: 0, octets: 0, certificates: 0 });
		expect(world.storage.counters().forgotten).toBe(3);
	});

	test("a value stored with lifetime 0 ends what it replaces", () => {
		const { world, alice, place, put } = setup();
		world.stored(alice, place, Kind.userSingle, [put("one")]);
		const result = world.stored(alice, place, Kind.userSingle, [put("end", T0 + 1, 0)]);
		expect(world.values(place, Kind.userSingle)[0]!.value.value.exists).toBe(false);
		// The replicas hear of it.
		expect(result.replicas(1, world.wallMs, 5000)[0]!.request.kindData[0]!.values[0]!.lifetime).toBe(0);
		world.commit(world.storage.expire(world.wallMs));
		expect(world.disk.size).toBe(0);
	});

	test("describe names what there is", () => {
		const { world, alice, place, put } = setup();
		world.stored(alice, place, Kind.userSingle, [put("one")]);
		const lines = Object.fromEntries(world.storage.describe());
		expect(lines["stored values"]).toMatch(/^1 of /);
		expect(lines["records on their way to disk"]).toBe("0");
	});
});
