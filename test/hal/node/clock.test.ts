import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Deadline, nodeClock } from "../../../hal/node/clock.ts";

describe("the clocks of Node", () => {
	test("one only goes forward, the other tells the time", () => {
		const clock = nodeClock();
		const first = clock.monotonicMs();
		expect(clock.monotonicMs()).toBeGreaterThanOrEqual(first);
		expect(Math.abs(clock.wallMs() - Date.now())).toBeLessThan(1_000);
	});
});

describe("Deadline", () => {
	let now = 0;
	const clock = { monotonicMs: () => now, wallMs: () => 0 };
	let due: number[] = [];

	beforeEach(() => {
		vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
		now = 0;
		due = [];
	});
	afterEach(() => {
		vi.useRealTimers();
	});

	function pass(milliseconds: number): void {
		for (let i = 0; i < milliseconds; i++) {
			now++;
			vi.advanceTimersByTime(1);
		}
	}

	function deadline(): Deadline {
		return new Deadline(clock, () => due.push(now));
	}

	test("calls once, not before its time", () => {
		const timer = deadline();
		timer.at(10);
		pass(9);
		expect(due).toEqual([]);
		pass(50);
		expect(due).toEqual([10]);
	});

	test("the last time asked for counts, earlier or later, and a later one touches no host timer", () => {
		const timer = deadline();
		timer.at(100);
		const count = vi.getTimerCount();
		for (let t = 101; t < 200; t++) timer.at(t);
		expect(vi.getTimerCount()).toBe(count);
		pass(150);
		expect(due).toEqual([]);
		timer.at(160);
		pass(100);
		expect(due).toEqual([160]);
	});

	test("Infinity asks for none; what is past is due at once, but never from within `at`", () => {
		const timer = deadline();
		timer.at(10);
		timer.at(Infinity);
		pass(50);
		expect(due).toEqual([]);
		timer.at(20);
		expect(due).toEqual([]);
		pass(1);
		expect(due).toEqual([51]);
	});

	test("longer than a host timer can wait, and fractions of a millisecond", () => {
		const timer = deadline();
		timer.at(2 ** 31 + 5.5);
		now = 2 ** 31 - 1;
		vi.advanceTimersByTime(2 ** 31 - 1);
		expect(due).toEqual([]);
		pass(6);
		expect(due).toEqual([]);
		pass(1);
		expect(due).toEqual([2 ** 31 + 6]);
	});

	test("a host timer that fires early is set again", () => {
		const timer = deadline();
		timer.at(10);
		vi.advanceTimersByTime(10);
		expect(due).toEqual([]);
		pass(10);
		expect(due).toEqual([10]);
	});

	test("close", () => {
		const timer = deadline();
		timer.at(10);
		timer.close();
		timer.at(20);
		pass(50);
		expect(due).toEqual([]);
		expect(vi.getTimerCount()).toBe(0);
	});
});
