/**
 * A TCP socket as a TLS session wants it: `readable` and `writable` are plain numbers, a packet of any size is taken (what the socket
 * does not take now waits here, bounded), reads fill a given buffer.
 */
import { MAX_TLS_QUEUE } from "./limits.ts";

/** As much of ECMA-419's TCP as is used. */
export interface TcpSocket {
	read(buffer: Uint8Array): unknown;
	write(bytes: Uint8Array): void;
	close(): void;
}

export class StreamPort {
	readable = 0;
	/** What a session may think it can write: always plenty, the queue is bounded by `isFull`. */
	writable = MAX_TLS_QUEUE;
	#socket: TcpSocket | undefined;
	#room = 0;
	/** Packets that wait; the first from `#sent` on. */
	readonly #waiting: Uint8Array[] = [];
	#sent = 0;
	#queued = 0;

	attach(socket: TcpSocket): void {
		this.#socket = socket;
	}

	/** Octets that have not been given to the socket. */
	get queued(): number {
		return this.#queued;
	}

	read(into: Uint8Array): void {
		this.#socket!.read(into);
	}

	/** Takes all of it; answers what may come next, as sessions expect. Throws beyond the limit: our own callers ask `queued` before. */
	write(packet: ArrayBuffer | Uint8Array): number {
		const bytes = packet instanceof Uint8Array ? packet : new Uint8Array(packet);
		if (this.#queued + bytes.length > MAX_TLS_QUEUE + 4_096) throw new Error("TLS queue full");
		this.#waiting.push(bytes);
		this.#queued += bytes.length;
		this.#flush();
		this.writable = MAX_TLS_QUEUE;
		return this.writable;
	}

	/** The socket takes `room` octets more. */
	onWritable(room: number): void {
		this.#room = room;
		this.#flush();
	}

	close(): void {
		this.#socket?.close();
		this.#socket = undefined;
		this.#waiting.length = 0;
		this.#queued = 0;
	}

	#flush(): void {
		while (this.#room > 0 && this.#waiting.length > 0 && this.#socket !== undefined) {
			const packet = this.#waiting[0]!;
			const count = Math.min(this.#room, packet.length - this.#sent);
			const whole = this.#sent === 0 && count === packet.length;
			this.#socket.write(whole ? packet : packet.slice(this.#sent, this.#sent + count));
			this.#room -= count;
			this.#queued -= count;
			this.#sent += count;
			if (this.#sent < packet.length) return;
			this.#waiting.shift();
			this.#sent = 0;
		}
	}
}
