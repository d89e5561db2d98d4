/** A UDP socket of the device. */
import UDP from "embedded:io/socket/udp";
import type { DatagramSocket, Timers } from "../device.ts";
import type { Guard } from "./guard.ts";
import { MAX_DATAGRAM, MAX_DATAGRAMS_PER_TURN } from "./limits.ts";

type OnDatagram = (bytes: Uint8Array, address: string, port: number) => void;

export class XsDatagrams implements DatagramSocket {
	readonly #guard: Guard;
	readonly #timers: Timers;
	readonly #onDatagram: OnDatagram;
	#socket: UDP | undefined;
	readonly port: number;
	#isTurnSet = false;

	/** Throws when the port is taken. `multicast`: a group to join. */
	constructor(port: number, guard: Guard, timers: Timers, onDatagram: OnDatagram, multicast?: string) {
		this.#guard = guard;
		this.#timers = timers;
		this.#onDatagram = onDatagram;
		this.port = port;
		const options = { port, onReadable: () => this.#read(), onError: () => this.close() };
		this.#socket = new UDP(multicast === undefined ? options : { ...options, multicast, timeToLive: 255 });
	}

	send(bytes: Uint8Array, address: string, port: number): void {
		try {
			this.#socket?.write(bytes, address, port);
		} catch {
			// No route, no memory in the stack: lost, as datagrams are.
		}
	}

	close(): void {
		const socket = this.#socket;
		this.#socket = undefined;
		this.#guard.run("udp.close", () => socket?.close());
	}

	#read(): void {
		for (let i = 0; i < MAX_DATAGRAMS_PER_TURN; i++) {
			if (this.#socket === undefined) return;
			let datagram: ReturnType<UDP["read"]>;
			try {
				datagram = this.#socket.read();
			} catch (error) {
				this.#guard.caught("udp.read", error);
				return;
			}
			if (datagram === undefined) return;
			if (datagram.byteLength > MAX_DATAGRAM) continue;
			try {
				this.#onDatagram(new Uint8Array(datagram), datagram.address, datagram.port);
			} catch (error) {
				this.#guard.caught("udp", error);
			}
		}
		// A flood: timers and other sockets first, then the rest.
		if (this.#isTurnSet) return;
		this.#isTurnSet = true;
		this.#timers.set(() => {
			this.#isTurnSet = false;
			this.#read();
		}, 1);
	}
}
