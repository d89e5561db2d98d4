/** CHORD-RELOAD step by step: where messages and values go (RFC 6940 §10.3, §10.4). */
import { describe, expect, test } from "vitest";
import type { TopologyOutput } from "../../../../core/overlay/topology/plugin.ts";
import { toHex } from "../../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../../../core/wire/codes.ts";
import { nodeDestination, opaqueDestination, resourceDestination } from "../../../../core/wire/destination.ts";
import { type RouteQueryReq, writeRouteQueryReq } from "../../../../core/wire/route-query.ts";
import { encode } from "../../../../core/wire/writer.ts";
import { at, Bench, firsts, refused } from "./bench.ts";

const { routeQueryReq } = MessageCode;

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
