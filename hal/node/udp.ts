/** UDP in the ECMA-419 class pattern, as `embedded:io/socket/udp`. */
import { createSocket, type Socket } from "node:dgram";
import { isIP } from "node:net";
import { plainAddress } from "./address.ts";
import { DATAGRAM_SEND_OCTETS, DATAGRAMS } from "./limits.ts";

/** What `read` gives: the octets, and who sent them. */
export type Datagram = Uint8Array & { address: string; port: number };

export interface UDPOptions {
	/** Address to bind to; all IPv4 addresses when absent. */
	readonly address?: string;
	/** 0 or absent = any free port. */
	readonly port?: number;
	readonly target?: unknown;
	/** Let other sockets of this machine bind the same port. */
	readonly reuseAddress?: boolean;
	/** `packets` datagrams wait for `read`. */
	onReadable?(this: UDP, packets: number): void;
	/** The socket is bound (and `port` known), or has room again after a `write` was refused: `count` octets may be written. */
	onWritable?(this: UDP, count: number): void;
	/** The socket is of no use: it could not be bound, or the machine took it away. Called once at most. */
	onError?(this: UDP, error: Error): void;
}

export class UDP {
	/** Free for the owner. */
	target: unknown;
	/** Datagrams thrown away because nobody had read the last ones. */
	dropped = 0;
	/** Datagrams the machine refused to send (no route, too large). UDP promises nothing, so it is only counted. */
	failed = 0;
	readonly #options: UDPOptions;
	readonly #socket: Socket;
	#received: Datagram[] = [];
	#bound = false;
	#over = false;
	#refused = false;
	readonly #sent = (error: Error | null): void => this.#onSent(error);

	constructor(options: UDPOptions) {
		this.#options = options;
		this.target = options.target;
		const family = isIP(options.address ?? "") === 6 ? 6 : 4;
		this.#socket = createSocket({
			type: family === 6 ? "udp6" : "udp4",
			reuseAddr: options.reuseAddress ?? false,
			// Addresses are literal: without this every datagram waits a turn for a look-up that finds itself. The first look-up is that
			// of `bind`, which must not call back from within the constructor.
			lookup: (host, _options, found) => {
				if (this.#bound) found(null, host, family);
				else process.nextTick(found, null, host, family);
			},
		});
		this.#socket.on("error", (error) => this.#end(error));
		this.#socket.on("message", (bytes, from) => this.#onMessage(bytes, from.address, from.port));
		this.#socket.bind(options.port ?? 0, options.address, () => {
			if (this.#over) return;
			this.#bound = true;
			options.onWritable?.call(this, this.writable);
		});
	}

	/** The port bound to; 0 until `onWritable`. */
	get port(): number {
		return this.#bound && !this.#over ? this.#socket.address().port : 0;
	}

	/** Octets `write` takes now. */
	get writable(): number {
		if (!this.#bound || this.#over) return 0;
		return Math.max(0, DATAGRAM_SEND_OCTETS - this.#socket.getSendQueueSize());
	}

	/** The next datagram, or `undefined`. */
	read(): Datagram | undefined {
		return this.#received.shift();
	}

	/** Sends one datagram to a literal address; false when it is more than `writable` (nothing is sent). */
	write(bytes: Uint8Array, address: string, port: number): boolean {
		if (bytes.length > this.writable || !this.#bound || this.#over) {
			this.#refused = true;
			return false;
		}
		this.#socket.send(bytes, port, address, this.#sent);
		return true;
	}

	/** Joins a multicast group on the interface that has the given address. */
	add(group: string, interfaceAddress?: string): void {
		this.#socket.addMembership(group, interfaceAddress);
	}

	/** Closes the socket; no callback is called any more. */
	close(): void {
		this.#received = [];
		if (this.#over) return;
		this.#over = true;
		this.#socket.close();
	}

	#onMessage(bytes: Buffer, address: string, port: number): void {
		if (this.#over) return;
		if (this.#received.length >= DATAGRAMS) {
			this.dropped++;
			return;
		}
		const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) as Datagram;
		plain.address = plainAddress(address);
		plain.port = port;
		this.#received.push(plain);
		this.#options.onReadable?.call(this, this.#received.length);
	}

	#onSent(error: Error | null): void {
		if (error) this.failed++;
		if (this.#over || !this.#refused || this.#socket.getSendQueueSize() > 0) return;
		this.#refused = false;
		this.#options.onWritable?.call(this, this.writable);
	}

	#end(error: Error): void {
		if (this.#over) return;
		this.#over = true;
		this.#socket.close();
		this.#options.onError?.call(this, error);
	}
}
