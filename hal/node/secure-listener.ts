/** Accepts TLS connections with mutual certificates, as one of several identities, in the ECMA-419 class pattern. */
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { createServer, type SecureContext, type Server, type TLSSocket } from "node:tls";
import { plainAddress } from "./address.ts";
import {
	ACCEPTED_BACKLOG,
	CONNECTIONS,
	CONNECTIONS_PER_ADDRESS,
	HANDSHAKE_MS,
	HANDSHAKES,
	LISTENER_IDENTITIES,
} from "./limits.ts";
import { PerAddress } from "./per-address.ts";
import { peerChain, secureContext, secureContextOptions, type TlsIdentity, type TlsVersions } from "./secure.ts";
import type { AcceptedSecure } from "./secure-stream.ts";

export interface SecureListenerOptions extends TlsVersions {
	/** Address to listen on; all addresses when absent. */
	readonly address?: string;
	/** 0 = any free port; see `port` after `onListening`. */
	readonly port?: number;
	/** Shown to whoever asks for no name, or for one nobody here has. */
	readonly identity: TlsIdentity;
	/** Shown to whoever asks for the name (SNI); names in lower case. */
	readonly identities?: ReadonlyMap<string, TlsIdentity>;
	readonly target?: unknown;
	/**
	 * "required" (default): a client without a certificate is refused, as RELOAD says. "none": clients are not asked (ordinary phones).
	 */
	readonly clientCertificate?: "required" | "none";
	readonly handshakeMs?: number;
	readonly handshakes?: number;
	readonly connections?: number;
	readonly connectionsPerAddress?: number;
	/** `count` connections, handshake done, wait for `read`. */
	onReadable?(this: SecureListener, count: number): void;
	/** The port is open. */
	onListening?(this: SecureListener): void;
	/** The port could not be opened. Called once at most. */
	onError?(this: SecureListener, error: Error): void;
	/** A handshake failed, or a connection was turned away because a limit was reached. */
	onRefused?(this: SecureListener, reason: string, address: string): void;
}

const LIMIT_REACHED = "too many connections";
const LIMIT_PER_ADDRESS = "too many connections from this address";
const LIMIT_HANDSHAKES = "too many handshakes under way";

/** `new SecureStream({ from: listener.read(), ... })`. */
export class SecureListener {
	/** Free for the owner. */
	target: unknown;
	/** Connections turned away because a limit was reached, and handshakes that failed. */
	refused = 0;
	failed = 0;
	readonly #options: SecureListenerOptions;
	readonly #tcp: TcpServer;
	readonly #tls: Server;
	readonly #waiting: AcceptedSecure[] = [];
	readonly #perAddress = new PerAddress();
	/** Transports whose handshake is under way, by remote address and port. */
	readonly #handshaking = new Map<string, Socket>();
	#byName: ReadonlyMap<string, TlsIdentity>;
	#closed = false;

	constructor(options: SecureListenerOptions) {
		this.#options = options;
		this.target = options.target;
		this.#byName = checked(options.identities);
		this.#tls = createServer({
			...secureContextOptions(options.identity, options),
			requestCert: options.clientCertificate !== "none",
			rejectUnauthorized: false,
			handshakeTimeout: options.handshakeMs ?? HANDSHAKE_MS,
			SNICallback: (name, found) => found(null, this.#contextOf(name)),
		});
		this.#tls.on("secureConnection", (socket) => this.#onSecure(socket));
		this.#tls.on("tlsClientError", (error, socket) => this.#onFailed(error, socket));
		this.#tcp = createTcpServer((socket) => this.#onConnection(socket));
		this.#tcp.on("error", (error) => {
			if (this.#closed) return;
			this.#closed = true;
			options.onError?.call(this, error);
		});
		this.#tcp.listen(options.port ?? 0, options.address, () => {
			if (!this.#closed) options.onListening?.call(this);
		});
	}

	/** The port listened on; 0 until `onListening`. */
	get port(): number {
		const address = this.#tcp.address();
		return typeof address === "object" && address !== null ? address.port : 0;
	}

	/** Connections that are open, handshakes included, whoever owns them now. */
	get connections(): number {
		return this.#perAddress.total;
	}

	/** Handshakes under way. */
	get handshakes(): number {
		return this.#handshaking.size;
	}

	/** Replaces all identities for the handshakes to come. Throws when a key and its certificate do not fit. */
	setIdentities(identity: TlsIdentity, identities?: ReadonlyMap<string, TlsIdentity>): void {
		const byName = checked(identities);
		for (const each of byName.values()) secureContext(each, this.#options);
		this.#tls.setSecureContext(secureContextOptions(identity, this.#options));
		this.#byName = byName;
	}

	/** The next connection, or `undefined`. */
	read(): AcceptedSecure | undefined {
		return this.#waiting.shift();
	}

	/** Stops listening and ends handshakes under way; connections that were read live on. */
	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#tcp.close();
		for (const accepted of this.#waiting.splice(0)) accepted.socket.destroy();
		for (const transport of this.#handshaking.values()) transport.destroy();
	}

	#contextOf(name: string): SecureContext | undefined {
		const identity = this.#byName.get(name.toLowerCase());
		return identity === undefined ? undefined : secureContext(identity, this.#options);
	}

	#limitReached(address: string): string | undefined {
		const { connections, connectionsPerAddress, handshakes } = this.#options;
		if (this.#perAddress.total >= (connections ?? CONNECTIONS)) return LIMIT_REACHED;
		if (this.#perAddress.count(address) >= (connectionsPerAddress ?? CONNECTIONS_PER_ADDRESS)) return LIMIT_PER_ADDRESS;
		return this.#handshaking.size >= (handshakes ?? HANDSHAKES) ? LIMIT_HANDSHAKES : undefined;
	}

	#onConnection(transport: Socket): void {
		const address = plainAddress(transport.remoteAddress);
		const reason = this.#limitReached(address);
		if (reason !== undefined || this.#closed) {
			transport.on("error", () => undefined);
			transport.destroy();
			this.refused++;
			if (!this.#closed) this.#options.onRefused?.call(this, reason ?? LIMIT_REACHED, address);
			return;
		}
		const name = remoteName(transport);
		this.#perAddress.add(address);
		this.#handshaking.set(name, transport);
		transport.setNoDelay(true);
		transport.once("close", () => {
			this.#perAddress.remove(address);
			this.#handshaking.delete(name);
		});
		this.#tls.emit("connection", transport);
	}

	#onSecure(socket: TLSSocket): void {
		const address = plainAddress(socket.remoteAddress);
		// Gone again already: the transport's `close` has done the counting.
		if (!this.#handshaking.delete(remoteName(socket)) || this.#closed) {
			socket.destroy();
			return;
		}
		const chain = peerChain(socket);
		if (chain.length === 0 && this.#options.clientCertificate !== "none") {
			// RFC 6940 §6.6 MUST: both ends present certificates.
			this.#refuse(socket, "no certificate", address);
			return;
		}
		if (this.#waiting.length >= ACCEPTED_BACKLOG) {
			this.#refuse(socket, LIMIT_REACHED, address);
			return;
		}
		this.#accept(socket, chain, address);
	}

	#accept(socket: TLSSocket, chain: readonly Uint8Array[], address: string): void {
		socket.disableRenegotiation();
		// Nothing is read, and so nothing lost, before the connection has an owner.
		socket.pause();
		const name = (socket as { servername?: string | false }).servername;
		const serverName = typeof name === "string" ? name.toLowerCase() : "";
		const accepted: AcceptedSecure = { socket, chain, address, port: socket.remotePort ?? 0, serverName };
		socket.on("error", () => undefined);
		socket.once("close", () => {
			const at = this.#waiting.indexOf(accepted);
			if (at >= 0) this.#waiting.splice(at, 1);
		});
		this.#waiting.push(accepted);
		this.#options.onReadable?.call(this, this.#waiting.length);
	}

	#refuse(socket: TLSSocket, reason: string, address: string): void {
		this.refused++;
		socket.on("error", () => undefined);
		socket.destroy();
		this.#options.onRefused?.call(this, reason, address);
	}

	#onFailed(error: Error, socket: TLSSocket): void {
		// Read before the socket goes; afterwards it has no address any more.
		const address = plainAddress(socket.remoteAddress);
		socket.on("error", () => undefined);
		socket.destroy();
		if (this.#closed) return;
		this.failed++;
		this.#options.onRefused?.call(this, `handshake failed: ${error.message}`, address);
	}
}

function remoteName(socket: Socket): string {
	return `${socket.remoteAddress} ${socket.remotePort}`;
}

/** Names are compared in lower case, and the table must not change under a handshake: a copy. */
function checked(identities: ReadonlyMap<string, TlsIdentity> | undefined): ReadonlyMap<string, TlsIdentity> {
	const byName = new Map<string, TlsIdentity>();
	if (identities === undefined) return byName;
	if (identities.size > LISTENER_IDENTITIES)
		throw new RangeError(`more than ${LISTENER_IDENTITIES} identities on one listener`);
	for (const [name, identity] of identities) byName.set(name.toLowerCase(), identity);
	return byName;
}
