/** Limits and times of a device as a whole. */

/** Certificates of our own chain; further ones in flash are ignored. */
export const MAX_CHAIN = 4;
/** Peers kept in flash; further ones are left out. */
export const MAX_CACHED_PEERS = 10;
/** Calls of the doorbell at once; a further one is told that it ended ("limit"). */
export const MAX_UNIT_CALLS = 4;
/** Without any answer for so long, the next edge is asked, milliseconds. */
export const NO_ANSWER_MS = 700;
/** Edges that one press is sent to, one after the other. */
export const MAX_TRIES = 3;
/** Seconds that the registration and our certificate are stored for. */
export const REGISTRATION_S = 3_600;
export const CERTIFICATE_S = 86_400;
/** How often the settings are looked at, milliseconds, and after a failure. */
export const SETTINGS_MS = 600_000;
export const SETTINGS_RETRY_MS = 15_000;
/** The overlay is asked for the time again after this, milliseconds. */
export const CLOCK_RETRY_MS = 5_000;
/** Offline for so long with a network and a certificate: the device starts anew. */
export const RESTART_MS = 3_600_000;
/** The busy tone ends by itself after this, milliseconds. */
export const BUSY_MS = 3_000;
/** Commands (MESSAGE) that wait for the doorbell's answer; the oldest is forgotten. */
export const MAX_COMMANDS = 8;
/** Rounds of everything that follows from one happening; the rest comes with the next one. */
export const MAX_ROUNDS = 100;
/** How often the age of the certificate is looked at, milliseconds. */
export const RENEWAL_CHECK_MS = 3_600_000;
