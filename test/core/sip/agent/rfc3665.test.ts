/** The session establishment flows of RFC 3665 §3 that concern a user agent, with their own names: our agent is Bob, or Alice. */
import { describe, expect, test } from "vitest";
import type { Sent } from "./support.ts";
import { Device, isEmpty, lines, MEDIA, name } from "./support.ts";

const BOB_FLOW = { flow: 1, uri: "sip:bob@192.0.2.201", address: "192.0.2.201", port: 5060 };

function alice(method: string, cseq: number, toTag = "", body = "", branch = "z9hG4bK74bf9"): string {
	const head = lines(
		`${method} sip:bob@biloxi.example.com SIP/2.0`,
		`Via: SIP/2.0/UDP client.atlanta.example.com:5060;branch=${branch}`,
		"Max-Forwards: 70",
		"From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl",
		`To: Bob <sip:bob@biloxi.example.com>${toTag === "" ? "" : `;tag=${toTag}`}`,
		"Call-ID: 3848276298220188511@atlanta.example.com",
		`CSeq: ${cseq} ${method}`,
		"Contact: <sip:alice@192.0.2.101>",
		...(body === "" ? [] : ["Content-Type: application/sdp"]),
		`Content-Length: ${body.length}`,
	);
	return head + body;
}

function sdpOf(user: string, session: string, address: string, port: number): string {
	return lines(
		"v=0",
		`o=${user} ${session} IN IP4 ${address}`,
		"s=-",
		`c=IN IP4 ${address}`,
		"t=0 0",
		`m=audio ${port} RTP/AVP 0`,
		"a=rtpmap:0 PCMU/8000",
	).slice(0, -2);
}

const ALICE_SDP = sdpOf("alice", "2890844526 2890844526", "192.0.2.101", 49_172);

/** Bob's answer to what Alice's agent (ours) sent. */
function bob(sent: Sent, status: string, body = ""): string {
	const { message } = sent;
	const via = message.via()!;
	return (
		lines(
			`SIP/2.0 ${status}`,
			`Via: ${message.text.slice(via.start, via.end)};received=192.0.2.1`,
			`From: <sip:door@home.example>;tag=${message.fromTag()}`,
			"To: Bob <sip:bob@biloxi.example.com>;tag=8321234356",
			`Call-ID: ${message.callId()}`,
			`CSeq: ${message.cseq} ${message.method}`,
			"Contact: <sip:bob@192.0.2.201>",
			...(body === "" ? [] : ["Content-Type: application/sdp"]),
			`Content-Length: ${body.length}`,
		) + body
	);
}

function asBob(): Device {
	const device = new Device();
	device.from(alice("INVITE", 1, "", ALICE_SDP), "192.0.2.101:5060");
	device.do((agent, now) => agent.ring(1, now));
	return device;
}

describe("as Bob", () => {
	test("§3.1: INVITE, 180, 200, ACK, BYE from Bob", () => {
		const device = asBob();
		const [f2] = device.take();
		expect(name(f2!.message)).toBe("180 INVITE");
		expect(f2!.message.callId()).toBe("3848276298220188511@atlanta.example.com");
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		const f3 = device.one();
		expect(f3.message.toTag()).toBe(f2!.message.toTag());
		expect(f3.text).toContain("m=audio 40000 RTP/AVP 0\r\n");
		device.from(alice("ACK", 1, f3.message.toTag(), "", "z9hG4bK74bd5"), "192.0.2.101:5060");
		expect(device.eventNames()).toEqual(["incoming", "media", "confirmed"]);
		device.do((agent, now) => agent.hangUp(1, now));
		const f5 = device.one();
		expect(f5.text).toMatch(/^BYE sip:alice@192\.0\.2\.101 SIP\/2\.0\r\n/);
		expect(f5.text).toContain("From: Bob <sip:bob@biloxi.example.com>;tag=");
		expect(f5.text).toContain("To: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n");
		device.from(bob(f5, "200 OK"));
		device.advance(64_000);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("§3.7: Alice moves by re-INVITE", () => {
		const device = asBob();
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		const tag = device.take()[1]!.message.toTag();
		device.from(alice("ACK", 1, tag, "", "z9hG4bKack"), "192.0.2.101:5060");
		device.takeEvents();
		const moved = sdpOf("alice", "2890844526 2890844527", "192.0.2.102", 47_172);
		device.from(alice("INVITE", 14, tag, moved, "z9hG4bK21dd"), "192.0.2.101:5060");
		expect(name(device.one().message)).toBe("200 INVITE");
		expect(device.takeEvents()).toMatchObject([{ type: "media", media: { address: "192.0.2.102", port: 47_172 } }]);
	});

	test("§3.8: CANCEL, 200, 487, ACK", () => {
		const device = asBob();
		device.take();
		device.from(alice("CANCEL", 1), "192.0.2.101:5060");
		expect(device.names()).toEqual(["200 CANCEL", "487 INVITE"]);
		device.advance(500);
		expect(device.names()).toEqual(["487 INVITE"]);
		device.from(alice("ACK", 1, "x"), "192.0.2.101:5060");
		device.advance(64_000);
		expect(device.take()).toEqual([]);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test.each([
		["§3.9: busy", 486],
		["§3.11: away", 480],
	])("%s", (_name, status) => {
		const device = asBob();
		device.take();
		device.do((agent, now) => agent.reject(1, status, now));
		expect(device.one().message.status).toBe(status);
		// Timer G, then H: nobody acknowledges.
		device.advance(32_000);
		expect(device.names()).toEqual(Array(10).fill(`${status} INVITE`));
		expect(isEmpty(device.agent)).toBe(true);
	});
});

describe("as Alice", () => {
	test("§3.1: INVITE, 180, 200, ACK, BYE from Bob", () => {
		const device = new Device();
		const to = "sip:bob@biloxi.example.com";
		const call = device.do((agent, now) => agent.invite({ ...BOB_FLOW, to, media: MEDIA }, now));
		const f1 = device.one();
		expect([f1.address, f1.port]).toEqual(["192.0.2.201", 5060]);
		device.from(bob(f1, "180 Ringing"));
		device.from(bob(f1, "200 OK", sdpOf("bob", "2890844527 2890844527", "192.0.2.201", 3_456)));
		const f4 = device.one();
		expect(f4.text).toMatch(/^ACK sip:bob@192\.0\.2\.201 SIP\/2\.0\r\n/);
		expect(f4.message.via()!.branch).not.toBe(f1.message.via()!.branch);
		const f5 = lines(
			"BYE sip:door@192.0.2.1 SIP/2.0",
			"Via: SIP/2.0/UDP client.biloxi.example.com:5060;branch=z9hG4bKnashds7",
			"Max-Forwards: 70",
			"From: Bob <sip:bob@biloxi.example.com>;tag=8321234356",
			`To: <sip:door@home.example>;tag=${f1.message.fromTag()}`,
			`Call-ID: ${f1.message.callId()}`,
			"CSeq: 1 BYE",
			"Content-Length: 0",
		);
		device.from(f5, "192.0.2.201:5060");
		expect(name(device.one().message)).toBe("200 BYE");
		expect(device.takeEvents()).toMatchObject([
			{ type: "progress", status: 180 },
			{ type: "answered", call, media: { port: 3_456 } },
			{ type: "ended", call, cause: "remote" },
		]);
		device.advance(64_000);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("§3.10: Bob is not there: INVITE again and again, then the end; §3.6: 302 is told", () => {
		const device = new Device();
		device.do((agent, now) => agent.invite({ ...BOB_FLOW, media: MEDIA }, now));
		const f1 = device.take()[0]!;
		device.from(bob(f1, "302 Moved Temporarily"));
		expect(device.takeEvents()).toMatchObject([
			{ type: "ended", cause: "refused", status: 302, reason: "Moved Temporarily" },
		]);
		expect(device.names()).toEqual(["ACK"]);
		device.do((agent, now) => agent.invite({ ...BOB_FLOW, media: MEDIA }, now));
		device.advance(32_000);
		expect(device.names().length).toBe(7);
		expect(device.takeEvents()).toMatchObject([{ type: "ended", cause: "timeout", status: 408 }]);
	});
});
