/** RFC 7363: estimates, sharing, the period; and rings that keep right with nothing but it. */
import { describe, expect, test } from "vitest";
import { type Estimate, percentile, periodS, sharedForm } from "../../../../core/overlay/topology/chord-self-tuning.ts";
import {
	SHARED_ESTIMATES,
	TUNED_PERIOD_LEAST_S,
	TUNED_PERIOD_MOST_S,
} from "../../../../core/overlay/topology/limits.ts";
import { toHex } from "../../../../core/wire/bytes.ts";
import { MessageCode, MessageExtensionType } from "../../../../core/wire/codes.ts";
import type { MessageExtension } from "../../../../core/wire/contents.ts";
import { readSelfTuningData, type SelfTuningData, writeSelfTuningData } from "../../../../core/wire/self-tuning.ts";
import { encode } from "../../../../core/wire/writer.ts";
import { at, Bench, sends, way } from "./bench.ts";
import { Net } from "./harness.ts";

const NAME = "CHORD-SELF-TUNING";
const calm: Estimate = { size: 16, joinsPerS: 0, failuresPerS: 0 };

function extension(networkSize: number, joinRate = 0, leaveRate = 0): MessageExtension {
	const extensionContents = encode(writeSelfTuningData, { networkSize, joinRate, leaveRate });
	return { type: MessageExtensionType.selfTuningData, critical: false, extensionContents };
}

function read(extensions: readonly MessageExtension[]): SelfTuningData {
	return readSelfTuningData(extensions[0]!.extensionContents) as SelfTuningData;
}

describe("formulas (§6)", () => {
	test("period: the smaller of T1 and T2", () => {
		// T1 = 1 / (2 U) / log2(N)^2, T2 = N / (L log2(N)^2)
		expect(periodS({ ...calm, failuresPerS: 1 / 6400 })).toBeCloseTo(3200 / 16);
		expect(periodS({ ...calm, joinsPerS: 1 / 100 })).toBeCloseTo(1600 / 16);
		expect(periodS({ size: 16, joinsPerS: 1 / 100, failuresPerS: 1 / 6400 })).toBeCloseTo(100);
	});

	test("period: at least 15 s, at most an hour", () => {
		expect(periodS({ ...calm, failuresPerS: 1 })).toBe(TUNED_PERIOD_LEAST_S);
		expect(periodS(calm)).toBe(TUNED_PERIOD_MOST_S);
		expect(periodS({ size: 1, joinsPerS: 0, failuresPerS: 0 })).toBe(TUNED_PERIOD_MOST_S);
	});

	test("shared per day, rounded up; never past the field", () => {
		expect(sharedForm({ size: 17.2, joinsPerS: 0.123, failuresPerS: 0.00001 })).toEqual({
			networkSize: 18,
			joinRate: 10628,
			leaveRate: 1,
		});
		expect(sharedForm({ ...calm, joinsPerS: 1e9 }).joinRate).toBe(0xffffffff);
	});

	test("75th percentile", () => {
		expect(percentile([1, 2, 3, 4])).toBe(3);
		expect(percentile([9, 1])).toBe(9);
		expect(percentile([5])).toBe(5);
		expect(percentile([])).toBe(0);
	});
});

describe("behaviour (§5)", () => {
	test("periodic Updates to the first predecessor and the first successor only", () => {
		const bench = new Bench(at(0x80), NAME, { peersToProbe: 2 }).inRing(at(0x90), at(0xa0), at(0x70), at(0x60));
		bench.advance(120_000);
		bench.out = [];
		bench.advance(3_600_000);
		const receivers = new Set(sends(bench.out, MessageCode.updateReq).map(way));
		expect(receivers).toEqual(new Set(["90", "70"]));
	});

	test("the first period follows from the ages of those around, not from nothing", () => {
		const period = (age: number): string => {
			const bench = new Bench(at(0x80), NAME, {});
			bench.bootstrap = [at(0x10)];
			bench.linkUp(at(0x10));
			bench.input({ type: "start", first: false });
			const attach = bench.out.find((output) => output.type === "attach")!;
			bench.connected.set(toHex(at(0x90)), at(0x90));
			bench.result(attach.token, true, at(0x90));
			for (const id of [at(0x90), at(0x70)]) {
				bench.linkUp(id);
				bench.update(id, [], [], undefined, age);
			}
			bench.advance(20_000);
			const join = sends(bench.out, MessageCode.joinReq)[0]!;
			bench.result(join.token, true, at(0x90));
			bench.update(at(0x90), [bench.self], [], undefined, age);
			expect(bench.plugin.inOverlay).toBe(true);
			return bench.plugin.describe().find(([name]) => name === "stabilisation period")![1];
		};
		expect(period(10)).toBe(`${TUNED_PERIOD_LEAST_S} s`);
		expect(period(86_400 * 30)).toBe(`${TUNED_PERIOD_MOST_S} s`);
	});

	test("a change is told to nobody but new neighbours", () => {
		const bench = new Bench(at(0x80), NAME, {}).inRing(at(0x90), at(0xa0), at(0x70), at(0x60));
		expect(sends(bench.linkDown(at(0xa0)), MessageCode.updateReq)).toEqual([]);
		const out = bench.member(at(0x88)).concat(bench.advance(60));
		expect(new Set(sends(out, MessageCode.updateReq).map(way))).toEqual(new Set(["88"]));
	});

	test("per period so many random fingers get a Probe for uptime, with our estimates; theirs count", () => {
		const bench = new Bench(at(0x80), NAME, { peersToProbe: 2 }).inRing(at(0x90), at(0x70), at(0x10), at(0xd0));
		const probes = sends(bench.advance(3_600_000), MessageCode.probeReq);
		expect(probes.length).toBeGreaterThanOrEqual(2);
		expect(read(probes[0]!.extensions!).networkSize).toBe(5);
		bench.input({
			type: "result",
			token: probes[0]!.token,
			ok: true,
			from: at(0x90),
			body: Uint8Array.of(0, 6, 3, 4, 0, 0, 0x10, 0),
			errorCode: 0,
			extensions: [extension(64)],
		});
		bench.input({ type: "probed", from: at(0x70), extensions: [extension(64)] });
		bench.input({ type: "probed", from: at(0x70), extensions: [extension(64)] });
		bench.advance(3_600_000);
		expect(bench.plugin.describe()).toContainEqual(["estimated size", "64.0"]);
		// ceil(log2 64) = 6 per side now.
		expect(read(bench.plugin.probeExtensions!(bench.now)).networkSize).toBe(5);
	});

	test("estimates beyond the limit of a period, and hostile ones, are ignored", () => {
		const bench = new Bench(at(0x80), NAME, {}).inRing(at(0x90), at(0x70));
		const short: MessageExtension = {
			type: MessageExtensionType.selfTuningData,
			critical: false,
			extensionContents: new Uint8Array(3),
		};
		bench.input({ type: "probed", from: at(0x70), extensions: [short] });
		const few = Array.from({ length: SHARED_ESTIMATES }, () => extension(3));
		bench.input({ type: "probed", from: at(0x70), extensions: few });
		bench.input({ type: "probed", from: at(0x70), extensions: Array.from({ length: 100 }, () => extension(1e9)) });
		bench.advance(3_600_000);
		expect(bench.plugin.describe()).toContainEqual(["estimated size", "3.0"]);
	});
});

describe("rings", () => {
	test("form and heal without reactive Updates", () => {
		for (let seed = 1; seed <= 4; seed++) {
			const net = new Net({ seed, plugin: NAME });
			for (let i = 0; i < 16; i++) {
				net.add();
				net.advance(300);
			}
			net.converge(120_000);
			const ring = net.alive();
			const one = net.random.below(16);
			net.kill(ring[one]!, "silent");
			net.kill(ring[(one + 1) % 16]!, "silent");
			net.converge(400_000);
		}
	});

	test("the size is estimated, and a calm overlay stabilises less and less", () => {
		const net = new Net({ seed: 9, plugin: NAME });
		for (let i = 0; i < 40; i++) {
			net.add();
			net.advance(300);
		}
		net.converge(600_000);
		net.advance(1_800_000);
		const updatesIn = (ms: number): number => {
			const before = net.count(MessageCode.updateReq);
			net.advance(ms);
			return net.count(MessageCode.updateReq) - before;
		};
		const early = updatesIn(1_800_000);
		net.advance(6 * 3_600_000);
		expect(updatesIn(1_800_000)).toBeLessThan(early / 2);
		for (const node of net.alive()) {
			const size = Number(node.plugin.describe().find(([name]) => name === "estimated size")![1]);
			expect(size).toBeGreaterThan(20);
			expect(size).toBeLessThan(90);
		}
	});
});
