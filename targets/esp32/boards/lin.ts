/** No board: the program on a PC, in the Moddable simulator's console build or in the XS worker, where the host has the pins. */
import type { Board } from "../../../hal/xs/board.ts";

export const board: Board = Object.freeze({
	name: "lin",
	buttons: [
		{ pin: 0, isInverted: false },
		{ pin: 1, isInverted: false },
		{ pin: 2, isInverted: false },
		{ pin: 3, isInverted: false },
	],
	contact: { pin: 4, isInverted: false },
	leds: [{ pin: 5, isInverted: false }],
	relay: { pin: 6, isInverted: false },
	chime: { pin: 7, isInverted: false },
	buzzer: { pin: 8, isInverted: false },
	hasAudio: true,
	hasSecondEdge: true,
});
