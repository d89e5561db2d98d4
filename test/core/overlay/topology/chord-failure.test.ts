/** CHORD-RELOAD step by step: peers that fail or leave, rings that fall apart (RFC 6940 §10.7, §10.9). */
import { describe, expect, test } from "vitest";
import { type ChordLeaveData, readChordLeaveData, writeChordLeaveData } from "../../../../core/wire/chord.ts";
import { ChordLeaveType, ErrorCode, MessageCode } from "../../../../core/wire/codes.ts";
import { type LeaveReq, readLeaveReq, writeLeaveReq } from "../../../../core/wire/join.ts";
import { encode } from "../../../../core/wire/writer.ts";
import { at, attaches, Bench, firsts, refused, sends, told, way } from "./bench.ts";

const { leaveReq, pingReq } = MessageCode;

describe("failure (§10.7.1, §10.7.2)", () => {
	test("the replacement of a lost successor: the node is told at once, and waits by itself", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0xa0), at(0xb0), at(0x70));
		expect(bench.linkDown(at(0x90)).some((output) => output.type === "placementChanged")).toBe(true);
		expect(firsts(bench.plugin.replicaSet(at(0x80)))).toBe("a0 b0");
		expect(bench.linkDown(at(0x70)).some((output) => output.type === "placementChanged")).toBe(true);
		expect(bench.advance(10_000).some((output) => output.type === "placementChanged")).toBe(false);
	});

	test("a better successor, and a changed predecessor: at once", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0xa0), at(0x70));
		expect(bench.member(at(0x88)).some((output) => output.type === "placementChanged")).toBe(true);
		expect(bench.linkDown(at(0x70)).some((output) => output.type === "placementChanged")).toBe(true);
	});

	test("all successors lost: a Ping finds the new one, and a Join goes to it", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0xa0), at(0xb0), at(0xf0), at(0x70), at(0x60), at(0x50));
		bench.linkDown(at(0x90));
		bench.linkDown(at(0xa0));
		// f0 is in the table already, as best match.
		expect(sends(bench.out, pingReq)).toEqual([]);
		bench.out = [];
		for (const id of [at(0xb0), at(0xf0), at(0x50)]) bench.linkDown(id);
		const ping = sends(bench.out, pingReq).pop();
		expect(ping === undefined || way(ping).endsWith("r:80")).toBe(true);
	});

	test("a lost finger is looked for at once in its range (§10.7.2)", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x82), at(0x83), at(0x84), at(0x7e), at(0x7d), at(0x7c), at(0x10));
		const [ping] = sends(bench.linkDown(at(0x10)), pingReq);
		const target = (ping!.destination[0] as { resourceId: Uint8Array }).resourceId;
		// Entry 1: [80 + 80, 80 + 100).
		expect(target[0]! < 0x80).toBe(true);
		const [attach] = attaches(bench.result(ping!.token, true, at(0x20)));
		expect(way(attach!)).toBe("20");
		bench.linkUp(at(0x20));
		expect(told(bench.result(attach!.token, true, at(0x20)))).toEqual(["20"]);
		bench.update(at(0x20));
		expect(firsts([bench.plugin.nextHop(at(0x30))!])).toBe("20");
	});

	test("the answer of an empty range is nobody's finger", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x82), at(0x83), at(0x84), at(0x7e), at(0x7d), at(0x7c), at(0x10));
		const [ping] = sends(bench.linkDown(at(0x10)), pingReq);
		expect(bench.result(ping!.token, true, at(0xb0))).toEqual([]);
	});

	test("finger search: one per chord-ping-interval", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x82), at(0x83), at(0x84), at(0x7e), at(0x7d), at(0x7c));
		bench.advance(60_000);
		let pings = 0;
		for (let i = 0; i < 10; i++) pings += sends(bench.advance(60_000), pingReq).length;
		expect(pings).toBeGreaterThan(5);
		expect(pings).toBeLessThanOrEqual(10);
	});
});

describe("leaving (§10.9)", () => {
	test("goodbye to all neighbours with the list of the right side, then left", () => {
		const bench = new Bench(at(0x80)).inRing(
			at(0x90),
			at(0xa0),
			at(0xb0),
			at(0xc0),
			at(0x70),
			at(0x60),
			at(0x50),
			at(0x40),
		);
		const leaves = sends(bench.input({ type: "leave" }), leaveReq);
		expect(leaves.map(way).sort()).toEqual(["40", "50", "60", "70", "90", "a0", "b0", "c0"]);
		const data = (to: string): ChordLeaveData => {
			const body = leaves.find((send) => way(send) === to)!.body;
			return readChordLeaveData((readLeaveReq(body, 16) as LeaveReq).overlaySpecificData, 16) as ChordLeaveData;
		};
		expect([data("90").type, firsts(data("90").predecessors)]).toEqual([ChordLeaveType.fromPred, "70 60 50"]);
		expect([data("70").type, firsts(data("70").successors)]).toEqual([ChordLeaveType.fromSucc, "90 a0 b0"]);
		for (const leave of leaves.slice(1)) expect(bench.result(leave.token, true, at(0x90))).toEqual([]);
		expect(bench.result(leaves[0]!.token, true, at(0x90))).toEqual([{ type: "left" }]);
		expect(bench.plugin.inOverlay).toBe(false);
		expect(bench.plugin.deadline()).toBe(Number.POSITIVE_INFINITY);
	});

	test("left without answers after one overlay-reliability-timer; alone: at once", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90));
		bench.input({ type: "leave" });
		expect(bench.advance(999)).toEqual([]);
		expect(bench.advance(1)).toEqual([{ type: "left" }]);
		expect(new Bench(at(0x80)).inRing().input({ type: "leave" })).toEqual([{ type: "left" }]);
	});

	function leave(from: Uint8Array, successors: Uint8Array[], leavingPeerId = from): Uint8Array {
		const lists = { type: ChordLeaveType.fromSucc, successors, predecessors: [] };
		return encode(writeLeaveReq, { leavingPeerId, overlaySpecificData: encode(writeChordLeaveData, lists) });
	}

	test("received: removed at once, its list used, stale lists not believed", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0x98), at(0x70), at(0x60));
		const out = bench.request(leaveReq, at(0x90), leave(at(0x90), [at(0x98), at(0xa0)]));
		expect(out[0]!.type).toBe("answer");
		expect(attaches(out).map(way)).toEqual(["98 a0"]);
		expect(firsts(bench.plugin.replicaSet(at(0x80)))).toBe("98 60");
		bench.linkDown(at(0x90), true);
		expect(attaches(bench.update(at(0x98), [at(0x90), at(0x80)], []))).toEqual([]);
		// It may come back later.
		bench.advance(11_000);
		expect(attaches(bench.update(at(0x98), [at(0x90), at(0x80)], [])).map(way)).toEqual(["98 90"]);
	});

	test("refused: for somebody else, or not over its own link", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0x70));
		expect(refused(bench.request(leaveReq, at(0x70), leave(at(0x70), [], at(0x90))))).toBe(ErrorCode.forbidden);
		expect(refused(bench.request(leaveReq, at(0x90), leave(at(0x90), []), false))).toBe(ErrorCode.forbidden);
		expect(firsts(bench.plugin.replicaSet(at(0x80)))).toBe("90 70");
	});
});

describe("partition check (§10.7.4.4)", () => {
	test("Ping n + 1 through a bootstrap node; another successor there: Attach through it, then our Update", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0x70));
		bench.bootstrap = [at(0x10)];
		const [ping] = sends(bench.linkUp(at(0x10)), pingReq);
		expect(way(ping!)).toBe("10 r:80");
		const [attach] = attaches(bench.result(ping!.token, true, at(0x84)));
		expect(way(attach!)).toBe("10 84");
		bench.linkUp(at(0x84));
		expect(told(bench.result(attach!.token, true, at(0x84)))).toEqual(["84"]);
	});

	test("our own successor answers: one ring, nothing to do", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0x70));
		bench.bootstrap = [at(0x10)];
		const [ping] = sends(bench.linkUp(at(0x10)), pingReq);
		expect(bench.result(ping!.token, true, at(0x90))).toEqual([]);
	});

	test("periodic, and each bootstrap node in turn", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0x70));
		bench.bootstrap = [at(0x90), at(0x70)];
		const ways: string[] = [];
		for (let i = 0; i < 4; i++) {
			const [ping] = sends(bench.advance(60_000), pingReq);
			ways.push(way(ping!));
			bench.result(ping!.token, true, at(0x90));
		}
		expect(new Set(ways)).toEqual(new Set(["90 r:80", "70 r:80"]));
	});
});
