/**
 * Drives one TLS connection: socket events in, plaintext out. Nothing native in here; the session (session.ts) and the socket come from
 * who makes it, so that the loop is tested with stand-ins.
 *
 * ```
 *   connecting --onWritable--> handshaking --session done--> up --close, alert, error--> closed
 * ```
 */
import type { SecureConnection, SecureConnectOptions, TimerHandle, Timers } from "../device.ts";
import { HANDSHAKE_MS, MAX_PLAINTEXT, MAX_TLS_QUEUE } from "./limits.ts";
import { StreamPort, type TcpSocket } from "./stream-port.ts";

/** A TLS session as client. */
export interface TlsSession {
	/** Chain of the server, DER, leaf first; after `handshake` was true. */
	readonly peerChain: readonly Uint8Array[];
	/** Why it cannot go on; undefined while it can. */
	readonly failure: string | undefined;
	/** True: done (or failed). Call again while it makes progress. */
	handshake(port: StreamPort): boolean;
	/** Plaintext; undefined: more is needed; null: the other end closed. */
	read(port: StreamPort): Uint8Array | null | undefined;
	write(port: StreamPort, bytes: Uint8Array): void;
	close(port: StreamPort): void;
}

export interface SecureParts {
	readonly timers: Timers;
	connect(address: string, port: number, link: SecureLink): TcpSocket;
	session(options: SecureConnectOptions): TlsSession;
	/** Told of exceptions, which end the connection. */
	caught(where: string, error: unknown): void;
}

/** Octets that a record adds to its plaintext: head, nonce, tag. */
const RECORD_OCTETS = 5 + 8 + 16;

export class SecureLink implements SecureConnection {
	readonly #options: SecureConnectOptions;
	readonly #parts: SecureParts;
	readonly #port = new StreamPort();
	#session: TlsSession | undefined;
	#timer: TimerHandle | undefined;
	#state: "connecting" | "handshaking" | "up" | "closed" = "connecting";
	/** A handshake in progress must not be entered again: its steps verify and sign, which may call back. */
	#isBusy = false;

	constructor(options: SecureConnectOptions, parts: SecureParts) {
		this.#options = options;
		this.#parts = parts;
		this.#timer = parts.timers.set(() => this.#timeout(), HANDSHAKE_MS);
		try {
			this.#port.attach(parts.connect(options.address, options.port, this));
		} catch (error) {
			parts.caught("connect", error);
			// The caller has no connection yet that it could be told about.
			parts.timers.set(() => this.#end("cannot connect", true), 0);
		}
	}

	get buffered(): number {
		return this.#port.queued;
	}

	write(bytes: Uint8Array): boolean {
		const session = this.#session;
		if (this.#state !== "up" || session === undefined) return false;
		const records = Math.ceil(bytes.length / MAX_PLAINTEXT);
		if (this.#port.queued + bytes.length + records * RECORD_OCTETS > MAX_TLS_QUEUE) return false;
		try {
			for (let at = 0; at < bytes.length; at += MAX_PLAINTEXT) {
				session.write(this.#port, bytes.subarray(at, Math.min(at + MAX_PLAINTEXT, bytes.length)));
			}
		} catch (error) {
			this.#failed("tls.write", error);
			return false;
		}
		return true;
	}

	close(): void {
		if (this.#state === "up") {
			try {
				this.#session?.close(this.#port);
			} catch (error) {
				this.#parts.caught("tls.close", error);
			}
		}
		this.#end("", false);
	}

	/** The socket's: connected, or room for `room` octets more. */
	onWritable(room: number): void {
		if (this.#state === "closed") return;
		try {
			this.#port.onWritable(room);
			if (this.#state === "connecting") {
				this.#state = "handshaking";
				this.#session = this.#parts.session(this.#options);
				this.#shake();
			} else if (this.#state === "up" && this.#port.queued === 0) {
				this.#options.onDrained();
			}
		} catch (error) {
			this.#failed("tls", error);
		}
	}

	/** The socket's: `count` octets can be read, those told of before included. */
	onReadable(count: number): void {
		if (this.#state === "closed") return;
		this.#port.readable = count;
		try {
			if (this.#state === "handshaking") this.#shake();
			else if (this.#state === "up") this.#pump();
		} catch (error) {
			this.#failed("tls", error);
		}
	}

	/** The socket's: failed, refused, or closed by the other end. */
	onError(): void {
		this.#end(this.#state === "connecting" ? "refused" : "connection lost", true);
	}

	#shake(): void {
		const session = this.#session;
		if (this.#isBusy || session === undefined) return;
		this.#isBusy = true;
		try {
			let readable = -1;
			let queued = -1;
			// Goes on while it reads or writes something; a session without progress waits for the socket.
			while (this.#state === "handshaking" && (readable !== this.#port.readable || queued !== this.#port.queued)) {
				readable = this.#port.readable;
				queued = this.#port.queued;
				if (this.#step(session)) return;
				if (this.#step(session)) return;
			}
		} finally {
			this.#isBusy = false;
		}
	}

	/** One step of the handshake; true when there is no next one. */
	#step(session: TlsSession): boolean {
		if (!session.handshake(this.#port)) return false;
		if (session.failure !== undefined) {
			this.#end(session.failure, true);
			return true;
		}
		this.#state = "up";
		this.#clearTimer();
		this.#options.onUp(session.peerChain);
		this.#pump();
		return true;
	}

	#pump(): void {
		const session = this.#session!;
		while (this.#state === "up" && this.#port.readable > 0) {
			const bytes = session.read(this.#port);
			if (bytes === undefined) return;
			if (bytes === null) {
				this.#end(session.failure ?? "closed by the other end", true);
				return;
			}
			if (bytes.length > 0) this.#options.onBytes(bytes);
		}
	}

	#timeout(): void {
		this.#timer = undefined;
		if (this.#state !== "up") this.#end("handshake not done in time", true);
	}

	#failed(where: string, error: unknown): void {
		this.#parts.caught(where, error);
		this.#end(`${where}: ${error instanceof Error ? error.message : String(error)}`, true);
	}

	#clearTimer(): void {
		if (this.#timer !== undefined) this.#parts.timers.clear(this.#timer);
		this.#timer = undefined;
	}

	#end(reason: string, isTold: boolean): void {
		if (this.#state === "closed") return;
		this.#state = "closed";
		this.#clearTimer();
		this.#session = undefined;
		try {
			this.#port.close();
		} catch (error) {
			this.#parts.caught("tcp.close", error);
		}
		if (!isTold) return;
		try {
			this.#options.onClosed(reason);
		} catch (error) {
			this.#parts.caught("onClosed", error);
		}
	}
}
