/** The times of one talk: its limit with a warning before, and the privacy tone of a microphone that was opened from inside. */
import { PRIVACY_MS, WARNING_MS } from "./limits.ts";
import type { DigitWay } from "./types.ts";

/** What is due in a talk. */
export type TalkNews = "none" | "privacy" | "warning" | "limit";

export class Talk {
	/** 0: nobody talks. */
	call = 0;
	/** AOR of the other end, "" when unknown. */
	who = "";
	/** Digits may come both ways at once; the first way of a call is the one that counts. */
	#way: DigitWay | undefined;
	#warnAt = Number.POSITIVE_INFINITY;
	#endsAt = Number.POSITIVE_INFINITY;
	#privacyAt = Number.POSITIVE_INFINITY;

	/** Begins. `isFromInside`: nobody at the door asked for it, so the privacy tone is due at once. */
	start(call: number, who: string, isFromInside: boolean, limitMs: number, now: number): void {
		this.call = call;
		this.who = who;
		this.#way = undefined;
		this.#privacyAt = isFromInside ? now : Number.POSITIVE_INFINITY;
		this.prolong(limitMs, now);
	}

	/** The whole time again. */
	prolong(limitMs: number, now: number): void {
		this.#endsAt = now + limitMs;
		this.#warnAt = now + limitMs - WARNING_MS;
	}

	/** False for a digit that came by the other way as well. */
	hears(way: DigitWay): boolean {
		this.#way ??= way;
		return this.#way === way;
	}

	end(): void {
		this.call = 0;
		this.who = "";
		this.#warnAt = Number.POSITIVE_INFINITY;
		this.#endsAt = Number.POSITIVE_INFINITY;
		this.#privacyAt = Number.POSITIVE_INFINITY;
	}

	/** Call until "none". */
	expire(now: number): TalkNews {
		if (now >= this.#endsAt) return "limit";
		if (now >= this.#privacyAt) {
			this.#privacyAt = now + PRIVACY_MS;
			return "privacy";
		}
		if (now < this.#warnAt) return "none";
		this.#warnAt = Number.POSITIVE_INFINITY;
		return "warning";
	}

	deadline(): number {
		return Math.min(this.#warnAt, this.#endsAt, this.#privacyAt);
	}
}
