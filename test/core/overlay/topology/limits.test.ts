/** What happens at each limit, and that no input whatever throws, stops time or grows a table. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RFC_PROFILE } from "../../../../core/overlay/profile.ts";
import { FingerTable } from "../../../../core/overlay/topology/chord-fingers.ts";
import type { RingContext } from "../../../../core/overlay/topology/context.ts";
import {
	ATTACHES_AT_ONCE,
	DEPARTED_MS,
	FINGERS_MOST,
	HAND_OVER_MS,
	KNOWN_PEERS,
	PENDING_REQUESTS,
	RETRIES,
	RETRY_MOST_MS,
	RETRY_MS,
	SPARE_LINKS,
} from "../../../../core/overlay/topology/limits.ts";
import { Outbox } from "../../../../core/overlay/topology/outbox.ts";
import { markDeparted, markFailed, PeerTable } from "../../../../core/overlay/topology/peers.ts";
import type { TopologyHost, TopologyInput } from "../../../../core/overlay/topology/plugin.ts";
import { UpdatesOwed } from "../../../../core/overlay/topology/updates.ts";
import { toHex } from "../../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../../../core/wire/codes.ts";
import { nodeDestination } from "../../../../core/wire/destination.ts";
import { at, attaches, Bench, way } from "./bench.ts";

/** The n-th of many different ids. */
function nth(n: number): Uint8Array {
	const id = at(n & 0xff);
	id[1] = n >> 8;
	id[2] = 9;
	return id;
}

describe("limits", () => {
	test("requests waiting for a result: one more is not sent, a result makes room", () => {
		const outbox = new Outbox();
		const send = () => outbox.send({ kind: "update", id: at(1) }, 1, [nodeDestination(at(1))], at(1));
		for (let i = 0; i < PENDING_REQUESTS; i++) expect(send()).toBe(true);
		expect(send()).toBe(false);
		let count = 0;
		while (outbox.poll() !== undefined) count++;
		expect(count).toBe(PENDING_REQUESTS);
		expect(outbox.settle(1)).toMatchObject({ kind: "update" });
		expect(outbox.settle(1)).toBeUndefined();
		expect(send()).toBe(true);
	});

	test("Updates owed: one per receiver, the most telling one, at the earliest time; no more receivers than requests", () => {
		const owed = new UpdatesOwed();
		owed.owe(at(1), 2, 50);
		owed.owe(at(1), 3, 90);
		owed.owe(at(1), 1, 40);
		expect(owed.take(39)).toEqual([]);
		expect(owed.take(40)).toMatchObject([{ type: 3, at: 40 }]);
		for (let i = 0; i < PENDING_REQUESTS + 10; i++) owed.owe(nth(i), 2, 1);
		expect(owed.take(1).length).toBe(PENDING_REQUESTS);
		expect(owed.deadline()).toBe(Number.POSITIVE_INFINITY);
	});

	test("peers known: the oldest useless one gives way, members never do", () => {
		const table = new PeerTable(at(0x80));
		const member = table.note(at(1))!;
		table.setMember(member, true);
		for (let i = 0; i < 2 * KNOWN_PEERS; i++) table.note(nth(i));
		expect(table.size).toBe(KNOWN_PEERS);
		expect(table.get(at(1))).toBe(member);
		expect(table.get(nth(0))).toBeUndefined();
		for (const peer of table.known()) peer.attaching = true;
		expect(table.note(nth(5000))).toBeUndefined();
		expect(table.note(at(0x80))).toBeUndefined();
	});

	test("a candidate that cannot be attached to is tried later and later, then not any more", () => {
		const peer = new PeerTable(at(0)).note(at(1))!;
		const waits: number[] = [];
		let goesOn = true;
		while (goesOn) {
			goesOn = markFailed(peer, 0);
			waits.push(peer.retryAt);
		}
		expect(waits.length).toBe(RETRIES);
		expect(waits[0]).toBe(RETRY_MS);
		for (let i = 1; i < waits.length; i++) expect(waits[i]).toBe(Math.min(waits[i - 1]! * 2, RETRY_MOST_MS));
		markDeparted(peer, 1000);
		expect(peer.departedUntil).toBe(1000 + DEPARTED_MS);
	});

	test("Attaches at once: the others wait for a place", () => {
		const bench = new Bench(at(0x80), "EXP-OVERLAY").inRing(at(0x90));
		const list = Array.from({ length: 14 }, (_, i) => at(i + 1));
		const first = attaches(bench.update(at(0x90), list, list));
		expect(first.length).toBe(ATTACHES_AT_ONCE);
		const next = attaches(bench.result(first[0]!.token, false));
		expect(next.length).toBe(1);
	});

	test("a hand-over that nobody ends: the next one may join after so long", () => {
		const bench = new Bench(at(0x80), "CHORD-RELOAD", {}, RFC_PROFILE).inRing(at(0x70));
		for (const id of [at(0x78), at(0x79)]) bench.linkUp(id);
		bench.join(at(0x78));
		bench.advance(HAND_OVER_MS - 1);
		expect(bench.join(at(0x79))).toMatchObject([{ type: "refuse", errorCode: ErrorCode.inProgress }]);
		bench.advance(1);
		expect(bench.join(at(0x79)).map((output) => output.type)).toEqual(["answer", "handOver"]);
		expect(bench.input({ type: "handedOver", to: at(0x78), ok: true })).toEqual([]);
	});

	test("links of our making that no table needs: a few are kept, the rest released with the next periodic Update", () => {
		const bench = new Bench(at(0x80), "CHORD-RELOAD", {}, RFC_PROFILE).inRing(at(0xf0));
		// Ever nearer successors are listed by the one before.
		for (let share = 0xe8; share >= 0x90; share -= 8) {
			const [attach] = attaches(bench.update(at(share + 8), [at(share)], []));
			bench.linkUp(at(share));
			bench.result(attach!.token, true, at(share));
			bench.update(at(share));
		}
		// 13 peers: f0 is not of our making; six are neighbours (90 98 a0 and e0 e8 f0), 90, a0 and c0 are fingers.
		bench.out = [];
		bench.advance(1_200_000);
		const released = bench.out.filter((output) => output.type === "release");
		expect(released.length).toBe(0);
		for (let share = 0x8f; share >= 0x84; share--) {
			const [attach] = attaches(bench.update(at(share + 1), [at(share)], []));
			bench.linkUp(at(share));
			bench.result(attach!.token, true, at(share));
			bench.update(at(share));
		}
		bench.advance(600_000);
		const spare = bench.out.filter((output) => output.type === "release");
		// 25 peers; 84 85 86, e0 e8 f0 are neighbours, 84 88 90 a0 c0 fingers: 15 of ours are in no table.
		expect(spare.length).toBe(15 - SPARE_LINKS);
	});

	test("the Finger Table has 16 entries, more when the last successor is nearer, 128 at most", () => {
		const table = (distance: number): FingerTable => {
			const self = at(0x80);
			const peers = new PeerTable(self);
			for (let i = 1; i <= 3; i++) {
				const id = self.slice();
				id[15 - distance] = id[15 - distance]! + i;
				peers.setMember(peers.note(id)!, true);
			}
			const ring: RingContext = {
				host: {} as TopologyHost,
				self,
				out: new Outbox(),
				peers,
				perSide: () => 3,
				show: () => {},
			};
			const fingers = new FingerTable(ring);
			fingers.refresh();
			return fingers;
		};
		expect(table(15).size).toBe(16);
		expect(table(10).size).toBe(128 - 8 * 10 - 1);
		expect(table(0).size).toBe(127);
		expect(FINGERS_MOST).toBe(128);
	});
});

describe("anything may come", () => {
	const ids = [0x10, 0x40, 0x70, 0x78, 0x80, 0x88, 0x90, 0xd0].map(at);
	const id = fc.constantFrom(...ids);
	const body = fc.oneof(
		fc.uint8Array({ maxLength: 80 }),
		// Updates and Leaves of a right form with lists of all sizes.
		fc
			.tuple(fc.integer({ min: 1, max: 3 }), fc.array(id, { maxLength: 12 }), fc.array(id, { maxLength: 12 }))
			.map(([type, one, two]) => {
				const lists = type === 1 ? [] : type === 2 ? [one, two] : [one, two, []];
				const out = [0, 0, 0, 1, type];
				for (const list of lists) {
					out.push((list.length * 16) >> 8, (list.length * 16) & 255);
					for (const entry of list) out.push(...entry);
				}
				return Uint8Array.from(out);
			}),
		id.map((joining) => Uint8Array.from([...joining, 0, 0])),
	);
	const code = fc.constantFrom(
		MessageCode.joinReq,
		MessageCode.leaveReq,
		MessageCode.updateReq,
		MessageCode.routeQueryReq,
		99,
	);
	type Step = { readonly input: TopologyInput; readonly passMs: number };
	const input: fc.Arbitrary<TopologyInput> = fc.oneof(
		fc.record({ type: fc.constant("linkUp" as const), nodeId: id }),
		fc.record({ type: fc.constant("linkDown" as const), nodeId: id, clean: fc.boolean() }),
		fc.record({ type: fc.constant("request" as const), token: fc.nat(), code, from: id, overLink: fc.boolean(), body }),
		fc.record({
			type: fc.constant("result" as const),
			token: fc.integer({ min: 1, max: 40 }),
			ok: fc.boolean(),
			from: fc.option(id, { nil: undefined }),
			body: fc.option(body, { nil: undefined }),
			errorCode: fc.constantFrom(2, 3, 4, 0x11),
		}),
		fc.record({ type: fc.constant("updateWanted" as const), nodeId: id }),
		fc.record({ type: fc.constant("handedOver" as const), to: id, ok: fc.boolean() }),
		fc.constant({ type: "start" as const, first: true }),
		fc.constant({ type: "timeout" as const }),
		fc.constant({ type: "leave" as const }),
	);
	const step: fc.Arbitrary<Step> = fc.record({ input, passMs: fc.constantFrom(0, 1, 500, 70_000) });

	test.each(["CHORD-RELOAD", "EXP-OVERLAY", "CHORD-SELF-TUNING"])(
		"%s: never throws, never stops time, stays itself",
		(name) => {
			fc.assert(
				fc.property(fc.boolean(), fc.array(step, { maxLength: 60 }), (first, steps) => {
					const bench = new Bench(at(0x80), name, {});
					bench.bootstrap = [at(0x10)];
					bench.input({ type: "start", first });
					for (const { input, passMs } of steps) {
						if (input.type === "linkUp") bench.connected.set(toHex(input.nodeId), input.nodeId);
						if (input.type === "linkDown") bench.connected.delete(toHex(input.nodeId));
						bench.input(input);
						let wakes = 0;
						const end = bench.now + passMs;
						while (bench.plugin.deadline() <= end) {
							expect(++wakes).toBeLessThan(2_000);
							bench.now = Math.max(bench.now, bench.plugin.deadline());
							bench.input({ type: "timeout" });
						}
						bench.now = end;
						for (const neighbour of bench.plugin.neighbours()) {
							expect(toHex(neighbour)).not.toBe(toHex(bench.self));
							expect(
								bench.connected.has(toHex(neighbour)),
								`${way({ destination: [{ nodeId: neighbour }] })} is linked`,
							).toBe(true);
						}
						if (bench.plugin.inOverlay) expect(bench.plugin.isResponsible(bench.self)).toBe(true);
					}
				}),
				{ numRuns: 150 },
			);
		},
	);
});
