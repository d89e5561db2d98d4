import { expect, test } from "vitest";
import { Gate, RateLimit, sourceOf } from "../../../../targets/pi/enrollment/rate-limit.ts";

test("so many at once, then one per refill, to the millisecond", () => {
	let now = 0;
	const limit = new RateLimit({ attempts: 3, refillMs: 1000, maxKeys: 10, now: () => now });
	expect([1, 2, 3].map(() => limit.take("a"))).toEqual([0, 0, 0]);
	expect(limit.take("a")).toBe(1000);
	expect(limit.take("b")).toBe(0);
	now = 999;
	expect(limit.take("a")).toBe(1);
	now = 1000;
	expect(limit.take("a")).toBe(0);
	expect(limit.take("a")).toBe(1000);
	now = 1_000_000;
	expect([1, 2, 3].map(() => limit.take("a"))).toEqual([0, 0, 0]);
	expect(limit.take("a")).toBeGreaterThan(0);
	limit.giveBack("a");
	expect(limit.take("a")).toBe(0);
	limit.giveBack("never seen");
});

test("memory is bounded: the key seen longest ago is forgotten", () => {
	const limit = new RateLimit({ attempts: 1, refillMs: 1000, maxKeys: 3, now: () => 0 });
	for (const key of ["a", "b", "c"]) limit.take(key);
	expect(limit.take("a")).toBe(1000);
	limit.take("d");
	expect(limit.size).toBe(3);
	expect(limit.take("a")).toBe(1000);
	expect(limit.take("b")).toBe(0);
	for (let i = 0; i < 1000; i++) limit.take(`x${i}`);
	expect(limit.size).toBe(3);
});

test("what is one source", () => {
	expect(sourceOf("192.0.2.1")).toBe("192.0.2.1");
	expect(sourceOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
	expect(sourceOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
	expect(sourceOf("2001:db8:1:2::9")).toBe("2001:db8:1:2::/64");
	expect(sourceOf("fe80::1%eth0")).toBe("fe80:0:0:0::/64");
	expect(sourceOf("::1")).toBe("0:0:0:0::/64");
});

test("the gate lets some run, some wait, and refuses the rest", async () => {
	const gate = new Gate(2, 1);
	const open: (() => void)[] = [];
	let running = 0;
	let most = 0;
	const task = async (): Promise<string> => {
		most = Math.max(most, ++running);
		await new Promise<void>((resolve) => open.push(resolve));
		running--;
		return "done";
	};
	const three = [gate.run(task), gate.run(task), gate.run(task)];
	expect(await gate.run(task)).toBeUndefined();
	while (open.length > 0) {
		open.shift()?.();
		await new Promise((resolve) => setImmediate(resolve));
	}
	expect(await Promise.all(three)).toEqual(["done", "done", "done"]);
	expect(most).toBe(2);
	await expect(gate.run(() => Promise.reject(new Error("x")))).rejects.toThrow("x");
	const last = gate.run(task);
	open.shift()?.();
	expect(await last).toBe("done");
});
