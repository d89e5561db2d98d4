import { describe, expect, test } from "vitest";
import { concatBytes } from "../../core/wire/bytes.ts";
import { fragmentMessage } from "../../core/wire/fragment.ts";
import { decode, decodeText } from "../../tools/decode.ts";
import { hex, readVectors } from "../core/wire/kit.ts";

const PING = hex(readVectors("message").find((vector) => vector.name === "01-ping-req")!.hex);
const ATTACH = hex(readVectors("message").find((vector) => vector.name === "07-attach-req")!.hex);
const FRAME = hex(readVectors("framed").find((vector) => vector.name === "28-framed-data")!.hex);
const ACK = hex(readVectors("framed").find((vector) => vector.name === "30-framed-ack-bitmask")!.hex);

function u16(value: number): Uint8Array {
	return new Uint8Array([value >> 8, value & 0xff]);
}

function u32(value: number, little = false): Uint8Array {
	const bytes = new Uint8Array(4);
	new DataView(bytes.buffer).setUint32(0, value, little);
	return bytes;
}

function classicPcap(linkType: number, packets: readonly Uint8Array[], little = true): Uint8Array {
	const n = (value: number) => u32(value, little);
	const half = little ? hex("02000400") : hex("00020004");
	const records = packets.map((packet) => concatBytes(n(0), n(0), n(packet.length), n(packet.length), packet));
	return concatBytes(n(0xa1b2c3d4), half, n(0), n(0), n(65535), n(linkType), ...records);
}

function pcapng(linkType: number, packets: readonly Uint8Array[], little: boolean): Uint8Array {
	const n = (value: number) => u32(value, little);
	const two = (value: number) => (little ? u16(value).reverse() : u16(value));
	const block = (type: number, body: Uint8Array) => {
		const padded = concatBytes(body, new Uint8Array((4 - (body.length % 4)) % 4));
		return concatBytes(n(type), n(padded.length + 12), padded, n(padded.length + 12));
	};
	const section = block(0x0a0d0d0a, concatBytes(n(0x1a2b3c4d), two(1), two(0), n(0xffffffff), n(0xffffffff)));
	const linked = block(1, concatBytes(two(linkType), two(0), n(0)));
	const blocks = packets.map((packet, i) =>
		i % 2 === 0
			? block(6, concatBytes(n(0), n(0), n(0), n(packet.length), n(packet.length), packet))
			: block(3, concatBytes(n(packet.length), packet)),
	);
	return concatBytes(section, linked, ...blocks);
}

function ipv4(protocol: number, payload: Uint8Array): Uint8Array {
	const head = concatBytes(hex("4500"), u16(20 + payload.length), hex("00000000 40"), new Uint8Array([protocol]));
	return concatBytes(head, hex("0000 c0000201 c0000202"), payload);
}

function ipv6(protocol: number, payload: Uint8Array): Uint8Array {
	const head = concatBytes(hex("60000000"), u16(payload.length), new Uint8Array([protocol, 64]));
	const address = hex("20010db8000000000000000000000001");
	return concatBytes(head, address, address, payload);
}

function udp(payload: Uint8Array, from = 6084, to = 40000): Uint8Array {
	return concatBytes(u16(from), u16(to), u16(8 + payload.length), u16(0), payload);
}

function tcp(sequence: number, payload: Uint8Array, flags = 0x18, from = 40000): Uint8Array {
	const ports = concatBytes(u16(from), u16(6084));
	const offset = new Uint8Array([0x50, flags]);
	return concatBytes(ports, u32(sequence), u32(0), offset, hex("ffff 0000 0000"), payload);
}

function sources(input: Uint8Array | string): string[] {
	const decoded = decode(input);
	for (const item of decoded.items) expect(item.description.refused).toBeUndefined();
	return decoded.items.map((item) => `${item.source} ${item.bytes.length}`);
}

describe("input is told apart", () => {
	const digits = Buffer.from(PING).toString("hex");
	const pairs = digits.match(/../g)!;
	const dump = (line: (offset: number, octets: string[]) => string) => {
		const lines: string[] = [];
		for (let at = 0; at < pairs.length; at += 16) lines.push(line(at, pairs.slice(at, at + 16)));
		return lines.join("\n");
	};

	test.each([
		["plain hex", digits],
		["hex with spaces, in lines", pairs.join(" ").replaceAll(/(.{60})/g, "$1\n")],
		["hex with colons", pairs.join(":")],
		["0x and commas", pairs.map((pair) => `0x${pair}`).join(", ")],
		["text2pcap", dump((at, octets) => `${at.toString(16).padStart(6, "0")} ${octets.join(" ")}`)],
		[
			"xxd",
			dump(
				(at, octets) =>
					`${at.toString(16).padStart(8, "0")}: ${octets
						.join("")
						.replaceAll(/(.{4})/g, "$1 ")
						.padEnd(40)} ab cd`,
			),
		],
		[
			"hexdump -C",
			`${dump((at, octets) => `${at.toString(16).padStart(8, "0")}  ${octets.join(" ")}  |:a.|`)}\n00000093`,
		],
	])("%s", (_name, text) => {
		expect(sources(text)).toEqual(["message 147"]);
		expect(sources(new TextEncoder().encode(text))).toEqual(["message 147"]);
	});

	test("several dumps in one text", () => {
		const one = dump((at, octets) => `${at.toString(16).padStart(6, "0")} ${octets.join(" ")}`);
		expect(sources(`# two of them\n${one}\n\n${one}\n`)).toEqual(["message 147", "message 147"]);
	});

	test("raw octets of a message, of messages and of frames", () => {
		expect(sources(PING)).toEqual(["message 147"]);
		expect(sources(concatBytes(PING, PING))).toEqual(["message 147", "message at octet 147 147"]);
		expect(sources(concatBytes(FRAME, ACK))).toEqual(["frame 155", "frame at octet 155 9"]);
	});

	test.each([
		["odd digits", "d2454", "the text has an odd number of hex digits (5)"],
		["no hex", "hello", 'the text is not hex: "h" after 0 digits'],
		["nothing", "  \n", "the text is empty"],
	])("%s", (_name, text, note) => {
		expect(decode(text)).toEqual({ items: [], notes: [note] });
	});
});

describe("captures", () => {
	const ethernet = hex("020000000001 020000000002");

	test.each([
		["classic, Ethernet", classicPcap(1, [concatBytes(ethernet, hex("0800"), ipv4(17, udp(FRAME)))])],
		["classic, big endian", classicPcap(101, [ipv4(17, udp(FRAME))], false)],
		["VLAN", classicPcap(1, [concatBytes(ethernet, hex("8100 0001 0800"), ipv4(17, udp(FRAME)))])],
		["pcapng, raw IP", pcapng(101, [ipv4(17, udp(FRAME))], true)],
		["pcapng, big endian", pcapng(101, [ipv4(17, udp(FRAME))], false)],
		["bare loopback", classicPcap(0, [concatBytes(hex("02000000"), ipv4(17, udp(FRAME)))])],
	])("%s", (_name, capture) => {
		expect(sources(capture)).toEqual(["udp 192.0.2.1:6084 > 192.0.2.2:40000 packet 1 frame 155"]);
	});

	test("IPv6", () => {
		const source = "udp [2001:db8::1]:6084 > [2001:db8::1]:40000 packet 1 frame 155";
		expect(sources(classicPcap(101, [ipv6(17, udp(FRAME))]))).toEqual([source]);
		expect(sources(classicPcap(101, [ipv6(0, concatBytes(hex("1100000000000000"), udp(FRAME)))]))).toEqual([source]);
	});

	test("user link types and upper PDUs carry messages as they are", () => {
		expect(sources(classicPcap(147, [PING]))).toEqual(["user packet 1 message 147"]);
		const tags = hex("000c 0006 72656c6f6164 0000 0000");
		expect(sources(classicPcap(252, [concatBytes(tags, PING)]))).toEqual(["upper pdu packet 1 message 147"]);
	});

	test("acks count only on the registered port, other traffic does not count", () => {
		const elsewhere = [udp(ACK, 5000, 5001), udp(hex("8000 0102 0304"), 5000, 5001), udp(new Uint8Array(0))];
		expect(
			sources(
				classicPcap(
					101,
					elsewhere.map((each) => ipv4(17, each)),
				),
			),
		).toEqual([]);
		expect(decode(classicPcap(101, [])).notes).toEqual(["nothing in the input is RELOAD"]);
		expect(sources(pcapng(101, [ipv4(17, udp(FRAME)), ipv4(17, udp(ACK))], true)).length).toBe(2);
	});

	test("a TCP stream is put in order, whatever its segments look like", () => {
		const stream = concatBytes(FRAME, FRAME, ACK);
		const base = 0xffffff80;
		const cut = [0, 1, 100, 158, 200, stream.length];
		const segments = cut.slice(1).map((end, i) => tcp((base + cut[i]!) >>> 0, stream.subarray(cut[i]!, end)));
		const order = [tcp(base - 1, new Uint8Array(0), 0x02), segments[2]!, segments[0]!, segments[0]!, segments[1]!];
		const packets = [...order, segments[4]!, segments[3]!, segments[1]!].map((segment) => ipv4(6, segment));
		const source = "tcp 192.0.2.1:40000 > 192.0.2.2:6084 packet 1";
		expect(sources(classicPcap(101, packets))).toEqual([
			`${source} frame 155`,
			`${source} frame at octet 155 155`,
			`${source} frame at octet 310 9`,
		]);
	});

	test("a gap and a damaged end are told", () => {
		const lost = [tcp(1, FRAME), tcp(1000, FRAME)].map((segment) => ipv4(6, segment));
		const { items, notes } = decode(classicPcap(101, lost));
		expect(items.length).toBe(1);
		expect(notes[0]).toContain("segments are missing");
		const whole = classicPcap(101, [ipv4(17, udp(FRAME)), ipv4(17, udp(FRAME))]);
		expect(decode(whole.subarray(0, whole.length - 5)).notes).toEqual(["the capture ends inside packet 2"]);
		expect(decode(classicPcap(9999, [PING])).notes).toEqual(["packets of link type 9999 are not read"]);
	});

	test("no prefix and no damage makes it throw", () => {
		const captures = [
			classicPcap(101, [ipv4(6, tcp(1, FRAME)), ipv6(17, udp(PING))]),
			pcapng(1, [concatBytes(ethernet, hex("0800"), ipv4(17, udp(FRAME)))], true),
			pcapng(252, [concatBytes(hex("000c 0006 72656c6f6164 0000 0000"), PING)], false),
		];
		for (const capture of captures) {
			for (let at = 0; at < capture.length; at++) {
				decode(capture.subarray(0, at));
				const copy = capture.slice();
				copy[at]! ^= 0xff;
				decode(copy);
			}
		}
	});
});

describe("text", () => {
	test("every field has a line under its RFC name", () => {
		const text = decodeText(PING);
		expect(text).toContain("message, 147 octets");
		for (const line of ["relo_token +0xd2454c4f", "transaction_id +0x5326f29390972f2a", "padding +01020304"]) {
			expect(text).toMatch(new RegExp(line));
		}
	});

	test("a refusal has its reason, its offset and the octets around it", () => {
		const bytes = PING.slice();
		bytes[10] = 1;
		expect(decodeText(bytes)).toContain(
			[
				"  refused at octet 10: version is not 1.0 (0x0a)",
				"    ... 4c 4f 9a a3 2b 8d 00 16 [01] 64 c0 00 00 00 00 00 00 ...",
			].join("\n"),
		);
		expect(decodeText(PING.subarray(0, 30))).toContain("refused at octet 28: ends too early");
		expect(decodeText(hex("00112233"))).toContain("refused at octet 0: relo_token is not 0xd2454c4f");
	});

	test("hostile text does nothing to a terminal", () => {
		// An ErrorResponse whose error_info clears the screen.
		const header = hex("d2454c4f 9aa32b8d 0016 0a 64 c0000000 00000000 5326f29390972f2a 00000000 0000 0012 0000");
		const body = hex("0003 0007 1b5b324a c2857f");
		const bytes = concatBytes(
			header,
			hex("0110 4e3d2c1b0a99887766554433221100ff ffff 0000000b"),
			body,
			hex("00000000 0000 0000 03 0000 0000"),
		);
		new DataView(bytes.buffer).setUint32(16, bytes.length);
		const text = decodeText(bytes);
		expect(text).toContain("\\u{1b}[2J\\u{85}\\u{7f}");
		expect(text).not.toMatch(/(?!\n)\p{Cc}/u);
	});

	test("json holds the same as one document", () => {
		const document = JSON.parse(decodeText(PING, { json: true }));
		expect(document.items[0].octets).toBe(147);
		expect(document.items[0].fields.message_contents.messageCodeName).toBe("ping_req");
		const refused = JSON.parse(decodeText(hex("d2454c4f"), { json: true })).items[0].refused;
		expect(refused).toEqual({ refused: "ends too early", at: 4 });
	});
});

test("private Kinds and other Node-ID lengths are read when they are told", () => {
	expect(decode(PING, { nodeIdLength: 20 }).items[0]!.description.refused?.refused).toMatch(/Node-ID/);
	const store = readVectors("message").find((vector) => vector.name === "27-store-req-turn-service")!.hex;
	const turn = store.replace("0000007700000002", "00000077f0000001");
	expect(decodeText(turn)).not.toContain("storage_time");
	expect(decodeText(turn, { kinds: new Map([[0xf0000001, "single"]]) })).toMatch(/storage_time +1767225600000/);
});

test("fragments are shown as they are, and once more as the message they make", () => {
	const pieces = fragmentMessage(ATTACH, 600)!;
	const { items } = decode(concatBytes(...pieces));
	expect(items.map((item) => item.source).at(-1)).toBe("message reassembled from fragments");
	expect(items.length).toBe(pieces.length + 1);
	expect(items.at(-1)!.bytes).toEqual(ATTACH);
});
