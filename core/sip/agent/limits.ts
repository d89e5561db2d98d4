/** Every capacity of the device's user agent. What happens at a limit stands beside it and is tested. */
import { DEFAULT_LIMITS, type SipLimits } from "../limits.ts";

/** Calls the host knows of. Full: `invite` answers undefined; an INVITE is answered 486. */
export const MAX_CALLS = 4;

/** Calls that are over for the host and not yet for the protocol (a CANCEL or an ACK is waited for). Full: the oldest is forgotten. */
export const MAX_CLOSING_CALLS = 4;

/** MESSAGEs that wait for `respond`. Full: 503 with Retry-After. */
export const MAX_PENDING_MESSAGES = 4;

/** To tags remembered of one forked INVITE. Full: media of further branches is not told; a further 200 is ended all the same. */
export const MAX_FORKED_TAGS = 6;

/** Flows of one agent. Full: `addFlow` answers false. */
export const MAX_FLOWS = 4;

/** Octets of a Route set and of a Contact that are kept for a call. Longer: 400 to a request; a 200 is ended with BYE. */
export const MAX_ROUTE_SET_OCTETS = 2_048;

/** Octets of an INFO or MESSAGE that the host sends or gets. Longer: 413; `info` and `message` answer undefined. */
export const MAX_BODY_OCTETS = 2_048;

/**
 * Longest wait of an INVITE of ours between two provisional answers: then CANCEL (a bell has its own, shorter limit). And the longest an
 * INVITE of theirs waits for the host, unless its Expires says less: then 487.
 */
export const MAX_RINGING_MS = 200_000;

/** RFC 3261 §17.2.1: 100 when the host has said nothing by then. */
export const TRYING_AFTER_MS = 200;

/** RFC 3261 §13.3.1.1: the 180 or 183 of a call that rings on is sent again. */
export const RING_AGAIN_MS = 60_000;

/** RFC 4028 §5: shortest session interval there may be, seconds. Shorter: 422. */
export const MIN_SESSION_EXPIRES_S = 90;

/** Session-Expires we ask for, seconds. */
export const SESSION_EXPIRES_S = 1_800;

/** A session refresh that was answered with an error is tried again after this, until the session runs out. */
export const REFRESH_RETRY_MS = 10_000;

/** Seconds of Retry-After with our 500 and 503. */
export const RETRY_AFTER_S = 5;

/** A device's share of the SIP room. */
export const AGENT_LIMITS: SipLimits = Object.freeze({
	...DEFAULT_LIMITS,
	headOctets: 6_144,
	bodyOctets: 4_096,
	headerLines: 96,
	serverTransactions: 24,
	clientTransactions: 16,
	flows: MAX_FLOWS,
});
