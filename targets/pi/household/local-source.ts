/** The founder's own peer follows the household like every other, without the network between. */
import type { Household } from "./household.ts";
import type { Issuing } from "./issuing.ts";
import type {
	HostedRequest,
	HouseholdSnapshot,
	HouseholdSource,
	HouseholdVersion,
	IssueResult,
	PeerAddresses,
} from "./types.ts";

export class LocalSource implements HouseholdSource {
	readonly #household: Household;
	readonly #issuing: Issuing;

	constructor(household: Household, issuing: Issuing) {
		this.#household = household;
		this.#issuing = issuing;
	}

	changes(since: HouseholdVersion | undefined, signal: AbortSignal): Promise<HouseholdSnapshot | undefined> {
		return this.#household.changesFor(this.#household.founder, since, signal);
	}

	hosted(requests: readonly HostedRequest[]): Promise<IssueResult[]> {
		return this.#issuing.hosted(this.#household.founder, requests);
	}

	announce(addresses: PeerAddresses): Promise<void> {
		return this.#household.announce(this.#household.founder, addresses);
	}

	renew(csr: Uint8Array): Promise<IssueResult> {
		return this.#issuing.enroll({ username: undefined, password: undefined, nodeIds: 1, csr });
	}
}
