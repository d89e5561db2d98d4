/** RFC 6940 §7.4.2 (Fetch), §7.4.3 (Stat), §7.4.4 (Find). */
import { describe, expect, test } from "vitest";
import { verifyFetched } from "../../../core/storage/verify-fetched.ts";
import { concatBytes, toHex } from "../../../core/wire/bytes.ts";
import { ErrorCode, HashAlgorithm } from "../../../core/wire/codes.ts";
import { type ArrayRange, writeFetchAns } from "../../../core/wire/fetch.ts";
import { writeFindAns } from "../../../core/wire/find.ts";
import { NO_SIGNATURE } from "../../../core/wire/security.ts";
import { writeStatAns } from "../../../core/wire/stat.ts";
import type { StoredData } from "../../../core/wire/store.ts";
import { WireWriter } from "../../../core/wire/writer.ts";
import { contents, entry, fetchAll, item, Kind, resourceOf, sha256, single, T0, World } from "./support.ts";

const ALICE = "alice@house.example";

function setup(limits = {}) {
	const world = new World({ storage: { limits } });
	const alice = world.identity(ALICE);
	const place = resourceOf(ALICE);
	return { world, alice, place };
}

const index = (stored: StoredData): number => (stored.value.model === "array" ? stored.value.index : -1);
const shape = (list: readonly StoredData[]): string[] =>
	list.map((stored) => `${index(stored)}${stored.value.value.exists ? "" : "-"}`);

describe("Fetch", () => {
	test("what is not there is made up: single value, key, index; unsigned, time and lifetime 0 (D-13)", () => {
		const { world, place } = setup();
		const key = Uint8Array.of(7);
		const { answer, certificates } = world.fetch({
			resource: place,
			specifiers: [
				{ kind: Kind.userSingle, generation: 0, model: "single" },
				{ kind: Kind.userDictionary, generation: 0, model: "dictionary", keys: [key, key] },
				{ kind: Kind.userArray, generation: 0, model: "array", indices: [{ first: 4, last: 5 }] },
				{ kind: Kind.nodeArray, generation: 0, model: "array", indices: [{ first: 0, last: 0xffffffff }] },
				{ kind: Kind.userNode, generation: 0, model: "dictionary", keys: [] },
			],
		});
		expect(certificates).toEqual([]);
		expect(answer.kindResponses.map((response) => response.values.length)).toEqual([1, 1, 2, 0, 0]);
		expect(answer.kindResponses.map((response) => response.generation)).toEqual([0, 0, 0, 0, 0]);
		for (const response of answer.kindResponses) {
			for (const stored of response.values) {
				expect(stored).toMatchObject({ storageTime: 0, lifetime: 0, signature: NO_SIGNATURE });
				expect(stored.value.value.exists).toBe(false);
			}
		}
		expect(shape(answer.kindResponses[2]!.values)).toEqual(["4-", "5-"]);
	});

	test("ranges: gaps are made up, an open range ends with the last index, 0xffffffff alone is the last element", () => {
		const { world, alice, place } = setup();
		const at = (i: number) => world.sign(alice, place, Kind.userArray, entry(i, `${i}`));
		world.stored(alice, place, Kind.userArray, [at(6), at(1), at(3)]);
		const ask = (indices: ArrayRange[]) =>
			shape(
				world.fetch({ resource: place, specifiers: [{ kind: Kind.userArray, generation: 0, model: "array", indices }] })
					.answer.kindResponses[0]!.values,
			);
		const last = 0xffffffff;
		expect(ask([{ first: 0, last }])).toEqual(["0-", "1", "2-", "3", "4-", "5-", "6"]);
		expect(ask([{ first: 3, last: 3 }])).toEqual(["3"]);
		expect(ask([{ first: 2, last: 4 }])).toEqual(["2-", "3", "4-"]);
		expect(ask([{ first: last, last }])).toEqual(["6"]);
		expect(ask([{ first: 7, last }])).toEqual([]);
		expect(
			ask([
				{ first: 6, last: 8 },
				{ first: 0, last: 1 },
			]),
		).toEqual(["6", "7-", "8-", "0-", "1"]);
		expect(ask([])).toEqual([]);
	});

	test("limit maxSynthesized: further missing entries are left out, stored ones never", () => {
		const { world, alice, place } = setup({ maxSynthesized: 3 });
		const at = (i: number) => world.sign(alice, place, Kind.userArray, entry(i, `${i}`));
		world.stored(alice, place, Kind.userArray, [at(0), at(0xfffffffe)]);
		const all = world.values(place, Kind.userArray);
		expect(shape(all)).toEqual(["0", "1-", "2-", "3-", `${0xfffffffe}`]);
		const closed = world.fetch({
			resource: place,
			specifiers: [
				{ kind: Kind.nodeArray, generation: 0, model: "array", indices: [{ first: 0, last: 0xfffffffe }] },
				{ kind: Kind.userSingle, generation: 0, model: "single" },
			],
		});
		expect(closed.answer.kindResponses.map((response) => response.values.length)).toEqual([3, 0]);
	});

	test("refused: overlapping or reversed ranges, a Kind twice, unknown Kinds, another model, another id length", () => {
		const { world, place } = setup();
		const code = (...specifiers: Parameters<World["fetch"]>[0]["specifiers"]) => {
			const result = world.storage.handleFetch({ resource: place, specifiers }, T0);
			return result.ok ? 0 : result.errorCode;
		};
		const array = (indices: ArrayRange[]) => ({
			kind: Kind.userArray,
			generation: 0,
			model: "array" as const,
			indices,
		});
		const one = { kind: Kind.userSingle, generation: 0, model: "single" as const };
		expect(
			code(
				array([
					{ first: 0, last: 5 },
					{ first: 5, last: 6 },
				]),
			),
		).toBe(ErrorCode.invalidMessage);
		expect(
			code(
				array([
					{ first: 9, last: 0xffffffff },
					{ first: 0, last: 9 },
				]),
			),
		).toBe(ErrorCode.invalidMessage);
		expect(code(array([{ first: 2, last: 1 }]))).toBe(ErrorCode.invalidMessage);
		expect(
			code(
				array([
					{ first: 5, last: 6 },
					{ first: 0, last: 4 },
				]),
			),
		).toBe(0);
		expect(code(one, one)).toBe(ErrorCode.invalidMessage);
		expect(code({ ...one, kind: Kind.userArray })).toBe(ErrorCode.invalidMessage);
		const unknown = { kind: Kind.unknown, generation: 0, model: undefined, raw: new Uint8Array() };
		expect(code(one, unknown)).toBe(ErrorCode.unknownKind);
		expect(world.storage.handleFetch({ resource: place.slice(1), specifiers: [one] }, T0).ok).toBe(false);
	});

	test("limit maxKindsPerRequest", () => {
		const { world, place } = setup({ maxKindsPerRequest: 1 });
		const one = { kind: Kind.userSingle, generation: 0, model: "single" as const };
		const two = { kind: Kind.nodeSingle, generation: 0, model: "single" as const };
		const result = world.storage.handleFetch({ resource: place, specifiers: [one, two] }, T0);
		expect(result).toMatchObject({ ok: false, errorCode: ErrorCode.invalidMessage });
	});

	test("generation: equal = nothing to send, other or 0 = everything", () => {
		const { world, alice, place } = setup();
		const stored = world.stored(alice, place, Kind.userSingle, [
			world.sign(alice, place, Kind.userSingle, single("a")),
		]);
		const generation = stored.responses([]).kindResponses[0]!.generationCounter;
		expect(world.values(place, Kind.userSingle, generation)).toEqual([]);
		expect(world.values(place, Kind.userSingle, generation - 1)).toHaveLength(1);
		expect(world.values(place, Kind.userSingle, 0)).toHaveLength(1);
	});

	test("each certificate comes once, and the size is that of the encoded answer", () => {
		const { world, alice, place } = setup();
		const again = world.identity(ALICE);
		const at = (who: typeof alice, key: number) =>
			world.sign(who, place, Kind.userDictionary, item(Uint8Array.of(key), `${key}`));
		world.stored(alice, place, Kind.userDictionary, [at(alice, 1), at(alice, 2)]);
		world.stored(again, place, Kind.userDictionary, [at(again, 3)]);
		const result = world.fetch({
			resource: place,
			specifiers: [
				{ kind: Kind.userDictionary, generation: 0, model: "dictionary", keys: [] },
				{ kind: Kind.userSingle, generation: 0, model: "single" },
				{ kind: Kind.userArray, generation: 0, model: "array", indices: [{ first: 0, last: 2 }] },
				{ kind: Kind.userNode, generation: 0, model: "dictionary", keys: [Uint8Array.of(1, 2, 3)] },
			],
		});
		expect(result.certificates.map(toHex).sort()).toEqual([alice.chain[0]!, again.chain[0]!].map(toHex).sort());
		const writer = new WireWriter();
		writeFetchAns(writer, result.answer);
		expect(writer.length).toBe(result.sizeBytes);
	});

	test("lifetime shrinks by the time held; what has ended is not served though nobody swept", () => {
		const { world, alice, place } = setup();
		world.stored(alice, place, Kind.userSingle, [
			world.sign(alice, place, Kind.userSingle, single("a"), { lifetimeS: 100 }),
		]);
		world.wallMs = T0 + 30_000;
		expect(world.values(place, Kind.userSingle)[0]!.lifetime).toBe(70);
		world.wallMs = T0 + 99_999;
		expect(world.values(place, Kind.userSingle)[0]!.value.value.exists).toBe(true);
		world.wallMs = T0 + 100_000;
		expect(world.values(place, Kind.userSingle)[0]!.signature).toEqual(NO_SIGNATURE);
	});

	test("a value does not outlive the certificate of its signer", () => {
		const { world, place } = setup();
		const brief = world.identity(ALICE, T0 + 50_000);
		world.stored(brief, place, Kind.userSingle, [world.sign(brief, place, Kind.userSingle, single("a"))]);
		world.wallMs = T0 + 50_999;
		expect(world.values(place, Kind.userSingle)[0]!.value.value.exists).toBe(true);
		world.wallMs = T0 + 51_000;
		expect(world.values(place, Kind.userSingle)[0]!.value.value.exists).toBe(false);
		world.commit(world.storage.expire(world.wallMs));
		expect(world.disk.size).toBe(0);
	});
});

describe("a reader verifies again", () => {
	test("every stored value verifies; what a lying peer changes is discarded and counted", () => {
		const { world, alice, place } = setup();
		const bob = world.identity("bob@house.example");
		const at = (key: number) => world.sign(alice, place, Kind.userDictionary, item(Uint8Array.of(key), `${key}`));
		world.stored(alice, place, Kind.userDictionary, [at(1), at(2), at(3)]);
		const { answer, certificates } = world.fetch(fetchAll(place, Kind.userDictionary, "dictionary"));
		const kind = world.kinds.get(Kind.userDictionary)!;
		const overlay = { resourceHash: world.options.resourceHash, nodeIdLength: 16 };
		const read = (values: readonly StoredData[], ders = certificates) =>
			verifyFetched(world.verifier, overlay, place, kind, { kind: kind.id, generation: 1, values }, ders, world.wallMs);
		const honest = answer.kindResponses[0]!.values;
		expect(read(honest)).toMatchObject({ discarded: 0, generation: 1 });
		expect(read(honest).values.map((value) => value.signer?.userName)).toEqual([ALICE, ALICE, ALICE]);
		const notHis = world.sign(bob, place, Kind.userDictionary, item(Uint8Array.of(4), "4"));
		const older = { ...honest[0]!, storageTime: 5 };
		const renamed = { ...honest[1]!, value: item(Uint8Array.of(9), "2"), valueBytes: new Uint8Array() };
		const unsignedButThere = { ...honest[2]!, signature: NO_SIGNATURE };
		const absent = { ...honest[2]!, value: item(Uint8Array.of(3), "", false), signature: NO_SIGNATURE };
		const mixed = read([notHis, older, renamed, unsignedButThere, absent, honest[0]!], [...certificates, ...bob.chain]);
		expect(mixed.discarded).toBe(4);
		expect(mixed.values.map((value) => value.signer?.userName)).toEqual([undefined, ALICE]);
	});
});

describe("Stat", () => {
	test("length and SHA-256 over the value with its four length octets; size as encoded", () => {
		const { world, alice, place } = setup();
		world.stored(alice, place, Kind.userSingle, [world.sign(alice, place, Kind.userSingle, single("abc"))]);
		world.stored(alice, place, Kind.userArray, [world.sign(alice, place, Kind.userArray, entry(1, "x"))]);
		world.stored(alice, place, Kind.userDictionary, [
			world.sign(alice, place, Kind.userDictionary, item(Uint8Array.of(1), "y")),
		]);
		const result = world.storage.handleStat(
			{
				resource: place,
				specifiers: [
					{ kind: Kind.userSingle, generation: 0, model: "single" },
					{ kind: Kind.userArray, generation: 0, model: "array", indices: [{ first: 0, last: 0xffffffff }] },
					{ kind: Kind.userDictionary, generation: 0, model: "dictionary", keys: [] },
				],
			},
			world.wallMs,
		);
		if (!result.ok) throw new Error("refused");
		const [one, two, three] = result.answer.kindResponses;
		expect(one!.values[0]).toEqual({
			storageTime: T0,
			lifetime: 3600,
			metadata: {
				model: "single",
				value: {
					exists: true,
					valueLength: 3,
					hashAlgorithm: HashAlgorithm.sha256,
					hashValue: sha256(concatBytes(Uint8Array.of(0, 0, 0, 3), new TextEncoder().encode("abc"))),
				},
			},
		});
		expect(two!.values.map((value) => value.metadata.value.exists)).toEqual([false, true]);
		expect(three!.values).toHaveLength(1);
		const writer = new WireWriter();
		writeStatAns(writer, result.answer);
		expect(writer.length).toBe(result.sizeBytes);
	});

	test("is refused like a Fetch", () => {
		const { world, place } = setup();
		const one = { kind: Kind.userSingle, generation: 0, model: "single" as const };
		expect(world.storage.handleStat({ resource: place, specifiers: [one, one] }, T0)).toMatchObject({
			ok: false,
			errorCode: ErrorCode.invalidMessage,
		});
	});
});

describe("Find", () => {
	function findable() {
		const { world } = setup();
		const ids: Uint8Array[] = [];
		for (let i = 0; i < 5; i++) {
			const who = world.identity(`user${i}@house.example`);
			const place = resourceOf(who.userName);
			ids.push(place);
			world.stored(who, place, Kind.userSingle, [world.sign(who, place, Kind.userSingle, single("a"))]);
		}
		ids.sort((a, b) => (toHex(a) < toHex(b) ? -1 : 1));
		const find = (resource: Uint8Array, ...kinds: number[]) => {
			const result = world.storage.handleFind({ resource, kinds }, () => world.responsible, world.wallMs);
			if (!result.ok) return result.errorCode;
			const writer = new WireWriter();
			writeFindAns(writer, result.answer);
			expect(writer.length).toBe(result.sizeBytes);
			return result.answer.results.map((entry) => toHex(entry.closest));
		};
		return { world, ids, find };
	}

	test("the first Resource-ID at or after the one asked for, around the ring (D-21)", () => {
		const { ids, find } = findable();
		const next = (id: Uint8Array) => {
			const copy = id.slice();
			for (let i = 15; i >= 0; i--) {
				copy[i] = (copy[i]! + 1) & 0xff;
				if (copy[i] !== 0) break;
			}
			return copy;
		};
		for (let i = 0; i < ids.length; i++) {
			expect(find(ids[i]!, Kind.userSingle)).toEqual([toHex(ids[i]!)]);
			expect(find(next(ids[i]!), Kind.userSingle)).toEqual([toHex(ids[(i + 1) % ids.length]!)]);
		}
		expect(find(new Uint8Array(16), Kind.userSingle)).toEqual([toHex(ids[0]!)]);
	});

	test("zero for Kinds without data and for unknown ones; removed and expired values lead nowhere", () => {
		const { world, ids, find } = findable();
		const zero = "00".repeat(16);
		expect(find(ids[0]!, Kind.userArray, Kind.unknown, Kind.userSingle)).toEqual([zero, zero, toHex(ids[0]!)]);
		world.wallMs += 3_600_000;
		expect(find(ids[0]!, Kind.userSingle)).toEqual([zero]);
		const who = world.identity("gone@house.example");
		const place = resourceOf(who.userName);
		world.stored(who, place, Kind.userSingle, [world.sign(who, place, Kind.userSingle, single("", false))]);
		expect(find(ids[0]!, Kind.userSingle)).toEqual([zero]);
	});

	test("refused: a Kind twice, not responsible, another id length", () => {
		const { world, ids, find } = findable();
		expect(find(ids[0]!, 1, 1)).toBe(ErrorCode.invalidMessage);
		expect(find(ids[0]!.slice(1), 1)).toBe(ErrorCode.invalidMessage);
		world.responsible = false;
		expect(find(ids[0]!, 1)).toBe(ErrorCode.notFound);
	});

	test("contents of what was fetched are what was stored", () => {
		const { world, ids } = findable();
		expect(contents(world.values(ids[2]!, Kind.userSingle)[0]!)).toBe("a");
	});
});
