/**
 * Flows: the sockets, connections and overlay connections the host has registered, and the hops messages take over them.
 */
import type { Fork } from "./fork.ts";
import type { StreamFramer } from "./framing.ts";
import type { Timer } from "./timers.ts";
import type { Transaction } from "./transaction.ts";

export type FlowTransport = "udp" | "tcp" | "tls" | "ws" | "wss" | "overlay";

/** What the host says of a flow. */
export interface FlowOptions {
	/** The host's number of it; never used again for another flow. */
	readonly flow: number;
	readonly transport: FlowTransport;
	readonly localAddress: string;
	readonly localPort: number;
	/** Absent for a UDP socket, whose datagrams each say where they come from. */
	readonly remoteAddress?: string;
	readonly remotePort?: number;
	/** The AOR that the peer's certificate proves (an overlay connection). Its requests need no digest and reach local bindings only. */
	readonly peerAor?: string;
	/** URI for our Record-Route on this side instead of address and flow token: a GRUU of the hosted user. `lr` is added. */
	readonly localRoute?: string;
	/** Node-ID of the peer's certificate, as `nodeOfRoute` writes it: requests whose Route names it take this flow. */
	readonly peerNode?: string;
	/**
	 * The AOR that the certificate of a client of this edge proves (a device): its requests need no digest, must be From it, and go
	 * wherever those of a phone with that account would. `localRoute` is its GRUU at this edge.
	 */
	readonly account?: string;
	/** Host (and port) for Via instead of the local address and port. */
	readonly sentBy?: string;
	/** Requests are forwarded without digest and with any From (a trunk, a test). */
	readonly isTrusted?: boolean;
	/** The `connect` output that this flow answers. */
	readonly connect?: number;
}

/** A registered flow, or one being connected. */
export class Flow {
	/** The host's number; -1 while connecting. */
	number: number;
	readonly transport: FlowTransport;
	readonly isReliable: boolean;
	/** True when messages have to be found in a stream of octets. */
	readonly isStream: boolean;
	isOpen: boolean;
	options: FlowOptions;
	/** Where messages go on a flow that leads to one place. */
	readonly hop: Hop;
	/** Client transactions on a flow that can close. */
	readonly users: Set<Transaction> | undefined;
	/** Forks of INVITEs that came over a flow that can close, until they are answered. */
	readonly forks: Set<Fork> | undefined;
	/** "Via: SIP/2.0/UDP host:port;rport;branch=" */
	viaPrefix: string;
	/** "host:port" and, unless UDP, ";transport=tcp": our place in Record-Route on this side. */
	routeHost: string;
	framer: StreamFramer | undefined = undefined;
	stall: Timer | undefined = undefined;

	constructor(options: FlowOptions, isOpen: boolean) {
		this.options = options;
		this.number = options.flow;
		this.transport = options.transport;
		this.isReliable = options.transport !== "udp";
		this.isStream = options.transport === "tcp" || options.transport === "tls" || options.transport === "overlay";
		this.isOpen = isOpen;
		this.users = options.transport === "udp" ? undefined : new Set();
		this.forks = options.transport === "udp" ? undefined : new Set();
		this.hop = new Hop(this, options.remoteAddress ?? "", options.remotePort ?? 0);
		this.viaPrefix = viaPrefix(options);
		this.routeHost = routeHost(options);
	}

	/** The connection came up. */
	open(options: FlowOptions): void {
		this.options = options;
		this.number = options.flow;
		this.isOpen = true;
		this.viaPrefix = viaPrefix(options);
		this.routeHost = routeHost(options);
	}

	get isOverlay(): boolean {
		return this.options.peerAor !== undefined;
	}

	/** True for a UDP socket. */
	get hasManyRemotes(): boolean {
		return this.transport === "udp" && this.options.remoteAddress === undefined;
	}
}

/** Where a message goes, or came from: a flow, and for a UDP socket the far address. */
export class Hop {
	readonly flow: Flow;
	readonly address: string;
	readonly port: number;

	constructor(flow: Flow, address: string, port: number) {
		this.flow = flow;
		this.address = address;
		this.port = port;
	}

	/** True when both are the same way. */
	equals(other: Hop): boolean {
		if (this.flow !== other.flow) return false;
		return !this.flow.hasManyRemotes || (this.address === other.address && this.port === other.port);
	}

	/** True when the same machine is at the other end: what a CANCEL or a nonce is held to. */
	isSameSource(other: Hop): boolean {
		if (this.flow === other.flow && !this.flow.hasManyRemotes) return true;
		return !this.flow.isOverlay && !other.flow.isOverlay && this.address === other.address;
	}
}

/** "host" for a URI or Via: an IPv6 address gets its brackets. */
export function hostText(address: string): string {
	return address.indexOf(":") >= 0 && !address.startsWith("[") ? `[${address}]` : address;
}

/** True for an IPv4 address, or an IPv6 address in brackets. */
export function isIpAddress(host: string): boolean {
	if (host.startsWith("[")) return true;
	const parts = host.split(".");
	if (parts.length !== 4) return false;
	for (let i = 0; i < 4; i++) {
		const part = parts[i]!;
		if (part.length === 0 || part.length > 3 || !(Number(part) <= 255)) return false;
		for (let k = 0; k < part.length; k++) if (part.charCodeAt(k) < 0x30 || part.charCodeAt(k) > 0x39) return false;
	}
	return true;
}

function viaPrefix(options: FlowOptions): string {
	const sentBy = options.sentBy ?? `${hostText(options.localAddress)}:${options.localPort}`;
	return `Via: SIP/2.0/${viaTransport(options.transport)} ${sentBy};rport;branch=`;
}

/** RFC 7904 §3.4: SIP over an overlay connection is SIP over TLS. */
function viaTransport(transport: FlowTransport): string {
	return transport === "overlay" ? "TLS" : transport.toUpperCase();
}

function routeHost(options: FlowOptions): string {
	const host = `${hostText(options.localAddress)}:${options.localPort}`;
	return options.transport === "udp"
		? host
		: `${host};transport=${options.transport === "overlay" ? "tls" : options.transport}`;
}
