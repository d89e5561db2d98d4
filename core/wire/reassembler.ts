/**
 * Putting fragments together at the destination (RFC 6940 §6.7). Bounded in messages, pieces, octets and time;
 * nothing is sized by an offset or length of the wire, only by octets that came.
 */
import { type Refused, refuse } from "../machine.ts";
import { LAST_FRAGMENT_BIT, LENGTH_OFFSET, UNFRAGMENTED } from "./forwarding.ts";
import type { ForwardingView } from "./forwarding-view.ts";
import {
	REASSEMBLY_MESSAGE_OCTETS,
	REASSEMBLY_MESSAGES,
	REASSEMBLY_MS,
	REASSEMBLY_OCTETS,
	REASSEMBLY_PIECES,
} from "./limits.ts";

const FRAGMENT_OFFSET = 12;

interface Piece {
	readonly offset: number;
	readonly octets: Uint8Array;
}

interface Incomplete {
	readonly idHigh: number;
	readonly idLow: number;
	readonly giveUpAt: number;
	/** Forwarding header of the first fragment that came. */
	readonly header: Uint8Array;
	/** In order of offset, without overlap. */
	readonly pieces: Piece[];
	/** Octets of all pieces. */
	payload: number;
	/** Payload octets of the whole message, once its last fragment came; else -1. */
	end: number;
}

/** What may be given to a Reassembler in place of the defaults of `limits.ts`. */
export interface ReassemblyLimits {
	readonly messages?: number;
	readonly octets?: number;
	readonly messageOctets?: number;
	readonly pieces?: number;
}

export class Reassembler {
	readonly #messages: number;
	readonly #octets: number;
	readonly #messageOctets: number;
	readonly #pieces: number;
	readonly #partials: Incomplete[] = [];
	#held = 0;

	constructor(limits: ReassemblyLimits = {}) {
		this.#messages = limits.messages ?? REASSEMBLY_MESSAGES;
		this.#octets = limits.octets ?? REASSEMBLY_OCTETS;
		this.#messageOctets = limits.messageOctets ?? REASSEMBLY_MESSAGE_OCTETS;
		this.#pieces = limits.pieces ?? REASSEMBLY_PIECES;
	}

	/** Messages that wait for more fragments. */
	get waiting(): number {
		return this.#partials.length;
	}

	/** Octets held for them. */
	get held(): number {
		return this.#held;
	}

	/** When `expire` is due; Infinity when nothing waits. */
	deadline(): number {
		let earliest = Infinity;
		for (let i = 0; i < this.#partials.length; i++) {
			if (this.#partials[i]!.giveUpAt < earliest) earliest = this.#partials[i]!.giveUpAt;
		}
		return earliest;
	}

	/** Throws away what has waited 15 s; how many messages that were. */
	expire(now: number): number {
		let count = 0;
		for (let i = this.#partials.length - 1; i >= 0; i--) {
			if (this.#partials[i]!.giveUpAt > now) continue;
			this.#drop(i);
			count++;
		}
		return count;
	}

	/**
	 * Takes a message or fragment that arrived at its destination; `view` has looked at it. The whole message when it is complete
	 * (a message that was never cut is given back as it is), `undefined` while fragments are missing, or why it was dropped.
	 */
	offer(view: ForwardingView, now: number): Uint8Array | Refused | undefined {
		if (view.isWhole) return view.bytes;
		this.expire(now);
		const payload = view.payload();
		const start = view.fragmentOffset;
		const end = start + payload.length;
		if (payload.length === 0) return refuse("fragment without payload", FRAGMENT_OFFSET);
		const index = this.#indexOf(view, now);
		if (index < 0) return refuse("no room for another message under reassembly", FRAGMENT_OFFSET);
		const partial = this.#partials[index]!;
		if (end + view.payloadOffset > this.#messageOctets) return this.#kill(index, "reassembled message too large");
		const isLast = (view.fragment & LAST_FRAGMENT_BIT) !== 0;
		if (isLast) {
			if (partial.end >= 0 && partial.end !== end) return this.#kill(index, "fragments disagree about the length");
			partial.end = end;
		}
		const last = partial.pieces[partial.pieces.length - 1];
		const reach = last === undefined || last.offset + last.octets.length < end ? end : last.offset + last.octets.length;
		if (partial.end >= 0 && reach > partial.end) return this.#kill(index, "fragment beyond the last one");
		const fault = this.#insert(partial, start, payload);
		if (fault !== "") return this.#kill(index, fault);
		if (partial.payload !== partial.end) return undefined;
		this.#drop(index);
		return assemble(partial);
	}

	/** Index of the message this fragment belongs to, begun if it is new; -1 when no more can wait. */
	#indexOf(view: ForwardingView, now: number): number {
		for (let i = 0; i < this.#partials.length; i++) {
			const partial = this.#partials[i]!;
			if (partial.idHigh === view.transactionIdHigh && partial.idLow === view.transactionIdLow) return i;
		}
		if (this.#partials.length >= this.#messages) return -1;
		if (this.#held + view.payloadOffset > this.#octets) return -1;
		const header = view.bytes.slice(0, view.payloadOffset);
		this.#held += header.length;
		const giveUpAt = now + REASSEMBLY_MS;
		const { transactionIdHigh: idHigh, transactionIdLow: idLow } = view;
		return this.#partials.push({ idHigh, idLow, giveUpAt, header, pieces: [], payload: 0, end: -1 }) - 1;
	}

	/** Adds the octets that were not there yet; a reason to drop the message, or "". */
	#insert(partial: Incomplete, start: number, payload: Uint8Array): string {
		const { pieces } = partial;
		let done = 0;
		let i = 0;
		while (i < pieces.length && done < payload.length) {
			const piece = pieces[i]!;
			const from = piece.offset - start;
			const to = from + piece.octets.length;
			if (to > done) {
				if (from > done) {
					if (!this.#put(partial, i, start, payload, done, Math.min(from, payload.length)))
						return "no room for fragments";
					done = Math.min(from, payload.length);
					i++;
				}
				const shared = Math.min(to, payload.length);
				// [D-9]: octets that overlap and differ drop all pieces.
				for (; done < shared; done++)
					if (payload[done] !== piece.octets[done - from]) return "fragments overlap and differ";
			}
			i++;
		}
		if (done < payload.length && !this.#put(partial, i, start, payload, done, payload.length))
			return "no room for fragments";
		return "";
	}

	#put(partial: Incomplete, i: number, start: number, payload: Uint8Array, from: number, to: number): boolean {
		if (partial.pieces.length >= this.#pieces || this.#held + to - from > this.#octets) return false;
		partial.pieces.splice(i, 0, { offset: start + from, octets: payload.slice(from, to) });
		partial.payload += to - from;
		this.#held += to - from;
		return true;
	}

	#kill(index: number, reason: string): Refused {
		this.#drop(index);
		return refuse(reason, FRAGMENT_OFFSET);
	}

	#drop(index: number): void {
		const partial = this.#partials[index]!;
		this.#held -= partial.header.length + partial.payload;
		this.#partials.splice(index, 1);
	}
}

/** The message of all pieces: fragment = 0xC0000000 and the total length, under the header of its first fragment. */
function assemble(partial: Incomplete): Uint8Array {
	const message = new Uint8Array(partial.header.length + partial.payload);
	message.set(partial.header);
	for (let i = 0; i < partial.pieces.length; i++) {
		message.set(partial.pieces[i]!.octets, partial.header.length + partial.pieces[i]!.offset);
	}
	const head = new DataView(message.buffer);
	head.setUint32(FRAGMENT_OFFSET, UNFRAGMENTED);
	head.setUint32(LENGTH_OFFSET, message.length);
	return message;
}
