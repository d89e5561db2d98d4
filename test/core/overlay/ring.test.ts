/** Whole overlays with the real topologies: joining, storing, failing, leaving, moving. */
import { describe, expect, test } from "vitest";
import { bytesToUtf8, toHex, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { nodeDestination, resourceDestination } from "../../../core/wire/destination.ts";
import { SINGLE_KIND } from "./support/household.ts";
import { type Member, type MemberOptions, World } from "./support/world.ts";

const isJoined = (peer: Member) => peer.event("joined").length > 0;

/** Peers that joined one after the other; the first founded the overlay. */
function house(world: World, count: number, topology: string, settings: MemberOptions = {}): Member[] {
	const peers: Member[] = [];
	for (let i = 0; i < count; i++) peers.push(world.peer(`p${i}`, { topology, ...settings }));
	const [first, ...others] = peers;
	first!.do((node, now) => node.start({ first: true, bootstrap: [] }, now));
	for (const peer of others) {
		peer.do((node, now) => node.start({ bootstrap: [first!.endpoint] }, now));
		world.until(() => isJoined(peer));
	}
	return peers;
}

function resourceOf(member: Member): Uint8Array {
	return member.node.resourceId(utf8ToBytes(member.identity.userName));
}

function store(member: Member, text: string): void {
	const value = { exists: true, value: utf8ToBytes(text), lifetimeS: 3600 };
	member.ok("store", (node, now) => node.store(resourceOf(member), [{ kind: SINGLE_KIND, values: [value] }], now));
}

function read(reader: Member, writer: Member): string | undefined {
	const result = reader.ask((node, now) => node.fetch(resourceOf(writer), [{ kind: SINGLE_KIND }], now));
	if (!result.ok || result.body.type !== "fetch") return undefined;
	const [value] = result.body.kinds[0]!.values;
	return value === undefined ? undefined : bytesToUtf8(value.stored.value.value.value);
}

function holders(peers: readonly Member[]): number {
	return peers.filter((peer) => peer.alive && peer.node.status(peer.world.now).storedValues > 0).length;
}

describe.each(["CHORD-RELOAD", "EXP-OVERLAY"])("a house of %s", (topology) => {
	test("peers join, a value is stored at three of them and found from everywhere", () => {
		const world = new World({ seed: 5 });
		const peers = house(world, 5, topology);
		world.advance(10_000);
		store(peers[1]!, "hello");
		for (const peer of peers) expect(read(peer, peers[1]!)).toBe("hello");
		expect(holders(peers)).toBe(3);
		for (const peer of peers) {
			const resource = resourceOf(peers[1]!);
			peer.ok("ping", (node, now) => node.ping([resourceDestination(resource)], now));
			const { body } = peer.ok("trace", (node, now) => node.trace(resourceDestination(resource), now));
			expect(body.complete).toBe(true);
		}
	});

	test("a newcomer gets the values it is responsible for", () => {
		const world = new World({ seed: 6 });
		const peers = house(world, 4, topology);
		world.advance(5_000);
		for (const peer of peers) store(peer, peer.name);
		for (let i = 4; i < 8; i++) {
			const peer = world.peer(`p${i}`, { topology });
			peers.push(peer);
			peer.do((node, now) => node.start({ bootstrap: [peers[i - 3]!.endpoint] }, now));
			world.until(() => isJoined(peer));
			for (const writer of peers.slice(0, 4)) expect(read(peer, writer)).toBe(writer.name);
		}
		world.advance(60_000);
		for (const reader of peers) for (const writer of peers.slice(0, 4)) expect(read(reader, writer)).toBe(writer.name);
		// Three of each; nobody keeps what is none of its business.
		const values = peers.map((peer) => peer.node.status(world.now).storedValues);
		expect(values.reduce((sum, count) => sum + count, 0)).toBe(12);
	});

	test.each([
		["ends", (world: World, peer: Member) => world.kill(peer)],
		["loses power", (world: World, peer: Member) => world.unplug(peer)],
	])("one that %s is missed by nobody for long; two more in turn lose nothing", (_name, fell) => {
		const world = new World({ seed: 7 });
		const peers = house(world, 6, topology);
		world.advance(10_000);
		for (const peer of peers) store(peer, peer.name);
		for (let i = 0; i < 3; i++) {
			fell(world, peers[i]!);
			const start = world.now;
			for (const reader of peers.slice(i + 1)) {
				for (const writer of peers) expect(read(reader, writer)).toBe(writer.name);
			}
			expect(world.now - start).toBeLessThan(15_000);
			world.advance(15_000);
			expect(holders(peers)).toBeGreaterThanOrEqual(Math.min(3, 5 - i));
		}
		const values = peers.slice(3).map((peer) => peer.node.status(world.now).storedValues);
		expect(values).toEqual([6, 6, 6]);
	});

	test("one that leaves says goodbye, and nothing is lost", () => {
		const world = new World({ seed: 8 });
		const peers = house(world, 4, topology);
		world.advance(10_000);
		for (const peer of peers) store(peer, peer.name);
		const [gone, ...rest] = peers as [Member, ...Member[]];
		gone.do((node, now) => node.leave(now));
		world.until(() => gone.event("left").length > 0, 10_000);
		world.kill(gone);
		const start = world.now;
		for (const reader of rest) for (const writer of peers) expect(read(reader, writer)).toBe(writer.name);
		expect(world.now - start).toBeLessThan(5_000);
	});

	test("one that comes back with its disk joins again and serves", () => {
		const world = new World({ seed: 9 });
		const peers = house(world, 4, topology);
		world.advance(10_000);
		for (const peer of peers) store(peer, peer.name);
		const old = peers[2]!;
		world.unplug(old);
		world.advance(1_000);
		const again = world.peer("again", { topology, identity: old.identity, disk: old.disk });
		again.do((node, now) => node.start({ bootstrap: [peers[0]!.endpoint, peers[3]!.endpoint] }, now));
		world.until(() => isJoined(again), 60_000);
		world.advance(20_000);
		for (const reader of [peers[0]!, again]) {
			for (const writer of peers) expect(read(reader, writer)).toBe(writer.name);
		}
	});

	test("a house that is cut in two and healed is one again, with the newer values", () => {
		const world = new World({ seed: 10 });
		const peers = house(world, 6, topology);
		world.advance(20_000);
		for (const peer of peers) store(peer, "before");
		const [left, right] = [peers.slice(0, 3), peers.slice(3)];
		for (const a of left) for (const b of right) world.cut(a, b);
		world.advance(30_000);
		for (const peer of peers) store(peer, `${peer.name} alone`);
		for (const a of left) for (const b of right) world.heal(a, b);
		world.advance(180_000);
		for (const reader of peers) for (const writer of peers) expect(read(reader, writer)).toBe(`${writer.name} alone`);
	});

	test("a device moves to another peer when its own goes, and stays reachable", () => {
		const world = new World({ seed: 11 });
		const peers = house(world, 3, topology);
		world.advance(5_000);
		const device = world.client("door");
		device.do((node, now) => node.start({ bootstrap: peers.map(({ endpoint }) => endpoint) }, now));
		world.until(() => isJoined(device));
		store(device, "door");
		world.unplug(peers[0]!);
		world.until(() => device.event("joined").length === 2, 10_000);
		expect(device.event("joined")[1]!.nodeId).toEqual(peers[1]!.id);
		store(device, "door again");
		expect(read(peers[2]!, device)).toBe("door again");
		const list = [nodeDestination(peers[1]!.id), nodeDestination(device.id)];
		peers[2]!.ok("ping", (node, now) => node.ping(list, now));
	});

	test("two peers and then one: the last one goes on", () => {
		const world = new World({ seed: 12 });
		const peers = house(world, 2, topology);
		world.advance(5_000);
		for (const peer of peers) store(peer, peer.name);
		world.unplug(peers[0]!);
		world.advance(10_000);
		for (const writer of peers) expect(read(peers[1]!, writer)).toBe(writer.name);
		expect(peers[1]!.node.status(world.now).responsiblePpb).toBe(1_000_000_000);
	});
});

test("the same seed tells the same story", () => {
	const run = () => {
		const world = new World({ seed: 42 });
		const peers = house(world, 4, "CHORD-RELOAD");
		world.advance(30_000);
		return peers.map(
			(peer) => `${toHex(peer.id)} ${JSON.stringify(peer.node.counters.snapshot())} ${peer.sent.octets}`,
		);
	};
	expect(run()).toEqual(run());
});
