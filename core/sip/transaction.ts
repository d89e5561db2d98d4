/**
 * One transaction: its state, its two timers, and what it would send again. RFC 3261 §17, RFC 6026.
 *
 * At most two timers run in any state: one that resends (A, E, G) and one that ends (B, D, F, H, I, J, K, L, M).
 */
import { EMPTY } from "../wire/bytes.ts";
import { ackHead } from "./build.ts";
import {
	type Chart,
	type Event,
	INVITE_CLIENT,
	INVITE_SERVER,
	NON_INVITE_CLIENT,
	responseEvent,
	type State,
} from "./charts.ts";
import type { Hop } from "./flow.ts";
import type { SipMessage } from "./message.ts";
import { indexText } from "./parse.ts";
import { Timer, type TimerOwner } from "./timers.ts";
import type { TransactionLayer } from "./transactions.ts";

/** The core above a client transaction. */
export interface ClientUser {
	/** A response that the chart passes up. */
	handleResponse(client: Transaction, response: SipMessage, now: number): void;
	/** Nothing came (Timer B, F), or the transport failed. */
	handleFailure(client: Transaction, why: "timeout" | "transport", now: number): void;
}

/** The core above a server transaction. */
export interface ServerUser {
	/** The ACK of a 2xx that used the INVITE's branch (RFC 2543 clients). */
	handleAck(server: Transaction, ack: SipMessage, now: number): void;
	/** The CANCEL of this transaction's request came. */
	handleCancel(server: Transaction, cancel: SipMessage, now: number): void;
}

export class Transaction implements TimerOwner {
	readonly layer: TransactionLayer;
	readonly chart: Chart;
	readonly method: string;
	/** What the table finds it by. */
	readonly key: string;
	/** Where its messages go. */
	readonly hop: Hop;
	state: State;
	/** Request, ACK or last response: what is sent again. Let go as soon as the state allows. */
	head = "";
	body: Uint8Array = EMPTY;
	/** See `TransactionLayer.newFinalServer`; "" for all others. */
	mergeKey = "";
	client: ClientUser | undefined = undefined;
	server: ServerUser | undefined = undefined;
	readonly #lifeTimer: Timer;
	#resendTimer: Timer | undefined = undefined;
	#interval = 0;

	constructor(layer: TransactionLayer, chart: Chart, state: State, method: string, key: string, hop: Hop) {
		this.layer = layer;
		this.chart = chart;
		this.state = state;
		this.method = method;
		this.key = key;
		this.hop = hop;
		this.#lifeTimer = new Timer(this);
	}

	get isClient(): boolean {
		return this.chart === INVITE_CLIENT || this.chart === NON_INVITE_CLIENT;
	}

	get isTerminated(): boolean {
		return this.state === "terminated";
	}

	/** Starts a client transaction: sends the request. */
	begin(now: number): void {
		this.#transmit();
		this.#startTimers(now);
	}

	expire(letter: string, now: number): void {
		this.step(letter as Event, undefined, now);
	}

	/** A response received (client). */
	receive(response: SipMessage, now: number): void {
		this.step(responseEvent(response.status), response, now);
	}

	/** The core passes a response down (server). False when the state has no use for it. */
	respond(status: number, head: string, body: Uint8Array, now: number): boolean {
		const event = responseEvent(status);
		const cell = this.chart[this.state]?.[event];
		if (cell === undefined) return false;
		this.head = head;
		this.body = body;
		this.step(event, undefined, now);
		return true;
	}

	/** One event through the chart. */
	step(event: Event, message: SipMessage | undefined, now: number): void {
		const cell = this.chart[this.state]?.[event];
		if (cell === undefined) return;
		const isMove = cell.next !== this.state;
		// RFC 3261 §17.1.1.3: the ACK is written from the request, which the new state no longer keeps.
		if (cell.action === "ackAndPassUp") this.#writeAck(message!);
		this.state = cell.next;
		switch (cell.action) {
			case "resend":
			case "send":
			case "resendAck":
			case "ackAndPassUp":
				this.#transmit();
				break;
			case "resendLater":
				this.#transmit();
				this.#startResend(now);
				break;
			default:
				break;
		}
		if (isMove) this.#enter(now);
		else if (this.state === "accepted") this.#forgetMessage();
		this.#tell(cell.action, message, now);
	}

	#transmit(): void {
		if (this.head !== "" && !this.layer.send(this.hop, this.head, this.body)) this.layer.noteFailure(this);
	}

	/** Nothing will be sent again. */
	#forgetMessage(): void {
		this.head = "";
		this.body = EMPTY;
	}

	#writeAck(response: SipMessage): void {
		const sent = indexText(this.head);
		this.head = sent === undefined ? "" : ackHead(sent, response);
		this.body = EMPTY;
	}

	#tell(action: string, message: SipMessage | undefined, now: number): void {
		switch (action) {
			case "passUp":
			case "ackAndPassUp":
				if (this.client !== undefined) this.client.handleResponse(this, message!, now);
				else this.server?.handleAck(this, message!, now);
				break;
			case "timeout":
				this.client?.handleFailure(this, "timeout", now);
				break;
			case "inform":
				this.client?.handleFailure(this, "transport", now);
				break;
			default:
				break;
		}
	}

	/** The one door into a state: timers, and what is no longer needed. */
	#enter(now: number): void {
		// RFC 3261 §17.1.2.2: Timers E and F go on from Trying into Proceeding.
		if (this.chart === NON_INVITE_CLIENT && this.state === "proceeding") return;
		this.layer.timers.stop(this.#lifeTimer);
		if (this.#resendTimer !== undefined) this.layer.timers.stop(this.#resendTimer);
		const { state } = this;
		if (state !== "completed" || (this.isClient && this.method !== "INVITE")) {
			// A server in Proceeding and a client in Proceeding may still need it.
			if (state !== "proceeding") this.#forgetMessage();
		}
		if (state === "terminated") {
			this.layer.remove(this);
			return;
		}
		this.#startTimers(now);
	}

	#startTimers(now: number): void {
		const { t1, t4 } = this.layer.times;
		const reliable = this.hop.flow.isReliable;
		switch (this.state) {
			case "calling":
				this.#startLife("timerB", 64 * t1, now);
				if (!reliable) this.#startFirstResend(now);
				break;
			case "trying":
				if (!this.isClient) break;
				this.#startLife("timerF", 64 * t1, now);
				if (!reliable) this.#startFirstResend(now);
				break;
			case "completed":
				this.#enterCompleted(reliable, now);
				break;
			case "confirmed":
				this.#startLife("timerI", reliable ? 0 : t4, now);
				break;
			case "accepted":
				// RFC 6026 §8.4, §8.7: 64*T1 for all transports.
				this.#startLife(this.isClient ? "timerM" : "timerL", 64 * t1, now);
				break;
			default:
				break;
		}
	}

	#enterCompleted(reliable: boolean, now: number): void {
		const { t1, t4 } = this.layer.times;
		switch (this.chart) {
			case INVITE_CLIENT:
				// RFC 3261 §17.1.1.2: at least 32 s, whatever T1 is.
				this.#startLife("timerD", reliable ? 0 : Math.max(64 * t1, 32_000), now);
				break;
			case INVITE_SERVER:
				this.#startLife("timerH", 64 * t1, now);
				if (!reliable) this.#startFirstResend(now);
				break;
			case NON_INVITE_CLIENT:
				this.#startLife("timerK", reliable ? 0 : t4, now);
				break;
			default:
				this.#startLife("timerJ", reliable ? 0 : 64 * t1, now);
		}
	}

	#startLife(letter: Event, duration: number, now: number): void {
		if (duration === 0) {
			// Zero means at once (RFC 3261 table 4, reliable transports).
			this.state = "terminated";
			this.#enter(now);
			return;
		}
		this.layer.timers.start(this.#lifeTimer, letter, now + duration);
	}

	#startFirstResend(now: number): void {
		this.#interval = this.layer.times.t1;
		this.#resendTimer ??= new Timer(this);
		this.layer.timers.start(this.#resendTimer, this.#resendLetter(), now + this.#interval);
	}

	/** RFC 3261 §17.1.1.2: Timer A doubles on; §17.1.2.2, §17.2.1: E and G double up to T2; E is T2 once a 1xx came. */
	#startResend(now: number): void {
		const { t2 } = this.layer.times;
		const letter = this.#resendLetter();
		this.#interval *= 2;
		if (letter !== "timerA" && (this.#interval > t2 || this.state === "proceeding")) this.#interval = t2;
		if (this.#resendTimer !== undefined) this.layer.timers.start(this.#resendTimer, letter, now + this.#interval);
	}

	#resendLetter(): Event {
		if (this.chart === INVITE_CLIENT) return "timerA";
		return this.chart === INVITE_SERVER ? "timerG" : "timerE";
	}
}
