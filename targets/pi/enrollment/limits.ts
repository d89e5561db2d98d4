/** Limits of the enrollment server and its clients. Each has a tested behaviour at the limit. */

/** Connections at once; one more is closed by the server before TLS. */
export const MAX_CONNECTIONS = 256;
/** Connections at once of one source (IPv4 address, IPv6 /64), so that one cannot take them all. */
export const MAX_CONNECTIONS_PER_SOURCE = 32;
/** Octets of an enrollment form: username, password and a request of one certificate. 413 beyond. */
export const MAX_FORM = 16 * 1024;
/** Octets of a batch of requests for hosted users. 413 beyond. */
export const MAX_BATCH_BODY = 64 * 1024;
/** Octets of an address announcement. 413 beyond. */
export const MAX_ADDRESS_BODY = 4 * 1024;
/** Parts of a form, header lines of a part, octets of the headers of a part: a form beyond is malformed (400). */
export const MAX_PARTS = 8;
export const MAX_PART_HEADERS = 8;
export const MAX_PART_HEADER_SIZE = 1024;
/** Octets of username and password. */
export const MAX_FIELD = 256;

/** Time for the TLS handshake, for the request headers, for the whole request. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
export const HEADERS_TIMEOUT_MS = 10_000;
export const REQUEST_TIMEOUT_MS = 30_000;
/** How long an idle connection is kept for the next request. */
export const KEEP_ALIVE_MS = 75_000;

/** Enrollment attempts of one source (IPv4 address, IPv6 /64): at once, and the time after which one is given back. */
export const SOURCE_ATTEMPTS = 10;
export const SOURCE_REFILL_MS = 6_000;
/** Attempts on one account name, whether it exists or not. */
export const ACCOUNT_ATTEMPTS = 10;
export const ACCOUNT_REFILL_MS = 60_000;
/** Sources and names remembered; the one seen longest ago is forgotten. */
export const MAX_RATE_KEYS = 4096;
/** Password checks at once (32 MiB each), and those that wait; 503 beyond. */
export const PASSWORD_CHECKS = 2;
export const PASSWORD_QUEUE = 16;

/** Client: time for a connection, and for an answer that is not a long poll. */
export const CONNECT_TIMEOUT_MS = 5_000;
export const ANSWER_TIMEOUT_MS = 20_000;
/** Client: a long poll without answer for this long is given up. */
export const POLL_TIMEOUT_MS = 70_000;
/** Client: octets of an answer. */
export const MAX_ANSWER = 1024 * 1024;
