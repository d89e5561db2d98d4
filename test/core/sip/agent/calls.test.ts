import { describe, expect, test } from "vitest";
import { testCrypto } from "../support.ts";
import { calling, connected } from "./calls-support.ts";
import { answer, Device, isEmpty, MEDIA, name, request, sdp } from "./support.ts";

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
