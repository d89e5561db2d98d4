/**
 * A user agent's client half, as much of it as an edge needs for itself: requests outside dialogs with one answer, digest included.
 * RFC 3261 §8.1, §10.2, §22.2. And what the edge answers as a server: OPTIONS (§11.2).
 */
import type { Crypto } from "../../hal/hal.ts";
import { EMPTY } from "../wire/bytes.ts";
import { isHeaderText, requestHead } from "./build.ts";
import { answerChallenge, type ClientCredentials, pickChallenge } from "./digest.ts";
import type { SipOutput, Target } from "./edge-types.ts";
import type { Hop } from "./flow.ts";
import { Header } from "./header-names.ts";
import type { IdSource } from "./ids.ts";
import type { SipMessage } from "./message.ts";
import { reasonOf } from "./status.ts";
import type { ClientUser, Transaction } from "./transaction.ts";
import type { TransactionLayer } from "./transactions.ts";
import { MAGIC_COOKIE } from "./via.ts";

export { pickChallenge };

/** A request of our own. Texts have one octet per character and no line breaks. */
export interface OwnRequest {
	/** Any but INVITE, ACK and CANCEL. */
	readonly method: string;
	readonly uri: string;
	/** URI, without brackets. */
	readonly from: string;
	readonly to: string;
	/** Where it is sent; its `uri` is not used. */
	readonly target: Target;
	/** Call-ID and CSeq of a series (a registration's); default: a new one, 1. */
	readonly callId?: string;
	readonly cseq?: number;
	/** Further header values by name, in order. */
	readonly headers?: ReadonlyArray<readonly [name: string, value: string]>;
	readonly contentType?: string;
	readonly body?: Uint8Array;
	/** Answers one challenge. */
	readonly credentials?: ClientCredentials;
}

interface Pending {
	readonly token: number;
	readonly request: OwnRequest;
	readonly hop: Hop;
	readonly callId: string;
	readonly fromTag: string;
	cseq: number;
	hasAnsweredChallenge: boolean;
}

export interface UserAgentOptions {
	readonly crypto: Crypto;
	readonly ids: IdSource;
	readonly layer: TransactionLayer;
	readonly limit: number;
	readonly software: string;
	readonly put: (output: SipOutput) => void;
}

export class UserAgentClient implements ClientUser {
	readonly #options: UserAgentOptions;
	readonly #pending = new Map<Transaction, Pending>();
	#token = 0;

	constructor(options: UserAgentOptions) {
		this.#options = options;
	}

	/** Sends a request; an `answer` output with this token follows. `undefined`: no room, no way, or a text that cannot stand in a header. */
	request(request: OwnRequest, hop: Hop | undefined, now: number): number | undefined {
		if (hop === undefined || this.#pending.size >= this.#options.limit || !isSendable(request)) return undefined;
		const { ids } = this.#options;
		const pending: Pending = {
			token: ++this.#token,
			request,
			hop,
			callId: request.callId ?? ids.hex(12),
			fromTag: ids.hex(5),
			cseq: request.cseq ?? 1,
			hasAnsweredChallenge: false,
		};
		return this.#send(pending, "", now) ? pending.token : undefined;
	}

	handleResponse(client: Transaction, response: SipMessage, now: number): void {
		if (response.status < 200) return;
		const pending = this.#pending.get(client);
		if (pending === undefined) return;
		this.#pending.delete(client);
		if (this.#retry(pending, response, now)) return;
		const reason = response.text.slice(response.uriStart, response.uriEnd);
		this.#answer(pending, response.status, reason, response);
	}

	handleFailure(client: Transaction, why: "timeout" | "transport", _now: number): void {
		const pending = this.#pending.get(client);
		if (pending === undefined) return;
		this.#pending.delete(client);
		// RFC 3261 §8.1.3.1: as if 408 or 503 had been received.
		const status = why === "timeout" ? 408 : 503;
		this.#answer(pending, status, reasonOf(status), undefined);
	}

	#answer(pending: Pending, status: number, reason: string, message: SipMessage | undefined): void {
		this.#options.put({ type: "answer", token: pending.token, status, reason, message });
	}

	#send(pending: Pending, authorization: string, now: number): boolean {
		const { ids, layer, software } = this.#options;
		const { request, hop } = pending;
		const branch = `${MAGIC_COOKIE}u${ids.hex(10)}`;
		const body = request.body ?? EMPTY;
		let headers = authorization;
		for (const [name, value] of request.headers ?? []) headers += `${name}: ${value}\r\n`;
		if (software !== "") headers += `User-Agent: ${software}\r\n`;
		if (request.contentType !== undefined) headers += `Content-Type: ${request.contentType}\r\n`;
		const head = requestHead(
			{
				method: request.method,
				uri: request.uri,
				from: `<${request.from}>;tag=${pending.fromTag}`,
				to: `<${request.to}>`,
				callId: pending.callId,
				cseq: pending.cseq,
				headers,
				bodyOctets: body.length,
			},
			`${hop.flow.viaPrefix}${branch}\r\n`,
		);
		const client = layer.newClient(request.method, branch, hop, head, body, this, now);
		if (client === undefined) return false;
		this.#pending.set(client, pending);
		return true;
	}

	/** RFC 3261 §22.2: the same request again, CSeq one higher, with credentials. */
	#retry(pending: Pending, response: SipMessage, now: number): boolean {
		const { credentials } = pending.request;
		if (credentials === undefined || pending.hasAnsweredChallenge) return false;
		if (response.status !== 401 && response.status !== 407) return false;
		const isProxy = response.status === 407;
		const challenge = pickChallenge(response, isProxy ? Header.proxyAuthenticate : Header.wwwAuthenticate);
		if (challenge === undefined) return false;
		const { crypto, ids } = this.#options;
		const { method, uri } = pending.request;
		const value = answerChallenge(crypto, challenge, credentials, method, uri, ids.hex(8));
		if (value === undefined) return false;
		pending.hasAnsweredChallenge = true;
		pending.cseq++;
		return this.#send(pending, `${isProxy ? "Proxy-Authorization" : "Authorization"}: ${value}\r\n`, now);
	}
}

function isSendable(request: OwnRequest): boolean {
	const { method } = request;
	if (method === "INVITE" || method === "ACK" || method === "CANCEL" || !isHeaderText(method)) return false;
	if (!isHeaderText(request.uri) || !isHeaderText(request.from) || !isHeaderText(request.to)) return false;
	for (const [name, value] of request.headers ?? []) if (!isHeaderText(name) || !isHeaderText(value)) return false;
	return isHeaderText(request.contentType ?? "") && isHeaderText(request.callId ?? "");
}
