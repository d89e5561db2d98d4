/** Limits of a device on a PC: those of the ESP32 where they matter for how it behaves. */

/** Characters of a key (NVS). */
export const FLASH_KEY_CHARACTERS = 15;
/** Octets of one record; a larger one is not written. */
export const FLASH_VALUE_OCTETS = 32_768;
/** Octets of one secure connection that have not left; `write` refuses what goes beyond. */
export const SECURE_SEND_OCTETS = 16_384;
/** TCP and TLS together, milliseconds; a handshake of an ESP32 takes 2 to 4 s. */
export const SECURE_CONNECT_MS = 10_000;
