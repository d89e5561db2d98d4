import { describe, expect, test } from "vitest";
import type { SipOutput } from "../../../core/sip/edge-types.ts";
import { Header } from "../../../core/sip/header-names.ts";
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
import { reply, type World } from "./support.ts";

describe("other requests", () => {
	test("MESSAGE: one answer, no provisional ones, retransmissions absorbed", () => {
		const w = world();
		w.from(ALICE, request("MESSAGE"));
		const { message } = w.one();
		expect(message.find(Header.recordRoute)).toBe(-1);
		w.from(ALICE, request("MESSAGE"));
		w.from(BOB, reply(message, 180));
		expect(w.story()).toEqual([]);
		w.from(BOB, reply(message, 200));
		w.from(BOB, reply(message, 200));
		expect(w.story()).toEqual(["200 MESSAGE -> 192.0.2.10:5060"]);
		w.from(ALICE, request("MESSAGE"));
		expect(w.story()).toEqual(["200 MESSAGE -> 192.0.2.10:5060"]);
	});

	test("no 408 to anything but an INVITE (RFC 4320 §4.2)", () => {
		const w = world();
		w.from(ALICE, request("MESSAGE"));
		w.advance(40_000);
		expect(w.story().filter((line) => line.includes("192.0.2.10"))).toEqual([]);
		expect(w.edge.stats()).toMatchObject({ clientTransactions: 0, serverTransactions: 0 });
	});

	test("forked MESSAGE: the first 200 is the answer", () => {
		const w = world([BOB_TARGET, CAROL_TARGET]);
		w.from(ALICE, request("MESSAGE"));
		const sent = w.take();
		w.from(BOB, reply(to(sent, BOB), 404));
		w.from(CAROL, reply(to(sent, CAROL), 200));
		expect(w.story()).toEqual(["200 MESSAGE -> 192.0.2.10:5060"]);
	});
});

describe("refusals (RFC 3261 §16.3)", () => {
	test.each([
		["no such user", request("INVITE"), 404],
		["no hops left", request("INVITE", { extra: [] }).replace("Max-Forwards: 70", "Max-Forwards: 0"), 483],
		["Proxy-Require", request("INVITE", { extra: ["Proxy-Require: x"] }), 420],
		["a scheme", request("INVITE", { uri: "mailto:a@b" }), 416],
		["a bad From", request("INVITE").replace("From: <sip:alice@home.example>", "From: <sip:>"), 400],
		["a bad Route", request("INVITE", { extra: ["Route: <sip:a;lr"] }), 400],
		["a stale flow", request("INVITE", { extra: ["Route: <sip:9-0--0123456789abcdef0123@192.0.2.1:5060;lr>"] }), 430],
	])("%s", (_name, text, status) => {
		const w = world([]);
		w.from(ALICE, text);
		expect(w.take().at(-1)!.message.status).toBe(status);
	});

	test("a loop is 482; the same request to another URI is a spiral and goes on (RFC 5393)", () => {
		const w = world([{ uri: "sip:bob@home.example", flow: 1, address: "192.0.2.1", port: 5060 }]);
		w.from(ALICE, request("INVITE"));
		const looped = w.take().at(-1)!;
		w.from("192.0.2.1:5060", looped.text);
		// The Request-URI is as it came the first time, and so is everything else that counts.
		expect(w.story()).toEqual(["482 INVITE -> 192.0.2.1:5060"]);
		w.from("192.0.2.1:5060", looped.text.replace("INVITE sip:bob@home.example", "INVITE sip:carol@home.example"));
		expect(w.story().at(-1)).toBe("INVITE -> 192.0.2.1:5060");
	});

	test("too many Vias are a loop nobody stopped", () => {
		const vias = Array.from({ length: 70 }, (_, i) => `Via: SIP/2.0/UDP h${i};branch=z9hG4bK${i}`);
		const w = world();
		w.from(ALICE, request("OPTIONS", { extra: vias }));
		expect(w.story()).toEqual(["483 OPTIONS -> 192.0.2.10:5060"]);
	});

	test("full tables: 503 with Retry-After, nothing kept", () => {
		const w = world([BOB_TARGET], { limits: { serverTransactions: 1 } });
		w.from(ALICE, request("INVITE"));
		w.take();
		w.from(ALICE, request("INVITE", { branch: "a9", callId: "2" }));
		const { message } = w.one();
		expect([message.status, message.value(Header.retryAfter)]).toEqual([503, "5"]);
		const narrow = world([BOB_TARGET], { limits: { clientTransactions: 0 } });
		narrow.from(ALICE, request("INVITE"));
		expect(narrow.story().at(-1)).toBe("500 INVITE -> 192.0.2.10:5060");
		const busy = world([BOB_TARGET], { limits: { pendingLocates: 0 } });
		busy.from(ALICE, request("INVITE"));
		expect(busy.story().at(-1)).toBe("503 INVITE -> 192.0.2.10:5060");
	});

	test("a location service that does not answer: 504", () => {
		const w = world();
		w.locate = undefined;
		w.from(ALICE, request("INVITE"));
		w.advance(9_999);
		expect(w.story()).toEqual(["100 INVITE -> 192.0.2.10:5060"]);
		w.advance(1);
		expect(w.story()).toEqual(["504 INVITE -> 192.0.2.10:5060"]);
	});

	test("answers to requests without a transaction keep their tag", () => {
		const w = world();
		const text = request("INVITE", { extra: ["Proxy-Require: x"] });
		w.from(ALICE, text);
		const tag = w.one().message.to()!.tag;
		w.from(ALICE, text);
		expect(w.one().message.to()!.tag).toBe(tag);
		w.from(ALICE, request("ACK", { toTag: tag }));
		expect(w.story()).toEqual([]);
	});
});

describe("routing (RFC 3261 §16.4, §16.6, §16.12)", () => {
	/** A dialog's two Record-Route values: far side, near side. */
	function dialog(options = {}): { w: World; far: string; near: string } {
		const w = world([BOB_TARGET], options);
		w.from(ALICE, request("INVITE"));
		const invite = to(w.take(), BOB);
		const [far, near] = recordRoute(invite);
		w.from(BOB, reply(invite, 200));
		w.take();
		return { w, far: far!, near: near! };
	}

	test("a strict router before us: the last Route value is the Request-URI", () => {
		const { w, far, near } = dialog();
		w.from(
			ALICE,
			request("BYE", { uri: near, branch: "b", toTag: "callee", extra: [`Route: <${far}>, <${BOB_URI}>`] }),
		);
		const bye = w.one();
		expect([bye.address, bye.message.requestUri(), bye.message.find(Header.route)]).toEqual([
			"192.0.2.20",
			BOB_URI,
			-1,
		]);
	});

	test("a strict router behind us gets what it expects", () => {
		const { w, near } = dialog();
		w.from(
			ALICE,
			request("BYE", {
				uri: BOB_URI,
				branch: "b",
				toTag: "callee",
				extra: [`Route: <${near}>, <sip:192.0.2.40>, <sip:192.0.2.41;lr>`],
			}),
		);
		const bye = w.one();
		expect([bye.address, bye.message.requestUri()]).toEqual(["192.0.2.40", "sip:192.0.2.40"]);
		expect(bye.message.value(Header.route)).toBe(`<sip:192.0.2.41;lr>, <${BOB_URI}>`);
	});

	test("a loose router behind us: only our values come off, its URI stays on top", () => {
		const { w, near } = dialog();
		w.from(
			ALICE,
			request("BYE", {
				uri: BOB_URI,
				branch: "b",
				toTag: "callee",
				extra: [`Route: <${near}>,<sip:192.0.2.40;lr>`, "Route: <sip:x;lr>"],
			}),
		);
		const bye = w.one();
		expect([bye.address, bye.message.requestUri()]).toEqual(["192.0.2.40", BOB_URI]);
		expect(bye.text).toContain("Route: <sip:192.0.2.40;lr>\r\nRoute: <sip:x;lr>\r\n");
	});

	test("a preloaded Route to us is taken off and the location service is asked", () => {
		const w = world();
		w.from(ALICE, request("INVITE", { extra: ["Route: <sip:192.0.2.1;lr>"] }));
		const invite = to(w.take(), BOB);
		expect([invite.requestUri(), invite.find(Header.route)]).toEqual([BOB_URI, -1]);
	});

	test("a token nobody was given leads nowhere", () => {
		const { w, near, far } = dialog();
		const forged = far.replace(/[0-9a-f]{20}@/, "00000000000000000000@");
		w.from(
			ALICE,
			request("BYE", { uri: BOB_URI, branch: "b", toTag: "callee", extra: [`Route: <${near}>, <${forged}>`] }),
		);
		expect(w.story()).toEqual(["430 BYE -> 192.0.2.10:5060"]);
		w.from(
			ALICE,
			request("ACK", { uri: BOB_URI, branch: "c", toTag: "callee", extra: [`Route: <${near}>, <${forged}>`] }),
		);
		expect(w.story()).toEqual([]);
	});

	test("tokens survive the cache, not the key", () => {
		const { w, near, far } = dialog({ limits: { tokens: 1 }, key: new Uint8Array(32) });
		w.from(
			ALICE,
			request("BYE", { uri: BOB_URI, branch: "b", toTag: "callee", extra: [`Route: <${near}>, <${far}>`] }),
		);
		expect(w.story()).toEqual(["BYE -> 192.0.2.20:5060"]);
		const same = world([], { key: new Uint8Array(32) });
		same.from(
			ALICE,
			request("BYE", { uri: BOB_URI, branch: "b", toTag: "callee", extra: [`Route: <${near}>, <${far}>`] }),
		);
		expect(same.story()).toEqual(["BYE -> 192.0.2.20:5060"]);
		const other = world([], { key: new Uint8Array(32).fill(1) });
		other.from(
			ALICE,
			request("BYE", { uri: BOB_URI, branch: "b", toTag: "callee", extra: [`Route: <${near}>, <${far}>`] }),
		);
		expect(other.story()).toEqual(["430 BYE -> 192.0.2.10:5060"]);
	});

	test("another domain's next hop is asked for, and the Request-URI stays", () => {
		const w = world();
		const asked: (SipOutput & { type: "locate" })[] = [];
		w.locate = (output) => {
			asked.push(output);
			return {
				type: "located",
				token: output.token,
				targets: [{ uri: "sip:ignored", address: "192.0.2.40", port: 5070 }],
			};
		};
		w.from(ALICE, request("MESSAGE", { uri: "sip:x@far.example", extra: ["Route: <sip:proxy.example;lr>"] }));
		expect(asked).toMatchObject([
			{ uri: "sip:proxy.example;lr", isNextHop: true, isOurs: false, fromAor: "alice@home.example" },
		]);
		const sent = w.one();
		expect([sent.port, sent.message.requestUri()]).toEqual([5070, "sip:x@far.example"]);
		// An ACK waits for the answer too.
		w.from(
			ALICE,
			request("ACK", { uri: "sip:x@far.example", toTag: "t", branch: "k", extra: ["Route: <sip:proxy.example;lr>"] }),
		);
		expect(w.story()).toEqual(["ACK -> 192.0.2.40:5070"]);
	});

	test("what the location service is told", () => {
		const w = world();
		w.locate = undefined;
		w.from(ALICE, request("INVITE", { uri: "sip:%62ob@192.0.2.1;x=1" }));
		expect(w.outputs).toEqual([
			{
				type: "locate",
				token: 1,
				method: "INVITE",
				uri: "sip:%62ob@192.0.2.1;x=1",
				aor: "bob@home.example",
				isOurs: true,
				isNextHop: false,
				from: { flow: 1, peerAor: undefined, account: undefined, address: "192.0.2.10", port: 5060 },
				fromAor: "alice@home.example",
				callId: "call1",
			},
		]);
	});
});
