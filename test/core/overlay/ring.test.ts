/** Whole overlays with the real topologies: joining, storing, failing, leaving. */
import { describe, expect, test } from "vitest";
import { utf8ToBytes } from "../../../core/wire/bytes.ts";
import { resourceDestination } from "../../../core/wire/destination.ts";
import { SINGLE_KIND } from "./support/household.ts";
import { type Member, World } from "./support/world.ts";

function house(world: World, count: number, topology: string): Member[] {
	const peers: Member[] = [];
	for (let i = 0; i < count; i++) peers.push(world.peer(`p${i}`, { topology }));
	const [first, ...others] = peers;
	first!.do((node, now) => node.start({ first: true, bootstrap: [] }, now));
	for (const peer of others) {
		peer.do((node, now) => node.start({ bootstrap: [first!.endpoint] }, now));
		world.until(() => peer.event("joined").length > 0);
	}
	return peers;
}

describe.each(["CHORD-RELOAD", "EXP-OVERLAY"])("a house of %s", (topology) => {
	test("peers join, a value is stored at three of them and found from everywhere", () => {
		const world = new World({ seed: 5 });
		const peers = house(world, 5, topology);
		world.advance(10_000);
		const user = peers[1]!.identity;
		const resource = peers[0]!.node.resourceId(utf8ToBytes(user.userName));
		const value = { exists: true, value: utf8ToBytes("hello"), lifetimeS: 3600 };
		peers[1]!.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value] }], now));
		for (const peer of peers) {
			const { body } = peer.ok("fetch", (node, now) => node.fetch(resource, [{ kind: SINGLE_KIND }], now));
			expect(body.kinds[0]!.values[0]!.stored.value.value.value).toEqual(utf8ToBytes("hello"));
		}
		world.advance(5_000);
		const holders = peers.filter((peer) => peer.node.status(world.now).storedValues > 0);
		expect(holders.length).toBe(3);
		for (const peer of peers) peer.ok("ping", (node, now) => node.ping([resourceDestination(resource)], now));
	});
});
