/** TURN-SERVICE (RFC 6940 §9). */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { MAX_TURN_TRIES } from "../../../core/usages/limits.ts";
import {
	isPrivateAddress,
	isTurnCandidate,
	readTurnOffers,
	TurnFinder,
	turnResourceId,
	turnStores,
} from "../../../core/usages/turn.ts";
import { ipAddressPort } from "../../../core/wire/address.ts";
import { fromHex, toHex } from "../../../core/wire/bytes.ts";
import { KindId } from "../../../core/wire/codes.ts";
import { crypto, resourceHash, World } from "../storage/support.ts";
import { Node } from "./support.ts";

const ADDRESS = Uint8Array.of(198, 51, 100, 20);

function offering(density: number) {
	const world = new World();
	const peer = world.identity("peer@house.example");
	const node = new Node(world, peer);
	const server = { nodeId: peer.nodeId, addr: ADDRESS, port: 3478, lifetimeS: 86_400 };
	const stores = turnStores(server, density, resourceHash);
	for (const { resourceId, kinds } of stores) expect(node.store(resourceId, kinds)).toMatchObject({ ok: true });
	const find = (wanted = 1) =>
		node.run(new TurnFinder({ nodeIdLength: 16, wanted, random: (count) => crypto.random(count), resourceHash }));
	return { world, node, peer, stores, find };
}

describe("offering", () => {
	test("the value and place of vector 27", () => {
		const vector = JSON.parse(
			readFileSync(new URL("../../vectors/27-store-req-turn-service.json", import.meta.url), "utf8"),
		);
		const body = vector.fields.message_contents.message_body;
		const nodeId = fromHex("8a0c5b7e1f2d4a6993c1d0e2b4f60718")!;
		const third = turnStores({ nodeId, addr: ADDRESS, port: 3478, lifetimeS: 86_400 }, 3, resourceHash)[2]!;
		expect(toHex(third.resourceId)).toBe(body.resource);
		expect(toHex(third.kinds[0]!.values[0]!.value)).toBe(body.kind_data[0].values[0].value.value);
	});

	test("turn-density entries, at most 20", () => {
		const count = (density: number) =>
			turnStores({ nodeId: new Uint8Array(16), addr: ADDRESS, port: 1, lifetimeS: 1 }, density, resourceHash).length;
		expect([0, 1, 20, 500].map(count)).toEqual([0, 1, 20, 20]);
		expect(offering(20).world.storage.totals().resources).toBe(20);
	});

	test("who is a candidate: public address, the same as others see", () => {
		const at = (...octets: number[]) => ipAddressPort(Uint8Array.from(octets), 3478);
		expect(isTurnCandidate(at(198, 51, 100, 20), undefined)).toBe(true);
		expect(isTurnCandidate(at(198, 51, 100, 20), at(198, 51, 100, 20))).toBe(true);
		expect(isTurnCandidate(at(198, 51, 100, 20), at(198, 51, 100, 21))).toBe(false);
		expect(isTurnCandidate({ type: 0, code: 9, data: new Uint8Array() }, undefined)).toBe(false);
		for (const octets of [
			[10, 0, 0, 1],
			[172, 16, 0, 1],
			[172, 31, 9, 9],
			[192, 168, 1, 1],
			[169, 254, 1, 1],
			[127, 0, 0, 1],
		]) {
			expect(isPrivateAddress(Uint8Array.from(octets))).toBe(true);
		}
		for (const octets of [
			[172, 32, 0, 1],
			[11, 0, 0, 1],
			[192, 169, 0, 1],
		]) {
			expect(isPrivateAddress(Uint8Array.from(octets))).toBe(false);
		}
		const v6 = (hex: string) => isPrivateAddress(fromHex(hex)!);
		expect(v6("fd000000000000000000000000000001")).toBe(true);
		expect(v6("fe800000000000000000000000000001")).toBe(true);
		expect(v6("00000000000000000000000000000001")).toBe(true);
		expect(v6("20010db8000000000000000000000001")).toBe(false);
	});
});

describe("finding", () => {
	test("Find, then Fetch", () => {
		const { find, peer, node } = offering(3);
		expect(find()).toEqual([{ nodeId: peer.nodeId, address: ipAddressPort(ADDRESS, 3478) }]);
		expect(node.log.slice(-2).map((line) => line.split(" ")[0])).toEqual(["find", "fetch"]);
	});

	test("the same server is given once, and the search ends", () => {
		const { find, node } = offering(3);
		expect(find(5)).toHaveLength(1);
		expect(node.log.filter((line) => line.startsWith("find"))).toHaveLength(MAX_TURN_TRIES);
	});

	test("limit MAX_TURN_TRIES: nothing there, or nothing answers", () => {
		const world = new World();
		const node = new Node(world, world.identity("peer@house.example"));
		const find = () =>
			node.run(new TurnFinder({ nodeIdLength: 16, wanted: 1, random: (count) => crypto.random(count), resourceHash }));
		expect(find()).toEqual([]);
		expect(node.log).toHaveLength(MAX_TURN_TRIES);
		node.fails = () => true;
		expect(find()).toEqual([]);
		expect(node.log).toHaveLength(2 * MAX_TURN_TRIES);
	});

	test("a record that does not belong to its place is passed over", () => {
		const { node, peer, stores } = offering(2);
		const result = node.fetch(stores[0]!.resourceId, [{ kind: KindId.turnService }]);
		if (!result.ok || result.body.type !== "fetch") throw new Error("no fetch");
		const fetched = result.body.kinds[0]!;
		expect(readTurnOffers(fetched, turnResourceId(peer.nodeId, 1, resourceHash), resourceHash)).toHaveLength(1);
		expect(readTurnOffers(fetched, turnResourceId(peer.nodeId, 2, resourceHash), resourceHash)).toHaveLength(0);
	});
});
