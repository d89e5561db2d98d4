import { describe, expect, test } from "vitest";
import type { Target } from "../../../core/sip/edge-types.ts";
import { Header } from "../../../core/sip/header-names.ts";
import { indexText } from "../../../core/sip/parse.ts";
import {
	ALICE,
	BOB,
	BOB_TARGET,
	BOB_URI,
	CAROL,
	CAROL_TARGET,
	recordRoute,
	request,
	to,
	world,
} from "./proxy-support.ts";
import { reply } from "./support.ts";

describe("streams and connections", () => {
	const TCP = { transport: "tcp", localAddress: "192.0.2.1", localPort: 5060 } as const;
	const framed = (text: string): string => `${text.slice(0, -2)}Content-Length: 0\r\n\r\n`;

	test("a call from TCP to UDP and the BYE back over the same connection", () => {
		const w = world();
		w.edge.addFlow({ flow: 7, ...TCP, remoteAddress: "192.0.2.10", remotePort: 33000 });
		w.over(7, framed(request("INVITE").replace("SIP/2.0/UDP", "SIP/2.0/TCP")));
		const sent = w.take();
		expect(sent.map((each) => each.flow)).toEqual([7, 1]);
		const invite = to(sent, BOB);
		const [far, near] = recordRoute(invite);
		expect(near).toMatch(/^sip:7-0--[0-9a-f]{20}@192\.0\.2\.1:5060;transport=tcp;lr$/);
		w.from(BOB, reply(invite, 200));
		expect(w.story()).toEqual(["200 INVITE -> flow 7"]);
		const bye = request("BYE", {
			uri: "sip:alice@192.0.2.10;transport=tcp",
			branch: "bb",
			via: "192.0.2.20",
			from: "sip:bob@home.example",
			fromTag: "callee",
			toTag: "at",
			extra: [`Route: <${far}>,<${near}>`],
		});
		w.from(BOB, bye);
		expect(w.story()).toEqual(["BYE -> flow 7"]);
		w.input({ type: "flowClosed", flow: 7 });
		// RFC 3261 §16.9: as a 503, which is not passed on as one.
		expect(w.story()).toEqual(["500 BYE -> 192.0.2.20:5060"]);
		w.from(BOB, bye.replace("bKbb", "bKbc"));
		expect(w.story()).toEqual(["430 BYE -> 192.0.2.20:5060"]);
	});

	test("a target over TCP: a connection is asked for, used when it comes, and used again", () => {
		const tcp: Target = {
			uri: "sip:bob@192.0.2.20;transport=tcp",
			address: "192.0.2.20",
			port: 5062,
			transport: "tcp",
		};
		const w = world([tcp, { ...tcp, uri: "sip:bob2@192.0.2.20" }]);
		w.from(ALICE, request("INVITE"));
		expect(w.story()).toEqual(["100 INVITE -> 192.0.2.10:5060"]);
		expect(w.outputs).toEqual([
			{ type: "connect", connect: 1, transport: "tcp", address: "192.0.2.20", port: 5062, serverName: undefined },
		]);
		expect(w.edge.addFlow({ flow: 9, ...TCP, remoteAddress: "192.0.2.20", remotePort: 5062, connect: 1 })).toBe(true);
		w.drain();
		expect(w.story()).toEqual(["INVITE -> flow 9", "INVITE -> flow 9"]);
		w.from(ALICE, request("INVITE", { branch: "a2", callId: "2" }));
		expect(w.story()).toEqual(["100 INVITE -> 192.0.2.10:5060", "INVITE -> flow 9", "INVITE -> flow 9"]);
	});

	test("a connection that fails counts as 503; one that is full too", () => {
		const tcp: Target = {
			uri: "sip:bob@192.0.2.20",
			address: "192.0.2.20",
			transport: "tls",
			serverName: "bob.example",
		};
		const w = world([tcp, BOB_TARGET]);
		w.from(ALICE, request("INVITE"));
		const bob = to(w.take(), BOB);
		expect(w.outputs).toMatchObject([{ type: "connect", port: 5061, serverName: "bob.example" }]);
		w.input({ type: "connectFailed", connect: 1, reason: "refused" });
		expect(w.story()).toEqual([]);
		w.from(BOB, reply(bob, 486));
		expect(w.story().at(-1)).toBe("486 INVITE -> 192.0.2.10:5060");
		const full = world([tcp], { limits: { pendingConnects: 0 } });
		full.from(ALICE, request("INVITE"));
		expect(full.take().at(-1)!.message.status).toBe(500);
		const narrow = world([tcp], { limits: { messagesPerConnect: 1 } });
		narrow.from(ALICE, request("INVITE"));
		narrow.from(ALICE, request("INVITE", { branch: "a2", callId: "2" }));
		expect(narrow.story().at(-1)).toBe("500 INVITE -> 192.0.2.10:5060");
	});

	test("keep-alives are answered, on the stream only", () => {
		const w = world();
		w.edge.addFlow({ flow: 7, ...TCP, remoteAddress: "192.0.2.10", remotePort: 33000 });
		w.over(7, "\r\n\r\n");
		w.from(ALICE, "\r\n\r\n");
		expect(w.outputs).toEqual([
			{ type: "transmit", flow: 7, address: "", port: 0, head: "\r\n", body: new Uint8Array(0) },
		]);
	});

	test("WebSocket: one message in each frame, answered over it", () => {
		const w = world();
		w.edge.addFlow({
			flow: 8,
			transport: "ws",
			localAddress: "192.0.2.1",
			localPort: 80,
			remoteAddress: "192.0.2.10",
			remotePort: 33000,
		});
		w.input({ type: "datagram", flow: 8, octets: new TextEncoder().encode(request("INVITE", { via: "x.invalid" })) });
		const sent = w.take();
		expect([sent[0]!.flow, to(sent, BOB).text.includes("transport=ws;lr>")]).toEqual([8, true]);
		expect(sent[0]!.message.via()!.received).toBe("192.0.2.10");
	});

	test("flows have a limit, and a number of their own", () => {
		const w = world([], { limits: { flows: 2 } });
		expect(w.edge.addFlow({ flow: 1, ...TCP })).toBe(false);
		expect(w.edge.addFlow({ flow: 2, ...TCP })).toBe(true);
		expect(w.edge.addFlow({ flow: 3, ...TCP })).toBe(false);
		w.input({ type: "flowClosed", flow: 2 });
		expect(w.edge.addFlow({ flow: 4, ...TCP })).toBe(true);
		w.over(2, "x");
		w.input({ type: "flowClosed", flow: 99 });
		w.input({ type: "connectFailed", connect: 99, reason: "" });
		w.input({ type: "located", token: 99, targets: [BOB_TARGET] });
		expect(w.take()).toEqual([]);
	});
});

describe("in the long run", () => {
	test("thousands of calls leave nothing behind", () => {
		const w = world();
		for (let i = 0; i < 1_000; i++) {
			w.from(ALICE, request("INVITE", { branch: `i${i}`, callId: `c${i}` }));
			const invite = w.sent[1]!.message;
			w.from(BOB, reply(invite, 200));
			const [far, near] = recordRoute(invite);
			w.take();
			w.from(
				ALICE,
				request("BYE", {
					uri: BOB_URI,
					branch: `b${i}`,
					callId: `c${i}`,
					toTag: "callee",
					cseq: 2,
					extra: [`Route: <${near}>, <${far}>`],
				}),
			);
			w.from(BOB, reply(w.one().message, 200));
			w.take();
			w.events.length = 0;
			if (i % 100 === 0) w.advance(10_000);
		}
		expect(w.edge.stats().serverTransactions).toBeLessThan(1000);
		w.advance(40_000);
		expect(w.edge.stats()).toMatchObject({ clientTransactions: 0, serverTransactions: 0, calls: 0, locating: 0 });
		expect(w.edge.deadline()).toBe(Number.POSITIVE_INFINITY);
	});

	test("calls that never end make room for others", () => {
		const w = world([BOB_TARGET], { limits: { calls: 3 } });
		for (let i = 0; i < 5; i++) {
			w.from(ALICE, request("INVITE", { branch: `i${i}`, callId: `c${i}` }));
			w.from(BOB, reply(to(w.take(), BOB), 200));
			w.take();
		}
		expect(w.edge.stats().calls).toBe(3);
		w.advance(43_300_000);
		w.from(ALICE, request("INVITE", { branch: "last", callId: "last" }));
		expect(w.edge.stats().calls).toBe(1);
	});

	test("random messages never throw, and what goes out can be read", () => {
		let state = 11;
		const random = (below: number): number => {
			state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
			return (state >> 8) % below;
		};
		const w = world([BOB_TARGET, CAROL_TARGET]);
		const methods = ["INVITE", "ACK", "BYE", "CANCEL", "MESSAGE", "OPTIONS", "REGISTER", "FOO"];
		const recent: string[] = [];
		for (let i = 0; i < 1500; i++) {
			let text = request(methods[random(8)]!, {
				branch: `x${random(40)}`,
				callId: `c${random(5)}`,
				...(random(2) === 0 ? { toTag: "t" } : {}),
			});
			if (recent.length > 0 && random(3) === 0) text = recent[random(recent.length)]!;
			const cut = random(text.length);
			if (random(3) === 0) text = text.slice(0, cut) + String.fromCharCode(random(256)) + text.slice(cut + random(3));
			w.from(["192.0.2.10:5060", BOB, CAROL][random(3)]!, text);
			for (const sent of w.take()) {
				expect(sent.text.includes("undefined")).toBe(false);
				const { message } = sent;
				if (recent.length < 200)
					recent.push(message.isRequest ? reply(message, [100, 180, 200, 404, 603][random(5)]!) : sent.text);
				else
					recent[random(200)] = message.isRequest ? reply(message, [100, 180, 200, 404, 603][random(5)]!) : sent.text;
				expect(
					indexText(sent.text.slice(0, sent.text.indexOf("\r\n\r\n") + 4))?.find(Header.via),
				).toBeGreaterThanOrEqual(0);
			}
			if (random(10) === 0) w.advance(random(5000));
		}
	});
});
