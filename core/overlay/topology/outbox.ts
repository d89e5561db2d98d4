/**
 * What a plug-in has to say, in order, and which of its own requests are still waiting for a result. The parts of a plug-in share
 * one outbox; each tells by the `purpose` what a result is for, so that nothing is called back.
 */
import type { MessageExtension } from "../../wire/contents.ts";
import type { Destination } from "../../wire/destination.ts";
import { PENDING_REQUESTS } from "./limits.ts";
import type { TopologyOutput } from "./plugin.ts";

/** Why a request was made. `id`: the Node-ID it is about. */
export type Purpose =
	/** An Update; its failure is a failure of the peer (RFC 6940 §10.7.1). */
	| { readonly kind: "update"; readonly id: Uint8Array }
	/** An Attach to a peer that belongs into our Neighbour Table. */
	| { readonly kind: "candidate"; readonly id: Uint8Array }
	| { readonly kind: "leave"; readonly id: Uint8Array }
	/** A RouteQuery that asks a linked node for its Update. */
	| { readonly kind: "ask"; readonly id: Uint8Array }
	/** Joining: the Attach to n + 1, those to the fingers, the Join. `attempt` tells late results from current ones. */
	| { readonly kind: "findAdmitting" | "joinFinger" | "join"; readonly attempt: number }
	/** Finger search: the Ping into the range of `entry`, and the Attach to who answered. */
	| { readonly kind: "fingerPing"; readonly entry: number }
	| { readonly kind: "fingerAttach"; readonly entry: number; readonly id: Uint8Array }
	/** Partition check: the Ping through `via`, then Attach, then (all successors lost) Join. */
	| { readonly kind: "partitionPing" | "partitionAttach" | "partitionJoin"; readonly id: Uint8Array }
	/** RFC 7363: Probe for uptime and estimates. */
	| { readonly kind: "probe"; readonly id: Uint8Array };

export class Outbox {
	#queue: TopologyOutput[] = [];
	#head = 0;
	#lastToken = 0;
	readonly #pending = new Map<number, Purpose>();

	/** The next output, in the order in which they were put in. */
	poll(): TopologyOutput | undefined {
		const output = this.#queue[this.#head];
		if (output === undefined) {
			if (this.#head > 0) this.#queue = [];
			this.#head = 0;
			return undefined;
		}
		this.#head++;
		return output;
	}

	push(output: TopologyOutput): void {
		this.#queue.push(output);
	}

	/** Sends a request. False (and nothing sent) when PENDING_REQUESTS are waiting. */
	send(
		purpose: Purpose,
		code: number,
		destination: readonly Destination[],
		body: Uint8Array,
		extensions?: readonly MessageExtension[],
	): boolean {
		const token = this.#token(purpose);
		if (token === 0) return false;
		this.push(
			extensions === undefined
				? { type: "send", token, code, destination, body }
				: { type: "send", token, code, destination, body, extensions },
		);
		return true;
	}

	/** Asks for a link, and for an Update of who is at its other end. */
	attach(purpose: Purpose, destination: readonly Destination[]): boolean {
		const token = this.#token(purpose);
		if (token === 0) return false;
		this.push({ type: "attach", token, destination, sendUpdate: true });
		return true;
	}

	/** What the result with this token is for; once. */
	settle(token: number): Purpose | undefined {
		const purpose = this.#pending.get(token);
		this.#pending.delete(token);
		return purpose;
	}

	#token(purpose: Purpose): number {
		if (this.#pending.size >= PENDING_REQUESTS) return 0;
		this.#lastToken++;
		this.#pending.set(this.#lastToken, purpose);
		return this.#lastToken;
	}
}
