/** Requests with one answer: MESSAGE and OPTIONS outside calls, INFO inside one. RFC 3261 §8.1, RFC 3428, RFC 6086. */
import { EMPTY } from "../../wire/bytes.ts";
import { requestHead } from "../build.ts";
import type { Hop } from "../flow.ts";
import type { SipMessage } from "../message.ts";
import { reasonOf } from "../status.ts";
import type { ClientUser, Transaction } from "../transaction.ts";
import type { Call } from "./call.ts";
import { type AgentCore, phraseOf } from "./core.ts";

/** A request that waits for its answer; held by its transaction alone. */
export class PendingRequest implements ClientUser {
	readonly #core: AgentCore;
	readonly #token: number;
	readonly #method: string;
	readonly #uri: string;
	readonly #from: string;
	readonly #to: string;
	readonly #callId: string;
	readonly #hop: Hop;
	/** Header lines without credentials. */
	readonly #headers: string;
	#body: Uint8Array;
	#cseq = 0;
	#hasAuthorized = false;

	/** `from` and `to` are whole header values, the From tag included. */
	constructor(
		core: AgentCore,
		token: number,
		method: string,
		uri: string,
		from: string,
		to: string,
		hop: Hop,
		headers: string,
		body: Uint8Array,
	) {
		this.#core = core;
		this.#token = token;
		this.#method = method;
		this.#uri = uri;
		this.#from = from;
		this.#to = to;
		this.#callId = core.ids.hex(12);
		this.#hop = hop;
		this.#headers = headers;
		this.#body = body;
	}

	/** Sends it. False: there is no room. */
	send(authorization: string, now: number): boolean {
		const branch = this.#core.newBranch();
		const head = requestHead(
			{
				method: this.#method,
				uri: this.#uri,
				from: this.#from,
				to: this.#to,
				callId: this.#callId,
				cseq: ++this.#cseq,
				headers: authorization + this.#headers,
				bodyOctets: this.#body.length,
			},
			`${this.#hop.flow.viaPrefix}${branch}\r\n`,
		);
		return this.#core.layer.newClient(this.#method, branch, this.#hop, head, this.#body, this, now) !== undefined;
	}

	handleResponse(_client: Transaction, response: SipMessage, now: number): void {
		const { status } = response;
		if (status < 200) return;
		if (!this.#hasAuthorized && (status === 401 || status === 407)) {
			const authorization = this.#core.authorization(response, this.#method, this.#uri);
			this.#hasAuthorized = true;
			if (authorization !== "" && this.send(authorization, now)) return;
		}
		this.#done(status, phraseOf(response));
	}

	handleFailure(_client: Transaction, why: "timeout" | "transport", _now: number): void {
		// RFC 3261 §8.1.3.1: as if 408 or 503 had been received.
		const status = why === "timeout" ? 408 : 503;
		this.#done(status, reasonOf(status));
	}

	#done(status: number, reason: string): void {
		this.#body = EMPTY;
		this.#core.put({ type: "sent", token: this.#token, status, reason });
	}
}

/** An INFO inside a call. */
export class PendingInfo implements ClientUser {
	readonly #core: AgentCore;
	readonly #token: number;
	readonly #call: Call;
	readonly #headers: string;
	readonly #body: Uint8Array;
	#hasAuthorized = false;

	constructor(core: AgentCore, token: number, call: Call, headers: string, body: Uint8Array) {
		this.#core = core;
		this.#token = token;
		this.#call = call;
		this.#headers = headers;
		this.#body = body;
	}

	/** Sends it. False: there is no room. */
	send(authorization: string, now: number): boolean {
		const { dialog } = this.#call;
		const branch = this.#core.newBranch();
		const hop = dialog.nextHop();
		const lines = authorization + this.#headers;
		const head = dialog.head("INFO", ++dialog.localCseq, branch, hop, lines, this.#body.length);
		return this.#core.layer.newClient("INFO", branch, hop, head, this.#body, this, now) !== undefined;
	}

	handleResponse(_client: Transaction, response: SipMessage, now: number): void {
		const { status } = response;
		if (status < 200) return;
		if (!this.#hasAuthorized && (status === 401 || status === 407)) {
			const authorization = this.#core.authorization(response, "INFO", this.#call.dialog.requestUri());
			this.#hasAuthorized = true;
			if (authorization !== "" && this.send(authorization, now)) return;
		}
		this.#core.put({ type: "sent", token: this.#token, status, reason: phraseOf(response) });
		// RFC 3261 §12.2.1.2: there is no such dialog at the other end.
		if (status === 481) this.#call.lost(status, now);
	}

	handleFailure(_client: Transaction, why: "timeout" | "transport", _now: number): void {
		const status = why === "timeout" ? 408 : 503;
		this.#core.put({ type: "sent", token: this.#token, status, reason: reasonOf(status) });
	}
}
