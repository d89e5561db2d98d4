/** Round-trip time and retransmission timeout. Before editing read RFC 6298 §2 and RFC 6940 §6.6.3.1.2, §6.6.5. */

/** RFC 6298 §2.1: before the first sample. */
const INITIAL_RTO_MS = 1_000;
/** Clock granularity G of RFC 6298; RFC 6940 §6.6.3.1.2 rounds to milliseconds where RFC 6298 rounds to a second. */
const GRANULARITY_MS = 1;
/** RFC 6298 §2.5: an upper bound of at least 60 s. */
const MAXIMUM_RTO_MS = 60_000;

export class RttEstimator {
	#smoothedMs = -1;
	#variationMs = 0;
	#rtoMs = INITIAL_RTO_MS;

	/** SRTT; -1 before the first sample. */
	get smoothedMs(): number {
		return this.#smoothedMs;
	}

	/** RTO, whole milliseconds. */
	get rtoMs(): number {
		return this.#rtoMs;
	}

	/** One measured round trip. Every ack counts (RFC 6940 §6.6.3.1.2): each transmission has a number of its own. */
	sample(rttMs: number): void {
		if (this.#smoothedMs < 0) {
			this.#smoothedMs = rttMs;
			this.#variationMs = rttMs / 2;
		} else {
			const error = rttMs - this.#smoothedMs;
			this.#variationMs += ((error < 0 ? -error : error) - this.#variationMs) / 4;
			this.#smoothedMs += error / 8;
		}
		const spread = 4 * this.#variationMs;
		const rto = this.#smoothedMs + Math.max(spread, GRANULARITY_MS);
		this.#rtoMs = rto < MAXIMUM_RTO_MS ? Math.ceil(rto) : MAXIMUM_RTO_MS;
	}
}
