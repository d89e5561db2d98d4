/**
 * One ring: from the press until somebody answers, nobody does within the ring time, or it is called off. One call at a time; a call that
 * fails for a reason that may pass is made again while the ring time lasts.
 *
 *      press --> waiting <----- failed for now ------+
 *                  | edge there, or pause over        |
 *                  v                                  |
 *               calling --180/183--> ringing ---------+--- 486, 600, 603, 4xx, 3xx ---> over
 *                  +------- 2xx -------+--> taken
 *
 * RFC 3261 §21: what a final status means here is in `judge`.
 */
import { MOST_RETRY_MS, NO_PROGRESS_MS, RETRY_MS, TRYING_MS } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import { type CallEndCause, FIRST_INCOMING_CALL } from "./types.ts";

export type RingPhase = "none" | "waiting" | "calling" | "ringing";

/** How a ring ends that nobody answered. `offline`: no edge ever had it. */
export type RingEnd = "noAnswer" | "declined" | "failed" | "offline" | "elsewhere";

/** What the end of a call means for its ring. "again": the fault may pass. */
export function judge(cause: CallEndCause, status: number): RingEnd | "again" | "againLater" {
	if (cause === "answeredElsewhere") return "elsewhere";
	if (cause === "transport" || cause === "timeout") return "again";
	if (cause !== "refused") return cause === "limit" ? "againLater" : "noAnswer";
	// A server that cannot: the next one may.
	if (status >= 500 && status < 600) return "again";
	switch (status) {
		// Nobody there at this moment: a phone may come back within the ring time.
		case 408:
		case 430:
		case 480:
		case 487:
		case 491:
			return "againLater";
		case 486:
		case 600:
		case 603:
			return "declined";
		// 3xx is for people who configure: a door does not go where a message sends it. Other 4xx and 6xx will not pass.
		default:
			return "failed";
	}
}

export class Ring {
	readonly #out: Outbox;
	phase: RingPhase = "none";
	/** The call that is out, else 0. */
	call = 0;
	button = 0;
	startedAt = 0;
	/** AOR that is rung. */
	target = "";
	#lastCall = 0;
	#attempt = 0;
	/** An edge has answered at least once. */
	#hadProgress = false;
	/** Phones have rung at least once. */
	#hadRinging = false;
	#endsAt = Number.POSITIVE_INFINITY;
	#retryAt = Number.POSITIVE_INFINITY;
	/** Of the call that is out, while it has no provisional response. */
	#tryingAt = Number.POSITIVE_INFINITY;
	#giveUpAt = Number.POSITIVE_INFINITY;
	isSearching = false;

	constructor(out: Outbox) {
		this.#out = out;
	}

	/** Begins. With an edge the call goes out at once, without one as soon as one is there. */
	start(button: number, target: string, limitMs: number, isOnline: boolean, now: number): void {
		this.button = button;
		this.target = target;
		this.startedAt = now;
		this.#attempt = 0;
		this.#hadProgress = false;
		this.#hadRinging = false;
		this.#endsAt = now + limitMs;
		this.#out.log("ring.started", target);
		if (isOnline) this.#dial(now);
		else {
			this.#wait(now + MOST_RETRY_MS);
			this.#out.warn("ring.offline", target);
		}
	}

	#dial(now: number): void {
		this.phase = "calling";
		this.#lastCall = (this.#lastCall % (FIRST_INCOMING_CALL - 1)) + 1;
		this.call = this.#lastCall;
		this.#attempt++;
		this.#retryAt = Number.POSITIVE_INFINITY;
		this.#tryingAt = now + TRYING_MS;
		this.#giveUpAt = now + NO_PROGRESS_MS;
		this.isSearching = false;
		this.#out.put({
			type: "call",
			call: this.call,
			button: this.button,
			target: this.target,
			attempt: this.#attempt,
		});
	}

	#wait(until: number): void {
		this.phase = "waiting";
		this.call = 0;
		this.isSearching = true;
		this.#retryAt = until;
		this.#stopTrying();
	}

	#stopTrying(): void {
		this.#tryingAt = Number.POSITIVE_INFINITY;
		this.#giveUpAt = Number.POSITIVE_INFINITY;
	}

	/** A provisional response to the call that is out. True when phones begin to ring for the first time. */
	progress(status: number): boolean {
		this.#stopTrying();
		this.isSearching = false;
		this.#hadProgress = true;
		if (status === 100 || this.phase === "ringing") return false;
		this.phase = "ringing";
		const isFirst = !this.#hadRinging;
		this.#hadRinging = true;
		if (isFirst) this.#out.log("ring.progress", `${status}`);
		return isFirst;
	}

	/** The call that is out has ended. How the ring ends, or `undefined` when it goes on. */
	ended(cause: CallEndCause, status: number, now: number): RingEnd | undefined {
		const verdict = judge(cause, status);
		// An edge looked for phones and found none: nobody answered, rather than nobody could be asked.
		if (cause === "refused" && verdict === "againLater") this.#hadProgress = true;
		if (verdict !== "again" && verdict !== "againLater") {
			this.#over();
			return verdict;
		}
		this.#out.log("ring.retry", `${cause} ${status}`);
		// The next edge may be well: the first try after a failure waits for nothing.
		const isAtOnce = verdict === "again" && this.#attempt === 1;
		const pauseMs = Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** Math.min(this.#attempt - 1, 10));
		if (isAtOnce) this.#dial(now);
		else this.#wait(now + pauseMs);
		return undefined;
	}

	/** An edge is there again. */
	online(now: number): void {
		if (this.phase === "waiting") this.#dial(now);
	}

	/** Called off: the call that is out is hung up. */
	stop(reason: string): void {
		if (this.phase === "none") return;
		if (this.call !== 0) this.#out.put({ type: "hangUp", call: this.call, reason });
		this.#over();
	}

	/** Somebody took the call that is out: it is a talk now, and the ring is over. */
	take(): number {
		const { call } = this;
		this.#over();
		return call;
	}

	#over(): void {
		this.phase = "none";
		this.call = 0;
		this.isSearching = false;
		this.#endsAt = Number.POSITIVE_INFINITY;
		this.#retryAt = Number.POSITIVE_INFINITY;
		this.#stopTrying();
	}

	/** How the ring ends when its time is over, or `undefined`. */
	expire(now: number): RingEnd | undefined {
		if (now >= this.#endsAt) {
			const end: RingEnd = this.#hadProgress ? "noAnswer" : "offline";
			this.stop("nobody answered");
			return end;
		}
		if (now >= this.#retryAt) this.#dial(now);
		if (now >= this.#tryingAt) {
			this.#tryingAt = Number.POSITIVE_INFINITY;
			this.isSearching = true;
		}
		if (now >= this.#giveUpAt) {
			this.#out.put({ type: "hangUp", call: this.call, reason: "no answer from the edge" });
			this.ended("timeout", 0, now);
		}
		return undefined;
	}

	deadline(): number {
		return Math.min(this.#endsAt, this.#retryAt, this.#tryingAt, this.#giveUpAt);
	}
}
