/** The network of the device: its address (kept by WifiKeeper where there is Wi-Fi to keep), names, and services on the LAN. */
import Net from "net";
import type { Network, Timers } from "../device.ts";
import { XsDatagrams } from "./datagrams.ts";
import { MDNS_GROUP, MDNS_PORT, readAnswer, writeQuestion } from "./dns-sd.ts";
import type { Guard } from "./guard.ts";

/** Questions are repeated after pauses that double from the first to the last of these. */
const ASK_FIRST_MS = 1_000;
const ASK_LAST_MS = 60_000;

type OnFound = (address: string, port: number, text: Readonly<Record<string, string>>) => void;

export class XsNetwork implements Network {
	readonly #guard: Guard;
	readonly #timers: Timers;
	readonly #callbacks: ((address: string | undefined) => void)[] = [];
	#address: string | undefined;

	constructor(guard: Guard, timers: Timers) {
		this.#guard = guard;
		this.#timers = timers;
	}

	get address(): string | undefined {
		return this.#address;
	}

	/** Of who watches the interface. */
	setAddress(address: string | undefined): void {
		if (address === this.#address) return;
		this.#address = address;
		for (const callback of this.#callbacks) this.#guard.run("network", () => callback(address));
	}

	onChange(callback: (address: string | undefined) => void): void {
		this.#callbacks.push(callback);
	}

	browse(service: string, onFound: OnFound): { stop(): void } {
		return new Browse(service, onFound, this.#guard, this.#timers);
	}

	resolve(host: string, done: (address: string | undefined) => void): void {
		try {
			Net.resolve(host, (_name, address) => this.#guard.run("resolve", () => done(address)));
		} catch (error) {
			// The resolver's queue is full.
			this.#guard.caught("resolve", error);
			this.#timers.set(() => this.#guard.run("resolve", () => done(undefined)), 0);
		}
	}
}

class Browse {
	readonly #service: string;
	readonly #onFound: OnFound;
	readonly #guard: Guard;
	readonly #timers: Timers;
	#socket: XsDatagrams | undefined;
	#isOver = false;

	constructor(service: string, onFound: OnFound, guard: Guard, timers: Timers) {
		this.#service = service.endsWith(".local") ? service.slice(0, -".local".length) : service;
		this.#onFound = onFound;
		this.#guard = guard;
		this.#timers = timers;
		this.#ask(ASK_FIRST_MS);
	}

	stop(): void {
		this.#isOver = true;
		this.#socket?.close();
		this.#socket = undefined;
	}

	#ask(pauseMs: number): void {
		if (this.#isOver) return;
		this.#guard.run("mdns", () => {
			// Again each time: a socket does not outlive the interface it joined the group on.
			this.#socket?.close();
			const onPacket = (bytes: Uint8Array, address: string) => this.#heard(bytes, address);
			this.#socket = new XsDatagrams(MDNS_PORT, this.#guard, this.#timers, onPacket, MDNS_GROUP);
			this.#socket.send(writeQuestion(this.#service), MDNS_GROUP, MDNS_PORT);
		});
		this.#timers.set(() => this.#ask(Math.min(2 * pauseMs, ASK_LAST_MS)), pauseMs);
	}

	#heard(bytes: Uint8Array, address: string): void {
		for (const one of readAnswer(bytes, this.#service, address)) {
			if (!this.#isOver) this.#onFound(one.address, one.port, one.text);
		}
	}
}
