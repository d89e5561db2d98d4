import { describe, expect, test } from "vitest";
import { ackInside, connected, inside, originOf, URI } from "./sessions-support.ts";
import { ackOf, answer, Device, isEmpty, MEDIA, name, OTHER_MEDIA, Pair, request, sdp } from "./support.ts";

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
