/** A device on a PC: what `targets/esp32/unit` asks of its machine, over Node. */
import type {
	Audio,
	DatagramSocket,
	DeviceHal,
	FlashStore,
	SecureConnection,
	SecureConnectOptions,
	TimerHandle,
} from "../../device.ts";
import type { Clock, Crypto, Log, MediaCrypto } from "../../hal.ts";
import { openDatagrams } from "./datagrams.ts";
import { NodeNetwork, type NodeNetworkOptions } from "./network.ts";
import { NodePins, type PinEvent } from "./pins.ts";
import { NodeSecure } from "./secure.ts";

export interface NodeDeviceOptions {
	readonly crypto: Crypto & MediaCrypto;
	readonly flash: FlashStore;
	readonly log: Log;
	readonly audio?: Audio;
	/** Default 4. */
	readonly buttons?: number;
	readonly onPin: (event: PinEvent) => void;
	/** The device wants to start anew: whoever made it ends the process, or makes another one. */
	readonly onRestart: (reason: string) => void;
	readonly network?: NodeNetworkOptions;
	/** A device without a clock: its wall clock begins at 1970 until it is told the time. */
	readonly hasClock?: boolean;
}

export class NodeDevice implements DeviceHal {
	readonly crypto: Crypto & MediaCrypto;
	readonly clock: Clock;
	readonly log: Log;
	readonly flash: FlashStore;
	readonly network: NodeNetwork;
	readonly pins: NodePins;
	readonly audio: Audio | undefined;
	readonly timers = {
		set: (callback: () => void, ms: number): TimerHandle => setTimeout(callback, ms),
		clear: (timer: TimerHandle): void => clearTimeout(timer as NodeJS.Timeout),
	};
	readonly #onRestart: (reason: string) => void;
	readonly #connections = new Set<NodeSecure>();
	readonly #datagrams = new Set<DatagramSocket>();
	/** Wall clock less monotonic clock. */
	#offsetMs: number;
	#isClockSet: boolean;
	/** What was counted, for tests: handshakes begun. */
	handshakes = 0;

	constructor(options: NodeDeviceOptions) {
		const { crypto, flash, log, audio, buttons = 4, onPin, onRestart, hasClock = true } = options;
		this.crypto = crypto;
		this.flash = flash;
		this.log = log;
		this.audio = audio;
		this.pins = new NodePins(buttons, onPin);
		this.network = new NodeNetwork(options.network);
		this.network.onDown = () => this.#dropAll();
		this.#onRestart = onRestart;
		this.#isClockSet = hasClock;
		this.#offsetMs = hasClock ? Date.now() - performance.now() : 0;
		this.clock = { monotonicMs: () => performance.now(), wallMs: () => performance.now() + this.#offsetMs };
	}

	get isClockSet(): boolean {
		return this.#isClockSet;
	}

	setWallMs(wallMs: number): void {
		this.#offsetMs = wallMs - performance.now();
		this.#isClockSet = true;
	}

	connectSecure(options: SecureConnectOptions): SecureConnection {
		this.handshakes++;
		const { onClosed } = options;
		if (!this.network.isUp) return refused(onClosed);
		const connection: NodeSecure = new NodeSecure({
			address: options.address,
			port: options.port,
			...(options.serverName === undefined ? {} : { serverName: options.serverName }),
			...(options.identity === undefined ? {} : { identity: options.identity }),
			verify: (chain) => options.verify(chain),
			onUp: (chain) => options.onUp(chain),
			onBytes: (bytes) => options.onBytes(bytes),
			onDrained: () => options.onDrained(),
			onClosed: (reason) => {
				this.#connections.delete(connection);
				onClosed(reason);
			},
		});
		this.#connections.add(connection);
		return connection;
	}

	openDatagrams(
		port: number,
		onDatagram: (bytes: Uint8Array, address: string, port: number) => void,
	): DatagramSocket | undefined {
		const own = this.network.address;
		if (own === undefined) return undefined;
		const socket = openDatagrams(own, port, (bytes, address, from) => {
			if (this.network.isUp) onDatagram(bytes, address, from);
		});
		if (socket !== undefined) this.#datagrams.add(socket);
		return socket;
	}

	restart(reason: string): void {
		this.close();
		this.#onRestart(reason);
	}

	/** Closes everything that is open. */
	close(): void {
		for (const connection of this.#connections) connection.close();
		for (const socket of this.#datagrams) socket.close();
		this.#connections.clear();
		this.#datagrams.clear();
	}

	#dropAll(): void {
		for (const connection of [...this.#connections]) connection.abort("the network is gone");
	}
}

/** Without a network nothing is ever sent. */
function refused(onClosed: (reason: string) => void): SecureConnection {
	const told = setImmediate(() => onClosed("no network"));
	return { buffered: 0, write: () => false, close: () => clearImmediate(told) };
}
