import { describe, expect, test } from "vitest";
import { makeHa1 } from "../../../core/sip/digest.ts";
import type { Target } from "../../../core/sip/edge-types.ts";
import { Header } from "../../../core/sip/header-names.ts";
import { bytes, lines, reply, type Sent, summary, testCrypto, World } from "./support.ts";

const ALICE_GRUU = "sip:alice@home.example;gr=QUFB";
const BOB_GRUU = "sip:bob@home.example;gr=QkJC";
const ALICE_PHONE = "192.0.2.10:5060";
const BOB_PHONE = "192.0.2.20:5060";

/** Two edges of one overlay: Alice's phone at the first, Bob's at the second, an AppAttach connection between the two users. */
class TwoEdges {
	readonly near: World;
	readonly far: World;

	constructor(options = {}) {
		this.near = new World({ isAuthenticating: true, ...options });
		this.far = new World({ isAuthenticating: true, crypto: testCrypto(2) });
		const local = { transport: "overlay", localAddress: "home.example", localPort: 0 } as const;
		this.near.edge.addFlow({
			flow: 50,
			...local,
			peerAor: "bob@home.example",
			localRoute: ALICE_GRUU,
			sentBy: "aa.home.example",
		});
		this.far.edge.addFlow({
			flow: 60,
			...local,
			peerAor: "alice@home.example",
			localRoute: BOB_GRUU,
			sentBy: "bb.home.example",
		});
		const bob: Target = { uri: "sip:bob@192.0.2.20", flow: 1, address: "192.0.2.20", port: 5060 };
		this.far.locate = (output) => ({
			type: "located",
			token: output.token,
			targets: output.aor === "bob@home.example" ? [bob] : [],
			status: 404,
		});
		this.near.locate = (output) => ({
			type: "located",
			token: output.token,
			targets: [{ uri: "sip:bob@home.example", flow: 50 }],
			status: 404,
		});
		// Phones of this test need no password: what is tested is the way between the edges.
		this.near.edge.addFlow({
			flow: 3,
			transport: "tcp",
			localAddress: "192.0.2.1",
			localPort: 5060,
			remoteAddress: "192.0.2.10",
			remotePort: 4000,
			isTrusted: true,
		});
	}

	/** Carries what the edges send each other; answers what goes to the phones. */
	settle(): string[] {
		const story: string[] = [];
		for (let moved = true; moved; ) {
			moved = false;
			for (const [from, flow, other, otherFlow] of [
				[this.near, 50, this.far, 60],
				[this.far, 60, this.near, 50],
			] as const) {
				for (const sent of from.take()) {
					if (sent.flow === flow) {
						moved = true;
						story.push(`${summary(sent)} (between the edges)`);
						other.input({ type: "octets", flow: otherFlow, octets: bytes(sent.text) });
					} else this.toPhones.push(sent);
				}
			}
		}
		return story;
	}

	toPhones: Sent[] = [];

	phones(): Sent[] {
		this.settle();
		return this.toPhones.splice(0);
	}
}

function invite(extra: string[] = [], from = "alice@home.example"): string {
	return lines(
		"INVITE sip:bob@home.example SIP/2.0",
		"Via: SIP/2.0/TCP 192.0.2.10;branch=z9hG4bKa1",
		`From: <sip:${from}>;tag=at`,
		"To: <sip:bob@home.example>",
		"Call-ID: call1",
		"CSeq: 1 INVITE",
		"Contact: <sip:alice@192.0.2.10;transport=tcp>",
		...extra,
		"Content-Length: 0",
	);
}

describe("a call between two edges (RFC 7904 §3.5)", () => {
	function call(): { net: TwoEdges; route: string[] } {
		const net = new TwoEdges();
		net.near.over(3, invite());
		const rung = net.phones();
		expect(rung.map(summary)).toEqual(["100 INVITE -> flow 3", "INVITE -> 192.0.2.20:5060"]);
		const { message } = rung[1]!;
		const route = message.text
			.slice(0, message.headEnd)
			.split("\r\n")
			.filter((line) => line.startsWith("Record-Route: "))
			.flatMap((line) => line.slice(14).split(", "));
		net.far.from(BOB_PHONE, reply(message, 200));
		expect(net.phones().map(summary)).toEqual(["200 INVITE -> flow 3"]);
		return { net, route };
	}

	test("each edge writes its flow's GRUU towards the other, and a token towards the phone", () => {
		const { route } = call();
		expect(route).toEqual([
			expect.stringMatching(/^<sip:1-3wk-192\.0\.2\.20-[0-9a-f]+@192\.0\.2\.1:5060;lr>$/),
			`<${BOB_GRUU};lr>`,
			`<${ALICE_GRUU};lr>`,
			expect.stringMatching(/^<sip:3-0--[0-9a-f]+@192\.0\.2\.1:5060;transport=tcp;lr>$/),
		]);
	});

	test("Via carries the overlay's name", () => {
		const net = new TwoEdges();
		net.near.over(3, invite());
		const between = net.near.take().at(-1)!;
		expect(between.text).toContain("Via: SIP/2.0/TLS aa.home.example;rport;branch=");
		expect(between.message.requestUri()).toBe("sip:bob@home.example");
	});

	test("ACK and BYE of the caller, BYE of the callee: by Route alone, no digest, no location", () => {
		const { net, route } = call();
		net.near.locate = undefined;
		net.far.locate = undefined;
		const callerRoute = `Route: ${[...route].reverse().join(", ")}`;
		const head = (method: string, branch: string, extra: string): string =>
			lines(
				`${method} sip:bob@192.0.2.20 SIP/2.0`,
				`Via: SIP/2.0/TCP 192.0.2.10;branch=z9hG4bK${branch}`,
				"From: <sip:alice@home.example>;tag=at",
				"To: <sip:bob@home.example>;tag=callee",
				"Call-ID: call1",
				`CSeq: 1 ${method}`,
				extra,
				"Content-Length: 0",
			);
		net.near.over(3, head("ACK", "a2", callerRoute));
		expect(net.phones().map(summary)).toEqual(["ACK -> 192.0.2.20:5060"]);
		net.near.over(3, head("BYE", "a3", callerRoute));
		const [bye] = net.phones();
		expect([summary(bye!), bye!.message.find(Header.route)]).toEqual(["BYE -> 192.0.2.20:5060", -1]);
		net.far.from(BOB_PHONE, reply(bye!.message, 200));
		expect(net.phones().map(summary)).toEqual(["200 BYE -> flow 3"]);

		const calleeBye = lines(
			"BYE sip:alice@192.0.2.10;transport=tcp SIP/2.0",
			"Via: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKb1",
			`Route: ${route.join(", ")}`,
			// A ring group's name: the dialog is what counts.
			"From: <sip:house@home.example>;tag=callee",
			"To: <sip:alice@home.example>;tag=at",
			"Call-ID: call1",
			"CSeq: 1 BYE",
		);
		net.far.from(BOB_PHONE, calleeBye);
		expect(net.phones().map(summary)).toEqual(["BYE -> flow 3"]);
		expect([net.near.outputs, net.far.outputs]).toEqual([[], []]);
	});

	test("CANCEL travels, with its reason", () => {
		const net = new TwoEdges();
		net.near.over(3, invite());
		const { message } = net.phones()[1]!;
		net.far.from(BOB_PHONE, reply(message, 180));
		expect(net.phones().map(summary)).toEqual(["180 INVITE -> flow 3"]);
		net.near.over(
			3,
			lines(
				"CANCEL sip:bob@home.example SIP/2.0",
				"Via: SIP/2.0/TCP 192.0.2.10;branch=z9hG4bKa1",
				"From: <sip:alice@home.example>;tag=at",
				"To: <sip:bob@home.example>",
				"Call-ID: call1",
				"CSeq: 1 CANCEL",
				"Reason: SIP;cause=200",
				"Content-Length: 0",
			),
		);
		const sent = net.phones();
		expect(sent.map(summary)).toEqual(["200 CANCEL -> flow 3", "CANCEL -> 192.0.2.20:5060"]);
		expect(sent[1]!.message.value(Header.reason)).toBe("SIP;cause=200");
	});

	test("the connection closes while it rings: 503 at the one end, CANCEL at the other", () => {
		const net = new TwoEdges();
		net.near.over(3, invite());
		const { message } = net.phones()[1]!;
		net.far.from(BOB_PHONE, reply(message, 180));
		net.phones();
		net.near.input({ type: "flowClosed", flow: 50 });
		net.far.input({ type: "flowClosed", flow: 60 });
		expect(net.phones().map(summary)).toEqual(["500 INVITE -> flow 3", "CANCEL -> 192.0.2.20:5060"]);
		net.far.from(BOB_PHONE, reply(message, 487));
		expect(net.phones().map(summary)).toEqual(["ACK -> 192.0.2.20:5060"]);
		net.far.advance(40_000);
		expect(net.far.edge.stats()).toMatchObject({ clientTransactions: 0, serverTransactions: 0 });
	});
});

describe("what a peer may (RFC 7904 §8)", () => {
	const over = (net: TwoEdges, text: string): string[] => {
		net.far.over(60, text);
		return net.far.story();
	};

	test("From is the AOR its certificate names, or 403", () => {
		const net = new TwoEdges();
		expect(over(net, invite([], "mallory@home.example"))).toEqual(["403 INVITE -> flow 60"]);
		expect(over(net, invite())).toEqual(["100 INVITE -> flow 60", "INVITE -> 192.0.2.20:5060"]);
	});

	test("the host is told who asks", () => {
		const net = new TwoEdges();
		net.far.locate = undefined;
		over(net, invite());
		expect(net.far.outputs).toMatchObject([
			{ type: "locate", aor: "bob@home.example", from: { flow: 60, peerAor: "alice@home.example" } },
		]);
	});

	test("it is not relayed to addresses, nor to other peers", () => {
		const net = new TwoEdges();
		net.far.edge.addFlow({
			flow: 61,
			transport: "overlay",
			localAddress: "home.example",
			localPort: 0,
			peerAor: "carol@home.example",
			localRoute: BOB_GRUU,
		});
		net.far.locate = (output) => ({ type: "located", token: output.token, status: 404 });
		for (const route of [
			"<sip:192.0.2.99;lr>",
			"<sip:carol@home.example;gr=x;lr>",
			`<${BOB_GRUU};lr>, <sip:carol@home.example;gr=x;lr>`,
		]) {
			const bye = lines(
				"BYE sip:x@192.0.2.99 SIP/2.0",
				`Via: SIP/2.0/TLS h;branch=z9hG4bK${route.length}`,
				"From: <sip:alice@home.example>;tag=1",
				"To: <sip:x@y>;tag=2",
				"Call-ID: 1",
				"CSeq: 1 BYE",
				`Route: ${route}`,
				"Content-Length: 0",
			);
			expect([route, over(net, bye)]).toEqual([route, ["404 BYE -> flow 60"]]);
			expect([route, over(net, bye.replace(/BYE/g, "ACK"))]).toEqual([route, []]);
		}
	});

	test("REGISTER of its own AOR needs no digest; of another's it is refused", () => {
		const net = new TwoEdges();
		const text = (to: string): string =>
			lines(
				"REGISTER sip:home.example SIP/2.0",
				`Via: SIP/2.0/TLS h;branch=z9hG4bK${to.slice(0, 3)}`,
				`From: <sip:${to}>;tag=1`,
				`To: <sip:${to}>`,
				`Call-ID: ${to}`,
				"CSeq: 1 REGISTER",
				"Contact: <sip:x@y.invalid>",
				"Content-Length: 0",
			);
		expect(over(net, text("alice@home.example"))).toEqual(["200 REGISTER -> flow 60"]);
		expect(over(net, text("bob@home.example"))).toEqual(["403 REGISTER -> flow 60"]);
		expect(net.far.edge.bindings("alice@home.example").map((info) => info.target)).toEqual([
			{ uri: "sip:x@y.invalid", flow: 60 },
		]);
	});

	test("an ACK without a dialog of ours goes nowhere", () => {
		const net = new TwoEdges();
		expect(
			over(
				net,
				invite()
					.replace(/INVITE/g, "ACK")
					.replace("home.example>\r\nCall", "home.example>;tag=x\r\nCall"),
			),
		).toEqual([]);
	});

	test("several connections of one user share its GRUU: the next Route value tells which", () => {
		const net = new TwoEdges();
		const dave = {
			flow: 51,
			transport: "overlay",
			localAddress: "home.example",
			localPort: 0,
			peerAor: "dave@home.example",
			localRoute: ALICE_GRUU,
		} as const;
		net.near.edge.addFlow(dave);
		net.near.edge.addFlow({
			...dave,
			flow: 52,
			peerAor: "bob@home.example",
			localRoute: "sip:carol@home.example;gr=Q0ND",
		});
		const bye = lines(
			"BYE sip:bob@192.0.2.20 SIP/2.0",
			"Via: SIP/2.0/TCP 192.0.2.10;branch=z9hG4bKx",
			"From: <sip:alice@home.example>;tag=1",
			"To: <sip:bob@home.example>;tag=2",
			"Call-ID: 1",
			"CSeq: 1 BYE",
			`Route: <${ALICE_GRUU};lr>, <${BOB_GRUU};lr>`,
			"Content-Length: 0",
		);
		net.near.over(3, bye);
		expect(net.near.story()).toEqual(["BYE -> flow 50"]);
	});
});

describe("phones inside a dialog", () => {
	test("one that comes from a new port is asked for its password, and may then go on", () => {
		const crypto = testCrypto();
		const net = new TwoEdges({
			verifier: () => ({ ha1Sha256: makeHa1(crypto, "SHA-256", "alice", "home.example", "pw") }),
		});
		const bye = lines(
			"BYE sip:bob@192.0.2.20 SIP/2.0",
			"Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKx",
			"From: <sip:alice@home.example>;tag=1",
			"To: <sip:bob@home.example>;tag=2",
			"Call-ID: 1",
			"CSeq: 1 BYE",
			`Route: <${ALICE_GRUU};lr>`,
		);
		net.near.from(ALICE_PHONE, bye);
		expect(net.near.story()).toEqual(["407 BYE -> 192.0.2.10:5060"]);
	});
});
