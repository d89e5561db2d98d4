import { describe, expect, test } from "vitest";
import type { SipOutput, Target } from "../../../core/sip/edge-types.ts";
import { Header } from "../../../core/sip/header-names.ts";
import type { SipMessage } from "../../../core/sip/message.ts";
import {
	ALICE,
	BOB,
	BOB_TARGET,
	BOB_URI,
	CAROL,
	CAROL_TARGET,
	CAROL_URI,
	recordRoute,
	request,
	to,
	world,
} from "./proxy-support.ts";
import { lines, reply, type World } from "./support.ts";

describe("a plain call (RFC 3665 §3.2)", () => {
	test("INVITE 100 180 200 ACK BYE 200, with the events", () => {
		const w = world();
		w.from(ALICE, request("INVITE"));
		const sent = w.take();
		expect(sent.map((each) => `${each.message.status || each.message.method} ${each.address}`)).toEqual([
			"100 192.0.2.10",
			"INVITE 192.0.2.20",
		]);
		const invite = to(sent, BOB);
		expect(invite.requestUri()).toBe(BOB_URI);
		expect(invite.maxForwards()).toBe(69);
		expect(invite.via()).toMatchObject({ transport: "UDP", host: "192.0.2.1", port: 5060, rport: 0 });
		expect(invite.text).toContain("Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKa1\r\n");
		const [farSide, nearSide] = recordRoute(invite);
		expect([farSide, nearSide]).toEqual([
			expect.stringMatching(/^sip:1-3wk-192\.0\.2\.20-[0-9a-f]{20}@192\.0\.2\.1:5060;lr$/),
			expect.stringContaining("192.0.2.10-"),
		]);

		w.from(BOB, reply(invite, 100));
		expect(w.take()).toEqual([]);
		w.from(BOB, reply(invite, 180));
		const ringing = w.one();
		expect([ringing.message.status, ringing.address]).toEqual([180, "192.0.2.10"]);
		expect(ringing.message.via()!.branch).toBe("z9hG4bKa1");
		expect(ringing.message.find(Header.via, ringing.message.find(Header.via) + 2)).toBe(-1);
		w.from(BOB, reply(invite, 200));
		const ok = to(w.take(), ALICE);
		expect([ok.status, ok.to()!.tag, ok.value(Header.recordRoute)]).toEqual([
			200,
			"callee",
			invite.value(Header.recordRoute),
		]);

		// The caller's route set is the Record-Route backwards.
		const route = `Route: <${nearSide}>, <${farSide}>`;
		w.from(ALICE, request("ACK", { uri: BOB_URI, branch: "a2", toTag: "callee", extra: [route] }));
		const ack = w.one();
		expect([ack.message.method, ack.address, ack.message.requestUri(), ack.message.find(Header.route)]).toEqual([
			"ACK",
			"192.0.2.20",
			BOB_URI,
			-1,
		]);
		expect(ack.message.maxForwards()).toBe(69);

		w.advance(60_000);
		// The callee hangs up: its route set is the Record-Route as it came.
		w.from(
			BOB,
			lines(
				"BYE sip:alice@192.0.2.10 SIP/2.0",
				"Via: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKb1",
				`Route: <${farSide}>`,
				`Route: <${nearSide}>`,
				"From: <sip:bob@home.example>;tag=callee",
				"To: <sip:alice@home.example>;tag=at",
				"Call-ID: call1",
				"CSeq: 1 BYE",
			),
		);
		const bye = w.one();
		expect([bye.message.method, bye.address, bye.message.maxForwards(), bye.message.find(Header.route)]).toEqual([
			"BYE",
			"192.0.2.10",
			70,
			-1,
		]);
		expect(bye.message.find(Header.recordRoute)).toBe(-1);
		w.from(ALICE, reply(bye.message, 200));
		expect(w.story()).toEqual(["200 BYE -> 192.0.2.20:5060"]);
		expect(w.events).toMatchObject([
			{ type: "callStarted", call: { from: "alice@home.example", to: "bob@home.example", answeredAt: 0 } },
			{ type: "callRinging", by: BOB_URI },
			{ type: "callAnswered", by: BOB_URI },
			{ type: "callEnded", status: 200, reason: "BYE", call: { callId: "call1", answeredBy: BOB_URI } },
		]);
		w.advance(40_000);
		expect(w.edge.stats()).toMatchObject({ clientTransactions: 0, serverTransactions: 0, calls: 0 });
		expect(w.edge.deadline()).toBe(Number.POSITIVE_INFINITY);
	});

	test("a phone that sends from another port than it listens on, without rport (RFC 3261 §18.2.2)", () => {
		const w = world();
		w.from("192.0.2.10:49152", request("INVITE", { via: "192.0.2.10:5070" }));
		const sent = w.take();
		expect([sent[0]!.address, sent[0]!.port]).toEqual(["192.0.2.10", 5070]);
		const [far, near] = recordRoute(to(sent, BOB));
		w.from(BOB, reply(to(sent, BOB), 200));
		w.take();
		const bye = (via: string, branch: string): string =>
			request("BYE", { uri: BOB_URI, via, branch, toTag: "callee", extra: [`Route: <${near}>, <${far}>`] });
		w.from("192.0.2.10:49153", bye("192.0.2.10:5070", "b1"));
		expect(w.story()).toEqual(["BYE -> 192.0.2.20:5060"]);
		w.from("192.0.2.10:49152", request("INVITE", { via: "192.0.2.10:5070;rport", branch: "r1" }));
		expect(w.take()[0]!.port).toBe(49152);
	});

	test("bodies go through as they are", () => {
		const w = world();
		const body = "v=0\r\n\0\xff\r\n\r\nx";
		w.from(ALICE, `${request("INVITE", { extra: [`Content-Length: ${body.length}`] })}${body}trailing noise`);
		const invite = to(w.take(), BOB);
		expect(String.fromCharCode(...invite.body)).toBe(body);
		w.from(BOB, `${reply(invite, 183).replace("Content-Length: 0", "Content-Length: 4")}abcdxyz`);
		expect(String.fromCharCode(...w.one().message.body)).toBe("abcd");
	});

	test("a length is written where a datagram had none (RFC 3261 §16.6 item 9)", () => {
		const w = world();
		w.from(ALICE, `${request("MESSAGE")}hello`);
		expect(w.one().message.contentLength).toBe(5);
	});

	test("loss: requests and answers are repeated where they have to be", () => {
		const w = world();
		w.from(ALICE, request("INVITE"));
		w.take();
		w.from(ALICE, request("INVITE"));
		expect(w.story()).toEqual(["100 INVITE -> 192.0.2.10:5060"]);
		w.advance(500);
		const invite = to(w.sent, BOB);
		expect(w.story()).toEqual(["INVITE -> 192.0.2.20:5060"]);
		w.from(BOB, reply(invite, 180));
		w.take();
		w.from(ALICE, request("INVITE"));
		expect(w.story()).toEqual(["180 INVITE -> 192.0.2.10:5060"]);
		// A lost 200: the callee sends it again, and again it goes through.
		for (let i = 0; i < 3; i++) {
			w.from(BOB, reply(invite, 200));
			expect(w.story()).toEqual(["200 INVITE -> 192.0.2.10:5060"]);
			w.advance(500);
		}
		w.from(ALICE, request("INVITE"));
		expect(w.story()).toEqual([]);
		w.advance(32_000);
		// Long after, it belongs to nothing (RFC 6026 §7.3).
		w.from(BOB, reply(invite, 200));
		expect(w.story()).toEqual([]);
	});

	test("a refusal is acknowledged hop by hop", () => {
		const w = world();
		w.from(ALICE, request("INVITE"));
		const invite = to(w.take(), BOB);
		w.from(BOB, reply(invite, 486));
		expect(w.story()).toEqual(["ACK -> 192.0.2.20:5060", "486 INVITE -> 192.0.2.10:5060"]);
		w.advance(500);
		expect(w.story()).toEqual(["486 INVITE -> 192.0.2.10:5060"]);
		w.from(ALICE, request("ACK", { toTag: "callee" }));
		w.advance(60_000);
		expect(w.story()).toEqual([]);
		expect(w.events.at(-1)).toMatchObject({ type: "callEnded", status: 486 });
	});

	test("nobody answers: 408 after Timer B; after a 180, CANCEL at Timer C and 487", () => {
		const w = world();
		w.from(ALICE, request("INVITE"));
		w.advance(32_000);
		expect(w.story().at(-1)).toBe("408 INVITE -> 192.0.2.10:5060");
		const patient = world();
		patient.from(ALICE, request("INVITE"));
		const invite = to(patient.take(), BOB);
		patient.from(BOB, reply(invite, 180));
		patient.advance(100_000);
		patient.from(BOB, reply(invite, 180));
		patient.take();
		patient.advance(184_999);
		expect(patient.story()).toEqual([]);
		patient.advance(1);
		expect(patient.story()).toEqual(["CANCEL -> 192.0.2.20:5060"]);
		patient.from(BOB, reply(invite, 487));
		expect(patient.story()).toEqual(["ACK -> 192.0.2.20:5060", "487 INVITE -> 192.0.2.10:5060"]);
	});

	test("a silent callee after the CANCEL is given up (RFC 3261 §9.1)", () => {
		const w = world();
		w.from(ALICE, request("INVITE"));
		const invite = to(w.take(), BOB);
		w.from(BOB, reply(invite, 180));
		w.from(ALICE, request("CANCEL"));
		w.take();
		w.advance(32_000);
		expect(w.story().at(-1)).toBe("487 INVITE -> 192.0.2.10:5060");
	});
});

describe("forking (RFC 3261 §16.7)", () => {
	function ring(targets: readonly Target[] = [BOB_TARGET, CAROL_TARGET]): {
		w: World;
		bob: SipMessage;
		carol: SipMessage;
	} {
		const w = world(targets);
		w.from(ALICE, request("INVITE"));
		const sent = w.take();
		return { w, bob: to(sent, BOB), carol: to(sent, CAROL) };
	}

	test("all phones ring at once, in branches of their own", () => {
		const { bob, carol } = ring();
		expect([bob.requestUri(), carol.requestUri()]).toEqual([BOB_URI, CAROL_URI]);
		expect(bob.via()!.branch).not.toBe(carol.via()!.branch);
		expect(recordRoute(bob)[1]).toBe(recordRoute(carol)[1]);
		expect(recordRoute(bob)[0]).not.toBe(recordRoute(carol)[0]);
	});

	test("one answers: the others are cancelled because it was answered elsewhere (RFC 3326)", () => {
		const { w, bob, carol } = ring();
		w.from(BOB, reply(bob, 180, { tag: "b" }));
		w.from(CAROL, reply(carol, 180, { tag: "c" }));
		expect(w.story()).toEqual(["180 INVITE -> 192.0.2.10:5060", "180 INVITE -> 192.0.2.10:5060"]);
		w.from(CAROL, reply(carol, 200, { tag: "c" }));
		const sent = w.take();
		expect(sent.map((each) => `${each.message.status || each.message.method} ${each.address}`)).toEqual([
			"200 192.0.2.10",
			"CANCEL 192.0.2.20",
		]);
		const cancel = to(sent, BOB);
		expect(cancel.value(Header.reason)).toBe('SIP;cause=200;text="Call completed elsewhere"');
		expect([cancel.requestUri(), cancel.via()!.branch, cancel.cseq, cancel.to()!.tag]).toEqual([
			BOB_URI,
			bob.via()!.branch,
			1,
			"",
		]);
		w.from(BOB, reply(cancel, 200));
		w.from(BOB, reply(bob, 487, { tag: "b" }));
		expect(w.story()).toEqual(["ACK -> 192.0.2.20:5060"]);
		expect(w.events.filter((event) => event.type === "callAnswered")).toMatchObject([{ by: CAROL_URI }]);
	});

	test("a phone that has said nothing yet is cancelled as soon as it does (RFC 3261 §9.1)", () => {
		const { w, bob, carol } = ring();
		w.from(CAROL, reply(carol, 200));
		expect(w.story()).toEqual(["200 INVITE -> 192.0.2.10:5060"]);
		w.from(BOB, reply(bob, 100));
		expect(w.story()).toEqual(["CANCEL -> 192.0.2.20:5060"]);
	});

	test("two answer in the same moment: both 200s go to the caller, who ends one of the calls", () => {
		const { w, bob, carol } = ring();
		w.from(BOB, reply(bob, 180));
		w.take();
		w.from(CAROL, reply(carol, 200, { tag: "c" }));
		w.from(BOB, reply(bob, 200, { tag: "b" }));
		const oks = w.take().filter((each) => each.message.status === 200);
		expect(oks.map((each) => each.message.to()!.tag)).toEqual(["c", "b"]);
		expect(w.events.filter((event) => event.type === "callAnswered").length).toBe(1);
	});

	test("refusals are collected: the best one goes upstream when all have come", () => {
		const cases: [number, number, number][] = [
			[486, 404, 486],
			[404, 486, 404],
			[408, 486, 486],
			[480, 486, 486],
			[500, 486, 486],
			[302, 486, 302],
			[486, 407, 407],
			[415, 404, 415],
			[503, 500, 500],
			[503, 503, 500],
			[487, 480, 480],
			[600, 302, 600],
		];
		for (const [first, second, best] of cases) {
			const { w, bob, carol } = ring();
			w.from(BOB, reply(bob, first));
			w.from(CAROL, reply(carol, second));
			const finals = w.take().filter((each) => each.message.status >= 200);
			expect([first, second, finals.map((each) => each.message.status)]).toEqual([first, second, [best]]);
		}
	});

	test("401 and 407 bring all challenges along (RFC 3261 §16.7 item 7)", () => {
		const { w, bob, carol } = ring();
		w.from(BOB, reply(bob, 407, { extra: ['Proxy-Authenticate: Digest realm="b"'] }));
		w.from(CAROL, reply(carol, 401, { extra: ['WWW-Authenticate: Digest realm="c"'] }));
		const final = to(w.take(), ALICE);
		expect([final.status, final.value(Header.proxyAuthenticate), final.value(Header.wwwAuthenticate)]).toEqual([
			407,
			'Digest realm="b"',
			'Digest realm="c"',
		]);
		expect(final.fault).toBeUndefined();
	});

	test("6xx ends the other branches and waits for them", () => {
		const { w, bob, carol } = ring();
		w.from(BOB, reply(bob, 180));
		w.take();
		w.from(CAROL, reply(carol, 603));
		expect(w.story()).toEqual(["ACK -> 192.0.2.30:5060", "CANCEL -> 192.0.2.20:5060"]);
		w.from(BOB, reply(bob, 487));
		expect(w.story()).toEqual(["ACK -> 192.0.2.20:5060", "603 INVITE -> 192.0.2.10:5060"]);
	});

	test("a 2xx that comes before the 6xx is sent still wins", () => {
		const { w, bob, carol } = ring();
		w.from(BOB, reply(bob, 180));
		w.from(CAROL, reply(carol, 600));
		w.take();
		w.from(BOB, reply(bob, 200));
		expect(w.story()).toEqual(["200 INVITE -> 192.0.2.10:5060"]);
		w.advance(40_000);
		expect(w.story().filter((line) => line.startsWith("600"))).toEqual([]);
	});

	test("the same target is tried once; more than the limit are not tried at all", () => {
		const many = Array.from({ length: 40 }, (_, i) => ({ ...BOB_TARGET, uri: `sip:bob@192.0.2.20;line=${i}` }));
		const w = world([BOB_TARGET, BOB_TARGET, ...many]);
		w.from(ALICE, request("INVITE"));
		expect(w.story().filter((line) => line.startsWith("INVITE")).length).toBe(24);
	});

	test("branches are added while the location service has more", () => {
		const w = world();
		w.locate = undefined;
		w.from(ALICE, request("INVITE"));
		const { token } = w.outputs.pop() as SipOutput & { type: "locate" };
		w.take();
		w.input({ type: "located", token, targets: [BOB_TARGET], more: true });
		const bob = to(w.take(), BOB);
		w.from(BOB, reply(bob, 486));
		expect(w.story()).toEqual(["ACK -> 192.0.2.20:5060"]);
		w.input({ type: "located", token, targets: [CAROL_TARGET] });
		const carol = to(w.take(), CAROL);
		w.input({ type: "located", token, targets: [BOB_TARGET] });
		w.from(CAROL, reply(carol, 404));
		expect(w.story()).toEqual(["ACK -> 192.0.2.30:5060", "486 INVITE -> 192.0.2.10:5060"]);
	});

	test("no branch is added after a 2xx, nor after a CANCEL", () => {
		for (const end of ["200", "CANCEL"]) {
			const w = world();
			w.locate = undefined;
			w.from(ALICE, request("INVITE"));
			const { token } = w.outputs.pop() as SipOutput & { type: "locate" };
			w.input({ type: "located", token, targets: [BOB_TARGET], more: true });
			const bob = to(w.take(), BOB);
			if (end === "200") w.from(BOB, reply(bob, 200));
			else w.from(ALICE, request("CANCEL"));
			w.take();
			w.input({ type: "located", token, targets: [CAROL_TARGET] });
			expect(w.story()).toEqual([]);
		}
	});
});

describe("CANCEL (RFC 3261 §9, §16.10)", () => {
	test("is answered at once, reaches the phone with its Reason, and brings 487", () => {
		const w = world();
		w.from(ALICE, request("INVITE"));
		const bob = to(w.take(), BOB);
		w.from(BOB, reply(bob, 180));
		w.take();
		w.from(ALICE, request("CANCEL", { extra: ["Reason: SIP;cause=480"] }));
		const sent = w.take();
		expect(sent.map((each) => `${each.message.status || each.message.method} ${each.address}`)).toEqual([
			"200 192.0.2.10",
			"CANCEL 192.0.2.20",
		]);
		expect(to(sent, BOB).value(Header.reason)).toBe("SIP;cause=480");
		w.from(ALICE, request("CANCEL", { extra: ["Reason: SIP;cause=480"] }));
		expect(w.story()).toEqual(["200 CANCEL -> 192.0.2.10:5060"]);
		w.from(BOB, reply(bob, 487));
		expect(w.story()).toEqual(["ACK -> 192.0.2.20:5060", "487 INVITE -> 192.0.2.10:5060"]);
	});

	test("crosses the answer: the 200 wins", () => {
		const w = world();
		w.from(ALICE, request("INVITE"));
		const bob = to(w.take(), BOB);
		w.from(BOB, reply(bob, 180));
		w.from(ALICE, request("CANCEL"));
		w.take();
		w.from(BOB, reply(bob, 200));
		expect(w.story()).toEqual(["200 INVITE -> 192.0.2.10:5060"]);
		w.advance(60_000);
		expect(w.story().filter((line) => line.includes("192.0.2.10"))).toEqual([]);
	});

	test("while nobody has been found yet: 487 at once", () => {
		const w = world();
		w.locate = undefined;
		w.from(ALICE, request("INVITE"));
		w.from(ALICE, request("CANCEL"));
		expect(w.story()).toEqual([
			"100 INVITE -> 192.0.2.10:5060",
			"200 CANCEL -> 192.0.2.10:5060",
			"487 INVITE -> 192.0.2.10:5060",
		]);
		expect(w.edge.stats().locating).toBe(0);
	});

	test("for nothing, or from somewhere else: 481", () => {
		const w = world();
		w.from(ALICE, request("CANCEL"));
		expect(w.story()).toEqual(["481 CANCEL -> 192.0.2.10:5060"]);
		w.from(ALICE, request("INVITE"));
		w.take();
		w.from("192.0.2.66:5060", request("CANCEL"));
		expect(w.story()).toEqual(["481 CANCEL -> 192.0.2.66:5060"]);
	});
});
