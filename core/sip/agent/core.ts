/** What all parts of one user agent share: names, transactions, outputs, and the ways to answer. */
import type { Crypto } from "../../../hal/hal.ts";
import { EMPTY } from "../../wire/bytes.ts";
import { responseHead } from "../build.ts";
import { answerChallenge, pickChallenge } from "../digest.ts";
import { Flow, type Hop } from "../flow.ts";
import { Header } from "../header-names.ts";
import { IdSource, statelessTag } from "../ids.ts";
import { DEFAULT_TIMERS, type SipLimits, type SipTimers } from "../limits.ts";
import type { SipMessage } from "../message.ts";
import { reasonOf } from "../status.ts";
import { TimerHeap } from "../timers.ts";
import type { ClientUser } from "../transaction.ts";
import { serverKey, TransactionLayer, type Transport } from "../transactions.ts";
import { MAGIC_COOKIE } from "../via.ts";
import { AGENT_LIMITS, MIN_SESSION_EXPIRES_S, RETRY_AFTER_S, SESSION_EXPIRES_S } from "./limits.ts";
import type { AgentEvent, AgentFlow, AgentOptions, AgentOutput } from "./types.ts";

/** Methods we take (RFC 3261 §20.5). */
export const AGENT_ALLOW = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, INFO, UPDATE\r\n";

/** RFC 3261 §20.37: 100rel is not among them. */
export const AGENT_SUPPORTED = "Supported: timer\r\n";

/** With a 500 or 503. */
export const RETRY_LATER = `Retry-After: ${RETRY_AFTER_S}\r\n`;

/** With a 422. */
export const MIN_SESSION_LINE = `Min-SE: ${MIN_SESSION_EXPIRES_S}\r\n`;

/** A flow with what a user agent needs of it. */
export class AgentLine extends Flow {
	/** Contact URI. */
	readonly contact: string;
	/** When a message that has begun must have ended; `Infinity` between messages. */
	stallAt = Number.POSITIVE_INFINITY;

	constructor(options: AgentFlow, contact: string) {
		super(options, true);
		this.contact = contact;
	}

	/** True when nobody else reads what goes over it. */
	get isSecure(): boolean {
		return this.transport === "tls" || this.transport === "overlay" || this.transport === "wss";
	}
}

export class AgentCore implements Transport {
	readonly crypto: Crypto;
	readonly options: AgentOptions;
	readonly limits: SipLimits;
	readonly times: SipTimers;
	readonly ids: IdSource;
	readonly timers = new TimerHeap();
	readonly layer: TransactionLayer;
	/** What our INVITEs ask for; 0: no session timer. */
	readonly sessionExpiresS: number;
	/** "User-Agent: ...", "Server: ..." or "". */
	readonly userAgentLine: string;
	readonly serverLine: string;
	#outputs: AgentOutput[] = [];
	#polled = 0;
	#token = 0;

	constructor(options: AgentOptions) {
		this.crypto = options.crypto;
		this.options = options;
		// The tables lie in flash; a copy costs a slot for each of their fields.
		this.limits = options.limits === undefined ? AGENT_LIMITS : { ...AGENT_LIMITS, ...options.limits };
		this.times = options.timers === undefined ? DEFAULT_TIMERS : { ...DEFAULT_TIMERS, ...options.timers };
		this.ids = new IdSource(options.crypto);
		this.layer = new TransactionLayer(this.timers, this.times, this.limits, this);
		this.sessionExpiresS = options.sessionExpiresS ?? SESSION_EXPIRES_S;
		const software = options.software ?? "";
		this.userAgentLine = software === "" ? "" : `User-Agent: ${software}\r\n`;
		this.serverLine = software === "" ? "" : `Server: ${software}\r\n`;
	}

	/** The next number of a call or message. */
	nextToken(): number {
		return ++this.#token;
	}

	/** A branch of our own. */
	newBranch(): string {
		return MAGIC_COOKIE + this.ids.hex(8);
	}

	put(output: AgentEvent): void {
		this.#outputs.push(output);
	}

	/** The stream on this flow is lost. */
	close(flow: number, reason: string): void {
		this.#outputs.push({ type: "close", flow, reason });
	}

	poll(): AgentOutput | undefined {
		const output = this.#outputs[this.#polled];
		if (output === undefined) {
			if (this.#polled > 0) this.#outputs = [];
			this.#polled = 0;
			return undefined;
		}
		this.#polled++;
		return output;
	}

	send(hop: Hop, head: string, body: Uint8Array): boolean {
		const { flow } = hop;
		if (!flow.isOpen) return false;
		const isUdp = flow.transport === "udp";
		const address = isUdp ? hop.address : "";
		this.#outputs.push({ type: "transmit", flow: flow.number, address, port: isUdp ? hop.port : 0, head, body });
		return true;
	}

	/** Answers a request without remembering it; the same again gets the same answer (RFC 3261 §8.2.7). */
	refuse(request: SipMessage, hop: Hop, status: number, reason = "", extra = ""): void {
		// Without a Via nobody could match the answer (RFC 3261 §18.2.2); an ACK is never answered.
		if (request.method === "ACK" || request.find(Header.via) < 0) return;
		const head = responseHead(request, status, reason, statelessTag(request), this.serverLine + extra);
		this.send(hop, head, EMPTY);
	}

	/** Answers any request but INVITE for good, in a transaction where there is room for one. */
	answer(request: SipMessage, hop: Hop, status: number, extra: string, now: number, body: Uint8Array = EMPTY): void {
		const head = responseHead(request, status, "", statelessTag(request), this.serverLine + extra, body.length);
		const server = this.layer.newServer(request.method, serverKey(request, request.method), hop);
		if (server === undefined) this.send(hop, head, body);
		else server.respond(status, head, body, now);
	}

	/** The line that answers a 401 or 407, for the same request again; "" when we have no answer. RFC 3261 §22.2. */
	authorization(response: SipMessage, method: string, uri: string): string {
		const { credentials } = this.options;
		const { status } = response;
		if (credentials === undefined || (status !== 401 && status !== 407)) return "";
		const isProxy = status === 407;
		const challenge = pickChallenge(response, isProxy ? Header.proxyAuthenticate : Header.wwwAuthenticate);
		if (challenge === undefined) return "";
		const value = answerChallenge(this.crypto, challenge, credentials, method, uri, this.ids.hex(8));
		return value === undefined ? "" : `${isProxy ? "Proxy-Authorization" : "Authorization"}: ${value}\r\n`;
	}
}

/** A client transaction whose answer interests nobody. */
export const NOBODY: ClientUser = Object.freeze({
	handleResponse(): void {},
	handleFailure(): void {},
});

/** Via, From, To with our tag, Call-ID and CSeq, as every answer to a request has them: what is kept of it until then. */
export function answerFrame(request: SipMessage, toTag: string): string {
	const head = responseHead(request, 200, "", toTag);
	return head.slice(head.indexOf("\r\n") + 2, head.lastIndexOf("Content-Length:"));
}

/** An answer from its frame; `extra` is whole header lines. */
export function answerHead(frame: string, status: number, reason: string, extra: string, bodyOctets: number): string {
	const phrase = reason === "" ? reasonOf(status) : reason;
	return `SIP/2.0 ${status} ${phrase}\r\n${frame}${extra}Content-Length: ${bodyOctets}\r\n\r\n`;
}

/** Reason phrase of a response as received. */
export function phraseOf(response: SipMessage): string {
	return response.text.slice(response.uriStart, response.uriEnd);
}
