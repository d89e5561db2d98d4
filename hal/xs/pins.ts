/** Buttons, contact, LEDs, relay, chime: digital pins of ECMA-419. Outputs are off before anything else happens. */
import Digital from "embedded:io/digital";
import type { Pins, Timers } from "../device.ts";
import type { Board, Pin } from "./board.ts";
import type { Guard } from "./guard.ts";

/** LEDs here are on or off: a level from the middle up is on. */
const HALF = 128;
const CLICK_MS = 8;

export class XsPins implements Pins {
	readonly #board: Board;
	readonly #guard: Guard;
	readonly #timers: Timers;
	readonly #inputs: Digital[] = [];
	readonly #leds: (Digital | undefined)[];
	readonly #relay: Digital | undefined;
	readonly #chime: Digital | undefined;
	readonly #buzzer: Digital | undefined;

	constructor(board: Board, guard: Guard, timers: Timers) {
		this.#board = board;
		this.#guard = guard;
		this.#timers = timers;
		// First of all: a floating pin must not open a door.
		this.#relay = this.#output(board.relay);
		this.#chime = this.#output(board.chime);
		this.#buzzer = this.#output(board.buzzer);
		this.#leds = board.leds.map((led) => this.#output(led));
	}

	get buttons(): number {
		return this.#board.buttons.length;
	}

	onButton(callback: (button: number, isDown: boolean) => void): void {
		this.#board.buttons.forEach((pin, button) => {
			this.#input(pin, (isActive) => callback(button, isActive));
		});
	}

	onContact(callback: (isOpen: boolean) => void): boolean {
		const { contact } = this.#board;
		return contact !== undefined && this.#input(contact, callback);
	}

	led(led: number, level: number): void {
		this.#write(this.#leds[led], this.#board.leds[led], level >= HALF);
	}

	relay(isOn: boolean): boolean {
		return this.#write(this.#relay, this.#board.relay, isOn);
	}

	chime(isOn: boolean): boolean {
		return this.#write(this.#chime, this.#board.chime, isOn);
	}

	click(): void {
		if (this.#buzzer === undefined) return;
		this.#write(this.#buzzer, this.#board.buzzer, true);
		this.#timers.set(() => this.#write(this.#buzzer, this.#board.buzzer, false), CLICK_MS);
	}

	#input(pin: Pin, callback: (isActive: boolean) => void): boolean {
		try {
			const guard = this.#guard;
			const input = new Digital({
				pin: pin.pin,
				mode: pin.isInverted ? Digital.InputPullUp : Digital.InputPullDown,
				edge: Digital.Rising | Digital.Falling,
				onReadable() {
					guard.run("pin", () => callback((this.read() === 1) !== pin.isInverted));
				},
			});
			// Held, or the collector would take the pin away.
			this.#inputs.push(input);
			return true;
		} catch (error) {
			this.#guard.caught(`pin ${pin.pin}`, error);
			return false;
		}
	}

	#output(pin: Pin | undefined): Digital | undefined {
		if (pin === undefined) return undefined;
		try {
			const output = new Digital({ pin: pin.pin, mode: Digital.Output });
			output.write(pin.isInverted ? 1 : 0);
			return output;
		} catch (error) {
			this.#guard.caught(`pin ${pin.pin}`, error);
			return undefined;
		}
	}

	#write(output: Digital | undefined, pin: Pin | undefined, isOn: boolean): boolean {
		if (output === undefined || pin === undefined) return false;
		try {
			output.write(isOn !== pin.isInverted ? 1 : 0);
			return true;
		} catch (error) {
			this.#guard.caught(`pin ${pin.pin}`, error);
			return false;
		}
	}
}
