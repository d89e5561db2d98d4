/** The sockets phones reach the SIP edge by: UDP and TCP, one for each address of this machine. */
import type { Endpoint } from "../../core/overlay/node-types.ts";
import type { FlowOptions } from "../../core/sip/edge-types.ts";
import type { Log } from "../../hal/hal.ts";
import { type AcceptedSocket, Listener, TCP } from "../../hal/node/tcp.ts";
import { UDP } from "../../hal/node/udp.ts";
import { expand, portError, readEndpoint, writeEndpoint } from "./addresses.ts";
import { errorCode, UserError } from "./state/errors.ts";

/** TCP connections of phones at once, and from one address. */
export const MAX_SIP_CONNECTIONS = 1_024;
export const MAX_SIP_CONNECTIONS_PER_ADDRESS = 32;

/** One place to listen, as `--sip` says. */
export interface SipListen {
	readonly transport: "udp" | "tcp";
	readonly address: string;
	readonly port: number;
}

/** "udp://192.168.1.10:5060"; throws a `UserError` that names `what`. */
export function readSipListen(uri: string, what: string): SipListen {
	const match = /^(udp|tcp):\/\/(.+)$/.exec(uri);
	if (match === null)
		throw new UserError(
			`${what}: ${uri} is not udp://ADDRESS:PORT or tcp://ADDRESS:PORT`,
			"write for instance udp://[::]:5060",
		);
	return { transport: match[1] as "udp" | "tcp", ...readEndpoint(match[2] ?? "", what) };
}

/** A place that is open on one address. */
interface Opened extends Endpoint {
	close(): void;
}

/** What the sockets tell their owner. */
export interface SipSocketsOwner {
	readonly log: Log;
	/** A number for a flow that is about to begin. */
	flowNumber(): number;
	/** A flow begins; octets may be sent over it from within this call. False when there is no room for it. */
	opened(options: FlowOptions): boolean;
	datagram(flow: number, octets: Uint8Array, address: string, port: number): void;
	octets(flow: number, octets: Uint8Array): void;
	closed(flow: number): void;
	connectFailed(connect: number, reason: string): void;
}

export class SipSockets {
	readonly #owner: SipSocketsOwner;
	readonly #udp = new Map<number, UDP>();
	readonly #tcp = new Map<number, TCP>();
	#listeners: Opened[] = [];
	readonly #connecting = new Set<TCP>();
	/** "sip:192.168.1.10:5060;transport=udp", for people. */
	readonly listening: string[] = [];

	constructor(owner: SipSocketsOwner) {
		this.#owner = owner;
	}

	/**
	 * Opens places on every address they stand for. Rejects with a `UserError` when the port of one is another program's on any of its
	 * addresses, or can be had on none; nothing of them is open then.
	 */
	async listen(...places: readonly SipListen[]): Promise<void> {
		const opened: Opened[] = [];
		const told: string[] = [];
		try {
			for (const place of places) {
				const mine = await this.#open(place, opened);
				for (const at of mine) told.push(`sip:${writeEndpoint(at)};transport=${place.transport}`);
			}
		} catch (error) {
			for (const one of opened) one.close();
			this.#listeners = this.#listeners.filter((other) => !opened.includes(other));
			throw error;
		}
		this.listening.push(...told);
	}

	/** What is open now of a place; all of it is added to `opened`, also when the rest fails. */
	async #open(place: SipListen, opened: Opened[]): Promise<readonly Opened[]> {
		let failure: unknown;
		const mine: Opened[] = [];
		let { port } = place;
		for (const address of expand(place.address)) {
			try {
				// Port 0 takes any for the first address, and the same for the others.
				const one =
					place.transport === "udp" ? await this.#listenUdp(address, port) : await this.#listenTcp(address, port);
				port = one.port;
				mine.push(one);
				opened.push(one);
			} catch (error) {
				failure = error;
				if (errorCode(error) === "EADDRINUSE") break;
			}
		}
		if (failure !== undefined && (mine.length === 0 || errorCode(failure) === "EADDRINUSE"))
			throw portError(failure, `${place.transport}://${writeEndpoint(place)}`, "--sip");
		return mine;
	}

	#listenUdp(address: string, wanted: number): Promise<Opened> {
		const owner = this.#owner;
		const sockets = this.#udp;
		return new Promise((resolve, reject) => {
			let flow = -1;
			new UDP({
				address,
				port: wanted,
				onReadable() {
					for (let packet = this.read(); packet !== undefined; packet = this.read())
						owner.datagram(flow, packet, packet.address, packet.port);
				},
				onWritable() {
					if (flow >= 0) return;
					flow = owner.flowNumber();
					sockets.set(flow, this);
					owner.opened({ flow, transport: "udp", localAddress: address, localPort: this.port });
					const close = (): void => {
						sockets.delete(flow);
						this.close();
						owner.closed(flow);
					};
					resolve({ address, port: this.port, close });
				},
				onError(error) {
					if (flow < 0) {
						reject(error);
						return;
					}
					sockets.delete(flow);
					owner.closed(flow);
					owner.log("error", "sip.socket", { address, error: error.message });
				},
			});
		});
	}

	#listenTcp(address: string, wanted: number): Promise<Opened> {
		const sockets = this;
		return new Promise((resolve, reject) => {
			new Listener({
				address,
				port: wanted,
				connections: MAX_SIP_CONNECTIONS,
				connectionsPerAddress: MAX_SIP_CONNECTIONS_PER_ADDRESS,
				onListening() {
					const opened = { address, port: this.port, close: (): void => this.close() };
					sockets.#listeners.push(opened);
					resolve(opened);
				},
				onError: reject,
				onReadable() {
					for (let from = this.read(); from !== undefined; from = this.read()) sockets.#adopt(from, address, this.port);
				},
			});
		});
	}

	#adopt(from: AcceptedSocket, address: string, port: number): void {
		const owner = this.#owner;
		const sockets = this.#tcp;
		const flow = owner.flowNumber();
		const stream = new TCP({
			from,
			onReadable() {
				for (let octets = this.read(); octets !== undefined; octets = this.read()) owner.octets(flow, octets);
			},
			onError() {
				sockets.delete(flow);
				owner.closed(flow);
			},
		});
		sockets.set(flow, stream);
		const { remoteAddress, remotePort } = stream;
		const isTaken = owner.opened({
			flow,
			transport: "tcp",
			localAddress: address,
			localPort: port,
			remoteAddress,
			remotePort,
		});
		if (isTaken) return;
		// Without a flow nothing would ever be said over it.
		sockets.delete(flow);
		stream.close();
	}

	/** Opens a TCP connection the edge asked for. */
	connect(connect: number, address: string, port: number): void {
		const owner = this.#owner;
		const sockets = this.#tcp;
		const connecting = this.#connecting;
		// Our Via names the listener of the address's family: a phone that has to connect anew finds us there.
		const isSix = address.includes(":");
		const place = this.#listeners.find((one) => one.address.includes(":") === isSix) ?? {
			address: isSix ? "::1" : "127.0.0.1",
			port: 5060,
		};
		const local = { localAddress: place.address, localPort: place.port };
		let flow = -1;
		const stream = new TCP({
			address,
			port,
			onWritable() {
				if (flow >= 0) return;
				connecting.delete(this);
				flow = owner.flowNumber();
				// First into the table: what waited for the connection is sent from within `opened`.
				sockets.set(flow, this);
				owner.opened({ flow, transport: "tcp", ...local, remoteAddress: address, remotePort: port, connect });
			},
			onReadable() {
				for (let octets = this.read(); octets !== undefined; octets = this.read()) owner.octets(flow, octets);
			},
			onError(error) {
				connecting.delete(this);
				if (flow < 0) owner.connectFailed(connect, error.message);
				else {
					sockets.delete(flow);
					owner.closed(flow);
				}
			},
		});
		this.#connecting.add(stream);
	}

	/** Sends; false when the flow is not one of ours. A full socket loses the octets (UDP) or the connection (TCP). */
	send(flow: number, octets: Uint8Array, address: string, port: number): boolean {
		const udp = this.#udp.get(flow);
		if (udp !== undefined) {
			udp.write(octets, address, port);
			return true;
		}
		const tcp = this.#tcp.get(flow);
		if (tcp === undefined) return false;
		if (tcp.write(octets) < 0) this.close(flow);
		return true;
	}

	close(flow: number): void {
		const tcp = this.#tcp.get(flow);
		if (tcp === undefined) return;
		this.#tcp.delete(flow);
		tcp.close();
		this.#owner.closed(flow);
	}

	closeAll(): void {
		for (const listener of this.#listeners) listener.close();
		for (const socket of this.#udp.values()) socket.close();
		for (const stream of [...this.#tcp.values(), ...this.#connecting]) stream.close();
		this.#udp.clear();
		this.#tcp.clear();
	}
}
