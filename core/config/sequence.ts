/** Sequence numbers of configurations. RFC 6940 §6.3.2, §6.5.4, §11.1. */

/** RFC 6940 §6.3.2 (configuration_sequence): 0..65534, modulo 65535. */
export const SEQUENCE_MODULUS = 65_535;
const HALF_RANGE = 32_767;

/**
 * [D-7] Compares as TCP does: negative when `a` is older than `b`, positive when it is newer, zero when they are equal.
 * The special value 65535 is not a sequence number; whoever may meet it looks for it first.
 */
export function sequenceCompare(a: number, b: number): number {
	const ahead = (((a - b) % SEQUENCE_MODULUS) + SEQUENCE_MODULUS) % SEQUENCE_MODULUS;
	if (ahead === 0) return 0;
	return ahead <= HALF_RANGE ? 1 : -1;
}

/** RFC 6940 §6.5.4: only a configuration with a newer sequence replaces the one in force. */
export function isNewerSequence(candidate: number, current: number): boolean {
	return sequenceCompare(candidate, current) > 0;
}

/** The number of the next configuration: after 65534 comes 0. */
export function nextSequence(current: number): number {
	return (current + 1) % SEQUENCE_MODULUS;
}
