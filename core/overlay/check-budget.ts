/**
 * How many signatures one neighbour may make us check. A check costs a hundred times what it costs to send the octets, and whoever
 * sends them need not be able to sign. Forwarding is not concerned: it checks nothing.
 *
 *   burst ─┐   a check takes 1, one that fails `failedCheckCost`
 *          ▼
 *      [ budget of the link ] ◄── signatureChecksPerS
 *          │ empty: messages for us that come over this link are dropped unchecked, counted; told once a minute
 */
import type { Connection } from "./connections.ts";
import type { NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import { Times } from "./limits.ts";

export class CheckBudget {
	readonly #context: NodeContext;

	constructor(context: NodeContext) {
		this.#context = context;
	}

	/** Takes one check from the link's budget; false when there is none left: the message is dropped. Our own are free. */
	take(from: Connection | undefined, now: number): boolean {
		if (from === undefined) return true;
		const { signatureChecks, signatureChecksPerS } = this.#context.limits;
		const earned = ((now - from.checksAt) * signatureChecksPerS) / 1_000;
		from.checks = Math.min(signatureChecks, from.checks + earned);
		from.checksAt = now;
		if (from.checks >= 1) {
			from.checks--;
			return true;
		}
		this.#context.counters.add(Counter.droppedCheckBudget);
		this.#tell(from, now);
		return false;
	}

	/** A check that was taken has failed: honest nodes send next to nothing of that kind. */
	failed(from: Connection | undefined): void {
		if (from !== undefined) from.checks -= this.#context.limits.failedCheckCost - 1;
	}

	#tell(from: Connection, now: number): void {
		if (now - from.floodToldAt < Times.floodToldMs) return;
		from.floodToldAt = now;
		const reason =
			"more signatures to check than an honest neighbour causes: messages that come over this link are dropped for now";
		this.#context.event({ type: "refused", what: "flood", reason, address: from.address });
	}
}
