/** The terminal as a door: keys go in, LED, relay and state are drawn on one line. */
import type { PinEvent } from "../../hal/node/device/pins.ts";
import type { UnitEvent } from "../../targets/esp32/unit/types.ts";
import { bold, dim, green, red, yellow } from "../cli/output.ts";
import { type DoorbellCommand, PRESS_MS } from "./commands.ts";

export const KEYS =
	"space: press   1-9: other buttons   h: hang up   o/c: door opens/closes   n: network off/on   q: quit";

const CTRL_C = "\u0003";

/** What a key does. `isUp`: the network now. */
export function commandOfKey(key: string, isUp: boolean): DoorbellCommand | undefined {
	if (key === " ") return { type: "press", button: 0, ms: PRESS_MS };
	if (key >= "1" && key <= "9") return { type: "press", button: Number(key), ms: PRESS_MS };
	switch (key) {
		case "h":
			return { type: "hangup" };
		case "o":
			return { type: "contact", isOpen: true };
		case "c":
			return { type: "contact", isOpen: false };
		case "n":
			return { type: "network", isUp: !isUp };
		case "s":
			return { type: "status" };
		case "q":
		case CTRL_C:
			return { type: "quit" };
		default:
			return undefined;
	}
}

/** One line for people; empty: nothing worth a line. */
export function lineOf(event: UnitEvent): string {
	switch (event.type) {
		case "state":
			return bold(event.state === "online" ? green(event.state) : yellow(event.state));
		case "paired":
			return green(`paired as ${event.user}`);
		case "pairingFailed":
			return red(`pairing: ${event.reason}`);
		case "joined":
			return dim(`peer ${event.peer.slice(0, 8)}`);
		case "isolated":
			return yellow("no peer");
		case "registered":
			return dim("registered");
		case "edge":
			return dim(`edge ${event.peer.slice(0, 8)} ${event.isUp ? "up" : "down"}`);
		case "call":
			return `call ${event.call}: ${event.state}${event.status > 0 ? ` ${event.status}` : ""}`;
		case "digit":
			return `digit ${event.digit}`;
		case "relay":
			return event.isOn ? bold(green("door released")) : dim("door closed");
		case "chime":
			return event.isOn ? "chime" : "";
		case "release":
			return `release by ${event.release.who || "somebody"} (${event.release.how})`;
		case "settings":
			return dim(`settings ${event.revision}`);
		default:
			return "";
	}
}

/** The LED of the door, drawn in place. */
export class LedLine {
	#level = 0;
	#pattern = "";

	pin(event: PinEvent): void {
		if (event.type !== "led") return;
		this.#level = event.level;
		this.draw();
	}

	pattern(pattern: string): void {
		this.#pattern = pattern;
		this.draw();
	}

	/** A line above the LED. */
	say(line: string): void {
		process.stdout.write(`\r\u001b[K${line}\n`);
		this.draw();
	}

	draw(): void {
		const lamp = this.#level > 128 ? yellow("●") : this.#level > 0 ? dim("●") : dim("○");
		process.stdout.write(`\r\u001b[K${lamp} ${this.#pattern} `);
	}
}
