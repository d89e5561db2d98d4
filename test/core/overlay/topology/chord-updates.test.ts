/** CHORD-RELOAD step by step: Updates, and how much of them is taken in (RFC 6940 §10.7). */
import { describe, expect, test } from "vitest";
import { RFC_PROFILE } from "../../../../core/overlay/profile.ts";
import { ATTACHES_AT_ONCE, KNOWN_PEERS, LISTED_IDS } from "../../../../core/overlay/topology/limits.ts";
import { compareBytes } from "../../../../core/wire/bytes.ts";
import { ChordUpdateType, ErrorCode, MessageCode } from "../../../../core/wire/codes.ts";
import { nodeDestination } from "../../../../core/wire/destination.ts";
import { writeRouteQueryReq } from "../../../../core/wire/route-query.ts";
import { encode } from "../../../../core/wire/writer.ts";
import { at, attaches, Bench, firsts, refused, sends, told, updateOf, way } from "./bench.ts";

const { updateReq, routeQueryReq } = MessageCode;

describe("Updates (§10.7)", () => {
	test("one that lists better peers: Attach to them through its sender, then our Update to all", () => {
		const bench = new Bench(at(0x80)).inRing(at(0xa0), at(0x60));
		const out = bench.update(at(0xa0), [at(0x98), at(0x80)], [at(0xb0)]);
		expect(attaches(out).map(way).sort()).toEqual(["a0 98", "a0 b0"]);
		const attach = attaches(out).find((one) => way(one) === "a0 98")!;
		bench.linkUp(at(0x98));
		expect(told(bench.result(attach.token, true, at(0x98)))).toEqual(["98"]);
		expect(bench.plugin.neighbours().map((id) => firsts([id]))).not.toContain("98");
		// It does not list us, so it hears at once; the others with the next few changes.
		expect(told(bench.update(at(0x98)))).toEqual(["98"]);
		expect(told(bench.advance(50))).toEqual(["60", "a0"]);
		expect(firsts(bench.plugin.replicaSet(at(0x80)))).toBe("98 a0");
	});

	test("nothing better: no change, no message", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0xa0), at(0xb0), at(0x70), at(0x60), at(0x50));
		const out = bench.update(at(0xb0), [at(0xa0), at(0x90), at(0x80)], [at(0xc0), at(0xd0), at(0xe0)]);
		expect(out.map((output) => output.type)).toEqual(["answer"]);
		expect(bench.advance(100)).toEqual([]);
	});

	test("a lost neighbour: the list after its removal, at once, to everybody", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0xa0), at(0x70));
		const out = bench.linkDown(at(0x90));
		expect(told(out)).toEqual(["70", "a0"]);
		expect(firsts(updateOf(sends(out, updateReq)[0]!).successors)).toBe("a0 70");
	});

	test("a failed Update is a failed neighbour; an error answer is not", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0x70));
		const updates = sends(bench.linkDown(at(0x70)), updateReq);
		bench.result(updates[0]!.token, false, undefined, ErrorCode.configTooOld);
		expect(firsts(bench.plugin.neighbours())).toBe("90");
		bench.member(at(0x70));
		const again = sends(bench.advance(60), updateReq).find((send) => way(send) === "90")!;
		const out = bench.result(again.token, false);
		expect(firsts(bench.plugin.neighbours())).toBe("70");
		expect(out).toContainEqual({ type: "release", nodeId: at(0x90) });
	});

	test("chord-reactive off: only a changed range is told at once", () => {
		const bench = new Bench(at(0x80), "CHORD-RELOAD", { reactive: false }).inRing(
			at(0x90),
			at(0xa0),
			at(0x70),
			at(0x60),
		);
		expect(told(bench.linkDown(at(0x90)))).toEqual([]);
		expect(told(bench.linkDown(at(0x70)))).toEqual(["60", "a0"]);
	});

	test("periodic: every neighbour, once per interval, at a random offset, to the millisecond", () => {
		const bench = new Bench(at(0x80), "CHORD-RELOAD", {}, RFC_PROFILE).inRing(at(0x90), at(0x70));
		bench.advance(600_000);
		const first = bench.out.find((output) => output.type === "send" && output.code === updateReq);
		expect(first).toBeDefined();
		bench.out = [];
		let count = 0;
		for (let ms = 0; ms < 600_000; ms += 1_000) count += sends(bench.advance(1_000), updateReq).length;
		expect(count).toBe(2);
	});

	test("full carries the fingers in ascending order, for Attach and RouteQuery", () => {
		const bench = new Bench(at(0x80)).inRing(
			at(0x90),
			at(0xa0),
			at(0xb0),
			at(0x70),
			at(0x60),
			at(0x50),
			at(0x10),
			at(0xd0),
		);
		const [full] = sends(bench.input({ type: "updateWanted", nodeId: at(0xb0) }), updateReq);
		const { fingers, type } = updateOf(full!);
		expect(type).toBe(ChordUpdateType.full);
		expect([...fingers].sort(compareBytes)).toEqual(fingers);
		expect(firsts(fingers)).toContain("10");
		expect(firsts(fingers)).toContain("d0");
	});

	test("who does not list us although we are its neighbour is corrected, later and later", () => {
		const bench = new Bench(at(0x80), "CHORD-RELOAD", {}, RFC_PROFILE).inRing(at(0x90), at(0x70));
		const gaps: number[] = [];
		let last = bench.now;
		for (let i = 0; i < 6; i++) {
			let out = bench.update(at(0x90), [at(0x70)], [at(0x70)]);
			while (sends(out, updateReq).length === 0) out = bench.advance(10);
			gaps.push(bench.now - last);
			last = bench.now;
		}
		expect(gaps[0]).toBeLessThanOrEqual(500);
		for (let i = 2; i < gaps.length; i++) expect(gaps[i]).toBeGreaterThanOrEqual(gaps[i - 1]!);
		expect(sends(bench.update(at(0x90), [at(0x80), at(0x70)], [at(0x70), at(0x80)]), updateReq)).toEqual([]);
	});

	test("a link that comes back: both show themselves again", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0x70));
		bench.linkDown(at(0x90));
		const out = bench.linkUp(at(0x90));
		expect(told(out)).toEqual(["90"]);
		expect(sends(bench.advance(500), routeQueryReq).map(way)).toEqual(["90"]);
		bench.update(at(0x90), [at(0x80)], [at(0x70)]);
		expect(firsts(bench.plugin.replicaSet(at(0x80)))).toBe("90 70");
	});

	test("a member that asks who we are, or links anew, is doubted until its next Update: it may have restarted", () => {
		const asked = encode(writeRouteQueryReq, {
			sendUpdate: true,
			destination: nodeDestination(at(0x90)),
			overlaySpecificData: new Uint8Array(0),
		});
		const doubts: ((bench: Bench) => void)[] = [
			(bench) => bench.input({ type: "updateWanted", nodeId: at(0x90) }),
			(bench) => bench.input({ type: "linkUp", nodeId: at(0x90) }),
			(bench) => bench.request(routeQueryReq, at(0x90), asked),
		];
		for (const doubt of doubts) {
			const bench = new Bench(at(0x80)).inRing(at(0x90), at(0x70));
			doubt(bench);
			// It has just shown itself.
			expect(firsts(bench.plugin.neighbours())).toBe("90 70");
			bench.advance(2_000);
			doubt(bench);
			expect(firsts(bench.plugin.neighbours())).toBe("70");
			bench.update(at(0x90), [at(0x80)], [at(0x70)]);
			expect(firsts(bench.plugin.neighbours())).toBe("90 70");
		}
	});

	test("hostile bodies are refused and change nothing", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90));
		bench.linkUp(at(0x88));
		for (const body of [
			new Uint8Array(0),
			new Uint8Array(4),
			Uint8Array.of(0, 0, 0, 1, 9),
			Uint8Array.of(0, 0, 0, 1, 2, 0, 1, 0),
		]) {
			expect(refused(bench.request(updateReq, at(0x88), body))).toBe(ErrorCode.invalidMessage);
		}
		expect(firsts(bench.plugin.neighbours())).toBe("90");
	});
});

describe("limits", () => {
	test("a list is read up to LISTED_IDS; Attaches at once up to ATTACHES_AT_ONCE", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90));
		const list = Array.from({ length: LISTED_IDS + 40 }, (_, i) => at(0x91 + (i % 60)));
		expect(attaches(bench.update(at(0x90), list, list)).length).toBeLessThanOrEqual(ATTACHES_AT_ONCE);
	});

	test("peers known by name: a flood of Updates from unlinked nodes does not grow the table, members stay", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x90), at(0x70));
		const body = sends(bench.input({ type: "updateWanted", nodeId: at(0x90) }), updateReq)[0]!.body;
		for (let i = 0; i < KNOWN_PEERS * 2; i++) {
			const id = at(i & 0xff);
			id[1] = i >> 8;
			id[2] = 7;
			bench.request(updateReq, id, body, false);
		}
		expect(firsts(bench.plugin.neighbours())).toBe("90 70");
		expect(attaches(bench.out).length).toBeLessThanOrEqual(ATTACHES_AT_ONCE);
	});
});
