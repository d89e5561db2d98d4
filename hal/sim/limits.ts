/** Limits of the simulated machines; each one has a test of what happens when it is reached. */

/** Octets a stream takes before the far end has them (a send buffer); `write` refuses what is beyond. */
export const STREAM_SEND_OCTETS = 512 * 1024;
/** Octets of a segment: loss strikes each of them. */
export const SEGMENT_OCTETS = 1460;
/** First wait before a lost segment is sent again, and the longest (RFC 6298 as Linux does it), milliseconds. */
export const RETRANSMIT_MS = 200;
export const RETRANSMIT_MOST_MS = 10_000;
/** A stream whose octets do not arrive for so long ends on both sides, milliseconds. */
export const STREAM_TIMEOUT_MS = 120_000;
/** A connection that nobody answers has failed after this, milliseconds. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Round trips until a secure stream is up: TCP 1, TLS 2. */
export const SECURE_ROUND_TRIPS = 3;
/** Streams waiting for `read` of a listener; one more is refused. */
export const LISTENER_BACKLOG = 64;
/** Octets that a device's connection takes before the far end has them; a write beyond is refused whole. */
export const DEVICE_SEND_OCTETS = 16_384;
/** Octets of a value in a device's flash; a larger one is not written. */
export const FLASH_VALUE_OCTETS = 16_384;
/** Computing that a TLS handshake costs a device (the middle of 2 to 4 s), and its boot with Wi-Fi, milliseconds. */
export const DEVICE_HANDSHAKE_MS = 3000;
export const DEVICE_BOOT_MS = 2500;
