/** What a board is: the numbers of its pins. The files of targets/esp32/boards give one each. */

/** A pin; `isInverted`: active when the level is low. */
export interface Pin {
	readonly pin: number;
	readonly isInverted: boolean;
}

export interface Board {
	readonly name: string;
	/** Bell buttons, the first first. */
	readonly buttons: readonly Pin[];
	readonly contact: Pin | undefined;
	readonly leds: readonly Pin[];
	readonly relay: Pin | undefined;
	readonly chime: Pin | undefined;
	/** A piezo for the click; boards with a loudspeaker have none. */
	readonly buzzer: Pin | undefined;
	readonly hasAudio: boolean;
	/** Room for a second SIP connection (docs/device.md): boards with PSRAM. */
	readonly hasSecondEdge: boolean;
}
