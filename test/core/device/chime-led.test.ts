import { describe, expect, test } from "vitest";
import { LED_RHYTHMS, LedPlayer } from "../../../core/device/led.ts";
import { isNight, localMinute } from "../../../core/device/night.ts";
import type { LedPattern } from "../../../core/device/types.ts";
import { defaultDeviceSettings } from "../../../core/usages/device-settings.ts";
import { DoorWorld } from "./support/world.ts";

function pulses(world: DoorWorld): [number, boolean][] {
	const all = world.seen.filter(({ output }) => output.type === "chime").slice(1);
	const start = all[0]?.at ?? 0;
	return all.map(({ at, output }) => [at - start, (output as { isOn: boolean }).isOn]);
}

describe("the chime", () => {
	test("strikes as it is set, with no network at all", () => {
		const world = new DoorWorld({ chimeMs: 300, chimeCount: 2, chimePauseMs: 500 });
		world.setEdge(false);
		world.press();
		world.advance(5000);
		expect(pulses(world)).toEqual([
			[0, true],
			[300, false],
			[800, true],
			[1100, false],
		]);
	});

	test("is silent where it is off", () => {
		const world = new DoorWorld({ isChimeOn: false });
		world.press();
		world.advance(5000);
		expect(pulses(world)).toEqual([]);
	});

	test("stops striking when somebody answers; a strike is never cut", () => {
		const world = new DoorWorld({ chimeMs: 1000, chimeCount: 5, chimePauseMs: 1000 });
		world.phones = [{ answerMs: 2500 }];
		world.press();
		world.advance(20_000);
		expect(pulses(world)).toEqual([
			[0, true],
			[1000, false],
			[2000, true],
			[3000, false],
		]);
	});

	test("a hammering finger does not burn the coil", () => {
		const world = new DoorWorld({ chimeMs: 2000, chimePauseMs: 3000, secondPress: "restart" });
		world.phones = [{ tryingMs: 5, refuseMs: 30, status: 486 }];
		for (let i = 0; i < 100; i++) {
			world.press();
			world.advance(300);
		}
		world.advance(20_000);
		let onMs = 0;
		const all = pulses(world);
		for (let i = 0; i + 1 < all.length; i += 2) {
			onMs += all[i + 1]![0] - all[i]![0];
			expect(all[i + 1]![0] - all[i]![0]).toBe(2000);
			if (i > 0) expect(all[i]![0] - all[i - 1]![0]).toBeGreaterThanOrEqual(3000);
		}
		expect(onMs / (100 * 300)).toBeLessThan(0.5);
	});

	test("is silent at night, while the phones ring; by day it strikes", () => {
		const night = { isNightOn: true, nightFromMin: 22 * 60, nightToMin: 7 * 60 };
		const world = new DoorWorld(night);
		// The world begins at 12:00.
		world.advance(10 * 3_600_000);
		world.press();
		world.advance(1000);
		expect(pulses(world)).toEqual([]);
		expect(world.count("call")).toBe(1);
		const day = new DoorWorld(night);
		day.press();
		day.advance(1000);
		expect(pulses(day)).toHaveLength(2);
	});

	test("strikes by day and night while nobody knows the time", () => {
		const world = new DoorWorld({ isNightOn: true, nightFromMin: 0, nightToMin: 1439 });
		const blind = new DoorWorld({ isNightOn: true, nightFromMin: 0, nightToMin: 1439 });
		blind.isClockSet = false;
		blind.powerCut();
		blind.advance(10_000);
		for (const one of [world, blind]) {
			one.press();
			one.advance(1000);
		}
		expect(world.outputsOf("chime").some(({ isOn }) => isOn)).toBe(false);
		expect(blind.outputsOf("chime").some(({ isOn }) => isOn)).toBe(true);
	});

	test("follows a step of the clock", () => {
		const world = new DoorWorld({ isNightOn: true, nightFromMin: 22 * 60, nightToMin: 7 * 60 });
		world.input({ type: "clock", wallMs: Date.UTC(2031, 5, 1, 23, 0) });
		world.press();
		world.advance(1000);
		expect(pulses(world)).toEqual([]);
	});
});

describe("the local time of day", () => {
	const at = (text: string): number => Date.parse(`${text}Z`);

	test.each([
		["2026-01-15T12:00", 60, "eu", 13 * 60],
		["2026-07-15T12:00", 60, "eu", 14 * 60],
		["2026-03-29T00:59", 60, "eu", 119],
		["2026-03-29T01:00", 60, "eu", 180],
		["2026-10-25T00:59", 60, "eu", 179],
		["2026-10-25T01:00", 60, "eu", 120],
		["2026-03-08T06:59", -300, "us", 119],
		["2026-03-08T07:00", -300, "us", 180],
		["2026-11-01T05:59", -300, "us", 119],
		["2026-11-01T06:00", -300, "us", 60],
		["2026-07-15T12:00", 330, "none", 17 * 60 + 30],
		["2026-01-01T00:30", -60, "none", 23 * 60 + 30],
		["1969-12-31T23:59", 0, "none", 1439],
	] as const)("%s, %i min east, %s", (text, offset, summerTime, minute) => {
		expect(localMinute(at(text), offset, summerTime)).toBe(minute);
	});

	test("night goes over midnight, or not, or is nothing", () => {
		const settings = { ...defaultDeviceSettings(), isNightOn: true };
		const night = { ...settings, nightFromMin: 1320, nightToMin: 420 };
		expect(isNight(night, at("2026-01-01T21:59"))).toBe(false);
		expect(isNight(night, at("2026-01-01T22:00"))).toBe(true);
		expect(isNight(night, at("2026-01-02T06:59"))).toBe(true);
		expect(isNight(night, at("2026-01-02T07:00"))).toBe(false);
		const nap = { ...settings, nightFromMin: 780, nightToMin: 900 };
		expect(isNight(nap, at("2026-01-01T14:00"))).toBe(true);
		expect(isNight(nap, at("2026-01-01T15:00"))).toBe(false);
		expect(isNight({ ...settings, nightFromMin: 60, nightToMin: 60 }, at("2026-01-01T01:00"))).toBe(false);
		expect(isNight({ ...night, isNightOn: false }, at("2026-01-01T23:00"))).toBe(false);
	});
});

describe("the LED", () => {
	const patterns = Object.keys(LED_RHYTHMS) as LedPattern[];

	test.each(patterns)("%s repeats its rhythm to the millisecond", (pattern) => {
		const player = new LedPlayer();
		player.show(pattern, 0);
		const rhythm = LED_RHYTHMS[pattern];
		if (rhythm[1] === 0) {
			expect([player.level, player.deadline()]).toEqual([rhythm[0], Number.POSITIVE_INFINITY]);
			return;
		}
		let now = 0;
		for (let round = 0; round < 3; round++) {
			for (let i = 0; i < rhythm.length; i += 2) {
				expect(player.level).toBe(rhythm[i]);
				player.advance(now + rhythm[i + 1]! - 1);
				expect(player.level).toBe(rhythm[i]);
				now += rhythm[i + 1]!;
				expect(player.deadline()).toBe(now);
				player.advance(now);
			}
		}
	});

	test("no two patterns look alike", () => {
		expect(new Set(patterns.map((pattern) => LED_RHYTHMS[pattern].join())).size).toBe(patterns.length);
	});

	test("levels are what a pin takes, and nothing flickers faster than an eye follows", () => {
		for (const pattern of patterns) {
			LED_RHYTHMS[pattern].forEach((value, i) => {
				if (i % 2 === 0) expect(value).toBeLessThanOrEqual(255);
				else expect(value === 0 || value >= 50).toBe(true);
			});
		}
	});

	test("late calls do not run after what was missed", () => {
		const player = new LedPlayer();
		player.show("calling", 0);
		player.advance(10_000);
		expect(player.deadline()).toBe(10_250);
	});
});
