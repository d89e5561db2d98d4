import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Deframer, Frame } from "../../../core/link/deframer.ts";
import { toHex } from "../../../core/wire/bytes.ts";
import { ackFrame, dataFrame, joined, MAX, message, vector } from "./frames.ts";

/** What a deframer makes of chunks, as text. */
function frames(chunks: readonly Uint8Array[], max = MAX): string[] {
	const deframer = new Deframer(max);
	const seen: string[] = [];
	for (const chunk of chunks) {
		deframer.feed(chunk.slice());
		for (let frame = deframer.next(); frame !== Frame.none; frame = deframer.next()) {
			const { sequence, received, messageAt, messageLength } = deframer;
			const content = toHex(deframer.bytes.subarray(messageAt, messageAt + messageLength));
			if (frame === Frame.data) seen.push(`data ${sequence} ${content}`);
			else if (frame === Frame.ack) seen.push(`ack ${sequence} ${received}`);
			else if (frame === Frame.tooLarge) seen.push(`tooLarge ${content}`);
			else seen.push("lost");
		}
	}
	return seen;
}

function cut(stream: Uint8Array, ...points: number[]): Uint8Array[] {
	const sorted = [0, ...points.sort((a, b) => a - b), stream.length];
	return sorted.slice(1).map((end, i) => stream.subarray(sorted[i]!, end));
}

const STREAM = joined(
	ackFrame(0xfffffffe, 0x80000001),
	dataFrame(0, message(38, 1)),
	ackFrame(7),
	dataFrame(1, message(300, 2)),
	dataFrame(0xffffffff, message(60, 3)),
	ackFrame(8, 0xffffffff),
);
const WHOLE = frames([STREAM]);

describe("deframing (RFC 6940 §6.6.2)", () => {
	test("frames joined in one chunk", () => {
		expect(WHOLE).toEqual([
			`ack ${0xfffffffe} ${0x80000001}`,
			`data 0 ${toHex(message(38, 1))}`,
			"ack 7 0",
			`data 1 ${toHex(message(300, 2))}`,
			`data ${0xffffffff} ${toHex(message(60, 3))}`,
			`ack 8 ${0xffffffff}`,
		]);
	});

	test("every split point of the stream", () => {
		for (let at = 0; at <= STREAM.length; at++) expect(frames(cut(STREAM, at))).toEqual(WHOLE);
	});

	test("every pair of split points around the headers", () => {
		for (let a = 0; a < 70; a++) for (let b = a; b < 70; b++) expect(frames(cut(STREAM, a, b))).toEqual(WHOLE);
	});

	test("one octet at a time", () => {
		expect(frames([...STREAM].map((octet) => new Uint8Array([octet])))).toEqual(WHOLE);
	});

	test("any chunking of any stream", () => {
		const frame = fc.oneof(
			fc.tuple(fc.nat(0xffffffff), fc.nat(0xffffffff)).map(([sequence, received]) => ackFrame(sequence, received)),
			fc
				.tuple(fc.nat(0xffffffff), fc.integer({ min: 38, max: 700 }), fc.nat(255))
				.map(([sequence, length, seed]) => dataFrame(sequence, message(length, seed))),
		);
		fc.assert(
			fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(5_000), { maxLength: 12 }), (list, points) => {
				const stream = joined(...list);
				const inside = points.map((point) => (stream.length === 0 ? 0 : point % stream.length));
				expect(frames(cut(stream, ...inside))).toEqual(frames([stream]));
			}),
			{ numRuns: 300 },
		);
	});

	test("golden vectors 28, 29 and 30", () => {
		const data = vector("28-framed-data");
		expect(frames([joined(data, vector("29-framed-ack"), vector("30-framed-ack-bitmask"))])).toEqual([
			`data 0 ${toHex(data.subarray(8))}`,
			"ack 0 0",
			"ack 10 13",
		]);
	});

	test("messages of all frames of a chunk stay valid together until the next feed", () => {
		const deframer = new Deframer(MAX);
		const first = dataFrame(0, message(100, 1));
		const last = dataFrame(2, message(100, 3));
		deframer.feed(first.subarray(0, 50));
		expect(deframer.next()).toBe(Frame.none);
		deframer.feed(joined(first.subarray(50), dataFrame(1, message(100, 2)), last.subarray(0, 90)));
		const views: Uint8Array[] = [];
		while (deframer.next() === Frame.data) {
			views.push(deframer.bytes.subarray(deframer.messageAt, deframer.messageAt + deframer.messageLength));
		}
		expect(views.map(toHex)).toEqual([toHex(message(100, 1)), toHex(message(100, 2))]);
	});

	test("a whole frame in a chunk is given in place", () => {
		const deframer = new Deframer(MAX);
		const chunk = dataFrame(0, message(100));
		deframer.feed(chunk);
		expect(deframer.next()).toBe(Frame.data);
		expect(deframer.bytes).toBe(chunk);
		expect(deframer.messageAt).toBe(8);
	});

	test("feeding before the last octets are drained is our own bug", () => {
		const deframer = new Deframer(MAX);
		deframer.feed(STREAM);
		deframer.next();
		expect(() => deframer.feed(STREAM)).toThrow("drained");
	});
});

describe("what is not a frame", () => {
	test("another type, after good frames, ends the stream", () => {
		for (const type of [0, 1, 0x16, 127, 130, 255]) {
			const stream = joined(ackFrame(1), new Uint8Array([type]), ackFrame(2));
			expect(frames([stream])).toEqual(["ack 1 0", "lost"]);
			expect(frames(cut(stream, 9))).toEqual(["ack 1 0", "lost"]);
		}
	});

	test("a length below the fixed forwarding header ends the stream; 38 octets do not", () => {
		expect(frames([dataFrame(0, message(38).subarray(0, 37))])).toEqual(["lost"]);
		expect(frames([dataFrame(0, new Uint8Array(0))])).toEqual(["lost"]);
		expect(frames([dataFrame(0, message(38))])).toHaveLength(1);
	});

	test("nothing is taken after the end", () => {
		const deframer = new Deframer(MAX);
		deframer.feed(new Uint8Array([7]));
		expect(deframer.next()).toBe(Frame.lost);
		deframer.feed(ackFrame(1));
		expect(deframer.next()).toBe(Frame.none);
	});

	test("a flipped octet anywhere never throws and gives frames, an end, or a wait", () => {
		for (let at = 0; at < STREAM.length; at++) {
			for (const mask of [0x01, 0x80, 0xff]) {
				const bad = STREAM.slice();
				bad[at] = bad[at]! ^ mask;
				expect(frames(cut(bad, at, at + 1)).length).toBeLessThanOrEqual(WHOLE.length + 40);
			}
		}
	});
});

describe("messages above max-message-size (RFC 6940 §6.6)", () => {
	const head = message(56, 9);

	test("exactly max-message-size is taken", () => {
		expect(frames([dataFrame(3, message(400, 4))], 400)).toEqual([`data 3 ${toHex(message(400, 4))}`]);
	});

	test("one octet more gives the forwarding header as soon as it is there, at every split", () => {
		const start = dataFrame(0, head, 401);
		const wanted = [`tooLarge ${toHex(head)}`];
		for (let at = 0; at <= start.length; at++) expect(frames(cut(start, at), 400)).toEqual(wanted);
		expect(frames([start.subarray(0, start.length - 1)], 400)).toEqual([]);
		expect(frames([joined(start, new Uint8Array(1_000))], 400)).toEqual(wanted);
	});

	test("a header that is itself too large, or no RELOAD header, is not waited for", () => {
		const long = message(60);
		long.set([0x01, 0x90], 32);
		expect(frames([dataFrame(0, long, 401)], 400)).toEqual(["tooLarge "]);
		expect(frames([dataFrame(0, new Uint8Array(60), 0xffffff)], 400)).toEqual(["tooLarge "]);
	});

	test("memory grows with what arrives, not with what a length promises", () => {
		const before = process.memoryUsage().arrayBuffers;
		const kept: Deframer[] = [];
		for (let i = 0; i < 1_000; i++) {
			const deframer = new Deframer(0xffffff);
			deframer.feed(dataFrame(0, message(60), 0xfffff0));
			expect(deframer.next()).toBe(Frame.none);
			kept.push(deframer);
		}
		expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(kept.length * 4_096);
	});
});
