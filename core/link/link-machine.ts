/**
 * What a link is to its owner, whatever carries it. `Link` (link.ts) is the one over a reliable octet stream (RFC 6940 §6.6.5);
 * a link over DTLS with simple reliability (§6.6.3.1) has the same inputs, outputs and methods.
 */
import type { Machine } from "../machine.ts";

/** Why a link closed, in words for logs; the table is complete for what the link itself decides. */
export const CloseReason = Object.freeze({
	/** A frame that is neither data nor ack, or a length no message has: where the next frame begins is unknown. */
	framingLost: "framing lost",
	/** RFC 6940 §6.6: above max-message-size. */
	messageTooLarge: "message too large",
	/** No acknowledgement for the suspect time and the dead time. */
	unacknowledged: "no acknowledgements",
} as const);
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason];

export type LinkInput =
	/** Octets from the transport, split and joined anyhow. The link keeps no reference after they are drained. */
	| { readonly type: "bytes"; readonly bytes: Uint8Array }
	/** Octets have left the host's send buffer; `buffered` of those handed out are still in it (0 when absent: it is empty). */
	| { readonly type: "drained"; readonly buffered?: number }
	| { readonly type: "timeout" }
	/** The transport has ended; nothing comes out any more. */
	| { readonly type: "ended" };

export type LinkOutput =
	/** One RELOAD message; a view that is valid until the next `handle`. Not given to who pulls with `next`. */
	| { readonly type: "message"; readonly bytes: Uint8Array }
	/**
	 * A message above max-message-size arrives. `head`: its forwarding header, complete; the owner answers
	 * Error_Message_Too_Large with `sendMessage` before it polls on. `close` follows by itself.
	 */
	| { readonly type: "tooLarge"; readonly head: Uint8Array }
	/** Out of the routing table until `ok`. `unacknowledgedMs`: how long nothing was acknowledged. */
	| { readonly type: "suspect"; readonly unacknowledgedMs: number }
	/** Acks have resumed. */
	| { readonly type: "ok" }
	/** Nothing came for linkIdleMs: send a Ping to the neighbour, whose ack shows that it lives. */
	| { readonly type: "idle" }
	/** Given up; `close` follows. */
	| { readonly type: "dead" }
	/** Everything to be sent, frames and acks joined; the octets are never changed afterwards. */
	| { readonly type: "transmit"; readonly bytes: Uint8Array }
	/** Close the transport after what was transmitted. The last output. */
	| { readonly type: "close"; readonly reason: CloseReason };

/** Totals since the link began. A link over a stream retransmits nothing. */
export interface LinkCounters {
	dataIn: number;
	dataOut: number;
	acksIn: number;
	acksOut: number;
	octetsIn: number;
	octetsOut: number;
	/** Acks not sent because the output buffer was full. */
	acksDropped: number;
	/** Acks of frames that were not outstanding. */
	acksStray: number;
	/** Messages refused by `sendMessage` or `reserve`. */
	refused: number;
	/** How often the link became suspect. */
	suspects: number;
}

/** The timers a link needs; a `TimerProfile` fits. Milliseconds. */
export interface LinkTimers {
	readonly linkIdleMs: number;
	readonly linkSuspectMs: number;
	readonly linkDeadMs: number;
	/** How long an ack waits for a message to travel with; at once when absent. */
	readonly ackHoldMs?: number | undefined;
}

export interface LinkMachine extends Machine<LinkInput, LinkOutput> {
	/** Moves to the next message received, processing acks on the way. False when all octets given are used up. */
	next(): boolean;
	/** After `next`: the octets that hold the message, and where it lies in them. Valid until the next `handle`. */
	readonly chunk: Uint8Array;
	readonly messageAt: number;
	readonly messageLength: number;
	/** `next` and a view of the message in one. */
	nextMessage(): Uint8Array | undefined;

	/** Queues a message. False: over a limit, above max-message-size, or closed; nothing was queued. */
	sendMessage(bytes: Uint8Array, now: number): boolean;
	/** Makes room for a message of up to `count` octets; its offset in `out`, or -1 when a limit is reached or the link closed. */
	reserve(count: number): number;
	/** Where to write after `reserve`; valid until the next call of any method. */
	readonly out: Uint8Array;
	/** Queues the `count` octets (at most as many as reserved) written after `reserve`; false above max-message-size. */
	commit(count: number, now: number): boolean;

	/** `deadline`, held acks left out; and when those are due (Infinity: none). For an owner that keeps the two apart. */
	watchDeadline(): number;
	readonly heldUntil: number;

	/** Octets queued: handed out and not drained, and not yet handed out. */
	readonly queuedOctets: number;
	/** Smoothed round trip; -1 before the first ack. */
	readonly rttMs: number;
	readonly isSuspect: boolean;
	readonly isClosed: boolean;
	readonly maxMessageSize: number;
	/** A newer configuration document changed max-message-size; holds from the next frame on. */
	setMaxMessageSize(octets: number): void;
	readonly counters: Readonly<LinkCounters>;
}
