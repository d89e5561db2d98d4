/** A doorbell in this process: the device's own code over the HAL of a PC. */
import { join } from "node:path";
import type { LogLevel } from "../../hal/hal.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import { type Microphone, PcAudio } from "../../hal/node/device/audio.ts";
import { NodeDevice } from "../../hal/node/device/device.ts";
import { FileFlash } from "../../hal/node/device/flash.ts";
import { nodeLog } from "../../hal/node/log.ts";
import { nodeMediaCrypto } from "../../hal/node/media-crypto.ts";
import { DeviceUnit } from "../../targets/esp32/unit/device-unit.ts";
import type { DoorbellCommand } from "./commands.ts";
import type { DoorbellEvents, RunningDoorbell } from "./serve.ts";

export interface DoorbellOptions {
	/** Its flash is the directory "flash" in it. */
	readonly state: string;
	readonly pairing?: string;
	readonly microphone: Microphone;
	/** WAV file that is written. */
	readonly speaker?: string;
	/** Our address; found by itself when absent. */
	readonly address?: string;
	readonly secondEdge: boolean;
	readonly logLevel: LogLevel;
}

/** Starts it. */
export function runDoorbell(options: DoorbellOptions, events: DoorbellEvents): RunningDoorbell {
	const { microphone, speaker, pairing, address } = options;
	const audio = new PcAudio({ microphone, ...(speaker === undefined ? {} : { loudspeaker: speaker }) });
	const device = new NodeDevice({
		crypto: { ...nodeCrypto(), ...nodeMediaCrypto() },
		flash: new FileFlash(join(options.state, "flash")),
		log: nodeLog({ level: options.logLevel }),
		audio,
		onPin: (event) => events.onPin(event),
		onRestart: (reason) => events.onRestart(reason),
		...(address === undefined ? {} : { network: { address } }),
	});
	const unit = new DeviceUnit(device, {
		...(pairing === undefined ? {} : { pairing }),
		secondEdge: options.secondEdge,
		onEvent: (event) => events.onUnit(event),
	});
	unit.start();
	return {
		get isNetworkUp() {
			return device.network.isUp;
		},
		command: (command) => carryOut(command, unit, device, events),
		close() {
			unit.stop();
			audio.close();
			device.close();
		},
	};
}

function carryOut(command: DoorbellCommand, unit: DeviceUnit, device: NodeDevice, events: DoorbellEvents): void {
	switch (command.type) {
		case "press":
			device.pins.press(command.button, command.ms);
			return;
		case "contact":
			device.pins.setContact(command.isOpen);
			return;
		case "network":
			device.network.setUp(command.isUp);
			return;
		case "pair":
			unit.pair(command.code);
			return;
		case "hangup":
			unit.hangUp();
			return;
		case "settings":
			unit.refreshSettings();
			return;
		case "status":
			events.onStatus(unit.status());
			return;
		case "quit":
			return;
	}
}
