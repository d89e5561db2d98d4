/** The network of a device on a PC: up with the PC's address, and down when a test (or a person) says so. */
import { lookup } from "node:dns";
import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import type { Network } from "../../device.ts";
import { Discovery } from "../mdns.ts";

type OnChange = (address: string | undefined) => void;

export interface NodeNetworkOptions {
	/** Our address. Default: that of the first interface which leads somewhere, else 127.0.0.1. */
	readonly address?: string;
	/** Port of mDNS, for tests; 0: nothing is ever found. */
	readonly mdnsPort?: number;
}

export class NodeNetwork implements Network {
	readonly #own: string;
	readonly #mdnsPort: number;
	#isUp = true;
	#onChange: OnChange = () => undefined;
	/** Told when the network goes, so that connections end with it. */
	onDown: () => void = () => undefined;

	constructor(options: NodeNetworkOptions = {}) {
		this.#own = options.address ?? ownAddress();
		this.#mdnsPort = options.mdnsPort ?? 5353;
	}

	get isUp(): boolean {
		return this.#isUp;
	}

	get address(): string | undefined {
		return this.#isUp ? this.#own : undefined;
	}

	/** As if Wi-Fi went or came back. */
	setUp(isUp: boolean): void {
		if (isUp === this.#isUp) return;
		this.#isUp = isUp;
		if (!isUp) this.onDown();
		this.#onChange(this.address);
	}

	onChange(callback: OnChange): void {
		this.#onChange = callback;
	}

	browse(
		service: string,
		onFound: (address: string, port: number, text: Readonly<Record<string, string>>) => void,
	): { stop(): void } {
		if (this.#mdnsPort === 0) return { stop: () => undefined };
		const discovery = new Discovery({
			interfaces: [this.#own],
			browse: [`${service}.local`],
			port: this.#mdnsPort,
			onFound: ({ address, port, text }) => {
				if (this.#isUp) onFound(address, port, text);
			},
		});
		return { stop: () => discovery.close() };
	}

	resolve(host: string, done: (address: string | undefined) => void): void {
		if (isIPv4(host)) {
			setImmediate(() => done(this.#isUp ? host : undefined));
			return;
		}
		lookup(host, { family: 4 }, (error, address) => done(error === null && this.#isUp ? address : undefined));
	}
}

function ownAddress(): string {
	for (const addresses of Object.values(networkInterfaces())) {
		for (const { family, internal, address } of addresses ?? []) if (family === "IPv4" && !internal) return address;
	}
	return "127.0.0.1";
}
