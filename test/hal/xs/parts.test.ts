import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { TimerHandle, Timers } from "../../../hal/device.ts";
import { BackOff } from "../../../hal/xs/back-off.ts";
import { FRAME_SAMPLES, FrameCutter, FrameFeeder } from "../../../hal/xs/frames.ts";
import { Guard } from "../../../hal/xs/guard.ts";
import { FAULT_WINDOW_MS, MAX_FAULTS, WATCH_EVERY_MS, WIFI_JOIN_MS } from "../../../hal/xs/limits.ts";
import { RandomPool } from "../../../hal/xs/random.ts";
import { Supervisor } from "../../../hal/xs/supervisor.ts";
import { type Station, WifiKeeper } from "../../../hal/xs/wifi-keeper.ts";

/** Virtual time. */
class FakeTime implements Timers {
	now = 0;
	#next = 1;
	readonly #timers = new Map<number, { at: number; callback: () => void }>();
	set(callback: () => void, ms: number): TimerHandle {
		this.#timers.set(this.#next, { at: this.now + ms, callback });
		return this.#next++;
	}
	clear(timer: TimerHandle): void {
		this.#timers.delete(timer as number);
	}
	advance(ms: number): void {
		const end = this.now + ms;
		for (;;) {
			const due = [...this.#timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0];
			if (due === undefined) break;
			this.#timers.delete(due[0]);
			this.now = due[1].at;
			due[1].callback();
		}
		this.now = end;
	}
}

const clockOf = (time: FakeTime) => ({ monotonicMs: () => time.now, wallMs: () => time.now });

describe("back-off", () => {
	test("doubles to the last, less a quarter at most, and begins anew after success", () => {
		const even = new BackOff(1_000, 5_000, () => 0);
		expect([1, 2, 3, 4, 5].map(() => even.next())).toEqual([1_000, 2_000, 4_000, 5_000, 5_000]);
		even.reset();
		expect(even.next()).toBe(1_000);
		expect(new BackOff(1_000, 5_000, () => 0.999).next()).toBe(750);
	});
});

describe("Wi-Fi is kept", () => {
	class FakeStation implements Station {
		address: string | undefined;
		joins = 0;
		leaves = 0;
		isBroken = false;
		join(): void {
			this.joins++;
			if (this.isBroken) throw new Error("busy");
		}
		leave(): void {
			this.leaves++;
		}
	}
	const made = () => {
		const time = new FakeTime();
		const station = new FakeStation();
		const addresses: (string | undefined)[] = [];
		const keeper = new WifiKeeper(
			station,
			time,
			() => 0,
			(address) => addresses.push(address),
			() => undefined,
		);
		keeper.start();
		return { time, station, addresses, keeper };
	};

	test("joined, lost, joined again after a pause", () => {
		const { time, station, addresses, keeper } = made();
		station.address = "10.0.0.7";
		keeper.changed();
		keeper.changed();
		expect(addresses).toEqual(["10.0.0.7"]);
		time.advance(3_600_000);
		expect(station.joins).toBe(1);
		station.address = undefined;
		keeper.changed();
		time.advance(999);
		expect(station.joins).toBe(1);
		time.advance(1);
		expect(station.joins).toBe(2);
		expect(addresses).toEqual(["10.0.0.7", undefined]);
	});

	test("no address in time: left, and joined again with growing pauses, for ever", () => {
		const { time, station } = made();
		time.advance(24 * 3_600_000);
		// 20 s of waiting and 60 s of pause at the end.
		expect(station.joins).toBeGreaterThan(1_000);
		expect(station.leaves).toBeGreaterThanOrEqual(station.joins - 1);
	});

	test("an interface that throws is asked again", () => {
		const { time, station, keeper, addresses } = made();
		station.isBroken = true;
		time.advance(WIFI_JOIN_MS + 600_000);
		const joins = station.joins;
		expect(joins).toBeGreaterThan(5);
		station.isBroken = false;
		time.advance(60_000);
		station.address = "10.0.0.8";
		keeper.changed();
		expect(addresses).toEqual(["10.0.0.8"]);
	});

	test("an address that came without a word is found when the wait ends", () => {
		const { time, station, addresses } = made();
		station.address = "10.0.0.9";
		time.advance(WIFI_JOIN_MS);
		expect(addresses).toEqual(["10.0.0.9"]);
	});
});

describe("guard and supervisor", () => {
	test("an exception ends at the edge; too many in a short time restart the device, once", () => {
		const time = new FakeTime();
		const restarts: string[] = [];
		const guard = new Guard(
			() => undefined,
			clockOf(time),
			(reason) => restarts.push(reason),
		);
		const fail = () => {
			throw new Error("no");
		};
		for (let i = 0; i < MAX_FAULTS - 1; i++) guard.run("x", fail);
		time.advance(FAULT_WINDOW_MS + 1);
		for (let i = 0; i < MAX_FAULTS - 1; i++) guard.run("x", fail);
		expect(restarts).toEqual([]);
		guard.run("x", fail);
		guard.run("x", fail);
		expect(restarts).toEqual(["too many faults"]);
	});

	test("silent for too long: revived, and when that helps nothing twice, the device starts anew", () => {
		const time = new FakeTime();
		const told: string[] = [];
		const supervisor = new Supervisor(
			clockOf(time),
			time,
			() => undefined,
			(reason) => told.push(reason),
		);
		const alive = supervisor.watch({ name: "unit", silenceMs: 60_000, revive: () => void told.push("revive") });
		for (let i = 0; i < 100; i++) {
			alive();
			time.advance(30_000);
		}
		expect(told).toEqual([]);
		time.advance(60_000 + WATCH_EVERY_MS);
		expect(told).toEqual(["revive"]);
		alive();
		time.advance(3 * (60_000 + WATCH_EVERY_MS));
		expect(told).toEqual(["revive", "revive", "revive", "unit hangs"]);
	});

	test("a revival that throws does not end the watch", () => {
		const time = new FakeTime();
		const told: string[] = [];
		const supervisor = new Supervisor(
			clockOf(time),
			time,
			() => undefined,
			(reason) => told.push(reason),
		);
		supervisor.watch({
			name: "unit",
			silenceMs: 1_000,
			revive() {
				throw new Error("no");
			},
		});
		time.advance(10 * WATCH_EVERY_MS);
		expect(told[0]).toBe("unit hangs");
	});
});

describe("randomness", () => {
	const sha256 = (data: Uint8Array) => new Uint8Array(createHash("sha256").update(data).digest());
	const pool = (seed: number) => new RandomPool(sha256, () => 0.5, Uint8Array.of(seed));

	test("every draw differs, also with a generator that stands still", () => {
		const one = pool(1);
		const draws = new Set<string>();
		for (let i = 0; i < 200; i++) draws.add(String(one.bytes(16)));
		expect(draws.size).toBe(200);
	});

	test("what differs in the seed differs in all that follows; the same seed repeats", () => {
		expect(pool(1).bytes(40)).toEqual(pool(1).bytes(40));
		expect(pool(1).bytes(40)).not.toEqual(pool(2).bytes(40));
	});

	test("any count of octets", () => {
		for (const count of [0, 1, 31, 32, 33, 100]) expect(pool(3).bytes(count)).toHaveLength(count);
		expect(new Set(pool(3).bytes(4_000)).size).toBe(256);
	});
});

describe("audio frames", () => {
	test("octets of any portions become frames of 160 samples", () => {
		const cutter = new FrameCutter();
		const source = new Uint8Array(Int16Array.from({ length: 3 * FRAME_SAMPLES }, (_, i) => i).buffer);
		const frames: Int16Array[] = [];
		for (let at = 0, size = 1; at < source.length; size = (size * 7) % 101) {
			const room = cutter.room();
			const part = source.subarray(at, at + Math.min(size, room.length));
			room.set(part);
			at += part.length;
			const frame = cutter.filled(part.length);
			if (frame !== undefined) frames.push(frame.slice());
		}
		expect(frames.map((frame) => frame[0])).toEqual([0, FRAME_SAMPLES, 2 * FRAME_SAMPLES]);
	});

	test("a frame is given out in the portions that the loudspeaker takes", () => {
		const feeder = new FrameFeeder();
		let asked = 0;
		const heard: number[] = [];
		while (heard.length < 4 * FRAME_SAMPLES) {
			const octets = feeder.take(100, (frame) => frame.fill(asked++));
			heard.push(...octets);
		}
		expect(asked).toBe(2);
		expect(heard[0]).toBe(0);
		expect(heard[2 * FRAME_SAMPLES]).toBe(1);
	});
});
