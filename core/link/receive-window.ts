/**
 * Which of the last sequence numbers were received: the `received` field of an ack (RFC 6940 §6.6.2, reference [D-4]).
 *
 *   ack of N:   bit 31 ........ bit 1   bit 0
 *               N-32            N-2     N-1        1 = received, 0 = not known to be
 *
 * Takes the numbers in any order, so that a datagram link can use it as it is.
 */
export class ReceiveWindow {
	/** Highest number received; -1 before the first. */
	#top = -1;
	/** The 32 numbers below `#top`, as in the picture. */
	#mask = 0;

	/** Notes that `sequence` (uint32) was received and gives the mask for its ack (uint32). */
	receive(sequence: number): number {
		if (this.#top < 0) {
			this.#top = sequence;
			return 0;
		}
		const ahead = (sequence - this.#top) | 0;
		if (ahead > 0) {
			this.#mask = ahead > 32 ? 0 : (ahead === 32 ? 0 : this.#mask << ahead) | (1 << (ahead - 1));
			this.#top = sequence;
			return this.#mask >>> 0;
		}
		if (ahead === 0) return this.#mask >>> 0;
		const behind = -ahead;
		if (behind > 32) return 0;
		this.#mask |= 1 << (behind - 1);
		return behind === 32 ? 0 : this.#mask >>> behind;
	}
}
