import { describe, expect, test } from "vitest";
import { indexText } from "../../../../core/sip/parse.ts";
import { testCrypto } from "../support.ts";
import { ackOf, answer, Device, FAR, isEmpty, lines, MEDIA, name, OTHER_MEDIA, Pair, request, sdp } from "./support.ts";

const URI = "sip:house@192.0.2.9";

function calling(device: Device, more = {}): { call: number; invite: ReturnType<Device["one"]> } {
	const call = device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA, ...more }, now))!;
	return { call, invite: device.one() };
}

/** A call of ours, answered. */
function connected(device: Device): { call: number; invite: ReturnType<Device["one"]> } {
	const made = calling(device);
	device.from(answer(made.invite.message, 200, { sdp: sdp(), extra: ["Allow: INVITE, ACK, BYE"] }));
	expect(device.names()).toEqual(["ACK"]);
	device.takeEvents();
	return made;
}

/** A call of theirs, answered and acknowledged. */
function taken(device: Device, more = {}): { call: number; ok: ReturnType<Device["one"]> } {
	device.from(request("INVITE", { body: sdp(), ...more }));
	const incoming = device.takeEvents()[0]!;
	if (incoming.type !== "incoming") throw new Error(incoming.type);
	device.take();
	expect(device.do((agent, now) => agent.answer(incoming.call, MEDIA, now))).toBe(true);
	const ok = device.one();
	device.from(ackOf(ok.message));
	device.takeEvents();
	return { call: incoming.call, ok };
}

/** A request of the far end inside the call that `taken` made. */
function inside(method: string, ok: { message: { to(): { tag: string } | undefined } }, more = {}): string {
	return request(method, { cseq: 2, toTag: ok.message.to()!.tag, ...more });
}

describe("a call of ours", () => {
	test("the press: one INVITE at once, with an offer, and nothing else", () => {
		const never = (): never => {
			throw new Error("no digest and no signature between a press and its INVITE");
		};
		const crypto = { ...testCrypto(), hash: never, hmac: never, generateKey: never, importKey: never, verify: never };
		const credentials = { username: "door", password: "secret" };
		const device = new Device({ displayName: "Front door", software: "Ringlet", crypto, credentials });
		const { invite } = calling(device, { media: { ...MEDIA, srtp: "optional" } });
		expect(invite.address).toBe("192.0.2.9");
		expect(invite.port).toBe(5060);
		expect(invite.message.from()!.display()).toBe("Front door");
		expect(invite.text).toContain("Contact: <sip:door@192.0.2.1:5060>\r\n");
		expect(invite.text).toContain("Session-Expires: 1800\r\n");
		expect(invite.text).toContain("User-Agent: Ringlet\r\n");
		expect(invite.text).toContain("m=audio 40000 RTP/AVP 0 8 101\r\n");
	});

	test("rings, is answered, is ended by us", () => {
		const device = new Device();
		const { call, invite } = calling(device);
		device.from(answer(invite.message, 100));
		device.from(answer(invite.message, 180));
		device.from(answer(invite.message, 200, { sdp: sdp() }));
		const ack = device.one();
		expect(name(ack.message)).toBe("ACK");
		expect(ack.message.cseq).toBe(invite.message.cseq);
		expect(ack.message.requestUri()).toBe("sip:far@192.0.2.9");
		expect(ack.message.toTag()).toBe("far");
		expect(device.takeEvents()).toMatchObject([
			{ type: "progress", call, status: 100 },
			{ type: "progress", call, status: 180 },
			{
				type: "answered",
				call,
				media: { address: "192.0.2.9", port: 30_000, rtcpPort: 30_001, codec: 0, telephoneEvent: 101 },
			},
		]);
		expect(device.do((agent, now) => agent.hangUp(call, now))).toBe(true);
		const bye = device.one();
		expect(bye.message.cseq).toBe(2);
		expect(device.takeEvents()).toMatchObject([{ type: "ended", call, cause: "local" }]);
		device.from(answer(bye.message, 200));
		device.advance(40_000);
		expect(isEmpty(device.agent)).toBe(true);
		expect(device.take()).toEqual([]);
		expect(device.takeEvents()).toEqual([]);
	});

	test("BYE from the far end ends it", () => {
		const device = new Device();
		const { call, invite } = connected(device);
		device.from(
			request("BYE", {
				callId: invite.message.callId(),
				fromTag: "far",
				toTag: invite.message.fromTag(),
				extra: ['Reason: SIP;cause=480;text="Gone"'],
			}),
		);
		expect(device.names()).toEqual(["200 BYE"]);
		expect(device.takeEvents()).toMatchObject([{ type: "ended", call, cause: "remote", status: 480, reason: "Gone" }]);
		expect(device.do((agent, now) => agent.hangUp(call, now))).toBe(false);
	});

	test("183 with media is early media, not an answer", () => {
		const device = new Device();
		const { call, invite } = calling(device);
		device.from(answer(invite.message, 183, { sdp: sdp(31_000) }));
		expect(device.take()).toEqual([]);
		expect(device.takeEvents()).toMatchObject([
			{ type: "progress", status: 183 },
			{ type: "early", call, media: { port: 31_000 } },
		]);
		expect(device.agent.stateOf(call)).toBe("inviting");
		// The answer without a description takes that of the 183.
		device.from(answer(invite.message, 200));
		expect(device.takeEvents()).toMatchObject([{ type: "answered", media: { port: 31_000 } }]);
	});

	test("the 200 again gets the ACK again, for as long as it may come", () => {
		const device = new Device();
		const { invite } = connected(device);
		for (let i = 0; i < 5; i++) {
			device.advance(4_000);
			device.from(answer(invite.message, 200, { sdp: sdp() }));
			expect(device.names()).toEqual(["ACK"]);
		}
		expect(device.takeEvents()).toEqual([]);
	});

	test("a 200 without any description, or one that is no answer: ACK and BYE", () => {
		for (const body of ["", sdp(30_000, [], "RTP/AVP", "18"), sdp(0)]) {
			const device = new Device();
			const { call, invite } = calling(device);
			device.from(answer(invite.message, 200, { sdp: body }));
			expect(device.names()).toEqual(["ACK", "BYE"]);
			expect(device.takeEvents()).toMatchObject([{ type: "ended", call, cause: "local", status: 488 }]);
		}
	});

	test.each([302, 404, 480, 486, 500, 503, 600, 603])("%i ends it as refused", (status) => {
		const device = new Device();
		const { call, invite } = calling(device);
		device.from(answer(invite.message, status));
		expect(device.names()).toEqual(["ACK"]);
		expect(device.takeEvents()).toMatchObject([{ type: "ended", call, cause: "refused", status, reason: "Far" }]);
		// Over UDP the answer may come again: the ACK goes again, the host hears nothing.
		device.from(answer(invite.message, status));
		expect(device.names()).toEqual(["ACK"]);
		device.advance(40_000);
		expect(device.takeEvents()).toEqual([]);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("nobody there: INVITE at 0, 0.5, 1.5, 3.5 ... s, timeout after 32 s", () => {
		const device = new Device();
		const { call } = calling(device);
		device.advance(31_999);
		expect(device.names()).toEqual(Array(6).fill("INVITE"));
		expect(device.takeEvents()).toEqual([]);
		device.advance(1);
		expect(device.takeEvents()).toMatchObject([{ type: "ended", call, cause: "timeout", status: 408 }]);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("no retransmission over TLS", () => {
		const device = new Device();
		const call = device.do((agent, now) => agent.invite({ flow: 2, uri: "sip:house@home.example", media: MEDIA }, now));
		expect(device.one()).toMatchObject({ flow: 2, address: "", port: 0 });
		device.advance(31_999);
		expect(device.take()).toEqual([]);
		device.advance(1);
		expect(device.takeEvents()).toMatchObject([{ type: "ended", call, cause: "timeout" }]);
	});

	test("rings without end: CANCEL at the limit", () => {
		const device = new Device();
		const { call, invite } = calling(device);
		device.from(answer(invite.message, 180));
		device.takeEvents();
		device.advance(199_999);
		expect(device.takeEvents()).toEqual([]);
		device.advance(1);
		expect(device.takeEvents()).toMatchObject([{ type: "ended", call, cause: "timeout", status: 408 }]);
		expect(device.names()[0]).toBe("CANCEL");
	});
});

describe("CANCEL of ours", () => {
	test("after 180: CANCEL with the branch of the INVITE, 487, ACK", () => {
		const device = new Device();
		const { call, invite } = calling(device);
		device.from(answer(invite.message, 180));
		device.takeEvents();
		device.do((agent, now) =>
			agent.hangUp(call, now, { protocol: "SIP", cause: 200, text: "Call completed elsewhere" }),
		);
		const cancel = device.one();
		expect(name(cancel.message)).toBe("CANCEL");
		expect(cancel.message.via()!.branch).toBe(invite.message.via()!.branch);
		expect(cancel.message.cseq).toBe(invite.message.cseq);
		expect(cancel.text).toContain('Reason: SIP;cause=200;text="Call completed elsewhere"\r\n');
		expect(device.takeEvents()).toMatchObject([{ type: "ended", cause: "local" }]);
		device.from(answer(cancel.message, 200));
		device.from(answer(invite.message, 487));
		expect(device.names()).toEqual(["ACK"]);
		device.advance(40_000);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("before any answer: it waits for the first one", () => {
		const device = new Device();
		const { call, invite } = calling(device);
		device.do((agent, now) => agent.hangUp(call, now));
		expect(device.take()).toEqual([]);
		device.from(answer(invite.message, 100));
		expect(device.names()).toEqual(["CANCEL"]);
		device.from(answer(invite.message, 180));
		expect(device.take()).toEqual([]);
		device.from(answer(invite.message, 487));
		expect(device.names()).toEqual(["ACK"]);
	});

	test("the answer crosses it: ACK and BYE", () => {
		const device = new Device();
		const { call, invite } = calling(device);
		device.from(answer(invite.message, 180));
		device.do((agent, now) => agent.hangUp(call, now));
		device.take();
		device.takeEvents();
		device.from(answer(invite.message, 200, { sdp: sdp() }));
		const [ack, bye] = device.take();
		expect([name(ack!.message), name(bye!.message)]).toEqual(["ACK", "BYE"]);
		device.from(answer(bye!.message, 200));
		device.advance(40_000);
		expect(device.takeEvents()).toEqual([]);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("nobody answers it: given up after 32 s", () => {
		const device = new Device();
		const { call, invite } = calling(device);
		device.from(answer(invite.message, 180));
		device.do((agent, now) => agent.hangUp(call, now));
		device.advance(32_000);
		expect(isEmpty(device.agent)).toBe(true);
	});
});

describe("forks", () => {
	test("several early dialogs, the second 200 gets ACK and BYE", () => {
		const device = new Device();
		const { call, invite } = calling(device);
		device.from(answer(invite.message, 183, { tag: "a", sdp: sdp(31_000) }));
		device.from(answer(invite.message, 183, { tag: "b", sdp: sdp(32_000) }));
		device.from(answer(invite.message, 180, { tag: "c" }));
		expect(device.takeEvents().filter((event) => event.type === "early")).toMatchObject([
			{ media: { port: 31_000 } },
			{ media: { port: 32_000 } },
		]);
		device.from(answer(invite.message, 200, { tag: "b", sdp: sdp(32_000) }));
		device.from(answer(invite.message, 200, { tag: "a", sdp: sdp(31_000) }));
		const sent = device.take();
		expect(sent.map((one) => `${name(one.message)} ${one.message.toTag()}`)).toEqual(["ACK b", "ACK a", "BYE a"]);
		expect(device.takeEvents()).toMatchObject([{ type: "answered", call, media: { port: 32_000 } }]);
		device.do((agent, now) => agent.hangUp(call, now));
		expect(device.one().message.toTag()).toBe("b");
	});
});

describe("a call of theirs", () => {
	test("rings, is answered, acknowledged, ended by us", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp() }));
		expect(device.take()).toEqual([]);
		const [incoming] = device.takeEvents();
		expect(incoming).toMatchObject({
			type: "incoming",
			from: "sip:hall@home.example",
			fromName: "Hall",
			hasOffer: true,
			isSecure: false,
		});
		const call = (incoming as { call: number }).call;
		device.do((agent, now) => agent.ring(call, now));
		const ringing = device.one();
		expect(name(ringing.message)).toBe("180 INVITE");
		device.do((agent, now) => agent.answer(call, MEDIA, now));
		const ok = device.one();
		expect(ok.message.toTag()).toBe(ringing.message.toTag());
		expect(ok.text).toContain("Contact: <sip:door@192.0.2.1:5060>");
		expect(ok.text).toContain("m=audio 40000 RTP/AVP 0 101\r\n");
		expect(device.takeEvents()).toMatchObject([{ type: "media", media: { port: 30_000, direction: "sendrecv" } }]);
		device.from(ackOf(ok.message));
		expect(device.takeEvents()).toMatchObject([{ type: "confirmed", call }]);
		device.do((agent, now) => agent.hangUp(call, now));
		const bye = device.one();
		expect(bye.message.requestUri()).toBe("sip:hall@192.0.2.9:5060");
		expect(bye.message.from()!.tag).toBe(ok.message.toTag());
		device.from(answer(bye.message, 200));
		device.advance(64_000);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("BYE from the far end ends it", () => {
		const device = new Device();
		const { call, ok } = taken(device);
		device.from(inside("BYE", ok));
		expect(device.names()).toEqual(["200 BYE"]);
		expect(device.takeEvents()).toMatchObject([{ type: "ended", call, cause: "remote" }]);
	});

	test("rings more than once: the 180 again at each INVITE that comes again, and each minute", () => {
		const device = new Device();
		const invite = request("INVITE", { body: sdp() });
		device.from(invite);
		device.do((agent, now) => agent.ring(1, now));
		device.from(invite);
		device.from(invite);
		device.advance(60_000);
		expect(device.names()).toEqual(Array(4).fill("180 INVITE"));
		expect(device.eventNames()).toEqual(["incoming"]);
	});

	test("100 after 200 ms when the host says nothing", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp() }));
		device.advance(199);
		expect(device.take()).toEqual([]);
		device.advance(1);
		expect(device.names()).toEqual(["100 INVITE"]);
	});

	test("the 200 comes again until the ACK, over UDP and over TLS", () => {
		for (const isTls of [false, true]) {
			const device = new Device();
			const invite = request("INVITE", { body: sdp(), via: isTls ? "TLS 192.0.2.5:5061" : undefined });
			if (isTls) device.over(invite);
			else device.from(invite);
			device.do((agent, now) => agent.answer(1, MEDIA, now));
			device.advance(8_000);
			// 0, 0.5, 1.5, 3.5, 7.5 s
			const sent = device.take();
			expect(sent.map((one) => name(one.message))).toEqual(Array(5).fill("200 INVITE"));
			const ack = ackOf(sent[0]!.message);
			if (isTls) device.over(ack);
			else device.from(ack);
			device.advance(40_000);
			expect(device.take()).toEqual([]);
			expect(device.eventNames()).toEqual(["incoming", "media", "confirmed"]);
		}
	});

	test("no ACK for 32 s: BYE, timeout", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp() }));
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		device.advance(32_000);
		expect(device.names().at(-1)).toBe("BYE");
		expect(device.takeEvents().at(-1)).toMatchObject({ type: "ended", cause: "timeout", status: 408 });
	});

	test("hung up before the ACK: BYE only after it", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp() }));
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		const ok = device.one();
		device.do((agent, now) => agent.hangUp(1, now));
		expect(device.take()).toEqual([]);
		expect(device.takeEvents().at(-1)).toMatchObject({ type: "ended", cause: "local" });
		device.from(ackOf(ok.message));
		expect(device.names()).toEqual(["BYE"]);
	});

	test("CANCEL: 200, 487, and who took it", () => {
		for (const [extra, cause] of [
			[[], "remote"],
			[['Reason: SIP;cause=200;text="Call completed elsewhere"'], "answeredElsewhere"],
			[['Reason: SIP ; text="x" ;cause=200'], "answeredElsewhere"],
			[["Reason: Q.850;cause=26"], "answeredElsewhere"],
			[["Reason: SIP;cause=487"], "remote"],
		] as const) {
			const device = new Device();
			device.from(request("INVITE", { body: sdp(), branch: "z9hG4bKx" }));
			device.do((agent, now) => agent.ring(1, now));
			device.take();
			device.from(request("CANCEL", { branch: "z9hG4bKx", extra: [...extra] }));
			expect(device.names()).toEqual(["200 CANCEL", "487 INVITE"]);
			expect(device.takeEvents().at(-1)).toMatchObject({ type: "ended", cause, status: 487 });
			device.from(request("CANCEL", { branch: "z9hG4bKx" }));
			expect(device.names()).toEqual(["200 CANCEL"]);
			device.from(request("ACK", { branch: "z9hG4bKx" }));
			device.advance(64_000);
			expect(isEmpty(device.agent)).toBe(true);
		}
	});

	test("CANCEL after the answer changes nothing: the door can be opened", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp(), branch: "z9hG4bKx" }));
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		const ok = device.one();
		device.from(request("CANCEL", { branch: "z9hG4bKx" }));
		expect(device.names()).toEqual(["200 CANCEL"]);
		device.from(ackOf(ok.message));
		device.from(inside("INFO", ok, { body: "Signal=5\r\nDuration=160\r\n", type: "application/dtmf-relay" }));
		expect(device.names()).toEqual(["200 INFO"]);
		expect(device.eventNames()).toEqual(["incoming", "media", "confirmed", "info"]);
	});

	test("CANCEL for nothing, and from somewhere else: 481", () => {
		const device = new Device();
		device.from(request("CANCEL"));
		expect(device.names()).toEqual(["481 CANCEL"]);
		device.from(request("INVITE", { body: sdp(), branch: "z9hG4bKx" }));
		device.from(request("CANCEL", { branch: "z9hG4bKx" }), "192.0.2.66:5060");
		expect(device.names()).toEqual(["481 CANCEL"]);
	});

	test("busy, and a reason of ours", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp() }));
		device.do((agent, now) => agent.reject(1, 486, now, { protocol: "SIP", cause: 486, text: "In a call" }));
		expect(device.one().text).toContain('Reason: SIP;cause=486;text="In a call"');
		expect(device.takeEvents().at(-1)).toMatchObject({ type: "ended", cause: "local", status: 486 });
		expect(device.do((agent, now) => agent.reject(1, 486, now))).toBe(false);
	});

	test("nobody answers here: 487 after 200 s, or when the INVITE has run out", () => {
		for (const [extra, ms] of [
			[[], 200_000],
			[["Expires: 30"], 30_000],
		] as const) {
			const device = new Device();
			device.from(request("INVITE", { body: sdp(), extra: [...extra] }));
			device.do((agent, now) => agent.ring(1, now));
			device.advance(ms - 1);
			expect(device.eventNames()).toEqual(["incoming"]);
			device.advance(1);
			expect(device.names().at(-1)).toBe("487 INVITE");
			expect(device.takeEvents()).toMatchObject([{ type: "ended", cause: "timeout", status: 487 }]);
		}
	});

	test("BYE before the answer: 200 and 487", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp() }));
		device.do((agent, now) => agent.ring(1, now));
		const ringing = device.one();
		device.from(inside("BYE", ringing));
		expect(device.names()).toEqual(["200 BYE", "487 INVITE"]);
		expect(device.takeEvents().at(-1)).toMatchObject({ type: "ended", cause: "remote" });
	});

	test("early media from us: 183, and the same description in the 200", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp() }));
		expect(device.do((agent, now) => agent.progress(1, MEDIA, now))).toBe(true);
		const progress = device.one();
		expect(progress.message.status).toBe(183);
		device.do((agent, now) => agent.answer(1, OTHER_MEDIA, now));
		const ok = device.one();
		expect(ok.text.slice(ok.text.indexOf("v=0"))).toBe(progress.text.slice(progress.text.indexOf("v=0")));
		expect(device.eventNames()).toEqual(["incoming", "media"]);
	});

	test("no offer: ours in the 200, theirs in the ACK", () => {
		const device = new Device();
		device.from(request("INVITE"));
		expect(device.takeEvents()).toMatchObject([{ type: "incoming", hasOffer: false }]);
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		const ok = device.one();
		expect(ok.text).toContain("m=audio 40000 RTP/AVP 0 8 101");
		expect(device.takeEvents()).toEqual([]);
		device.from(ackOf(ok.message, sdp(33_000)));
		expect(device.takeEvents()).toMatchObject([{ type: "confirmed" }, { type: "media", media: { port: 33_000 } }]);
	});

	test("no offer and no answer in the ACK: BYE", () => {
		const device = new Device();
		device.from(request("INVITE"));
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		device.from(ackOf(device.one().message));
		expect(device.names()).toEqual(["BYE"]);
		expect(device.takeEvents().at(-1)).toMatchObject({ type: "ended", cause: "local", status: 488 });
	});

	test("asked to answer at once", () => {
		for (const extra of [
			"Answer-Mode: Auto",
			"Call-Info: <sip:x>;answer-after=0",
			"Alert-Info: <http://x>;info=alert-autoanswer",
		]) {
			const device = new Device();
			device.from(request("INVITE", { body: sdp(), extra: [extra] }));
			expect(device.takeEvents()).toMatchObject([{ wantsAutoAnswer: true }]);
		}
	});
});

describe("inside a call", () => {
	test("INFO and MESSAGE, both ways", () => {
		const device = new Device();
		const { call, ok } = taken(device);
		device.from(inside("INFO", ok, { body: "Signal=#\r\n", type: "application/dtmf-relay" }));
		device.from(inside("MESSAGE", ok, { cseq: 3, body: "open", type: "text/plain" }));
		expect(device.names()).toEqual(["200 INFO"]);
		const [info, message] = device.takeEvents();
		expect(info).toMatchObject({ type: "info", call, contentType: "application/dtmf-relay" });
		expect(message).toMatchObject({ type: "message", call, contentType: "text/plain" });
		device.do((agent, now) => agent.respond((message as { token: number }).token, 200, now));
		expect(device.names()).toEqual(["200 MESSAGE"]);
		const token = device.do((agent, now) => agent.info(call, "application/dtmf-relay", new Uint8Array([65]), now));
		const sent = device.one();
		expect(name(sent.message)).toBe("INFO");
		device.from(answer(sent.message, 200));
		expect(device.takeEvents()).toMatchObject([{ type: "sent", token, status: 200 }]);
	});

	test("an INFO that comes twice counts once", () => {
		const device = new Device();
		const { ok } = taken(device);
		const info = inside("INFO", ok, { body: "Signal=5", type: "application/dtmf-relay", branch: "z9hG4bKinfo" });
		device.from(info);
		device.from(info);
		expect(device.names()).toEqual(["200 INFO", "200 INFO"]);
		expect(device.eventNames()).toEqual(["info"]);
		// Another transaction with an old number.
		device.from(inside("INFO", ok, { body: "Signal=5", type: "application/dtmf-relay" }));
		expect(device.names()).toEqual(["500 INFO"]);
	});

	test("an Info-Package nobody knows: 469", () => {
		const device = new Device();
		const { ok } = taken(device);
		device.from(inside("INFO", ok, { extra: ["Info-Package: foo"] }));
		expect(device.names()).toEqual(["469 INFO"]);
	});

	test("a dialog that is not ours: 481", () => {
		const device = new Device();
		const { ok } = taken(device);
		for (const method of ["BYE", "INFO", "INVITE", "UPDATE", "OPTIONS", "MESSAGE"]) {
			device.from(inside(method, ok, { callId: "other" }));
			device.from(inside(method, ok, { fromTag: "other" }));
			device.from(request(method, { cseq: 7, toTag: "other" }));
			expect(device.names()).toEqual(Array(3).fill(`481 ${method}`));
		}
		expect(device.takeEvents()).toEqual([]);
	});

	test("a 481 to our INFO ends the call", () => {
		const device = new Device();
		const { call } = taken(device);
		device.do((agent, now) => agent.info(call, "text/plain", new Uint8Array([65]), now));
		device.from(answer(device.one().message, 481));
		expect(device.names()).toEqual(["BYE"]);
		expect(device.takeEvents().at(-1)).toMatchObject({ type: "ended", cause: "timeout", status: 481 });
	});
});

describe("the way of requests", () => {
	test("a route set: reversed for the caller, loose, to the first of them", () => {
		const device = new Device();
		const { call, invite } = calling(device);
		const extra = ["Record-Route: <sip:192.0.2.31;lr>, <sip:192.0.2.32:5070;lr>"];
		device.from(answer(invite.message, 200, { sdp: sdp(), extra }));
		const ack = device.one();
		expect(ack.text).toContain("Route: <sip:192.0.2.32:5070;lr>\r\nRoute: <sip:192.0.2.31;lr>\r\n");
		expect([ack.address, ack.port]).toEqual(["192.0.2.32", 5070]);
		device.do((agent, now) => agent.hangUp(call, now));
		expect(device.one()).toMatchObject({ address: "192.0.2.32", port: 5070 });
	});

	test("a strict router gets the Request-URI", () => {
		const device = new Device();
		const { invite } = calling(device);
		device.from(answer(invite.message, 200, { sdp: sdp(), extra: ["Record-Route: <sip:192.0.2.31>"] }));
		const ack = device.one();
		expect(ack.message.requestUri()).toBe("sip:192.0.2.31");
		expect(ack.text).toContain("Route: <sip:far@192.0.2.9>\r\n");
	});

	test("Record-Route comes back in 180 and 200, in order for the called side", () => {
		const device = new Device();
		const extra = ["Record-Route: <sip:192.0.2.31;lr>", "Record-Route: <sip:192.0.2.32;lr>"];
		device.from(request("INVITE", { body: sdp(), extra }));
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		const ok = device.one();
		expect(ok.text).toContain(`${extra[0]}\r\n${extra[1]}\r\n`);
		device.from(ackOf(ok.message));
		device.do((agent, now) => agent.hangUp(1, now));
		const bye = device.one();
		expect(bye.text).toContain("Route: <sip:192.0.2.31;lr>\r\nRoute: <sip:192.0.2.32;lr>\r\n");
		expect(bye.address).toBe("192.0.2.31");
	});

	test("rport and received", () => {
		const device = new Device();
		device.from(request("OPTIONS", { via: "UDP 10.0.0.1:5060;rport" }), "192.0.2.77:7777");
		const sent = device.one();
		expect([sent.address, sent.port]).toEqual(["192.0.2.77", 7777]);
		expect(sent.text).toContain("rport=7777;received=192.0.2.77");
	});

	test("a flow that closes: unanswered calls end, answered ones go on over the next", () => {
		const device = new Device();
		const first = device.do((agent, now) =>
			agent.invite({ flow: 2, uri: "sip:house@home.example", media: MEDIA }, now),
		)!;
		device.over(answer(device.one().message, 200, { sdp: sdp() }));
		const second = device.do((agent, now) =>
			agent.invite({ flow: 2, uri: "sip:house@home.example", media: MEDIA }, now),
		)!;
		device.over(request("INVITE", { body: sdp(), via: "TLS 192.0.2.5:5061" }));
		device.take();
		device.takeEvents();
		device.do((agent, now) => agent.removeFlow(2, now));
		expect(device.takeEvents()).toMatchObject([
			{ type: "flowLost", call: first },
			{ type: "ended", call: second, cause: "transport", status: 503 },
			{ type: "ended", cause: "transport" },
		]);
		device.agent.addFlow({ flow: 3, transport: "tls", localAddress: "192.0.2.1", localPort: 6001, replaces: 2 });
		device.do((agent, now) => agent.hangUp(first, now));
		expect(device.one()).toMatchObject({ flow: 3 });
	});

	test("hung up without a flow, or with the BYE on its way: BYE over the next one, or nothing after 32 s", () => {
		for (const isLostFirst of [true, false]) {
			for (const isBack of [true, false]) {
				const device = new Device();
				const options = { flow: 2, uri: "sip:house@home.example", media: MEDIA };
				const call = device.do((agent, now) => agent.invite(options, now))!;
				device.over(answer(device.one().message, 200, { sdp: sdp() }));
				if (isLostFirst) device.do((agent, now) => agent.removeFlow(2, now));
				device.do((agent, now) => agent.hangUp(call, now));
				if (!isLostFirst) device.do((agent, now) => agent.removeFlow(2, now));
				expect(device.takeEvents().at(-1)).toMatchObject({ type: "ended", cause: "local" });
				device.take();
				device.advance(31_999);
				expect(device.agent.stats().closing).toBe(1);
				if (isBack) {
					const flow = { transport: "tls", localAddress: "192.0.2.1", localPort: 6001 } as const;
					device.agent.addFlow({ flow: 3, ...flow, replaces: 2 });
					device.advance(0);
					expect(device.one()).toMatchObject({ flow: 3, message: { method: "BYE" } });
				} else device.advance(1);
				expect(device.agent.stats().closing).toBe(isBack ? 1 : 0);
				device.advance(64_000);
				expect(device.take()).toEqual([]);
				expect(device.takeEvents()).toEqual([]);
				expect(isEmpty(device.agent)).toBe(true);
			}
		}
	});

	test("pings and CRLFs over streams", () => {
		const device = new Device();
		device.over("\r\n\r\n");
		device.over("\r\n");
		device.over(`\r\n${request("OPTIONS", { via: "TLS 192.0.2.5:5061" })}\r\n\r\n`);
		expect(device.names()).toEqual(["200 OPTIONS"]);
		device.over("\x16\x03\x01 no SIP at all\r\n\r\n");
		expect(device.closed).toEqual([2]);
	});
});

describe("half a message", () => {
	test("is waited for, not without end", () => {
		const device = new Device();
		const text = request("OPTIONS", { via: "TLS 192.0.2.5:5061" });
		device.over(text.slice(0, 40));
		device.advance(31_999);
		device.over(text.slice(40));
		expect(device.names()).toEqual(["200 OPTIONS"]);
		expect(device.agent.deadline()).toBe(Number.POSITIVE_INFINITY);
		device.over(text.slice(0, 40));
		device.advance(31_999);
		expect(device.closed).toEqual([]);
		device.advance(1);
		expect(device.closed).toEqual([2]);
	});
});

describe("two of us", () => {
	test("a call over UDP and over TLS: the whole story", () => {
		for (const transport of ["udp", "tls"] as const) {
			const pair = new Pair(transport);
			pair.onEvent = (who, event) => {
				if (event.type === "incoming") {
					pair.do(who, (agent, now) => agent.ring(event.call, now));
					pair.do(who, (agent, now) => agent.answer(event.call, OTHER_MEDIA, now));
				}
			};
			const call = pair.do(0, (agent, now) => agent.invite({ flow: 1, uri: "sip:hall@192.0.2.2", media: MEDIA }, now))!;
			pair.advance(1_000);
			pair.do(0, (agent, now) => agent.hangUp(call, now));
			pair.advance(64_000);
			expect(pair.story).toEqual(["0 INVITE", "1 180 INVITE", "1 200 INVITE", "0 ACK", "0 BYE", "1 200 BYE"]);
			expect(pair.of(1, "ended")).toMatchObject([{ cause: "remote" }]);
			expect(isEmpty(pair.agents[0])).toBe(true);
			expect(isEmpty(pair.agents[1])).toBe(true);
		}
	});

	test("100 calls: nothing is left, nothing has grown", () => {
		const pair = new Pair("tls");
		pair.onEvent = (who, event) => {
			if (event.type === "incoming") pair.do(who, (agent, now) => agent.answer(event.call, OTHER_MEDIA, now));
			if (event.type === "confirmed" && event.call % 2 === 0)
				pair.do(who, (agent, now) => agent.hangUp(event.call, now));
		};
		const sizes: string[] = [];
		for (let i = 0; i < 100; i++) {
			const call = pair.do(0, (agent, now) => agent.invite({ flow: 1, uri: "sip:hall@192.0.2.2", media: MEDIA }, now))!;
			pair.advance(500);
			pair.do(0, (agent, now) => agent.hangUp(call, now));
			pair.advance(64_000);
			sizes.push(
				JSON.stringify([
					{ ...pair.agents[0].stats(), dropped: 0 },
					{ ...pair.agents[1].stats(), dropped: 0 },
				]),
			);
		}
		expect(new Set(sizes).size).toBe(1);
		expect(isEmpty(pair.agents[0]) && isEmpty(pair.agents[1])).toBe(true);
		expect(pair.of(0, "ended").length).toBe(100);
		expect(pair.of(1, "ended").length).toBe(100);
	});
});

test("what is written reads back", () => {
	const device = new Device();
	const { invite } = calling(device);
	expect(indexText(invite.text)!.fault).toBeUndefined();
	expect(lines("a").length).toBe(5);
	expect(FAR).toContain("192.0.2.9");
});
