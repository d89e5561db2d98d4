/** Requests with any octet changed: never a throw, and what is refused changes nothing. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isRefused } from "../../../core/machine.ts";
import { readFetchReq, writeFetchReq } from "../../../core/wire/fetch.ts";
import { readFindReq } from "../../../core/wire/find.ts";
import { type ModelOf, readStoreReq, writeStoreReq } from "../../../core/wire/store.ts";
import { encode } from "../../../core/wire/writer.ts";
import { entry, item, Kind, resourceOf, single, World } from "./support.ts";

const world = new World();
const alice = world.identity("alice@house.example");
const place = resourceOf(alice.userName);
const modelOf: ModelOf = (kind) => world.kinds.get(kind)?.dataModel;

const store = encode(writeStoreReq, {
	resource: place,
	replicaNumber: 0,
	kindData: [
		{ kind: Kind.userSingle, generationCounter: 0, values: [world.sign(alice, place, Kind.userSingle, single("a"))] },
		{ kind: Kind.userArray, generationCounter: 0, values: [world.sign(alice, place, Kind.userArray, entry(0, "b"))] },
		{
			kind: Kind.userDictionary,
			generationCounter: 0,
			values: [world.sign(alice, place, Kind.userDictionary, item(Uint8Array.of(1), "c"))],
		},
	],
});
const fetch = encode(writeFetchReq, {
	resource: place,
	specifiers: [
		{ kind: Kind.userSingle, generation: 0, model: "single" },
		{ kind: Kind.userArray, generation: 0, model: "array", indices: [{ first: 0, last: 4 }] },
		{ kind: Kind.userDictionary, generation: 0, model: "dictionary", keys: [Uint8Array.of(1)] },
	],
});

const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });

function changed(bytes: Uint8Array, list: readonly (readonly [number, number])[]): Uint8Array {
	const copy = bytes.slice();
	for (const [at, octet] of list) copy[at % copy.length] = octet;
	return copy;
}

test("Store", () => {
	fc.assert(
		fc.property(changes, fc.boolean(), (list, responsible) => {
			world.restart();
			world.responsible = responsible;
			const request = readStoreReq(changed(store, list), modelOf);
			if (isRefused(request)) return;
			const result = world.storage.handleStore(request, world.context(alice));
			if (result.ok) {
				for (const { request: replica } of result.replicas(1, world.wallMs, 5000)) encode(writeStoreReq, replica);
			} else {
				expect(world.storage.totals()).toEqual({ resources: 0, values: 0, octets: 0, certificates: 0 });
				expect(world.storage.retryChange()).toEqual({ put: [], remove: [] });
			}
		}),
		{ seed: 9, numRuns: 1000 },
	);
	world.responsible = true;
});

test("Fetch, Stat and Find", () => {
	world.restart();
	const request = readStoreReq(store, modelOf);
	if (isRefused(request) || !world.storage.handleStore(request, world.context(alice)).ok) throw new Error("not stored");
	const before = world.storage.totals();
	fc.assert(
		fc.property(changes, (list) => {
			const asked = readFetchReq(changed(fetch, list), modelOf);
			if (isRefused(asked)) return;
			for (const result of [
				world.storage.handleFetch(asked, world.wallMs),
				world.storage.handleStat(asked, world.wallMs),
			]) {
				if (result.ok) expect(result.answer.kindResponses).toHaveLength(asked.specifiers.length);
			}
		}),
		{ seed: 10, numRuns: 1000 },
	);
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
			const asked = readFindReq(bytes);
			if (!isRefused(asked)) world.storage.handleFind(asked, () => true, world.wallMs);
		}),
		{ seed: 11, numRuns: 500 },
	);
	expect(world.storage.totals()).toEqual(before);
});
