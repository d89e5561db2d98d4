import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEVICE_LINK_LIMITS, HELD_ACKS, LINK_LIMITS, type LinkLimits } from "../../../core/link/limits.ts";
import { Link } from "../../../core/link/link.ts";
import { CloseReason, type LinkOutput } from "../../../core/link/link-machine.ts";
import { HOUSE_PROFILE, RFC_PROFILE } from "../../../core/overlay/profile.ts";
import { toHex } from "../../../core/wire/bytes.ts";
import {
	ackFrame,
	dataFrame,
	drain,
	joined,
	MAX,
	message,
	messages,
	newLink,
	TIMERS,
	transmitted,
	types,
	vector,
} from "./frames.ts";

const { linkIdleMs: IDLE, linkSuspectMs: SUSPECT, linkDeadMs: DEAD } = TIMERS;

/** Gives octets to a link at `now` and returns what comes out. */
function receive(link: Link, bytes: Uint8Array, now: number): LinkOutput[] {
	link.handle({ type: "bytes", bytes }, now);
	return drain(link);
}

function timeout(link: Link, now: number): LinkOutput[] {
	link.handle({ type: "timeout" }, now);
	return drain(link);
}

describe("frames and acks (RFC 6940 §6.6.2)", () => {
	test("messages go out as data frames numbered from 0, all of a drain in one transmit", () => {
		const link = newLink();
		expect(link.sendMessage(message(40, 1), 0)).toBe(true);
		expect(link.sendMessage(message(50, 2), 0)).toBe(true);
		const outputs = drain(link);
		expect(types(outputs)).toEqual(["transmit"]);
		expect(transmitted(outputs)).toEqual(joined(dataFrame(0, message(40, 1)), dataFrame(1, message(50, 2))));
		expect(drain(link)).toEqual([]);
	});

	test("vector 28 in gives its message and the ack of vector 29", () => {
		const outputs = receive(newLink(), vector("28-framed-data"), 0);
		expect(types(outputs)).toEqual(["message", "transmit"]);
		expect(toHex(messages(outputs)[0]!)).toBe(toHex(vector("01-ping-req")));
		expect(transmitted(outputs)).toEqual(vector("29-framed-ack"));
	});

	test("vector 30: frame 10 after 9, 7 and 6", () => {
		const link = newLink();
		const sent = [6, 7, 9, 10].map((sequence) => transmitted(receive(link, dataFrame(sequence, message(38)), 0)));
		expect(sent[3]).toEqual(vector("30-framed-ack-bitmask"));
	});

	test("every data frame is acknowledged at once, in order, in front of what is sent because of it", () => {
		const link = newLink();
		link.handle({ type: "bytes", bytes: joined(dataFrame(0, message(38)), dataFrame(1, message(38))) }, 0);
		while (link.next()) link.sendMessage(message(40), 0);
		expect(transmitted(drain(link))).toEqual(
			joined(ackFrame(0), dataFrame(0, message(40)), ackFrame(1, 1), dataFrame(1, message(40))),
		);
	});

	describe("acks that wait for a message to travel with (ackHoldMs)", () => {
		const holding = () => new Link({ maxMessageSize: MAX, timers: { ...TIMERS, ackHoldMs: 5 }, now: 0 });

		test("held, due after ackHoldMs to the millisecond, then alone", () => {
			const link = holding();
			expect(types(receive(link, dataFrame(0, message(38)), 100))).toEqual(["message"]);
			expect([link.heldUntil, link.deadline(), link.watchDeadline()]).toEqual([105, 105, 100 + IDLE]);
			expect(timeout(link, 104)).toEqual([]);
			expect(transmitted(timeout(link, 105))).toEqual(ackFrame(0));
			expect([link.heldUntil, link.deadline()]).toEqual([Infinity, 100 + IDLE]);
		});

		test("a message takes them along, in the order in which they were written", () => {
			const link = holding();
			receive(link, dataFrame(0, message(38)), 100);
			receive(link, dataFrame(1, message(38)), 103);
			expect(link.heldUntil).toBe(105);
			link.sendMessage(message(40), 104);
			expect(transmitted(drain(link))).toEqual(joined(ackFrame(0), ackFrame(1, 1), dataFrame(0, message(40))));
			expect(link.heldUntil).toBe(Infinity);
			receive(link, dataFrame(2, message(38)), 110);
			expect(link.heldUntil).toBe(115);
		});

		test("with one more than HELD_ACKS they go at once", () => {
			const link = holding();
			for (let i = 0; i < HELD_ACKS; i++) {
				expect(types(receive(link, dataFrame(i, message(38)), 0))).toEqual(["message"]);
			}
			const outputs = receive(link, dataFrame(HELD_ACKS, message(38)), 0);
			expect(transmitted(outputs).length).toBe((HELD_ACKS + 1) * 9);
		});

		test("the end of the transport, and a close of our own, hold nothing", () => {
			const ended = holding();
			receive(ended, dataFrame(0, message(38)), 0);
			ended.handle({ type: "ended" }, 1);
			expect([ended.heldUntil, ended.deadline()]).toEqual([Infinity, Infinity]);
			const lost = holding();
			const outputs = receive(lost, joined(dataFrame(0, message(38)), new Uint8Array(9).fill(7)), 0);
			expect(types(outputs)).toEqual(["message", "transmit", "close"]);
			expect(lost.deadline()).toBe(Infinity);
		});
	});

	test("pulling gives places without copies, polling the same messages as outputs", () => {
		const chunk = joined(dataFrame(0, message(100, 1)), ackFrame(9), dataFrame(1, message(200, 2)));
		const pulled: string[] = [];
		const link = newLink();
		link.handle({ type: "bytes", bytes: chunk }, 0);
		while (link.next()) {
			expect(link.chunk).toBe(chunk);
			pulled.push(toHex(link.chunk.subarray(link.messageAt, link.messageAt + link.messageLength)));
		}
		expect(pulled).toEqual(messages(receive(newLink(), chunk, 0)).map(toHex));
		expect(link.nextMessage()).toBeUndefined();
	});

	test("reserve and commit write a frame in place; fewer octets than reserved are fine, more are our own bug", () => {
		const link = newLink();
		const at = link.reserve(100);
		link.out.set(message(60, 5), at);
		expect(link.commit(60, 0)).toBe(true);
		link.reserve(100);
		expect(link.sendMessage(message(50, 6), 0)).toBe(true);
		expect(transmitted(drain(link))).toEqual(joined(dataFrame(0, message(60, 5)), dataFrame(1, message(50, 6))));
		link.reserve(100);
		expect(() => link.commit(101, 0)).toThrow(RangeError);
		expect(() => newLink().commit(38, 0)).toThrow(RangeError);
		expect(() => link.sendMessage(message(38).subarray(0, 37), 0)).toThrow(RangeError);
	});

	test("what was transmitted is not changed by later messages", () => {
		const link = newLink();
		const taken: [Uint8Array, Uint8Array][] = [];
		for (let i = 0; i < 200; i++) {
			link.sendMessage(message(38 + ((i * 37) % 900), i), i);
			for (const output of drain(link)) {
				if (output.type === "transmit") taken.push([output.bytes, output.bytes.slice()]);
			}
			link.handle({ type: "drained" }, i);
		}
		for (const [bytes, copy] of taken) expect(bytes).toEqual(copy);
	});

	test("counters", () => {
		const link = newLink();
		link.sendMessage(message(40), 0);
		drain(link);
		receive(link, joined(ackFrame(0), ackFrame(0), ackFrame(77), dataFrame(0, message(38))), 5);
		expect(link.counters).toEqual({
			dataIn: 1,
			dataOut: 1,
			acksIn: 3,
			acksOut: 1,
			octetsIn: 27 + 46,
			octetsOut: 48 + 9,
			acksDropped: 0,
			acksStray: 2,
			refused: 0,
			suspects: 0,
		});
		expect(link.rttMs).toBe(5);
	});
});

describe("ok, suspect, dead (RFC 6940 §6.6.5)", () => {
	test("suspect at the exact millisecond, dead at the exact millisecond after it", () => {
		const link = newLink();
		link.sendMessage(message(40), 100);
		drain(link);
		expect(link.deadline()).toBe(100 + SUSPECT);
		expect(timeout(link, 100 + SUSPECT - 1)).toEqual([]);
		expect(link.isSuspect).toBe(false);
		expect(timeout(link, 100 + SUSPECT)).toEqual([{ type: "suspect", unacknowledgedMs: SUSPECT }]);
		expect(link.isSuspect).toBe(true);
		expect(link.deadline()).toBe(100 + SUSPECT + DEAD);
		expect(timeout(link, 100 + SUSPECT + DEAD - 1)).toEqual([]);
		expect(timeout(link, 100 + SUSPECT + DEAD)).toEqual([
			{ type: "dead" },
			{ type: "close", reason: CloseReason.unacknowledged },
		]);
		expect(link.isClosed).toBe(true);
		expect(link.deadline()).toBe(Infinity);
	});

	test("acks that resume give ok, and the story can begin again", () => {
		const link = newLink();
		link.sendMessage(message(40), 0);
		drain(link);
		expect(types(timeout(link, SUSPECT))).toEqual(["suspect"]);
		expect(types(receive(link, ackFrame(0), SUSPECT + 500))).toEqual(["ok"]);
		expect(link.deadline()).toBe(SUSPECT + 500 + IDLE);
		link.sendMessage(message(40), 4_000);
		drain(link);
		// The one round trip measured was 2,500 ms: by RFC 6298 the patience has grown beyond linkSuspectMs.
		expect(link.deadline()).toBe(4_000 + link.rtoMs);
		expect(link.rtoMs).toBe(2_500 + 4 * 1_250);
		expect(types(timeout(link, 4_000 + link.rtoMs))).toEqual(["suspect"]);
		expect(link.counters.suspects).toBe(2);
	});

	test("suspect and ok between two polls cancel out", () => {
		const link = newLink();
		link.sendMessage(message(40), 0);
		drain(link);
		link.handle({ type: "timeout" }, SUSPECT);
		expect(types(receive(link, ackFrame(0), SUSPECT + 1))).toEqual([]);
	});

	test("RFC 6298 §5.3: each ack starts the wait again, a slow link with acks is not suspect", () => {
		const link = newLink();
		for (let i = 0; i < 10; i++) link.sendMessage(message(40), i);
		drain(link);
		// The ack of frame 0 comes in time; the nine others are older than linkSuspectMs when the next one comes.
		expect(receive(link, ackFrame(0), SUSPECT - 1)).toEqual([]);
		const patience = link.rtoMs;
		expect(link.deadline()).toBe(SUSPECT - 1 + patience);
		expect(timeout(link, SUSPECT + 10)).toEqual([]);
		expect(types(timeout(link, SUSPECT - 1 + patience))).toEqual(["suspect"]);
	});

	test("lost acks: an ack covers all frames before it, since the stream is in order", () => {
		const link = newLink();
		for (let i = 0; i < 10; i++) link.sendMessage(message(40), i);
		drain(link);
		receive(link, ackFrame(9), 20);
		expect(link.deadline()).toBe(20 + IDLE);
	});

	test("lost acks: the last one missing makes the link suspect although the others came", () => {
		const link = newLink();
		for (let i = 0; i < 10; i++) link.sendMessage(message(40), 0);
		drain(link);
		receive(link, joined(...Array.from({ length: 9 }, (_, i) => ackFrame(i))), 20);
		expect(timeout(link, 20 + SUSPECT - 1)).toEqual([]);
		expect(types(timeout(link, 20 + SUSPECT))).toEqual(["suspect"]);
	});

	test("stray acks do not keep a link alive", () => {
		const link = newLink();
		link.sendMessage(message(40), 0);
		drain(link);
		receive(link, joined(ackFrame(1), ackFrame(0xffffffff)), SUSPECT - 1);
		expect(types(timeout(link, SUSPECT))).toEqual(["suspect"]);
		expect(types(receive(link, ackFrame(5), SUSPECT + 1))).toEqual([]);
	});

	test("a host that slept through both times gets suspect first, not dead", () => {
		const link = newLink();
		link.sendMessage(message(40), 0);
		drain(link);
		expect(types(timeout(link, 60_000))).toEqual(["suspect"]);
		expect(link.deadline()).toBe(60_000 + DEAD);
	});

	test("the timers of both profiles", () => {
		for (const timers of [HOUSE_PROFILE, RFC_PROFILE]) {
			const link = new Link({ maxMessageSize: MAX, timers, now: 0 });
			expect(link.deadline()).toBe(timers.linkIdleMs);
			link.sendMessage(message(40), 0);
			drain(link);
			expect(link.deadline()).toBe(timers.linkSuspectMs);
			timeout(link, timers.linkSuspectMs);
			expect(link.deadline()).toBe(timers.linkSuspectMs + timers.linkDeadMs);
		}
	});
});

describe("keep-alive", () => {
	test("idle after linkIdleMs without an octet from the neighbour, and again while nothing is sent", () => {
		const link = newLink(10);
		expect(timeout(link, 10 + IDLE - 1)).toEqual([]);
		expect(timeout(link, 10 + IDLE)).toEqual([{ type: "idle" }]);
		expect(link.deadline()).toBe(10 + 2 * IDLE);
		expect(timeout(link, 10 + 2 * IDLE)).toEqual([{ type: "idle" }]);
	});

	test("any octet received postpones it; with a frame outstanding its ack is waited for instead", () => {
		const link = newLink();
		receive(link, dataFrame(0, message(38)).subarray(0, 1), 1_000);
		expect(link.deadline()).toBe(1_000 + IDLE);
		link.sendMessage(message(40), 1_100);
		drain(link);
		expect(link.deadline()).toBe(1_100 + SUSPECT);
	});

	test("a Ping after idle finds a dead neighbour within idle + suspect + dead", () => {
		const link = new Link({ maxMessageSize: MAX, timers: HOUSE_PROFILE, now: 0 });
		let now = 0;
		for (let seen = ""; seen !== "close"; ) {
			now = link.deadline();
			for (const output of timeout(link, now)) {
				if (output.type === "idle") link.sendMessage(message(60), now);
				seen = output.type;
			}
			drain(link);
		}
		expect(now).toBe(HOUSE_PROFILE.linkIdleMs + HOUSE_PROFILE.linkSuspectMs + HOUSE_PROFILE.linkDeadMs);
	});
});

describe("limits", () => {
	const small: LinkLimits = { queuedOctets: 1_000, ackOctets: 18, unacknowledgedFrames: 4, arenaOctets: 256 };

	test("queued octets: refused above the limit, taken again after drained", () => {
		const link = newLink(0, { ...small, unacknowledgedFrames: 64 });
		expect(link.sendMessage(message(492), 0)).toBe(true);
		expect(link.sendMessage(message(493), 0)).toBe(false);
		expect(link.sendMessage(message(492), 0)).toBe(true);
		expect(link.queuedOctets).toBe(1_000);
		expect(link.reserve(38)).toBe(-1);
		expect(transmitted(drain(link))).toHaveLength(1_000);
		// Handed out is not gone: the host still holds it.
		expect(link.sendMessage(message(38), 0)).toBe(false);
		// Some has left: under a steady load a host's buffer is hardly ever empty.
		link.handle({ type: "drained", buffered: 955 }, 1);
		expect(link.queuedOctets).toBe(955);
		expect(link.sendMessage(message(38), 1)).toBe(false);
		link.handle({ type: "drained", buffered: 954 }, 1);
		expect(link.sendMessage(message(38), 1)).toBe(true);
		link.handle({ type: "drained" }, 1);
		expect(link.queuedOctets).toBe(46);
		expect(link.counters.refused).toBe(4);
	});

	test("a neighbour that sends and never reads: acks stop at their own limit, nothing grows", () => {
		const link = newLink(0, { ...small, unacknowledgedFrames: 64 });
		link.sendMessage(message(982), 0);
		for (let i = 0; i < 100; i++) receive(link, dataFrame(i, message(38)), i);
		expect(link.queuedOctets).toBe(990 + 3 * 9);
		expect(link.counters.acksOut).toBe(3);
		expect(link.counters.acksDropped).toBe(97);
	});

	test("frames not acknowledged: refused at the limit, taken again after an ack", () => {
		const link = newLink(0, small);
		for (let i = 0; i < 4; i++) expect(link.sendMessage(message(40), 0)).toBe(true);
		expect(link.sendMessage(message(40), 0)).toBe(false);
		drain(link);
		receive(link, ackFrame(1), 1);
		expect(link.sendMessage(message(40), 1)).toBe(true);
		expect(link.sendMessage(message(40), 1)).toBe(true);
		expect(link.sendMessage(message(40), 1)).toBe(false);
	});

	test("messages above max-message-size are not sent; the size may change", () => {
		const link = newLink(0, LINK_LIMITS, 400);
		expect(link.sendMessage(message(401), 0)).toBe(false);
		expect(link.sendMessage(message(400), 0)).toBe(true);
		link.setMaxMessageSize(500);
		expect(link.maxMessageSize).toBe(500);
		expect(link.sendMessage(message(500), 0)).toBe(true);
		expect(messages(receive(link, dataFrame(0, message(500)), 0))).toHaveLength(1);
		// A reservation may be larger: what the router reserves includes entries it will drop.
		expect(link.reserve(520)).toBeGreaterThan(0);
		expect(link.commit(501, 0)).toBe(false);
	});

	test("the limits of a device hold a message of max-message-size and its ack", () => {
		const link = newLink(0, DEVICE_LINK_LIMITS);
		expect(link.sendMessage(message(MAX), 0)).toBe(true);
		expect(link.sendMessage(message(MAX), 0)).toBe(true);
		expect(link.sendMessage(message(MAX), 0)).toBe(true);
		expect(link.sendMessage(message(MAX), 0)).toBe(false);
	});
});

describe("closing", () => {
	test("the reasons are a frozen table", () => {
		expect(Object.isFrozen(CloseReason)).toBe(true);
		expect(CloseReason).toEqual({
			framingLost: "framing lost",
			messageTooLarge: "message too large",
			unacknowledged: "no acknowledgements",
		});
	});

	test("framing lost: good frames before it are delivered and acknowledged, then the link closes", () => {
		const outputs = receive(newLink(), joined(dataFrame(0, message(38)), new Uint8Array([0x16, 3, 1])), 0);
		expect(types(outputs)).toEqual(["message", "transmit", "close"]);
		expect(outputs[2]).toEqual({ type: "close", reason: CloseReason.framingLost });
	});

	test("RFC 6940 §6.6: too large gives the head for an answer, then closes; the rest need not arrive", () => {
		const link = newLink();
		link.handle({ type: "bytes", bytes: dataFrame(0, message(300), MAX + 1) }, 0);
		expect(link.poll()).toEqual({ type: "tooLarge", head: message(300).subarray(0, 56) });
		expect(link.sendMessage(message(90, 3), 0)).toBe(true);
		expect(link.poll()).toEqual({ type: "transmit", bytes: dataFrame(0, message(90, 3)) });
		expect(link.poll()).toEqual({ type: "close", reason: CloseReason.messageTooLarge });
		expect(link.poll()).toBeUndefined();
	});

	test("too large without a usable header closes without an answer", () => {
		expect(receive(newLink(), dataFrame(0, new Uint8Array(60), MAX + 1), 0)).toEqual([
			{ type: "close", reason: CloseReason.messageTooLarge },
		]);
	});

	test("after close, and after the transport ended, nothing goes in or out", () => {
		const closed = newLink();
		receive(closed, new Uint8Array([0]), 0);
		const ended = newLink();
		ended.sendMessage(message(40), 0);
		ended.handle({ type: "ended" }, 0);
		for (const link of [closed, ended]) {
			expect(link.isClosed).toBe(true);
			expect(receive(link, dataFrame(0, message(38)), 1)).toEqual([]);
			expect(link.sendMessage(message(40), 1)).toBe(false);
			expect(link.next()).toBe(false);
			expect(timeout(link, 1e9)).toEqual([]);
			expect(link.deadline()).toBe(Infinity);
		}
	});
});

describe("two links on one stream", () => {
	const chunking = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 });
	const sizes = fc.array(fc.integer({ min: 38, max: 900 }), { minLength: 1, maxLength: 40 });

	test("every message arrives once, in order, under any chunking; every frame is acknowledged", () => {
		fc.assert(
			fc.property(sizes, sizes, chunking, (there, back, chunks) => {
				const a = newLink();
				const b = newLink();
				const got: [Uint8Array[], Uint8Array[]] = [[], []];
				for (const [i, size] of there.entries()) a.sendMessage(message(size, i), 0);
				for (const [i, size] of back.entries()) b.sendMessage(message(size, i + 99), 0);
				const pending: [Uint8Array, Uint8Array] = [transmitted(drain(a)), transmitted(drain(b))];
				for (let turn = 0; pending[0].length + pending[1].length > 0; turn++) {
					const to = pending[0].length > 0 && (turn % 2 === 0 || pending[1].length === 0) ? 0 : 1;
					const count = chunks[turn % chunks.length]!;
					const outputs = receive(to === 0 ? b : a, pending[to].slice(0, count), turn);
					pending[to] = pending[to].subarray(count);
					got[to].push(...messages(outputs));
					pending[1 - to] = joined(pending[1 - to]!, transmitted(outputs));
				}
				expect(got[0].map(toHex)).toEqual(there.map((size, i) => toHex(message(size, i))));
				expect(got[1].map(toHex)).toEqual(back.map((size, i) => toHex(message(size, i + 99))));
				expect([a.counters.acksIn, b.counters.acksIn]).toEqual([there.length, back.length]);
				expect([a.counters.acksStray, b.counters.acksStray]).toEqual([0, 0]);
			}),
			{ numRuns: 100 },
		);
	});

	test("any octets at all: no throw, bounded output, and either frames or a close", () => {
		fc.assert(
			fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 8 }), (chunks) => {
				const link = newLink();
				for (const [i, chunk] of chunks.entries()) {
					const outputs = receive(link, chunk, i);
					expect(transmitted(outputs).length).toBeLessThanOrEqual(chunk.length + MAX);
				}
			}),
			{ numRuns: 500 },
		);
	});

	test("acks lost at random: no false alarm as long as a later one comes in time, an alarm when none does", () => {
		fc.assert(
			fc.property(fc.array(fc.boolean(), { minLength: 5, maxLength: 60 }), (kept) => {
				const link = newLink();
				let now = 0;
				let lastProgress = 0;
				let outstandingSince = -1;
				for (const [i, keep] of kept.entries()) {
					now += 700;
					if (link.deadline() <= now) {
						const due = link.deadline();
						const outputs = types(timeout(link, due));
						if (outputs.includes("suspect")) {
							expect(due - Math.max(lastProgress, outstandingSince)).toBeGreaterThanOrEqual(SUSPECT);
						}
						if (link.isClosed) return;
					}
					link.sendMessage(message(40), now);
					if (outstandingSince < 0) outstandingSince = now;
					drain(link);
					if (keep) {
						const outputs = types(receive(link, ackFrame(i), now + 10));
						expect(link.isSuspect).toBe(false);
						expect(outputs.every((type) => type === "ok")).toBe(true);
						lastProgress = now + 10;
						outstandingSince = -1;
					}
				}
			}),
		);
	});
});

test("the hot path: 200 frames of a 64 KiB chunk are pulled, acknowledged and forwarded without an allocation per message", () => {
	const chunk = joined(...Array.from({ length: 200 }, (_, i) => dataFrame(i, message(312, i))));
	expect(chunk).toHaveLength(64_000);
	const limits = { ...LINK_LIMITS, queuedOctets: 2 ** 30, unacknowledgedFrames: 2 ** 20 };
	const from = newLink(0, limits);
	const to = newLink(0, limits);
	const turn = (): void => {
		from.handle({ type: "bytes", bytes: chunk }, 0);
		while (from.next()) {
			const { chunk: bytes, messageAt, messageLength } = from;
			const at = to.reserve(messageLength);
			const { out } = to;
			for (let i = 0; i < messageLength; i++) out[at + i] = bytes[messageAt + i]!;
			to.commit(messageLength, 0);
		}
	};
	for (let i = 0; i < 50; i++) turn();
	expect([from.counters.acksOut, to.counters.dataOut]).toEqual([10_000, 10_000]);
	expect(types(drain(from))).toEqual(["transmit"]);
	expect(types(drain(to))).toEqual(["transmit"]);
	for (let i = 0; i < 50; i++) turn();
	const before = process.memoryUsage().heapUsed;
	for (let i = 0; i < 50; i++) turn();
	// A view of each message would be more than 100 octets; what is left are a few objects per chunk.
	expect((process.memoryUsage().heapUsed - before) / 10_000).toBeLessThan(16);
});
