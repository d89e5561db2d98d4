/** Limits of the device's HAL. All of them bound what the network can make a box of 150 KB do. */

/** Octets of one TLS record that is taken in; peers are asked for at most 4,096 (docs/client-protocol.md), and a larger one ends the connection. */
export const MAX_TLS_RECORD = 4_096 + 256;
/** Octets of a handshake message of the server; its certificates are the largest. */
export const MAX_HANDSHAKE_OCTETS = 16_384;
/** Octets of plaintext per record that we send. */
export const MAX_PLAINTEXT = 1_024;
/** Octets that wait for a socket that does not take them; `write` refuses what would go beyond. */
export const MAX_TLS_QUEUE = 16_384;
/** From the connect to the end of the handshake: an ESP32 computes 2 to 4 s. */
export const HANDSHAKE_MS = 20_000;
/** Datagrams taken from a socket per callback; the rest waits for the next turn, so that a flood does not starve timers. */
export const MAX_DATAGRAMS_PER_TURN = 8;
/** Octets of a datagram that is looked at. */
export const MAX_DATAGRAM = 2_048;
/** Octets of a flash record: NVS holds blobs of 4,000 in one page. */
export const MAX_FLASH_PART = 3_968;
/** Parts of a flash record. */
export const MAX_FLASH_PARTS = 8;
/** DNS-SD instances looked at in one search. */
export const MAX_INSTANCES = 8;
/** Octets of an mDNS packet that is read. */
export const MAX_MDNS_PACKET = 1_500;
/** Wi-Fi is joined again after pauses that grow from the first to the last of these. */
export const WIFI_RETRY_FIRST_MS = 1_000;
export const WIFI_RETRY_LAST_MS = 60_000;
/** Joined and without an address for so long: once more from the beginning. */
export const WIFI_JOIN_MS = 20_000;
/** Between questions for the time while the clock is not set, and when it is. */
export const SNTP_RETRY_MS = 15_000;
export const SNTP_AGAIN_MS = 6 * 3_600_000;
/** The supervisor looks this often. */
export const WATCH_EVERY_MS = 10_000;
/** Steps in a row that ended in an exception nobody expected, before the device starts anew. */
export const MAX_FAULTS = 20;
/** Time in which that many faults count. */
export const FAULT_WINDOW_MS = 60_000;
