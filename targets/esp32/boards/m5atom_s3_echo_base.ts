/** M5 Atom S3 on its Echo base: button, microphone and loudspeaker on one small board; relay and chime on the Grove port. */
import type { Board } from "../../../hal/xs/board.ts";

export const board: Board = Object.freeze({
	name: "m5atom_s3_echo_base",
	buttons: [{ pin: 41, isInverted: true }],
	contact: undefined,
	leds: [],
	relay: { pin: 1, isInverted: false },
	chime: { pin: 2, isInverted: false },
	buzzer: undefined,
	hasAudio: true,
	hasSecondEdge: false,
});
