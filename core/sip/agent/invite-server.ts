/**
 * One INVITE that we answer (the first of a call, or one inside it): its transaction, what its answers repeat of it, and the 2xx that is
 * sent again until the ACK comes. RFC 3261 §13.3.1.4, §14.2; RFC 6026.
 */
import { EMPTY } from "../../wire/bytes.ts";
import { linesOf } from "../build.ts";
import { Header } from "../header-names.ts";
import type { SipMessage } from "../message.ts";
import type { ServerUser, Transaction } from "../transaction.ts";
import { type AgentCore, answerFrame, answerHead } from "./core.ts";

export class InviteServer {
	readonly cseq: number;
	readonly #core: AgentCore;
	readonly #transaction: Transaction;
	/** Via, From, To with our tag, Call-ID, CSeq, as every answer has them. */
	readonly #frame: string;
	readonly #recordRoute: string;
	/** The 2xx, until the ACK. */
	#head = "";
	#body: Uint8Array = EMPTY;
	#interval = 0;
	#resendAt = Number.POSITIVE_INFINITY;
	#endAt = Number.POSITIVE_INFINITY;
	#isFinal = false;

	constructor(core: AgentCore, request: SipMessage, transaction: Transaction, localTag: string, user: ServerUser) {
		this.#core = core;
		this.cseq = request.cseq;
		this.#transaction = transaction;
		transaction.server = user;
		this.#frame = answerFrame(request, localTag);
		this.#recordRoute = linesOf(request, Header.recordRoute);
	}

	/** A final answer has been sent. */
	get isFinal(): boolean {
		return this.#isFinal;
	}

	/** The 2xx has been sent and not acknowledged. */
	get awaitsAck(): boolean {
		return this.#head !== "";
	}

	/** When `step` is due. */
	deadline(): number {
		return Math.min(this.#resendAt, this.#endAt);
	}

	/** Sends an answer; `extra` is whole header lines. */
	respond(status: number, reason: string, extra: string, body: Uint8Array, now: number): void {
		if (this.#isFinal) return;
		const core = this.#core;
		const isEstablishing = status > 100 && status < 300;
		const lines = (isEstablishing ? this.#recordRoute : "") + core.serverLine + extra;
		const head = answerHead(this.#frame, status, reason, lines, body.length);
		if (status >= 200) this.#isFinal = true;
		if (status >= 200 && status < 300) {
			// RFC 3261 §13.3.1.4 MUST: the UAS core itself sends the 2xx again, at T1 doubling up to T2, over every transport.
			this.#head = head;
			this.#body = body;
			this.#interval = core.times.t1;
			this.#resendAt = now + this.#interval;
			this.#endAt = now + 64 * core.times.t1;
		}
		this.#transaction.respond(status, head, body, now);
		if (status >= 300) this.#transaction.server = undefined;
	}

	/** The ACK of the 2xx came. */
	acknowledge(): void {
		this.#head = "";
		this.#body = EMPTY;
		this.#resendAt = Number.POSITIVE_INFINITY;
		this.#endAt = Number.POSITIVE_INFINITY;
	}

	/** Nobody wants to hear of this transaction any more. */
	release(): void {
		this.acknowledge();
		this.#transaction.server = undefined;
	}

	/** Sends the 2xx again when it is due. True: 64*T1 have passed without an ACK. */
	step(now: number): boolean {
		if (this.#endAt <= now) {
			this.acknowledge();
			return true;
		}
		if (this.#resendAt > now) return false;
		this.#core.send(this.#transaction.hop, this.#head, this.#body);
		this.#interval = Math.min(2 * this.#interval, this.#core.times.t2);
		this.#resendAt = now + this.#interval;
		return false;
	}
}
