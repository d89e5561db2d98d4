/**
 * The four transaction charts of RFC 3261 §17 with RFC 6026, as tables to hold against the figures.
 *
 * An absent cell means: ignore the event. Entering another state stops all timers and starts those of the new state (`timers.ts`,
 * `transaction.ts`); staying in a state leaves them, except where the action says otherwise.
 */

export type State = "calling" | "trying" | "proceeding" | "completed" | "confirmed" | "accepted" | "terminated";

export type Event =
	/** Responses received, or passed down by the core of a server transaction. */
	| "r1xx"
	| "r2xx"
	| "rFinalError"
	/** A retransmission of the request. */
	| "request"
	| "ack"
	/** The flow is gone, or the message could not be sent. */
	| "transportError"
	/** The core has no more use for it: Timer C, or a CANCEL that nobody answered. */
	| "abandon"
	| "timerA"
	| "timerB"
	| "timerD"
	| "timerE"
	| "timerF"
	| "timerG"
	| "timerH"
	| "timerI"
	| "timerJ"
	| "timerK"
	| "timerL"
	| "timerM";

export type Action =
	| "passUp"
	/** Pass up, and write and send the ACK. */
	| "ackAndPassUp"
	/** Send the ACK again. */
	| "resendAck"
	/** Send the request, or the last response, again. */
	| "resend"
	/** As `resend`, and let the interval grow (Timer A, E, G). */
	| "resendLater"
	/** Send the response that the core passed down. */
	| "send"
	/** Tell the core that nothing came. */
	| "timeout"
	/** Tell the core that the transport failed. */
	| "inform"
	| "quiet";

export interface Cell {
	readonly next: State;
	readonly action: Action;
}

export type Chart = Readonly<Partial<Record<State, Readonly<Partial<Record<Event, Cell>>>>>>;

function to(next: State, action: Action): Cell {
	return Object.freeze({ next, action });
}

function chart(table: Chart): Chart {
	for (const state of Object.keys(table)) Object.freeze(table[state as State]);
	return Object.freeze(table);
}

/** RFC 3261 §17.1.1.2 figure 5, as replaced by RFC 6026 §8.4. */
export const INVITE_CLIENT: Chart = chart({
	calling: {
		timerA: to("calling", "resendLater"),
		r1xx: to("proceeding", "passUp"),
		r2xx: to("accepted", "passUp"),
		rFinalError: to("completed", "ackAndPassUp"),
		timerB: to("terminated", "timeout"),
		transportError: to("terminated", "inform"),
		abandon: to("terminated", "quiet"),
	},
	proceeding: {
		r1xx: to("proceeding", "passUp"),
		r2xx: to("accepted", "passUp"),
		rFinalError: to("completed", "ackAndPassUp"),
		// Choice (§17.1.1.2): a stream that closes takes the answer with it; the figure leaves the core waiting for Timer C.
		transportError: to("terminated", "inform"),
		abandon: to("terminated", "quiet"),
	},
	completed: {
		rFinalError: to("completed", "resendAck"),
		transportError: to("terminated", "inform"),
		timerD: to("terminated", "quiet"),
	},
	accepted: {
		r2xx: to("accepted", "passUp"),
		timerM: to("terminated", "quiet"),
	},
});

/** RFC 3261 §17.1.2.2 figure 6. */
export const NON_INVITE_CLIENT: Chart = chart({
	trying: {
		timerE: to("trying", "resendLater"),
		r1xx: to("proceeding", "passUp"),
		r2xx: to("completed", "passUp"),
		rFinalError: to("completed", "passUp"),
		timerF: to("terminated", "timeout"),
		transportError: to("terminated", "inform"),
		abandon: to("terminated", "quiet"),
	},
	proceeding: {
		timerE: to("proceeding", "resendLater"),
		r1xx: to("proceeding", "passUp"),
		r2xx: to("completed", "passUp"),
		rFinalError: to("completed", "passUp"),
		timerF: to("terminated", "timeout"),
		transportError: to("terminated", "inform"),
		abandon: to("terminated", "quiet"),
	},
	completed: { timerK: to("terminated", "quiet") },
});

/** RFC 3261 §17.2.1 figure 7, as replaced by RFC 6026 §8.6. */
export const INVITE_SERVER: Chart = chart({
	proceeding: {
		request: to("proceeding", "resend"),
		r1xx: to("proceeding", "send"),
		r2xx: to("accepted", "send"),
		rFinalError: to("completed", "send"),
		transportError: to("proceeding", "inform"),
		abandon: to("terminated", "quiet"),
	},
	completed: {
		request: to("completed", "resend"),
		ack: to("confirmed", "quiet"),
		timerG: to("completed", "resendLater"),
		timerH: to("terminated", "timeout"),
		transportError: to("completed", "inform"),
	},
	accepted: {
		// RFC 6026 §7.1 MUST: absorb the request, pass the ACK up, send the 2xx that the core passes down again.
		request: to("accepted", "quiet"),
		ack: to("accepted", "passUp"),
		r2xx: to("accepted", "send"),
		timerL: to("terminated", "quiet"),
		transportError: to("accepted", "inform"),
	},
	confirmed: { timerI: to("terminated", "quiet") },
});

/** RFC 3261 §17.2.2 figure 8. */
export const NON_INVITE_SERVER: Chart = chart({
	trying: {
		r1xx: to("proceeding", "send"),
		r2xx: to("completed", "send"),
		rFinalError: to("completed", "send"),
		transportError: to("terminated", "inform"),
		abandon: to("terminated", "quiet"),
	},
	proceeding: {
		request: to("proceeding", "resend"),
		r1xx: to("proceeding", "send"),
		r2xx: to("completed", "send"),
		rFinalError: to("completed", "send"),
		transportError: to("terminated", "inform"),
		abandon: to("terminated", "quiet"),
	},
	completed: {
		request: to("completed", "resend"),
		timerJ: to("terminated", "quiet"),
		transportError: to("terminated", "inform"),
	},
});

/** The event that a response with this status is. */
export function responseEvent(status: number): Event {
	return status < 200 ? "r1xx" : status < 300 ? "r2xx" : "rFinalError";
}
