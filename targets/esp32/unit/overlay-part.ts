/**
 * The overlay as a device has it: one link to a peer, its registration kept, its settings fetched. Binds OverlayNode (client) and
 * Refresher to the device; the protocols are in them. The SIP connections are those of its EdgesPart.
 */
import type { OverlayConfig } from "../../../core/config/document.ts";
import { DEVICE_SETTINGS_KIND } from "../../../core/config/kinds.ts";
import { isIpv4 } from "../../../core/device/pairing-code.ts";
import type { Certificate } from "../../../core/identity/certificate.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { isRefused, type Refused } from "../../../core/machine.ts";
import { clientRole } from "../../../core/overlay/client.ts";
import { OverlayNode } from "../../../core/overlay/node.ts";
import type { Endpoint, NodeEvent, NodeOutput, RequestResult } from "../../../core/overlay/node-types.ts";
import { DEVICE_PROFILE } from "../../../core/overlay/profile.ts";
import { Refresher } from "../../../core/overlay/refresh.ts";
import { certificatePlaces } from "../../../core/usages/certificates.ts";
import { fetchedKind } from "../../../core/usages/requests.ts";
import { registerForward, type SipContact } from "../../../core/usages/sip.ts";
import { equalBytes, toHex, utf8ToBytes } from "../../../core/wire/bytes.ts";
import { KindId } from "../../../core/wire/codes.ts";
import { nodeDestination } from "../../../core/wire/destination.ts";
import type { SecureConnection } from "../../../hal/device.ts";
import { type EdgesListener, type EdgesOverlay, EdgesPart } from "./edges-part.ts";
import { FlashKey, readPeers, writePeers } from "./flash-state.ts";
import { CERTIFICATE_S, CLOCK_RETRY_MS, REGISTRATION_S, SETTINGS_MS, SETTINGS_RETRY_MS } from "./limits.ts";
import type { UnitContext, UnitPart } from "./types.ts";

/** What the overlay's part tells the others. */
export interface OverlayListener extends EdgesListener {
	/** The sealed settings record as it is stored for us. */
	settingsFound(sealed: Uint8Array): void;
	/** Our own Node-ID is out, or every peer behaves as if it were. */
	revoked(): void;
	/** The wall clock was set by the overlay. */
	clockSet(): void;
}

export interface OverlayPartOptions {
	readonly context: UnitContext;
	readonly listener: OverlayListener;
	readonly identity: LocalIdentity;
	readonly config: OverlayConfig;
	readonly document: Uint8Array;
	readonly secondEdge: boolean;
}

interface Open {
	readonly connection: SecureConnection;
	isUp: boolean;
}

/** Names of the values kept. */
const REGISTRATION = "sip";
/** SIP-REGISTRATION and the certificate at two places. */
const KEPT_VALUES = 4;
/** DNS-SD name of overlay links (RFC 6940 §14.4 names the service of the enrollment server only). */
const PEER_SERVICE = "_p2psip._tcp";

export class OverlayPart implements UnitPart, EdgesOverlay {
	readonly node: OverlayNode;
	readonly edges: EdgesPart;
	readonly #context: UnitContext;
	readonly #listener: OverlayListener;
	#identity: LocalIdentity;
	readonly #refresher: Refresher;
	/** By number of the link. */
	readonly #links = new Map<number, Open>();
	#lastLink = 0;
	#peer = "";
	#isRegistered = false;
	#isCertificateKept = false;
	#clockToken = 0;
	#clockAt = Infinity;
	#settingsToken = 0;
	#settingsAt = Infinity;
	#generation = 0;
	#browsing: { stop(): void } | undefined;
	#closed = false;

	constructor(options: OverlayPartOptions) {
		const { context, identity, config, document } = options;
		const { hal } = context;
		this.#context = context;
		this.#listener = options.listener;
		this.#identity = identity;
		this.node = new OverlayNode({
			identity,
			config,
			configBytes: document,
			crypto: hal.crypto,
			profile: DEVICE_PROFILE,
			wallMs: hal.isClockSet ? hal.clock.wallMs() : Number.NaN,
			listen: [],
			role: clientRole(),
			log: hal.log,
		});
		const random = () => hal.crypto.random(1)[0]! / 256;
		this.#refresher = new Refresher({ node: this.node, random, limit: KEPT_VALUES });
		this.edges = new EdgesPart(context, options.listener, this, options.secondEdge ? 2 : 1);
	}

	get identity(): LocalIdentity {
		return this.#identity;
	}

	/** Hex of the Node-ID we are linked to, or "". */
	get peer(): string {
		return this.#peer;
	}

	get isRegistered(): boolean {
		return this.#isRegistered;
	}

	start(now: number): void {
		const { hal } = this.#context;
		this.node.start({ bootstrap: readPeers(hal.flash) }, now);
		this.#addBootstrap(this.node.settings.config.bootstrapNodes);
		this.#browse();
	}

	/** Names of the document become addresses; what is found is tried after the peers of before. */
	#addBootstrap(nodes: readonly Endpoint[]): void {
		for (const { address, port } of nodes) {
			if (isIpv4(address)) this.node.discovered([{ address, port }], this.#context.now());
			else if (address.indexOf(":") < 0)
				this.#context.hal.network.resolve(address, (found) => this.#found(found, port));
		}
	}

	#found(address: string | undefined, port: number): void {
		if (address === undefined || this.#closed) return;
		this.node.discovered([{ address, port }], this.#context.now());
		this.#context.wake();
	}

	/** mDNS, while nobody else is found. */
	#browse(): void {
		this.#browsing ??= this.#context.hal.network.browse(PEER_SERVICE, (address, port, text) => {
			if (text.overlay === this.node.settings.config.instanceName) this.#found(address, port);
		});
	}

	#stopBrowsing(): void {
		this.#browsing?.stop();
		this.#browsing = undefined;
	}

	/** The network came back, maybe another one. */
	networkUp(now: number): void {
		if (this.node.role.inOverlay) return;
		this.node.start({ bootstrap: readPeers(this.#context.hal.flash) }, now);
		this.#addBootstrap(this.node.settings.config.bootstrapNodes);
	}

	/** The next certificate of the same node; false: it is another node's, and everything begins anew. */
	renew(identity: LocalIdentity): boolean {
		if (!equalBytes(identity.nodeId, this.#identity.nodeId)) return false;
		this.#identity = identity;
		this.#isCertificateKept = false;
		return this.node.addIdentity(identity);
	}

	/** The wall clock was set. */
	setClock(wallMs: number, now: number): void {
		this.#clockAt = Infinity;
		this.node.handle({ type: "clock", wallMs }, now);
		this.#refresher.again(now);
	}

	/** Asks for the settings soon. */
	refreshSettings(now: number): void {
		if (this.node.role.inOverlay) this.#settingsAt = Math.min(this.#settingsAt, now);
	}

	close(): void {
		this.#closed = true;
		this.#stopBrowsing();
		for (const { connection } of this.#links.values()) connection.close();
		this.#links.clear();
		this.edges.close();
	}

	deadline(): number {
		const inner = Math.min(this.node.deadline(), this.edges.deadline(), this.#refresherDeadline());
		return Math.min(inner, this.#clockAt, this.#settingsAt);
	}

	/** Without a peer nothing can be stored: it is tried again when there is one. */
	#refresherDeadline(): number {
		return this.node.role.inOverlay ? this.#refresher.deadline() : Infinity;
	}

	timeout(now: number): void {
		if (this.node.deadline() <= now) this.node.handle({ type: "timeout" }, now);
		this.edges.timeout(now);
		if (this.#refresherDeadline() <= now) this.#refresher.handle({ type: "timeout" }, now);
		if (this.#clockAt <= now) this.#askTime(now);
		if (this.#settingsAt <= now) this.#fetchSettings(now);
	}

	drain(now: number): boolean {
		let worked = false;
		for (;;) {
			const node = this.node.poll();
			if (node !== undefined) this.#nodeOutput(node, now);
			const edges = this.edges.step(now);
			const kept = this.#refresher.poll();
			if (kept?.type === "stored" && kept.name === REGISTRATION) this.#registered();
			if (kept?.type === "failed") {
				this.#context.hal.log("info", "unit.notStored", { name: kept.name, error: kept.errorCode, info: kept.info });
			}
			if (node === undefined && !edges && kept === undefined) return worked;
			worked = true;
		}
	}

	#registered(): void {
		this.#isRegistered = true;
		this.#context.event({ type: "registered" });
	}

	#nodeOutput(output: NodeOutput, now: number): void {
		switch (output.type) {
			case "transmit": {
				const open = this.#links.get(output.link);
				if (open !== undefined && !open.connection.write(output.bytes)) this.#linkLost(output.link, "full", now);
				return;
			}
			case "connect":
				this.#connectLink(output, now);
				return;
			case "close":
				this.#links.get(output.link)?.connection.close();
				this.#links.delete(output.link);
				return;
			case "result":
				this.#result(output.token, output.result, now);
				return;
			case "event":
				this.#nodeEvent(output.event, now);
		}
	}

	#connectLink(output: Extract<NodeOutput, { type: "connect" }>, now: number): void {
		const { connect, address, port, serverName } = output;
		const { hal } = this.#context;
		if (!isIpv4(address) || hal.network.address === undefined) {
			this.node.handle({ type: "connectFailed", connect, reason: "no way there" }, now);
			return;
		}
		const link = ++this.#lastLink;
		const connection = hal.connectSecure({
			address,
			port,
			serverName,
			identity: this.#identity,
			verify: (chain) => !isRefused(this.check(chain)),
			onUp: (chain) => {
				const open = this.#links.get(link);
				if (open === undefined) return;
				open.isUp = true;
				this.node.handle({ type: "linkUp", link, connect, chain, address, port }, this.#context.now());
				this.#context.wake();
			},
			onBytes: (bytes) => {
				this.node.handle({ type: "bytes", link, bytes }, this.#context.now());
				this.#context.wake();
			},
			onDrained: () => {
				const buffered = this.#links.get(link)?.connection.buffered ?? 0;
				this.node.handle({ type: "drained", link, buffered }, this.#context.now());
			},
			onClosed: (reason) => {
				const open = this.#links.get(link);
				if (open === undefined) return;
				hal.log("debug", "unit.linkClosed", { address, port, reason });
				if (open.isUp) this.#linkLost(link, reason, this.#context.now());
				else {
					this.#links.delete(link);
					this.node.handle({ type: "connectFailed", connect, reason }, this.#context.now());
				}
				this.#context.wake();
			},
		});
		this.#links.set(link, { connection, isUp: false });
	}

	#linkLost(link: number, reason: string, now: number): void {
		const open = this.#links.get(link);
		if (open === undefined) return;
		this.#links.delete(link);
		open.connection.close();
		this.node.handle({ type: "linkDown", link, reason }, now);
	}

	check(chain: readonly Uint8Array[]): Certificate | Refused {
		const leaf = chain[0] ?? new Uint8Array(0);
		return this.node.settings.trust.check(leaf, chain.slice(1), this.node.wallMs(this.#context.now()));
	}

	#result(token: number, result: RequestResult, now: number): void {
		const { hal } = this.#context;
		if (this.edges.result(token, result, now)) return;
		if (this.#refresher.owns(token)) this.#refresher.handle({ type: "result", token, result }, now);
		else if (token === this.#settingsToken) this.#settingsResult(result, now);
		else if (token === this.#clockToken) {
			this.#clockToken = 0;
			if (hal.isClockSet) return;
			if (result.ok && result.body.type === "ping" && result.body.ping.time > 0) {
				hal.setWallMs(result.body.ping.time + result.rttMs / 2);
				this.#listener.clockSet();
			} else this.#clockAt = now + CLOCK_RETRY_MS;
		}
	}

	#nodeEvent(event: NodeEvent, now: number): void {
		switch (event.type) {
			case "joined":
				this.#joined(event.nodeId, now);
				return;
			case "isolated":
				this.#peer = "";
				this.edges.handle({ type: "isolated" }, now);
				this.#browse();
				this.#context.event({ type: "isolated" });
				return;
			case "cachedPeers":
				writePeers(this.#context.hal.flash, event.peers);
				return;
			case "config":
				this.#configChanged(event.bytes, now);
				return;
			case "refused":
				if (event.what === "client") this.#listener.revoked();
				this.#context.hal.log("info", "unit.refused", {
					what: event.what,
					reason: event.reason,
					address: event.address,
				});
		}
	}

	#joined(nodeId: Uint8Array, now: number): void {
		this.#peer = toHex(nodeId);
		this.#stopBrowsing();
		this.#context.event({ type: "joined", peer: this.#peer });
		if (!this.#context.hal.isClockSet) this.#askTime(now);
		this.edges.handle({ type: "joined", nodeId }, now);
		// RFC 6940 §8 MUST: a node stores its certificate.
		if (!this.#isCertificateKept) this.#keepCertificate(now);
		else if (!this.#isRegistered) this.#refresher.again(now);
		this.#settingsAt = Math.min(this.#settingsAt, now);
	}

	/** RFC 6940 §6.5.3: a Ping is answered with the time. */
	#askTime(now: number): void {
		this.#clockAt = Infinity;
		if (this.#peer === "" || this.#context.hal.isClockSet) return;
		const peer = this.node.connections.all().next().value?.nodeId;
		if (peer !== undefined) this.#clockToken = this.node.ping([nodeDestination(peer)], now);
	}

	#configChanged(document: Uint8Array, now: number): void {
		this.#context.hal.flash.set(FlashKey.config, document);
		const { settings } = this.node;
		// Peers that joined after we were paired: whoever knows the first one only is lost with it.
		this.#addBootstrap(settings.config.bootstrapNodes);
		this.edges.exclude((nodeId) => settings.isBad(nodeId), now);
		if (settings.isBad(this.#identity.nodeId)) this.#listener.revoked();
	}

	#keepCertificate(now: number): void {
		this.#isCertificateKept = true;
		const { certificate, nodeId } = this.#identity;
		for (const place of certificatePlaces(certificate, (name) => this.node.resourceId(name))) {
			const { resourceId, kind } = place;
			const value = { resourceId, kind, as: nodeId, isArray: true, value: certificate.der, lifetimeS: CERTIFICATE_S };
			this.#refresher.keep(`certificate ${kind}`, value, now);
		}
	}

	/** Callers find us at the edge that we are connected to. */
	register(contact: SipContact, now: number): void {
		const { nodeId, userName } = this.#identity;
		const who = { userName, nodeId, resourceHash: (name: Uint8Array) => this.node.resourceId(name) };
		const store = registerForward(who, { target: this.edges.contactUri(contact), lifetimeS: REGISTRATION_S });
		if (isRefused(store)) {
			this.#context.hal.log("error", "unit.registration", { reason: store.refused });
			return;
		}
		const { resourceId } = store;
		const value = store.kinds[0]!.values[0]!.value;
		const kept = {
			resourceId,
			kind: KindId.sipRegistration,
			as: nodeId,
			key: nodeId,
			value,
			lifetimeS: REGISTRATION_S,
		};
		this.#refresher.keep(REGISTRATION, kept, now);
	}

	#fetchSettings(now: number): void {
		this.#settingsAt = Infinity;
		if (this.#settingsToken !== 0 || !this.node.role.inOverlay) return;
		const resourceId = this.node.resourceId(utf8ToBytes(this.edges.house.text));
		const keys = [utf8ToBytes(this.edges.own.text)];
		const wanted = { kind: DEVICE_SETTINGS_KIND, generation: this.#generation, keys };
		this.#settingsToken = this.node.fetch(resourceId, [wanted], now);
	}

	#settingsResult(result: RequestResult, now: number): void {
		this.#settingsToken = 0;
		const fetched = fetchedKind(result, DEVICE_SETTINGS_KIND);
		this.#settingsAt = now + (fetched === undefined ? SETTINGS_RETRY_MS : SETTINGS_MS);
		if (fetched === undefined) return;
		this.#generation = fetched.generation;
		for (const { stored, signer } of fetched.values) {
			if (signer?.userName !== this.edges.house.text || !stored.value.value.exists) continue;
			this.#listener.settingsFound(stored.value.value.value);
		}
	}
}
