/**
 * The peer daemon: composes state, household, enrollment server, overlay node, AppAttach connections and SIP edge. No protocol
 * logic here; what happens in which order does.
 *
 *     state -> membership (found | join | open) -> household sync -> overlay node -> SIP edge -> ready
 *                     |                                 |
 *              enrollment server (founder)       accounts, hosted identities, documents
 */
import { type OverlayConfig, readConfigDocument } from "../../core/config/document.ts";
import { isRefused } from "../../core/machine.ts";
import type { Endpoint, KnownEndpoint, NodeEvent } from "../../core/overlay/node-types.ts";
import type { DigestAlgorithm } from "../../core/sip/digest.ts";
import { houseAor } from "../../core/usages/house.ts";
import { toHex } from "../../core/wire/bytes.ts";
import { ApplicationId } from "../../core/wire/codes.ts";
import type { Clock, Crypto, Log } from "../../hal/hal.ts";
import { nodeMediaCrypto } from "../../hal/node/media-crypto.ts";
import { advertised, expand, openNear, writeEndpoint } from "./addresses.ts";
import { AppConnections } from "./app-connections.ts";
import { registerCommands } from "./control-commands.ts";
import { DeviceRecords } from "./device-records.ts";
import { Discovery } from "./discovery.ts";
import { EdgeHost, type SipListen } from "./edge-host.ts";
import { EnrollmentClient } from "./enrollment/client.ts";
import { joinHousehold } from "./enrollment/join.ts";
import { RemoteSource } from "./enrollment/remote-source.ts";
import { EnrollmentServer } from "./enrollment/server.ts";
import { Household } from "./household/household.ts";
import { Issuing } from "./household/issuing.ts";
import { MAX_ADDRESSES_PER_PEER } from "./household/limits.ts";
import { LocalSource } from "./household/local-source.ts";
import { type Membership, openMembership } from "./household/membership.ts";
import { HouseholdSync, type HouseholdUpdate } from "./household/sync.ts";
import { OverlayHost } from "./overlay-host.ts";
import { makePeerNode } from "./overlay-peer.ts";
import { OwnRecords } from "./own-records.ts";
import { Refusals } from "./refusals.ts";
import { ControlServer } from "./state/control-socket.ts";
import { UserError } from "./state/errors.ts";
import { PiState } from "./state/state.ts";
import { Survivor } from "./survivor.ts";

/** Where the peers that were reached last are remembered. */
const CACHED_PEERS = "pi/cached-peers";

export interface PeerOptions {
	readonly statePath: string;
	/** Found a household of this domain when the state is new. */
	readonly found?: {
		readonly domain: string;
		readonly topology: "mesh" | "chord" | "chord-self-tuning";
		readonly profile: "house" | "rfc";
	};
	/** Join by this invitation when the state is new. */
	readonly join?: string;
	readonly link: Endpoint;
	/** Where other peers connect to for calls (AppAttach); the link's address and any port when absent. */
	readonly calls?: Endpoint;
	/** Addresses others are told; those of the interfaces when empty. */
	readonly addresses: readonly string[];
	readonly http: Endpoint;
	readonly sip: readonly SipListen[];
	/** Digest algorithms offered to phones, preferred first. */
	readonly digest: readonly DigestAlgorithm[];
	/** Try up to this many higher ports where one is taken; 0 = none. */
	readonly otherPorts?: number;
	readonly mdns: boolean;
	readonly crypto: Crypto;
	readonly clock: Clock;
	readonly log: Log;
}

/** What a peer says when it serves. */
export interface ReadyReport {
	readonly ready: true;
	readonly pid: number;
	readonly domain: string;
	readonly nodeId: string;
	readonly state: string;
	readonly link: string;
	readonly http: string | undefined;
	readonly sip: readonly string[];
}

export class Peer {
	readonly options: PeerOptions;
	readonly state: PiState;
	readonly membership: Membership;
	/** Undefined unless this peer runs the household's enrollment. */
	readonly household: Household | undefined;
	readonly control: ControlServer;
	readonly #refusals: Refusals;
	sync!: HouseholdSync;
	host!: OverlayHost;
	connections!: AppConnections;
	edge!: EdgeHost;
	ready!: ReadyReport;
	/** Where the enrollment server is reached; empty unless it runs here. */
	enrollment: readonly Endpoint[] = [];
	#server: EnrollmentServer | undefined;
	#remote: RemoteSource | undefined;
	#discovery: Discovery | undefined;
	#records!: OwnRecords;
	#survivor!: Survivor;
	#deviceRecords!: DeviceRecords;
	#stopping: Promise<void> | undefined;

	private constructor(options: PeerOptions, state: PiState, membership: Membership, household: Household | undefined) {
		this.options = options;
		this.state = state;
		this.membership = membership;
		this.household = household;
		this.#refusals = new Refusals(options);
		this.control = new ControlServer({ path: state.directory.socketPath, log: options.log });
	}

	/** Starts a peer; resolves when it serves. Rejects with a `UserError` that says what to do; nothing runs on then. */
	static async start(options: PeerOptions): Promise<Peer> {
		const state = PiState.open({ path: options.statePath, what: "a peer" });
		let peer: Peer | undefined;
		try {
			const household = await openHousehold(options, state);
			const membership = await member(options, state);
			peer = new Peer(options, state, membership, household);
			await peer.#open();
			return peer;
		} catch (error) {
			if (peer === undefined) await state.close();
			else await peer.stop();
			throw error;
		}
	}

	get founder(): boolean {
		return this.household !== undefined;
	}

	async #open(): Promise<void> {
		const { log, crypto, clock } = this.options;
		const source = this.#openSource();
		this.sync = new HouseholdSync({
			state: this.state,
			crypto,
			clock,
			membership: this.membership,
			source,
			onApply: (update) => this.#apply(update),
			log,
		});
		await this.#openOverlay();
		await this.#openEdge();
		const http = await this.#openEnrollment();
		await this.#announce(http);
		this.household?.start();
		this.sync.start();
		// Accounts may have been added while the founder was stopped: they are served from the first moment on.
		if (this.founder) await this.sync.firstTry;
		this.#startOverlay();
		const identity = this.membership.identity;
		this.ready = {
			ready: true,
			pid: process.pid,
			domain: this.membership.overlayName,
			nodeId: toHex(identity.nodeId),
			state: this.state.directory.path,
			link: writeEndpoint(this.host.listen[0] ?? this.options.link),
			http: http === undefined ? undefined : `https://${writeEndpoint(http)}`,
			sip: this.edge.listening(),
		};
		// Last: every command can be served from the moment the socket is there.
		registerCommands(this);
		await this.control.listen();
	}

	#openSource(): LocalSource | RemoteSource {
		if (this.household !== undefined) {
			const issuing = new Issuing(this.household);
			this.#server = new EnrollmentServer({ household: this.household, issuing, log: this.options.log });
			return new LocalSource(this.household, issuing);
		}
		this.#remote = new RemoteSource({
			membership: this.membership,
			config: () => this.sync.config,
			identity: () => this.sync.identity,
		});
		return this.#remote;
	}

	async #openOverlay(): Promise<void> {
		const { link, log, crypto, clock, addresses } = this.options;
		const { identity, config, document } = this.sync;
		const read = readConfigDocument(document, crypto, this.membership.overlayName);
		if (isRefused(read)) throw new UserError(`the configuration document: ${read.refused}`, "join the household again");
		const told = addresses.length > 0 ? addresses : advertised(link.address);
		this.connections = await AppConnections.open({
			listen: this.options.calls ?? { address: link.address, port: 0 },
			identity,
			overlayName: config.instanceName,
			clock,
			log,
			trust: () => this.host.node.settings.trust,
			onUp: (connection) => this.edge.connectionUp(connection),
			onBytes: (connection, bytes) => this.edge.connectionBytes(connection, bytes),
			onDown: (connection, reason) => this.edge.connectionDown(connection, reason),
			// To other edges and devices: nobody who rings waits for a handshake.
			isKept: ({ local }) => local.userName === houseAor(config.instanceName),
		});
		const sip = told.map((address) => ({ address, port: this.connections.port }));
		const open = (port: number): Promise<OverlayHost> =>
			this.#openHost({ address: link.address, port }, told, sip, read.config);
		this.host = await openNear(link.port, this.options.otherPorts ?? 0, open);
		this.#records = new OwnRecords({ host: this.host, clock, log, crypto });
		this.#deviceRecords = new DeviceRecords({
			host: this.host,
			records: this.#records,
			crypto: { ...crypto, ...nodeMediaCrypto() },
			log,
		});
		this.#survivor = new Survivor({ host: this.host, log, nodeId: identity.nodeId, founder: this.founder });
	}

	#openHost(
		listen: Endpoint,
		told: readonly string[],
		sip: readonly Endpoint[],
		config: OverlayConfig,
	): Promise<OverlayHost> {
		const { log, crypto, clock } = this.options;
		const { identity, document } = this.sync;
		const store = this.state.store;
		return OverlayHost.open({
			identity,
			listen,
			advertise: told,
			store,
			clock,
			log,
			onEvent: (event) => this.#event(event),
			node: (options) =>
				makePeerNode({
					...options,
					identity,
					config,
					configBytes: document,
					crypto,
					store,
					log,
					applications: [
						{ application: ApplicationId.sip, listen: sip },
						{ application: ApplicationId.sips, listen: sip },
					],
				}),
		});
	}

	async #openEdge(): Promise<void> {
		const { crypto, clock, log, sip, digest, otherPorts } = this.options;
		this.edge = await EdgeHost.open({
			domain: this.membership.overlayName,
			listen: sip,
			digest,
			...(otherPorts === undefined ? {} : { otherPorts }),
			host: this.host,
			connections: this.connections,
			records: this.#records,
			account: (name) => this.sync.account(name),
			isDevice: (aor) => this.sync.devices.some((device) => device.aor === aor),
			hosted: (aor) => this.sync.hosted(aor),
			peerNodeId: this.membership.identity.nodeId,
			crypto,
			clock,
			log,
		});
		this.#useIdentities();
	}

	async #openEnrollment(): Promise<Endpoint | undefined> {
		if (this.#server === undefined) return undefined;
		const { address, port } = this.options.http;
		const hosts = [...new Set([...expand(address), ...this.options.addresses])];
		const server = this.#server;
		const got = await openNear(port, this.options.otherPorts ?? 0, (one) =>
			server.listen({ host: address, port: one, hosts }),
		);
		return { address: this.options.addresses[0] ?? advertised(address)[0] ?? address, port: got };
	}

	/** Tells the enrollment server (and by it everybody) where this peer is reached. */
	async #announce(http: Endpoint | undefined): Promise<void> {
		const { addresses, http: listen } = this.options;
		const told = addresses.length > 0 ? addresses : advertised(listen.address);
		if (http !== undefined)
			this.enrollment = told.slice(0, MAX_ADDRESSES_PER_PEER).map((address) => ({ address, port: http.port }));
		const all = { link: this.host.listen.slice(0, MAX_ADDRESSES_PER_PEER), enrollment: this.enrollment };
		this.sync.announce(all);
		if (this.household === undefined) return;
		// Whoever joins reads in the document where to enroll: it has to be there before this peer says that it serves.
		const announced = this.household.announce(this.household.founder, all);
		await this.household.addresses.flush();
		await announced;
	}

	#startOverlay(): void {
		const { mdns, log } = this.options;
		this.#survivor.start(
			this.#others([...this.#cachedPeers(), ...this.sync.config.bootstrapNodes, ...this.#peerLinks()]),
		);
		for (const identity of [this.membership.identity, ...this.sync.allHosted()])
			this.#records.keepCertificate(identity);
		this.#serveHouse();
		if (mdns)
			this.#discovery = new Discovery({
				overlayName: this.membership.overlayName,
				instance: toHex(this.membership.identity.nodeId),
				listen: this.host.listen,
				enrollment: this.enrollment[0]?.port,
				log,
				onFound: (found) => this.host.command((node, now) => node.discovered(found, now)),
			});
	}

	/** Where the household's peers were reached last; newer than the document, which is not written for every change. */
	#peerLinks(): KnownEndpoint[] {
		return this.sync.peers.flatMap(({ nodeId, link }) => link.map((endpoint) => ({ ...endpoint, nodeId })));
	}

	#others(endpoints: readonly KnownEndpoint[]): KnownEndpoint[] {
		const own = new Set(this.host.listen.map(writeEndpoint));
		return endpoints.filter((endpoint) => !own.has(writeEndpoint(endpoint)));
	}

	#cachedPeers(): Endpoint[] {
		const stored = this.state.get(CACHED_PEERS);
		return Array.isArray(stored) ? (stored as Endpoint[]) : [];
	}

	/** The household changed: identities, documents, accounts. Resolves when it is in use here. */
	#apply(update: HouseholdUpdate): void {
		const { document, identity: renewed } = update;
		if (document !== undefined) this.host.input({ type: "document", bytes: document });
		if (renewed !== undefined) {
			this.host.setIdentity(renewed);
			this.#records.keepCertificate(renewed);
		}
		for (const identity of update.removed) {
			this.edge.forget(identity.userName);
			this.#records.forget(identity);
			this.host.command((node) => node.removeIdentity(identity.nodeId));
		}
		this.host.command((node, now) => node.discovered(this.#others(this.#peerLinks()), now));
		this.#useIdentities();
		for (const identity of update.added) this.#records.keepCertificate(identity);
		this.#serveHouse();
	}

	/** Registrations and settings that this peer keeps in the overlay for the household. */
	#serveHouse(): void {
		this.edge.accountsChanged();
		this.#deviceRecords.follow(this.sync.devices, this.sync.hosted(houseAor(this.membership.overlayName)));
	}

	#useIdentities(): void {
		const hosted = this.sync.allHosted();
		for (const identity of hosted) {
			if (this.host.command((node) => node.addIdentity(identity))) continue;
			this.options.log("error", "identities.full", { aor: identity.userName });
		}
		this.connections.setIdentities([this.sync.identity, ...hosted]);
	}

	#event(event: NodeEvent): void {
		const { log } = this.options;
		switch (event.type) {
			case "appExpect":
			case "appConnect":
				this.connections.handleEvent(event);
				return;
			case "config":
				void this.sync
					.noteDocument(event.bytes)
					.catch((error: unknown) => log("error", "document.kept", { error: String(error) }));
				this.connections.recheck();
				return;
			case "cachedPeers":
				this.state.store.commit({ put: [[CACHED_PEERS, event.peers]], remove: [] }, () => undefined);
				return;
			case "joined":
			case "isolated":
				log("info", `overlay.${event.type}`, {});
				this.#survivor.event(event);
				this.#records.event(event);
				this.edge?.overlayChanged();
				return;
			case "peerUp":
			case "peerDown":
				log("info", `overlay.${event.type}`, { nodeId: toHex(event.nodeId) });
				this.#survivor.event(event);
				this.edge?.overlayChanged();
				// It may be the peer that runs the enrollment: accounts added meanwhile are fetched at once.
				if (event.type === "peerUp") this.sync.retryNow();
				return;
			case "refused":
				this.#refusals.refused(event);
				return;
			default:
		}
	}

	/** Says goodbye to everybody and closes everything. May be called twice. */
	stop(): Promise<void> {
		this.#stopping ??= this.#stop();
		return this.#stopping;
	}

	async #stop(): Promise<void> {
		await this.control.close();
		this.#discovery?.close();
		await this.edge?.stop();
		this.#survivor?.close();
		this.#records?.close();
		await this.host?.stop();
		this.connections?.close();
		await this.#server?.close();
		this.#remote?.close();
		await this.sync?.close();
		await this.household?.close();
		await this.state.close();
	}
}

async function openHousehold(options: PeerOptions, state: PiState): Promise<Household | undefined> {
	const { crypto, clock, log, found } = options;
	const household = { state, crypto, clock, log };
	const isNew = openMembership(state, crypto) === undefined;
	if (!isNew || found === undefined) return await Household.open(household);
	if (options.join !== undefined) throw new UserError("both --found and --join", "give one of them");
	return await Household.found(household, {
		overlayName: found.domain,
		topology: found.topology,
		profile: found.profile,
	});
}

async function member(options: PeerOptions, state: PiState): Promise<Membership> {
	const { crypto, clock, join } = options;
	const membership = openMembership(state, crypto);
	if (membership !== undefined) return membership;
	if (join === undefined)
		throw new UserError(
			`${state.directory.path}: belongs to no household yet`,
			"give --found to begin one, or --join with what `ringlet invite` printed at another peer",
		);
	return await joinHousehold(state, new EnrollmentClient({ crypto, clock }), crypto, join);
}
