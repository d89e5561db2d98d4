/** CHORD-RELOAD step by step: what one plug-in says to whom, and in which order (RFC 6940 §10). */
import { describe, expect, test } from "vitest";
import { RFC_PROFILE } from "../../../../core/overlay/profile.ts";
import {
	ATTACHES_AT_ONCE,
	KNOWN_PEERS,
	LISTED_IDS,
	PLACED_WITHIN_MS,
} from "../../../../core/overlay/topology/limits.ts";
import type { TopologyOutput } from "../../../../core/overlay/topology/plugin.ts";
import { plusOne } from "../../../../core/overlay/topology/ring.ts";
import { compareBytes, equalBytes, toHex } from "../../../../core/wire/bytes.ts";
import { type ChordLeaveData, readChordLeaveData, writeChordLeaveData } from "../../../../core/wire/chord.ts";
import { ChordLeaveType, ChordUpdateType, ErrorCode, MessageCode } from "../../../../core/wire/codes.ts";
import { nodeDestination, opaqueDestination, resourceDestination } from "../../../../core/wire/destination.ts";
import { type LeaveReq, readLeaveReq, writeLeaveReq } from "../../../../core/wire/join.ts";
import { type RouteQueryReq, writeRouteQueryReq } from "../../../../core/wire/route-query.ts";
import { encode } from "../../../../core/wire/writer.ts";
import { at, attaches, Bench, firsts, sends, updateOf, way } from "./bench.ts";

const { joinReq, leaveReq, updateReq, routeQueryReq, pingReq } = MessageCode;

/** Receivers of Updates, as first octets. */
function told(outputs: readonly TopologyOutput[]): string[] {
	return sends(outputs, updateReq).map(way).sort();
}

/** The refusal among the outputs. */
function refused(outputs: readonly TopologyOutput[]): number | undefined {
	const refusal = outputs.find((output) => output.type === "refuse");
	return refusal?.type === "refuse" ? refusal.errorCode : undefined;
}

describe("joining (§10.5)", () => {
	/** n = 80; AP = 90 with predecessors 70 60 50 and successors a0 b0 c0; the bootstrap node is 10. */
	const ap = at(0x90);
	const around = [at(0x70), at(0x60), at(0x50), at(0xa0), at(0xb0), at(0xc0)];

	function started(): Bench {
		const bench = new Bench(at(0x80));
		bench.bootstrap = [at(0x10)];
		bench.linkUp(at(0x10));
		bench.input({ type: "start", first: false });
		return bench;
	}

	/** Up to the Attaches to the neighbours. */
	function found(): Bench {
		const bench = started();
		const attach = attaches(bench.out)[0]!;
		expect(attach.sendUpdate).toBe(true);
		bench.connected.set(toHex(ap), ap);
		bench.result(attach.token, true, ap);
		bench.out = [];
		bench.update(ap, [at(0x70), at(0x60), at(0x50)], [at(0xa0), at(0xb0), at(0xc0)], []);
		return bench;
	}

	/** Every Attach under way succeeds, and its peer shows itself. */
	function attachAll(bench: Bench): void {
		for (let pending = attaches(bench.out); pending.length > 0; pending = attaches(bench.out)) {
			bench.out = bench.out.filter((output) => output.type !== "attach");
			for (const attach of pending) {
				const last = attach.destination[attach.destination.length - 1]!;
				const peer = "nodeId" in last ? last.nodeId : at(0x10);
				if (!bench.connected.has(toHex(peer))) bench.linkUp(peer);
				bench.result(attach.token, true, peer);
				bench.update(peer);
			}
		}
	}

	test("step 2: Attach to Resource-ID n + 1 through the bootstrap node, and nothing else", () => {
		const bench = started();
		expect(bench.out.map((output) => output.type)).toEqual(["attach"]);
		const attach = attaches(bench.out)[0]!;
		expect(way(attach)).toBe("10 r:80");
		expect(
			"resourceId" in attach.destination[1]! && equalBytes(attach.destination[1].resourceId, plusOne(bench.self)),
		).toBe(true);
	});

	test("waits without a bootstrap link, and starts with the first one", () => {
		const bench = new Bench(at(0x80));
		bench.input({ type: "start", first: false });
		expect(bench.out).toEqual([]);
		bench.bootstrap = [at(0x10)];
		expect(attaches(bench.linkUp(at(0x10))).length).toBe(1);
	});

	test("says that it is isolated when nobody is found, once", () => {
		const bench = new Bench(at(0x80));
		bench.input({ type: "start", first: false });
		expect(bench.advance(4_999)).toEqual([]);
		expect(bench.advance(1)).toEqual([{ type: "isolated" }]);
		expect(bench.advance(1_000_000)).toEqual([]);
	});

	test("step 3: Attach to future neighbours, source-routed through the peer that told us (§10.6)", () => {
		const bench = found();
		expect(attaches(bench.out).map(way).sort()).toEqual(["90 50", "90 60", "90 70", "90 a0", "90 b0", "90 c0"]);
		expect(attaches(bench.out).every((attach) => attach.sendUpdate)).toBe(true);
	});

	test("step 3: fingers n + 2^(k-i), only where the peer is not known yet", () => {
		const bench = found();
		for (const attach of attaches(bench.out)) {
			const peer = (attach.destination[1] as { nodeId: Uint8Array }).nodeId;
			bench.linkUp(peer);
			bench.result(attach.token, true, peer);
		}
		bench.out = [];
		for (const peer of around) bench.update(peer);
		// 80 + 80 = 00, 80 + 40 = c0; 80 + 20 = a0 lies among the neighbours, as all nearer ones do.
		expect(attaches(bench.out).map(way)).toEqual(["r:00", "r:c0"]);
	});

	test("step 5: the Join goes out after all Attaches, to AP; no Update before", () => {
		const bench = found();
		expect(sends(bench.out, joinReq)).toEqual([]);
		attachAll(bench);
		const joins = sends(bench.out, joinReq);
		expect(joins.map(way)).toEqual(["90"]);
		expect(sends(bench.out, updateReq)).toEqual([]);
		expect(bench.plugin.inOverlay).toBe(false);
		expect(bench.plugin.isResponsible(at(0x78))).toBe(false);
	});

	test("an Attach that fails does not hold the Join back", () => {
		const bench = found();
		const pending = attaches(bench.out);
		bench.out = [];
		for (const attach of pending) {
			if (way(attach) === "90 60") bench.result(attach.token, false);
			else {
				const peer = (attach.destination[1] as { nodeId: Uint8Array }).nodeId;
				bench.linkUp(peer);
				bench.result(attach.token, true, peer);
				bench.update(peer);
			}
		}
		attachAll(bench);
		expect(sends(bench.out, joinReq).length).toBe(1);
	});

	function joined(): Bench {
		const bench = found();
		attachAll(bench);
		const join = sends(bench.out, joinReq)[0]!;
		bench.result(join.token, true, ap);
		bench.out = [];
		return bench;
	}

	test("steps 7 and 9: placed by AP's Update, then Updates to all neighbours, peer_ready to the others", () => {
		const bench = joined();
		bench.update(ap, [at(0x70), at(0x60)], []);
		expect(bench.plugin.inOverlay).toBe(false);
		bench.out = [];
		bench.update(ap, [bench.self, at(0x70), at(0x60)], [at(0xa0), at(0xb0)]);
		expect(bench.plugin.inOverlay).toBe(true);
		expect(bench.out.some((output) => output.type === "joined")).toBe(true);
		expect(told(bench.out)).toEqual(["10", "50", "60", "70", "90", "a0", "b0", "c0"]);
		const types = Object.fromEntries(sends(bench.out, updateReq).map((send) => [way(send), updateOf(send).type]));
		// 10 is a finger, c0 a fourth successor: not of the Neighbour Table.
		expect([types["10"], types.c0]).toEqual([ChordUpdateType.peerReady, ChordUpdateType.peerReady]);
		expect(types["70"]).toBe(ChordUpdateType.neighbors);
		const update = updateOf(sends(bench.out, updateReq).find((send) => way(send) === "90")!);
		expect([firsts(update.predecessors), firsts(update.successors)]).toEqual(["70 60 50", "90 a0 b0"]);
		expect(bench.plugin.isResponsible(at(0x78))).toBe(true);
		expect(bench.plugin.isResponsible(at(0x68))).toBe(false);
	});

	test("the handover is accepted from AP only", () => {
		const bench = joined();
		expect(bench.plugin.mayReplicate(at(0x78), ap)).toBe(true);
		expect(bench.plugin.mayReplicate(at(0x78), at(0x70))).toBe(false);
	});

	test("an answer signed by another peer is no answer", () => {
		const bench = found();
		attachAll(bench);
		const join = sends(bench.out, joinReq)[0]!;
		bench.result(join.token, true, at(0xa0));
		bench.out = [];
		bench.update(ap, [bench.self], []);
		expect(bench.plugin.inOverlay).toBe(false);
		expect(attaches(bench.advance(2_000)).length).toBeGreaterThan(0);
	});

	test("AP dies while it admits us: again, through somebody else we know", () => {
		const bench = joined();
		bench.linkDown(ap);
		const again = bench.advance(1_500);
		expect(attaches(again).some((attach) => way(attach).endsWith("r:80"))).toBe(true);
	});

	test("somebody was placed before us: again", () => {
		const bench = joined();
		bench.update(ap, [at(0x88), at(0x70)], []);
		expect(attaches(bench.advance(700)).some((attach) => way(attach).endsWith("r:80"))).toBe(true);
	});

	test("never placed: again, after so long", () => {
		const bench = joined();
		bench.advance(PLACED_WITHIN_MS - 1);
		bench.out = [];
		expect(attaches(bench.advance(1_000)).some((attach) => way(attach).endsWith("r:80"))).toBe(true);
	});

	test("who asked for an Update meanwhile gets it when we are in the ring", () => {
		const bench = joined();
		bench.linkUp(at(0x20));
		expect(sends(bench.input({ type: "updateWanted", nodeId: at(0x20) }), updateReq)).toEqual([]);
		const full = sends(bench.update(ap, [bench.self]), updateReq).filter((send) => way(send) === "20");
		expect(full.map((send) => updateOf(send).type)).toEqual([ChordUpdateType.full]);
	});
});

describe("admitting (§10.5)", () => {
	const joiner = at(0x78);

	function admitting(): Bench {
		const bench = new Bench(at(0x80)).inRing(at(0x70), at(0x90));
		bench.linkUp(joiner);
		bench.out = [];
		return bench;
	}

	test("answer, hand-over, and only then the Updates that place it: to all of the Connection Table", () => {
		const bench = admitting();
		bench.linkUp(at(0x33));
		const first = bench.join(joiner);
		expect(first.map((output) => output.type)).toEqual(["answer", "handOver"]);
		const handOver = first[1] as Extract<TopologyOutput, { type: "handOver" }>;
		expect([firsts([handOver.to]), firsts([handOver.after]), firsts([handOver.upTo])]).toEqual(["78", "70", "78"]);
		expect(bench.plugin.isResponsible(at(0x75))).toBe(true);
		expect(sends(bench.advance(500), updateReq)).toEqual([]);
		const placed = bench.input({ type: "handedOver", to: joiner, ok: true });
		// 33 is a client: its peer's range has changed.
		expect(told(placed)).toEqual(["33", "70", "78", "90"]);
		expect(placed.some((output) => output.type === "placementChanged")).toBe(true);
		expect(firsts(updateOf(sends(placed, updateReq).find((send) => way(send) === "78")!).predecessors)).toBe(
			"78 70 90",
		);
		expect(bench.plugin.isResponsible(at(0x75))).toBe(false);
	});

	test("a hand-over that failed in part admits all the same; one to a dead peer does not", () => {
		const bench = admitting();
		bench.join(joiner);
		expect(told(bench.input({ type: "handedOver", to: joiner, ok: false })).length).toBe(3);
		const other = admitting();
		other.join(joiner);
		other.linkDown(joiner);
		expect(other.input({ type: "handedOver", to: joiner, ok: false })).toEqual([]);
		expect(other.plugin.isResponsible(at(0x75))).toBe(true);
	});

	test("one at a time; the second is told to come again; a repeat is answered again", () => {
		const bench = admitting();
		bench.linkUp(at(0x74));
		bench.join(joiner);
		expect(refused(bench.join(at(0x74)))).toBe(ErrorCode.inProgress);
		expect(bench.join(joiner).map((output) => output.type)).toEqual(["answer"]);
		bench.input({ type: "handedOver", to: joiner, ok: true });
		// Its place belongs to the one just admitted.
		expect(refused(bench.join(at(0x74)))).toBe(ErrorCode.notFound);
	});

	test("refused: not signed by the joining peer, not over its link, not our range, not in the ring, not a Join", () => {
		const bench = admitting();
		expect(refused(bench.join(joiner, true, at(0x77)))).toBe(ErrorCode.forbidden);
		expect(refused(bench.join(joiner, false))).toBe(ErrorCode.forbidden);
		expect(refused(bench.join(at(0x88)))).toBe(ErrorCode.notFound);
		expect(refused(bench.request(joinReq, joiner, new Uint8Array(3)))).toBe(ErrorCode.invalidMessage);
		const outside = new Bench(at(0x80));
		outside.linkUp(joiner);
		expect(refused(outside.join(joiner))).toBe(ErrorCode.inProgress);
	});

	test("a member that joins again has lost its state: its part is ours until it is admitted", () => {
		const bench = new Bench(at(0x80)).inRing(at(0x70), at(0x90), joiner);
		expect(bench.plugin.isResponsible(at(0x75))).toBe(false);
		expect(bench.join(joiner).map((output) => output.type)).toContain("handOver");
		expect(bench.plugin.isResponsible(at(0x75))).toBe(true);
		bench.input({ type: "handedOver", to: joiner, ok: true });
		expect(bench.plugin.isResponsible(at(0x75))).toBe(false);
	});

	test("alone: everything but (n, JN] stays ours", () => {
		const bench = new Bench(at(0x80)).inRing();
		bench.linkUp(joiner);
		bench.join(joiner);
		bench.input({ type: "handedOver", to: joiner, ok: true });
		expect([bench.plugin.isResponsible(at(0x7c)), bench.plugin.isResponsible(at(0xf0))]).toEqual([true, false]);
	});
});

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

describe("routing (§10.3)", () => {
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
	const next = (id: Uint8Array): string => firsts([bench.plugin.nextHop(id) ?? new Uint8Array(0)]);

	test("the closest preceding peer; none: the first at or after", () => {
		expect(next(at(0x85))).toBe("90");
		expect(next(at(0x95))).toBe("90");
		expect(next(at(0xc0))).toBe("b0");
		expect(next(at(0xf0))).toBe("d0");
		expect(next(at(0x05))).toBe("d0");
		expect(next(at(0x55))).toBe("50");
		expect(next(at(0xa0))).toBe("a0");
		expect(bench.plugin.nextHop(at(0x78))).toBeUndefined();
		expect(bench.plugin.nextHop(at(0x80))).toBeUndefined();
	});

	test("not in the ring: through those we met, else a bootstrap node", () => {
		const outside = new Bench(at(0x80));
		expect(outside.plugin.nextHop(at(1))).toBeUndefined();
		outside.bootstrap = [at(0x10)];
		expect(firsts([outside.plugin.nextHop(at(1))!])).toBe("10");
	});

	test("RouteQuery: next peer, ourselves when responsible, Update when wanted; opaque ids are refused", () => {
		const ask = (destination: RouteQueryReq["destination"], sendUpdate = false): TopologyOutput[] =>
			bench.request(
				routeQueryReq,
				at(0x90),
				encode(writeRouteQueryReq, { sendUpdate, destination, overlaySpecificData: new Uint8Array(0) }),
			);
		const answer = (out: readonly TopologyOutput[]): string =>
			out.map((output) => (output.type === "answer" ? firsts([output.body]) : "")).join("");
		expect(answer(ask(resourceDestination(at(0xc0))))).toBe("b0");
		expect(answer(ask(resourceDestination(at(0x78))))).toBe("80");
		expect(answer(ask(nodeDestination(at(0xa0))))).toBe("a0");
		const out = ask(resourceDestination(at(0xc0)), true);
		expect(out.map((output) => output.type)).toEqual(["answer", "send"]);
		expect(refused(ask(opaqueDestination(Uint8Array.of(0x81, 2))))).toBe(ErrorCode.notFound);
	});

	test("Resource-ID: the first octets of SHA-1 (§10.2)", () => {
		expect(toHex(bench.plugin.resourceId(Uint8Array.of(1, 2, 3)))).toBe(`010203${"aa".repeat(13)}`);
	});
});

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

describe("values (§10.4)", () => {
	const bench = new Bench(at(0x80)).inRing(at(0x90), at(0xa0), at(0xb0), at(0x70), at(0x60), at(0x50));

	test("replicas go to the next two", () => {
		expect(firsts(bench.plugin.replicaSet(at(0x78)))).toBe("90 a0");
	});

	test("who may store replicas here", () => {
		expect(bench.plugin.mayReplicate(at(0x68), at(0x70))).toBe(true);
		expect(bench.plugin.mayReplicate(at(0x58), at(0x60))).toBe(true);
		expect(bench.plugin.mayReplicate(at(0x68), at(0x60))).toBe(false);
		expect(bench.plugin.mayReplicate(at(0x78), at(0x70))).toBe(true);
		expect(bench.plugin.mayReplicate(at(0x68), at(0x71))).toBe(false);
	});

	test("three peers between: forget", () => {
		expect([0x78, 0x68, 0x58].map((share) => bench.plugin.shouldKeep(at(share)))).toEqual([true, true, true]);
		expect(bench.plugin.shouldKeep(at(0x48))).toBe(false);
		expect(bench.plugin.shouldKeep(at(0xf0))).toBe(false);
	});

	test("an answer must come from as close as our own neighbours (§6.3.4, D-6)", () => {
		expect(bench.plugin.isCloseEnough(at(0x88), at(0x90))).toBe(true);
		expect(bench.plugin.isCloseEnough(at(0x88), at(0x8c))).toBe(true);
		expect(bench.plugin.isCloseEnough(at(0x88), at(0xa0))).toBe(false);
		expect(bench.plugin.isCloseEnough(at(0xf0), at(0x10))).toBe(true);
	});

	test("share of the ring", () => {
		expect(bench.plugin.responsiblePpb()).toBe(Math.round((0x10 / 0x100) * 1e9));
		expect(new Bench(at(1)).inRing().plugin.responsiblePpb()).toBe(1e9);
		expect(new Bench(at(1)).plugin.responsiblePpb()).toBe(0);
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
