import { describe, expect, test } from "vitest";
import { inside, taken } from "./calls-support.ts";
import { ackOf, answer, Device, isEmpty, MEDIA, name, OTHER_MEDIA, request, sdp } from "./support.ts";

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
