/** Captures as `tools/decode` reads them back; Wireshark's opinion is asked in test/interop. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeDestination } from "../../../core/wire/destination.ts";
import { captureHeader, capturePacket, FrameSplitter, MAX_CAPTURED_FRAME } from "../../../targets/pi/capture.ts";
import { capture, type Tapped } from "../../../targets/pi/capture-session.ts";
import { decode } from "../../../tools/decode.ts";
import { readCapture } from "../../../tools/decode-capture.ts";
import { OverlayPeer, until } from "./composed.ts";
import { Realm } from "./realm.ts";
import { scratch } from "./support.ts";

/** A data frame with this much in it. */
function dataFrame(length: number, fill = 0): Buffer {
	const frame = Buffer.alloc(8 + length, fill);
	frame[0] = 128;
	frame.writeUInt32BE(7, 1);
	frame.writeUIntBE(length, 5, 3);
	return frame;
}

function ackFrame(): Buffer {
	const frame = Buffer.alloc(9);
	frame[0] = 129;
	return frame;
}

function read(...packets: Uint8Array[]): ReturnType<typeof readCapture> {
	return readCapture(new Uint8Array(Buffer.concat([captureHeader(), ...packets])));
}

describe("packets", () => {
	const frame = dataFrame(5, 1);

	test.each([
		["192.0.2.1", "192.0.2.2"],
		["2001:db8::1", "2001:db8:0:0:1:0:0:2"],
		["::1", "::ffff:192.0.2.7"],
		["192.0.2.1", "fe80::1%eth0"],
	])("%s to %s comes back octet for octet", (from, to) => {
		const { payloads, notes } = read(
			capturePacket(frame, { address: from, port: 40_000 }, { address: to, port: 6_084 }, 1_772_366_400_123),
		);
		expect(notes).toEqual([]);
		expect(payloads.length).toBe(1);
		expect(Buffer.from(payloads[0]?.bytes ?? [])).toEqual(frame);
		expect(payloads[0]?.isReloadPort).toBe(true);
	});

	test.each([
		[40_000, 7_001, "40000 > .*:6084"],
		[7_001, 40_000, "6084 > .*:40000"],
		[6_084, 6_084, "6084 > .*:6084"],
	])("ports %d to %d: the server's becomes the one that Wireshark knows, the other stays", (from, to, shown) => {
		const { payloads } = read(
			capturePacket(frame, { address: "192.0.2.1", port: from }, { address: "192.0.2.2", port: to }, 0),
		);
		expect(payloads[0]?.source).toMatch(new RegExp(`:${shown}$`));
	});

	test("the time is kept to the microsecond, in the two halves that pcapng has", () => {
		const packet = Buffer.from(
			capturePacket(frame, { address: "::1", port: 2 }, { address: "::1", port: 1 }, 1_772_366_400_123.5),
		);
		const micros = (BigInt(packet.readUInt32LE(12)) << 32n) | BigInt(packet.readUInt32LE(16));
		expect(micros).toBe(1_772_366_400_123_500n);
	});

	test("blocks are whole words, and say their length at both ends", () => {
		for (let length = 0; length < 9; length++) {
			const packet = Buffer.from(
				capturePacket(dataFrame(length), { address: "::1", port: 2 }, { address: "::1", port: 1 }, 0),
			);
			expect(packet.length % 4).toBe(0);
			expect(packet.readUInt32LE(4)).toBe(packet.length);
			expect(packet.readUInt32LE(packet.length - 4)).toBe(packet.length);
		}
	});
});

describe("frames out of a stream", () => {
	test("however it is cut, the same frames", () => {
		const sizes = fc.array(fc.oneof(fc.constant(-1), fc.nat(300)), { minLength: 1, maxLength: 12 });
		fc.assert(
			fc.property(sizes, fc.array(fc.integer({ min: 1, max: 60 })), (lengths, cuts) => {
				const frames = lengths.map((length) => (length < 0 ? ackFrame() : dataFrame(length, length)));
				const stream = Buffer.concat(frames);
				const splitter = new FrameSplitter();
				const out: Buffer[] = [];
				for (let at = 0, i = 0; at < stream.length; i++) {
					const end = at + (cuts[i % Math.max(1, cuts.length)] ?? 7);
					out.push(...splitter.push(stream.subarray(at, end)));
					at = end;
				}
				expect(out.map((one) => one.toString("hex"))).toEqual(frames.map((one) => one.toString("hex")));
			}),
			{ numRuns: 200 },
		);
	});

	test("a capture that begins in the middle of a frame: passed over until a chunk begins with one", () => {
		const splitter = new FrameSplitter();
		expect(splitter.push(Buffer.from("the rest of something"))).toEqual([]);
		expect(splitter.push(ackFrame())).toHaveLength(1);
	});

	test("a frame that fits no packet is left out, those behind it are not", () => {
		const splitter = new FrameSplitter();
		const frames = splitter.push(Buffer.concat([dataFrame(MAX_CAPTURED_FRAME), ackFrame()]));
		expect(frames.map(({ length }) => length)).toEqual([9]);
	});

	test("what it is given may change afterwards", () => {
		const splitter = new FrameSplitter();
		const [first, second] = [dataFrame(10, 1).subarray(0, 9), dataFrame(10, 1).subarray(9)];
		splitter.push(first);
		first.fill(0);
		expect(splitter.push(second)[0]).toEqual(dataFrame(10, 1));
	});
});

describe("a session", () => {
	test("a peer's links while another one joins and pings: every message can be read", async () => {
		const realm = new Realm();
		const one = await OverlayPeer.open(realm);
		await one.start();
		const file = join(scratch(), "ring.pcapng");
		const stop = new AbortController();
		const running = capture(one.host, file, undefined, stop.signal);
		await until(() => one.host.tap !== undefined);
		const two = await OverlayPeer.open(realm);
		await two.start(one);
		await one.host.ping([nodeDestination(two.identity.nodeId)]);
		stop.abort();
		const done = await running;
		expect(one.host.tap).toBeUndefined();
		expect(done.frames).toBeGreaterThan(6);
		expect(done).toMatchObject({ octets: statSync(file).size, missing: 0 });
		expect(statSync(file).mode & 0o777).toBe(0o600);
		const { items, notes } = decode(new Uint8Array(readFileSync(file)));
		expect(notes).toEqual([]);
		expect(items.length).toBe(done.frames);
		expect(items.filter(({ description }) => description.refused !== undefined)).toEqual([]);
	});

	test("it ends by itself when its time is over", async () => {
		const host: Tapped = { listen: [], tap: undefined };
		const file = join(scratch(), "short.pcapng");
		expect(await capture(host, file, 0.01, new AbortController().signal)).toEqual({
			frames: 0,
			octets: 48,
			missing: 0,
		});
		expect(host.tap).toBeUndefined();
	});

	test("one at a time", async () => {
		const host: Tapped = { listen: [], tap: undefined };
		const stop = new AbortController();
		const folder = scratch();
		const first = capture(host, join(folder, "a"), undefined, stop.signal);
		const second = capture(host, join(folder, "b"), undefined, stop.signal);
		await expect(second).rejects.toThrow("a capture is running already; stop it first");
		stop.abort();
		await first;
		// And another one afterwards.
		await capture(host, join(folder, "b"), undefined, stop.signal);
	});

	test("a file that cannot be written is named, and the next capture can begin", async () => {
		const host: Tapped = { listen: [], tap: undefined };
		const file = join(scratch(), "no", "such", "folder.pcapng");
		const stop = new AbortController();
		await expect(capture(host, file, undefined, stop.signal)).rejects.toThrow(
			/folder\.pcapng: ENOENT.*; choose another/,
		);
		expect(host.tap).toBeUndefined();
	});

	test.runIf(process.platform === "linux")("a disk that is full ends it, and says so", async () => {
		const host: Tapped = { listen: [], tap: undefined };
		const stop = new AbortController();
		await expect(capture(host, "/dev/full", undefined, stop.signal)).rejects.toThrow(/\/dev\/full: ENOSPC/);
		expect(host.tap).toBeUndefined();
	});

	test("an older file of that name is replaced, not added to", async () => {
		const host: Tapped = { listen: [], tap: undefined };
		const file = join(scratch(), "old.pcapng");
		writeFileSync(file, Buffer.alloc(10_000));
		const stop = new AbortController();
		stop.abort();
		await capture(host, file, undefined, stop.signal);
		expect(statSync(file).size).toBe(48);
	});
});
