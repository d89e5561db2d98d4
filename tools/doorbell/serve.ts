/** A doorbell on the terminal, or as lines of JSON; whatever engine it runs in. */
import { createInterface } from "node:readline";
import type { PinEvent } from "../../hal/node/device/pins.ts";
import type { UnitEvent, UnitStatus } from "../../targets/esp32/unit/types.ts";
import { UserError } from "../../targets/pi/state/errors.ts";
import { type DoorbellCommand, readCommand } from "./commands.ts";
import { commandOfKey, KEYS, LedLine, lineOf } from "./keys.ts";

/** A doorbell that runs. */
export interface RunningDoorbell {
	readonly isNetworkUp: boolean;
	/** All but `quit`, which is the caller's. */
	command(command: DoorbellCommand): void;
	close(): void;
}

/** What a doorbell tells. */
export interface DoorbellEvents {
	onUnit(event: UnitEvent): void;
	onPin(event: PinEvent): void;
	onStatus(status: UnitStatus): void;
	/** The device wants to start anew. */
	onRestart(reason: string): void;
}

export type StartDoorbell = (events: DoorbellEvents) => RunningDoorbell;

/** Runs until `quit`, the end of stdin (JSON), SIGINT or SIGTERM. */
export async function serveDoorbell(start: StartDoorbell, isJson: boolean): Promise<void> {
	await (isJson ? runJson(start) : runTerminal(start));
}

/** Events as lines of JSON, commands as lines on stdin. */
async function runJson(start: StartDoorbell): Promise<void> {
	const say = (value: object): void => void process.stdout.write(`${JSON.stringify({ at: Date.now(), ...value })}\n`);
	await serve(
		(again) =>
			start({
				onUnit: ({ type, ...event }) => say({ event: type, ...event }),
				onPin: (event) => {
					// The rhythm of the LED is its pattern's matter.
					if (event.type !== "led") say({ pin: event.type, ...("isOn" in event && { isOn: event.isOn }) });
				},
				onStatus: (status) => say({ status }),
				onRestart: (reason) => {
					say({ event: "restart", reason });
					again();
				},
			}),
		(command, quit) => {
			say({ event: "ready", pid: process.pid });
			const lines = createInterface({ input: process.stdin });
			lines.on("line", (line) => {
				if (line.trim() === "") return;
				const read = readCommand(line);
				if (typeof read === "string") say({ error: read });
				else command(read);
			});
			lines.on("close", quit);
			return () => {
				lines.removeAllListeners();
				lines.close();
				// An open pipe would keep the process alive.
				process.stdin.destroy();
			};
		},
	);
}

/** Keys and a lamp. */
async function runTerminal(start: StartDoorbell): Promise<void> {
	if (process.stdin.isTTY !== true) throw new UserError("this is no terminal", "use --json in scripts");
	const led = new LedLine();
	let running: RunningDoorbell | undefined;
	process.stdout.write(`${KEYS}\n`);
	await serve(
		(again) => {
			running = start({
				onUnit: (event) => {
					if (event.type === "led") led.pattern(event.pattern);
					const line = lineOf(event);
					if (line !== "") led.say(line);
				},
				onPin: (event) => led.pin(event),
				onStatus: (status) => led.say(JSON.stringify(status)),
				onRestart: (reason) => {
					led.say(`starts anew: ${reason}`);
					again();
				},
			});
			return running;
		},
		(command) => {
			const onKey = (key: Buffer): void => {
				const read = commandOfKey(key.toString("latin1"), running?.isNetworkUp ?? true);
				if (read !== undefined) command(read);
			};
			process.stdin.setRawMode(true);
			process.stdin.on("data", onKey);
			return () => {
				process.stdin.setRawMode(false);
				process.stdin.off("data", onKey);
				process.stdin.pause();
				process.stdout.write("\n");
			};
		},
	);
}

/** Runs until `quit`, SIGINT or SIGTERM; a device that starts anew is made anew. */
async function serve(
	start: (again: () => void) => RunningDoorbell,
	listen: (command: (command: DoorbellCommand) => void, quit: () => void) => () => void,
): Promise<void> {
	await new Promise<void>((resolve) => {
		let running: RunningDoorbell;
		const begin = (): void => {
			running = start(() => setImmediate(begin));
		};
		const quit = (): void => {
			stopListening();
			running.close();
			process.off("SIGINT", quit);
			process.off("SIGTERM", quit);
			resolve();
		};
		process.on("SIGINT", quit);
		process.on("SIGTERM", quit);
		begin();
		const stopListening = listen((command) => {
			if (command.type === "quit") quit();
			else running.command(command);
		}, quit);
	});
}
