import { describe, expect, test } from "vitest";
import { indexText } from "../../../../core/sip/parse.ts";
import { calling, inside, taken } from "./calls-support.ts";
import { ackOf, answer, Device, FAR, isEmpty, lines, MEDIA, name, OTHER_MEDIA, Pair, request, sdp } from "./support.ts";

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
