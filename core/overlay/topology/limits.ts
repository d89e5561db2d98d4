/** Limits of the topology plug-ins; each one has a test of what happens when it is reached. */

/** Peers known by name at once (members, candidates, lately lost). Beyond it an unconnected one not wanted now gives way, else the new one is ignored. */
export const KNOWN_PEERS = 512;
/** Node-IDs taken from one list of an Update or Leave; the rest is ignored. Ours are far shorter. */
export const LISTED_IDS = 64;
/** Own requests waiting for their result. Beyond it nothing is sent; periodic stabilisation comes back to it. */
export const PENDING_REQUESTS = 1024;
/** Attaches under way at once (each is a TLS handshake); further ones wait. */
export const ATTACHES_AT_ONCE = 8;
/** Attaches to fingers under way at once while joining. */
export const FINGERS_AT_ONCE = 3;
/** Peers kept on each side in the Neighbour Table (RFC 6940 §10.4: at least three). */
export const NEIGHBOURS_PER_SIDE = 3;
/** Finger Table entries at least (RFC 6940 §10.7.4.3: 16), and at most (128 or the bits of a Node-ID). */
export const FINGERS_LEAST = 16;
export const FINGERS_MOST = 128;
/** Peers of a full mesh. A Join beyond it is refused with Error_Incompatible_with_Overlay; see README.md. */
export const MESH_PEERS = 16;
/** Merging partitions may put the mesh above MESH_PEERS; above this no further peer is taken in. */
export const MESH_PEERS_MERGED = 32;
/** Failures kept for the estimate of the failure rate (RFC 7363 §6.2 sizes the history by the routing table: this bounds it). */
export const FAILURE_HISTORY = 64;
/** Estimates of other peers kept per period (RFC 7363 §6.5). */
export const SHARED_ESTIMATES = 32;
/** Stabilisation period of RFC 7363 §6.6, seconds: not below 15; at most this (our choice). */
export const TUNED_PERIOD_LEAST_S = 15;
export const TUNED_PERIOD_MOST_S = 3600;

/** Links of our own making that are in no table any more; beyond it the oldest is released at the next periodic Update. */
export const SPARE_LINKS = 8;
/** Changes of the Neighbour Table that come this close together share one Update, milliseconds. A loss is told at once. */
export const UPDATE_GAP_MS = 50;
/** Least time between two Updates that correct the same peer's view; doubles up to the second value, milliseconds. */
export const CORRECT_GAP_MS = 500;
export const CORRECT_GAP_MOST_MS = 60_000;
/** Wait before a candidate whose Attach failed is tried again; doubles up to the second value, milliseconds. */
export const RETRY_MS = 2_000;
export const RETRY_MOST_MS = 60_000;
/** A linked node that somebody lists as a peer is asked for its Update when none came by itself in this time, milliseconds. */
export const ASK_AFTER_MS = 400;
/** A member that has sent an Update within this time is not doubted when it asks for ours, milliseconds. */
export const DOUBT_MS = 1_000;
/** Attaches to a candidate that failed in a row before it is forgotten (until somebody lists it again). */
export const RETRIES = 6;
/** After a peer said goodbye, lists that still name it are not believed, milliseconds. */
export const DEPARTED_MS = 10_000;
/** Wait before a join that failed starts again (a random share of it is added); doubles up to the second value, milliseconds. */
export const JOIN_RETRY_MS = 300;
export const JOIN_RETRY_MOST_MS = 15_000;
/** Failed joins in a row after which `isolated` is put out (once). */
export const JOIN_TRIES_QUIET = 3;
/** An answered Join must be followed by the Update that places us within this time, milliseconds. */
export const PLACED_WITHIN_MS = 60_000;
/** A hand-over that nobody ends is taken as failed after this time, milliseconds. */
export const HAND_OVER_MS = 120_000;
