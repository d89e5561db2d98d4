/** Limits of one link. A device gives smaller ones in `LinkOptions`; the names and what happens at the limit stay the same. */
export interface LinkLimits {
	/** Octets not yet drained by the host (handed out or not). Above it messages are refused: `sendMessage` false, `reserve` -1. */
	readonly queuedOctets: number;
	/** Room above `queuedOctets` that only acks may use. Above it acks are dropped and counted (RFC 6940 §6.6.2: SHOULD). */
	readonly ackOctets: number;
	/** Data frames sent and not acknowledged; a power of two. At the limit messages are refused. */
	readonly unacknowledgedFrames: number;
	/** Size of the pieces in which the output buffer is allocated. */
	readonly arenaOctets: number;
}

/** For a peer: at most 512 KiB of output, 32 KiB of send times (4,096 frames; allocated as needed) and one message per link. */
export const LINK_LIMITS: LinkLimits = Object.freeze({
	queuedOctets: 524_288,
	ackOctets: 16_384,
	unacknowledgedFrames: 4_096,
	arenaOctets: 65_536,
});

/** For a device: one link, few requests at a time. */
export const DEVICE_LINK_LIMITS: LinkLimits = Object.freeze({
	queuedOctets: 16_384,
	ackOctets: 1_024,
	unacknowledgedFrames: 64,
	arenaOctets: 2_048,
});

/** Acks that wait for a message; with one more, they go at once. */
export const HELD_ACKS = 32;
