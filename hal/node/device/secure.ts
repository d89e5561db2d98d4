/** TLS as the device speaks it: client only, TLS 1.2, ECDHE-ECDSA-AES128-GCM-SHA256 on P-256, no resumption. */
import { constants } from "node:crypto";
import { isIP } from "node:net";
import { connect, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import type { SecureConnection, SecureConnectOptions, SecureIdentity } from "../../device.ts";
import { peerChain, secureContextOptions } from "../secure.ts";
import { SECURE_CONNECT_MS, SECURE_SEND_OCTETS } from "./limits.ts";

const CIPHER = "ECDHE-ECDSA-AES128-GCM-SHA256";
const CURVE = "prime256v1";
const VERSION = "TLSv1.2";
/** RFC 8446 §4.2.3 names; all that a device verifies is ECDSA on P-256 with SHA-256. */
const SIGNATURES = "ecdsa_secp256r1_sha256";

/** Parsing key and certificates anew for each handshake would cost as much as half of it. */
const contexts = new WeakMap<SecureIdentity, SecureContext>();

export class NodeSecure implements SecureConnection {
	readonly #options: SecureConnectOptions;
	readonly #socket: TLSSocket;
	readonly #patience: NodeJS.Timeout;
	#isUp = false;
	#over = false;

	constructor(options: SecureConnectOptions) {
		this.#options = options;
		const { address, port, serverName = "", identity } = options;
		this.#socket = connect({
			host: address,
			port,
			secureContext: contextOf(identity),
			// Only names go into SNI (RFC 6066 §3).
			...(serverName === "" || isIP(serverName) !== 0 ? {} : { servername: serverName }),
			// Who is there decides `verify`, not OpenSSL.
			rejectUnauthorized: false,
			checkServerIdentity: () => undefined,
		});
		this.#patience = setTimeout(() => this.#end("not in time"), SECURE_CONNECT_MS);
		this.#listen();
	}

	#listen(): void {
		const socket = this.#socket;
		socket.setNoDelay(true);
		socket.on("error", (error) => this.#end(error.message));
		socket.on("end", () => this.#end("closed by the other end"));
		socket.on("close", () => this.#end("closed"));
		socket.on("data", (chunk: Buffer) => {
			if (!this.#over) this.#options.onBytes(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
		});
		socket.once("secureConnect", () => this.#connected());
	}

	#connected(): void {
		if (this.#over) return;
		clearTimeout(this.#patience);
		const chain = peerChain(this.#socket);
		if (!this.#options.verify(chain)) {
			this.#end("certificate refused");
			return;
		}
		this.#isUp = true;
		this.#options.onUp(chain);
	}

	get buffered(): number {
		return this.#over ? 0 : this.#socket.writableLength;
	}

	write(bytes: Uint8Array): boolean {
		if (this.#over || !this.#isUp || this.buffered + bytes.length > SECURE_SEND_OCTETS) return false;
		// A copy: the caller's buffer is its own again when this returns.
		this.#socket.write(Buffer.from(bytes), () => {
			if (!this.#over && this.buffered === 0) this.#options.onDrained();
		});
		return true;
	}

	close(): void {
		if (this.#over) return;
		this.#over = true;
		clearTimeout(this.#patience);
		if (this.#isUp) this.#socket.end();
		else this.#socket.destroy();
		this.#socket.resume();
	}

	/** As if the network had taken the connection away. */
	abort(reason: string): void {
		setImmediate(() => this.#end(reason));
	}

	#end(reason: string): void {
		if (this.#over) return;
		this.#over = true;
		clearTimeout(this.#patience);
		this.#socket.destroy();
		this.#options.onClosed(reason);
	}
}

function contextOf(identity: SecureIdentity | undefined): SecureContext {
	const own = {
		ciphers: CIPHER,
		ecdhCurve: CURVE,
		sigalgs: SIGNATURES,
		minVersion: VERSION,
		maxVersion: VERSION,
		secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
	} as const;
	if (identity === undefined) return createSecureContext(own);
	let context = contexts.get(identity);
	if (context === undefined) {
		context = createSecureContext({ ...secureContextOptions(identity), ...own });
		contexts.set(identity, context);
	}
	return context;
}
