/** Limits of this room; what happens at each of them is said where it is used, and tested. */

/** Messages under reassembly at once. At the limit a fragment of another message is refused. */
export const REASSEMBLY_MESSAGES = 32;
/** Octets of all fragments held at once. At the limit the message whose fragment does not fit is dropped. */
export const REASSEMBLY_OCTETS = 256 * 1024;
/** Octets of one reassembled message, header included. Above it the message is dropped. */
export const REASSEMBLY_MESSAGE_OCTETS = 64 * 1024;
/** Separate pieces of one message. Above it the message is dropped. */
export const REASSEMBLY_PIECES = 64;
/** RFC 6940 §6.7 SHOULD: an incomplete message is thrown away after 15 s. */
export const REASSEMBLY_MS = 15_000;
/** RFC 6940 §6.7 MUST: octets of payload in each fragment, at least. */
export const FRAGMENT_LEAST_PAYLOAD = 256;
/** RFC 6940 §6.7 SHOULD: octets of the path MTU left free for the via list to grow. */
export const FRAGMENT_MTU_MARGIN = 32;
/** Octets of input that `describe` looks at; a longer one is refused. */
export const DESCRIBE_OCTETS = 16 * 1024 * 1024;
