/**
 * Timer profiles. RFC 6940's defaults suit big open overlays; the house profile notices a dead peer in seconds.
 * `docs/peer-protocol.md` states the traffic each of them costs. All values in milliseconds unless named otherwise.
 */
export interface TimerProfile {
	readonly name: "rfc" | "house";
	/** End-to-end retransmission (RFC 6940 §6.2.1: overlay-reliability-timer; at least 200). */
	readonly overlayReliabilityMs: number;
	/** Transmissions of one request in total (RFC 6940 §6.2.1: 5). */
	readonly transmissions: number;
	/** Periodic Update to the neighbours (§10.7.1, chord-update-interval). */
	readonly chordUpdateMs: number;
	/** Least time between two finger searches (§10.7.4.2, chord-ping-interval). */
	readonly chordPingMs: number;
	/** Partition check (§10.7.4.4). */
	readonly partitionCheckMs: number;
	/** Wait before a replaced successor gets replicas (§10.7.3: 30 s). */
	readonly holdDownMs: number;
	/** Idle time after which a link is probed with a Ping to the neighbour. */
	readonly linkIdleMs: number;
	/** A frame unacknowledged for this long takes the link out of the routing table (§6.6.5). */
	readonly linkSuspectMs: number;
	/** A link suspect for this long is closed (§6.6.5: 30 s recommended). */
	readonly linkDeadMs: number;
	/** How long an ack waits for a message to travel with (§6.6.2); at once when absent. */
	readonly ackHoldMs?: number;
	/** An original Store is answered when the replicas have answered, or after this long. */
	readonly replicaAckMs: number;
}

/** The defaults of RFC 6940 (§10.7, §11.1, §6.6.5). */
export const RFC_PROFILE: TimerProfile = Object.freeze({
	name: "rfc",
	overlayReliabilityMs: 3000,
	transmissions: 5,
	chordUpdateMs: 600_000,
	chordPingMs: 3_600_000,
	partitionCheckMs: 3_600_000,
	holdDownMs: 30_000,
	linkIdleMs: 15_000,
	linkSuspectMs: 3_000,
	linkDeadMs: 30_000,
	replicaAckMs: 1_000,
});

/** Choice (§10.7, §6.6.5): failure noticed within 5 s, ring healed within 10 s. */
export const HOUSE_PROFILE: TimerProfile = Object.freeze({
	name: "house",
	overlayReliabilityMs: 1_000,
	transmissions: 5,
	chordUpdateMs: 30_000,
	chordPingMs: 60_000,
	partitionCheckMs: 60_000,
	holdDownMs: 2_000,
	linkIdleMs: 1_500,
	linkSuspectMs: 1_500,
	linkDeadMs: 3_000,
	ackHoldMs: 5,
	replicaAckMs: 500,
});

/**
 * Choice (§6.6.5): a device among peers of the house profile. It keeps its one link alive itself, every 25 s and without a signature;
 * retransmission waits for a machine whose signature takes half a second.
 */
export const DEVICE_PROFILE: TimerProfile = Object.freeze({
	name: "house",
	overlayReliabilityMs: 3_000,
	transmissions: 5,
	chordUpdateMs: 30_000,
	chordPingMs: 60_000,
	partitionCheckMs: 60_000,
	holdDownMs: 2_000,
	linkIdleMs: 25_000,
	linkSuspectMs: 2_000,
	linkDeadMs: 4_000,
	replicaAckMs: 500,
});
