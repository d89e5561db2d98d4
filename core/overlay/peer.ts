/**
 * The role of a peer: in the ring, forwarding, storing. Composes the parts that a device does not have. Before editing read RFC 6940
 * §6, §10; README.md of this folder has the picture.
 */
import type { OverlayConfig } from "../config/document.ts";
import { LINK_LIMITS } from "../link/limits.ts";
import { isRefused } from "../machine.ts";
import type { StorageLimits } from "../storage/limits.ts";
import { Storage } from "../storage/storage.ts";
import type { KindCheck } from "../storage/types.ts";
import { compareBytes, includesBytes } from "../wire/bytes.ts";
import { ErrorCode, MessageCode, MessageExtensionType, ProbeInformationType } from "../wire/codes.ts";
import { type ProbeInformation, readProbeReq, writeProbeAns } from "../wire/probe.ts";
import { encode } from "../wire/writer.ts";
import { Attaches, type AttachSpec } from "./attach.ts";
import { Bootstrap, has } from "./bootstrap.ts";
import type { Connection } from "./connections.ts";
import type { IncomingRequest, LinkChange, NodeContext, Role, RoleStatus } from "./context.ts";
import type { HopView } from "./hop-view.ts";
import { PEER_LIMITS, Times } from "./limits.ts";
import { Maintenance } from "./maintenance.ts";
import type { Endpoint, KnownEndpoint, RoleFactory, StartOptions } from "./node-types.ts";
import { Persistence } from "./persistence.ts";
import { Router } from "./router.ts";
import { StorageGlue } from "./storage-glue.ts";
import { StoreSender } from "./store-sender.ts";
import type { TopologyHost, TopologyPlugin } from "./topology/plugin.ts";
import { TopologyDriver } from "./topology-driver.ts";

export interface PeerOptions {
	/** Makes the topology plug-in (`createTopology` of topology/index.ts, bound to a name). */
	readonly topology: (host: TopologyHost) => TopologyPlugin;
	/** Records of the last run whose keys start with `STORAGE_PREFIX`. */
	readonly records?: Iterable<readonly [key: string, value: unknown]>;
	/** Further rules of usages for their Kinds. */
	readonly kindChecks?: Readonly<Record<number, KindCheck>>;
	readonly storageLimits?: Partial<StorageLimits>;
}

/** The role of a peer, for `OverlayNodeOptions.role`. */
export function peerRole(options: PeerOptions): RoleFactory {
	return { limits: PEER_LIMITS, linkLimits: LINK_LIMITS, make: (context) => new PeerRole(context, options) };
}

class PeerRole implements Role {
	readonly kind = "peer";
	readonly #context: NodeContext;
	readonly #router: Router;
	readonly #attaches: Attaches;
	readonly #bootstrap: Bootstrap;
	readonly #driver: TopologyDriver;
	readonly #storage: Storage;
	readonly #persistence: Persistence;
	readonly #maintenance: Maintenance;
	readonly #glue: StorageGlue;
	/** When `left` follows a `leave` at the latest. */
	#leftAt = Infinity;
	/** Neighbours' addresses of late, newest first. */
	#cached: Endpoint[] = [];

	constructor(context: NodeContext, options: PeerOptions) {
		this.#context = context;
		this.#router = new Router(context);
		this.#attaches = new Attaches(context, (nodeId, now) => this.#driver.feed({ type: "updateWanted", nodeId }, now));
		this.#bootstrap = new Bootstrap(context, (nodeId) => !this.#driver.isRouting(nodeId));
		this.#driver = this.#makeDriver(options);
		this.#storage = this.#makeStorage(options);
		this.#persistence = new Persistence(context, this.#storage);
		const sender = new StoreSender(context, this.#storage, this.#persistence);
		const world = {
			storage: this.#storage,
			persistence: this.#persistence,
			sender,
			plugin: () => this.#driver.plugin,
			handedOver: (to: Uint8Array, ok: boolean, now: number) => this.#driver.feed({ type: "handedOver", to, ok }, now),
		};
		this.#maintenance = new Maintenance(context, world);
		this.#glue = new StorageGlue(context, { ...world, maintenance: this.#maintenance });
		if (options.records !== undefined) {
			const { change } = this.#storage.load(options.records, context.startWallMs);
			context.later(() => this.#persistence.commit(change));
		}
	}

	#makeDriver(options: PeerOptions): TopologyDriver {
		const user = {
			attaches: () => this.#attaches,
			bootstrapLinks: () => this.#entries(),
			handOver: (to: Uint8Array, after: Uint8Array, upTo: Uint8Array, now: number) =>
				this.#maintenance.handOver(to, after, upTo, now),
			placementChanged: (now: number) => this.#maintenance.placementChanged(now),
			release: (nodeId: Uint8Array, now: number) => this.#release(nodeId, now),
			joined: (now: number) => {
				this.#maintenance.placementChanged(now);
				this.#context.event({ type: "joined", nodeId: this.#context.nodeId });
			},
			isolated: () => this.#context.event({ type: "isolated" }),
			left: () => this.#left(),
		};
		return new TopologyDriver(this.#context, user, options.topology);
	}

	/**
	 * Through whom the ring is looked for. Choice (RFC 6940 §10.5, §11.5): a node that is not in the ring and has no link to a bootstrap
	 * node asks whoever has linked with it: after a power cut that may be the only one who knows where the other is.
	 */
	#entries(): Uint8Array[] {
		const links = this.#bootstrap.links();
		return links.length > 0 || this.#driver.plugin.inOverlay ? links : this.#context.connections.nodeIds();
	}

	#makeStorage(options: PeerOptions): Storage {
		const { settings, crypto } = this.#context;
		return new Storage({
			kinds: (id) => settings.kind(id),
			verifier: settings.verifier,
			resourceHash: (name) => this.resourceId(name),
			sha256: (data) => crypto.hash("sha256", data),
			nodeIdLength: settings.config.nodeIdLength,
			redirBranchingFactor: () => settings.config.redirBranchingFactor,
			...(options.storageLimits === undefined ? {} : { limits: options.storageLimits }),
			...(options.kindChecks === undefined ? {} : { kindChecks: options.kindChecks }),
		});
	}

	get inOverlay(): boolean {
		return this.#driver.plugin.inOverlay;
	}

	/** Starts an Attach of the host's. */
	attach(spec: AttachSpec, now: number): void {
		this.#attaches.open(spec, now);
	}

	resourceId(name: Uint8Array): Uint8Array {
		return this.#driver.plugin.resourceId(name);
	}

	start(options: StartOptions, now: number): void {
		this.#bootstrap.start(options.bootstrap, now);
		this.#driver.feed({ type: "start", first: options.first === true }, now);
	}

	discovered(endpoints: readonly KnownEndpoint[], now: number): void {
		this.#bootstrap.add(endpoints, now);
	}

	/** RFC 6940 §6.4.2.2 SHOULD: goodbye to all neighbours; `left` follows, at the latest when one request would have failed. */
	leave(now: number): void {
		if (this.#leftAt !== Infinity) return;
		const { overlayReliabilityMs, transmissions } = this.#context.profile;
		this.#leftAt = now + overlayReliabilityMs * transmissions;
		this.#bootstrap.stop();
		this.#driver.feed({ type: "leave" }, now);
	}

	#left(): void {
		this.#leftAt = Infinity;
		this.#context.later((now) => {
			this.#context.links.closeAll("leaving", now);
			this.#context.event({ type: "left" });
		});
	}

	nextHop(id: Uint8Array): Connection | undefined {
		const next = this.#driver.plugin.nextHop(id);
		return next === undefined ? undefined : this.#context.connections.find(next);
	}

	isResponsible(id: Uint8Array): boolean {
		return this.#driver.plugin.isResponsible(id);
	}

	isCloseEnough(resourceId: Uint8Array, signer: Uint8Array): boolean {
		return this.#driver.plugin.isCloseEnough(resourceId, signer);
	}

	expected(nodeIds: readonly Uint8Array[]): Uint8Array | undefined {
		return this.#attaches.expected(nodeIds);
	}

	/**
	 * Choice (§6.6.5): of two peers the one with the larger Node-ID waits twice as long, since what it receives of the other's probe tells
	 * it the same for nothing. Clients look after their link themselves.
	 */
	idlesPerProbe(nodeId: Uint8Array): number {
		if (!this.#driver.isRouting(nodeId)) return Times.clientIdleFactor;
		return compareBytes(this.#context.nodeId, nodeId) < 0 ? 1 : 2;
	}

	understands(extension: number): boolean {
		return extension === MessageExtensionType.selfTuningData && this.#driver.plugin.probeExtensions !== undefined;
	}

	forward(view: HopView, from: Connection | undefined, now: number): void {
		this.#router.forward(view, from, now);
	}

	forwardTo(view: HopView, target: Connection, from: Connection | undefined, now: number): void {
		this.#router.forwardTo(view, target, from, now);
	}

	serve(request: IncomingRequest, now: number): boolean {
		switch (request.code) {
			case MessageCode.attachReq:
				this.#attaches.serve(request, now);
				return true;
			case MessageCode.probeReq:
				this.#probe(request, now);
				return true;
			case MessageCode.joinReq:
			case MessageCode.leaveReq:
				// RFC 6940 §6.4.2.1 MUST: over the link that is bound to the signer; else anybody could repeat it later.
				if (!request.overLink) {
					this.#context.answers.refuse(request, ErrorCode.forbidden, "not over the link of its signer", now);
					return true;
				}
				// What announces itself is no failure when the link ends.
				if (request.code === MessageCode.leaveReq && request.connection !== undefined)
					request.connection.leaving = true;
				this.#driver.request(request, now);
				return true;
			case MessageCode.updateReq:
			case MessageCode.routeQueryReq:
				this.#driver.request(request, now);
				return true;
			default:
				return this.#glue.serve(request, now);
		}
	}

	/** RFC 6940 §6.4.2.5: every type asked for that we know, in the order asked; no others. */
	#probe(request: IncomingRequest, now: number): void {
		const { answers } = this.#context;
		const body = readProbeReq(request.body);
		if (isRefused(body)) {
			answers.refuse(request, ErrorCode.invalidMessage, body.refused, now);
			return;
		}
		const probeInfo: ProbeInformation[] = [];
		for (const type of body.requestedInfo) {
			const value = this.#probeValue(type, now);
			if (value !== undefined && probeInfo.every((other) => other.type !== type)) probeInfo.push({ type, value });
		}
		const extensions = this.#driver.plugin.probeExtensions?.(now) ?? [];
		answers.answer(request, encode(writeProbeAns, { probeInfo }), now, { extensions });
		this.#driver.probed(request.from.nodeId, request.extensions, now);
	}

	#probeValue(type: number, now: number): number | undefined {
		switch (type) {
			case ProbeInformationType.responsibleSet:
				return this.#driver.plugin.responsiblePpb();
			case ProbeInformationType.numResources:
				return this.#storage.totals().resources;
			case ProbeInformationType.uptime:
				return Math.floor(this.#context.uptimeS(now));
			default:
				return undefined;
		}
	}

	linkUp(connection: Connection, change: LinkChange, now: number): void {
		const { nodeId } = connection;
		if (nodeId === undefined) return;
		// It may have restarted, and lost what it held, before its old link was given up.
		if (change === "replaced") this.#maintenance.linkDown(nodeId, now);
		if (change !== "double") {
			this.#cache(connection);
			this.#driver.feed({ type: "linkUp", nodeId }, now);
		}
		this.#attaches.linkUp(connection, now);
	}

	/** RFC 6940 §11.4: only directly connected peers may be cached, and only where they can be reached: where we connected to. */
	#cache(connection: Connection): void {
		if (!connection.initiated) return;
		const endpoint = { address: connection.address, port: connection.port };
		if (has(this.#cached, endpoint)) return;
		this.#cached = [endpoint, ...this.#cached].slice(0, this.#context.limits.cachedPeers);
		this.#context.event({ type: "cachedPeers", peers: this.#cached });
	}

	linkDown(nodeId: Uint8Array, clean: boolean, now: number): void {
		this.#bootstrap.linkDown(nodeId, clean, now);
		this.#maintenance.linkDown(nodeId, now);
		this.#driver.feed({ type: "linkDown", nodeId, clean }, now);
	}

	/** The plug-in has no more use for the link; it goes when room is needed. */
	#release(nodeId: Uint8Array, _now: number): void {
		for (const connection of this.#context.connections.allTo(nodeId)) connection.released = true;
	}

	bootstrapIsSelf(endpoint: Endpoint): void {
		this.#bootstrap.isSelf(endpoint);
	}

	/** RFC 6940 §11.1 MUST: data of Kinds that are gone, and of revoked nodes, goes too. */
	configChanged(previous: OverlayConfig, _now: number): void {
		const { settings } = this.#context;
		const { config } = settings;
		for (const { id } of previous.requiredKinds) {
			if (settings.kind(id) === undefined) this.#persistence.commit(this.#storage.removeKind(id));
		}
		for (const bad of config.badNodes) {
			if (includesBytes(previous.badNodes, bad)) continue;
			this.#persistence.commit(this.#storage.dropSigner(bad));
		}
	}

	persisted(batch: number, error: string | undefined, now: number): void {
		this.#persistence.persisted(batch, error, now);
	}

	timeout(now: number): void {
		this.#attaches.timeout(now);
		this.#driver.timeout(now);
		this.#bootstrap.timeout(now);
		this.#glue.timeout(now);
		this.#maintenance.timeout(now);
		this.#persistence.timeout(now);
		const wallMs = this.#context.wallMs(now);
		if (this.#storage.nextExpiry() <= wallMs) this.#persistence.commit(this.#storage.expire(wallMs));
		if (this.#leftAt <= now) this.#left();
	}

	deadline(): number {
		const { wallOffsetMs } = this.#context;
		return Math.min(
			this.#attaches.deadline(),
			this.#driver.deadline(),
			this.#bootstrap.deadline(),
			this.#glue.deadline(),
			this.#maintenance.deadline(),
			this.#persistence.deadline(),
			this.#storage.nextExpiry() - wallOffsetMs,
			this.#leftAt,
		);
	}

	status(_now: number): RoleStatus {
		const { plugin } = this.#driver;
		const totals = this.#storage.totals();
		return {
			neighbours: plugin.neighbours(),
			routingTable: plugin.routingTable(),
			responsiblePpb: plugin.responsiblePpb(),
			topology: [...plugin.describe(), ...this.#storage.describe()],
			storedResources: totals.resources,
			storedValues: totals.values,
		};
	}
}
