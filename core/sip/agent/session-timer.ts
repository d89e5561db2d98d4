/**
 * RFC 4028: one session timer, for either role.
 *
 *   refresher:      |------ half ------> refresh (UPDATE or re-INVITE) ... |end: BYE
 *   other end:      |----------------------------------> end - margin: BYE
 */
import { Header } from "../header-names.ts";
import type { SipMessage } from "../message.ts";
import { lists, readMinExpires, readSessionExpires } from "./headers.ts";
import { MIN_SESSION_EXPIRES_S, REFRESH_RETRY_MS } from "./limits.ts";

/** RFC 4028 §10: how long before the end the side that does not refresh gives up. */
const MARGIN_MS = 32_000;

export class SessionTimer {
	/** Interval agreed on, seconds; 0: none. */
	expiresS = 0;
	isRefresher = false;
	#refreshAt = Number.POSITIVE_INFINITY;
	#endAt = Number.POSITIVE_INFINITY;

	deadline(): number {
		return Math.min(this.#refreshAt, this.#endAt);
	}

	/** Begins a new interval. */
	start(expiresS: number, isRefresher: boolean, now: number): void {
		const interval = expiresS * 1000;
		this.expiresS = expiresS;
		this.isRefresher = isRefresher;
		this.#refreshAt = isRefresher ? now + interval / 2 : Number.POSITIVE_INFINITY;
		// RFC 4028 §10: the other side sends BYE a little earlier: the lesser of 32 s and a third.
		this.#endAt = now + interval - (isRefresher ? 0 : Math.min(MARGIN_MS, interval / 3));
	}

	stop(): void {
		this.expiresS = 0;
		this.isRefresher = false;
		this.#refreshAt = Number.POSITIVE_INFINITY;
		this.#endAt = Number.POSITIVE_INFINITY;
	}

	/** The refresh came to nothing and may be tried again. */
	retry(now: number): void {
		if (this.isRefresher) this.#refreshAt = now + REFRESH_RETRY_MS;
	}

	/** What is due. A refresh is due once; then `start` or `retry` follows. */
	due(now: number): "refresh" | "end" | undefined {
		if (this.#endAt <= now) return "end";
		if (this.#refreshAt > now) return undefined;
		this.#refreshAt = Number.POSITIVE_INFINITY;
		return "refresh";
	}

	/** A 2xx to our INVITE or UPDATE. */
	acceptedBy(response: SipMessage, now: number): void {
		const { expiresS, refresher } = readSessionExpires(response);
		// RFC 4028 §7.2: without Session-Expires the session does not expire; without a name the refresher is us, who sent the request.
		if (expiresS <= 0) this.stop();
		else this.start(Math.max(expiresS, MIN_SESSION_EXPIRES_S), refresher !== "uas", now);
	}

	/**
	 * An INVITE or UPDATE that is accepted: begins the interval it asks for; answers the header lines of the 2xx (RFC 4028 §9, table 2).
	 */
	accept(request: SipMessage, now: number): string {
		const { expiresS, refresher } = readSessionExpires(request);
		if (expiresS <= 0) {
			this.stop();
			return "";
		}
		const isSupported = lists(request, Header.supported, "timer");
		// Choice (RFC 4028 §9): left open, the side that asked refreshes: the device has less to do.
		const who = !isSupported ? "uas" : refresher === "" ? "uac" : refresher;
		const seconds = Math.max(expiresS, MIN_SESSION_EXPIRES_S);
		this.start(seconds, who === "uas", now);
		return `Session-Expires: ${seconds};refresher=${who}\r\n${who === "uac" ? "Require: timer\r\n" : ""}`;
	}

	/** The lines of a request of ours inside the session: the roles stay (RFC 4028 §7.4). */
	lines(): string {
		if (this.expiresS === 0) return "";
		return `Session-Expires: ${this.expiresS};refresher=${this.isRefresher ? "uac" : "uas"}\r\n`;
	}
}

/** RFC 4028 §9: too short an interval for us, from somebody who would understand a 422. */
export function isTooShort(request: SipMessage): boolean {
	const { expiresS } = readSessionExpires(request);
	return expiresS >= 0 && expiresS < MIN_SESSION_EXPIRES_S && lists(request, Header.supported, "timer");
}

/** The interval a 422 asks for, seconds; -1 when it makes no sense. */
export function askedBy(response: SipMessage): number {
	const seconds = readMinExpires(response);
	return seconds >= MIN_SESSION_EXPIRES_S && seconds <= 86_400 ? seconds : -1;
}
