/** Small overlays with everything real but time and wires: P-256, certificates, signed configuration. */
import { describe, expect, test } from "vitest";
import { RFC_PROFILE } from "../../core/overlay/profile.ts";
import { World } from "../../targets/sim/world.ts";
import { lost, register, registerAll } from "./support.ts";

describe.each(["CHORD-RELOAD", "EXP-OVERLAY"])("%s, real signatures", (plugin) => {
	test("three peers and a client: every lookup right, a registration found by all, also when its holder is gone", () => {
		const world = new World({ seed: 3, plugin, crypto: "real" });
		const peers = world.found(3);
		const client = world.client("door");
		client.start();
		world.until(() => client.joined, 5_000, "the client has its peer");
		const registration = register(world, peers[0]!, "hall");
		for (const member of [...peers, client]) {
			expect(lost(member, [registration])).toEqual([]);
			const lookup = world.lookup(member, registration.resourceId);
			expect([lookup.right, lookup.hops <= (plugin === "EXP-OVERLAY" ? 2 : 3)]).toEqual([true, true]);
		}
		world.responsible(registration.resourceId).powerOff();
		world.settle(10_000);
		world.until(() => client.joined, 10_000, "the client has a peer again");
		for (const member of [...world.peers(), client]) expect(lost(member, [registration])).toEqual([]);
	}, 120_000);
});

test("CHORD-RELOAD, 16 peers, real signatures", () => {
	const world = new World({ seed: 16, crypto: "real", profile: RFC_PROFILE });
	const peers = world.found(16, 500);
	for (let i = 0; i < 10; i++) {
		const lookup = world.lookup(peers[world.random.below(16)]!, world.random.bytes(16));
		expect(lookup).toMatchObject({ ok: true, right: true });
	}
	const registrations = registerAll(world, peers.slice(0, 2), 1);
	expect(lost(peers[9]!, registrations)).toEqual([]);
}, 240_000);

test("a full mesh of 16: one hop to anything, by everybody", () => {
	const world = new World({ seed: 17, plugin: "EXP-OVERLAY" });
	const peers = world.found(16);
	for (const peer of peers) {
		for (let i = 0; i < 5; i++) {
			const id = world.random.bytes(16);
			const lookup = world.lookup(peer, id);
			expect([lookup.right, lookup.hops]).toEqual([true, world.responsible(id) === peer ? 0 : 1]);
		}
	}
	expect(lost(peers[3]!, registerAll(world, peers, 1))).toEqual([]);
});
