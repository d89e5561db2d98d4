/** The one shape of audio in the core: 8,000 samples a second, mono, 16 bits signed, in frames of 20 ms. */

/** Samples a second; also the RTP clock of both G.711 laws and of telephone events (RFC 3551 §6, RFC 4733 §2.1). */
export const SAMPLE_RATE = 8_000;

/** Milliseconds of a frame, which is also our ptime. */
export const FRAME_MS = 20;

/** Samples of a frame. */
export const FRAME_SAMPLES = 160;

/** Samples of one millisecond. */
export const SAMPLES_PER_MS = 8;
