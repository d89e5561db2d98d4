/** Limits and times of pairing and renewal; each one has a test of what happens when it is reached. */

/** Characters of a pairing code as a URL. */
export const MAX_PAIRING_CHARACTERS = 1_024;

/** Addresses of the enrollment server: of the code, and found by mDNS; further ones are left out. */
export const MAX_PAIRING_ADDRESSES = 8;

/** Octets of status line and headers of an answer; a longer head is refused. */
export const MAX_HEAD_OCTETS = 2_048;

/** Octets of an answer's body; one that says to be longer is refused before any of it is kept. */
export const MAX_ANSWER_OCTETS = 24_576;

/** The flash must have answered within this time, else the key is stored again. */
export const STORE_MS = 5_000;

/** Name to address. */
export const RESOLVE_MS = 5_000;

/** Connection and handshake; an ESP32 needs 2 to 4 s for the arithmetic alone. */
export const PAIRING_CONNECT_MS = 20_000;

/** From the request to the whole answer. */
export const PAIRING_ANSWER_MS = 30_000;

/** Pause after all addresses have failed, doubling up to the longest. */
export const PAIRING_PAUSE_MS = 2_000;
export const MOST_PAIRING_PAUSE_MS = 120_000;

/** Longest pause that a server may ask for by Retry-After. */
export const MOST_RETRY_AFTER_S = 600;
