/** A plain ESP32 (DevKitC, NodeMCU) without PSRAM: bell, relay, chime, microphone and loudspeaker on I2S. docs/device.md has the wiring. */
import type { Board } from "../../../hal/xs/board.ts";

export const board: Board = Object.freeze({
	name: "esp32",
	buttons: [
		{ pin: 32, isInverted: true },
		{ pin: 33, isInverted: true },
	],
	contact: { pin: 27, isInverted: false },
	leds: [{ pin: 2, isInverted: false }],
	relay: { pin: 23, isInverted: false },
	chime: { pin: 22, isInverted: false },
	buzzer: { pin: 21, isInverted: false },
	hasAudio: true,
	hasSecondEdge: false,
});
