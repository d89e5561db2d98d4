import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Button } from "../../../core/device/button.ts";
import { STABLE_MS, STUCK_MS } from "../../../core/device/limits.ts";

/** Runs a button over raw edges; times of what it said. */
function play(edges: readonly (readonly [at: number, isDown: boolean])[], windowMs = 30, until = 2000): string[] {
	const button = new Button();
	const said: string[] = [];
	let next = 0;
	for (let now = 0; now <= until; now++) {
		if (button.deadline() <= now) {
			const news = button.expire(now);
			if (news !== "none") said.push(`${news} ${now}`);
		}
		for (; next < edges.length && edges[next]![0] === now; next++) button.edge(edges[next]![1], windowMs, now);
	}
	return said;
}

describe("a button", () => {
	test("is pressed 30 ms after the first edge, let go 30 ms after its last", () => {
		expect(
			play([
				[100, true],
				[300, false],
			]),
		).toEqual(["pressed 130", "released 330"]);
	});

	test("bounces within the window do not make it later", () => {
		expect(
			play([
				[100, true],
				[102, false],
				[103, true],
				[110, false],
				[112, true],
				[300, false],
				[301, true],
				[305, false],
			]),
		).toEqual(["pressed 130", "released 330"]);
	});

	test("a contact that still bounces at the end of the window is waited for", () => {
		expect(
			play([
				[100, true],
				[125, false],
				[128, true],
			]),
		).toEqual([`pressed ${128 + STABLE_MS}`]);
	});

	test("feedback within 50 ms whatever window is set and however it bounces within 40 ms", () => {
		fc.assert(
			fc.property(fc.integer({ min: 30, max: 50 }), fc.array(fc.integer({ min: 1, max: 9 })), (windowMs, gaps) => {
				const edges: [number, boolean][] = [[100, true]];
				let at = 100;
				for (const gap of gaps) {
					at += gap;
					if (at < 140) edges.push([at, edges.length % 2 === 0]);
				}
				if (edges.length % 2 === 0) edges.pop();
				const [pressed = "none", ...rest] = play(edges, windowMs);
				const took = Number(pressed.split(" ")[1]);
				expect(rest).toEqual([]);
				expect(took).toBeGreaterThanOrEqual(130);
				expect(took).toBeLessThanOrEqual(150);
			}),
		);
	});

	test("a disturbance shorter than the window is no press", () => {
		expect(
			play([
				[100, true],
				[119, false],
				[500, true],
				[501, false],
			]),
		).toEqual([]);
	});

	test("a lost edge up does not end its life: the next down is a press", () => {
		expect(
			play([
				[100, true],
				[900, true],
				[1100, false],
			]),
		).toEqual(["pressed 130", "pressed 930", "released 1130"]);
	});

	test("a lost edge down is a lost press, and the next one is fine", () => {
		expect(
			play([
				[100, false],
				[900, true],
				[1100, false],
			]),
		).toEqual(["pressed 930", "released 1130"]);
	});

	test("held for 30 s it is stuck: said once, and it rings no more until it was let go", () => {
		const until = 100 + 30 + 3 * STUCK_MS;
		expect(play([[100, true]], 30, until)).toEqual(["pressed 130", `stuck ${130 + STUCK_MS}`]);
	});

	test("never more presses than fingers, whatever the edges", () => {
		fc.assert(
			fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 1500 }), fc.boolean())), (edges) => {
				const sorted = edges.sort((a, b) => a[0] - b[0]);
				const said = play(sorted, 30, 2000);
				const downs = sorted.filter(([, isDown]) => isDown).length;
				expect(said.filter((one) => one.startsWith("pressed")).length).toBeLessThanOrEqual(downs);
			}),
		);
	});
});
