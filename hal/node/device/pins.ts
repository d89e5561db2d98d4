/** Buttons, lamps and relays of a device on a PC: keys and commands go in, what lights up or pulls is told. */
import type { Pins } from "../../device.ts";

/** What the device did to its pins. */
export type PinEvent =
	| { readonly type: "led"; readonly led: number; readonly level: number }
	| { readonly type: "relay"; readonly isOn: boolean }
	| { readonly type: "chime"; readonly isOn: boolean }
	| { readonly type: "click" };

export class NodePins implements Pins {
	readonly buttons: number;
	readonly #onEvent: (event: PinEvent) => void;
	#onButton: (button: number, isDown: boolean) => void = () => undefined;
	#onContact: (isOpen: boolean) => void = () => undefined;

	/** `onEvent` is called for each change of an output. */
	constructor(buttons: number, onEvent: (event: PinEvent) => void) {
		this.buttons = buttons;
		this.#onEvent = onEvent;
	}

	/** A raw edge of a button. */
	setButton(button: number, isDown: boolean): void {
		if (button >= 0 && button < this.buttons) this.#onButton(button, isDown);
	}

	/** Down for `ms`. */
	press(button: number, ms = 120): void {
		this.setButton(button, true);
		setTimeout(() => this.setButton(button, false), ms);
	}

	setContact(isOpen: boolean): void {
		this.#onContact(isOpen);
	}

	onButton(callback: (button: number, isDown: boolean) => void): void {
		this.#onButton = callback;
	}

	onContact(callback: (isOpen: boolean) => void): boolean {
		this.#onContact = callback;
		return true;
	}

	led(led: number, level: number): void {
		this.#onEvent({ type: "led", led, level });
	}

	relay(isOn: boolean): boolean {
		this.#onEvent({ type: "relay", isOn });
		return true;
	}

	chime(isOn: boolean): boolean {
		this.#onEvent({ type: "chime", isOn });
		return true;
	}

	click(): void {
		this.#onEvent({ type: "click" });
	}
}
