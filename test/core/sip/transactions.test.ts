import { describe, expect, test } from "vitest";
import {
	type Chart,
	type Event,
	INVITE_CLIENT,
	INVITE_SERVER,
	NON_INVITE_CLIENT,
	NON_INVITE_SERVER,
	type State,
} from "../../../core/sip/charts.ts";
import { Flow, type FlowTransport } from "../../../core/sip/flow.ts";
import { DEFAULT_LIMITS, DEFAULT_TIMERS } from "../../../core/sip/limits.ts";
import type { SipMessage } from "../../../core/sip/message.ts";
import { indexText } from "../../../core/sip/parse.ts";
import { Timer, TimerHeap } from "../../../core/sip/timers.ts";
import { type ClientUser, type ServerUser, Transaction } from "../../../core/sip/transaction.ts";
import { serverKey, TransactionLayer } from "../../../core/sip/transactions.ts";
import { lines } from "./support.ts";

const NONE = new Uint8Array(0);
const STATES: State[] = ["calling", "trying", "proceeding", "completed", "confirmed", "accepted", "terminated"];
const EVENTS: Event[] = [
	...(["r1xx", "r2xx", "rFinalError", "request", "ack", "transportError", "abandon"] as const),
	...([
		"timerA",
		"timerB",
		"timerD",
		"timerE",
		"timerF",
		"timerG",
		"timerH",
		"timerI",
		"timerJ",
		"timerK",
		"timerL",
		"timerM",
	] as const),
];

/** "state event -> next action", for every state and event that does anything. */
function print(chart: Chart): string[] {
	const rows: string[] = [];
	for (const state of STATES) {
		for (const event of EVENTS) {
			const cell = chart[state]?.[event];
			if (cell !== undefined) rows.push(`${state} ${event} -> ${cell.next} ${cell.action}`);
		}
	}
	return rows;
}

function request(method: string, branch = "z9hG4bK1", extra: string[] = []): SipMessage {
	return indexText(
		lines(
			`${method} sip:b@c SIP/2.0`,
			`Via: SIP/2.0/UDP 192.0.2.9;branch=${branch}`,
			...extra,
			"From: <sip:a@b>;tag=1",
			"To: <sip:b@c>",
			"Call-ID: 1",
			`CSeq: 1 ${method}`,
		),
	)!;
}

function response(method: string, status: number, branch = "z9hG4bK1"): SipMessage {
	return indexText(
		lines(
			`SIP/2.0 ${status} X`,
			`Via: SIP/2.0/UDP 192.0.2.1;branch=${branch}`,
			"From: <sip:a@b>;tag=1",
			"To: <sip:b@c>;tag=2",
			"Call-ID: 1",
			`CSeq: 1 ${method}`,
		),
	)!;
}

/** A layer on virtual time; everything that happens is written down with its time. */
class Bench implements ClientUser, ServerUser {
	readonly timers = new TimerHeap();
	readonly log: string[] = [];
	readonly layer: TransactionLayer;
	readonly flow: Flow;
	now = 0;
	isUp = true;

	constructor(transport: FlowTransport = "udp", limits = {}) {
		this.flow = new Flow(
			{ flow: 1, transport, localAddress: "192.0.2.1", localPort: 5060, remoteAddress: "192.0.2.9", remotePort: 5060 },
			true,
		);
		this.layer = new TransactionLayer(this.timers, DEFAULT_TIMERS, { ...DEFAULT_LIMITS, ...limits }, this);
	}

	send(_hop: unknown, head: string): boolean {
		if (this.isUp) this.log.push(`${this.now} > ${head.slice(0, head.indexOf(" sip:") > 0 ? head.indexOf(" ") : 11)}`);
		return this.isUp;
	}

	handleResponse(_client: Transaction, message: SipMessage): void {
		this.log.push(`${this.now} up ${message.status}`);
	}

	handleFailure(_client: Transaction, why: string): void {
		this.log.push(`${this.now} ${why}`);
	}

	handleAck(): void {
		this.log.push(`${this.now} up ACK`);
	}

	handleCancel(): void {
		this.log.push(`${this.now} up CANCEL`);
	}

	client(method: string): Transaction {
		const message = request(method);
		return this.layer.newClient(method, "z9hG4bK1", this.flow.hop, message.text, NONE, this, this.now)!;
	}

	server(method: string): Transaction {
		const server = this.layer.newServer(method, serverKey(request(method), method), this.flow.hop)!;
		server.server = this;
		return server;
	}

	respond(server: Transaction, status: number): boolean {
		return server.respond(status, `SIP/2.0 ${status} X\r\n\r\n`, NONE, this.now);
	}

	advance(ms: number): void {
		const end = this.now + ms;
		for (let timer = this.timers.pop(end); timer !== undefined; timer = this.timers.pop(end)) {
			this.now = timer.at;
			timer.owner.expire(timer.letter, this.now);
		}
		this.now = end;
	}

	take(): string[] {
		return this.log.splice(0);
	}
}

describe("the charts", () => {
	test("INVITE client (RFC 3261 §17.1.1 figure 5, RFC 6026 §8.4)", () => {
		expect(print(INVITE_CLIENT)).toEqual([
			"calling r1xx -> proceeding passUp",
			"calling r2xx -> accepted passUp",
			"calling rFinalError -> completed ackAndPassUp",
			"calling transportError -> terminated inform",
			"calling abandon -> terminated quiet",
			"calling timerA -> calling resendLater",
			"calling timerB -> terminated timeout",
			"proceeding r1xx -> proceeding passUp",
			"proceeding r2xx -> accepted passUp",
			"proceeding rFinalError -> completed ackAndPassUp",
			"proceeding transportError -> terminated inform",
			"proceeding abandon -> terminated quiet",
			"completed rFinalError -> completed resendAck",
			"completed transportError -> terminated inform",
			"completed timerD -> terminated quiet",
			"accepted r2xx -> accepted passUp",
			"accepted timerM -> terminated quiet",
		]);
	});

	test("the other three (RFC 3261 §17.1.2 figure 6, §17.2.1 figure 7 with RFC 6026 §8.6, §17.2.2 figure 8)", () => {
		expect(print(NON_INVITE_CLIENT)).toEqual([
			"trying r1xx -> proceeding passUp",
			"trying r2xx -> completed passUp",
			"trying rFinalError -> completed passUp",
			"trying transportError -> terminated inform",
			"trying abandon -> terminated quiet",
			"trying timerE -> trying resendLater",
			"trying timerF -> terminated timeout",
			"proceeding r1xx -> proceeding passUp",
			"proceeding r2xx -> completed passUp",
			"proceeding rFinalError -> completed passUp",
			"proceeding transportError -> terminated inform",
			"proceeding abandon -> terminated quiet",
			"proceeding timerE -> proceeding resendLater",
			"proceeding timerF -> terminated timeout",
			"completed timerK -> terminated quiet",
		]);
		expect(print(INVITE_SERVER)).toEqual([
			"proceeding r1xx -> proceeding send",
			"proceeding r2xx -> accepted send",
			"proceeding rFinalError -> completed send",
			"proceeding request -> proceeding resend",
			"proceeding transportError -> proceeding inform",
			"proceeding abandon -> terminated quiet",
			"completed request -> completed resend",
			"completed ack -> confirmed quiet",
			"completed transportError -> completed inform",
			"completed timerG -> completed resendLater",
			"completed timerH -> terminated timeout",
			"confirmed timerI -> terminated quiet",
			"accepted r2xx -> accepted send",
			"accepted request -> accepted quiet",
			"accepted ack -> accepted passUp",
			"accepted transportError -> accepted inform",
			"accepted timerL -> terminated quiet",
		]);
		expect(print(NON_INVITE_SERVER)).toEqual([
			"trying r1xx -> proceeding send",
			"trying r2xx -> completed send",
			"trying rFinalError -> completed send",
			"trying transportError -> terminated inform",
			"trying abandon -> terminated quiet",
			"proceeding r1xx -> proceeding send",
			"proceeding r2xx -> completed send",
			"proceeding rFinalError -> completed send",
			"proceeding request -> proceeding resend",
			"proceeding transportError -> terminated inform",
			"proceeding abandon -> terminated quiet",
			"completed request -> completed resend",
			"completed transportError -> terminated inform",
			"completed timerJ -> terminated quiet",
		]);
	});

	test("every state takes every event: moves as its cell says, or stays as it was", () => {
		const charts: [Chart, string, boolean][] = [
			[INVITE_CLIENT, "INVITE", true],
			[NON_INVITE_CLIENT, "BYE", true],
			[INVITE_SERVER, "INVITE", false],
			[NON_INVITE_SERVER, "BYE", false],
		];
		for (const [chart, method, isClient] of charts) {
			for (const state of STATES) {
				for (const event of EVENTS) {
					const bench = new Bench();
					const transaction = new Transaction(bench.layer, chart, state, method, "key", bench.flow.hop);
					if (isClient) transaction.client = bench;
					else transaction.server = bench;
					transaction.head = request(method).text;
					transaction.step(event, isClient ? response(method, 200) : request("ACK"), 0);
					const cell = chart[state]?.[event];
					expect([state, event, transaction.state]).toEqual([state, event, cell?.next ?? state]);
					if (cell === undefined) expect(bench.log).toEqual([]);
				}
			}
		}
	});

	test("the charts cannot be changed", () => {
		expect(
			Object.isFrozen(INVITE_CLIENT) &&
				Object.isFrozen(INVITE_CLIENT.calling) &&
				Object.isFrozen(INVITE_CLIENT.calling!.r1xx),
		).toBe(true);
	});
});

describe("INVITE client", () => {
	test("nothing answers: sent at 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s, given up at 32 s", () => {
		const bench = new Bench();
		bench.client("INVITE");
		bench.advance(31_999);
		expect(bench.take()).toEqual([0, 500, 1500, 3500, 7500, 15500, 31500].map((at) => `${at} > INVITE`));
		bench.advance(1);
		expect(bench.take()).toEqual(["32000 timeout"]);
		expect([bench.layer.clientCount, bench.timers.size]).toEqual([0, 0]);
	});

	test("over a stream nothing is sent twice", () => {
		const bench = new Bench("tcp");
		bench.client("INVITE");
		bench.advance(32_000);
		expect(bench.take()).toEqual(["0 > INVITE", "32000 timeout"]);
	});

	test("a provisional answer stops all timers", () => {
		const bench = new Bench();
		bench.client("INVITE").receive(response("INVITE", 180), 0);
		bench.advance(100_000);
		expect(bench.take()).toEqual(["0 > INVITE", "0 up 180"]);
	});

	test("a refusal is acknowledged, each time it comes, for 32 s", () => {
		const bench = new Bench();
		const client = bench.client("INVITE");
		client.receive(response("INVITE", 486), 0);
		bench.advance(31_999);
		client.receive(response("INVITE", 486), bench.now);
		client.receive(response("INVITE", 200), bench.now);
		bench.advance(1);
		expect(bench.take()).toEqual(["0 > INVITE", "0 > ACK", "0 up 486", "31999 > ACK"]);
		expect(client.isTerminated).toBe(true);
	});

	test("the ACK of a refusal (RFC 3261 §17.1.1.3)", () => {
		const heads: string[] = [];
		const bench = new Bench();
		bench.layer.send = (_hop, head) => heads.push(head) > 0;
		const message = request("INVITE", "z9hG4bK1", [
			"Via: SIP/2.0/UDP far;branch=z9hG4bK0",
			"Route: <sip:p1;lr>",
			"Route: <sip:p2;lr>",
		]);
		const client = bench.layer.newClient("INVITE", "z9hG4bK1", bench.flow.hop, message.text, NONE, bench, 0)!;
		client.receive(response("INVITE", 404), 0);
		expect(heads[1]).toBe(
			lines(
				"ACK sip:b@c SIP/2.0",
				"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1",
				"Max-Forwards: 70",
				"Route: <sip:p1;lr>",
				"Route: <sip:p2;lr>",
				"From: <sip:a@b>;tag=1",
				"To: <sip:b@c>;tag=2",
				"Call-ID: 1",
				"CSeq: 1 ACK",
				"Content-Length: 0",
			),
		);
	});

	test("2xx: all of them go up for 64*T1, over any transport (RFC 6026)", () => {
		for (const transport of ["udp", "tcp"] as const) {
			const bench = new Bench(transport);
			const client = bench.client("INVITE");
			client.receive(response("INVITE", 200), 0);
			expect(client.head).toBe("");
			bench.advance(31_999);
			client.receive(response("INVITE", 200), bench.now);
			client.receive(response("INVITE", 486), bench.now);
			expect(bench.take().slice(1)).toEqual(["0 up 200", "31999 up 200"]);
			bench.advance(1);
			expect(client.isTerminated).toBe(true);
		}
	});

	test("Timer D is zero over a stream", () => {
		const bench = new Bench("tcp");
		const client = bench.client("INVITE");
		client.receive(response("INVITE", 486), 0);
		expect(client.isTerminated).toBe(true);
		expect(bench.take()).toEqual(["0 > INVITE", "0 > ACK", "0 up 486"]);
	});
});

describe("non-INVITE client", () => {
	test("nothing answers: intervals double up to T2", () => {
		const bench = new Bench();
		bench.client("BYE");
		bench.advance(32_000);
		expect(bench.take()).toEqual([
			...[0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500].map((at) => `${at} > BYE`),
			"32000 timeout",
		]);
	});

	test("after a provisional answer it is sent every T2, and Timer F goes on", () => {
		const bench = new Bench();
		const client = bench.client("BYE");
		bench.advance(200);
		client.receive(response("BYE", 100), bench.now);
		bench.advance(31_800);
		expect(bench.take()).toEqual([
			"0 > BYE",
			"200 up 100",
			...[500, 4500, 8500, 12500, 16500, 20500, 24500, 28500].map((at) => `${at} > BYE`),
			"32000 timeout",
		]);
	});

	test("Timer K takes up late answers for T4", () => {
		const bench = new Bench();
		const client = bench.client("BYE");
		client.receive(response("BYE", 200), 0);
		client.receive(response("BYE", 200), 0);
		bench.advance(4999);
		expect(client.isTerminated).toBe(false);
		bench.advance(1);
		expect(client.isTerminated).toBe(true);
		expect(bench.take()).toEqual(["0 > BYE", "0 up 200"]);
	});
});

describe("INVITE server", () => {
	test("a refusal is sent until it is acknowledged: at 0, 0.5, 1.5, 3.5, then every 4 s", () => {
		const bench = new Bench();
		const server = bench.server("INVITE");
		bench.respond(server, 486);
		bench.advance(16_000);
		expect(bench.take()).toEqual([0, 500, 1500, 3500, 7500, 11500, 15500].map((at) => `${at} > SIP/2.0 486`));
		server.step("ack", request("ACK"), bench.now);
		bench.advance(4999);
		expect([bench.take(), server.state]).toEqual([[], "confirmed"]);
		bench.advance(1);
		expect(server.isTerminated).toBe(true);
	});

	test("no ACK: given up after 64*T1", () => {
		const bench = new Bench();
		const server = bench.server("INVITE");
		bench.respond(server, 486);
		bench.advance(31_999);
		expect(server.isTerminated).toBe(false);
		bench.advance(1);
		expect(server.isTerminated).toBe(true);
	});

	test("retransmitted requests bring the last provisional answer", () => {
		const bench = new Bench();
		const server = bench.server("INVITE");
		server.step("request", undefined, 0);
		bench.respond(server, 100);
		bench.respond(server, 180);
		server.step("request", undefined, 0);
		expect(bench.take()).toEqual(["0 > SIP/2.0 100", "0 > SIP/2.0 180", "0 > SIP/2.0 180"]);
	});

	test("2xx: requests are absorbed, the core's 2xx are sent, ACKs go up, for 64*T1 (RFC 6026)", () => {
		const bench = new Bench("tcp");
		const server = bench.server("INVITE");
		bench.respond(server, 200);
		server.step("request", undefined, 0);
		bench.advance(1000);
		expect(bench.respond(server, 200)).toBe(true);
		expect(bench.respond(server, 486)).toBe(false);
		server.step("ack", request("ACK"), bench.now);
		expect(bench.take()).toEqual(["0 > SIP/2.0 200", "1000 > SIP/2.0 200", "1000 up ACK"]);
		bench.advance(30_999);
		expect(server.isTerminated).toBe(false);
		bench.advance(1);
		expect(server.isTerminated).toBe(true);
		expect(bench.respond(server, 200)).toBe(false);
	});
});

describe("non-INVITE server", () => {
	test("the final answer is repeated for each retransmission, for 64*T1", () => {
		const bench = new Bench();
		const server = bench.server("BYE");
		server.step("request", undefined, 0);
		bench.respond(server, 200);
		server.step("request", undefined, 0);
		expect(bench.respond(server, 404)).toBe(false);
		expect(bench.take()).toEqual(["0 > SIP/2.0 200", "0 > SIP/2.0 200"]);
		bench.advance(31_999);
		expect(server.isTerminated).toBe(false);
		bench.advance(1);
		expect([server.isTerminated, bench.layer.serverCount]).toEqual([true, 0]);
	});

	test("over a stream it ends with the final answer", () => {
		const bench = new Bench("tls");
		const server = bench.server("BYE");
		bench.respond(server, 200);
		expect(server.isTerminated).toBe(true);
	});
});

describe("matching and limits", () => {
	test("by branch, sent-by and method; ACK belongs to the INVITE (RFC 3261 §17.2.3)", () => {
		const bench = new Bench();
		const server = bench.server("INVITE");
		expect(bench.layer.findServer(request("INVITE"), "INVITE")).toBe(server);
		expect(bench.layer.findServer(request("ACK"), "INVITE")).toBe(server);
		expect(bench.layer.findServer(request("CANCEL"), "INVITE")).toBe(server);
		expect(bench.layer.findServer(request("CANCEL"), "CANCEL")).toBeUndefined();
		expect(bench.layer.findServer(request("INVITE", "z9hG4bK2"), "INVITE")).toBeUndefined();
		const other = indexText(request("INVITE").text.replace("192.0.2.9", "192.0.2.8"))!;
		expect(bench.layer.findServer(other, "INVITE")).toBeUndefined();
		const port = indexText(request("INVITE").text.replace("192.0.2.9", "192.0.2.9:5060"))!;
		expect(bench.layer.findServer(port, "INVITE")).toBe(server);
	});

	test("without the cookie by what RFC 2543 compares", () => {
		const bench = new Bench();
		const old = request("INVITE", "1");
		const server = bench.layer.newServer("INVITE", serverKey(old, "INVITE"), bench.flow.hop)!;
		expect(bench.layer.findServer(request("ACK", "1"), "INVITE")).toBe(server);
		const later = indexText(old.text.replace("CSeq: 1", "CSeq: 2"))!;
		expect(bench.layer.findServer(later, "INVITE")).toBeUndefined();
	});

	test("responses by branch and CSeq method; a CANCEL shares the branch of its INVITE", () => {
		const bench = new Bench();
		const invite = bench.client("INVITE");
		const cancel = bench.client("CANCEL");
		expect(bench.layer.findClient(response("INVITE", 200))).toBe(invite);
		expect(bench.layer.findClient(response("CANCEL", 200))).toBe(cancel);
		expect(bench.layer.findClient(response("BYE", 200))).toBeUndefined();
		expect(bench.layer.findClient(response("INVITE", 200, "z9hG4bKx"))).toBeUndefined();
	});

	test("full tables refuse; a CANCEL always has room", () => {
		const bench = new Bench("udp", { clientTransactions: 1, serverTransactions: 1 });
		bench.client("INVITE");
		expect(bench.layer.newClient("BYE", "b2", bench.flow.hop, "x", NONE, bench, 0)).toBeUndefined();
		expect(bench.layer.newClient("CANCEL", "z9hG4bK1", bench.flow.hop, "x", NONE, bench, 0)).toBeDefined();
		bench.server("INVITE");
		expect(bench.layer.newServer("BYE", "b3", bench.flow.hop)).toBeUndefined();
	});

	test("a flow that closes or does not take a message fails its clients, once", () => {
		const bench = new Bench("tcp");
		const invite = bench.client("INVITE");
		invite.receive(response("INVITE", 180), 0);
		bench.client("BYE").receive(response("BYE", 200), 0);
		bench.take();
		bench.layer.flowClosed(bench.flow);
		bench.layer.flushFailures(7);
		expect(bench.take()).toEqual(["0 transport"]);
		bench.isUp = false;
		bench.client("OPTIONS");
		expect(bench.take()).toEqual([]);
		bench.layer.flushFailures(8);
		expect(bench.take()).toEqual(["0 transport"]);
		expect(bench.layer.clientCount).toBe(0);
	});
});

describe("the timer heap", () => {
	test("fires in order whatever is started, restarted and stopped", () => {
		const heap = new TimerHeap();
		const owner = { expire(): void {} };
		const timers = Array.from({ length: 200 }, () => new Timer(owner));
		let state = 7;
		const random = (below: number): number => {
			state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
			return (state >> 8) % below;
		};
		for (let i = 0; i < 2000; i++) {
			const timer = timers[random(200)]!;
			if (random(3) === 0) heap.stop(timer);
			else heap.start(timer, "x", random(1000));
		}
		const running = timers.filter((timer) => timer.isRunning);
		expect(heap.size).toBe(running.length);
		const fired: number[] = [];
		for (let timer = heap.pop(500); timer !== undefined; timer = heap.pop(500)) fired.push(timer.at);
		expect(fired).toEqual([...fired].sort((a, b) => a - b));
		expect(fired.length).toBe(running.filter((timer) => timer.at <= 500).length);
		expect(heap.next()).toBeGreaterThan(500);
	});
});
