/** RFC 6940 §7.4.1: each check of the storing peer, in a fixed order. */
import { describe, expect, test } from "vitest";
import { APPEND_INDEX, ErrorCode } from "../../../core/wire/codes.ts";
import { NO_SIGNATURE } from "../../../core/wire/security.ts";
import { readStoreAns, type StoredData } from "../../../core/wire/store.ts";
import { contents, entry, good, item, Kind, resourceOf, single, T0, textOf, World } from "./support.ts";

const ALICE = "alice@house.example";

function setup() {
	const world = new World();
	const alice = world.identity(ALICE);
	const bob = world.identity("bob@house.example");
	const place = resourceOf(ALICE);
	const put = (text: string, storageTime = world.wallMs) =>
		world.sign(alice, place, Kind.userSingle, single(text), { storageTime });
	return { world, alice, bob, place, put };
}

function refusal(result: ReturnType<World["store"]>) {
	if (result.ok) throw new Error("was accepted");
	return { code: result.errorCode, text: textOf(result), info: result.info };
}

describe("what is accepted", () => {
	test("a single value is stored, answered with its counter and the replicas, and fetched byte for byte", () => {
		const { world, alice, place, put } = setup();
		const value = put("one");
		const result = world.stored(alice, place, Kind.userSingle, [value]);
		expect(result.changed).toBe(true);
		const { kindResponses } = result.responses([alice.nodeId]);
		expect(kindResponses).toEqual([
			{ kind: Kind.userSingle, generationCounter: Math.floor(T0 / 1000), replicas: [alice.nodeId] },
		]);
		const back = world.values(place, Kind.userSingle);
		expect(back).toHaveLength(1);
		expect(back[0]).toEqual(value);
	});

	test("every change raises the counter, twice within one second too", () => {
		const { world, alice, place, put } = setup();
		const first = world.stored(alice, place, Kind.userSingle, [put("one")]).responses([]).kindResponses[0]!;
		const second = world.stored(alice, place, Kind.userSingle, [put("two", T0 + 1)]).responses([]).kindResponses[0]!;
		expect(second.generationCounter).toBe(first.generationCounter + 1);
		world.stored(alice, place, Kind.userSingle, [put("three", T0 + 2)], { generation: second.generationCounter });
		expect(contents(world.values(place, Kind.userSingle)[0]!)).toBe("three");
	});

	test("a counter is not used again after everything expired", () => {
		const { world, alice, place, put } = setup();
		const before = world.stored(alice, place, Kind.userSingle, [put("one")]).responses([]).kindResponses[0]!;
		world.wallMs += 3_601_000;
		world.commit(world.storage.expire(world.wallMs));
		expect(world.storage.totals()).toEqual({ resources: 0, values: 0, octets: 0, certificates: 0 });
		const after = world.stored(alice, place, Kind.userSingle, [put("two")]).responses([]).kindResponses[0]!;
		expect(after.generationCounter).toBeGreaterThan(before.generationCounter);
	});

	test("an array takes values at an index, past its end with a gap, and appends with the real index", () => {
		const { world, alice, place } = setup();
		const at = (index: number, text: string) => world.sign(alice, place, Kind.userArray, entry(index, text));
		world.stored(alice, place, Kind.userArray, [at(0, "a"), at(3, "d")]);
		world.stored(alice, place, Kind.userArray, [at(APPEND_INDEX, "e"), at(APPEND_INDEX, "f")]);
		const back = world.values(place, Kind.userArray);
		expect(back.map((stored) => (stored.value.model === "array" ? stored.value.index : -1))).toEqual([
			0, 1, 2, 3, 4, 5,
		]);
		expect(back.map((stored) => stored.value.value.exists)).toEqual([true, false, false, true, true, true]);
		expect(contents(back[4]!)).toBe("e");
		// The signature covers index 0 whatever the index is.
		const verified = good(world.verifier.verifyStored(place, Kind.userArray, back[5]!, [], world.wallMs));
		expect(verified.userName).toBe(ALICE);
	});

	test("a dictionary keeps one value per key", () => {
		const { world, alice, place } = setup();
		const [one, two] = [Uint8Array.of(1), Uint8Array.of(2)];
		const at = (key: Uint8Array, text: string, storageTime: number) =>
			world.sign(alice, place, Kind.userDictionary, item(key, text), { storageTime });
		world.stored(alice, place, Kind.userDictionary, [at(one, "a", T0), at(two, "b", T0)]);
		world.stored(alice, place, Kind.userDictionary, [at(one, "c", T0 + 1)]);
		expect(world.values(place, Kind.userDictionary).map(contents).sort()).toEqual(["b", "c"]);
	});

	test("removal is a signed value that does not exist", () => {
		const { world, alice, place, put } = setup();
		world.stored(alice, place, Kind.userSingle, [put("one")]);
		const gone = world.sign(alice, place, Kind.userSingle, single("", false), { storageTime: T0 + 1 });
		world.stored(alice, place, Kind.userSingle, [gone]);
		const [back] = world.values(place, Kind.userSingle);
		expect(back!.value.value.exists).toBe(false);
		expect(back!.signature).toEqual(gone.signature);
	});

	test("an exact repeat changes nothing and succeeds, with the old counter as well (D-12)", () => {
		const { world, alice, place, put } = setup();
		const value = put("one");
		world.stored(alice, place, Kind.userSingle, [put("zero", T0 - 1)]);
		const { generationCounter } = world.stored(alice, place, Kind.userSingle, [value]).responses([]).kindResponses[0]!;
		const again = world.stored(alice, place, Kind.userSingle, [value], { generation: generationCounter - 1 });
		expect(again.changed).toBe(false);
		expect(again.change).toEqual({ put: [], remove: [] });
		expect(again.responses([]).kindResponses[0]!.generationCounter).toBe(generationCounter);
		expect(again.replicas(1, world.wallMs, 5000)).toEqual([]);
	});

	test("a repeated append is not appended again", () => {
		const { world, alice, place } = setup();
		const value = world.sign(alice, place, Kind.userArray, entry(APPEND_INDEX, "a"));
		world.stored(alice, place, Kind.userArray, [value]);
		expect(world.stored(alice, place, Kind.userArray, [value]).changed).toBe(false);
		expect(world.values(place, Kind.userArray)).toHaveLength(1);
	});

	test("replica stores set the counter, whatever it was", () => {
		const { world, alice, bob, place, put } = setup();
		world.responsible = false;
		const certificates = alice.chain;
		world.stored(bob, place, Kind.userSingle, [put("one")], { replica: 1, generation: 77, certificates });
		world.stored(bob, place, Kind.userSingle, [put("two", T0 + 1)], { replica: 2, generation: 5, certificates });
		const answer = world.fetch({
			resource: place,
			specifiers: [{ kind: Kind.userSingle, generation: 0, model: "single" }],
		});
		expect(answer.answer.kindResponses[0]!.generation).toBe(5);
	});
});

describe("what is refused", () => {
	test("1. unknown Kinds: the error lists all of them", () => {
		const { world, alice, place, put } = setup();
		const result = world.storage.handleStore(
			{
				resource: place,
				replicaNumber: 0,
				kindData: [
					{ kind: 0xf00000aa, generationCounter: 0, values: [], raw: new Uint8Array() },
					{ kind: Kind.userSingle, generationCounter: 0, values: [put("one")] },
					{ kind: Kind.unknown, generationCounter: 0, values: [], raw: new Uint8Array() },
				],
			},
			world.context(alice),
		);
		const { code, info } = refusal(result);
		expect(code).toBe(ErrorCode.unknownKind);
		expect(Array.from(info)).toEqual([8, 0xf0, 0, 0, 0xaa, 0xf0, 0, 0, 0x99]);
		expect(world.storage.totals().values).toBe(0);
	});

	test("a Kind twice (D-14)", () => {
		const { world, alice, place, put } = setup();
		const data = { kind: Kind.userSingle, generationCounter: 0, values: [put("one")] };
		const request = { resource: place, replicaNumber: 0, kindData: [data, data] };
		expect(refusal(world.storage.handleStore(request, world.context(alice))).code).toBe(ErrorCode.invalidMessage);
	});

	test("2. not responsible (D-15), or a replica from a peer that does not fit", () => {
		const { world, alice, place, put } = setup();
		world.responsible = false;
		expect(refusal(world.store(alice, place, Kind.userSingle, [put("one")])).code).toBe(ErrorCode.notFound);
		world.fitting = false;
		const replica = world.store(alice, place, Kind.userSingle, [put("one")], { replica: 1, generation: 1 });
		expect(refusal(replica).code).toBe(ErrorCode.forbidden);
	});

	test("3. a value signature that is not good: altered value, other resource, other Kind, no certificate", () => {
		const { world, alice, place, put } = setup();
		const value = put("one");
		const altered: StoredData = { ...value, value: single("two"), valueBytes: put("two").valueBytes };
		expect(refusal(world.store(alice, place, Kind.userSingle, [altered])).code).toBe(ErrorCode.forbidden);
		const later: StoredData = { ...value, storageTime: value.storageTime + 1 };
		expect(refusal(world.store(alice, place, Kind.userSingle, [later])).code).toBe(ErrorCode.forbidden);
		const elsewhere = world.sign(alice, resourceOf("bob@house.example"), Kind.userSingle, single("one"));
		expect(refusal(world.store(alice, place, Kind.userSingle, [elsewhere])).code).toBe(ErrorCode.forbidden);
		const otherKind = world.sign(alice, place, Kind.nodeSingle, single("one"));
		expect(refusal(world.store(alice, place, Kind.userSingle, [otherKind])).code).toBe(ErrorCode.forbidden);
		const carol = world.identity("carol@house.example");
		const hers = world.sign(carol, resourceOf("carol@house.example"), Kind.userSingle, single("one"));
		const unseen = world.store(carol, resourceOf("carol@house.example"), Kind.userSingle, [hers], { certificates: [] });
		expect(refusal(unseen).code).toBe(ErrorCode.forbidden);
		expect(refusal(unseen).text).toMatch(/certificate/);
	});

	test("3. an expired certificate, a revoked Node-ID", () => {
		const { world, place } = setup();
		const old = world.identity(ALICE, T0 + 1000);
		world.wallMs = T0 + 2000;
		const value = world.sign(old, place, Kind.userSingle, single("one"));
		expect(refusal(world.store(old, place, Kind.userSingle, [value])).code).toBe(ErrorCode.forbidden);
		const bad = world.identity(ALICE);
		world.trust.setBadNodes([bad.nodeId]);
		const revoked = world.sign(bad, place, Kind.userSingle, single("one"));
		expect(refusal(world.store(bad, place, Kind.userSingle, [revoked])).text).toMatch(/revoked/);
	});

	test("4. the signer of the value, or the sender of an original store, is not allowed", () => {
		const { world, alice, bob, place, put } = setup();
		const byBob = world.sign(bob, place, Kind.userSingle, single("one"));
		expect(refusal(world.store(bob, place, Kind.userSingle, [byBob])).code).toBe(ErrorCode.forbidden);
		const carried = world.store(bob, place, Kind.userSingle, [put("one")], { certificates: alice.chain });
		expect(refusal(carried).text).toMatch(/sender/);
		// As a replica the same value may come from anybody who fits.
		expect(
			world.store(bob, place, Kind.userSingle, [put("one")], { replica: 1, generation: 1, certificates: alice.chain })
				.ok,
		).toBe(true);
	});

	test("5. a value without signature", () => {
		const { world, alice, place, put } = setup();
		const unsigned: StoredData = { ...put("one"), signature: NO_SIGNATURE };
		expect(refusal(world.store(alice, place, Kind.userSingle, [unsigned])).code).toBe(ErrorCode.forbidden);
		const nobody: StoredData = {
			...put("one"),
			signature: { ...put("one").signature, identity: NO_SIGNATURE.identity },
		};
		expect(refusal(world.store(alice, place, Kind.userSingle, [nobody])).code).toBe(ErrorCode.forbidden);
	});

	test("6. a counter that is not the current one: the error carries a StoreAns with the right one (D-16)", () => {
		const { world, alice, place, put } = setup();
		const { generationCounter } = world.stored(alice, place, Kind.userSingle, [put("one")]).responses([])
			.kindResponses[0]!;
		for (const generation of [generationCounter - 1, generationCounter + 1]) {
			const { code, info } = refusal(world.store(alice, place, Kind.userSingle, [put("two", T0 + 1)], { generation }));
			expect(code).toBe(ErrorCode.generationCounterTooLow);
			expect(good(readStoreAns(info, 16)).kindResponses).toEqual([
				{ kind: Kind.userSingle, generationCounter, replicas: [] },
			]);
		}
		const empty = world.store(alice, place, Kind.userArray, [], { generation: 1 });
		expect(refusal(empty).code).toBe(ErrorCode.generationCounterTooLow);
	});

	test("6. a replica without a counter, or with one that leaves no room", () => {
		const { world, alice, place, put } = setup();
		const none = world.store(alice, place, Kind.userSingle, [put("one")], { replica: 1, generation: 0 });
		expect(refusal(none).code).toBe(ErrorCode.invalidMessage);
		const huge = world.store(alice, place, Kind.userSingle, [put("one")], { replica: 1, generation: 2 ** 52 + 1 });
		expect(refusal(huge).code).toBe(ErrorCode.invalidMessage);
	});

	test("7. storage_time that is not after the stored one (D-12)", () => {
		const { world, alice, place, put } = setup();
		world.stored(alice, place, Kind.userSingle, [put("one")]);
		for (const storageTime of [T0, T0 - 1]) {
			const { code } = refusal(world.store(alice, place, Kind.userSingle, [put("two", storageTime)]));
			expect(code).toBe(ErrorCode.dataTooOld);
		}
	});

	test("8. max-size counts the octets of the value, max-count the values after the store (D-17)", () => {
		const { world, alice, place, put } = setup();
		world.stored(alice, place, Kind.userSingle, [put("x".repeat(100))]);
		const big = world.store(alice, place, Kind.userSingle, [put("x".repeat(101), T0 + 1)]);
		expect(refusal(big).code).toBe(ErrorCode.dataTooLarge);
		const at = (index: number, exists = true, storageTime = T0) =>
			world.sign(alice, place, Kind.userArray, entry(index, "", exists), { storageTime });
		world.stored(
			alice,
			place,
			Kind.userArray,
			[0, 1, 2, 3, 4, 5, 6, 7].map((index) => at(index, index !== 3)),
		);
		expect(refusal(world.store(alice, place, Kind.userArray, [at(8)])).code).toBe(ErrorCode.dataTooLarge);
		world.stored(alice, place, Kind.userArray, [at(3, true, T0 + 1)]);
		// Room comes from lifetimes, not from removal.
		world.wallMs = T0 + 3_600_000;
		world.stored(alice, place, Kind.userArray, [at(8, true, T0 + 2)]);
	});

	test("one bad value refuses all of them: the store is atomic", () => {
		const { world, alice, place } = setup();
		const good1 = world.sign(alice, place, Kind.userArray, entry(0, "good"));
		const bad = { ...world.sign(alice, place, Kind.userArray, entry(1, "bad")), storageTime: 1 };
		const other = world.sign(alice, place, Kind.userSingle, single("good"));
		const request = {
			resource: place,
			replicaNumber: 0,
			kindData: [
				{ kind: Kind.userSingle, generationCounter: 0, values: [other] },
				{ kind: Kind.userArray, generationCounter: 0, values: [good1, bad] },
			],
		};
		expect(refusal(world.storage.handleStore(request, world.context(alice))).code).toBe(ErrorCode.forbidden);
		expect(world.storage.totals()).toEqual({ resources: 0, values: 0, octets: 0, certificates: 0 });
		expect(world.storage.retryChange()).toEqual({ put: [], remove: [] });
	});

	test("two values for one place, a value of another model, an append in a replica, a Resource-ID of another length", () => {
		const { world, alice, place, put } = setup();
		const code = (result: ReturnType<World["store"]>) => refusal(result).code;
		expect(code(world.store(alice, place, Kind.userSingle, [put("a"), put("b", T0 + 1)]))).toBe(
			ErrorCode.invalidMessage,
		);
		const wrong = world.sign(alice, place, Kind.userSingle, entry(0, "a"));
		expect(code(world.store(alice, place, Kind.userSingle, [wrong]))).toBe(ErrorCode.invalidMessage);
		const append = world.sign(alice, place, Kind.userArray, entry(APPEND_INDEX, "a"));
		expect(code(world.store(alice, place, Kind.userArray, [append], { replica: 1, generation: 1 }))).toBe(
			ErrorCode.invalidMessage,
		);
		expect(code(world.store(alice, place.slice(1), Kind.userSingle, [put("a")]))).toBe(ErrorCode.invalidMessage);
	});

	test("appending to an array that has reached the last index", () => {
		const { world, alice, place } = setup();
		world.stored(alice, place, Kind.userArray, [world.sign(alice, place, Kind.userArray, entry(0xfffffffe, "last"))]);
		const append = world.sign(alice, place, Kind.userArray, entry(APPEND_INDEX, "a"));
		expect(refusal(world.store(alice, place, Kind.userArray, [append])).code).toBe(ErrorCode.dataTooLarge);
	});
});
