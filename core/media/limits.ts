/** Limits of one call's audio; each one has a test of what happens when it is reached. */

/** Octets of a datagram that is looked at; a longer one is dropped and counted. */
export const MAX_DATAGRAM_OCTETS = 1_500;

/** Octets of voice in one packet (60 ms); a longer payload is dropped and counted. */
export const MAX_PAYLOAD_OCTETS = 480;

/** Datagrams of one 20 ms frame that are looked at; further ones are dropped and counted before any cryptography. */
export const MAX_DATAGRAMS_PER_FRAME = 12;

/** SRTP packets from elsewhere than the agreed place that are tried before one is authentic; then such packets are dropped unseen. */
export const MAX_FOREIGN_TRIES = 64;

/** SSRCs that one SRTP key remembers for its replay windows; a packet of a further SSRC is refused. */
export const MAX_SECURE_SOURCES = 4;

/** Digits waiting to be sent; `sendDigit` is false then. */
export const MAX_DIGITS = 16;

/** Events nobody has taken; further ones are dropped and counted. */
export const MAX_EVENTS = 16;

/** Samples of the jitter buffer's ring (256 ms), a power of two. A packet further ahead starts the buffer anew. */
export const RING_SAMPLES = 2_048;

/** The least and the most that the jitter buffer holds voice back, in milliseconds. */
export const MIN_DELAY_MS = 40;
export const MAX_DELAY_MS = 120;

/** Milliseconds without anything valid after which the stream is called silent. */
export const SILENT_MS = 10_000;
