/** A street of 256 peers: every lookup right, and as many hops as the rules of RFC 6940 §10.3 imply. */
import { expect, test } from "vitest";
import { RFC_PROFILE } from "../../core/overlay/profile.ts";
import { World } from "../../targets/sim/world.ts";
import { lost, registerAll } from "./support.ts";

const SIZE = 256;

/**
 * Mean hops on a ring of N evenly spaced peers, N a power of two. Distances are counted in peers.
 *
 * - The Routing Table of §10.3 leads to the offsets 1, 2, 3 (successors), -1, -2, -3 (predecessors) and 2^j (fingers).
 * - A request goes to the closest peer *before* the Resource-ID until that is the predecessor of the responsible peer: with fingers
 *   alone one hop for each 1 in the binary distance, half log2 N of them in the mean. The third successor saves one of the two hops
 *   of a distance that ends in binary 11, a quarter of all.
 * - Then comes one more hop, to the responsible peer itself; only who is responsible needs none.
 *
 * For N = 256: 4 - 1/4 + 1, and a little less for the ways that begin at a predecessor: 4.68.
 */
function expectedHops(size: number): number {
	const offsets = [1, 2, 3, size - 3, size - 2, size - 1];
	for (let offset = 1; offset < size; offset *= 2) offsets.push(offset);
	const hops = [0];
	for (let distance = 1; distance < size; distance++) {
		const step = Math.max(...offsets.filter((offset) => offset <= distance));
		hops.push(1 + hops[distance - step]!);
	}
	// `distance` to the predecessor of the responsible peer; size - 1 means that it is the asker itself.
	let sum = 0;
	for (let distance = 0; distance < size - 1; distance++) sum += hops[distance]! + 1;
	return sum / size;
}

test("the derivation gives what it says", () => {
	expect(expectedHops(SIZE)).toBeCloseTo(4.68, 1);
	// Two peers: half of all ids are the other one's.
	expect(expectedHops(2)).toBeCloseTo(0.5);
});

test("256 peers", () => {
	// The RFC's timers, but fingers are searched for every five seconds: a street does not wait for days.
	const world = new World({ seed: 256, bootstrap: "any", profile: { ...RFC_PROFILE, chordPingMs: 5_000 } });
	world.found(SIZE, 20);
	world.advance(60_000);
	const fingers = world.peers().map((peer) => Number(peer.plugin!.describe()[3]![1].split(" ")[2]));
	expect(Math.min(...fingers)).toBeGreaterThanOrEqual(16);
	let hops = 0;
	const LOOKUPS = 600;
	for (let i = 0; i < LOOKUPS; i++) {
		const lookup = world.lookup(world.members[world.random.below(SIZE)]!, world.random.bytes(16));
		expect(lookup).toMatchObject({ ok: true, right: true });
		hops += lookup.hops;
	}
	const mean = hops / LOOKUPS;
	const expected = expectedHops(SIZE);
	expect(Math.abs(mean - expected) / expected, `mean ${mean}, expected ${expected}`).toBeLessThan(0.1);

	const registrations = registerAll(world, world.members.slice(0, 10), 2);
	for (let i = 0; i < 12; i++) world.peers()[world.random.below(world.peers().length)]!.powerOff();
	world.settle(120_000, 1_000);
	const from = world.peers()[5]!;
	expect(lost(from, registrations)).toEqual([]);
	for (let i = 0; i < 50; i++) {
		expect(world.lookup(from, world.random.bytes(16))).toMatchObject({ ok: true, right: true });
	}
}, 600_000);
