import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReceiveWindow } from "../../../core/link/receive-window.ts";
import { RttEstimator } from "../../../core/link/rtt.ts";
import { SendBuffer } from "../../../core/link/send-buffer.ts";
import { SentFrames } from "../../../core/link/sent-frames.ts";
import { putAckFrame } from "../../../core/wire/framing.ts";
import { vector } from "./frames.ts";

describe("the received mask (RFC 6940 §6.6.2, D-4)", () => {
	function ack(order: readonly number[]): number {
		const window = new ReceiveWindow();
		let mask = 0;
		for (const sequence of order) mask = window.receive(sequence);
		return mask;
	}

	test("vector 29: nothing received before", () => {
		const frame = new Uint8Array(9);
		putAckFrame(frame, 0, 0, ack([0]));
		expect(frame).toEqual(vector("29-framed-ack"));
	});

	test("vector 30: 10 after 9, 7 and 6, without 8", () => {
		const frame = new Uint8Array(9);
		putAckFrame(frame, 0, 10, ack([6, 7, 9, 10]));
		expect(frame).toEqual(vector("30-framed-ack-bitmask"));
	});

	test("bit 0 is N-1 and bit 31 is N-32", () => {
		expect(ack([0, 1])).toBe(1);
		expect(ack([0, 32])).toBe(0x80000000);
		expect(ack([0, 33])).toBe(0);
		expect(ack(Array.from({ length: 40 }, (_, i) => i))).toBe(0xffffffff);
	});

	test("numbers wrap at 2^32", () => {
		expect(ack([0xfffffffe, 0xffffffff, 0])).toBe(3);
	});

	test("any order within 32 of the highest gives the mask of what was received", () => {
		fc.assert(
			fc.property(fc.nat(0xffffffff), fc.array(fc.nat(60), { minLength: 1, maxLength: 60 }), (base, steps) => {
				const window = new ReceiveWindow();
				const seen = new Set<number>();
				let top = -1;
				for (const step of steps) {
					const mask = window.receive((base + step) >>> 0);
					let expected = 0;
					for (let bit = 0; bit < 32; bit++) {
						const other = step - bit - 1;
						// Only the 32 numbers below the highest are remembered.
						if (seen.has(other) && other >= Math.max(top, step) - 32) expected |= 1 << bit;
					}
					if (top - step > 32) expected = 0;
					expect(mask).toBe(expected >>> 0);
					seen.add(step);
					top = Math.max(top, step);
				}
			}),
		);
	});
});

describe("RTT and RTO (RFC 6298 §2)", () => {
	test("before and after the first sample", () => {
		const rtt = new RttEstimator();
		expect(rtt.smoothedMs).toBe(-1);
		expect(rtt.rtoMs).toBe(1_000);
		rtt.sample(100);
		expect(rtt.smoothedMs).toBe(100);
		expect(rtt.rtoMs).toBe(300);
		rtt.sample(200);
		expect(rtt.smoothedMs).toBe(112.5);
		// RTTVAR = 3/4 * 50 + 1/4 * 100 = 62.5
		expect(rtt.rtoMs).toBe(Math.ceil(112.5 + 250));
	});

	test("a steady link settles at its round trip plus one millisecond, rounded up", () => {
		const rtt = new RttEstimator();
		for (let i = 0; i < 200; i++) rtt.sample(20);
		expect(rtt.rtoMs).toBe(21);
	});

	test("the bound is 60 s", () => {
		const rtt = new RttEstimator();
		rtt.sample(50_000);
		expect(rtt.rtoMs).toBe(60_000);
	});
});

describe("frames not acknowledged", () => {
	test("numbers start at 0 and count up; an ack covers what was sent before", () => {
		const sent = new SentFrames();
		expect([sent.add(10), sent.add(11), sent.add(12)]).toEqual([0, 1, 2]);
		expect(sent.oldestSentAt).toBe(10);
		expect(sent.acknowledge(1)).toBe(11);
		expect(sent.count).toBe(1);
		expect(sent.oldestSentAt).toBe(12);
		expect(sent.acknowledge(1)).toBe(-1);
		expect(sent.acknowledge(3)).toBe(-1);
		expect(sent.acknowledge(0)).toBe(-1);
		expect(sent.count).toBe(1);
	});

	test("numbers wrap at 2^32, also while the table grows", () => {
		const sent = new SentFrames(0xfffffff8);
		for (let i = 0; i < 100; i++) expect(sent.add(1_000 + i)).toBe((0xfffffff8 + i) >>> 0);
		expect(sent.acknowledge(0xffffffff)).toBe(1_007);
		expect(sent.oldestSentAt).toBe(1_008);
		expect(sent.acknowledge(50)).toBe(1_058);
		expect(sent.count).toBe(41);
	});

	test("agrees with a list, whatever is sent and acknowledged", () => {
		fc.assert(
			fc.property(fc.array(fc.oneof(fc.constant("send"), fc.nat(400)), { maxLength: 400 }), (steps) => {
				const sent = new SentFrames(0xffffff80);
				const model: { sequence: number; at: number }[] = [];
				let now = 0;
				for (const step of steps) {
					now++;
					if (step === "send") model.push({ sequence: sent.add(now), at: now });
					else {
						const sequence = (0xffffff80 + (step as number)) >>> 0;
						const index = model.findIndex((frame) => frame.sequence === sequence);
						expect(sent.acknowledge(sequence)).toBe(index < 0 ? -1 : model[index]!.at);
						if (index >= 0) model.splice(0, index + 1);
					}
					expect(sent.count).toBe(model.length);
					if (model.length > 0) expect(sent.oldestSentAt).toBe(model[0]!.at);
				}
			}),
		);
	});
});

describe("the output buffer", () => {
	function put(buffer: SendBuffer, octets: number, value: number): void {
		const at = buffer.room(octets);
		buffer.arena.fill(value, at, at + octets);
		buffer.advance(octets);
	}

	test("what was handed out is never changed by what follows", () => {
		const buffer = new SendBuffer(64);
		const taken: { bytes: Uint8Array; copy: Uint8Array }[] = [];
		for (let i = 1; i < 60; i++) {
			for (let n = 0; n < i % 4; n++) put(buffer, (i * 13) % 90, i);
			const bytes = buffer.take();
			if (bytes !== undefined) taken.push({ bytes, copy: bytes.slice() });
		}
		for (const { bytes, copy } of taken) expect(bytes).toEqual(copy);
	});

	test("the arena follows what is handed out: large under load, small again afterwards", () => {
		const buffer = new SendBuffer(65_536);
		const say = (octets: number, times: number): number => {
			for (let i = 0; i < times; i++) {
				put(buffer, octets, i);
				buffer.take();
			}
			return buffer.arena.length;
		};
		expect(say(100, 50)).toBe(2_048);
		expect(say(20_000, 10)).toBe(65_536);
		expect(say(100, 700)).toBe(2_048);
	});

	test("room that is not advanced over is not handed out", () => {
		const buffer = new SendBuffer(64);
		put(buffer, 10, 1);
		buffer.room(1_000);
		expect(buffer.waiting).toBe(10);
		expect(buffer.take()).toEqual(new Uint8Array(10).fill(1));
		expect(buffer.take()).toBeUndefined();
	});

	test("joins everything that waits, in order, whatever the sizes", () => {
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 1, max: 3_000 }), { maxLength: 30 }), (sizes) => {
				const buffer = new SendBuffer(2_048);
				for (const [i, size] of sizes.entries()) put(buffer, size, i + 1);
				const expected = sizes.flatMap((size, i) => new Array<number>(size).fill(i + 1));
				expect([...(buffer.take() ?? [])]).toEqual(expected);
			}),
		);
	});
});
