import { UserAgent } from "../../../../core/sip/agent/agent.ts";
import type { LocalMedia } from "../../../../core/sip/agent/offer-answer.ts";
import type { AgentEvent, AgentOptions, AgentOutput } from "../../../../core/sip/agent/types.ts";
import type { FlowTransport } from "../../../../core/sip/flow.ts";
import { LINE, type SipMessage } from "../../../../core/sip/message.ts";
import { indexText, octetsToText } from "../../../../core/sip/parse.ts";
import { bytes, lines, testCrypto } from "../support.ts";

export { bytes, lines };

export const MEDIA: LocalMedia = { address: "192.0.2.1", port: 40_000 };
export const OTHER_MEDIA: LocalMedia = { address: "192.0.2.2", port: 50_000 };
export const FAR = "192.0.2.9:5060";

export function isEvent(output: AgentOutput): output is AgentEvent {
	return output.type !== "transmit" && output.type !== "close";
}

export function textOf(head: string, body: Uint8Array): string {
	return head + octetsToText(body, 0, body.length);
}

export interface Sent {
	readonly flow: number;
	readonly address: string;
	readonly port: number;
	readonly text: string;
	readonly message: SipMessage;
}

/** "INVITE", or "180 INVITE". */
export function name(message: SipMessage): string {
	return message.isRequest ? message.method : `${message.status} ${message.cseqMethod}`;
}

/** One agent on virtual time; the far end is written out by the test. Flow 1: a UDP socket at 192.0.2.1:5060; flow 2: TLS. */
export class Device {
	readonly agent: UserAgent;
	now = 1_000_000;
	sent: Sent[] = [];
	events: AgentEvent[] = [];
	closed: number[] = [];
	/** False where what comes is so broken that its answer is, too. */
	isStrict = true;

	constructor(options: Partial<AgentOptions> = {}, seed = 1) {
		this.agent = new UserAgent({ crypto: testCrypto(seed), aor: "sip:door@home.example", ...options });
		this.agent.addFlow({ flow: 1, transport: "udp", localAddress: "192.0.2.1", localPort: 5060 });
		const remote = { remoteAddress: "192.0.2.5", remotePort: 5061 };
		this.agent.addFlow({ flow: 2, transport: "tls", localAddress: "192.0.2.1", localPort: 6000, ...remote });
	}

	drain(): void {
		for (let output = this.agent.poll(); output !== undefined; output = this.agent.poll()) {
			if (output.type === "transmit") {
				const { flow, address, port, head, body } = output;
				const message = indexText(head, body);
				if (message === undefined) {
					if (head !== "\r\n") throw new Error(`not SIP: ${head}`);
					continue;
				}
				if (this.isStrict && message.fault !== undefined) throw new Error(`${message.fault.reason}: ${head}`);
				if (message.contentLength !== body.length) throw new Error(`Content-Length: ${head}`);
				this.sent.push({ flow, address, port, text: textOf(head, body), message });
			} else if (isEvent(output)) this.events.push(output);
			else this.closed.push(output.flow);
		}
	}

	/** A command, and its outputs. */
	do<T>(run: (agent: UserAgent, now: number) => T): T {
		const result = run(this.agent, this.now);
		this.drain();
		return result;
	}

	/** A datagram of the far end. */
	from(text: string, place = FAR): void {
		const colon = place.lastIndexOf(":");
		const address = place.slice(0, colon);
		const port = Number(place.slice(colon + 1));
		this.agent.handle({ type: "datagram", flow: 1, octets: bytes(text), address, port }, this.now);
		this.drain();
	}

	/** Octets over TLS. */
	over(text: string, flow = 2): void {
		this.agent.handle({ type: "octets", flow, octets: bytes(text) }, this.now);
		this.drain();
	}

	advance(ms: number): void {
		const end = this.now + ms;
		for (let at = this.agent.deadline(); at <= end; at = this.agent.deadline()) {
			this.now = Math.max(this.now, at);
			this.agent.handle({ type: "timeout" }, this.now);
			this.drain();
		}
		this.now = end;
	}

	take(): Sent[] {
		const { sent } = this;
		this.sent = [];
		return sent;
	}

	names(): string[] {
		return this.take().map((one) => name(one.message));
	}

	one(): Sent {
		const sent = this.take();
		if (sent.length !== 1) throw new Error(`${sent.length}: ${sent.map((one) => name(one.message)).join(" | ")}`);
		return sent[0]!;
	}

	takeEvents(): AgentEvent[] {
		const { events } = this;
		this.events = [];
		return events;
	}

	eventNames(): string[] {
		return this.takeEvents().map((event) => event.type);
	}
}

/** Everything but flows is gone. */
export function isEmpty(agent: UserAgent): boolean {
	const { calls, closing, messages, clientTransactions, serverTransactions, timers } = agent.stats();
	return calls + closing + messages + clientTransactions + serverTransactions + timers === 0;
}

export function sdp(port = 30_000, extra: string[] = [], protocol = "RTP/AVP", formats = "0 8 101"): string {
	return lines(
		"v=0",
		"o=far 1 1 IN IP4 192.0.2.9",
		"s=-",
		"c=IN IP4 192.0.2.9",
		"t=0 0",
		`m=audio ${port} ${protocol} ${formats}`,
		...(formats.includes("101") ? ["a=rtpmap:101 telephone-event/8000"] : []),
		...extra,
	).slice(0, -2);
}

/** A response to a request of the agent, as a far end writes it. */
export function answer(
	request: SipMessage,
	status: number,
	options: { tag?: string; extra?: string[]; sdp?: string } = {},
): string {
	const out = [`SIP/2.0 ${status} Far`];
	for (let line = 0; line < request.lines.length; line += LINE) {
		const text = request.text.slice(request.lineStart(line), request.lineEnd(line) - 2);
		const head = text.slice(0, text.indexOf(":")).toLowerCase();
		if (["via", "from", "call-id", "cseq"].includes(head)) out.push(text);
		if (head === "to")
			out.push(request.to()!.tag === "" && status > 100 ? `${text};tag=${options.tag ?? "far"}` : text);
	}
	const body = options.sdp ?? "";
	if (status > 100 && status < 300) out.push("Contact: <sip:far@192.0.2.9>");
	out.push(...(options.extra ?? []));
	if (body !== "") out.push("Content-Type: application/sdp");
	return `${lines(...out, `Content-Length: ${body.length}`)}${body}`;
}

export interface RequestOptions {
	cseq?: number;
	callId?: string;
	fromTag?: string;
	toTag?: string;
	extra?: string[];
	body?: string;
	type?: string;
	branch?: string;
	via?: string;
	uri?: string;
}

let branches = 0;

/** A request of the far end at 192.0.2.9. */
export function request(method: string, options: RequestOptions = {}): string {
	const body = options.body ?? "";
	const toTag = options.toTag === undefined || options.toTag === "" ? "" : `;tag=${options.toTag}`;
	const out = [
		`${method} ${options.uri ?? "sip:door@192.0.2.1"} SIP/2.0`,
		`Via: SIP/2.0/${options.via ?? "UDP 192.0.2.9:5060"};branch=${options.branch ?? `z9hG4bKfar${++branches}`}`,
		"Max-Forwards: 70",
		`From: "Hall" <sip:hall@home.example>;tag=${options.fromTag ?? "hall1"}`,
		`To: <sip:door@home.example>${toTag}`,
		`Call-ID: ${options.callId ?? "call1@far"}`,
		`CSeq: ${options.cseq ?? 1} ${method}`,
		"Contact: <sip:hall@192.0.2.9:5060>",
		...(options.extra ?? []),
	];
	if (body !== "") out.push(`Content-Type: ${options.type ?? "application/sdp"}`);
	return `${lines(...out, `Content-Length: ${body.length}`)}${body}`;
}

/** The ACK of an answer to `invite` that the agent gave. */
export function ackOf(response: SipMessage, body = ""): string {
	return request("ACK", {
		cseq: response.cseq,
		callId: response.callId(),
		fromTag: response.from()!.tag,
		toTag: response.to()!.tag,
		body,
	});
}

interface Packet {
	readonly at: number;
	readonly to: number;
	readonly octets: Uint8Array;
	readonly from: number;
}

/** Two agents with a network between them: UDP that may lose packets, or TLS that does not. */
export class Pair {
	readonly agents: readonly [UserAgent, UserAgent];
	now = 5_000;
	readonly events: [AgentEvent[], AgentEvent[]] = [[], []];
	/** Messages in the order they were sent: "0 INVITE", "1 180 INVITE". */
	readonly story: string[] = [];
	readonly latencyMs: number;
	readonly isUdp: boolean;
	/** The packet with this number (from 1) is lost. */
	drop = 0;
	/** The agent `killed.agent` is gone before its output with this number (from 1). */
	kill: { agent: number; output: number } | undefined;
	#packets: Packet[] = [];
	#count = 0;
	#outputs: [number, number] = [0, 0];
	onEvent: (who: number, event: AgentEvent) => void = () => undefined;

	constructor(transport: FlowTransport = "udp", options: Partial<AgentOptions> = {}, latencyMs = 10) {
		this.isUdp = transport === "udp";
		this.latencyMs = latencyMs;
		this.agents = [
			new UserAgent({ crypto: testCrypto(11), aor: "sip:door@home.example", ...options }),
			new UserAgent({ crypto: testCrypto(22), aor: "sip:hall@home.example", ...options }),
		];
		for (let i = 0; i < 2; i++) {
			this.agents[i]!.addFlow({
				flow: 1,
				transport,
				localAddress: `192.0.2.${i + 1}`,
				localPort: 5060,
				...(this.isUdp ? {} : { remoteAddress: `192.0.2.${2 - i}`, remotePort: 5061 }),
			});
		}
	}

	get packets(): number {
		return this.#count;
	}

	isDead(who: number): boolean {
		return this.kill?.agent === who && this.#outputs[who]! >= this.kill.output;
	}

	/** Commands of agent `who`, and what comes of them. */
	do<T>(who: number, run: (agent: UserAgent, now: number) => T): T | undefined {
		if (this.isDead(who)) return undefined;
		const result = run(this.agents[who]!, this.now);
		this.#drain(who);
		return result;
	}

	#drain(who: number): void {
		const seen: AgentEvent[] = [];
		for (let output = this.agents[who]!.poll(); output !== undefined; output = this.agents[who]!.poll()) {
			if (this.kill?.agent === who && this.#outputs[who]! + 1 >= this.kill.output) {
				this.#outputs[who as 0 | 1] = this.kill.output;
				return;
			}
			this.#outputs[who as 0 | 1]++;
			if (isEvent(output)) {
				this.events[who]!.push(output);
				seen.push(output);
			} else if (output.type === "transmit") {
				const message = indexText(output.head, output.body)!;
				this.story.push(`${who} ${name(message)}`);
				this.#count++;
				if (this.#count === this.drop) continue;
				const octets = bytes(textOf(output.head, output.body));
				this.#packets.push({ at: this.now + this.latencyMs, to: 1 - who, octets, from: who });
			}
		}
		for (const event of seen) this.onEvent(who, event);
	}

	#next(): number {
		let at = Number.POSITIVE_INFINITY;
		for (const packet of this.#packets) at = Math.min(at, packet.at);
		for (let i = 0; i < 2; i++) if (!this.isDead(i)) at = Math.min(at, this.agents[i]!.deadline());
		return at;
	}

	advance(ms: number): void {
		const end = this.now + ms;
		for (let at = this.#next(); at <= end; at = this.#next()) {
			this.now = Math.max(this.now, at);
			const due = this.#packets.filter((packet) => packet.at <= this.now);
			this.#packets = this.#packets.filter((packet) => packet.at > this.now);
			for (const { to, from, octets } of due) {
				const address = `192.0.2.${from + 1}`;
				this.do(to, (agent, now) =>
					agent.handle(
						this.isUdp
							? { type: "datagram", flow: 1, octets, address, port: 5060 }
							: { type: "octets", flow: 1, octets },
						now,
					),
				);
			}
			for (let i = 0; i < 2; i++) {
				if (!this.isDead(i) && this.agents[i]!.deadline() <= this.now) {
					this.do(i, (agent, now) => agent.handle({ type: "timeout" }, now));
				}
			}
		}
		this.now = end;
	}

	of<T extends AgentEvent["type"]>(who: number, type: T): Extract<AgentEvent, { type: T }>[] {
		return this.events[who]!.filter((event): event is Extract<AgentEvent, { type: T }> => event.type === type);
	}
}
