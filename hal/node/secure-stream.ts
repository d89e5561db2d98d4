/** One TLS connection, in the ECMA-419 class pattern: a client, or a connection a `SecureListener` has accepted. */
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { plainAddress } from "./address.ts";
import { HANDSHAKE_MS } from "./limits.ts";
import { peerChain, secureContext, type TlsIdentity, type TlsVersions } from "./secure.ts";
import { ByteStream, type StreamOptions } from "./stream.ts";

/** A handshaken connection that waits for its owner. */
export interface AcceptedSecure {
	readonly socket: TLSSocket;
	readonly chain: readonly Uint8Array[];
	readonly address: string;
	readonly port: number;
	/** The name the client asked for (SNI), in lower case; empty when it asked for none. */
	readonly serverName: string;
}

export interface SecureStreamOptions extends StreamOptions<SecureStream>, TlsVersions {
	/** Where to connect to, and as whom; or */
	readonly address?: string;
	readonly port?: number;
	readonly identity?: TlsIdentity;
	/** Name to ask the server for (SNI); none when absent. */
	readonly serverName?: string;
	/** Source address to connect from. */
	readonly localAddress?: string;
	/** Milliseconds for connection and handshake together. */
	readonly timeoutMs?: number;
	/** a connection that a `SecureListener` has accepted. */
	readonly from?: AcceptedSecure;
	/** Largest TLS record, 512 to 16384 octets: smaller ones spare a device's memory. */
	readonly maxSendFragment?: number;
	/** A write has left, `buffered` octets of others have not: the `drained` of a link. */
	onSent?(this: SecureStream, buffered: number): void;
	/** Everything written has left. Comes before `onWritable`. */
	onDrained?(this: SecureStream): void;
}

/**
 * `onWritable` first means: connected, handshake done, `chain` known. For an accepted connection that is so from the start and
 * `onWritable` comes after writes only. Nothing about the chain has been checked but that the other end holds the leaf's key.
 */
export class SecureStream extends ByteStream<SecureStream> {
	/** The other end's certificates, DER, leaf first; empty when it showed none. */
	chain: readonly Uint8Array[];
	address: string;
	port: number;
	/** The name asked for: by us as client, by the other end as server. */
	readonly serverName: string;
	/** "TLSv1.3", ... once connected. */
	protocol = "";
	readonly #onSent: ((this: SecureStream, buffered: number) => void) | undefined;
	readonly #onDrained: ((this: SecureStream) => void) | undefined;

	constructor(options: SecureStreamOptions) {
		super(options);
		this.#onSent = options.onSent;
		this.#onDrained = options.onDrained;
		const accepted = options.from;
		this.chain = accepted?.chain ?? [];
		this.address = accepted?.address ?? options.address ?? "";
		this.port = accepted?.port ?? options.port ?? 0;
		this.serverName = accepted?.serverName ?? options.serverName ?? "";
		if (accepted === undefined) this.#open(options);
		else this.#adopt(accepted.socket, options);
	}

	#adopt(socket: TLSSocket, options: SecureStreamOptions): void {
		this.protocol = socket.getProtocol() ?? "";
		if (options.maxSendFragment !== undefined) socket.setMaxSendFragment(options.maxSendFragment);
		this.attach(socket, true);
		socket.resume();
	}

	#open(options: SecureStreamOptions): void {
		if (options.identity === undefined)
			throw new TypeError("a secure stream needs an identity or an accepted connection");
		// The TLS socket makes its own TCP socket: wrapped around one that is not connected yet, it would copy through JavaScript streams.
		const socket = connect({
			host: this.address,
			port: this.port,
			...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
			secureContext: secureContext(options.identity, options),
			// Only names go into SNI (RFC 6066 §3).
			...(this.serverName === "" || isIP(this.serverName) !== 0 ? {} : { servername: this.serverName }),
			rejectUnauthorized: false,
			checkServerIdentity: () => undefined,
		});
		this.attach(socket, false);
		const patience = setTimeout(() => this.end(new Error("connection timed out")), options.timeoutMs ?? HANDSHAKE_MS);
		socket.once("close", () => clearTimeout(patience));
		socket.once("connect", () => {
			socket.setNoDelay(true);
			this.address = plainAddress(socket.remoteAddress);
		});
		socket.once("secureConnect", () => {
			clearTimeout(patience);
			this.chain = peerChain(socket);
			this.protocol = socket.getProtocol() ?? "";
			socket.disableRenegotiation();
			if (options.maxSendFragment !== undefined) socket.setMaxSendFragment(options.maxSendFragment);
			this.connect();
		});
	}

	protected override onLeft(buffered: number): void {
		this.#onSent?.call(this, buffered);
		if (buffered === 0 && !this.closed) this.#onDrained?.call(this);
	}
}
