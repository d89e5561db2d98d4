/** Requests and responses of a scripted phone over UDP: transactions of both sides (RFC 3261 §17), one table each. */
import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import {
	methodOf,
	type Place,
	paramOf,
	placeOf,
	readSip,
	type SipText,
	statusOf,
	uriOf,
	value,
	values,
	writeSip,
} from "./sip-text.ts";

/** RFC 3261 §17.1.1.1. */
const T1_MS = 500;
const T2_MS = 4_000;
const GIVE_UP_MS = 64 * T1_MS;

export const token = (): string => randomBytes(8).toString("hex");

/** What a request is made of. */
export interface Draft {
	readonly method: string;
	readonly uri: string;
	/** With its tag. */
	readonly from: string;
	readonly to: string;
	readonly callId: string;
	readonly routes?: readonly string[];
	readonly more?: readonly (readonly [string, string])[];
	readonly body?: string;
}

/** A message that is sent again until something stops it. */
interface Repeating {
	resend?: NodeJS.Timeout | undefined;
}

interface Sent extends Repeating {
	readonly request: SipText;
	readonly to: Place;
	readonly onResponse: (response: SipText) => void;
	isFinal: boolean;
}

/** A request that came, and our last answer to it. */
export interface Served extends Repeating {
	readonly request: SipText;
	readonly from: Place;
	/** What our answers add to To. */
	readonly tag: string;
	answer: string;
}

export interface ExchangeOptions {
	readonly address: string;
	readonly edge: Place;
	readonly onRequest: (method: string, served: Served) => void;
	/** Every message sent (">") or received ("<"). */
	readonly onTrace?: ((direction: "<" | ">", text: string) => void) | undefined;
}

export class Exchange {
	/** Where goes what has neither a route nor an address; another edge when the phone moves. */
	edge: Place;
	readonly #options: ExchangeOptions;
	readonly #socket: Socket;
	readonly #sent = new Map<string, Sent>();
	readonly #served = new Map<string, Served>();
	/** The ACK of each 2xx, for when that comes again (§13.2.2.4). */
	readonly #acks = new Map<string, { readonly text: string; readonly to: Place }>();

	private constructor(options: ExchangeOptions, socket: Socket) {
		this.edge = options.edge;
		this.#options = options;
		this.#socket = socket;
		socket.on("error", () => undefined);
		socket.on("message", (data, from) => {
			const text = data.toString("utf8");
			const message = readSip(text);
			if (message === undefined) return;
			options.onTrace?.("<", text);
			if (statusOf(message) > 0) this.#response(message);
			else this.#request(message, from);
		});
	}

	static async open(options: ExchangeOptions): Promise<Exchange> {
		const socket = createSocket("udp4");
		await new Promise<void>((resolve, reject) => {
			socket.once("error", reject);
			socket.bind(0, options.address, resolve);
		});
		return new Exchange(options, socket);
	}

	get place(): Place {
		const { address, port } = this.#socket.address();
		return { address, port };
	}

	compose(draft: Draft, cseq: number): SipText {
		const { address, port } = this.place;
		return {
			start: `${draft.method} ${draft.uri} SIP/2.0`,
			headers: [
				["via", `SIP/2.0/UDP ${address}:${port};branch=z9hG4bK${token()};rport`],
				["max-forwards", "70"],
				...(draft.routes ?? []).map((route): [string, string] => ["route", route]),
				["from", draft.from],
				["to", draft.to],
				["call-id", draft.callId],
				["cseq", `${cseq} ${draft.method}`],
				["user-agent", "ringlet-demo-phone"],
				...(draft.more ?? []),
			],
			body: draft.body ?? "",
		};
	}

	/**
	 * Client transaction: sends again until an answer; every response is handed on. After 32 s without one: a 408 of its own
	 * (§8.1.3.1). An ACK goes out once, and again when its 2xx does.
	 */
	send(request: SipText, onResponse: (response: SipText) => void): void {
		const method = methodOf(request);
		const route = values(request, "route")[0];
		// §12.2.1.1: every proxy of today is a loose router, so the topmost route says where; else the target; else the edge.
		const to = placeOf(uriOf(route ?? request.start.split(" ")[1] ?? "")) ?? this.edge;
		const text = writeSip(request);
		if (method === "ACK") {
			this.#acks.set(`${value(request, "call-id")} ${paramOf(value(request, "to"), "tag")}`, { text, to });
			this.#transmit(text, to);
			return;
		}
		const sent: Sent = { request, to, onResponse, isFinal: false };
		this.#sent.set(`${method} ${paramOf(value(request, "via"), "branch")}`, sent);
		const longest = method === "INVITE" ? GIVE_UP_MS : T2_MS;
		this.#repeat(sent, text, to, longest, () => {
			sent.isFinal = true;
			onResponse({ start: "SIP/2.0 408 No Answer", headers: request.headers, body: "" });
		});
	}

	/** Answers a request; a final answer to an INVITE is repeated until its ACK (§13.3.1.4, §17.2.1). */
	answer(served: Served, status: string, more: readonly (readonly [string, string])[] = [], body = ""): void {
		const { request, from, tag } = served;
		const kept = request.headers.filter(([name]) => ["via", "record-route", "from", "call-id", "cseq"].includes(name));
		const asked = value(request, "to");
		const to = paramOf(asked, "tag") === undefined ? `${asked};tag=${tag}` : asked;
		served.answer = writeSip({ start: `SIP/2.0 ${status}`, headers: [...kept, ["to", to], ...more], body });
		clearTimeout(served.resend);
		if (methodOf(request) !== "INVITE" || status < "2") this.#transmit(served.answer, from);
		else this.#repeat(served, served.answer, from, T2_MS, () => undefined);
	}

	close(): void {
		for (const one of [...this.#sent.values(), ...this.#served.values()]) clearTimeout(one.resend);
		this.#socket.close();
	}

	/** Sends now and 0.5, 1, 2, ... s later, no pause over `longestMs`, until `holder.resend` is cleared or 32 s are over. */
	#repeat(holder: Repeating, text: string, to: Place, longestMs: number, giveUp: () => void): void {
		const step = (pause: number, left: number): void => {
			if (left <= 0) {
				giveUp();
				return;
			}
			this.#transmit(text, to);
			holder.resend = setTimeout(() => step(Math.min(pause * 2, longestMs), left - pause), Math.min(pause, left));
		};
		step(T1_MS, GIVE_UP_MS);
	}

	#transmit(text: string, to: Place): void {
		this.#options.onTrace?.(">", text);
		this.#socket.send(text, to.port, to.address, () => undefined);
	}

	#response(response: SipText): void {
		const method = methodOf(response);
		const status = statusOf(response);
		const sent = this.#sent.get(`${method} ${paramOf(value(response, "via"), "branch")}`);
		if (sent === undefined) return;
		if (method === "INVITE" || status >= 200) clearTimeout(sent.resend);
		if (method === "INVITE" && status >= 300) this.#acknowledge(sent, response);
		const ack = this.#acks.get(`${value(response, "call-id")} ${paramOf(value(response, "to"), "tag")}`);
		if (sent.isFinal && method === "INVITE" && status < 300 && ack !== undefined) this.#transmit(ack.text, ack.to);
		if (sent.isFinal) return;
		sent.isFinal = status >= 200;
		sent.onResponse(response);
	}

	/** §17.1.1.3: the ACK of a refusal belongs to the transaction of the INVITE. */
	#acknowledge({ request, to }: Sent, response: SipText): void {
		this.#transmit(writeSip(sibling(request, "ACK", value(response, "to"))), to);
	}

	#request(request: SipText, from: Place): void {
		const method = methodOf(request);
		if (method === "ACK") {
			for (const served of this.#served.values()) if (isAckOf(request, served.request)) clearTimeout(served.resend);
			return;
		}
		const key = `${method} ${paramOf(value(request, "via"), "branch")}`;
		const known = this.#served.get(key);
		if (known?.answer) this.#transmit(known.answer, from);
		if (known !== undefined) return;
		const served: Served = { request, from, tag: token(), answer: "" };
		this.#served.set(key, served);
		this.#options.onRequest(method, served);
	}
}

/** ACK or CANCEL of an INVITE: same Request-URI, topmost Via, From, Call-ID and CSeq number (§9.1, §17.1.1.3). */
export function sibling(invite: SipText, method: "ACK" | "CANCEL", to: string): SipText {
	const kept = invite.headers.filter(([name]) => ["via", "max-forwards", "route", "from", "call-id"].includes(name));
	const cseq = `${Number.parseInt(value(invite, "cseq"), 10)} ${method}`;
	return {
		start: invite.start.replace("INVITE", method),
		headers: [...kept, ["to", to], ["cseq", cseq]],
		body: "",
	};
}

function isAckOf(ack: SipText, request: SipText): boolean {
	return (
		methodOf(request) === "INVITE" &&
		value(ack, "call-id") === value(request, "call-id") &&
		Number.parseInt(value(ack, "cseq"), 10) === Number.parseInt(value(request, "cseq"), 10)
	);
}
