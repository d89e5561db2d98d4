/** Crowds, cuts and bad wires. */
import { describe, expect, test } from "vitest";
import type { Member } from "../../targets/sim/member.ts";
import { World } from "../../targets/sim/world.ts";
import { lost, registerAll } from "./support.ts";

describe.each(["CHORD-RELOAD", "EXP-OVERLAY"])("%s", (plugin) => {
	test("a house wakes up after a power cut: all at once, from their disks", () => {
		const world = new World({ seed: 40, plugin });
		world.found(10);
		const registrations = registerAll(world, [...world.members], 2);
		world.advance(5_000);
		for (const member of world.members) member.powerOff();
		world.advance(60_000);
		// The founder founds again; the others look for it.
		world.members[0]!.restart(true);
		for (const member of world.members.slice(1)) member.restart();
		world.settle(30_000);
		world.advance(10_000);
		for (const peer of world.peers()) expect(lost(peer, registrations)).toEqual([]);
	});

	test("a crowd joins at once, half of it leaves at once", () => {
		const world = new World({ seed: 41, plugin });
		world.found(2);
		const size = plugin === "EXP-OVERLAY" ? 16 : 24;
		for (let i = 2; i < size; i++) world.peer().start();
		expect(world.settle(60_000)).toBeLessThanOrEqual(30_000);
		const registrations = registerAll(world, world.peers().slice(0, 8), 2);
		world.advance(5_000);
		const ring = world.peers();
		for (let i = 0; i < size; i += 2) ring[i]!.leave();
		world.until(() => world.peers().length === size / 2, 10_000, "they are gone");
		world.settle(10_000);
		expect(lost(world.peers()[0]!, registrations)).toEqual([]);
	}, 120_000);

	test("everybody comes and goes for ten minutes", () => {
		const world = new World({ seed: 42, plugin, path: { latencyMs: 3, jitterMs: 10, loss: 0.01 } });
		world.found(8);
		const registrations = registerAll(world, world.members.slice(0, 2), 4);
		world.advance(5_000);
		for (let i = 0; i < 40; i++) {
			// The first two stay: somebody has to know where the overlay is.
			const member = world.members[2 + world.random.below(world.members.length - 2)]!;
			if (!member.running) member.restart();
			else if (world.peers().length > 5)
				[() => member.kill(), () => member.powerOff(), () => member.leave()][world.random.below(3)]!();
			else world.peer().start();
			world.advance(12_000 + world.random.below(6_000));
		}
		world.settle(60_000);
		world.advance(10_000);
		expect(lost(world.peers()[0]!, registrations)).toEqual([]);
	}, 120_000);

	test("a cut through the house: both halves go on, and become one again", () => {
		const world = new World({ seed: 43, plugin });
		world.found(8);
		const registrations = registerAll(world, [...world.members], 2);
		world.advance(5_000);
		const halves: [Member[], Member[]] = [[], []];
		for (let i = 0; i < world.members.length; i++) halves[i % 2]!.push(world.members[i]!);
		world.partition(halves);
		world.until(() => halves.every((half) => world.fault(inOrder(world, half)) === ""), 30_000, "two rings");
		world.advance(20_000);
		world.heal();
		const healed = world.settle(90_000);
		expect(healed).toBeLessThanOrEqual(75_000);
		world.advance(10_000);
		for (const peer of world.peers()) expect(lost(peer, registrations)).toEqual([]);
	}, 120_000);

	test("a twentieth of all segments lost: slower, never wrong", () => {
		const world = new World({ seed: 44, plugin, path: { latencyMs: 5, jitterMs: 20, loss: 0.05 } });
		world.found(10, 500);
		const registrations = registerAll(world, [...world.members], 1);
		for (let i = 0; i < 30; i++) {
			const from = world.peers()[world.random.below(10)]!;
			expect(world.lookup(from, world.random.bytes(16))).toMatchObject({ ok: true, right: true });
		}
		expect(lost(world.peers()[4]!, registrations)).toEqual([]);
	});
});

test("the mesh is full: the seventeenth peer stays outside until there is room, and nobody else notices", () => {
	const world = new World({ seed: 45, plugin: "EXP-OVERLAY" });
	world.found(16);
	const extra = world.peer("extra");
	extra.start();
	world.advance(30_000);
	expect(extra.joined).toBe(false);
	expect(world.fault(world.peers().filter((peer) => peer !== extra))).toBe("");
	world.members[5]!.leave();
	world.until(() => extra.joined, 60_000, "room");
	world.settle(10_000);
});

function inOrder(world: World, half: readonly Member[]): Member[] {
	return world.peers().filter((peer) => half.includes(peer));
}
