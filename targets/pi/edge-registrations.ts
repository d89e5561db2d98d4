/**
 * The registrations of the phones at this edge, as the overlay sees them: SIP-REGISTRATION of each hosted user that has a binding here
 * (RFC 7904 §3), kept stored; and a word to the peers where a phone was before.
 */
import type { LocalIdentity } from "../../core/identity/signer.ts";
import { isRefused } from "../../core/machine.ts";
import type { OwnRequest } from "../../core/sip/ua.ts";
import { hostedDestinations, registerRoute } from "../../core/usages/sip.ts";
import type { Log } from "../../hal/hal.ts";
import type { EdgeLocator } from "./edge-locating.ts";
import type { OverlayHost } from "./overlay-host.ts";
import type { OwnRecords } from "./own-records.ts";

/** Choice (RFC 7904 §3.2): a registration outlives its peer by at most this; refreshed at 60 to 80 %. Seconds. */
export const REGISTRATION_LIFETIME_S = 600;
/** RFC 3840 predicate of what a hosted user takes: plain SIP over the AppAttach connection, which is TLS. */
const CONTACT_PREFS = "(sip.schemes=SIP)";

export interface EdgeRegistrationsOptions {
	readonly domain: string;
	readonly host: OverlayHost;
	readonly locator: EdgeLocator;
	readonly records: OwnRecords;
	/** The identity under which this peer serves an AOR. */
	readonly hosted: (aor: string) => LocalIdentity | undefined;
	readonly peerNodeId: Uint8Array;
	/** Sends a request of the edge's own. */
	readonly request: (request: OwnRequest) => void;
	readonly log: Log;
}

export class EdgeRegistrations {
	readonly #options: EdgeRegistrationsOptions;
	/** AORs whose registration is kept in the overlay now. */
	readonly #kept = new Set<string>();
	#closed = false;

	constructor(options: EdgeRegistrationsOptions) {
		this.#options = options;
	}

	/** The account is gone, and its records with it. */
	forget(aor: string): void {
		this.#kept.delete(aor);
	}

	/** Takes all registrations back. */
	close(): void {
		this.#closed = true;
		for (const aor of [...this.#kept]) this.drop(aor);
	}

	/** Keeps the registration of an AOR stored; that of one without identity waits for it. */
	keep(aor: string): void {
		const { hosted, peerNodeId, records, log } = this.#options;
		if (this.#kept.has(aor)) return;
		const identity = hosted(aor);
		if (identity === undefined) {
			log("warn", "sip.noIdentity", { aor, hint: "its certificate has not come from the enrollment server yet" });
			return;
		}
		const store = registerRoute(
			{
				userName: identity.userName,
				nodeId: identity.nodeId,
				resourceHash: (name) => this.#options.host.node.resourceId(name),
			},
			{
				destinations: hostedDestinations(peerNodeId, identity.nodeId),
				contactPrefs: CONTACT_PREFS,
				lifetimeS: REGISTRATION_LIFETIME_S,
			},
		);
		if (isRefused(store)) {
			log("error", "sip.registration", { aor, reason: store.refused });
			return;
		}
		const value = store.kinds[0]?.values[0]?.value;
		if (value === undefined) return;
		this.#kept.add(aor);
		records.keepRegistration(identity, store.resourceId, value, REGISTRATION_LIFETIME_S);
	}

	/** The last binding of an AOR here is gone. */
	drop(aor: string): void {
		if (!this.#kept.delete(aor)) return;
		const identity = this.#options.hosted(aor);
		if (identity !== undefined) this.#options.records.removeRegistration(identity);
	}

	/**
	 * A phone has come here: the peers where the same contact was bound before are told, by a REGISTER of the hosted user that removes
	 * just this contact. Other phones of the account stay where they are.
	 */
	async tellOldPlaces(aor: string, contact: string): Promise<void> {
		const identity = this.#options.hosted(aor);
		if (identity === undefined) return;
		const resolution = await this.#options.locator.resolver.resolve(aor);
		for (const place of resolution?.contacts ?? []) {
			if (this.#options.locator.isHere(place) || this.#closed) continue;
			const target = await this.#options.locator.reach(identity, place.destinations, `sip:${this.#options.domain}`);
			if (target === undefined) continue;
			this.#options.request({
				method: "REGISTER",
				uri: `sip:${this.#options.domain}`,
				from: `sip:${aor}`,
				to: `sip:${aor}`,
				target,
				headers: [["Contact", `<${contact}>;expires=0`]],
			});
		}
	}
}
