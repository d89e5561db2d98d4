import { describe, expect, test } from "vitest";
import type { SipOutput, Target } from "../../../core/sip/edge-types.ts";
import { Header } from "../../../core/sip/header-names.ts";
import type { SipMessage } from "../../../core/sip/message.ts";
import { indexText } from "../../../core/sip/parse.ts";
import { lines, reply, type Sent, World } from "./support.ts";

const ALICE = "192.0.2.10:5060";
const BOB = "192.0.2.20:5060";
const CAROL = "192.0.2.30:5060";
const BOB_URI = "sip:bob@192.0.2.20";
const CAROL_URI = "sip:carol@192.0.2.30";
const BOB_TARGET: Target = { uri: BOB_URI, flow: 1, address: "192.0.2.20", port: 5060 };
const CAROL_TARGET: Target = { uri: CAROL_URI, flow: 1, address: "192.0.2.30", port: 5060 };

function request(
	method: string,
	options: {
		uri?: string;
		branch?: string;
		toTag?: string;
		fromTag?: string;
		cseq?: number;
		extra?: string[];
		callId?: string;
		via?: string;
		from?: string;
		to?: string;
	} = {},
): string {
	const uri = options.uri ?? "sip:bob@home.example";
	return lines(
		`${method} ${uri} SIP/2.0`,
		`Via: SIP/2.0/UDP ${options.via ?? "192.0.2.10"};branch=z9hG4bK${options.branch ?? "a1"}`,
		`From: <${options.from ?? "sip:alice@home.example"}>;tag=${options.fromTag ?? "at"}`,
		`To: <${options.to ?? "sip:bob@home.example"}>${options.toTag === undefined ? "" : `;tag=${options.toTag}`}`,
		`Call-ID: ${options.callId ?? "call1"}`,
		`CSeq: ${options.cseq ?? 1} ${method === "ACK" || method === "CANCEL" ? method : method}`,
		"Contact: <sip:alice@192.0.2.10>",
		"Max-Forwards: 70",
		...(options.extra ?? []),
	);
}

function world(targets: readonly Target[] = [BOB_TARGET], options = {}): World {
	const made = new World(options);
	made.locate = (output) => ({ type: "located", token: output.token, targets, status: 404 });
	return made;
}

/** What went to a place since it was last asked, the last one. */
function to(sent: Sent[], place: string): SipMessage {
	const found = sent.filter((each) => `${each.address}:${each.port}` === place);
	if (found.length === 0) throw new Error(`nothing to ${place}`);
	return found.at(-1)!.message;
}

/** Our Record-Route values in a message, as URIs, top first. */
function recordRoute(message: SipMessage): string[] {
	return message
		.value(Header.recordRoute)!
		.split(", ")
		.map((value) => value.slice(1, -1));
}

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
