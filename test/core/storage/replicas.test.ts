/** Passing values on: replicas, handover, and taking over newer data (RFC 6940 §7.4.1, §10.4). */
import { describe, expect, test } from "vitest";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import type { OutgoingStore } from "../../../core/storage/storage.ts";
import { ErrorCode } from "../../../core/wire/codes.ts";
import { type StoredData, writeStoreReq } from "../../../core/wire/store.ts";
import { WireWriter } from "../../../core/wire/writer.ts";
import { contents, entry, item, Kind, resourceOf, single, T0, World } from "./support.ts";

const ALICE = "alice@house.example";

/** Two peers of one overlay: the second believes the same CA. */
function setup() {
	const world = new World();
	const alice = world.identity(ALICE);
	const place = resourceOf(ALICE);
	const here = world.storage;
	world.restart();
	const there = world.storage;
	world.storage = here;
	const deliver = (outgoing: readonly OutgoingStore[], from: LocalIdentity = alice) =>
		outgoing.map(({ request, certificates }) =>
			there.handleStore(request, { ...world.context(from, certificates), wallMs: world.wallMs }),
		);
	const at = (i: number, text: string, storageTime = T0) =>
		world.sign(alice, place, Kind.userArray, entry(i, text), { storageTime });
	return { world, alice, place, here, there, deliver, at };
}

const octets = ({ request, certificates }: OutgoingStore): number => {
	const writer = new WireWriter();
	writeStoreReq(writer, request);
	return certificates.reduce((sum, der) => sum + der.length + 3, writer.length);
};

describe("replicas", () => {
	test("only what the request changed goes out, with counter, reduced lifetime and certificates", () => {
		const { world, alice, place, there, deliver, at } = setup();
		world.stored(alice, place, Kind.userArray, [at(0, "a"), at(1, "b")]);
		const result = world.stored(alice, place, Kind.userArray, [at(1, "c", T0 + 1)]);
		world.wallMs += 10_000;
		const [outgoing, ...more] = result.replicas(2, world.wallMs, 5000);
		expect(more).toEqual([]);
		expect(outgoing!.request).toMatchObject({ resource: place, replicaNumber: 2 });
		const { generationCounter, values } = outgoing!.request.kindData[0]!;
		expect(generationCounter).toBe(result.responses([]).kindResponses[0]!.generationCounter);
		expect(values.map((value) => [contents(value), value.lifetime])).toEqual([["c", 3590]]);
		expect(outgoing!.certificates).toEqual(alice.chain);
		expect(deliver([outgoing!])).toMatchObject([{ ok: true, changed: true }]);
		expect(there.totals()).toMatchObject({ values: 1, certificates: 1 });
		// Sent again by way of another peer, it changes nothing.
		expect(deliver([outgoing!], world.identity("peer@house.example"))).toMatchObject([{ ok: true, changed: false }]);
	});

	test("a handover is cut into requests that fit, each complete by itself", () => {
		const { world, alice, place, there, deliver } = setup();
		const second = world.identity(ALICE);
		for (let i = 0; i < 8; i++) {
			const who = i % 2 === 0 ? alice : second;
			const value = world.sign(who, place, Kind.userDictionary, item(Uint8Array.of(i), "x".repeat(90)));
			world.stored(who, place, Kind.userDictionary, [value]);
		}
		world.stored(alice, place, Kind.userSingle, [world.sign(alice, place, Kind.userSingle, single("s"))]);
		const outgoing = world.storage.storesFor(place, 1, world.wallMs, 1500);
		expect(outgoing.length).toBeGreaterThan(2);
		for (const one of outgoing) {
			expect(octets(one)).toBeLessThanOrEqual(1500);
			expect(one.request.replicaNumber).toBe(1);
		}
		expect(deliver(outgoing).every((result) => result.ok)).toBe(true);
		expect(there.totals()).toEqual(world.storage.totals());
		// One value that is larger than the bound goes alone.
		expect(world.storage.storesFor(place, 1, world.wallMs, 10)).toHaveLength(9);
	});

	test("at most maxValuesPerRequest values in one", () => {
		const world = new World({ storage: { limits: { maxValuesPerRequest: 3 } } });
		const alice = world.identity(ALICE);
		const place = resourceOf(ALICE);
		for (let i = 0; i < 7; i++) {
			world.stored(alice, place, Kind.userArray, [world.sign(alice, place, Kind.userArray, entry(i, ""))]);
		}
		const sizes = world.storage.storesFor(place, 1, T0, 1e6).map((one) => one.request.kindData[0]!.values.length);
		expect(sizes).toEqual([3, 3, 1]);
	});

	test("what has ended is not passed on, and nothing gains life by being passed on", () => {
		const { world, alice, place, there, deliver } = setup();
		const value = (lifetimeS: number) => world.sign(alice, place, Kind.userSingle, single("a"), { lifetimeS });
		world.stored(alice, place, Kind.userSingle, [value(10)]);
		world.wallMs = T0 + 1_500;
		const outgoing = world.storage.storesFor(place, 1, world.wallMs, 5000);
		expect(outgoing[0]!.request.kindData[0]!.values[0]!.lifetime).toBe(8);
		deliver(outgoing);
		expect(there.nextExpiry()).toBeLessThanOrEqual(T0 + 10_000);
		world.wallMs = T0 + 10_000;
		expect(world.storage.storesFor(place, 1, world.wallMs, 5000)).toEqual([]);
		expect(world.storage.storesFor(resourceOf("nobody"), 1, world.wallMs, 5000)).toEqual([]);
	});
});

describe("merging after a refused maintenance store", () => {
	test("the outcome is that of storing everything in the order of storage_time, on both sides", () => {
		const { world, alice, place, here, there, deliver, at } = setup();
		world.stored(alice, place, Kind.userArray, [at(0, "here 1", T0 + 1), at(1, "here 5", T0 + 5), at(2, "only here")]);
		const disk = world.disk;
		world.disk = new Map();
		world.storage = there;
		world.stored(alice, place, Kind.userArray, [
			at(0, "there 3", T0 + 3),
			at(1, "there 2", T0 + 2),
			at(3, "only there"),
		]);
		world.storage = here;
		world.disk = disk;
		expect(deliver(here.storesFor(place, 1, world.wallMs, 5000))).toMatchObject([
			{ ok: false, errorCode: ErrorCode.dataTooOld },
		]);
		const answer = there.handleFetch(here.fetchForMerge(place)!, world.wallMs);
		if (!answer.ok) throw new Error("refused");
		const merged = here.mergeFetched(place, answer.answer, answer.certificates, world.wallMs);
		world.commit(merged.change);
		expect(merged).toMatchObject({ replaced: 2, refused: 0 });
		const result = ["there 3", "here 5", "only here", "only there"];
		expect(world.values(place, Kind.userArray).map(contents)).toEqual(result);
		expect(deliver(here.storesFor(place, 1, world.wallMs, 5000))).toMatchObject([{ ok: true }]);
		world.restart();
		expect(world.values(place, Kind.userArray).map(contents)).toEqual(result);
		world.storage = there;
		expect(world.values(place, Kind.userArray).map(contents)).toEqual(result);
	});

	test("what does not verify, is not allowed or does not fit is refused one by one", () => {
		const { world, alice, place, here } = setup();
		const bob = world.identity("bob@house.example");
		const good = world.sign(alice, place, Kind.userDictionary, item(Uint8Array.of(1), "good"));
		const byBob = world.sign(bob, place, Kind.userDictionary, item(Uint8Array.of(2), "bob"));
		const altered = {
			...good,
			storageTime: T0 + 9,
			value: item(Uint8Array.of(3), "good"),
			valueBytes: new Uint8Array(),
		};
		const big = world.sign(alice, place, Kind.userDictionary, item(Uint8Array.of(4), "x".repeat(101)));
		const ended = world.sign(alice, place, Kind.userDictionary, item(Uint8Array.of(5), "e"), { lifetimeS: 0 });
		const merge = (kind: number, values: readonly StoredData[]) =>
			here.mergeFetched(
				place,
				{ kindResponses: [{ kind, generation: 1, values }] },
				[...alice.chain, ...bob.chain],
				world.wallMs,
			);
		expect(merge(Kind.userDictionary, [good, byBob, altered, big, ended])).toMatchObject({ replaced: 1, refused: 4 });
		const nowhere = world.sign(alice, place, Kind.userArray, entry(0xffffffff, "a"));
		expect(merge(Kind.userArray, [nowhere])).toMatchObject({ replaced: 0, refused: 1 });
		expect(merge(Kind.unknown, [good])).toMatchObject({ replaced: 0, refused: 1 });
		const many = Array.from({ length: 9 }, (_, i) =>
			world.sign(alice, place, Kind.userDictionary, item(Uint8Array.of(10 + i), "m")),
		);
		expect(merge(Kind.userDictionary, many)).toMatchObject({ replaced: 7, refused: 2 }); // max-count 8
		expect(here.fetchForMerge(resourceOf("nobody"))).toBeUndefined();
	});

	test("merging asks for all Kinds that are there, each as its model needs", () => {
		const { world, alice, place, here, at } = setup();
		world.stored(alice, place, Kind.userArray, [at(0, "a")]);
		world.stored(alice, place, Kind.userSingle, [world.sign(alice, place, Kind.userSingle, single("s"))]);
		world.stored(alice, place, Kind.userDictionary, [
			world.sign(alice, place, Kind.userDictionary, item(Uint8Array.of(1), "d")),
		]);
		expect(here.fetchForMerge(place)!.specifiers).toEqual([
			{ kind: Kind.userArray, generation: 0, model: "array", indices: [{ first: 0, last: 0xffffffff }] },
			{ kind: Kind.userSingle, generation: 0, model: "single" },
			{ kind: Kind.userDictionary, generation: 0, model: "dictionary", keys: [] },
		]);
	});
});
