/** CHORD-RELOAD alone: rings form, and stay right under all that can happen to them. */
import { describe, expect, test } from "vitest";
import { RFC_PROFILE } from "../../../../core/overlay/profile.ts";
import { plusOne } from "../../../../core/overlay/topology/ring.ts";
import { toHex } from "../../../../core/wire/bytes.ts";
import { fromKey, Net, type Sim } from "./harness.ts";

/** A right ring of so many, all joined through the first two. */
function ringOf(size: number, options: { seed: number; loss?: number }): Net {
	const net = new Net(options);
	for (let i = 0; i < size; i++) {
		net.add();
		net.advance(250);
	}
	net.converge(30_000);
	return net;
}

describe("forming", () => {
	for (const size of [1, 2, 3, 4, 5, 6, 7, 8, 13, 24, 64]) {
		test(`${size} peers, one after another`, () => {
			const net = new Net({ seed: size });
			for (let i = 0; i < size; i++) {
				net.add();
				net.converge(10_000);
			}
			net.advance(60_000);
			expect(net.fault()).toBe("");
			expect([...net.nodes.values()].every((node) => node.events.join() === "joined")).toBe(true);
		});
	}

	test("64 at once", () => {
		const net = new Net({ seed: 3 });
		net.add();
		for (let i = 0; i < 63; i++) net.add();
		expect(net.converge(30_000)).toBeLessThan(10_000);
	});

	test("with the timers of the RFC", () => {
		const net = new Net({ seed: 4, profile: RFC_PROFILE });
		for (let i = 0; i < 12; i++) net.add();
		net.converge(60_000);
	});

	test("Node-IDs of 20 octets", () => {
		const net = new Net({ seed: 5, idLength: 20 });
		for (let i = 0; i < 12; i++) net.add();
		net.converge(60_000);
	});

	test("two at the same place at once", () => {
		for (let seed = 1; seed <= 20; seed++) {
			const net = ringOf(seed % 8 === 0 ? 1 : seed % 8, { seed });
			const first = net.random.bytes(16);
			net.add(undefined, first);
			net.add(undefined, plusOne(first));
			net.converge(20_000);
		}
	});

	test("a tenth of all messages lost", () => {
		for (let seed = 1; seed <= 5; seed++) {
			const net = new Net({ seed, loss: 0.1 });
			for (let i = 0; i < 12; i++) {
				net.add();
				net.advance(500);
			}
			net.converge(120_000);
		}
	});
});

/** Everything a node puts out is a step; it dies before its n-th. */
function killAtStep(net: Net, victim: Sim, step: number, how: "reset" | "silent"): () => boolean {
	let steps = 0;
	let dead = false;
	net.onOutput = (node) => {
		if (node !== victim || dead || ++steps < step) return;
		dead = true;
		net.kill(victim, how);
	};
	return () => dead;
}

describe("failure at every step", () => {
	for (const how of ["reset", "silent"] as const) {
		test(`the joining peer dies (${how})`, () => {
			for (let step = 1, died = true; died; step++) {
				const net = ringOf(7, { seed: 100 });
				const before = [...net.nodes.values()];
				const victim = net.prepare();
				const hit = killAtStep(net, victim, step, how);
				victim.start(false);
				net.advance(3_000);
				died = hit();
				net.onOutput = undefined;
				net.converge(20_000);
				expect(net.alive().length).toBe(died ? before.length : before.length + 1);
			}
		});

		test(`the admitting peer dies (${how})`, () => {
			let died = true;
			for (let step = 1; died; step++) {
				const net = ringOf(7, { seed: 200 });
				const id = net.random.bytes(16);
				const keys = net.store(40);
				net.advance(2_000);
				const admitting = net.ownerOf(id);
				const others = [...net.nodes.values()].filter((node) => node !== admitting);
				const hit = killAtStep(net, admitting, step, how);
				net.add(others.slice(0, 2), id);
				net.advance(2_500);
				died = hit();
				net.onOutput = undefined;
				net.converge(30_000);
				net.advance(2_000);
				expect(net.missing(keys)).toEqual([]);
			}
		});
	}

	test("the joining peer loses power and comes back with the same Node-ID", () => {
		for (let step = 1; step < 30; step++) {
			const net = ringOf(6, { seed: 300 });
			const keys = net.store(40);
			const victim = net.prepare(net.random.bytes(16));
			const hit = killAtStep(net, victim, step, "silent");
			victim.start(false);
			net.advance(1_000);
			net.onOutput = undefined;
			if (hit()) victim.restart();
			net.converge(30_000);
			net.advance(5_000);
			expect(net.missing(keys)).toEqual([]);
		}
	});

	test("the n-th message of a join is lost", () => {
		for (let nth = 1; nth < 60; nth++) {
			const net = ringOf(5, { seed: 400 });
			net.loseNth(nth);
			net.add();
			net.converge(15_000);
		}
	});
});

describe("churn", () => {
	test("any two peers killed at once: healed, and nothing lost", () => {
		for (let seed = 1; seed <= 30; seed++) {
			const net = ringOf(5 + (seed % 8), { seed });
			const keys = net.store(40);
			net.advance(5_000);
			const ring = net.alive();
			const one = net.random.below(ring.length);
			const other = (one + 1 + (seed % 3 === 0 ? net.random.below(ring.length - 1) : seed % 3)) % ring.length;
			net.kill(ring[one]!, seed % 2 === 0 ? "silent" : "reset");
			if (other !== one) net.kill(ring[other]!, "silent");
			net.converge(10_000);
			net.advance(5_000);
			expect(net.missing(keys), `seed ${seed}`).toEqual([]);
			expect(net.fault()).toBe("");
		}
	});

	test("three adjacent ones, half of the ring, all but one", () => {
		for (let seed = 1; seed <= 12; seed++) {
			const net = ringOf(14, { seed });
			const ring = net.alive();
			const at = net.random.below(14);
			const doomed = seed % 3 === 0 ? 13 : seed % 3 === 1 ? 3 : 7;
			for (let i = 0; i < doomed; i++) net.kill(ring[(at + i) % 14]!, seed % 2 === 0 ? "silent" : "reset");
			net.converge(120_000);
			expect(net.alive().length).toBe(14 - doomed);
		}
	});

	test("all leave, one after another, and hand nothing to the void", () => {
		const net = ringOf(10, { seed: 7 });
		const keys = net.store(60);
		net.advance(5_000);
		while (net.alive().length > 1) {
			const ring = net.alive();
			ring[net.random.below(ring.length)]!.input({ type: "leave" });
			net.converge(5_000);
			net.advance(6_000);
			expect(net.missing(keys)).toEqual([]);
		}
	});

	test("random histories end in a right ring", () => {
		for (let seed = 1; seed <= 8; seed++) {
			const net = ringOf(8, { seed, loss: seed % 2 === 0 ? 0.02 : 0 });
			const bootstrap = [...net.nodes.values()].slice(0, 2);
			for (let i = 0; i < 50; i++) {
				const others = net.alive().filter((node) => !bootstrap.includes(node));
				const dead = [...net.nodes.values()].filter((node) => !node.alive);
				const one = others[net.random.below(others.length)];
				const dice = net.random.next();
				if (dice < 0.3 && others.length < 14) net.add();
				else if (dice < 0.6 && one !== undefined && others.length > 4) net.kill(one, dice < 0.45 ? "silent" : "reset");
				else if (dice < 0.75 && one !== undefined && others.length > 4) one.input({ type: "leave" });
				else dead[net.random.below(dead.length)]?.restart();
				net.advance(net.random.below(2_000));
			}
			net.converge(120_000);
			net.advance(120_000);
			expect(net.fault()).toBe("");
		}
	});

	test("the survivor of two goes on, and the other comes back", () => {
		const net = ringOf(2, { seed: 8 });
		const [founder, other] = [...net.nodes.values()] as [Sim, Sim];
		net.kill(other, "silent");
		net.advance(10_000);
		expect(founder.plugin.inOverlay && founder.plugin.isResponsible(other.id)).toBe(true);
		other.restart();
		net.converge(10_000);
	});
});

describe("partition", () => {
	test("halves become rings, and one ring again", () => {
		for (let seed = 1; seed <= 6; seed++) {
			const net = ringOf(12, { seed });
			const keys = net.store(50);
			net.advance(5_000);
			const nodes = [...net.nodes.values()];
			// The two bootstrap nodes are on different sides.
			net.partition([nodes.filter((_, i) => i % 2 === 0), nodes.filter((_, i) => i % 2 === 1)]);
			net.advance(60_000);
			expect(nodes.every((node) => node.plugin.inOverlay)).toBe(true);
			net.heal();
			net.converge(60_000);
			net.advance(10_000);
			expect(net.missing(keys)).toEqual([]);
		}
	});

	test("a part without a bootstrap node comes back when it can reach one", () => {
		const net = ringOf(10, { seed: 50 });
		const nodes = [...net.nodes.values()];
		net.partition([nodes.slice(0, 7), nodes.slice(7)]);
		net.advance(120_000);
		net.heal();
		net.converge(120_000);
	});
});

test("every id has exactly one responsible peer, and routing finds it", () => {
	const net = ringOf(40, { seed: 60 });
	net.advance(600_000);
	for (let i = 0; i < 400; i++) {
		const id = i < 40 ? net.alive()[i]!.id : net.random.bytes(16);
		const responsible = net.alive().filter((node) => node.plugin.isResponsible(id));
		expect(responsible.map((node) => node.key)).toEqual([net.ownerOf(id).key]);
		let at = net.alive()[net.random.below(40)]!;
		for (let hops = 0; !at.plugin.isResponsible(id); hops++) {
			expect(hops).toBeLessThan(12);
			at = net.nodes.get(toHex(at.plugin.nextHop(id)!))!;
		}
		expect(at.key).toBe(responsible[0]!.key);
	}
	expect(fromKey(toHex(net.alive()[0]!.id))).toEqual(net.alive()[0]!.id);
});
