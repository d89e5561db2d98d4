/** One branch of a fork: its client transaction, Timer C, and its CANCEL. RFC 3261 §9.1, §16.8. */
import { EMPTY } from "../wire/bytes.ts";
import { cancelHead } from "./build.ts";
import type { Hop } from "./flow.ts";
import type { Fork } from "./fork.ts";
import type { SipMessage } from "./message.ts";
import { indexText } from "./parse.ts";
import { Timer, type TimerOwner } from "./timers.ts";
import type { ClientUser, Transaction } from "./transaction.ts";

/** One target that was tried. */
export class Branch implements ClientUser, TimerOwner {
	readonly fork: Fork;
	readonly uri: string;
	readonly hop: Hop;
	client: Transaction | undefined = undefined;
	isDone = false;
	hasProvisional = false;
	/** Header lines of the CANCEL to send as soon as it may be; `undefined`: none is wanted. */
	#wantedCancel: string | undefined = undefined;
	#isCancelled = false;
	#timer: Timer | undefined = undefined;

	constructor(fork: Fork, uri: string, hop: Hop) {
		this.fork = fork;
		this.uri = uri;
		this.hop = hop;
	}

	/** RFC 3261 §16.6 item 11: an INVITE gets Timer C. */
	startTimerC(now: number): void {
		this.#timer ??= new Timer(this);
		const { timers, times } = this.fork.proxy.layer;
		timers.start(this.#timer, "timerC", now + times.c);
	}

	handleResponse(_client: Transaction, response: SipMessage, now: number): void {
		const { status } = response;
		if (status < 200) {
			this.hasProvisional = true;
			// RFC 3261 §16.7 item 2: 101 to 199 set Timer C anew.
			if (status > 100 && this.#timer !== undefined && !this.#isCancelled) this.startTimerC(now);
			if (this.#wantedCancel !== undefined) this.#sendCancel(this.#wantedCancel, now);
			this.fork.provisional(this, response, now);
			return;
		}
		this.fork.final(this, response, now);
	}

	handleFailure(_client: Transaction, why: "timeout" | "transport", now: number): void {
		// RFC 3261 §16.7 item 6, §16.9: silence counts as 408, a transport error as 503.
		this.fork.failed(this, why === "timeout" ? 408 : 503, now);
	}

	/** No answer will come any more, or none is waited for. */
	finish(): void {
		this.isDone = true;
		this.#wantedCancel = undefined;
		if (this.#timer !== undefined) this.fork.proxy.layer.timers.stop(this.#timer);
		this.#timer = undefined;
	}

	/** RFC 3261 §9.1: a CANCEL goes out once a provisional response came, not before. */
	cancel(extra: string, now: number): void {
		if (this.isDone || this.#isCancelled || this.fork.method !== "INVITE") return;
		if (this.hasProvisional) this.#sendCancel(extra, now);
		else this.#wantedCancel ??= extra;
	}

	#sendCancel(extra: string, now: number): void {
		const { layer } = this.fork.proxy;
		const sent = this.client === undefined ? undefined : indexText(this.client.head);
		this.#wantedCancel = undefined;
		this.#isCancelled = true;
		if (sent === undefined || this.client === undefined) return;
		layer.newClient("CANCEL", this.client.key, this.hop, cancelHead(sent, extra), EMPTY, IGNORE, now);
		// RFC 3261 §9.1: after 64*T1 without a final response the INVITE's transaction is given up.
		this.#timer ??= new Timer(this);
		layer.timers.start(this.#timer, "cancelled", now + 64 * layer.times.t1);
	}

	expire(letter: string, now: number): void {
		if (letter === "timerC" && this.hasProvisional && !this.#isCancelled) {
			this.#sendCancel("", now);
			return;
		}
		this.client?.step("abandon", undefined, now);
		this.fork.failed(this, 408, now);
	}
}

/** Nobody cares what becomes of a CANCEL: the INVITE's own answer tells. */
const IGNORE: ClientUser = Object.freeze({ handleResponse(): void {}, handleFailure(): void {} });
