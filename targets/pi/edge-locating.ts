/**
 * Where a request that came to this edge goes on: local bindings, registrations in the overlay, connections to other peers' users.
 *
 *   locate --> local bindings, a device's connection -------------> located (more)
 *          |-> resolver -> AppAttach connection to each contact --> located (more) ... located
 *          \-> house@: all phones here, all other edges ----------> located
 */
import type { LocalIdentity } from "../../core/identity/signer.ts";
import type { SipOutput, Target } from "../../core/sip/edge-types.ts";
import { type Aor, readAor } from "../../core/usages/aor.ts";
import { readGruu } from "../../core/usages/gruu.ts";
import { destinationsKey, type SipContact } from "../../core/usages/sip.ts";
import type { SipResolution } from "../../core/usages/sip-resolver.ts";
import { equalBytes } from "../../core/wire/bytes.ts";
import type { Destination } from "../../core/wire/destination.ts";
import type { Clock, Log } from "../../hal/hal.ts";
import type { AppConnections } from "./app-connections.ts";
import type { OtherEdge } from "./house-edges.ts";
import type { HouseholdAccount } from "./household/types.ts";
import type { OverlayHost } from "./overlay-host.ts";
import { OverlayResolver } from "./resolver.ts";
import { errorText } from "./state/errors.ts";
import { nodeTimers } from "./state/timers.ts";

/** A call to the house waits this long for edges there is no connection to. */
const EDGE_PATIENCE_MS = 2_000;

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
	/** house@DOMAIN. */
	readonly houseAor: string;
	/** True for the AOR of a device of the household. */
	readonly isDevice: (aor: string) => boolean;
	/** Contacts of an AOR that are registered here. */
	readonly bindings: (aor: string) => Target[];
	/** Contacts of all accounts that are registered here. */
	readonly phones: () => Target[];
	/** The flow of the connection that a device has opened to this edge. */
	readonly deviceFlow: (aor: string) => number | undefined;
	readonly otherEdges: () => readonly OtherEdge[];
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
			await this.#findRoute(request, aor, isElsewhere && !isFromPeer ? destinations : undefined);
			return;
		}
		if (aor.text === this.#options.houseAor && destinations === undefined) {
			await this.#findHouse(request);
			return;
		}
		const known = this.#options.account(aor.user) !== undefined;
		const device = this.#options.deviceFlow(aor.text);
		const local = isElsewhere ? [] : known ? this.#options.bindings(aor.text) : deviceTarget(aor, device);
		// A device is at one place: where its connection is.
		if (isFromPeer || destinations !== undefined || device !== undefined) {
			this.#options.located(token, local, false, known || this.#options.isDevice(aor.text) ? 480 : 404);
			return;
		}
		if (local.length > 0) this.#options.located(token, local, true);
		await this.#findInOverlay(request, aor, known);
	}

	/**
	 * All phones of the household: those here, and those of the other edges, which fork for themselves. An edge passes what an edge sends
	 * to its own phones only, so nothing can go round.
	 */
	async #findHouse(request: Locate): Promise<void> {
		const { located, flowOf, houseAor } = this.#options;
		const { token, from } = request;
		const local = this.#options.phones().filter((target) => !isCaller(target, from));
		const identity = this.#options.hosted(houseAor);
		if (from.peerAor === houseAor || identity === undefined) {
			located(token, local, false, 480);
			return;
		}
		const uri = `sip:${houseAor}`;
		const missing: SipContact[] = [];
		for (const { contact, connection } of this.#options.otherEdges()) {
			const flow = connection === undefined ? undefined : flowOf(connection.id);
			if (flow === undefined) missing.push(contact);
			else local.push({ uri, flow });
		}
		located(token, local, missing.length > 0, 480);
		if (missing.length === 0) return;
		// The phones ring already. An edge that cannot be reached at once must not keep the caller from hearing that all are busy.
		const tries = missing.map(async ({ destinations }) => {
			const target = await this.reach(identity, destinations, uri);
			if (target !== undefined) located(token, [target], true);
		});
		await patience(Promise.all(tries), EDGE_PATIENCE_MS);
		located(token, [], false, 480);
	}

	/**
	 * The identity a request goes out as: the account that the digest proved; for a device, and for what somebody says in a call to the
	 * house, that of the house.
	 */
	#identityOf({ from, fromAor }: Locate): LocalIdentity | undefined {
		const { hosted, houseAor } = this.#options;
		const aor = from.account ?? fromAor;
		return (aor === undefined ? undefined : hosted(aor)) ?? hosted(houseAor);
	}

	async #findInOverlay(request: Locate, aor: Aor, known: boolean): Promise<void> {
		const { token } = request;
		// A device is reached through the edge it is connected to, and there are connections between the edges.
		const identity = known ? this.#identityOf(request) : this.#options.hosted(this.#options.houseAor);
		const tried = new Set<string>();
		const tries: Promise<void>[] = [];
		// Where it was before its peer died may still be listed, or remembered: all are tried at once, and nobody waits for the dead.
		const ring = (resolution: SipResolution): void => {
			for (const contact of resolution.contacts) {
				const key = destinationsKey(contact.destinations);
				if (identity === undefined || this.isHere(contact) || tried.has(key)) continue;
				tried.add(key);
				const reached = this.reach(identity, contact.destinations, `sip:${contact.aor}`);
				tries.push(
					reached.then((target) => {
						if (target !== undefined) this.#options.located(token, [target], true);
					}),
				);
			}
		};
		const resolution = await this.resolver.resolve(aor.text, ring);
		if (resolution !== undefined) ring(resolution);
		if (tries.length === 0) {
			const isKnown = known || this.#options.isDevice(aor.text);
			const status =
				resolution === undefined && !isKnown ? 503 : isKnown || (resolution?.contacts.length ?? 0) > 0 ? 480 : 404;
			this.#options.located(token, [], false, status);
			return;
		}
		await Promise.all(tries);
		this.#options.located(token, [], false, 480);
	}

	/** Registered at this very peer: the local bindings say it better. */
	isHere(contact: Pick<SipContact, "destinations">): boolean {
		return contact.destinations.some(
			(destination) => "nodeId" in destination && equalBytes(destination.nodeId, this.#options.peerNodeId),
		);
	}

	async #findRoute(request: Locate, next: Aor, destinations: readonly Destination[] | undefined): Promise<void> {
		const { houseAor, hosted } = this.#options;
		const identity = next.text === houseAor ? hosted(houseAor) : this.#identityOf(request);
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

function deviceTarget(aor: Aor, flow: number | undefined): Target[] {
	return flow === undefined ? [] : [{ uri: `sip:${aor.text}`, flow }];
}

/** The phone that calls the house does not ring. */
function isCaller(target: Target, from: Locate["from"]): boolean {
	if (target.flow !== from.flow) return false;
	return target.address === undefined || (target.address === from.address && target.port === from.port);
}

/** Waits for something, not longer than `ms`. */
async function patience(work: Promise<unknown>, ms: number): Promise<void> {
	let stop = (): void => undefined;
	const over = new Promise<void>((resolve) => {
		stop = nodeTimers.after(ms, resolve);
	});
	await Promise.race([work, over]);
	stop();
}
