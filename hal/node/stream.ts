/**
 * What all octet streams of this machine share (ECMA-419 class pattern): a queue of what was received, a granted number of
 * octets that may be written, one report of the end, and a `close` that is complete and can be called twice.
 */
import type { Socket } from "node:net";
import { STREAM_LINGER_MS, STREAM_RECEIVE_OCTETS, STREAM_SEND_OCTETS } from "./limits.ts";

/** The callbacks of a stream. They are called with the stream as `this`, never from within a call of the owner. */
export interface StreamCallbacks<Stream> {
	/** `count` octets can be read. Called again only when more have arrived. */
	onReadable?(this: Stream, count: number): void;
	/** The stream is connected, or everything written has left: `count` octets may be written. */
	onWritable?(this: Stream, count: number): void;
	/** The stream has ended, for good: by the other side, by the network, or before it was connected. Called once at most. */
	onError?(this: Stream, error: Error): void;
}

/** ECMA-419 options common to streams. */
export interface StreamOptions<Stream> extends StreamCallbacks<Stream> {
	/** Free for the owner. */
	readonly target?: unknown;
}

const ENDED = "the other side closed the connection";

export abstract class ByteStream<Stream> {
	/** Free for the owner. */
	target: unknown;
	readonly #callbacks: StreamCallbacks<Stream>;
	#socket: Socket | undefined;
	#received: Uint8Array[] = [];
	#receivedOctets = 0;
	#paused = false;
	#connected = false;
	#over = false;
	/** One function for all writes, so that a write allocates no closure. */
	readonly #left = (): void => this.#onLeft();

	protected constructor(options: StreamOptions<Stream>) {
		this.#callbacks = options;
		this.target = options.target;
	}

	/** Octets received and not yet read. */
	get readableOctets(): number {
		return this.#receivedOctets;
	}

	/** Octets written that have not left yet. */
	get bufferedAmount(): number {
		return this.#socket?.writableLength ?? 0;
	}

	/** Octets `write` takes now; 0 before the stream is connected and after its end. */
	get writable(): number {
		if (!this.#connected || this.#over) return 0;
		return Math.max(0, STREAM_SEND_OCTETS - this.bufferedAmount);
	}

	/** True after `close` and after `onError`. */
	get closed(): boolean {
		return this.#over;
	}

	/**
	 * Up to `count` octets, or, without a count, the next piece as it was received (no copy is made); `undefined` when there
	 * is nothing. The octets are the caller's. The device's classes give an ArrayBuffer: `new Uint8Array(read())` fits both.
	 */
	read(count?: number): Uint8Array | undefined {
		const first = this.#received[0];
		if (first === undefined) return undefined;
		let bytes: Uint8Array;
		if (count === undefined || count === first.length) {
			this.#received.shift();
			bytes = first;
		} else if (count < first.length) {
			bytes = first.subarray(0, count);
			this.#received[0] = first.subarray(count);
		} else {
			bytes = this.#readJoined(Math.min(count, this.#receivedOctets));
		}
		this.#receivedOctets -= bytes.length;
		if (this.#paused && this.#receivedOctets < STREAM_RECEIVE_OCTETS) {
			this.#paused = false;
			this.#socket?.resume();
		}
		return bytes;
	}

	#readJoined(count: number): Uint8Array {
		const joined = new Uint8Array(count);
		let at = 0;
		while (at < count) {
			const piece = this.#received[0]!;
			const taken = Math.min(piece.length, count - at);
			joined.set(piece.subarray(0, taken), at);
			if (taken === piece.length) this.#received.shift();
			else this.#received[0] = piece.subarray(taken);
			at += taken;
		}
		return joined;
	}

	/**
	 * Writes all octets or none: the number that may still be written, or -1 when the octets are more than `writable` (the
	 * device's classes throw). They must not change until they have left.
	 */
	write(bytes: Uint8Array): number {
		if (bytes.length > this.writable || !this.#connected || this.#over) return -1;
		if (bytes.length > 0) this.#socket?.write(bytes, this.#left);
		return this.writable;
	}

	/** Ends the stream after what was written; no callback is called any more. */
	close(): void {
		if (this.#over) {
			this.#discard();
			return;
		}
		this.#over = true;
		const socket = this.#socket;
		this.#discard();
		if (socket === undefined) return;
		if (!this.#connected) {
			socket.destroy();
			return;
		}
		const linger = setTimeout(() => socket.destroy(), STREAM_LINGER_MS);
		linger.unref();
		socket.once("close", () => clearTimeout(linger));
		socket.resume();
		// Not destroySoon: closing while octets of the other side are unread would reset the connection and lose ours.
		socket.end();
	}

	/** Takes over a socket. `connected`: it can be written to already. */
	protected attach(socket: Socket, connected: boolean): void {
		this.#socket = socket;
		this.#connected = connected;
		socket.on("data", (chunk: Buffer) => this.#onData(chunk));
		socket.on("error", (error) => this.end(error));
		socket.on("end", () => this.end(new Error(ENDED)));
		socket.on("close", () => this.end(new Error(ENDED)));
	}

	/** For subclasses: the socket can be written to from now on. */
	protected connect(): void {
		if (this.#over || this.#connected) return;
		this.#connected = true;
		this.#call(this.#callbacks.onWritable, this.writable);
	}

	/** For subclasses: as if the other side had ended the stream. */
	protected end(error: Error): void {
		if (this.#over) return;
		this.#over = true;
		this.#socket?.destroy();
		this.#discardSocket();
		this.#callbacks.onError?.call(this as unknown as Stream, error);
	}

	/** For subclasses: octets have left, `buffered` have not; before `onWritable`. */
	protected onLeft(_buffered: number): void {}

	#call(callback: ((this: Stream, count: number) => void) | undefined, count: number): void {
		callback?.call(this as unknown as Stream, count);
	}

	#onData(chunk: Buffer): void {
		if (this.#over) return;
		// The core works on plain Uint8Arrays: a Buffer's `slice` does not copy, and a second class slows its hot paths down.
		this.#received.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
		this.#receivedOctets += chunk.length;
		if (this.#receivedOctets > STREAM_RECEIVE_OCTETS && !this.#paused) {
			this.#paused = true;
			this.#socket?.pause();
		}
		this.#call(this.#callbacks.onReadable, this.#receivedOctets);
	}

	#onLeft(): void {
		if (this.#over) return;
		const buffered = this.bufferedAmount;
		this.onLeft(buffered);
		if (buffered === 0 && !this.#over) this.#call(this.#callbacks.onWritable, this.writable);
	}

	#discard(): void {
		this.#received = [];
		this.#receivedOctets = 0;
		this.#discardSocket();
	}

	#discardSocket(): void {
		const socket = this.#socket;
		if (socket === undefined) return;
		this.#socket = undefined;
		socket.removeAllListeners("data");
		socket.removeAllListeners("error");
		// A socket torn down may still report an error; nobody is interested any more.
		socket.on("error", () => undefined);
	}
}
