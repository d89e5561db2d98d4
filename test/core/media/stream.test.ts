/** A call's audio from the outside: who is believed, what is counted, digits, tones, mute, RTCP. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FRAME_SAMPLES } from "../../../core/media/frame.ts";
import { silenceOf } from "../../../core/media/g711.ts";
import {
	MAX_DATAGRAMS_PER_FRAME,
	MAX_DIGITS,
	MAX_EVENTS,
	MAX_FOREIGN_TRIES,
	SILENT_MS,
} from "../../../core/media/limits.ts";
import { writeRtpHeader } from "../../../core/media/rtp.ts";
import type { AudioStream, MediaEvent } from "../../../core/media/stream.ts";
import { goertzel } from "../../support/tone.ts";
import { frameOf, KEY_A, KEY_B, media, oneWay, rms, stream } from "./support.ts";

const A = "192.0.2.1";

/** An RTP packet of 160 octets of mu-law silence. */
function rtp(sequence: number, options: { ssrc?: number; type?: number; timestamp?: number } = {}): Uint8Array {
	const bytes = new Uint8Array(172).fill(silenceOf(0));
	const { ssrc = 77, type = 0, timestamp = sequence * 160 } = options;
	writeRtpHeader(bytes, type, false, sequence, timestamp, ssrc);
	return bytes;
}

function eventPacket(
	sequence: number,
	timestamp: number,
	code: number,
	duration: number,
	isEnd = false,
	isMarked = false,
) {
	const bytes = new Uint8Array(16);
	writeRtpHeader(bytes, 101, isMarked, sequence, timestamp, 77);
	bytes.set([code, isEnd ? 0x8a : 0x0a, duration >> 8, duration & 255], 12);
	return bytes;
}

function events(of: AudioStream): MediaEvent[] {
	const all: MediaEvent[] = [];
	for (let event = of.pollEvent(); event !== undefined; event = of.pollEvent()) all.push(event);
	return all;
}

function listening(overrides = {}): AudioStream {
	const one = stream(2);
	one.configure(media({ address: A, port: 5_000, rtcpPort: 5_001, ...overrides }), 0);
	return one;
}

describe("whose packets count", () => {
	test("those from where the other end said, from the first on", () => {
		const one = listening();
		one.receive(rtp(1), A, 5_000, 10);
		expect(events(one)).toEqual([{ type: "heard" }]);
		expect(one.stats().receivedPackets).toBe(1);
	});

	test("another port of the same address takes over by two packets in sequence, once, before anything else came", () => {
		const one = listening();
		one.receive(rtp(1), A, 5_008, 10);
		expect([one.remotePort, one.stats().refused.unproven]).toEqual([5_000, 1]);
		one.receive(rtp(2), A, 5_008, 30);
		expect(events(one)).toEqual([{ type: "heard" }, { type: "latched", address: A, port: 5_008 }]);
		expect(one.remotePort).toBe(5_008);
		one.receive(rtp(3), A, 5_000, 50);
		one.receive(rtp(4), A, 5_000, 50);
		expect([one.remotePort, one.stats().refused.foreign]).toEqual([5_008, 2]);
	});

	test("another address never does in the clear; nobody does after the right one was heard", () => {
		const one = listening();
		for (let i = 0; i < 5; i++) one.receive(rtp(i), "192.0.2.66", 5_000, 10);
		expect([one.remoteAddress, one.stats().refused.foreign]).toEqual([A, 5]);
		one.receive(rtp(1), A, 5_000, 40);
		for (let i = 0; i < 5; i++) one.receive(rtp(100 + i), A, 5_004, 60);
		expect([one.remotePort, one.stats().refused.foreign]).toEqual([5_000, 10]);
	});

	test("with SRTP any place takes over by an authentic packet, and strangers are not tried for ever", () => {
		const far = stream(1);
		far.configure(media({ sendKey: KEY_A, receiveKey: KEY_B }), 0);
		const one = listening({ sendKey: KEY_B, receiveKey: KEY_A });
		for (let i = 0; i < 3 * MAX_FOREIGN_TRIES; i++) one.receive(rtp(i), "192.0.2.66", 9, i * 20);
		expect(one.stats().refused).toMatchObject({ notAuthentic: MAX_FOREIGN_TRIES, foreign: 2 * MAX_FOREIGN_TRIES });
		one.configure(media({ address: A, port: 5_002, sendKey: KEY_B, receiveKey: KEY_A }), 9_000);
		const packet = far.capture(
			frameOf(() => 500),
			9_000,
		);
		one.receive(packet!.slice(), "198.51.100.7", 40_000, 9_000);
		expect(events(one)).toContainEqual({ type: "latched", address: "198.51.100.7", port: 40_000 });
		one.receive(packet!.slice(), "198.51.100.7", 40_000, 9_001);
		expect(one.stats().refused.replayed).toBe(1);
	});

	test("packets in the clear are nothing in a secured call", () => {
		const one = listening({ sendKey: KEY_B, receiveKey: KEY_A });
		one.receive(rtp(1), A, 5_000, 10);
		expect(one.stats()).toMatchObject({ receivedPackets: 0, refused: { notAuthentic: 1 } });
	});

	test("another SSRC needs two packets in sequence", () => {
		const one = listening();
		one.receive(rtp(1), A, 5_000, 10);
		one.receive(rtp(900, { ssrc: 5 }), A, 5_000, 30);
		one.receive(rtp(2), A, 5_000, 31);
		expect(one.stats()).toMatchObject({ receivedPackets: 2, refused: { unproven: 1 } });
		one.receive(rtp(901, { ssrc: 5 }), A, 5_000, 50);
		one.receive(rtp(902, { ssrc: 5 }), A, 5_000, 70);
		expect(one.stats()).toMatchObject({ receivedPackets: 2, lostPackets: 0 });
	});

	test("unknown payload types, and what is no RTP", () => {
		const one = listening();
		one.receive(rtp(1, { type: 96 }), A, 5_000, 10);
		one.receive(new Uint8Array(3), A, 5_000, 10);
		one.receive(new Uint8Array(1_501).fill(0x80), A, 5_000, 10);
		one.receive(new Uint8Array(600).fill(0x80).fill(0, 1, 2), A, 5_000, 10);
		expect(one.stats().refused).toMatchObject({ payloadType: 1, invalid: 3 });
	});

	test("a flood is counted and not looked at; voice of the next frame passes", () => {
		const one = listening();
		for (let i = 0; i < 1_000; i++) one.receive(rtp(i), A, 5_000, 10);
		expect(one.stats()).toMatchObject({
			receivedPackets: MAX_DATAGRAMS_PER_FRAME,
			refused: { flood: 1_000 - MAX_DATAGRAMS_PER_FRAME },
		});
		one.receive(rtp(1_000), A, 5_000, 30);
		expect(one.stats().receivedPackets).toBe(MAX_DATAGRAMS_PER_FRAME + 1);
	});

	test("any octets from anywhere", () => {
		const plain = listening();
		const secure = listening({ sendKey: KEY_B, receiveKey: KEY_A });
		const frame = new Int16Array(FRAME_SAMPLES);
		let now = 0;
		const header = fc.tuple(fc.constant(0x80), fc.constantFrom(0, 8, 13, 101, 0xe5, 200, 201, 203));
		fc.assert(
			fc.property(fc.option(header), fc.uint8Array({ maxLength: 300 }), fc.nat(1), (begin, rest, port) => {
				now += 20;
				const bytes = Uint8Array.from([...(begin ?? []), ...rest]);
				for (const one of [plain, secure]) {
					one.receive(bytes.slice(), A, 5_000 + port, now);
					one.playout(frame, now);
					events(one);
				}
			}),
			{ numRuns: 2_000 },
		);
	});
});

describe("digits that come in", () => {
	function pressed(packets: (readonly [at: number, bytes: Uint8Array])[]): MediaEvent[] {
		const one = listening();
		const frame = new Int16Array(FRAME_SAMPLES);
		for (const [at, bytes] of packets) {
			one.receive(bytes, A, 5_000, at);
			one.playout(frame, at);
		}
		one.playout(frame, (packets[packets.length - 1]?.[0] ?? 0) + 300);
		return events(one);
	}

	test("begin, updates, three ends: one digit", () => {
		const packets = [1, 2, 3, 4, 5].map((i) => [i * 20, eventPacket(i, 1_000, 5, i * 160, i >= 5, i === 1)] as const);
		const ends = [6, 7].map((i) => [i * 20, eventPacket(i, 1_000, 5, 800, true)] as const);
		expect(pressed([...packets, ...ends])).toEqual([
			{ type: "digit", digit: "5" },
			{ type: "digitEnd", digit: "5", durationMs: 100 },
		]);
	});

	test("only an end came", () => {
		expect(pressed([[20, eventPacket(1, 1_000, 11, 800, true)]])).toEqual([
			{ type: "digit", digit: "#" },
			{ type: "digitEnd", digit: "#", durationMs: 100 },
		]);
	});

	test("all ends were lost: over after a quarter of a second, or by the next digit", () => {
		expect(pressed([[20, eventPacket(1, 1_000, 1, 160)]])).toEqual([
			{ type: "digit", digit: "1" },
			{ type: "digitEnd", digit: "1", durationMs: 20 },
		]);
		const next = [
			[20, eventPacket(1, 1_000, 1, 160)],
			[80, eventPacket(9, 3_000, 1, 800, true, true)],
		] as const;
		expect(pressed([...next]).filter(({ type }) => type === "digit")).toHaveLength(2);
	});

	test("ends that come again later, after the next digit", () => {
		const packets = [
			[20, eventPacket(1, 1_000, 1, 800, true)],
			[40, eventPacket(4, 2_000, 2, 800, true)],
			[60, eventPacket(2, 1_000, 1, 800, true)],
			[80, eventPacket(3, 1_000, 1, 800, true)],
		] as const;
		expect(pressed([...packets]).filter(({ type }) => type === "digit")).toEqual([
			{ type: "digit", digit: "1" },
			{ type: "digit", digit: "2" },
		]);
	});

	test("a key held for longer than a duration can say, and a phone that gives each update a new timestamp: one digit", () => {
		const held = [
			[20, eventPacket(1, 1_000, 3, 0xffff, false, true)],
			[40, eventPacket(2, 1_000 + 0xffff, 3, 160)],
			[60, eventPacket(3, 1_000 + 0xffff, 3, 320, true)],
		] as const;
		expect(pressed([...held])).toEqual([
			{ type: "digit", digit: "3" },
			{ type: "digitEnd", digit: "3", durationMs: (0xffff + 320) / 8 },
		]);
		const odd = [1, 2, 3, 4].map((i) => [i * 20, eventPacket(i, i * 160, 4, 160, i === 4, i === 1)] as const);
		expect(pressed([...odd]).filter(({ type }) => type === "digit")).toHaveLength(1);
	});

	test("any order, any losses: each of five digits at most once, and in order", () => {
		const all = [1, 2, 3, 4, 5].flatMap((digit) =>
			[1, 2, 3, 4, 5, 6].map((i) =>
				eventPacket(digit * 6 + i, digit * 2_000, digit, Math.min(i, 4) * 160, i >= 4, i === 1),
			),
		);
		fc.assert(
			fc.property(fc.subarray(all), fc.infiniteStream(fc.nat(3)), (some, jitter) => {
				const order = some.map((bytes, i) => ({ at: i * 20 + (jitter.next().value ?? 0) * 20, bytes }));
				order.sort((a, b) => a.at - b.at);
				const digits = pressed(order.map(({ at, bytes }) => [at, bytes] as const)).flatMap((event) =>
					event.type === "digit" ? [event.digit] : [],
				);
				expect(new Set(digits).size).toBe(digits.length);
				expect([...digits].sort()).toEqual(digits);
			}),
		);
	});

	test("another payload type than ours goes out", () => {
		const one = listening({ telephoneEvent: 97, telephoneEventIn: 101 });
		one.receive(eventPacket(1, 1_000, 7, 800, true), A, 5_000, 20);
		expect(events(one)[0]).toEqual({ type: "digit", digit: "7" });
		one.sendDigit("1");
		expect(one.capture(new Int16Array(FRAME_SAMPLES), 20)?.[1]).toBe(97 | 0x80);
	});

	test("events nobody takes: the first ones stay, the rest is counted", () => {
		const one = listening();
		for (let i = 0; i < 40; i++) one.receive(eventPacket(i, i * 2_000, 1, 800, true, true), A, 5_000, i * 20);
		expect(one.stats().lostEvents).toBe(80 - MAX_EVENTS);
		expect(events(one)).toHaveLength(MAX_EVENTS);
	});
});

test("digits that go out: begin with the marker, 100 ms, three ends, a pause; heard by another stream", () => {
	const one = stream(1);
	one.configure(media(), 0);
	const other = listening();
	for (const digit of "12") expect(one.sendDigit(digit)).toBe(true);
	expect(one.sendDigit("x")).toBe(false);
	const sent: string[] = [];
	for (let i = 1; i <= 24; i++) {
		const packet = one.capture(
			frameOf(() => 0),
			i * 20,
		)!;
		other.receive(packet.slice(), A, 5_000, i * 20);
		const isEnd = packet.length === 16 && packet[13]! >= 0x80;
		sent.push(packet.length === 16 ? (packet[1]! >= 0x80 ? "M" : isEnd ? "E" : "e") : "v");
	}
	expect(sent.join("")).toBe("MeeeEEEvvvMeeeEEEvvvvvvv");
	const digits = events(other).filter(({ type }) => type !== "heard");
	expect(digits.map((event) => (event.type === "digit" ? event.digit : event.type))).toEqual([
		"1",
		"digitEnd",
		"2",
		"digitEnd",
	]);
	for (let i = 0; i < MAX_DIGITS; i++) expect(one.sendDigit("0")).toBe(true);
	expect(one.sendDigit("0")).toBe(false);
	one.configure(media({ telephoneEvent: -1 }), 500);
	expect(one.sendDigit("0")).toBe(false);
});

describe("what we send", () => {
	test("nothing before the answer, without a port, or when the direction forbids it; then a marker and the right time", () => {
		const one = stream(1);
		const loud = () => frameOf(() => 5_000);
		expect(one.capture(loud(), 20)).toBeUndefined();
		one.configure(media({ direction: "recvonly" }), 20);
		expect(one.capture(loud(), 40)).toBeUndefined();
		one.configure(media({ port: 0 }), 40);
		expect(one.capture(loud(), 60)).toBeUndefined();
		one.configure(media({ direction: "sendonly", payloadType: 8 }), 60);
		const first = one.capture(loud(), 80)!.slice();
		const second = one.capture(loud(), 100)!.slice();
		const view = (bytes: Uint8Array) => new DataView(bytes.buffer);
		expect([first[1], second[1]]).toEqual([0x88, 0x08]);
		expect(view(second).getUint32(4) - view(first).getUint32(4)).toBe(160);
		expect(view(second).getUint16(2) - view(first).getUint16(2)).toBe(1);
		const later = one.capture(loud(), 2_100)!;
		expect(later[1]).toBe(0x88);
		expect(view(later.slice()).getUint32(4) - view(second).getUint32(4)).toBe(2_000 * 8);
	});

	test("muted: silence, but a tone for the other end is still heard there", () => {
		const one = stream(1);
		one.configure(media(), 0);
		one.setMuted(true);
		const packet = one.capture(
			frameOf(() => 9_000),
			20,
		)!;
		expect([...packet.subarray(12)]).toEqual(new Array(160).fill(silenceOf(0)));
		expect(one.inputLevel).toBeGreaterThan(50);
		one.playTone("warning", "far");
		expect(
			[
				...one
					.capture(
						frameOf(() => 9_000),
						40,
					)!
					.subarray(60),
			].some((octet) => octet !== silenceOf(0)),
		).toBe(true);
	});

	test("1 kHz from mouth to ear, by SRTP", () => {
		const heard: number[] = [];
		const receiver = stream(2);
		receiver.setMuted(true);
		oneWay({
			ms: 3_000,
			network: { delay: () => 2 },
			receiver,
			voice: (frame) => frameOf((i) => 8_000 * Math.sin((2 * Math.PI * (frame * FRAME_SAMPLES + i)) / 8)),
			heard: (frame) => heard.push(...frame),
		});
		expect(goertzel(heard.slice(4_000), 1_000, 8_000)).toBeGreaterThan(0.98);
		expect(receiver.outputLevel).toBeGreaterThan(70);
	});
});

test("the same keys again keep their counters; new ones begin anew", () => {
	const far = stream(1);
	const one = listening({ sendKey: KEY_B, receiveKey: KEY_A });
	const heard = (now: number): number => {
		one.receive(
			far
				.capture(
					frameOf(() => 1_000),
					now,
				)!
				.slice(),
			A,
			5_000,
			now,
		);
		return one.stats().receivedPackets;
	};
	far.configure(media({ sendKey: KEY_A, receiveKey: KEY_B }), 0);
	expect(heard(20)).toBe(1);
	const kept = far
		.capture(
			frameOf(() => 1_000),
			40,
		)!
		.slice();
	one.receive(kept.slice(), A, 5_000, 40);
	one.configure(media({ address: A, port: 5_000, sendKey: KEY_B.slice(), receiveKey: KEY_A.slice() }), 50);
	one.receive(kept.slice(), A, 5_000, 60);
	expect(one.stats().refused.replayed).toBe(1);
	one.configure(media({ address: A, port: 5_000, sendKey: KEY_B, receiveKey: KEY_B }), 80);
	expect(heard(100)).toBe(2);
	expect(one.stats().refused.notAuthentic).toBe(1);
	far.configure(media({ sendKey: KEY_B, receiveKey: KEY_A }), 110);
	expect(heard(120)).toBe(3);
});

test("silence is told once, and once more after something came", () => {
	const one = listening();
	const frame = new Int16Array(FRAME_SAMPLES);
	const tick = (from: number, to: number): void => {
		for (let now = from; now <= to; now += 20) one.playout(frame, now);
	};
	tick(0, SILENT_MS - 20);
	expect(events(one)).toEqual([]);
	tick(SILENT_MS, 2 * SILENT_MS);
	expect(events(one)).toEqual([{ type: "silent", forMs: SILENT_MS }]);
	one.receive(rtp(1), A, 5_000, 20_000);
	tick(20_000, 40_000);
	expect(events(one)).toEqual([{ type: "heard" }, { type: "silent", forMs: SILENT_MS }]);
});

describe("RTCP", () => {
	/** Two streams that call each other for a while, each way 30 ms. */
	function call(secured: boolean, ms = 20_000) {
		const keys = secured
			? [
					{ sendKey: KEY_A, receiveKey: KEY_B },
					{ sendKey: KEY_B, receiveKey: KEY_A },
				]
			: [{}, {}];
		const a = stream(1);
		const b = stream(2);
		a.configure(media({ address: "192.0.2.2", port: 4_000, rtcpPort: 4_001, ...keys[0] }), 0);
		b.configure(media({ address: A, port: 5_000, rtcpPort: 5_001, ...keys[1] }), 0);
		const flying: { at: number; to: AudioStream; from: string; port: number; bytes: Uint8Array }[] = [];
		const frame = new Int16Array(FRAME_SAMPLES);
		const reports: Uint8Array[] = [];
		for (let now = 20; now < ms; now += 10) {
			for (const [one, to, from, port] of [
				[a, b, A, 5_000],
				[b, a, "192.0.2.2", 4_000],
			] as const) {
				const put = (bytes: Uint8Array | undefined, ofPort: number): void => {
					if (bytes !== undefined) flying.push({ at: now + 30, to, from, port: ofPort, bytes: bytes.slice() });
				};
				if (now % 20 === 0) {
					const bytes = one.capture(
						frameOf((i) => i * 10),
						now,
					);
					if (!(one === a && now % 100 === 0)) put(bytes, port);
					one.playout(frame, now);
				}
				const report = one.pollRtcp(now);
				if (report !== undefined) reports.push(report);
				put(report, port + 1);
			}
			while (flying[0] !== undefined && flying[0].at <= now) {
				const { to, from, port, bytes } = flying.shift()!;
				to.receive(bytes, from, port, now);
			}
		}
		return { a, b, reports };
	}

	test.each([false, true])("loss, jitter and round trip of both (secured: %s)", (secured) => {
		const { a, b, reports } = call(secured);
		expect(reports.length).toBeGreaterThanOrEqual(6);
		expect(reports.length).toBeLessThanOrEqual(18);
		// A report waits at most 10 ms for the tick of this test.
		for (const one of [a, b]) {
			expect(one.stats().rttMs).toBeGreaterThanOrEqual(58);
			expect(one.stats().rttMs).toBeLessThanOrEqual(80);
		}
		expect(a.stats().remoteLoss).toBeGreaterThan(0.15);
		expect(a.stats().remoteLoss).toBeLessThan(0.25);
		expect(b.stats().lostPackets).toBeGreaterThan(150);
		expect(a.stats().lostPackets).toBe(0);
		expect(b.stats().refused).toMatchObject({ invalid: 0, notAuthentic: 0, replayed: 0 });
	});

	test("BYE is told; not from another address", () => {
		const { a, b } = call(false, 2_000);
		events(b);
		b.receive(a.bye(2_000)!.slice(), "192.0.2.66", 5_001, 2_000);
		expect(events(b)).toEqual([]);
		b.receive(a.bye(2_000)!.slice(), A, 5_001, 2_000);
		expect(events(b)).toEqual([{ type: "bye" }]);
	});

	test("where there is no port, there are no reports", () => {
		const one = listening({ rtcpPort: 0 });
		expect([one.deadline(), one.pollRtcp(1e9), one.bye(0)]).toEqual([Infinity, undefined, undefined]);
		expect(listening({ rtcpPort: 5_000 }).remoteRtcpPort).toBe(5_000);
	});
});

describe("tones", () => {
	test.each([
		["tone1kHz", 1_000, 0],
		["ringback", 425, 0],
		["busy", 425, 0],
		["privacy", 880, 320],
		["warning", 1_400, 720],
	] as const)("%s", (name, frequencyHz, endsAfterMs) => {
		const one = listening();
		const frame = new Int16Array(FRAME_SAMPLES);
		const heard: number[] = [];
		one.playTone(name, "near");
		for (let i = 0; i < 50; i++) {
			if (endsAfterMs > 0 && i === endsAfterMs / 20) expect(one.isTonePlaying).toBe(false);
			one.playout(frame, i * 20);
			heard.push(...frame);
		}
		expect(goertzel(heard.slice(0, 800), frequencyHz, 8_000)).toBeGreaterThan(0.9);
		expect(one.isTonePlaying).toBe(endsAfterMs === 0);
		one.stopTone();
		one.playout(frame, 2_000);
		expect(rms(frame)).toBe(0);
	});
});
