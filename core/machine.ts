/**
 * The contract every state machine of the core obeys: one way in, drain what comes out, sleep until the deadline.
 *
 * A machine opens no socket, reads no clock and draws no randomness; `now` is monotonic milliseconds. Output is a value,
 * never a callback, so nothing re-enters. Whoever drives a machine calls `handle`, then `poll` until it is `undefined`,
 * then waits for the next input or for `deadline()`, at which it calls `handle({ type: "timeout" }, now)`.
 */
export interface Machine<In, Out> {
	/** The only way in. */
	handle(input: In, now: number): void;
	/** The next output, or `undefined` when there is none; drain before the next `handle`. */
	poll(): Out | undefined;
	/** The time at which `{ type: "timeout" }` is due; `Infinity` when the machine waits for input only. */
	deadline(): number;
}

/** What a reader or a check returns instead of throwing: why the input is not accepted, and where. */
export interface Refused {
	/** One line in the RFC's words. */
	readonly refused: string;
	/** Octet offset of the fault in the input, where one can be named; else -1. */
	readonly at: number;
}

/** A refusal, as a value. */
export function refuse(refused: string, at = -1): Refused {
	return { refused, at };
}

/** Tells a refusal from a result. */
export function isRefused<T extends object>(result: T | Refused): result is Refused {
	return "refused" in result;
}
