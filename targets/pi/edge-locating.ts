/**
 * Where a request that came to this edge goes on: local bindings, registrations in the overlay, connections to other peers' users.
 *
 *   locate --> local bindings ----------------------------------> located (more)
 *          \-> resolver -> AppAttach connection to each contact -> located (more) ... located
 */
import type { LocalIdentity } from "../../core/identity/signer.ts";
import type { SipOutput, Target } from "../../core/sip/edge-types.ts";
import { type Aor, readAor } from "../../core/usages/aor.ts";
import { readGruu } from "../../core/usages/gruu.ts";
import type { SipContact } from "../../core/usages/sip.ts";
import { equalBytes } from "../../core/wire/bytes.ts";
import type { Destination } from "../../core/wire/destination.ts";
import type { Clock, Log } from "../../hal/hal.ts";
import type { AppConnections } from "./app-connections.ts";
import type { HouseholdAccount } from "./household/types.ts";
import type { OverlayHost } from "./overlay-host.ts";
import { OverlayResolver } from "./resolver.ts";
import { errorText } from "./state/errors.ts";

/** A question of the edge. */
export type Locate = Extract<SipOutput, { type: "locate" }>;

export interface EdgeLocatorOptions {
	readonly domain: string;
	readonly host: OverlayHost;
	readonly connections: AppConnections;
	/** An account by its name, without domain. */
	readonly account: (name: string) => HouseholdAccount | undefined;
	/** The identity under which this peer serves an AOR. */
	readonly hosted: (aor: string) => LocalIdentity | undefined;
	readonly peerNodeId: Uint8Array;
	/** Contacts of an AOR that are registered here. */
	readonly bindings: (aor: string) => Target[];
	/** The SIP flow of an AppAttach connection. */
	readonly flowOf: (connection: number) => number | undefined;
	/** Gives the edge an answer. */
	readonly located: (
		token: number,
		targets: readonly Target[],
		more: boolean,
		status?: number,
		reason?: string,
	) => void;
	readonly clock: Clock;
	readonly log: Log;
}

export class EdgeLocator {
	readonly resolver: OverlayResolver;
	readonly #options: EdgeLocatorOptions;

	constructor(options: EdgeLocatorOptions) {
		this.#options = options;
		const { host, domain, clock, peerNodeId } = options;
		this.resolver = new OverlayResolver({ host, domain, clock, nodeIdLength: peerNodeId.length });
	}

	/** Looks for the targets of a request; the answers follow by `located`. */
	locate(request: Locate): void {
		// Answered in a turn of its own, never from within the edge.
		queueMicrotask(() => {
			this.#find(request).catch((error: unknown) => {
				this.#options.log("error", "sip.locate", { uri: request.uri, error: errorText(error) });
				this.#options.located(request.token, [], false, 500);
			});
		});
	}

	async #find(request: Locate): Promise<void> {
		const { token, aor: text, isOurs, isNextHop, from } = request;
		const aor = text === undefined ? undefined : readAor(text);
		if (!isOurs || aor === undefined) {
			// Calls to other domains are not carried yet (docs/limits.md).
			this.#options.located(token, [], false, 404, isOurs ? "No Such User" : "Domain Not Served Here");
			return;
		}
		const destinations = readGruu(request.uri, this.#options.peerNodeId.length)?.destinations;
		const isFromPeer = from.peerAor !== undefined;
		const isElsewhere = destinations !== undefined && !this.isHere({ destinations });
		// What an overlay peer sends is for phones here: it has looked into the overlay itself (RFC 7904 §4).
		if (isNextHop || (isElsewhere && !isFromPeer)) {
			await this.#findRoute(request, isElsewhere && !isFromPeer ? destinations : undefined);
			return;
		}
		const known = this.#options.account(aor.user) !== undefined;
		const local = known && !isElsewhere ? this.#options.bindings(aor.text) : [];
		if (isFromPeer || destinations !== undefined) {
			this.#options.located(token, local, false, known ? 480 : 404);
			return;
		}
		if (local.length > 0) this.#options.located(token, local, true);
		await this.#findInOverlay(request, aor, known);
	}

	/** The identity a request goes out as: the account that the digest proved. */
	#identityOf({ from, fromAor }: Locate): LocalIdentity | undefined {
		const aor = from.account ?? fromAor;
		return aor === undefined ? undefined : this.#options.hosted(aor);
	}

	async #findInOverlay(request: Locate, aor: Aor, known: boolean): Promise<void> {
		const { token } = request;
		const identity = this.#identityOf(request);
		const resolution = await this.resolver.resolve(aor.text);
		const contacts = (resolution?.contacts ?? []).filter((contact) => !this.isHere(contact));
		if (identity === undefined || contacts.length === 0) {
			const status =
				resolution === undefined && !known ? 503 : known || (resolution?.contacts.length ?? 0) > 0 ? 480 : 404;
			this.#options.located(token, [], false, status);
			return;
		}
		const tries = contacts.map((contact) => this.reach(identity, contact.destinations, `sip:${contact.aor}`));
		for (const one of tries)
			void one.then((target) => {
				if (target !== undefined) this.#options.located(token, [target], true);
			});
		await Promise.all(tries);
		this.#options.located(token, [], false, 480);
	}

	/** Registered at this very peer: the local bindings say it better. */
	isHere(contact: Pick<SipContact, "destinations">): boolean {
		return contact.destinations.some(
			(destination) => "nodeId" in destination && equalBytes(destination.nodeId, this.#options.peerNodeId),
		);
	}

	async #findRoute(request: Locate, destinations: readonly Destination[] | undefined): Promise<void> {
		const identity = this.#identityOf(request);
		const target =
			destinations === undefined || identity === undefined
				? undefined
				: await this.reach(identity, destinations, request.uri);
		this.#options.located(request.token, target === undefined ? [] : [target], false, 480);
	}

	/** The flow to the identity that a destination list ends in, over a connection of `identity`. */
	async reach(identity: LocalIdentity, destinations: readonly Destination[], uri: string): Promise<Target | undefined> {
		const { connections, host, log } = this.#options;
		try {
			const connection = await connections.connection(host, identity, destinations);
			const flow = this.#options.flowOf(connection.id);
			return flow === undefined ? undefined : { uri, flow };
		} catch (error) {
			log("info", "sip.unreachable", { uri, reason: errorText(error) });
			return undefined;
		}
	}
}
