import { describe, expect, test } from "vitest";
import type { SessionMedia } from "../../../../core/sip/agent/offer-answer.ts";
import { ackInside, base64, CRYPTO, connected, inside, KEY, keyIn, URI } from "./sessions-support.ts";
import { answer, Device, MEDIA, name, request, type Sent, sdp } from "./support.ts";

describe("SRTP keys (RFC 4568, RFC 8643)", () => {
	function calling(
		srtp: "none" | "optional" | "preferred" | "required",
		flow = 2,
	): { device: Device; call: number; invite: Sent } {
		const device = new Device();
		const media = { ...MEDIA, srtp };
		const call = device.do((agent, now) => agent.invite({ flow, uri: URI, media }, now))!;
		return { device, call, invite: device.take()[0]! };
	}

	test("optional: keys with RTP/AVP; whoever knows them answers with keys, everybody else plainly", () => {
		for (const isKnown of [true, false]) {
			const { device, invite } = calling("optional");
			expect(invite.text).toContain("m=audio 40000 RTP/AVP 0 8 101\r\n");
			const key = keyIn(invite.text);
			expect(key).not.toBe("");
			device.over(answer(invite.message, 200, { sdp: sdp(30_000, isKnown ? [CRYPTO] : []) }));
			const { media } = device.takeEvents()[0] as unknown as { media: SessionMedia };
			expect(base64(media.sendKey)).toBe(isKnown ? key : "");
			expect(base64(media.receiveKey)).toBe(isKnown ? "QUJD".repeat(10) : "");
		}
	});

	test("preferred: RTP/SAVP, and after a 488 a second INVITE without keys", () => {
		const { device, call, invite } = calling("preferred");
		expect(invite.text).toContain("m=audio 40000 RTP/SAVP 0 8 101\r\n");
		device.over(answer(invite.message, 488));
		const [ack, again] = device.take();
		expect([name(ack!.message), name(again!.message)]).toEqual(["ACK", "INVITE"]);
		expect(again!.text).toContain("m=audio 40000 RTP/AVP 0 8 101\r\n");
		expect(keyIn(again!.text)).toBe("");
		expect(device.takeEvents()).toEqual([]);
		device.over(answer(again!.message, 200, { sdp: sdp(), tag: "second" }));
		expect(device.takeEvents()).toMatchObject([{ type: "answered", call, media: { sendKey: undefined } }]);
	});

	test("required: refused is refused, a plain answer is no answer", () => {
		const { device, invite } = calling("required");
		device.over(answer(invite.message, 488));
		expect(device.takeEvents()).toMatchObject([{ type: "ended", cause: "refused", status: 488 }]);
		const second = calling("required");
		second.device.over(answer(second.invite.message, 200, { sdp: sdp() }));
		expect(second.device.takeEvents()).toMatchObject([{ type: "ended", cause: "local", status: 488 }]);
		expect(second.device.names()).toEqual(["ACK", "BYE"]);
		const third = calling("required");
		third.device.over(answer(third.invite.message, 200, { sdp: sdp(30_000, [CRYPTO], "RTP/SAVP") }));
		expect(third.device.eventNames()).toEqual(["answered"]);
	});

	test("no keys over a flow that shows them; required: no call", () => {
		for (const srtp of ["optional", "preferred"] as const) {
			const { invite } = calling(srtp, 1);
			expect(invite.text).toContain("RTP/AVP");
			expect(keyIn(invite.text)).toBe("");
		}
		expect(calling("required", 1).call).toBeUndefined();
	});

	test("the called side: each policy, each offer", () => {
		const plain = sdp();
		const best = sdp(30_000, [CRYPTO]);
		const strict = sdp(
			30_000,
			["a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:x", CRYPTO.replace(":1 ", ":7 ")],
			"RTP/SAVP",
		);
		for (const [srtp, body, expected] of [
			["none", plain, "RTP/AVP"],
			["none", best, "RTP/AVP"],
			["none", strict, "488"],
			["optional", plain, "RTP/AVP"],
			["optional", best, "RTP/AVP 1"],
			["optional", strict, "RTP/SAVP 7"],
			["preferred", strict, "RTP/SAVP 7"],
			["required", plain, "488"],
			["required", best, "RTP/AVP 1"],
			["required", strict, "RTP/SAVP 7"],
		] as const) {
			const device = new Device();
			device.over(request("INVITE", { body, via: "TLS 192.0.2.5:5061" }));
			expect(device.takeEvents()).toMatchObject([{ isSecure: body !== plain }]);
			const isTaken = device.do((agent, now) => agent.answer(1, { ...MEDIA, srtp }, now));
			expect(isTaken).toBe(expected !== "488");
			const sent = device.one();
			if (!isTaken) {
				expect(name(sent.message)).toBe("488 INVITE");
				expect(device.takeEvents()).toMatchObject([{ type: "ended", cause: "local", status: 488 }]);
				continue;
			}
			const tag = /a=crypto:(\d+)/.exec(sent.text)?.[1];
			expect(`${/RTP\/S?AVP/.exec(sent.text)![0]}${tag === undefined ? "" : ` ${tag}`}`).toBe(expected);
		}
	});

	test("keys we cannot use: MKI, other suites, session parameters, short keys", () => {
		for (const line of [
			`a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${KEY}|2^20|1:4`,
			`a=crypto:1 AES_CM_128_HMAC_SHA1_32 ${KEY}`,
			`a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${KEY} UNENCRYPTED_SRTP`,
			"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:QUJD",
			`a=crypto:x AES_CM_128_HMAC_SHA1_80 ${KEY}`,
			"a=crypto:",
		]) {
			const device = new Device();
			device.over(request("INVITE", { body: sdp(30_000, [line], "RTP/SAVP"), via: "TLS 192.0.2.5:5061" }));
			expect(device.names()).toEqual(["488 INVITE"]);
		}
		const device = new Device();
		const line = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${KEY}|2^31 WSH=64`;
		device.over(request("INVITE", { body: sdp(30_000, [line], "RTP/SAVP"), via: "TLS 192.0.2.5:5061" }));
		expect(device.eventNames()).toEqual(["incoming"]);
	});

	test("a refresh of a secured session keeps its keys", () => {
		const { device, call, invite } = calling("optional");
		device.over(answer(invite.message, 200, { sdp: sdp(30_000, [CRYPTO]) }));
		device.take();
		device.do((agent, now) => agent.hold(call, true, now));
		const hold = device.one();
		expect(keyIn(hold.text)).toBe(keyIn(invite.text));
	});
});

describe("formats", () => {
	test.each([
		["8 0", "8", 8],
		["0 8", "0", 0],
		["18 8 0", "8", 8],
	])("offer %s is answered with %s", (offer, format, codec) => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp(30_000, [], "RTP/AVP", offer) }));
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		expect(device.one().text).toContain(`m=audio 40000 RTP/AVP ${format}\r\n`);
		expect(device.takeEvents().at(-1)).toMatchObject({ media: { codec, telephoneEvent: -1, telephoneEventIn: -1 } });
	});

	test("telephone events keep the number of the offer; ours is 101", () => {
		const device = new Device();
		const body = sdp(
			30_000,
			["a=rtpmap:96 telephone-event/8000", "a=rtpmap:97 telephone-event/16000"],
			"RTP/AVP",
			"0 97 96",
		);
		device.from(request("INVITE", { body }));
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		expect(device.one().text).toContain("m=audio 40000 RTP/AVP 0 96\r\n");
		expect(device.takeEvents().at(-1)).toMatchObject({ media: { telephoneEvent: 96, telephoneEventIn: 96 } });
		device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA }, now));
		const invite = device.one();
		device.from(answer(invite.message, 200, { sdp: body.replace("0 97 96", "0 96") }));
		expect(device.takeEvents().at(-1)).toMatchObject({ media: { telephoneEvent: 96, telephoneEventIn: 101 } });
	});

	test("old hold (0.0.0.0), rtcp, ptime, IPv6, session-level c= and direction", () => {
		const { device, invite } = connected();
		device.from(inside(invite, "INVITE", { body: sdp().replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0") }));
		expect(device.takeEvents()).toMatchObject([{ media: { direction: "recvonly" } }]);
		device.from(ackInside(invite, 1));
		const lines = ["c=IN IP6 2001:db8::1", "a=rtcp:53020", "a=ptime:30"];
		device.from(
			inside(invite, "INVITE", { cseq: 2, body: sdp(30_000, lines).replace("t=0 0", "t=0 0\r\na=sendonly") }),
		);
		expect(device.takeEvents()).toMatchObject([
			{ media: { address: "2001:db8::1", rtcpPort: 53_020, ptimeMs: 30, direction: "recvonly" } },
		]);
	});
});
