/** Links whose acks wait for a message to travel with (core/link, `ackHoldMs`). All wait equally long, so the first is due first. */
import type { Connection } from "./connections.ts";

export class HeldLinks {
	#held: Connection[] = [];
	#until = Infinity;

	/** When the first of them is due; Infinity: there are none. */
	get until(): number {
		return this.#until;
	}

	/** A link was polled, or is gone. */
	note(connection: Connection): void {
		const isHeld = connection.stream.heldUntil !== Infinity;
		const at = this.#held.indexOf(connection);
		if (isHeld === at >= 0) return;
		if (isHeld) this.#held.push(connection);
		else this.#held.splice(at, 1);
		this.#until = this.#held[0]?.stream.heldUntil ?? Infinity;
	}

	/** Lets go what is due; `go` is told of each, and polls it later. */
	release(now: number, go: (connection: Connection) => void): void {
		for (let i = 0; i < this.#held.length; i++) {
			const connection = this.#held[i]!;
			if (connection.stream.heldUntil > now) return;
			connection.stream.handle({ type: "timeout" }, now);
			go(connection);
		}
	}
}
