import { createHash, createHmac } from "node:crypto";
import { SipEdge } from "../../../core/sip/edge.ts";
import type { SipEdgeOptions, SipEvent, SipInput, SipOutput } from "../../../core/sip/edge-types.ts";
import type { SipMessage } from "../../../core/sip/message.ts";
import { indexText } from "../../../core/sip/parse.ts";
import { textToOctets } from "../../../core/sip/syntax.ts";
import type { Crypto } from "../../../hal/hal.ts";

/** Real hashes, seeded randomness, no keys. */
export function testCrypto(seed = 1): Crypto {
	let state = seed;
	return {
		random(count) {
			const octets = new Uint8Array(count);
			for (let i = 0; i < count; i++) {
				state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
				octets[i] = state >> 16;
			}
			return octets;
		},
		hash: (name, data) => new Uint8Array(createHash(name).update(data).digest()),
		hmac: (name, key, data) => new Uint8Array(createHmac(name, key).update(data).digest()),
		generateKey() {
			throw new Error("no keys here");
		},
		importKey() {
			throw new Error("no keys here");
		},
		verify: () => false,
	};
}

/** Octets of a text whose characters are octets. */
export const bytes = textToOctets;

/** A message from its lines; the body follows an empty line, if there is one. */
export function lines(...parts: string[]): string {
	const empty = parts.indexOf("");
	if (empty < 0) return `${parts.join("\r\n")}\r\n\r\n`;
	return `${parts.slice(0, empty).join("\r\n")}\r\n\r\n${parts.slice(empty + 1).join("\r\n")}`;
}

/** A message that went out. */
export interface Sent {
	readonly flow: number;
	readonly address: string;
	readonly port: number;
	readonly text: string;
	readonly message: SipMessage;
}

/** An edge on virtual time, with one UDP socket as flow 1 at 192.0.2.1:5060 unless told otherwise. */
export class World {
	readonly edge: SipEdge;
	now = 1_000_000;
	sent: Sent[] = [];
	events: SipEvent[] = [];
	outputs: SipOutput[] = [];
	/** Answers `locate` outputs at once; by default with the registered bindings. */
	locate: ((output: SipOutput & { type: "locate" }) => SipInput | undefined) | undefined;

	constructor(options: Partial<SipEdgeOptions> = {}) {
		this.edge = new SipEdge({
			crypto: testCrypto(),
			domains: ["home.example"],
			isAuthenticating: false,
			...options,
		});
		this.edge.addFlow({ flow: 1, transport: "udp", localAddress: "192.0.2.1", localPort: 5060 });
		this.locate = (output) => this.fromBindings(output);
	}

	fromBindings(output: SipOutput & { type: "locate" }): SipInput {
		const targets = output.aor === undefined ? [] : this.edge.bindings(output.aor).map((info) => info.target);
		return { type: "located", token: output.token, targets, status: 404 };
	}

	input(input: SipInput): void {
		this.edge.handle(input, this.now);
		this.drain();
	}

	/** A datagram from `address:port`. */
	from(place: string, text: string): void {
		const colon = place.lastIndexOf(":");
		const address = place.slice(0, colon);
		this.input({ type: "datagram", flow: 1, octets: bytes(text), address, port: Number(place.slice(colon + 1)) });
	}

	/** Octets over a stream. */
	over(flow: number, text: string): void {
		this.input({ type: "octets", flow, octets: bytes(text) });
	}

	drain(): void {
		for (let output = this.edge.poll(); output !== undefined; output = this.edge.poll()) {
			if (output.type === "transmit") {
				const { flow, address, port, head, body } = output;
				const message = indexText(head, body);
				const text = head + String.fromCharCode(...body);
				if (message === undefined) this.outputs.push(output);
				else this.sent.push({ flow, address, port, text, message });
			} else if (output.type === "event") this.events.push(output.event);
			else if (output.type === "locate" && this.locate !== undefined) {
				const answer = this.locate(output);
				if (answer !== undefined) this.edge.handle(answer, this.now);
				else this.outputs.push(output);
			} else this.outputs.push(output);
		}
	}

	/** Lets time pass, timer by timer. */
	advance(ms: number): void {
		const end = this.now + ms;
		for (let at = this.edge.deadline(); at <= end; at = this.edge.deadline()) {
			this.now = Math.max(this.now, at);
			this.input({ type: "timeout" });
		}
		this.now = end;
	}

	/** What went out since it was last asked. */
	take(): Sent[] {
		const sent = this.sent;
		this.sent = [];
		return sent;
	}

	/** The only thing that went out since it was last asked. */
	one(): Sent {
		const sent = this.take();
		if (sent.length !== 1) throw new Error(`${sent.length} messages: ${sent.map(summary).join(" | ")}`);
		return sent[0]!;
	}

	/** Start lines and destinations of what went out since it was last asked. */
	story(): string[] {
		return this.take().map(summary);
	}
}

/** "INVITE -> 192.0.2.9:5060" or "180 -> 192.0.2.9:5060". */
export function summary(sent: Sent): string {
	const what = sent.message.isRequest ? sent.message.method : String(sent.message.status);
	const to = sent.address === "" ? `flow ${sent.flow}` : `${sent.address}:${sent.port}`;
	const cseq = sent.message.isRequest ? "" : ` ${sent.message.cseqMethod}`;
	return `${what}${cseq} -> ${to}`;
}

/** A response to a request that was sent, as the far side would write it. */
export function reply(request: SipMessage, status: number, options: { tag?: string; extra?: string[] } = {}): string {
	const out = [`SIP/2.0 ${status} X`];
	for (let line = 0; line < request.lines.length; line += 2) {
		const text = request.text.slice(request.lineStart(line), request.lineEnd(line) - 2);
		const name = text.slice(0, text.indexOf(":")).trim().toLowerCase();
		if (["via", "v", "from", "f", "call-id", "i", "cseq", "record-route"].includes(name)) out.push(text);
		if (name === "to" || name === "t") {
			out.push(request.to()?.tag === "" && status > 100 ? `${text};tag=${options.tag ?? "callee"}` : text);
		}
	}
	return lines(...out, ...(options.extra ?? []), "Content-Length: 0");
}
