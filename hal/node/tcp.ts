/** TCP in the ECMA-419 class pattern: `TCP` as `embedded:io/socket/tcp`, `Listener` as `embedded:io/socket/listener`. */
import { createServer, type Server, Socket } from "node:net";
import { plainAddress } from "./address.ts";
import { ACCEPTED_BACKLOG, CONNECTIONS, CONNECTIONS_PER_ADDRESS, HANDSHAKE_MS } from "./limits.ts";
import { PerAddress } from "./per-address.ts";
import { ByteStream, type StreamOptions } from "./stream.ts";

export interface TCPOptions extends StreamOptions<TCP> {
	/** IP address (or host name) and port to connect to; or */
	readonly address?: string;
	readonly port?: number;
	/** a connection that a `Listener` has accepted. */
	readonly from?: AcceptedSocket;
	/** False leaves Nagle's algorithm on. */
	readonly noDelay?: boolean;
	/** Source address to connect from. */
	readonly localAddress?: string;
	/** Milliseconds until `onError` when the connection does not come up. */
	readonly timeoutMs?: number;
}

/** A connection that waits for its owner. */
export interface AcceptedSocket {
	readonly socket: Socket;
	readonly address: string;
	readonly port: number;
}

/** One TCP connection. `onWritable` first means: connected. */
export class TCP extends ByteStream<TCP> {
	/** The other end; the address as it was given until the connection is up. */
	remoteAddress: string;
	remotePort: number;

	constructor(options: TCPOptions) {
		super(options);
		const accepted = options.from;
		this.remoteAddress = accepted?.address ?? options.address ?? "";
		this.remotePort = accepted?.port ?? options.port ?? 0;
		if (accepted !== undefined) {
			this.attach(accepted.socket, true);
			accepted.socket.setNoDelay(options.noDelay ?? true);
			accepted.socket.resume();
			return;
		}
		const socket = new Socket();
		this.attach(socket, false);
		const patience = setTimeout(() => this.end(new Error("connection timed out")), options.timeoutMs ?? HANDSHAKE_MS);
		socket.once("close", () => clearTimeout(patience));
		socket.once("connect", () => {
			clearTimeout(patience);
			socket.setNoDelay(options.noDelay ?? true);
			this.remoteAddress = plainAddress(socket.remoteAddress);
			this.connect();
		});
		socket.connect({
			host: this.remoteAddress,
			port: this.remotePort,
			...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
		});
	}
}

export interface ListenerOptions {
	/** Address to listen on; all addresses when absent. */
	readonly address?: string;
	/** 0 = any free port; see `port` after `onListening`. */
	readonly port?: number;
	readonly target?: unknown;
	readonly connections?: number;
	readonly connectionsPerAddress?: number;
	/** `count` connections wait for `read`. */
	onReadable?(this: Listener, count: number): void;
	/** The port is open. */
	onListening?(this: Listener): void;
	/** The port could not be opened. Called once at most. */
	onError?(this: Listener, error: Error): void;
}

/** Accepts TCP connections: `new TCP({ from: listener.read(), ... })`. */
export class Listener {
	/** Free for the owner. */
	target: unknown;
	/** Connections closed at once because a limit was reached. */
	refused = 0;
	readonly #server: Server;
	readonly #waiting: AcceptedSocket[] = [];
	readonly #perAddress = new PerAddress();
	#closed = false;

	constructor(options: ListenerOptions) {
		this.target = options.target;
		const limits = {
			all: options.connections ?? CONNECTIONS,
			each: options.connectionsPerAddress ?? CONNECTIONS_PER_ADDRESS,
		};
		this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket, options, limits));
		this.#server.on("error", (error) => {
			if (this.#closed) return;
			this.#closed = true;
			options.onError?.call(this, error);
		});
		this.#server.listen(options.port ?? 0, options.address, () => {
			if (!this.#closed) options.onListening?.call(this);
		});
	}

	/** The port listened on; 0 until `onListening`. */
	get port(): number {
		const address = this.#server.address();
		return typeof address === "object" && address !== null ? address.port : 0;
	}

	/** Connections that are open, whoever owns them now. */
	get connections(): number {
		return this.#perAddress.total;
	}

	/** The next connection, or `undefined`. */
	read(): AcceptedSocket | undefined {
		return this.#waiting.shift();
	}

	/** Stops listening; connections that were read live on. */
	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#server.close();
		for (const accepted of this.#waiting.splice(0)) accepted.socket.destroy();
	}

	#accept(socket: Socket, options: ListenerOptions, limits: { all: number; each: number }): void {
		const address = plainAddress(socket.remoteAddress);
		const tooMany = this.#perAddress.total >= limits.all || this.#perAddress.count(address) >= limits.each;
		if (this.#closed || tooMany || this.#waiting.length >= ACCEPTED_BACKLOG) {
			this.refused++;
			socket.on("error", () => undefined);
			socket.destroy();
			return;
		}
		this.#perAddress.add(address);
		const accepted = { socket, address, port: socket.remotePort ?? 0 };
		const onEarlyError = (): void => undefined;
		// Until somebody owns it, an error only means that the socket goes.
		socket.on("error", onEarlyError);
		socket.once("close", () => {
			this.#perAddress.remove(address);
			const at = this.#waiting.indexOf(accepted);
			if (at >= 0) this.#waiting.splice(at, 1);
		});
		this.#waiting.push(accepted);
		options.onReadable?.call(this, this.#waiting.length);
	}
}
