/** The way of voice through network and jitter buffer, in virtual time: delay, loss, jitter, order, drift. */
import { describe, expect, test } from "vitest";
import { FRAME_SAMPLES } from "../../../core/media/frame.ts";
import { encodeMuLaw, PCMU, samplesOf } from "../../../core/media/g711.ts";
import { JitterBuffer, Put } from "../../../core/media/jitter-buffer.ts";
import { MAX_DELAY_MS, MIN_DELAY_MS, RING_SAMPLES } from "../../../core/media/limits.ts";
import { goertzel } from "../../support/tone.ts";
import { frameOf, oneWay, rms, seeded, stream } from "./support.ts";

const AMPLITUDE = 8_000;

/** A 200 Hz tone, continuous over the frames. */
function tone(frame: number): Int16Array {
	return frameOf((i) => Math.round(AMPLITUDE * Math.sin((2 * Math.PI * 200 * (frame * FRAME_SAMPLES + i)) / 8_000)));
}

/** Silence, and a click in one frame. */
function click(at: number): (frame: number) => Int16Array {
	return (frame) => frameOf((i) => (frame === at && i === 0 ? 20_000 : 0));
}

describe("mouth to ear", () => {
	test.each([0, 3, 7, 11, 15, 19])("on a LAN we add at most 80 ms (loudspeaker's phase %i ms)", (phase) => {
		let heardAt = -1;
		oneWay({
			ms: 3_000,
			network: { delay: () => 1 },
			voice: click(100),
			playoutPhaseMs: phase,
			heard: (frame, at) => {
				const i = frame.findIndex((sample) => sample > 10_000);
				if (i >= 0) heardAt = at + i / 8;
			},
		});
		// The click is at the mouth when frame 100 begins; the network's millisecond is not ours.
		const added = heardAt - 100 * 20 - 1;
		expect(added).toBeGreaterThanOrEqual(MIN_DELAY_MS);
		expect(added).toBeLessThanOrEqual(80);
	});
});

/** Share of frames in which the tone is heard with at least 70 % of its level, from `fromMs` on. */
function quality(
	network: { delay(packet: number, at: number): number; driftPpm?: number },
	ms = 20_000,
	fromMs = 1_000,
) {
	let frames = 0;
	let good = 0;
	let loudest = 0;
	let steepest = 0;
	let last: number | undefined;
	const receiver = oneWay({
		ms,
		network,
		voice: tone,
		heard: (frame, at) => {
			if (at < fromMs) return;
			frames++;
			if (rms(frame) > (0.7 * AMPLITUDE) / Math.SQRT2) good++;
			for (const sample of frame) {
				loudest = Math.max(loudest, Math.abs(sample));
				steepest = Math.max(steepest, Math.abs(sample - (last ?? sample)));
				last = sample;
			}
		},
	});
	return { good: good / frames, loudest, steepest, stats: receiver.stats() };
}

describe("loss", () => {
	test("none: every sample as it was, no click", () => {
		const { good, steepest, stats } = quality({ delay: () => 1 });
		expect(good).toBe(1);
		// The tone's own steepest slope is 1,253 a sample.
		expect(steepest).toBeLessThan(1_500);
		expect(stats).toMatchObject({ lostPackets: 0, latePackets: 0, concealedMs: 0 });
	});

	test("5 % at random: concealed without a click, counted", () => {
		const random = seeded(5);
		const { good, loudest, steepest, stats } = quality({ delay: () => (random() < 0.05 ? -1 : 1) });
		expect(good).toBeGreaterThan(0.99);
		expect(loudest).toBeLessThan(AMPLITUDE * 1.1);
		expect(steepest).toBeLessThan(3_000);
		expect(stats.lostPackets).toBeGreaterThan(30);
		expect(stats.concealedMs).toBe(stats.lostPackets * 20);
	});

	test("a second of nothing: fades out within 80 ms, voice comes back with the target's delay", () => {
		const loud: number[] = [];
		const receiver = oneWay({
			ms: 6_000,
			network: { delay: (_, at) => (at > 3_000 && at <= 4_000 ? -1 : 1) },
			voice: tone,
			heard: (frame, at) => {
				if (rms(frame) > 50) loud.push(at);
			},
		});
		const gap = loud.findIndex((at, i) => i > 0 && at - loud[i - 1]! > 500);
		expect(loud[gap - 1]! - 3_000).toBeLessThan(40 + 20 + 80);
		expect(loud[gap]! - 4_000).toBeLessThan(100);
		expect(receiver.stats().delayMs).toBeLessThanOrEqual(MIN_DELAY_MS + 10);
	});
});

describe("jitter", () => {
	test.each([10, 30, 60])("of up to %i ms: the delay follows, nearly nothing is lost", (most) => {
		const random = seeded(most);
		const { good, stats } = quality({ delay: () => random() * most }, 30_000, 5_000);
		expect(good).toBeGreaterThan(0.98);
		expect(stats.latePackets).toBeLessThan(30);
		expect(stats.delayMs).toBeGreaterThanOrEqual(MIN_DELAY_MS - 10);
		expect(stats.delayMs).toBeLessThanOrEqual(MAX_DELAY_MS + 10);
	});

	test("a burst of 100 ms once: the delay grows and comes back", () => {
		let atWorst = 0;
		const receiver = stream(2);
		oneWay({
			ms: 60_000,
			network: { delay: (_, at) => (at > 10_000 && at <= 10_100 ? 10_101 - at : 1) },
			voice: tone,
			heard: (_, at) => {
				if (at > 10_100 && at < 12_000) atWorst = Math.max(atWorst, receiver.stats().delayMs);
			},
			receiver,
		});
		expect(atWorst).toBeLessThanOrEqual(MAX_DELAY_MS + 20);
		expect(receiver.stats().delayMs).toBeLessThanOrEqual(MIN_DELAY_MS + 10);
		expect(receiver.stats().concealedMs).toBeLessThan(150);
	});

	test("reordered and doubled packets sound as if nothing had been", () => {
		const { good, steepest, stats } = quality({ delay: (packet) => (packet % 5 === 0 ? 22 : 1) });
		expect(good).toBe(1);
		expect(steepest).toBeLessThan(1_500);
		expect(stats.lostPackets).toBe(0);
	});
});

describe("drift", () => {
	test.each([200, -200, 2_000, -2_000])(
		"of %i ppm for a minute: the delay stays, nothing is heard of it",
		(driftPpm) => {
			const { good, loudest, stats } = quality({ delay: () => 1, driftPpm }, 60_000);
			expect(good).toBeGreaterThan(0.9995);
			expect(loudest).toBeLessThan(AMPLITUDE * 1.1);
			expect(stats.delayMs).toBeGreaterThan(MIN_DELAY_MS - 15);
			expect(stats.delayMs).toBeLessThan(MIN_DELAY_MS + 15);
			expect(stats.latePackets).toBe(0);
		},
	);

	test("the pitch stays", () => {
		const heard: number[] = [];
		oneWay({
			ms: 60_000,
			network: { delay: () => 1, driftPpm: 300 },
			voice: (frame) =>
				frameOf((i) => Math.round(AMPLITUDE * Math.sin((2 * Math.PI * 1_000 * (frame * FRAME_SAMPLES + i)) / 8_000))),
			heard: (frame, at) => {
				if (at > 55_000) heard.push(...frame);
			},
		});
		expect(goertzel(heard, 1_000, 8_000)).toBeGreaterThan(0.9);
	});
});

describe("talk spurts", () => {
	test("a sender that is silent between words: every spurt is heard whole", () => {
		let good = 0;
		// 400 ms of voice, 600 ms of nothing.
		const isPause = (frame: number): boolean => frame % 50 >= 20;
		oneWay({
			ms: 10_000,
			network: { delay: () => 1 },
			voice: tone,
			skip: isPause,
			heard: (frame) => {
				if (rms(frame) > (0.7 * AMPLITUDE) / Math.SQRT2) good++;
			},
		});
		expect(good).toBeGreaterThanOrEqual(10 * 20 - 10);
	});
});

describe("the ring", () => {
	const samples = samplesOf(PCMU);
	const payload = new Uint8Array(480).fill(encodeMuLaw(1_000));

	test("timestamps wrap", () => {
		const buffer = new JitterBuffer();
		const frame = new Int16Array(FRAME_SAMPLES);
		let played = 0;
		for (let i = 0; i < 60; i++) {
			expect(buffer.put(payload, 0, 160, samples, (0xffffffff - 30 * 160 + i * 160) | 0, i * 20)).toBe(Put.taken);
			buffer.take(frame, i * 20 + 5);
			if (frame[80]! > 900) played++;
		}
		expect(played).toBeGreaterThan(55);
		expect(buffer.starts).toBe(1);
	});

	test("a packet again, in whole or in part", () => {
		const buffer = new JitterBuffer();
		expect(buffer.put(payload, 0, 160, samples, 1_000, 0)).toBe(Put.taken);
		expect(buffer.put(payload, 0, 160, samples, 1_000, 1)).toBe(Put.duplicate);
		expect(buffer.put(payload, 0, 80, samples, 1_080, 1)).toBe(Put.duplicate);
	});

	test("timestamps that jump ahead or back: voice goes on, without waiting for the end of the ring", () => {
		for (const jump of [100_000, -100_000, 1_900, -1_900, 0x7fff0000]) {
			const buffer = new JitterBuffer();
			const frame = new Int16Array(FRAME_SAMPLES);
			let timestamp = 5_000;
			let silent = 0;
			for (let i = 0; i < 100; i++) {
				if (i === 50) timestamp += jump;
				buffer.put(payload, 0, 160, samples, timestamp | 0, i * 20);
				timestamp += 160;
				buffer.take(frame, i * 20 + 5);
				if (i > 50 && Math.abs(frame[80]!) < 500) silent++;
			}
			expect(silent, String(jump)).toBeLessThanOrEqual(8);
			expect(buffer.delayMs, String(jump)).toBeLessThan(MAX_DELAY_MS);
		}
	});

	test("a burst larger than the ring starts it anew", () => {
		const buffer = new JitterBuffer();
		for (let i = 0; i * 480 < 2 * RING_SAMPLES; i++) buffer.put(payload, 0, 480, samples, i * 480, 0);
		expect(buffer.starts).toBeGreaterThan(1);
		expect(buffer.delayMs).toBeLessThanOrEqual(MAX_DELAY_MS);
	});

	test.each([10, 30, 40, 60])("packets of %i ms", (ms) => {
		const buffer = new JitterBuffer();
		const frame = new Int16Array(FRAME_SAMPLES);
		let bad = 0;
		for (let now = 0, sent = 0; now < 4_000; now++) {
			if (now === (sent + 1) * ms) buffer.put(payload, 0, ms * 8, samples, sent++ * ms * 8, now);
			if (now % 20 !== 5) continue;
			buffer.take(frame, now);
			if (now > 200 && frame.some((sample) => sample < 900)) bad++;
		}
		expect(bad).toBe(0);
		expect(buffer.concealed).toBe(0);
	});
});
