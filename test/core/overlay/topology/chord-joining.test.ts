/** CHORD-RELOAD step by step: joining and admitting, what one plug-in says to whom, and in which order (RFC 6940 §10.5). */
import { describe, expect, test } from "vitest";
import { PLACED_WITHIN_MS } from "../../../../core/overlay/topology/limits.ts";
import type { TopologyOutput } from "../../../../core/overlay/topology/plugin.ts";
import { plusOne } from "../../../../core/overlay/topology/ring.ts";
import { equalBytes, toHex } from "../../../../core/wire/bytes.ts";
import { ChordUpdateType, ErrorCode, MessageCode } from "../../../../core/wire/codes.ts";
import { at, attaches, Bench, firsts, refused, sends, told, updateOf, way } from "./bench.ts";

const { joinReq, updateReq } = MessageCode;

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

	test("AP has restarted before its old link was missed (the link comes up anew): again, at once", () => {
		const bench = joined();
		bench.linkUp(ap);
		expect(attaches(bench.advance(1_500)).some((attach) => way(attach).endsWith("r:80"))).toBe(true);
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
