/**
 * The table of flows and the ways found through it: which addresses are ours, which flow a URI, a target or a token means, what our
 * Record-Route says, and connections being opened. RFC 3261 §18, §19.1.2; RFC 5626; RFC 7904 §3.5.
 */
import type { SipOutput, Target } from "./edge-types.ts";
import { Flow, type FlowOptions, type FlowTransport, Hop, hostText, isIpAddress } from "./flow.ts";
import type { SipLimits } from "./limits.ts";
import type { OwnPlaces, RoutePlan } from "./route.ts";
import { asciiLower } from "./syntax.ts";
import type { FlowTokens } from "./tokens.ts";
import type { Transport } from "./transactions.ts";
import { aorOf, type Uri } from "./uri.ts";

/** A connection asked for, with what is to be sent over it. */
interface Connecting {
	readonly flow: Flow;
	readonly key: string;
	readonly heads: string[];
	readonly bodies: Uint8Array[];
}

export interface FlowTableOptions {
	readonly tokens: FlowTokens;
	readonly limits: SipLimits;
	readonly domains: readonly string[];
	readonly hosts: readonly string[];
	readonly isOwnRoute: (uri: string) => boolean;
	readonly nodeOfRoute: (uri: string) => string | undefined;
	/** Where outputs go. */
	readonly put: (output: SipOutput) => void;
}

export class FlowTable implements OwnPlaces, Transport {
	readonly #tokens: FlowTokens;
	readonly #limits: SipLimits;
	readonly #put: (output: SipOutput) => void;
	readonly #isOwnRoute: (uri: string) => boolean;
	readonly #nodeOfRoute: (uri: string) => string | undefined;
	/** Domains first, then other hosts: all in lower case, IPv6 in brackets. */
	readonly #domains: readonly string[];
	readonly #hosts = new Set<string>();
	/** "host:port" of flows, with how many flows have it. */
	readonly #places = new Map<string, number>();
	readonly #flows = new Map<number, Flow>();
	readonly #connecting = new Map<number, Connecting>();
	/** Open or opening streams by "transport address port" of the far end. */
	readonly #byRemote = new Map<string, Flow>();
	/** Overlay flows by the peer's Node-ID, and by the peer's AOR; of those that share one the newest. */
	readonly #byPeer = new Map<string, Flow>();
	/** Flows by their `localRoute`; the newest of those that share one. */
	readonly #byLocalRoute = new Map<string, Flow>();
	readonly #find = (number: number): Flow | undefined => this.#flows.get(number);
	#connects = 0;

	constructor(options: FlowTableOptions) {
		this.#tokens = options.tokens;
		this.#limits = options.limits;
		this.#put = options.put;
		this.#isOwnRoute = options.isOwnRoute;
		this.#nodeOfRoute = options.nodeOfRoute;
		this.#domains = options.domains.map(asciiLower);
		for (const domain of this.#domains) this.#hosts.add(domain);
		for (const host of options.hosts) this.#hosts.add(asciiLower(hostText(host)));
	}

	/** Registers a flow, or completes the connection it answers. False at the limit, and for a number in use. */
	add(options: FlowOptions): boolean {
		const connecting = options.connect === undefined ? undefined : this.#connecting.get(options.connect);
		if (this.#flows.has(options.flow) || (connecting === undefined && this.#flows.size >= this.#limits.flows))
			return false;
		let flow: Flow;
		if (connecting === undefined) flow = new Flow(options, true);
		else {
			flow = connecting.flow;
			flow.open(options);
			this.#connecting.delete(options.connect!);
		}
		this.#flows.set(flow.number, flow);
		this.#index(flow);
		if (connecting !== undefined) {
			for (let i = 0; i < connecting.heads.length; i++)
				this.send(flow.hop, connecting.heads[i]!, connecting.bodies[i]!);
		}
		return true;
	}

	get(number: number): Flow | undefined {
		return this.#flows.get(number);
	}

	/** Forgets a flow that is gone; answers it. */
	remove(number: number): Flow | undefined {
		const flow = this.#flows.get(number);
		if (flow === undefined) return undefined;
		this.#flows.delete(number);
		flow.isOpen = false;
		this.#unindex(flow);
		return flow;
	}

	/** A connection came to nothing; answers its flow. */
	connectFailed(connect: number): Flow | undefined {
		const connecting = this.#connecting.get(connect);
		if (connecting === undefined) return undefined;
		this.#connecting.delete(connect);
		connecting.flow.isOpen = false;
		if (this.#byRemote.get(connecting.key) === connecting.flow) this.#byRemote.delete(connecting.key);
		return connecting.flow;
	}

	send(hop: Hop, head: string, body: Uint8Array): boolean {
		const { flow } = hop;
		if (!flow.isOpen) return false;
		if (flow.number >= 0) {
			const { address, port } = flow.hasManyRemotes ? hop : NOWHERE;
			this.#put({ type: "transmit", flow: flow.number, address, port, head, body });
			return true;
		}
		for (const connecting of this.#connecting.values()) {
			if (connecting.flow !== flow) continue;
			if (connecting.heads.length >= this.#limits.messagesPerConnect) return false;
			connecting.heads.push(head);
			connecting.bodies.push(body);
			return true;
		}
		return false;
	}

	/** Where a request comes from. */
	hopFrom(flow: Flow, address: string | undefined, port: number | undefined): Hop {
		return flow.hasManyRemotes ? new Hop(flow, address ?? "", port ?? 0) : flow.hop;
	}

	isOwn(uri: Uri): boolean {
		if (!uri.isSip) return false;
		return this.#hosts.has(uri.host) || this.#places.has(`${uri.host}:${uri.portOrDefault()}`);
	}

	/** The AOR of a URI; with the first domain when its host is this edge but no domain of it. */
	aorOf(uri: Uri): string | undefined {
		const aor = aorOf(uri);
		if (aor === undefined || !this.isOwn(uri) || this.#domains.includes(uri.host)) return aor;
		return `${aor.slice(0, aor.lastIndexOf("@"))}@${this.#domains[0] ?? uri.host}`;
	}

	flowOfLocalRoute(uri: string, from: Flow): Flow | undefined {
		if (from.options.localRoute !== undefined && sameRoute(from.options.localRoute, uri)) return from;
		return this.#byLocalRoute.get(routeKey(uri));
	}

	isOwnRoute(uri: string): boolean {
		return this.#isOwnRoute(uri);
	}

	hopOfToken(token: string): Hop | undefined {
		return this.#tokens.hopOf(token, this.#find);
	}

	routeValue(hop: Hop): string {
		const { flow } = hop;
		const { localRoute } = flow.options;
		if (localRoute !== undefined) return `<${localRoute};lr>`;
		return `<sip:${this.#tokens.tokenOf(hop)}@${flow.routeHost};lr>`;
	}

	hopOf(target: Target): Hop | undefined {
		if (target.flow !== undefined) {
			const flow = this.#flows.get(target.flow);
			if (flow === undefined) return undefined;
			if (!flow.hasManyRemotes) return flow.hop;
			return target.address === undefined ? undefined : new Hop(flow, target.address, target.port ?? 5060);
		}
		if (target.address === undefined) return undefined;
		return this.#hopTo(target.transport ?? "udp", target.address, target.port, target.serverName);
	}

	/**
	 * The next hop that needs no location service: an overlay peer's route, our own flow token, an IP address.
	 * An overlay peer may only go on to flows that a token of ours names (it is delivered here, not relayed anywhere).
	 */
	hopOfUri(plan: RoutePlan, from: Hop): Hop | undefined {
		if (plan.nextUri !== undefined) {
			const peer = from.flow.isOverlay ? undefined : this.#hopOfPeer(plan);
			if (peer !== undefined) return peer;
			// Our overlay route alone names the user, not which of the connections: the one to this peer has to be opened again.
			if (!from.flow.isOverlay && plan.localRoute !== "" && this.#nodeOfRoute(plan.next) !== undefined)
				return undefined;
		}
		// The values behind ours say what comes after the hop that our token names.
		if (plan.tokenHop !== undefined) return plan.tokenHop.flow.isOpen ? plan.tokenHop : undefined;
		const uri = plan.nextUri ?? plan.uri;
		if (uri === undefined || from.flow.isOverlay || this.isOwn(uri) || !isIpAddress(uri.host)) return undefined;
		const transport = asciiLower(uri.param("transport") ?? (uri.scheme === "sips" ? "tls" : "udp"));
		return this.#hopTo(transport as FlowTransport, bareHost(uri.host), uri.portOrDefault(), undefined);
	}

	/** The connection to the peer that the next Route value names; the one between these two users if there is one. */
	#hopOfPeer(plan: RoutePlan): Hop | undefined {
		const node = this.#nodeOfRoute(plan.next);
		if (node !== undefined) return (this.#byPeer.get(pairKey(plan.localRoute, node)) ?? this.#byPeer.get(node))?.hop;
		const peer = aorOf(plan.nextUri!) ?? "";
		const between = plan.localRoute === "" ? undefined : this.#byPeer.get(pairKey(plan.localRoute, peer));
		return (between ?? this.#byPeer.get(peer))?.hop;
	}

	#hopTo(
		transport: FlowTransport,
		address: string,
		port: number | undefined,
		serverName: string | undefined,
	): Hop | undefined {
		if (transport === "udp") {
			const socket = this.#socketFor(address);
			return socket === undefined ? undefined : new Hop(socket, address, port ?? 5060);
		}
		if (transport !== "tcp" && transport !== "tls") return undefined;
		const to = port ?? (transport === "tls" ? 5061 : 5060);
		const known = this.#byRemote.get(`${transport} ${address} ${to}`);
		if (known?.isOpen) return known.hop;
		return this.#connect(transport, address, to, serverName);
	}

	/** A UDP socket of the address's family. */
	#socketFor(address: string): Flow | undefined {
		const isV6 = address.indexOf(":") >= 0;
		for (const flow of this.#flows.values()) {
			if (flow.hasManyRemotes && flow.options.localAddress.indexOf(":") >= 0 === isV6) return flow;
		}
		return undefined;
	}

	#connect(transport: FlowTransport, address: string, port: number, serverName: string | undefined): Hop | undefined {
		if (this.#connecting.size >= this.#limits.pendingConnects) return undefined;
		const connect = ++this.#connects;
		const { localAddress, localPort } = this.#listener(transport);
		const options = { flow: -1, transport, localAddress, localPort, remoteAddress: address, remotePort: port };
		const flow = new Flow(options, true);
		const key = `${transport} ${address} ${port}`;
		this.#connecting.set(connect, { flow, key, heads: [], bodies: [] });
		this.#byRemote.set(key, flow);
		this.#put({ type: "connect", connect, transport, address, port, serverName });
		return flow.hop;
	}

	/** What stands in the Via before the connection is there: any place of ours, of this transport if we have one. */
	#listener(transport: FlowTransport): { localAddress: string; localPort: number } {
		let found: Flow | undefined;
		for (const flow of this.#flows.values()) {
			if (flow.transport === transport) return flow.options;
			found ??= flow;
		}
		return found?.options ?? { localAddress: this.#domains[0] ?? "localhost.invalid", localPort: 5060 };
	}

	#index(flow: Flow): void {
		const { options } = flow;
		const place = `${asciiLower(hostText(options.localAddress))}:${options.localPort}`;
		this.#places.set(place, (this.#places.get(place) ?? 0) + 1);
		const remote = remoteKey(flow);
		if (remote !== "") this.#byRemote.set(remote, flow);
		for (const key of peerKeys(options)) this.#byPeer.set(key, flow);
		if (options.localRoute !== undefined) this.#byLocalRoute.set(routeKey(options.localRoute), flow);
	}

	#unindex(flow: Flow): void {
		const { options } = flow;
		const place = `${asciiLower(hostText(options.localAddress))}:${options.localPort}`;
		const count = (this.#places.get(place) ?? 1) - 1;
		if (count === 0) this.#places.delete(place);
		else this.#places.set(place, count);
		dropIf(this.#byRemote, remoteKey(flow), flow);
		for (const key of peerKeys(options)) dropIf(this.#byPeer, key, flow);
		if (options.localRoute !== undefined) dropIf(this.#byLocalRoute, routeKey(options.localRoute), flow);
	}
}

const NOWHERE = Object.freeze({ address: "", port: 0 });

/** What an overlay flow is found by. */
function peerKeys({ peerAor, peerNode, localRoute }: FlowOptions): string[] {
	const keys: string[] = [];
	if (peerNode !== undefined) keys.push(peerNode);
	if (peerNode !== undefined && localRoute !== undefined) keys.push(pairKey(localRoute, peerNode));
	if (peerAor !== undefined) keys.push(peerAor);
	if (peerAor !== undefined && localRoute !== undefined) keys.push(pairKey(localRoute, peerAor));
	return keys;
}

function pairKey(localRoute: string, peerAor: string): string {
	return `${routeKey(localRoute)} ${peerAor}`;
}

function dropIf(map: Map<string, Flow>, key: string, flow: Flow): void {
	if (map.get(key) === flow) map.delete(key);
}

function remoteKey(flow: Flow): string {
	const { transport, options } = flow;
	if (flow.isOverlay || (transport !== "tcp" && transport !== "tls") || options.remoteAddress === undefined) return "";
	return `${transport} ${options.remoteAddress} ${options.remotePort ?? 0}`;
}

function sameRoute(a: string, b: string): boolean {
	return a === b || routeKey(a) === routeKey(b);
}

/** A GRUU comes back as we wrote it, with `lr` behind: the key is what stands before. */
function routeKey(uri: string): string {
	return uri.endsWith(";lr") ? uri.slice(0, -3) : uri;
}

function bareHost(host: string): string {
	return host.startsWith("[") ? host.slice(1, -1) : host;
}
