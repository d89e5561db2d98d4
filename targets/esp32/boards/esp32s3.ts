/** An ESP32-S3 with PSRAM: intercom with up to four buttons. docs/device.md has the wiring. */
import type { Board } from "../../../hal/xs/board.ts";

export const board: Board = Object.freeze({
	name: "esp32s3",
	buttons: [
		{ pin: 4, isInverted: true },
		{ pin: 5, isInverted: true },
		{ pin: 6, isInverted: true },
		{ pin: 7, isInverted: true },
	],
	contact: { pin: 8, isInverted: false },
	leds: [{ pin: 9, isInverted: false }],
	relay: { pin: 10, isInverted: false },
	chime: { pin: 11, isInverted: false },
	buzzer: undefined,
	hasAudio: true,
	hasSecondEdge: true,
});
