/** The full mesh alone: one hop, silence while nothing changes, and what happens at its limit. */
import { describe, expect, test } from "vitest";
import { createTopology } from "../../../../core/overlay/topology/index.ts";
import { MESH_PEERS, MESH_PEERS_MERGED } from "../../../../core/overlay/topology/limits.ts";
import { toHex } from "../../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../../../core/wire/codes.ts";
import { at, attaches, Bench, sends } from "./bench.ts";
import { Net, type Sim } from "./harness.ts";

const EVERYBODY = 40;

function meshOf(size: number, options: { seed: number; loss?: number }): Net {
	const net = new Net({ ...options, plugin: "EXP-OVERLAY" });
	for (let i = 0; i < size; i++) {
		net.add();
		net.advance(250);
	}
	net.converge(60_000, Math.min(size, EVERYBODY));
	return net;
}

test("every home up to the limit: everybody is linked with everybody, one hop to any id", () => {
	for (let size = 1; size <= MESH_PEERS; size++) {
		const net = meshOf(size, { seed: size });
		for (const node of net.alive()) {
			expect(node.plugin.neighbours().length).toBe(size - 1);
			for (let i = 0; i < 20; i++) {
				const id = net.random.bytes(16);
				const owner = net.ownerOf(id);
				if (owner === node) expect(node.plugin.nextHop(id)).toBeUndefined();
				else expect(toHex(node.plugin.nextHop(id)!)).toBe(owner.key);
			}
		}
	}
});

test("all at once, with loss", () => {
	for (let seed = 1; seed <= 4; seed++) {
		const net = new Net({ seed, plugin: "EXP-OVERLAY", loss: 0.05 });
		for (let i = 0; i < 12; i++) net.add();
		net.converge(120_000, 12);
	}
});

test("no message of the plug-in while nothing changes", () => {
	const net = meshOf(8, { seed: 1 });
	net.advance(60_000);
	const before = [...net.counts.values()].reduce((sum, count) => sum + count, 0);
	net.advance(24 * 3_600_000);
	expect([...net.counts.values()].reduce((sum, count) => sum + count, 0)).toBe(before);
});

describe("failure", () => {
	test("any two peers killed at once lose nothing", () => {
		for (let seed = 1; seed <= 12; seed++) {
			const net = meshOf(4 + (seed % 7), { seed });
			const keys = net.store(40);
			net.advance(5_000);
			const ring = net.alive();
			const one = net.random.below(ring.length);
			net.kill(ring[one]!, "silent");
			net.kill(ring[(one + 1 + (seed % 3)) % ring.length]!, "silent");
			net.converge(10_000, EVERYBODY);
			net.advance(5_000);
			expect(net.missing(keys)).toEqual([]);
		}
	});

	test("goodbye, restart, and a last one left", () => {
		const net = meshOf(5, { seed: 20 });
		const [first, second, ...others] = [...net.nodes.values()] as [Sim, Sim, ...Sim[]];
		others[0]!.input({ type: "leave" });
		net.converge(2_000, EVERYBODY);
		net.kill(others[1]!, "silent");
		net.kill(others[2]!, "silent");
		net.kill(second, "silent");
		net.advance(5_000);
		expect(first.plugin.isResponsible(second.id)).toBe(true);
		second.restart();
		others[1]!.restart();
		net.converge(20_000, EVERYBODY);
	});

	test("two of a house that lose each other and meet again have no more to say then", () => {
		for (const goodbye of ["leave", "silent"] as const) {
			for (let seed = 1; seed <= 20; seed++) {
				const net = meshOf(3, { seed });
				const [founder, second, third] = [...net.nodes.values()] as [Sim, Sim, Sim];
				founder.bootstrap.push(second, third);
				for (const node of [third, founder]) {
					if (goodbye === "leave") node.input({ type: "leave" });
					else net.kill(node, "silent");
					net.advance(200 + 300 * seed);
				}
				founder.restart();
				net.converge(20_000, EVERYBODY);
				// Time enough for a last check of the partition that was put off.
				net.advance(30_000);
				const before = [...net.counts.values()].reduce((sum, count) => sum + count, 0);
				net.advance(60_000);
				expect([...net.counts.values()].reduce((sum, count) => sum + count, 0)).toBe(before);
			}
		}
	});

	test("two parts become one again", () => {
		for (let seed = 1; seed <= 4; seed++) {
			const net = meshOf(10, { seed });
			const keys = net.store(40);
			net.advance(5_000);
			const nodes = [...net.nodes.values()];
			net.partition([nodes.filter((_, i) => i % 2 === 0), nodes.filter((_, i) => i % 2 === 1)]);
			net.advance(30_000);
			net.heal();
			net.converge(60_000, EVERYBODY);
			net.advance(5_000);
			expect(net.missing(keys)).toEqual([]);
		}
	});
});

describe("beyond the limit", () => {
	test("one more peer is refused, tries again, and comes in when there is room; the others do not notice", () => {
		const net = meshOf(MESH_PEERS, { seed: 30 });
		const extra = net.add();
		net.advance(60_000);
		expect(extra.plugin.inOverlay).toBe(false);
		expect(extra.events).toEqual(["isolated"]);
		const inside = net.alive().filter((node) => node !== extra);
		expect(inside.every((node) => node.plugin.neighbours().length === MESH_PEERS - 1)).toBe(true);
		inside.at(-1)!.input({ type: "leave" });
		net.until(() => extra.plugin.inOverlay, 60_000, "room");
	});

	test("the refusal names the reason", () => {
		const bench = new Bench(at(0x80), "EXP-OVERLAY").inRing(...Array.from({ length: MESH_PEERS - 1 }, (_, i) => at(i)));
		bench.linkUp(at(0x7f));
		const [refusal] = bench.join(at(0x7f));
		expect(refusal).toMatchObject({ type: "refuse", errorCode: ErrorCode.incompatibleWithOverlay });
	});

	test("merging goes above the limit, up to a second one", () => {
		const many = Array.from({ length: MESH_PEERS_MERGED + 8 }, (_, i) => at(i));
		const bench = new Bench(at(0x80), "EXP-OVERLAY").inRing(...many);
		expect(bench.plugin.neighbours().length).toBe(MESH_PEERS_MERGED - 1);
	});
});

test("a bootstrap node that is no member is asked for its ring, once per link", () => {
	const bench = new Bench(at(0x80), "EXP-OVERLAY").inRing(at(0x10));
	bench.bootstrap = [at(0x40)];
	const [ping] = sends(bench.linkUp(at(0x40)), MessageCode.pingReq);
	bench.linkUp(at(0x50));
	const out = bench.result(ping!.token, true, at(0x50));
	expect(attaches(out)).toEqual([]);
	expect(sends(out, MessageCode.updateReq).length).toBe(1);
	expect(sends(bench.advance(3_600_000), MessageCode.pingReq)).toEqual([]);
});

test("names that nobody knows give no plug-in", () => {
	const host = { nodeId: at(1) } as Parameters<typeof createTopology>[1];
	expect(createTopology("CHORD-NOT-RELOAD", host)).toBeUndefined();
});
