import { describe, expect, test } from "vitest";
import type { SessionMedia } from "../../../../core/sip/agent/offer-answer.ts";
import { ackOf, answer, Device, isEmpty, MEDIA, name, OTHER_MEDIA, Pair, request, type Sent, sdp } from "./support.ts";

const URI = "sip:house@192.0.2.9";

/** A call of ours over UDP, answered with these lines. */
function connected(extra: string[] = [], options = {}): { device: Device; call: number; invite: Sent } {
	const device = new Device(options);
	const call = device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA }, now))!;
	const invite = device.one();
	device.from(answer(invite.message, 200, { sdp: sdp(), extra }));
	device.take();
	device.takeEvents();
	return { device, call, invite };
}

/** A request of the far end inside that call. */
function inside(invite: Sent, method: string, more = {}): string {
	const names = { callId: invite.message.callId(), fromTag: "far", toTag: invite.message.fromTag() };
	return request(method, { ...names, ...more });
}

function ackInside(invite: Sent, cseq: number, body = ""): string {
	return inside(invite, "ACK", { cseq, body });
}

function originOf(text: string): string {
	return /o=- (\d+ \d+)/.exec(text)![1]!;
}

describe("re-INVITE from the far end", () => {
	test("is answered with SDP", () => {
		const { device, call, invite } = connected();
		device.from(inside(invite, "INVITE", { body: sdp(30_002, ["a=sendonly"]) }));
		const ok = device.one();
		expect(name(ok.message)).toBe("200 INVITE");
		expect(ok.text).toContain("m=audio 40000 RTP/AVP 0 101\r\n");
		expect(ok.text).toContain("a=recvonly\r\n");
		expect(device.takeEvents()).toMatchObject([
			{ type: "media", call, media: { port: 30_002, direction: "recvonly" } },
		]);
		device.from(ackInside(invite, 1));
		device.advance(60_000);
		expect(device.take()).toEqual([]);
		// And back.
		device.from(inside(invite, "INVITE", { cseq: 2, body: sdp(30_002) }));
		expect(device.takeEvents()).toMatchObject([{ type: "media", media: { direction: "sendrecv" } }]);
	});

	test("without SDP: our offer in the 200, theirs in the ACK; without an answer nothing changes", () => {
		const { device, invite } = connected();
		device.from(inside(invite, "INVITE"));
		const ok = device.one();
		expect(ok.text).toContain("m=audio 40000 RTP/AVP 0 8 101\r\n");
		device.from(ackInside(invite, 1, sdp(30_004)));
		expect(device.takeEvents()).toMatchObject([{ type: "media", media: { port: 30_004 } }]);
		device.from(inside(invite, "INVITE", { cseq: 2 }));
		device.take();
		device.from(ackInside(invite, 2));
		expect(device.take()).toEqual([]);
		expect(device.takeEvents()).toEqual([]);
	});

	test("a description that changes nothing is no event", () => {
		const { device, invite } = connected();
		device.from(inside(invite, "INVITE", { body: sdp() }));
		expect(device.takeEvents()).toEqual([]);
		expect(device.one().message.status).toBe(200);
	});

	test("that cannot be taken: 488, and the call goes on", () => {
		const { device, invite } = connected();
		for (const [i, body] of [
			sdp(30_000, [], "RTP/AVP", "18"),
			sdp(0),
			"v=0\r\n",
			sdp(30_000, [], "RTP/SAVP"),
		].entries()) {
			device.from(inside(invite, "INVITE", { cseq: i + 1, body, branch: `z9hG4bKr${i}` }));
			expect(device.names()).toEqual(["488 INVITE"]);
			device.from(inside(invite, "ACK", { cseq: i + 1, branch: `z9hG4bKr${i}` }));
		}
		device.advance(60_000);
		expect(device.takeEvents()).toEqual([]);
		device.from(inside(invite, "BYE", { cseq: 9 }));
		expect(device.eventNames()).toEqual(["ended"]);
	});

	test("while ours is open: 491; while theirs is: 500; old numbers: 500", () => {
		const { device, call, invite } = connected();
		device.do((agent, now) => agent.hold(call, true, now));
		device.take();
		device.from(inside(invite, "INVITE", { cseq: 5, body: sdp() }));
		expect(device.names()).toEqual(["491 INVITE"]);
		device.from(inside(invite, "INVITE", { cseq: 4, body: sdp() }));
		expect(device.names()).toEqual(["500 INVITE"]);
	});

	test("a target refresh: later requests go there", () => {
		const { device, call, invite } = connected();
		const moved = inside(invite, "INVITE", { body: sdp() }).replace("hall@192.0.2.9:5060", "hall@192.0.2.44:5070");
		device.from(moved);
		device.from(ackInside(invite, 1));
		device.take();
		device.do((agent, now) => agent.hangUp(call, now));
		expect(device.one()).toMatchObject({ address: "192.0.2.44", port: 5070 });
	});

	test("the version of o= grows when the description changes, and only then", () => {
		const { device, invite } = connected();
		const first = originOf(invite.text);
		device.from(inside(invite, "INVITE", { cseq: 1, body: sdp(30_000, ["a=inactive"]) }));
		const held = originOf(device.one().text);
		device.from(ackInside(invite, 1));
		device.from(inside(invite, "INVITE", { cseq: 2, body: sdp(30_000, ["a=inactive"]) }));
		const again = originOf(device.one().text);
		const [id, version] = first.split(" ");
		expect(held).toBe(`${id} ${Number(version) + 1}`);
		expect(again).toBe(held);
	});

	test("other streams are refused in their place, also in our later offers", () => {
		const device = new Device();
		const video = "m=video 5000 RTP/AVP 96";
		device.from(
			request("INVITE", { body: `${sdp().replace("m=audio", `${video}\r\nm=audio`)}m=text 0 RTP/AVP 98\r\n` }),
		);
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		const ok = device.one();
		expect(ok.text).toMatch(/m=video 0 RTP\/AVP 96\r\nm=audio 40000 [\s\S]*m=text 0 RTP\/AVP 98\r\n$/);
		device.from(ackOf(ok.message));
		device.do((agent, now) => agent.hold(1, true, now));
		expect(device.one().text).toMatch(
			/m=video 0 RTP\/AVP 96\r\nm=audio 40000 [\s\S]*a=sendonly\r\nm=text 0 RTP\/AVP 98\r\n$/,
		);
	});
});

describe("re-INVITE of ours", () => {
	test("hold and resume", () => {
		const { device, call } = connected();
		expect(device.do((agent, now) => agent.hold(call, true, now))).toBe(true);
		const hold = device.one();
		expect(hold.text).toContain("a=sendonly\r\n");
		expect(hold.message.cseq).toBe(2);
		expect(device.do((agent, now) => agent.hold(call, false, now))).toBe(false);
		device.from(answer(hold.message, 100));
		device.from(answer(hold.message, 200, { sdp: sdp(30_000, ["a=recvonly"]) }));
		expect(device.names()).toEqual(["ACK"]);
		expect(device.takeEvents()).toMatchObject([{ type: "media", call, media: { direction: "sendonly" } }]);
		device.do((agent, now) => agent.hold(call, false, now));
		const resume = device.one();
		expect(resume.text).toContain("a=sendrecv\r\n");
		device.from(answer(resume.message, 200, { sdp: sdp() }));
		expect(device.takeEvents()).toMatchObject([{ type: "media", media: { direction: "sendrecv" } }]);
	});

	test("refused: the session is as it was", () => {
		const { device, call } = connected();
		device.do((agent, now) => agent.hold(call, true, now));
		device.from(answer(device.one().message, 488));
		expect(device.names()).toEqual(["ACK"]);
		expect(device.takeEvents()).toMatchObject([{ type: "unchanged", call, status: 488 }]);
		// The next offer begins from what holds.
		device.do((agent, now) => agent.reinvite(call, OTHER_MEDIA, now));
		expect(device.one().text).toContain("a=sendrecv\r\n");
	});

	test.each([408, 481])("%i ends the call", (status) => {
		const { device, call } = connected();
		device.do((agent, now) => agent.hold(call, true, now));
		device.from(answer(device.one().message, status));
		expect(device.names()).toEqual(["ACK", "BYE"]);
		expect(device.takeEvents()).toMatchObject([{ type: "ended", call, cause: "timeout", status }]);
	});

	test("a provisional answer and nothing more: given up after 200 s, and with the call", () => {
		const { device, call } = connected();
		device.do((agent, now) => agent.hold(call, true, now));
		device.from(answer(device.one().message, 100));
		device.advance(199_999);
		expect(device.takeEvents()).toEqual([]);
		device.advance(1);
		expect(device.takeEvents()).toMatchObject([{ type: "unchanged", call, status: 504 }]);
		device.do((agent, now) => agent.hold(call, true, now));
		device.from(answer(device.take().at(-1)!.message, 100));
		device.do((agent, now) => agent.hangUp(call, now));
		device.from(answer(device.one().message, 200));
		device.advance(64_000);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("491: again after 2.1 to 4 s, or 0 to 2 s for the called side", () => {
		const { device, call } = connected();
		device.do((agent, now) => agent.hold(call, true, now));
		device.from(answer(device.one().message, 491));
		device.take();
		device.advance(2_099);
		expect(device.take()).toEqual([]);
		device.advance(1_901);
		const again = device.take()[0]!;
		expect(name(again.message)).toBe("INVITE");
		expect(again.text).toContain("a=sendonly");
		device.from(answer(again.message, 200, { sdp: sdp(30_000, ["a=recvonly"]) }));
		expect(device.eventNames()).toEqual(["media"]);
		const called = new Device();
		called.from(request("INVITE", { body: sdp() }));
		called.do((agent, now) => agent.answer(1, MEDIA, now));
		called.from(ackOf(called.one().message));
		called.do((agent, now) => agent.hold(1, true, now));
		called.from(answer(called.one().message, 491));
		called.take();
		called.advance(2_000);
		expect(called.names()[0]).toBe("INVITE");
	});

	test("both at once: 491 to both, then one after the other", () => {
		const pair = new Pair("udp");
		pair.onEvent = (who, event) => {
			if (event.type === "incoming") pair.do(who, (agent, now) => agent.answer(event.call, OTHER_MEDIA, now));
		};
		const call = pair.do(0, (agent, now) => agent.invite({ flow: 1, uri: "sip:hall@192.0.2.2", media: MEDIA }, now))!;
		pair.advance(1_000);
		const other = pair.of(1, "incoming")[0]!.call;
		pair.do(0, (agent, now) => agent.hold(call, true, now));
		pair.do(1, (agent, now) => agent.hold(other, true, now));
		pair.advance(10_000);
		expect(pair.story.filter((line) => line.endsWith("491 INVITE")).length).toBe(2);
		expect(pair.of(0, "media").at(-1)!.media.direction).toBe("inactive");
		expect(pair.of(1, "media").at(-1)!.media.direction).toBe("inactive");
		pair.do(0, (agent, now) => agent.hangUp(call, now));
		pair.advance(64_000);
		expect(isEmpty(pair.agents[0]) && isEmpty(pair.agents[1])).toBe(true);
	});
});

describe("UPDATE (RFC 3311)", () => {
	test("without a description: 200; with an offer: an answer; wrong ones refused", () => {
		const { device, invite } = connected();
		device.from(inside(invite, "UPDATE", { cseq: 1 }));
		expect(device.names()).toEqual(["200 UPDATE"]);
		device.from(inside(invite, "UPDATE", { cseq: 2, body: sdp(30_010) }));
		expect(device.one().text).toContain("m=audio 40000");
		expect(device.takeEvents()).toMatchObject([{ type: "media", media: { port: 30_010 } }]);
		device.from(inside(invite, "UPDATE", { cseq: 3, body: sdp(30_010, [], "RTP/AVP", "18") }));
		device.from(inside(invite, "UPDATE", { cseq: 4, body: "x", type: "text/plain" }));
		expect(device.names()).toEqual(["488 UPDATE", "415 UPDATE"]);
	});

	test("before the answer: 491 where our offer is open, 500 where theirs is", () => {
		const device = new Device();
		device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA }, now));
		const invite = device.one();
		device.from(answer(invite.message, 180));
		device.from(inside(invite, "UPDATE", { cseq: 1, body: sdp() }));
		device.from(inside(invite, "UPDATE", { cseq: 2 }));
		expect(device.names()).toEqual(["491 UPDATE", "200 UPDATE"]);
		device.from(request("INVITE", { body: sdp() }));
		device.do((agent, now) => agent.ring(2, now));
		const ringing = device.one();
		device.from(request("UPDATE", { cseq: 2, toTag: ringing.message.toTag(), body: sdp() }));
		expect(device.names()).toEqual(["500 UPDATE"]);
	});
});

describe("session timers (RFC 4028)", () => {
	test("we refresh at half time, by UPDATE where it is allowed", () => {
		const { device } = connected(["Session-Expires: 200;refresher=uac", "Allow: INVITE, UPDATE"]);
		device.advance(99_999);
		expect(device.take()).toEqual([]);
		device.advance(1);
		const update = device.one();
		expect(name(update.message)).toBe("UPDATE");
		expect(update.text).toContain("Session-Expires: 200;refresher=uac\r\n");
		device.from(answer(update.message, 200, { extra: ["Session-Expires: 200;refresher=uac"] }));
		device.advance(99_999);
		expect(device.take()).toEqual([]);
		device.advance(1);
		expect(name(device.one().message)).toBe("UPDATE");
	});

	test("else by re-INVITE with the same description", () => {
		const { device, invite } = connected(["Session-Expires: 200"]);
		device.advance(100_000);
		const refresh = device.one();
		expect(name(refresh.message)).toBe("INVITE");
		expect(originOf(refresh.text)).toBe(originOf(invite.text));
		device.from(answer(refresh.message, 200, { sdp: sdp(), extra: ["Session-Expires: 200;refresher=uac"] }));
		expect(device.takeEvents()).toEqual([]);
		expect(device.names()).toEqual(["ACK"]);
	});

	test("a refresh that fails is tried again; when the session has run out: BYE", () => {
		const { device, call } = connected(["Session-Expires: 90;refresher=uac", "Allow: UPDATE"]);
		device.advance(45_000);
		device.from(answer(device.one().message, 503));
		device.advance(10_000);
		const again = device.one();
		expect(name(again.message)).toBe("UPDATE");
		device.from(answer(again.message, 503));
		device.advance(34_999);
		expect(device.takeEvents()).toEqual([]);
		device.advance(1);
		expect(device.takeEvents()).toMatchObject([{ type: "ended", call, cause: "timeout", reason: "Session Expired" }]);
		expect(device.names().at(-1)).toBe("BYE");
	});

	test("UPDATE refused as unknown: re-INVITE from then on", () => {
		const { device } = connected(["Session-Expires: 90;refresher=uac", "Allow: UPDATE"]);
		device.advance(45_000);
		device.from(answer(device.one().message, 405));
		device.advance(10_000);
		expect(name(device.one().message)).toBe("INVITE");
	});

	test("they refresh: BYE 32 s (or a third) before the end when they do not", () => {
		const { device, call } = connected(["Session-Expires: 300;refresher=uas"]);
		device.advance(267_999);
		expect(device.takeEvents()).toEqual([]);
		device.advance(1);
		expect(device.takeEvents()).toMatchObject([{ type: "ended", call, cause: "timeout" }]);
		const { device: second, invite } = connected(["Session-Expires: 300;refresher=uas"]);
		for (let i = 1; i < 9; i++) {
			second.advance(200_000);
			second.from(
				inside(invite, "UPDATE", { cseq: i, extra: ["Supported: timer", "Session-Expires: 300;refresher=uac"] }),
			);
			expect(second.one().text).toContain("Session-Expires: 300;refresher=uac\r\nRequire: timer\r\n");
		}
		expect(second.takeEvents()).toEqual([]);
	});

	test("asked by the caller: who refreshes", () => {
		for (const [extra, line, isOurs] of [
			[["Supported: timer", "Session-Expires: 120"], "Session-Expires: 120;refresher=uac\r\nRequire: timer\r\n", false],
			[["Supported: timer", "Session-Expires: 120;refresher=uas"], "Session-Expires: 120;refresher=uas\r\n", true],
			[["x: 120"], "Session-Expires: 120;refresher=uas\r\n", true],
		] as const) {
			const device = new Device();
			device.from(request("INVITE", { body: sdp(), extra: [...extra] }));
			device.advance(50_000);
			device.take();
			device.do((agent, now) => agent.answer(1, MEDIA, now));
			const ok = device.one();
			expect(ok.text).toContain(line);
			device.from(ackOf(ok.message));
			device.advance(60_000);
			expect(device.names()).toEqual(isOurs ? ["INVITE"] : []);
		}
	});

	test("too short an interval: 422 to them; ours grows when they say 422, once", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp(), extra: ["Supported: timer", "Session-Expires: 60"] }));
		expect(device.one().text).toContain("Min-SE: 90\r\n");
		device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA }, now));
		const invite = device.one();
		device.from(answer(invite.message, 422, { extra: ["Min-SE: 3600"] }));
		const [, again] = device.take();
		expect(again!.text).toContain("Session-Expires: 3600\r\nMin-SE: 3600\r\n");
		expect(again!.message.callId()).toBe(invite.message.callId());
		expect(again!.message.cseq).toBe(2);
		device.from(answer(again!.message, 422, { extra: ["Min-SE: 7200"] }));
		expect(device.takeEvents()).toMatchObject([{ type: "ended", status: 422 }]);
	});

	test("none wanted", () => {
		const device = new Device({ sessionExpiresS: 0 });
		device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA }, now));
		expect(device.one().text).not.toContain("Session-Expires");
	});
});

const KEY = `inline:${"QUJD".repeat(10)}`;
const CRYPTO = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${KEY}`;

function keyIn(text: string): string {
	return /a=crypto:\d+ AES_CM_128_HMAC_SHA1_80 inline:(\S{40})\r\n/.exec(text)?.[1] ?? "";
}

function base64(key: Uint8Array | undefined): string {
	return key === undefined ? "" : Buffer.from(key).toString("base64");
}

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
