/**
 * Every capacity of the SIP room, in one place. A peer takes the defaults; a device passes smaller numbers.
 * What happens at a limit stands beside it and is tested.
 */
export interface SipLimits {
	/** Octets of start line and header fields. Longer: 513 over a datagram, 513 and close over a stream. */
	readonly headOctets: number;
	/** Octets of a body. Longer: 413 (and close over a stream, because the rest cannot be framed cheaply). */
	readonly bodyOctets: number;
	/** Header lines of one message. More: 400 for a request, drop for a response. */
	readonly headerLines: number;
	/** Via values of one request: more is a loop nobody stopped. More: 483. */
	readonly viaValues: number;
	/** Server transactions at once. Full: 503 with Retry-After, sent statelessly. */
	readonly serverTransactions: number;
	/** Client transactions at once. Full: the branch counts as answered 503. */
	readonly clientTransactions: number;
	/** Branches of one fork, all told. More targets are ignored. */
	readonly branchesPerFork: number;
	/** Requests waiting for the location service. Full: 503. */
	readonly pendingLocates: number;
	/** Connections being opened at once. Full: the branch counts as answered 503. */
	readonly pendingConnects: number;
	/** Messages kept for one connection being opened. Full: as if the transport had failed. */
	readonly messagesPerConnect: number;
	/** Flows registered by the host. Full: `addFlow` answers false. */
	readonly flows: number;
	/** Bindings of one AOR. Full: 403 "Too Many Contacts", nothing changed. */
	readonly bindingsPerAor: number;
	/** Bindings of all AORs. Full: 503 with Retry-After, nothing changed. */
	readonly bindings: number;
	/** Octets of one contact with its parameters, and of the Path set. Longer: 400. */
	readonly contactOctets: number;
	/** Nonces whose nonce counts are remembered. Full: the oldest goes, and all nonces as old as it are stale from then on. */
	readonly nonceRecords: number;
	/** Sources whose failed authentications are remembered. Full: the oldest goes. */
	readonly failureSources: number;
	/** Calls followed for events. Full: the oldest goes without an `ended`. */
	readonly calls: number;
	/** Flow tokens kept ready. Full: the oldest goes and is computed again when it is needed. */
	readonly tokens: number;
	/** Requests of our own under way. Full: `request` answers undefined. */
	readonly ownRequests: number;
}

/** A peer's capacities. */
export const DEFAULT_LIMITS: SipLimits = Object.freeze({
	headOctets: 16_384,
	bodyOctets: 65_536,
	headerLines: 256,
	viaValues: 70,
	serverTransactions: 16_384,
	clientTransactions: 16_384,
	branchesPerFork: 24,
	pendingLocates: 4_096,
	pendingConnects: 64,
	messagesPerConnect: 32,
	flows: 4_096,
	bindingsPerAor: 8,
	bindings: 4_096,
	contactOctets: 1_024,
	nonceRecords: 4_096,
	failureSources: 1_024,
	calls: 4_096,
	tokens: 4_096,
	ownRequests: 256,
});

/** Timers of RFC 3261 §17 (table 4), and ours; all in milliseconds. */
export interface SipTimers {
	/** Round-trip estimate. */
	readonly t1: number;
	/** Longest interval between retransmissions. */
	readonly t2: number;
	/** How long a message may stay in the network. */
	readonly t4: number;
	/** Timer C: a proxied INVITE without a final answer. RFC 3261 §16.6 item 11: more than 3 minutes. */
	readonly c: number;
	/** How long the location service may think before its request is answered 504. */
	readonly locate: number;
	/** How long a half-received message may stand in a stream before the connection is closed. */
	readonly stall: number;
	/** How long a nonce may be used. */
	readonly nonce: number;
	/** How long a source with too many failed authentications is answered 403 unread. */
	readonly block: number;
	/** How long a call is followed for events. */
	readonly call: number;
}

export const DEFAULT_TIMERS: SipTimers = Object.freeze({
	t1: 500,
	t2: 4_000,
	t4: 5_000,
	c: 185_000,
	locate: 10_000,
	stall: 32_000,
	nonce: 300_000,
	block: 60_000,
	call: 43_200_000,
});

/** Failed authentications from one source within one block time before it is answered 403. */
export const FAILURES_BEFORE_BLOCK = 6;

/** RFC 3261 §8.1.1.6 and §16.6 item 3. */
export const MAX_FORWARDS = 70;

/**
 * Bounds of a registration's lifetime, seconds. Shorter: 423 with Min-Expires. Longer: shortened. Bindings live in memory: a phone whose
 * edge has restarted is reachable again when it registers the next time, so that time is kept short.
 */
export const EXPIRES = Object.freeze({ min: 60, default: 300, max: 600 });

/** Seconds of Retry-After with a 503. */
export const RETRY_AFTER_S = 5;
