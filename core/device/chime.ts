/**
 * The old chime in the hall: pulses of its relay. It needs no network, so a press is heard in the house even when every peer is gone.
 * A coil is never on for longer than a pulse, nor twice without the pause between: a finger that hammers does not burn it.
 */
import type { DeviceSettings } from "../usages/device-settings.ts";
import type { Outbox } from "./outbox.ts";

export class Chime {
	readonly #out: Outbox;
	#isOn = false;
	/** When the coil changes next; `Infinity` while nothing is left to do. */
	#nextAt = Number.POSITIVE_INFINITY;
	#left = 0;
	/** Not on again before. */
	#restsUntil = 0;
	#pulseMs = 0;
	#pauseMs = 0;

	constructor(out: Outbox) {
		this.#out = out;
		out.put({ type: "chime", isOn: false });
	}

	/** Rings, unless it rings already. */
	ring(settings: DeviceSettings, now: number): void {
		if (this.#left > 0 || this.#isOn) return;
		this.#left = settings.chimeCount;
		this.#pulseMs = settings.chimeMs;
		this.#pauseMs = settings.chimePauseMs;
		this.#nextAt = Math.max(now, this.#restsUntil);
		this.expire(now);
	}

	/** No further pulse; one that is on ends at its time. */
	stop(): void {
		this.#left = 0;
		if (!this.#isOn) this.#nextAt = Number.POSITIVE_INFINITY;
	}

	expire(now: number): void {
		if (now < this.#nextAt) return;
		if (this.#isOn) {
			this.#isOn = false;
			this.#restsUntil = now + this.#pauseMs;
			this.#nextAt = this.#left > 0 ? this.#restsUntil : Number.POSITIVE_INFINITY;
		} else {
			this.#isOn = true;
			this.#left--;
			this.#nextAt = now + this.#pulseMs;
		}
		this.#out.put({ type: "chime", isOn: this.#isOn });
	}

	deadline(): number {
		return this.#nextAt;
	}
}
