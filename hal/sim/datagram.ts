/** Datagrams between simulated machines: late, in any order, or not at all. */
import type { DatagramSocket } from "../device.ts";
import type { SimDatagramReceiver, SimMachine } from "./network.ts";

/** Called with octets that are the receiver's. */
export type OnDatagram = (bytes: Uint8Array, address: string, port: number) => void;

export class SimDatagrams implements DatagramSocket, SimDatagramReceiver {
	readonly port: number;
	readonly #machine: SimMachine;
	readonly #life: number;
	readonly #onDatagram: OnDatagram;

	/** `port` 0: any. Throws when it is taken. */
	constructor(machine: SimMachine, port: number, onDatagram: OnDatagram) {
		this.#machine = machine;
		this.#life = machine.life;
		this.#onDatagram = onDatagram;
		this.port = port === 0 ? machine.ephemeralPort() : port;
		if (machine.datagrams.has(this.port)) throw new Error(`port ${this.port} is taken`);
		machine.datagrams.set(this.port, this);
	}

	send(bytes: Uint8Array, address: string, port: number): void {
		const { network } = this.#machine;
		const to = network.find(address);
		if (this.#machine.life !== this.#life || to === undefined || !network.isReachable(this.#machine, to)) return;
		// Nobody sends a lost datagram again.
		if (network.lossDelay(this.#machine, to, bytes.length) > 0) return;
		const copy = bytes.slice();
		network.time.after(network.delay(this.#machine, to), () => {
			if (to.powered) to.datagrams.get(port)?.receive(copy, this.#machine.address, this.port);
		});
	}

	receive(bytes: Uint8Array, address: string, port: number): void {
		this.#onDatagram(bytes, address, port);
	}

	close(): void {
		if (this.#machine.datagrams.get(this.port) === this) this.#machine.datagrams.delete(this.port);
	}
}
