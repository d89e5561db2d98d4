/** Who begins alone when nobody is there, and how a whole house comes back after a power cut: on virtual time. */
import { describe, expect, test } from "vitest";
import type { Endpoint, NodeEvent, RequestResult, StartOptions } from "../../../core/overlay/node-types.ts";
import { toHex, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ProbeInformationType } from "../../../core/wire/codes.ts";
import type { Destination } from "../../../core/wire/destination.ts";
import type { Timers } from "../../../targets/pi/state/timers.ts";
import {
	FIRST_PATIENCE_MS,
	FOUNDER_PATIENCE_MS,
	LAST_PATIENCE_MS,
	LOOK_AGAIN_MS,
	MAX_YIELDS,
	Survivor,
	type SurvivorOptions,
} from "../../../targets/pi/survivor.ts";
import { SINGLE_KIND } from "../../core/overlay/support/household.ts";
import { type Member, World } from "../../core/overlay/support/world.ts";
import { turns } from "../../hal/node/waiting.ts";
import { TestLog } from "./composed.ts";
import { ManualTimers } from "./support.ts";

const SOMEBODY: Endpoint = { address: "192.0.2.7", port: 6084 };

/** A host that only notes how it is started; its neighbours are in charge of that much of the ring (undefined: silent). */
function bench(founder: boolean, firstOctet = 0) {
	const started: StartOptions[] = [];
	const neighbours = new Map<number, number | undefined>();
	const idOf = (octet: number): Uint8Array => new Uint8Array(16).fill(octet);
	const node = {
		status: () => ({ links: [...neighbours.keys()].map((octet) => ({ nodeId: idOf(octet) })) }),
		start: (options: StartOptions) => started.push(options),
	};
	const host = {
		start: (options: StartOptions) => void started.push(options),
		command: (run: (one: never, now: number) => unknown) => run(node as never, 0),
		probe: async (destination: readonly Destination[]) => {
			const [first] = destination;
			const value = first !== undefined && "nodeId" in first ? neighbours.get(first.nodeId[0] ?? 0) : undefined;
			if (value === undefined) throw new Error("nobody answers");
			return { body: { type: "probe", info: [{ type: ProbeInformationType.responsibleSet, value }] } };
		},
	} as unknown as SurvivorOptions["host"];
	const [timers, log] = [new ManualTimers(), new TestLog()];
	const survivor = new Survivor({ host, founder, nodeId: idOf(firstOctet), log: log.log, timers });
	/** Time passes, and what follows from it. */
	const advance = async (ms: number): Promise<void> => {
		for (let left = ms; left > 0; left -= 1_000) {
			timers.advance(Math.min(left, 1_000));
			await turns();
		}
	};
	return { survivor, started, neighbours, timers, log, advance };
}

const JOINED: NodeEvent = { type: "joined", nodeId: new Uint8Array(16) };

describe("one peer", () => {
	test("a founder that knows nobody begins at once", () => {
		const { survivor, started, timers } = bench(true);
		survivor.start([]);
		expect(started).toEqual([{ first: true, bootstrap: [] }]);
		expect(timers.pending).toBe(0);
	});

	test("a founder that knows others looks for them first, and soon begins alone", async () => {
		const { survivor, started, advance, log } = bench(true);
		survivor.start([SOMEBODY]);
		expect(started).toEqual([{ first: false, bootstrap: [SOMEBODY] }]);
		await advance(FOUNDER_PATIENCE_MS - 1);
		expect(started.length).toBe(1);
		await advance(1);
		// It goes on looking.
		expect(started[1]).toEqual({ first: true, bootstrap: [SOMEBODY] });
		expect(log.of("overlay.alone")[0]?.fields.hint).toContain("begins it and goes on looking");
	});

	test.each([
		[0, FIRST_PATIENCE_MS],
		[128, (FIRST_PATIENCE_MS + LAST_PATIENCE_MS) / 2],
		[255, LAST_PATIENCE_MS],
	])("a member with Node-ID %i... begins after its own pause, also when it knows nobody", async (octet, patience) => {
		const { survivor, started, advance } = bench(false, octet);
		survivor.start([]);
		await advance(patience - 50);
		expect(started.length).toBe(1);
		await advance(50);
		expect(started.length).toBe(2);
	});

	test("who has joined does not begin, whatever happens later", async () => {
		const { survivor, started, advance } = bench(false);
		survivor.start([SOMEBODY]);
		survivor.event(JOINED);
		await advance(60_000);
		expect(started.length).toBe(1);
	});

	test("closed: nothing more happens, also in the middle of a look", async () => {
		const { survivor, started, timers, neighbours } = bench(true);
		neighbours.set(9, 0);
		survivor.start([SOMEBODY]);
		timers.advance(FOUNDER_PATIENCE_MS);
		survivor.close();
		await turns();
		timers.advance(60_000);
		await turns();
		expect(started.length).toBe(1);
	});
});

describe("a peer with neighbours", () => {
	test("somebody is in the ring: it waits for its admission, however long that takes", async () => {
		for (const founder of [true, false]) {
			const { survivor, started, neighbours, advance } = bench(founder, 1);
			neighbours.set(7, 0).set(8, 333_333_333);
			survivor.start([SOMEBODY]);
			await advance(120_000);
			expect(started.length).toBe(1);
		}
	});

	test("nobody is: the founder begins", async () => {
		const { survivor, started, neighbours, advance } = bench(true, 200);
		neighbours.set(7, 0);
		survivor.start([SOMEBODY]);
		await advance(FOUNDER_PATIENCE_MS);
		expect(started.length).toBe(2);
	});

	test("nobody is: of the members the first by Node-ID begins at once, the others let it go first", async () => {
		const first = bench(false, 7);
		first.neighbours.set(8, 0);
		first.survivor.start([SOMEBODY]);
		await first.advance(LAST_PATIENCE_MS);
		expect(first.started.length).toBe(2);
		const second = bench(false, 8);
		second.neighbours.set(7, 0);
		second.survivor.start([SOMEBODY]);
		await second.advance(FIRST_PATIENCE_MS + 1_000);
		expect(second.started.length).toBe(1);
		// Now that one is in the ring, and we join.
		second.neighbours.set(7, 1_000_000_000);
		await second.advance(60_000);
		expect(second.started.length).toBe(1);
	});

	test("the one that should go first does not: it is not waited for without end", async () => {
		const { survivor, started, neighbours, advance } = bench(false, 8);
		neighbours.set(7, 0);
		survivor.start([SOMEBODY]);
		await advance(LAST_PATIENCE_MS + (MAX_YIELDS + 1) * LOOK_AGAIN_MS);
		expect(started.length).toBe(2);
	});

	test("the one that should go first does not even answer: it is as good as dead", async () => {
		const { survivor, started, neighbours, advance } = bench(false, 8);
		neighbours.set(7, undefined);
		survivor.start([SOMEBODY]);
		await advance(LAST_PATIENCE_MS);
		expect(started.length).toBe(2);
	});
});

/** Timers of the virtual world. */
function worldTimers(world: World): Timers {
	return {
		after(delayMs, action) {
			let wanted = true;
			world.at(world.now + delayMs, () => {
				if (wanted) action();
			});
			return () => {
				wanted = false;
			};
		},
	};
}

/** Starts a member as the daemon does. */
function startAsDaemon(world: World, member: Member, bootstrap: readonly Endpoint[], founder: boolean): TestLog {
	const log = new TestLog();
	const waiting = new Map<number, (result: RequestResult) => void>();
	const survivor = new Survivor({
		host: {
			start: (options) => member.do((node, now) => node.start(options, now)),
			command: (run) => member.do(run),
			probe: async (destination, requested) => {
				const token = member.do((node, now) => node.probe(destination, requested, now));
				const result = await new Promise<RequestResult>((resolve) => waiting.set(token, resolve));
				if (!result.ok) throw new Error(result.info);
				return result as never;
			},
		},
		nodeId: member.id,
		founder,
		log: log.log,
		timers: worldTimers(world),
	});
	const set = member.results.set.bind(member.results);
	member.results.set = (token, result) => {
		waiting.get(token)?.(result);
		return set(token, result);
	};
	const push = member.events.push.bind(member.events);
	member.events.push = (...events: NodeEvent[]) => {
		for (const event of events) survivor.event(event);
		return push(...events);
	};
	survivor.start(bootstrap);
	return log;
}

/** Lets virtual time pass, and promises go on in between, until something is so. */
async function until(world: World, isSo: () => boolean, withinMs: number): Promise<void> {
	const end = world.now + withinMs;
	while (!isSo()) {
		expect(world.now, `within ${withinMs} ms`).toBeLessThan(end);
		world.advance(50);
		await Promise.resolve();
		await Promise.resolve();
		await turns(1);
	}
}

const isIn = (member: Member): boolean => member.do((node, now) => node.status(now).inOverlay);
const idsOf = (member: Member): string[] => member.do((node, now) => node.status(now).neighbours.map(toHex).sort());

/** Three peers that were an overlay, with a value stored by each, after a power cut. */
function house(seed: number, topology: string): { world: World; peers: Member[]; restart: (i: number) => Member } {
	const world = new World({ seed, latencyMs: 3 });
	const peers: Member[] = [];
	for (let i = 0; i < 3; i++) {
		const peer = world.peer(`peer${i}`, { topology });
		const bootstrap = peers.length > 0 ? [peers[0]!.endpoint] : [];
		peer.do((node, now) => node.start({ first: i === 0, bootstrap }, now));
		world.until(() => peer.event("joined").length > 0);
		peers.push(peer);
	}
	world.advance(10_000);
	for (const peer of peers) {
		const resource = peer.node.resourceId(utf8ToBytes(peer.identity.userName));
		const value = { exists: true, value: utf8ToBytes(peer.name), lifetimeS: 86_400 };
		peer.ok("store", (node, now) => node.store(resource, [{ kind: SINGLE_KIND, values: [value] }], now));
	}
	world.advance(5_000);
	for (const peer of peers) world.unplug(peer);
	world.advance(60_000);
	/** The same machine, the same address: it takes the place of its former self. */
	const restart = (i: number): Member => {
		const old = peers[i]!;
		const member = world.peer(`${old.name}-again`, { topology, identity: old.identity, disk: old.disk });
		Object.assign(member.endpoint, old.endpoint);
		world.members.splice(world.members.indexOf(old), 1);
		return member;
	};
	return { world, peers, restart };
}

describe("a whole house restarts", () => {
	const seeds = [1, 2, 3, 4, 5, 6];
	const cases = seeds.flatMap((seed) => ["EXP-OVERLAY", "CHORD-RELOAD"].map((topology) => [seed, topology] as const));

	test.each(cases)(
		"the founder is dead for good: the other two find each other (seed %i, %s)",
		async (seed, topology) => {
			const { world, peers, restart } = house(seed, topology);
			const known = peers.map(({ endpoint }) => ({ ...endpoint }));
			const [one, two] = [restart(1), restart(2)];
			for (const member of [one, two]) startAsDaemon(world, member, known, false);
			await until(world, () => isIn(one) && isIn(two), 40_000);
			await until(world, () => idsOf(one).includes(toHex(two.id)) && idsOf(two).includes(toHex(one.id)), 90_000);
			world.advance(15_000);
			// What was stored before is there, from either of them, the founder's too.
			for (const owner of peers) {
				const resource = one.node.resourceId(utf8ToBytes(owner.identity.userName));
				for (const reader of [one, two]) {
					const { body } = reader.ok("fetch", (node, now) => node.fetch(resource, [{ kind: SINGLE_KIND }], now));
					expect(body.kinds[0]!.values.length, `${reader.name} reads what ${owner.name} stored`).toBe(1);
				}
			}
		},
	);

	test.each(cases)("of the two only one knows where the other is (seed %i, %s)", async (seed, topology) => {
		const { world, peers, restart } = house(seed, topology);
		const [founder, , second] = peers.map(({ endpoint }) => ({ ...endpoint })) as [Endpoint, Endpoint, Endpoint];
		const [one, two] = [restart(1), restart(2)];
		startAsDaemon(world, one, [founder, second], false);
		startAsDaemon(world, two, [founder], false);
		await until(world, () => isIn(one) && isIn(two), 40_000);
		await until(world, () => idsOf(one).includes(toHex(two.id)) && idsOf(two).includes(toHex(one.id)), 90_000);
	});

	test.each(cases)("all three come back, one after the other: one overlay (seed %i, %s)", async (seed, topology) => {
		const { world, peers, restart } = house(seed, topology);
		const known = peers.map(({ endpoint }) => ({ ...endpoint }));
		const again = [restart(0), restart(1), restart(2)];
		for (const [i, member] of again.entries()) {
			startAsDaemon(world, member, known, i === 0);
			const since = world.now;
			await until(world, () => world.now >= since + seed * 700, 60_000);
		}
		const others = (member: Member): string[] => again.filter((one) => one !== member).map(({ id }) => toHex(id));
		await until(world, () => again.every(isIn), 40_000);
		await until(world, () => again.every((member) => others(member).every((id) => idsOf(member).includes(id))), 90_000);
	});

	test("the last one alone: it serves what it has", async () => {
		const { world, peers, restart } = house(9, "EXP-OVERLAY");
		const known = peers.map(({ endpoint }) => ({ ...endpoint }));
		const last = restart(2);
		const log = startAsDaemon(world, last, known, false);
		await until(world, () => isIn(last), LAST_PATIENCE_MS + 1_000);
		expect(log.of("overlay.alone").length).toBe(1);
		for (const owner of peers) {
			const resource = last.node.resourceId(utf8ToBytes(owner.identity.userName));
			const { body } = last.ok("fetch", (node, now) => node.fetch(resource, [{ kind: SINGLE_KIND }], now));
			expect(body.kinds[0]!.values.length).toBe(1);
		}
	});
});
