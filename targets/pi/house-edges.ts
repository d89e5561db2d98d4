/**
 * The other edges of the household, kept within reach: whoever rings the house must wait for no fetch and no handshake.
 *
 *   round:  registrations of house@ (fetched, verified) -> a connection of our house identity to each of theirs -> pause -> round
 *
 * Every peer has an identity for house@DOMAIN with a key of its own; over a connection between two of them go calls for all phones
 * of the other edge, and calls for the devices that are connected there.
 */
import type { LocalIdentity } from "../../core/identity/signer.ts";
import type { SipContact } from "../../core/usages/sip.ts";
import { equalBytes } from "../../core/wire/bytes.ts";
import type { Clock } from "../../hal/hal.ts";
import type { AppAttacher, AppConnection, AppConnections } from "./app-connections.ts";
import type { OverlayResolver } from "./resolver.ts";
import { nodeTimers, type Timers } from "./state/timers.ts";

/** The list is fetched again after this long at the latest: the freshness limit of what a press uses. */
export const EDGES_FRESH_MS = 30_000;
/** After a change the pauses double from here on: what has come up with it is stored and found some moments later. */
export const EDGES_FIRST_PAUSE_MS = 1_000;
/** Things that come together (peers that join) are one reason to look. */
const SOON_MS = 200;

export interface HouseEdgesOptions {
	readonly houseAor: string;
	readonly resolver: Pick<OverlayResolver, "resolve">;
	readonly connections: Pick<AppConnections, "connection" | "find">;
	readonly host: AppAttacher;
	/** Our own identity for the house; undefined until it has been issued. */
	readonly identity: () => LocalIdentity | undefined;
	/** True for a registration of this very peer. */
	readonly isHere: (contact: SipContact) => boolean;
	readonly clock: Clock;
	readonly timers?: Timers;
}

/** Another edge, and the connection to it when it is up. */
export interface OtherEdge {
	readonly contact: SipContact;
	readonly connection: AppConnection | undefined;
}

export class HouseEdges {
	readonly #options: HouseEdgesOptions;
	readonly #timers: Timers;
	#contacts: readonly SipContact[] = [];
	#stop: () => void = () => undefined;
	#pauseMs = EDGES_FIRST_PAUSE_MS;
	#running = false;
	#again = false;
	#closed = false;

	constructor(options: HouseEdgesOptions) {
		this.#options = options;
		this.#timers = options.timers ?? nodeTimers;
	}

	/** The edges whose registration lasts. */
	others(): OtherEdge[] {
		const { connections, clock } = this.#options;
		const identity = this.#options.identity();
		if (identity === undefined) return [];
		const wallMs = clock.wallMs();
		return this.#contacts
			.filter((contact) => contact.expiresMs > wallMs)
			.map((contact) => ({ contact, connection: connections.find(identity, contact.nodeId) }));
	}

	/** Something has changed (a peer came, a connection went): looks again in a moment. */
	lookSoon(): void {
		this.#pauseMs = EDGES_FIRST_PAUSE_MS;
		if (this.#running) this.#again = true;
		else this.#after(SOON_MS);
	}

	/** A connection is there: an edge that has found us before we have found it is looked for. */
	connectionUp(connection: AppConnection): void {
		if (this.#isBetweenEdges(connection) && !this.#knows(connection)) this.lookSoon();
	}

	/** A connection is gone: one to another edge is opened anew. */
	connectionDown(connection: AppConnection): void {
		if (this.#isBetweenEdges(connection) && this.#knows(connection)) this.lookSoon();
	}

	#isBetweenEdges({ local, remoteUser }: AppConnection): boolean {
		const { houseAor } = this.#options;
		return local.userName === houseAor && remoteUser === houseAor;
	}

	#knows({ remoteNodeId }: AppConnection): boolean {
		return this.#contacts.some((contact) => equalBytes(contact.nodeId, remoteNodeId));
	}

	close(): void {
		this.#closed = true;
		this.#stop();
	}

	#after(ms: number): void {
		this.#stop();
		if (this.#closed) return;
		this.#stop = this.#timers.after(ms, () => void this.#round());
	}

	async #round(): Promise<void> {
		this.#running = true;
		this.#again = false;
		await this.#refresh();
		this.#running = false;
		this.#after(this.#again ? SOON_MS : this.#pauseMs);
		this.#pauseMs = Math.min(this.#pauseMs * 2, EDGES_FRESH_MS);
	}

	async #refresh(): Promise<void> {
		const { resolver, houseAor, isHere, connections, host } = this.#options;
		const identity = this.#options.identity();
		const resolution = identity === undefined ? undefined : await resolver.resolve(houseAor);
		if (identity === undefined || resolution === undefined || this.#closed) return;
		this.#contacts = resolution.contacts.filter((contact) => contact.aor === houseAor && !isHere(contact));
		const tries = this.#contacts.map(({ destinations }) => connections.connection(host, identity, destinations));
		// An edge that does not answer is tried again in the next round; who rings the house does without it.
		await Promise.allSettled(tries);
	}
}
