import { describe, expect, test } from "vitest";
import { makeHa1 } from "../../../core/sip/digest.ts";
import { lines, reply, testCrypto, World } from "./support.ts";

const crypto = testCrypto();
const TARGET = { uri: "", address: "192.0.2.2", port: 5060 };

/** Two edges on one network: the first at 192.0.2.1, the second behind 192.0.2.2 with an account. */
function pair(): { client: World; registrar: World; settle: () => void } {
	const client = new World();
	const registrar = new World({
		crypto: testCrypto(2),
		isAuthenticating: true,
		verifier: (_aor, username) =>
			username === "hall" ? { ha1Sha256: makeHa1(crypto, "SHA-256", "hall", "home.example", "pw") } : undefined,
	});
	const settle = (): void => {
		for (let moved = true; moved; ) {
			moved = false;
			for (const sent of client.take()) {
				moved = true;
				registrar.from("192.0.2.1:5060", sent.text);
			}
			for (const sent of registrar.take()) {
				moved = true;
				client.from("192.0.2.2:5060", sent.text);
			}
		}
	};
	return { client, registrar, settle };
}

describe("requests of the edge's own", () => {
	test("REGISTER elsewhere, with a password: the challenge is answered once", () => {
		for (const [password, status] of [
			["pw", 200],
			["wrong", 401],
		] as const) {
			const { client, registrar, settle } = pair();
			const token = client.edge.request(
				{
					method: "REGISTER",
					uri: "sip:home.example",
					from: "sip:hall@home.example",
					to: "sip:hall@home.example",
					target: TARGET,
					headers: [["Contact", "<sip:hall@192.0.2.1>"]],
					credentials: { username: "hall", password },
				},
				client.now,
			);
			client.drain();
			settle();
			expect(client.outputs).toMatchObject([{ type: "answer", token, status }]);
			expect(registrar.edge.bindings("hall@home.example").length).toBe(status === 200 ? 1 : 0);
		}
	});

	test("MESSAGE with a body; OPTIONS; timeout", () => {
		const client = new World({ software: "Ringlet" });
		const message = {
			method: "MESSAGE",
			uri: "sip:a@192.0.2.2",
			from: "sip:door@home.example",
			to: "sip:a@home.example",
			target: TARGET,
			contentType: "text/plain",
			body: new Uint8Array([104, 105]),
		};
		expect(client.edge.request(message, client.now)).toBe(1);
		client.drain();
		const sent = client.one();
		expect([sent.address, sent.port, sent.text.endsWith("\r\n\r\nhi")]).toEqual(["192.0.2.2", 5060, true]);
		expect(sent.message.fault).toBeUndefined();
		expect(sent.text).toContain("User-Agent: Ringlet\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n");
		client.from("192.0.2.2:5060", reply(sent.message, 100));
		client.from("192.0.2.2:5060", reply(sent.message, 202));
		expect(client.outputs.splice(0)).toMatchObject([{ type: "answer", token: 1, status: 202, reason: "X" }]);
		client.edge.request({ ...message, method: "OPTIONS" }, client.now);
		client.drain();
		client.advance(32_000);
		expect(client.outputs).toMatchObject([
			{ type: "answer", token: 2, status: 408, reason: "Request Timeout", message: undefined },
		]);
	});

	test("what cannot be sent is not begun", () => {
		const client = new World({ limits: { ownRequests: 1 } });
		const options = { method: "OPTIONS", uri: "sip:a", from: "sip:b", to: "sip:a", target: TARGET };
		expect(client.edge.request({ ...options, method: "INVITE" }, 0)).toBeUndefined();
		expect(client.edge.request({ ...options, uri: "sip:a\r\nX: y" }, 0)).toBeUndefined();
		expect(client.edge.request({ ...options, headers: [["X", "é\u0101"]] }, 0)).toBeUndefined();
		expect(client.edge.request({ ...options, target: { uri: "" } }, 0)).toBeUndefined();
		expect(client.edge.request({ ...options, target: { uri: "", flow: 77 } }, 0)).toBeUndefined();
		expect(client.edge.request(options, 0)).toBe(1);
		expect(client.edge.request(options, 0)).toBeUndefined();
	});

	test("a flow that is gone: 503", () => {
		const client = new World();
		client.edge.addFlow({
			flow: 5,
			transport: "tcp",
			localAddress: "192.0.2.1",
			localPort: 5060,
			remoteAddress: "192.0.2.2",
			remotePort: 5060,
		});
		client.edge.request(
			{ method: "OPTIONS", uri: "sip:a", from: "sip:b", to: "sip:a", target: { uri: "", flow: 5 } },
			client.now,
		);
		client.input({ type: "flowClosed", flow: 5 });
		expect(client.outputs).toMatchObject([{ type: "answer", status: 503 }]);
	});

	test("a response cannot be had by a guess", () => {
		const client = new World();
		client.edge.request({ method: "OPTIONS", uri: "sip:a", from: "sip:b", to: "sip:a", target: TARGET }, client.now);
		client.drain();
		client.from(
			"192.0.2.66:5060",
			lines(
				"SIP/2.0 200 OK",
				"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKu00",
				"From: <sip:b>;tag=1",
				"To: <sip:a>",
				"Call-ID: 1",
				"CSeq: 1 OPTIONS",
			),
		);
		expect(client.outputs).toEqual([]);
		expect(client.edge.stats().dropped).toBe(1);
	});
});
