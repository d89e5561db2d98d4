import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readDtmfInfo, writeDtmfInfo } from "../../../../core/sip/agent/dtmf-info.ts";
import { MAX_CALLS, MAX_CLOSING_CALLS } from "../../../../core/sip/agent/limits.ts";
import { digestResponse, makeHa1, readDigest } from "../../../../core/sip/digest.ts";
import { Header } from "../../../../core/sip/header-names.ts";
import type { SipMessage } from "../../../../core/sip/message.ts";
import { testCrypto } from "../support.ts";
import { OTHERS, VALID } from "../torture-messages.ts";
import { ackOf, answer, bytes, Device, isEmpty, MEDIA, name, request, sdp } from "./support.ts";

const URI = "sip:house@192.0.2.9";

describe("requests that are refused", () => {
	test.each(["REGISTER", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH", "PRACK", "FOO"])("%s: 405 with Allow", (method) => {
		const device = new Device();
		device.from(request(method));
		const sent = device.one();
		expect(name(sent.message)).toBe(`405 ${method}`);
		expect(sent.text).toContain("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, INFO, UPDATE\r\n");
	});

	test.each([
		["Require: 100rel", 420, "Unsupported: 100rel\r\n"],
		["Require: timer, foo\r\nRequire: bar", 420, "Unsupported: foo, bar\r\n"],
		["Content-Encoding: gzip", 415, "Accept-Encoding: identity\r\n"],
	])("INVITE with %s: %i", (line, status, extra) => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp(), extra: [line] }));
		const sent = device.one();
		expect(sent.message.status).toBe(status);
		expect(sent.text).toContain(extra);
		expect(device.takeEvents()).toEqual([]);
	});

	test("timer may be required", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp(), extra: ["Require: timer"] }));
		expect(device.eventNames()).toEqual(["incoming"]);
	});

	test("bodies that are no offer: 415, 488, 413", () => {
		const device = new Device();
		device.from(request("INVITE", { body: "hello", type: "text/plain" }));
		device.from(request("INVITE", { body: sdp(30_000, [], "RTP/AVP", "18") }));
		device.from(request("INVITE", { body: "no sdp" }));
		device.from(request("INVITE", { body: sdp(30_000, [], "UDP/TLS/RTP/SAVPF") }));
		device.from(request("MESSAGE", { body: "x".repeat(3_000), type: "text/plain" }));
		device.from(request("INVITE", { body: "x".repeat(5_000) }));
		expect(device.names()).toEqual([
			"415 INVITE",
			"488 INVITE",
			"488 INVITE",
			"488 INVITE",
			"413 MESSAGE",
			"413 INVITE",
		]);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("other schemes: 416; broken addresses: 400; head too large: 513", () => {
		const device = new Device();
		device.from(request("OPTIONS", { uri: "tel:+123" }));
		device.from(request("OPTIONS", { uri: "sip:%%" }));
		device.from(request("OPTIONS", { extra: ["Max-Forwards: 900"] }));
		device.from(request("OPTIONS", { extra: [`X: ${"y".repeat(7_000)}`] }));
		expect(device.take().map((one) => one.message.status)).toEqual([416, 400, 400, 513]);
	});

	test("the same INVITE another way: 482; our own come back: 482", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp() }));
		device.from(request("INVITE", { body: sdp() }));
		expect(device.names()).toEqual(["482 INVITE"]);
		device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA }, now));
		const { message } = device.one();
		device.from(request("INVITE", { callId: message.callId(), fromTag: message.fromTag(), body: sdp() }));
		expect(device.names()).toEqual(["482 INVITE"]);
	});

	test("INVITE at the limit of calls: 486; ours: undefined", () => {
		const device = new Device();
		for (let i = 0; i < MAX_CALLS; i++) device.from(request("INVITE", { callId: `c${i}`, body: sdp() }));
		device.take();
		device.from(request("INVITE", { callId: "more", body: sdp() }));
		expect(device.names()).toEqual(["486 INVITE"]);
		expect(device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA }, now))).toBeUndefined();
		expect(device.agent.stats().calls).toBe(MAX_CALLS);
	});

	test("calls that are over make room: press after press into the void", () => {
		const device = new Device();
		for (let i = 0; i < 10; i++) {
			const call = device.do((agent, now) => agent.invite({ flow: 2, uri: URI, media: MEDIA }, now));
			expect(call).toBeDefined();
			device.do((agent, now) => agent.hangUp(call!, now));
			expect(device.agent.stats().closing).toBeLessThanOrEqual(MAX_CLOSING_CALLS + 1);
		}
		device.advance(64_000);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("a flood of INVITEs and MESSAGEs: bounded, and a BYE still counts", () => {
		const device = new Device();
		device.from(request("INVITE", { body: sdp() }));
		device.do((agent, now) => agent.answer(1, MEDIA, now));
		const ok = device.one();
		device.from(ackOf(ok.message));
		for (let i = 0; i < 300; i++) {
			device.from(request("INVITE", { callId: `flood${i}`, fromTag: `t${i}`, body: sdp() }));
			device.from(request("MESSAGE", { callId: `flood${i}`, fromTag: `t${i}`, body: "x", type: "text/plain" }));
			device.from(request("OPTIONS", { callId: `flood${i}` }));
		}
		const { serverTransactions, calls, messages } = device.agent.stats();
		expect(serverTransactions).toBeLessThanOrEqual(24);
		expect(calls).toBe(MAX_CALLS);
		expect(messages).toBe(4);
		device.take();
		device.from(request("BYE", { cseq: 2, toTag: ok.message.toTag() }));
		expect(device.names()).toEqual(["200 BYE"]);
		expect(device.takeEvents().at(-1)).toMatchObject({ type: "ended", call: 1, cause: "remote" });
	});

	test("a refusal is the same each time, and its ACK is nobody's", () => {
		const device = new Device();
		const invite = request("INVITE", { body: "no sdp", branch: "z9hG4bKsame" });
		device.from(invite);
		device.from(invite);
		const [one, two] = device.take();
		expect(one!.text).toBe(two!.text);
		device.from(request("ACK", { branch: "z9hG4bKsame", toTag: one!.message.toTag() }));
		expect(device.take()).toEqual([]);
	});
});

describe("requests outside calls", () => {
	test("OPTIONS", () => {
		const device = new Device({ software: "Ringlet" });
		device.from(request("OPTIONS"));
		const sent = device.one();
		expect(sent.message.status).toBe(200);
		for (const line of ["Allow: ", "Accept: application/sdp", "Supported: timer", "Server: Ringlet"])
			expect(sent.text).toContain(`\r\n${line}`);
	});

	test("MESSAGE in: answered by the host, once", () => {
		const device = new Device();
		const text = request("MESSAGE", { body: "open 1234", type: "text/plain" });
		device.from(text);
		const event = device.takeEvents()[0]!;
		expect(event).toMatchObject({ type: "message", call: 0, from: "sip:hall@home.example", callId: "call1@far" });
		if (event.type !== "message") throw new Error(event.type);
		expect(Buffer.from(event.body).toString()).toBe("open 1234");
		device.from(text);
		expect(device.take()).toEqual([]);
		expect(device.do((agent, now) => agent.respond(event.token, 403, now, "Not You"))).toBe(true);
		device.from(text);
		const sent = device.take();
		expect(sent.map((one) => one.text.split("\r\n")[0])).toEqual(Array(2).fill("SIP/2.0 403 Not You"));
		expect(device.do((agent, now) => agent.respond(event.token, 200, now))).toBe(false);
	});

	test("MESSAGE out: answer, timeout, no flow, texts that cannot be sent", () => {
		const device = new Device();
		const options = { flow: 1, uri: URI, contentType: "text/plain", body: bytes("hi") };
		const token = device.do((agent, now) => agent.message(options, now));
		const sent = device.one();
		expect(sent.text).toMatch(/^MESSAGE [\s\S]*Content-Type: text\/plain\r\nContent-Length: 2\r\n\r\nhi$/);
		device.from(answer(sent.message, 202));
		expect(device.takeEvents()).toMatchObject([{ type: "sent", token, status: 202 }]);
		device.do((agent, now) => agent.message(options, now));
		device.advance(32_000);
		expect(device.takeEvents()).toMatchObject([{ type: "sent", status: 408 }]);
		expect(device.do((agent, now) => agent.message({ ...options, flow: 9 }, now))).toBeUndefined();
		expect(device.do((agent, now) => agent.message({ ...options, uri: "sip:a@b\r\nX: y" }, now))).toBeUndefined();
		expect(device.do((agent, now) => agent.message({ ...options, contentType: "a\r\nb" }, now))).toBeUndefined();
		expect(device.do((agent, now) => agent.message({ ...options, body: new Uint8Array(3_000) }, now))).toBeUndefined();
		device.advance(64_000);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("names and numbers that mean nothing", () => {
		const device = new Device();
		for (const run of [
			() => device.agent.ring(9, device.now),
			() => device.agent.answer(9, MEDIA, device.now),
			() => device.agent.hangUp(9, device.now),
			() => device.agent.hold(9, true, device.now),
			() => device.agent.reject(9, 486, device.now),
		])
			expect(run()).toBe(false);
		const nobody = new Device({ aor: "sip:" });
		const call = { flow: 1, uri: URI, media: MEDIA };
		expect(nobody.do((agent, now) => agent.invite(call, now))).toBeUndefined();
		expect(nobody.do((agent, now) => agent.message(call, now))).toBeUndefined();
		for (const more of [{ to: "x" }, { from: "sip:a b" }, { contact: "tel:1" }, { fromName: "a\r\nb" }])
			expect(device.do((agent, now) => agent.invite({ ...call, ...more }, now))).toBeUndefined();
		expect(device.take()).toEqual([]);
		const invite = { flow: 1, uri: "sip:house@home.example", media: MEDIA };
		expect(device.do((agent, now) => agent.invite(invite, now))).toBeUndefined();
		expect(device.do((agent, now) => agent.invite({ ...invite, address: "192.0.2.9" }, now))).toBeDefined();
		const flow = { flow: 1, transport: "udp", localAddress: "192.0.2.1", localPort: 1 } as const;
		expect(device.agent.addFlow(flow)).toBe(false);
		expect(device.agent.addFlow({ ...flow, flow: 5, contact: "x\r\n" })).toBe(false);
	});
});

describe("digest (RFC 3261 §22)", () => {
	const credentials = { username: "door", password: "secret" };

	function check(message: SipMessage, header: number): void {
		const line = message.find(header);
		const fields = readDigest(message, message.valueStart(line), message.valueEnd(line))!;
		const crypto = testCrypto();
		const ha1 = makeHa1(crypto, "MD5", "door", "home.example", "secret");
		const { method } = message;
		expect(fields.uri).toBe(message.requestUri());
		expect(fields.response).toBe(
			digestResponse(crypto, "MD5", ha1, method, fields.uri, fields.nonce, fields.nc, fields.cnonce),
		);
	}

	const challenge = (status: number): string[] => [
		`${status === 401 ? "WWW" : "Proxy"}-Authenticate: Digest realm="home.example", nonce="n1", algorithm=MD5, qop="auth"`,
	];

	test.each([401, 407])("INVITE, INFO, BYE and MESSAGE after %i, once each", (status) => {
		const header = status === 401 ? Header.authorization : Header.proxyAuthorization;
		const device = new Device({ credentials });
		const call = device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA }, now))!;
		const invite = device.one();
		device.from(answer(invite.message, status, { extra: challenge(status) }));
		const [, again] = device.take();
		check(again!.message, header);
		expect(again!.message.callId()).toBe(invite.message.callId());
		expect(again!.message.cseq).toBe(2);
		device.from(answer(again!.message, 200, { sdp: sdp() }));
		device.take();
		device.do((agent, now) => agent.info(call, "text/plain", bytes("x"), now));
		device.from(answer(device.one().message, status, { extra: challenge(status) }));
		const info = device.one();
		check(info.message, header);
		device.from(answer(info.message, 200));
		device.do((agent, now) => agent.hangUp(call, now));
		device.from(answer(device.one().message, status, { extra: challenge(status) }));
		const bye = device.one();
		check(bye.message, header);
		device.from(answer(bye.message, status, { extra: challenge(status) }));
		device.do((agent, now) => agent.message({ flow: 1, uri: URI, body: bytes("x") }, now));
		device.from(answer(device.one().message, status, { extra: challenge(status) }));
		const message = device.one();
		check(message.message, header);
		device.from(answer(message.message, status, { extra: challenge(status) }));
		expect(device.takeEvents().at(-1)).toMatchObject({ type: "sent", status });
		device.advance(64_000);
		expect(isEmpty(device.agent)).toBe(true);
	});

	test("without credentials, or challenged again: refused", () => {
		const device = new Device();
		device.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA }, now));
		device.from(answer(device.one().message, 401, { extra: challenge(401) }));
		expect(device.takeEvents()).toMatchObject([{ type: "ended", cause: "refused", status: 401 }]);
		const second = new Device({ credentials });
		second.do((agent, now) => agent.invite({ flow: 1, uri: URI, media: MEDIA }, now));
		second.from(answer(second.one().message, 401, { extra: challenge(401) }));
		second.from(answer(second.take()[1]!.message, 401, { extra: challenge(401) }));
		expect(second.takeEvents()).toMatchObject([{ type: "ended", cause: "refused", status: 401 }]);
	});
});

describe("DTMF in INFO", () => {
	test.each([
		["application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "5", 160],
		["application/dtmf-relay", "Signal= #\nDuration= 250", "#", 250],
		["Application/DTMF-Relay;x=y", "signal=10", "*", 160],
		["application/dtmf-relay", "Signal=11\r\n", "#", 160],
		["application/dtmf", "d\r\n", "D", 160],
	])("%s %j", (type, body, digit, durationMs) => {
		expect(readDtmfInfo(type, bytes(body))).toEqual({ digit, durationMs });
	});

	test("what is none", () => {
		for (const [type, body] of [
			["application/dtmf-relay", "Signal=55"],
			["application/dtmf-relay", "Duration=5"],
			["application/dtmf-relay", ""],
			["text/plain", "5"],
			["application/dtmf", "x"],
			["application/dtmf", "5".repeat(200)],
		] as const)
			expect(readDtmfInfo(type, bytes(body))).toBeUndefined();
		expect(readDtmfInfo("application/dtmf-relay", writeDtmfInfo("7", 90))).toEqual({ digit: "7", durationMs: 90 });
	});
});

describe("RFC 4475 at a user agent", () => {
	const all: Readonly<Record<string, string>> = {
		...VALID,
		...Object.fromEntries(OTHERS.map(([which, text]) => [which, text])),
	};

	test.each(Object.keys(all))("%s: an answer or none, never a throw", (which) => {
		const device = new Device();
		device.isStrict = false;
		device.from(all[which]!);
		device.over(all[which]!);
		for (const { message } of device.take()) expect(message.status).toBeGreaterThanOrEqual(200);
		device.advance(200_000);
		for (const event of device.takeEvents()) {
			if (event.type === "incoming") device.do((agent, now) => agent.hangUp(event.call, now));
			if (event.type === "message") device.do((agent, now) => agent.respond(event.token, 200, now));
		}
		device.advance(200_000);
		expect(isEmpty(device.agent)).toBe(true);
	});
});

describe("any octets, any order", () => {
	test("octets that are no SIP", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(2), (octets, flow) => {
				const device = new Device();
				device.agent.handle({ type: "datagram", flow, octets, address: "192.0.2.9", port: 5060 }, device.now);
				device.agent.handle({ type: "octets", flow, octets }, device.now);
				device.drain();
				expect(device.events).toEqual([]);
			}),
			{ numRuns: 300 },
		);
	});

	test("messages with an octet changed", () => {
		const seeds = [
			request("INVITE", {
				body: sdp(),
				extra: ["Session-Expires: 120;refresher=uas", "Record-Route: <sip:192.0.2.31;lr>"],
			}),
			request("CANCEL", { extra: ['Reason: SIP;cause=200;text="x"'] }),
			request("MESSAGE", { body: "hello", type: "text/plain" }),
		];
		fc.assert(
			fc.property(fc.constantFrom(...seeds), fc.nat(), fc.nat(255), (text, at, value) => {
				const octets = bytes(text);
				octets[at % octets.length] = value;
				const device = new Device();
				device.isStrict = false;
				device.agent.handle({ type: "datagram", flow: 1, octets, address: "192.0.2.9", port: 5060 }, device.now);
				device.drain();
				if (device.agent.stateOf(1) !== undefined) device.do((agent, now) => agent.answer(1, MEDIA, now));
				device.advance(300_000);
				expect(device.agent.stats().calls + device.agent.stats().closing).toBe(0);
			}),
			{ numRuns: 500 },
		);
	});

	test("any order of messages, commands and times: ended once for each call, nothing left", () => {
		const step = fc.tuple(
			fc.nat(27),
			fc.constantFrom(0, 0, 0, 1, 1, 2, 3),
			fc.constantFrom(0, 0, 10, 700, 700, 5_000, 40_000),
		);
		fc.assert(
			fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
				const device = new Device();
				const invites: SipMessage[] = [];
				const own: number[] = [];
				let cseq = 1;
				let dialogs = 0;
				for (const [what, which, pause] of steps) {
					const mine = invites[invites.length - 1 - which];
					const names = mine === undefined ? {} : { callId: mine.callId(), fromTag: "t0", toTag: mine.fromTag() };
					const theirs = device.sent
						.map((one) => one.message)
						.filter((one) => one.status >= 180 && one.cseqMethod === "INVITE");
					const ok = theirs[theirs.length - 1 - which];
					const into = ok === undefined ? {} : { callId: ok.callId(), fromTag: ok.fromTag(), toTag: ok.toTag() };
					const known = device.events.flatMap((event) => (event.type === "incoming" ? [event.call] : []));
					const call = [...known, ...own].sort((a, b) => b - a)[which] ?? 0;
					switch (what) {
						case 0:
						case 1:
							own.push(
								device.do((agent, now) => agent.invite({ flow: 1 + (what & 1), uri: URI, media: MEDIA }, now)) ?? 0,
							);
							break;
						case 2:
						case 3:
							if (which > 0) break;
							dialogs++;
							device.from(
								request("INVITE", {
									callId: `c${dialogs}`,
									branch: `z9hG4bKi${dialogs}`,
									body: what === 2 ? sdp() : "",
								}),
							);
							break;
						case 4:
							device.do((agent, now) => agent.ring(call, now));
							break;
						case 5:
						case 6:
							device.do((agent, now) => agent.answer(call, MEDIA, now));
							break;
						case 7:
						case 8:
							device.do((agent, now) => agent.hangUp(call, now));
							break;
						case 9:
							device.do((agent, now) => agent.hold(call, true, now));
							break;
						case 10:
							device.do((agent, now) => agent.info(call, "text/plain", bytes("x"), now));
							break;
						case 11:
							device.do((agent, now) => agent.reject(call, 486, now));
							break;
						case 12:
							device.from(request("CANCEL", { callId: `c${dialogs - which}`, branch: `z9hG4bKi${dialogs - which}` }));
							break;
						case 13:
							device.from(request("BYE", { ...into, cseq: ++cseq }));
							break;
						case 14:
							device.from(request("INVITE", { ...into, cseq: ++cseq, body: sdp(30_000, ["a=sendonly"]) }));
							break;
						case 15:
							if (ok !== undefined) device.from(ackOf(ok, which === 0 ? sdp() : ""));
							break;
						case 16:
							device.from(request("UPDATE", { ...into, cseq: ++cseq, body: which === 1 ? sdp() : "" }));
							break;
						case 17:
							device.from(request("BYE", { ...names, cseq: ++cseq }));
							break;
						case 18:
							device.from(request("INVITE", { ...names, cseq: ++cseq, body: which === 1 ? sdp() : "" }));
							break;
						case 19:
							device.do((agent, now) => agent.progress(call, MEDIA, now));
							break;
						case 20:
							device.do((agent, now) => agent.removeFlow(2, now));
							break;
						case 21:
							device.agent.addFlow({ flow: 3, transport: "tls", localAddress: "192.0.2.1", localPort: 7, replaces: 2 });
							break;
						default: {
							const status = [180, 183, 200, 200, 491, 488][what - 22] ?? 200;
							const pending = device.sent
								.map((one) => one.message)
								.filter((one) => one.isRequest && one.method !== "ACK");
							const target = pending[pending.length - 1 - which];
							const body = status > 180 && status < 300 ? sdp() : "";
							if (target !== undefined) device.from(answer(target, status, { tag: `t${which & 1}`, sdp: body }));
						}
					}
					for (const { message } of device.sent) {
						if (message.method === "INVITE" && message.toTag() === "" && !invites.includes(message))
							invites.push(message);
					}
					device.advance(pause);
				}
				for (let call = 1; call < 130; call++) device.do((agent, now) => agent.hangUp(call, now));
				device.advance(400_000);
				const told = device.events.filter((event) => event.type === "ended");
				expect(new Set(told.map((event) => event.call)).size).toBe(told.length);
				const begun = new Set(
					device.events.flatMap((event) =>
						"call" in event && event.call > 0 && event.type !== "message" ? [event.call] : [],
					),
				);
				for (const call of begun) expect(told.some((event) => event.call === call)).toBe(true);
				for (const [i, event] of device.events.entries()) {
					if (event.type !== "ended") continue;
					const later = device.events.slice(i + 1).filter((one) => "call" in one && one.call === event.call);
					expect(later).toEqual([]);
				}
				const { calls, closing, clientTransactions, timers } = device.agent.stats();
				expect({ calls, closing, clientTransactions, timers }).toEqual({
					calls: 0,
					closing: 0,
					clientTransactions: 0,
					timers: 0,
				});
			}),
			{ numRuns: 300 },
		);
	}, 120_000);
});
