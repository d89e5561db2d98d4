/**
 * "One missed ring in 100,000; nothing lost with any two peers gone." A small part of it here; `RINGLET_RINGS=100000` plays all of it,
 * `RINGLET_RINGS_SEED` another story.
 */
import { expect, test } from "vitest";
import { ringing } from "./ringing.ts";

const CALLS = Number(process.env.RINGLET_RINGS ?? 600);
const SEED = Number(process.env.RINGLET_RINGS_SEED ?? 60);

test.each(["EXP-OVERLAY", "CHORD-RELOAD"])(
	`%s: ${CALLS} calls while peers die and come back`,
	(plugin) => {
		const report = ringing({ seed: SEED, plugin, calls: CALLS });
		const { calls, inTrouble, missed, excused, p50Ms, p99Ms, worstMs, deaths, pairs, lost, hours } = report;
		console.log(
			`${plugin}, seed ${SEED}: ${calls} calls in ${hours.toFixed(2)} h (${inTrouble} with peers away or a ring that heals), ` +
				`${deaths} deaths, ${pairs} times two at once: ${missed.length} missed, ${lost.length} registrations lost; ` +
				`${excused} whose phone's peer died; to the ring p50 ${p50Ms} ms, p99 ${p99Ms} ms, worst ${worstMs} ms`,
		);
		expect(missed.slice(0, 20)).toEqual([]);
		expect(lost).toEqual([]);
	},
	60_000 + CALLS * 100,
);
