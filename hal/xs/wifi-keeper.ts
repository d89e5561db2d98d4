/**
 * Keeps a station joined: joins, waits for an address, joins again when it is lost or does not come, with growing pauses, for ever. Nothing
 * native in here.
 *
 * ```
 *   idle --start--> joining --address--> joined --lost--> pausing --pause over--> joining
 *                      '--no address in time-----------------^
 * ```
 */
import type { TimerHandle, Timers } from "../device.ts";
import { BackOff } from "./back-off.ts";
import { WIFI_JOIN_MS, WIFI_RETRY_FIRST_MS, WIFI_RETRY_LAST_MS } from "./limits.ts";

/** As much of ECMA-419's network interface as is used. */
export interface Station {
	/** Asks the interface to join; may throw when it is busy. */
	join(): void;
	leave(): void;
	/** The address, when there is one. */
	readonly address: string | undefined;
}

export class WifiKeeper {
	readonly #station: Station;
	readonly #timers: Timers;
	readonly #pauses: BackOff;
	readonly #onAddress: (address: string | undefined) => void;
	readonly #onTrouble: (what: string) => void;
	#timer: TimerHandle | undefined;
	#address: string | undefined;

	constructor(
		station: Station,
		timers: Timers,
		random: () => number,
		onAddress: (address: string | undefined) => void,
		onTrouble: (what: string) => void,
	) {
		this.#station = station;
		this.#timers = timers;
		this.#pauses = new BackOff(WIFI_RETRY_FIRST_MS, WIFI_RETRY_LAST_MS, random);
		this.#onAddress = onAddress;
		this.#onTrouble = onTrouble;
	}

	get address(): string | undefined {
		return this.#address;
	}

	start(): void {
		this.#join();
	}

	/** The interface's: something about the connection changed. */
	changed(): void {
		const address = this.#station.address;
		if (address === this.#address) return;
		this.#address = address;
		if (address === undefined) {
			this.#onTrouble("lost");
			this.#pause();
		} else {
			this.#pauses.reset();
			this.#wait(undefined, 0);
		}
		this.#onAddress(address);
	}

	#join(): void {
		this.#wait(() => this.#tooLong(), WIFI_JOIN_MS);
		try {
			this.#station.join();
		} catch (error) {
			this.#onTrouble(String(error));
			this.#pause();
		}
	}

	#tooLong(): void {
		// An address may have come without a word.
		if (this.#station.address !== undefined) {
			this.changed();
			return;
		}
		this.#onTrouble("no address in time");
		try {
			this.#station.leave();
		} catch (error) {
			this.#onTrouble(String(error));
		}
		this.#pause();
	}

	#pause(): void {
		this.#wait(() => this.#join(), this.#pauses.next());
	}

	#wait(then: (() => void) | undefined, ms: number): void {
		if (this.#timer !== undefined) this.#timers.clear(this.#timer);
		this.#timer = then === undefined ? undefined : this.#timers.set(then, ms);
	}
}
