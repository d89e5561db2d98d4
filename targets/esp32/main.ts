/**
 * The program of the device: makes the machine's parts (hal/xs), gives them to DeviceUnit, keeps the network up. What it is told at build
 * time is in `mc/config`; the board is chosen by the build.
 */
import config from "mc/config";
import { board } from "ringlet/board";
import { DeviceUnit } from "ringlet/core";
import { XsDevice } from "ringlet/hal";
import { keepNetwork } from "ringlet/network";
import "system";

/** What the build says, in mc/config. */
interface Settings {
	/** The URL of `ringlet device add`; used while the device is not paired. */
	readonly pairing?: string;
	/** A time server; not `sntp`, which the SDK's own setup would wait for. */
	readonly timeServer?: string;
	readonly log?: "debug" | "info" | "warn" | "error";
	/** Keeps a second SIP connection warm; what is not said is as the board can. */
	readonly secondEdge?: boolean;
	/** Name of the storage, when a PC runs several devices. */
	readonly storage?: string;
}

/** The unit is asked for a sign of life this often; without one for three times as long it starts anew. */
const PULSE_MS = 30_000;

/** Names on the global object: who listens (a PC; a board prints its log), and XS's hook for what nobody caught. */
interface Global {
	ringletEvent?: (event: unknown) => void;
	ringletStarted?: (unit: DeviceUnit) => void;
	abort?: (reason: string, error?: unknown) => boolean;
}

export default function main(): void {
	const settings = config as Settings;
	const global = globalThis as Global;
	const hal = new XsDevice({
		board,
		logLevel: settings.log ?? "info",
		storage: settings.storage ?? "ringlet",
		sntp: settings.timeServer,
		restart: () => System.restart(),
		onClock: () => unit.setClock(),
	});
	// What nobody caught: told and gone on, except with damaged memory, which only a new start mends.
	global.abort = (reason, error) => {
		if (reason !== "unhandled exception" && reason !== "unhandled rejection") return true;
		hal.guard.caught(reason, error);
		return false;
	};
	const unit: DeviceUnit = new DeviceUnit(hal, {
		...(settings.pairing === undefined ? {} : { pairing: settings.pairing }),
		secondEdge: settings.secondEdge ?? board.hasSecondEdge,
		onEvent: (event) => global.ringletEvent?.(event),
	});
	keepNetwork(hal);
	unit.start();
	global.ringletStarted?.(unit);
	const alive = hal.supervisor.watch({
		name: "unit",
		silenceMs: 3 * PULSE_MS,
		revive() {
			unit.stop();
			unit.start();
		},
	});
	pulse();

	/** A sign of life of the unit: its state can be asked, and its timers run. */
	function pulse(): void {
		if (unit.status().state !== "stopped") alive();
		hal.timers.set(pulse, PULSE_MS);
	}
}
