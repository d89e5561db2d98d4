/**
 * The program in the middle of `sip-proxy.ts`: a plain UDP proxy, either our edge over node:dgram or the npm package `sip`.
 * Started by it as a child process: MIDDLE=ringlet|sip ADDRESS PORT CALLEE_ADDRESS CALLEE_PORT.
 */
import { createSocket } from "node:dgram";
import { createRequire } from "node:module";
import { SipEdge } from "../../core/sip/edge.ts";
import type { SipInput, SipOutput } from "../../core/sip/edge-types.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";

const [address = "127.0.0.1", port = "5060", calleeAddress = "127.0.0.2", calleePort = "5070"] = process.argv.slice(2);

/** Calls of the longest run stay in the tables for 32 s (timers L, M, J): room for all of them. */
const ROOM = 400_000;

function startRinglet(): void {
	const edge = new SipEdge({
		crypto: nodeCrypto(),
		domains: ["bench.example"],
		isAuthenticating: false,
		limits: { serverTransactions: ROOM, clientTransactions: ROOM },
		readOctets: (octets, start, end) => (octets as Buffer).toString("latin1", start, end),
	});
	const flow = 1;
	edge.addFlow({ flow, transport: "udp", localAddress: address, localPort: Number(port) });
	const targets = [
		{ uri: `sip:callee@${calleeAddress}:${calleePort}`, flow, address: calleeAddress, port: Number(calleePort) },
	];
	const socket = createSocket({
		type: "udp4",
		// Room for a tenth of a second, no more: what waits longer than T1 (500 ms) is sent again, and then there is twice as much.
		recvBufferSize: 512 << 10,
		sendBufferSize: 512 << 10,
		// Addresses are numbers already; the default lookup would put each datagram off to the next tick.
		lookup: (host, _options, callback) => callback(null, host, 4),
	});
	let wakeAt = Number.POSITIVE_INFINITY;
	let wake: NodeJS.Timeout | undefined;

	function run(input: SipInput): void {
		const now = performance.now();
		edge.handle(input, now);
		for (let output = edge.poll(); output !== undefined; output = edge.poll()) carryOut(output, now);
		const deadline = edge.deadline();
		if (deadline < wakeAt) {
			wakeAt = deadline;
			clearTimeout(wake);
			wake = setTimeout(onTimeout, Math.max(0, deadline - now));
		}
	}

	function onTimeout(): void {
		wakeAt = Number.POSITIVE_INFINITY;
		run({ type: "timeout" });
	}

	function carryOut(output: SipOutput, now: number): void {
		if (output.type === "transmit") {
			const { head, body } = output;
			const datagram = Buffer.allocUnsafe(head.length + body.length);
			datagram.write(head, 0, "latin1");
			if (body.length > 0) datagram.set(body, head.length);
			socket.send(datagram, output.port, output.address);
		} else if (output.type === "locate") edge.handle({ type: "located", token: output.token, targets }, now);
	}

	socket.on("message", (octets, from) => {
		run({ type: "datagram", flow, octets, address: from.address, port: from.port });
	});
	socket.bind(Number(port), address);
}

interface SipUri {
	readonly host: string;
	readonly port: number;
}
interface SipRequest {
	uri: string;
	readonly method: string;
	readonly headers: Record<string, { uri: string }[] | undefined>;
}

function startSip(): void {
	const require = createRequire(import.meta.url);
	const proxy = require("sip/proxy") as {
		start(options: object, route: (request: SipRequest) => void): void;
		send(message: unknown): void;
	};
	const sip = require("sip") as {
		parseUri(uri: string): SipUri;
		makeResponse(request: SipRequest, status: number, reason: string): unknown;
	};
	proxy.start({ address, port: Number(port), udp: true, tcp: false }, (request) => {
		const route = request.headers.route?.[0];
		if (route !== undefined && sip.parseUri(route.uri).host === address) request.headers.route!.shift();
		else if (sip.parseUri(request.uri).host === address) {
			request.uri = `sip:callee@${calleeAddress}:${calleePort}`;
			const own = { uri: `sip:${address}:${port};lr` };
			request.headers["record-route"] = [own, ...(request.headers["record-route"] ?? [])];
			if (request.method === "INVITE") proxy.send(sip.makeResponse(request, 100, "Trying"));
		}
		proxy.send(request);
	});
}

if (process.env.MIDDLE === "sip") startSip();
else startRinglet();
