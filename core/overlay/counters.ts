/** What a node counts. Every drop, refusal and forward has a name here; `status()` shows those that are not zero. */

/** Indices into `Counters`. The names are part of the product: dashboards and tests use them. */
export const Counter = Object.freeze({
	forwarded: 0,
	forwardedOctets: 1,
	delivered: 2,
	originated: 3,
	retransmitted: 4,
	fragmented: 5,
	reassembled: 6,
	requestsServed: 7,
	answersRepeated: 8,
	errorsSent: 9,
	eventsDropped: 10,
	linksUp: 11,
	linksDown: 12,
	linksRetired: 13,
	linksSuspect: 14,
	linksDead: 15,
	connectsFailed: 16,
	configAdopted: 17,
	configUpdatesSent: 18,
	replicasSent: 19,
	replicasFailed: 20,
	handedOver: 21,
	passedOn: 22,
	merged: 23,
	forgotten: 24,
	keepAlives: 25,
	// Refused links
	refusedLinkCertificate: 32,
	refusedLinkIdentity: 33,
	refusedLinkSelf: 34,
	refusedLinkFull: 35,
	refusedLinkBadNode: 36,
	refusedLinkFrame: 37,
	// Messages dropped on the way
	droppedHeader: 40,
	droppedOverlay: 41,
	droppedVersion: 42,
	droppedFragmentBit: 43,
	droppedTooLarge: 44,
	droppedTtl: 45,
	droppedListEntries: 46,
	droppedDuplicateDestination: 47,
	droppedResourceNotLast: 48,
	droppedUnknownDestination: 49,
	droppedOpaqueId: 50,
	droppedNoSuchNode: 51,
	droppedNoRoute: 52,
	droppedLinkFull: 53,
	droppedNotOurs: 54,
	droppedOptionCritical: 55,
	droppedUnattached: 56,
	droppedErrorGap: 58,
	// Dropped or refused at the destination
	droppedFragmentConflict: 64,
	droppedReassemblyFull: 65,
	droppedReassemblyTimeout: 66,
	droppedMessage: 67,
	droppedSignature: 68,
	droppedUnknownTransaction: 69,
	droppedWrongSigner: 70,
	droppedDuplicateRequest: 71,
	refusedConfigTooOld: 72,
	refusedConfigTooNew: 73,
	refusedExtension: 74,
	refusedRequest: 75,
	droppedPendingFull: 76,
	requestTimeouts: 77,
	fetchedValuesDiscarded: 78,
	attachInProgress: 79,
	attachUnusable: 80,
	persistFailures: 81,
	responseTooLarge: 82,
	badNodeLinksClosed: 83,
	droppedCheckBudget: 84,
	count: 96,
});
export type Counter = (typeof Counter)[keyof typeof Counter];

/** A fixed table of numbers; counting allocates nothing. */
export class Counters {
	readonly #values = new Float64Array(Counter.count);

	/** One more of `counter`, or `by` more. */
	add(counter: number, by = 1): void {
		this.#values[counter]! += by;
	}

	get(counter: number): number {
		return this.#values[counter]!;
	}

	/** Those that are not zero, by name. */
	snapshot(): Record<string, number> {
		const out: Record<string, number> = {};
		for (const name of Object.keys(Counter) as (keyof typeof Counter)[]) {
			if (name === "count") continue;
			const value = this.#values[Counter[name]]!;
			if (value !== 0) out[name] = value;
		}
		return out;
	}
}
