/** What the parts of a device's machine have to say, in order, until it is drained. */
import type { DoorEvent, DoorOutput } from "./types.ts";

/** Bounded by the contract: each input causes a few outputs, and is followed by draining. */
export class Outbox {
	readonly #outputs: DoorOutput[] = [];

	put(output: DoorOutput): void {
		this.#outputs.push(output);
	}

	log(event: DoorEvent, detail = ""): void {
		this.#outputs.push({ type: "log", level: "info", event, detail });
	}

	warn(event: DoorEvent, detail = ""): void {
		this.#outputs.push({ type: "log", level: "warn", event, detail });
	}

	poll(): DoorOutput | undefined {
		return this.#outputs.shift();
	}
}
