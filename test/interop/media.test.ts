/** Second opinions on the voice of a call: Wireshark reads our RTP, events and RTCP; openssl computes what SRTP must look like. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { FRAME_SAMPLES } from "../../core/media/frame.ts";
import { AudioStream, type StreamMedia } from "../../core/media/stream.ts";
import { nodeMediaCrypto } from "../../hal/node/media-crypto.ts";
import { describeWith } from "./support/programs.ts";

const RTP_PORT = 4_000;
const RTCP_PORT = 4_001;
const SEND_KEY = Uint8Array.from({ length: 30 }, (_, i) => 7 * i + 1);

const MEDIA: StreamMedia = {
	address: "192.0.2.2",
	port: RTP_PORT,
	rtcpPort: RTCP_PORT,
	direction: "sendrecv",
	payloadType: 0,
	telephoneEvent: 101,
};

function newStream(media: StreamMedia): AudioStream {
	const random = (count: number) => Uint8Array.from({ length: count }, (_, i) => 0x21 * (i + 1));
	const stream = new AudioStream({ crypto: nodeMediaCrypto(), random, cname: "frontdoor@home.example", now: 0 });
	stream.configure(media, 0);
	return stream;
}

function tone(frame: number): Int16Array {
	return Int16Array.from({ length: FRAME_SAMPLES }, (_, i) =>
		Math.round(8_000 * Math.sin((2 * Math.PI * (frame * FRAME_SAMPLES + i)) / 8)),
	);
}

/** One datagram of a capture. */
interface Packet {
	readonly atMs: number;
	readonly port: number;
	readonly bytes: Uint8Array;
}

/** A capture file of raw IPv4. */
function pcap(packets: readonly Packet[]): Buffer {
	const parts: Buffer[] = [];
	const header = Buffer.alloc(24);
	header.writeUInt32LE(0xa1b2c3d4, 0);
	header.writeUInt16LE(2, 4);
	header.writeUInt16LE(4, 6);
	header.writeUInt32LE(65_535, 16);
	header.writeUInt32LE(101, 20);
	parts.push(header);
	for (const { atMs, port, bytes } of packets) {
		const head = Buffer.alloc(16 + 28);
		head.writeUInt32LE(1_000 + Math.floor(atMs / 1_000), 0);
		head.writeUInt32LE((atMs % 1_000) * 1_000, 4);
		head.writeUInt32LE(28 + bytes.length, 8);
		head.writeUInt32LE(28 + bytes.length, 12);
		const ip = head.subarray(16);
		ip.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
		ip.writeUInt16BE(28 + bytes.length, 2);
		ip.writeUInt16BE(port, 20);
		ip.writeUInt16BE(port, 22);
		ip.writeUInt16BE(8 + bytes.length, 24);
		parts.push(head, Buffer.from(bytes));
	}
	return Buffer.concat(parts);
}

/** A call of 20 s with a digit in the middle and BYE at its end. */
function call(): Packet[] {
	const stream = newStream(MEDIA);
	// Something comes back, so that there is a report to make.
	const other = newStream({ ...MEDIA, address: "192.0.2.1" });
	const packets: Packet[] = [];
	for (let frame = 0; frame < 1_000; frame++) {
		const atMs = (frame + 1) * 20;
		if (frame === 500) stream.sendDigit("7");
		const back = other.capture(tone(frame), atMs);
		if (back !== undefined && frame % 10 !== 3) stream.receive(back.slice(), "192.0.2.2", RTP_PORT, atMs);
		const bytes = stream.capture(tone(frame), atMs);
		if (bytes !== undefined) packets.push({ atMs, port: RTP_PORT, bytes: bytes.slice() });
		const report = stream.pollRtcp(atMs);
		if (report !== undefined) packets.push({ atMs, port: RTCP_PORT, bytes: report });
	}
	const last = stream.bye(20_000);
	if (last !== undefined) packets.push({ atMs: 20_001, port: RTCP_PORT, bytes: last });
	return packets;
}

describeWith(["tshark"], "Wireshark", () => {
	/** One line for each packet of the filter, fields apart by tabs. */
	function dissect(file: string, filter: string, fields: readonly string[], more: readonly string[] = []): string[][] {
		const args = ["-r", file, "-d", `udp.port==${RTP_PORT},rtp`, "-d", `udp.port==${RTCP_PORT},rtcp`];
		args.push("-o", "rtpevent.event_payload_type_value:101", ...more, "-Y", filter, "-T", "fields");
		for (const field of fields) args.push("-e", field);
		const text = execFileSync("tshark", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
		return text.split("\n").flatMap((line) => (line === "" ? [] : [line.split("\t")]));
	}

	function capture(): string {
		const folder = mkdtempSync(join(tmpdir(), "ringlet-media-"));
		onTestFinished(() => rmSync(folder, { recursive: true }));
		const file = join(folder, "call.pcap");
		writeFileSync(file, pcap(call()));
		return file;
	}

	test("reads voice, a digit and reports, and finds nothing wrong", () => {
		const file = capture();
		expect(
			dissect(file, "_ws.malformed || _ws.expert.severity >= 6291456", ["frame.number", "_ws.expert.message"]),
		).toEqual([]);

		const voice = dissect(file, "rtp && !rtpevent", ["rtp.seq", "rtp.timestamp", "rtp.p_type", "rtp.marker"]);
		expect(voice.length).toBe(1_000 - 7);
		expect(new Set(voice.map(([, , type]) => type))).toEqual(new Set(["0"]));
		// The first packet, and the first one after the digit.
		expect(voice.flatMap(([, , , marker], i) => (marker === "1" || marker === "True" ? [i] : []))).toEqual([0, 500]);

		const events = dissect(file, "rtpevent", [
			"rtpevent.event_id",
			"rtpevent.end_of_event",
			"rtpevent.duration",
			"rtp.timestamp",
		]);
		expect(events.map(([id]) => id)).toEqual(new Array(7).fill("7"));
		expect(events.map(([, isEnd]) => isEnd === "1" || isEnd === "True")).toEqual([
			false,
			false,
			false,
			false,
			true,
			true,
			true,
		]);
		expect(events.map(([, , duration]) => Number(duration))).toEqual([160, 320, 480, 640, 800, 800, 800]);
		expect(new Set(events.map(([, , , timestamp]) => timestamp)).size).toBe(1);

		const reports = dissect(file, "rtcp", ["rtcp.pt", "rtcp.sdes.text", "rtcp.ssrc.fraction", "rtcp.length_check"]);
		expect(reports.length).toBeGreaterThanOrEqual(4);
		for (const [types, name, fraction] of reports.slice(1, -1)) {
			expect(types).toBe("200,202");
			expect(name).toBe("frontdoor@home.example");
			expect(Number(fraction)).toBeGreaterThan(20);
			expect(Number(fraction)).toBeLessThan(30);
		}
		expect(reports.at(-1)?.[0]).toBe("200,202,203");
	});

	test("counts one stream without loss", () => {
		const args = ["-r", capture(), "-q", "-d", `udp.port==${RTP_PORT},rtp`, "-z", "rtp,streams"];
		const text = execFileSync("tshark", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
		const lines = text.split("\n").filter((line) => line.includes("192.0.2.1"));
		expect(lines).toHaveLength(1);
		expect(lines[0]).toMatch(/ 1000 +0 \(0\.0%\)/);
	});
});

describeWith(["openssl"], "openssl", () => {
	function openssl(args: readonly string[], input: Uint8Array): Buffer {
		return execFileSync("openssl", args, { input });
	}

	function aesCtr(key: string, counter: string, data: Uint8Array): Buffer {
		return openssl(["enc", "-aes-128-ctr", "-K", key, "-iv", counter], data);
	}

	/** RFC 3711 §4.3.1, by openssl alone. */
	function derived(label: number, octets: number): string {
		const counter = Buffer.concat([SEND_KEY.subarray(16), Buffer.alloc(2)]);
		counter[7] = (counter[7] ?? 0) ^ label;
		const key = Buffer.from(SEND_KEY.subarray(0, 16)).toString("hex");
		return aesCtr(key, counter.toString("hex"), Buffer.alloc(octets)).toString("hex");
	}

	test("computes the same SRTP packets, over a wrap of the sequence number", () => {
		const secured = newStream({ ...MEDIA, sendKey: SEND_KEY, receiveKey: SEND_KEY });
		const plain = newStream(MEDIA);
		const [cipherKey, macKey, salt] = [derived(0, 16), derived(1, 20), Buffer.from(derived(2, 14), "hex")];
		let rollover = 0;
		const voice = tone(0);
		for (let frame = 0; frame < 70_000; frame++) {
			const sealed = secured.capture(voice, frame * 20);
			const clear = plain.capture(voice, frame * 20);
			if (sealed === undefined || clear === undefined) throw new Error("nothing was sent");
			const sequence = (clear[2] ?? 0) * 256 + (clear[3] ?? 0);
			if (sequence === 0) rollover++;
			if (frame > 1 && sequence !== 65_535 && sequence !== 0 && frame < 69_999) continue;
			const counter = Buffer.alloc(16);
			salt.copy(counter);
			for (let i = 0; i < 4; i++) counter[4 + i] = (counter[4 + i] ?? 0) ^ (clear[8 + i] ?? 0);
			counter[11] = (counter[11] ?? 0) ^ rollover;
			counter[12] = (counter[12] ?? 0) ^ (sequence >> 8);
			counter[13] = (counter[13] ?? 0) ^ (sequence & 255);
			const ciphered = Buffer.concat([
				clear.subarray(0, 12),
				aesCtr(cipherKey, counter.toString("hex"), clear.slice(12)),
			]);
			const mac = openssl(
				["dgst", "-sha1", "-mac", "HMAC", "-macopt", `hexkey:${macKey}`, "-binary"],
				Buffer.concat([ciphered, Buffer.from([0, 0, 0, rollover])]),
			);
			expect(Buffer.from(sealed).toString("hex"), `packet ${frame}`).toBe(
				Buffer.concat([ciphered, mac.subarray(0, 10)]).toString("hex"),
			);
		}
		expect(rollover).toBe(1);
	});
});
