/**
 * Secure streams between simulated machines, in the class pattern of ECMA-419 and with the surface of hal/node's `SecureStream` and
 * `SecureListener`: both ends show their certificates, who they are decides the core. Nothing is encrypted, so a tap sees plaintext.
 */
import { CONNECT_TIMEOUT_MS, LISTENER_BACKLOG, SECURE_ROUND_TRIPS, STREAM_SEND_OCTETS } from "./limits.ts";
import type { SimMachine } from "./network.ts";
import { StreamEnd } from "./stream-end.ts";

/** What an end shows; a LocalIdentity of the core fits. */
export interface SimIdentity {
	/** DER, leaf first. */
	readonly chain: readonly Uint8Array[];
}

/** Called with the stream as `this`, never from within a call of the owner. */
export interface SimStreamCallbacks {
	/** `count` octets can be read. */
	onReadable?(this: SimStream, count: number): void;
	/** Connected: `count` octets may be written. Not called for accepted streams: they are connected from the start. */
	onWritable?(this: SimStream, count: number): void;
	/** Something written has left; `buffered` octets have not. */
	onSent?(this: SimStream, buffered: number): void;
	/** The end of the stream, once: by the other side, by the network, or before it was connected. */
	onError?(this: SimStream, error: Error): void;
}

export interface SimStreamOptions extends SimStreamCallbacks {
	/** Free for the owner. */
	readonly target?: unknown;
	/** What `read` of a listener gave; the options below are for connecting out. */
	readonly from?: StreamEnd;
	readonly machine?: SimMachine;
	readonly address?: string;
	readonly port?: number;
	readonly identity?: SimIdentity;
	/** Server name indication. */
	readonly serverName?: string;
}

export class SimStream {
	target: unknown;
	readonly #callbacks: SimStreamCallbacks;
	#end: StreamEnd | undefined;
	#closed = false;

	/** Takes over an accepted stream (`from`), or connects out: then `onWritable` or `onError` follows. */
	constructor(options: SimStreamOptions) {
		this.target = options.target;
		this.#callbacks = options;
		const { from, machine } = options;
		if (from !== undefined) this.#own(from);
		else if (machine !== undefined) this.#connect(machine, options);
		else throw new Error("a stream is accepted, or is some machine's");
	}

	#own(end: StreamEnd): void {
		this.#end = end;
		end.owner = {
			readable: (count) => this.#callbacks.onReadable?.call(this, count),
			sent: (buffered) => this.#callbacks.onSent?.call(this, buffered),
			ended: (reason) => this.#callbacks.onError?.call(this, new Error(reason)),
		};
		const { time } = end.machine.network;
		// What came before somebody was there to be told.
		if (end.receivedOctets > 0) time.after(0, () => end.owner?.readable(end.receivedOctets));
		if (end.reason !== "") time.after(0, () => end.owner?.ended(end.reason));
	}

	#connect(machine: SimMachine, options: SimStreamOptions): void {
		const { network, life } = machine;
		const { time } = network;
		const { address = "", port = 0, serverName = "" } = options;
		const to = network.find(address);
		const isGone = (): boolean => this.#closed || machine.life !== life || !machine.powered;
		const fail = (reason: string): void => {
			if (!isGone()) this.#callbacks.onError?.call(this, new Error(reason));
		};
		if (to === undefined || !network.isReachable(machine, to)) {
			time.after(CONNECT_TIMEOUT_MS, () => fail("no answer"));
			return;
		}
		let way = network.lossDelay(machine, to, 3000);
		for (let i = 0; i < 2 * SECURE_ROUND_TRIPS; i++) way += network.delay(machine, to);
		// A closed port refuses after the first round trip.
		time.after(to.listeners.has(port) ? way : way / SECURE_ROUND_TRIPS, () => {
			if (isGone()) return;
			if (!network.isReachable(machine, to)) {
				time.after(CONNECT_TIMEOUT_MS, () => fail("no answer"));
				return;
			}
			const own = options.identity?.chain ?? [];
			const far = to.listeners.get(port)?.accept(machine, own, serverName);
			if (far === undefined) {
				fail("refused");
				return;
			}
			const near = new StreamEnd(machine, far.shown, address, port, serverName);
			near.far = far.end;
			far.end.far = near;
			this.#own(near);
			this.#callbacks.onWritable?.call(this, this.writable);
		});
	}

	/** Certificates the other end has shown, DER, leaf first; empty before the stream is connected. */
	get chain(): readonly Uint8Array[] {
		return this.#end?.chain ?? [];
	}

	get address(): string {
		return this.#end?.address ?? "";
	}

	get port(): number {
		return this.#end?.port ?? 0;
	}

	get serverName(): string {
		return this.#end?.serverName ?? "";
	}

	/** Octets written that are not at the other end yet. */
	get bufferedAmount(): number {
		return this.#end?.unsent ?? 0;
	}

	/** Octets `write` takes now; 0 before the stream is connected and after its end. */
	get writable(): number {
		const end = this.#end;
		return end === undefined || end.over ? 0 : STREAM_SEND_OCTETS - end.unsent;
	}

	get closed(): boolean {
		return this.#closed || this.#end?.over === true;
	}

	/** The next piece as it was written; `undefined` when there is none. */
	read(): Uint8Array | undefined {
		const end = this.#end;
		const bytes = end?.received.shift();
		if (end !== undefined && bytes !== undefined) end.receivedOctets -= bytes.length;
		return bytes;
	}

	/** Writes all octets or none: the number that may still be written, or -1. They must not change afterwards. */
	write(bytes: Uint8Array): number {
		const end = this.#end;
		if (end === undefined || end.over || bytes.length > this.writable) return -1;
		if (bytes.length > 0) end.write(bytes);
		return this.writable;
	}

	/** Ends the stream after what was written; no callback is called any more. */
	close(): void {
		this.#closed = true;
		const end = this.#end;
		if (end === undefined) return;
		end.owner = undefined;
		end.close();
	}
}

export interface SimListenerOptions {
	readonly machine: SimMachine;
	readonly port: number;
	readonly identity: SimIdentity;
	/** Other identities, by server name. */
	readonly identities?: ReadonlyMap<string, SimIdentity>;
	readonly target?: unknown;
	/** `count` connections can be read. */
	onReadable?(this: SimListener, count: number): void;
}

/** Accepts secure streams on a port of a machine. */
export class SimListener {
	target: unknown;
	readonly port: number;
	readonly #machine: SimMachine;
	readonly #options: SimListenerOptions;
	readonly #accepted: StreamEnd[] = [];

	constructor(options: SimListenerOptions) {
		this.target = options.target;
		this.port = options.port;
		this.#machine = options.machine;
		this.#options = options;
		if (this.#machine.listeners.has(options.port)) throw new Error(`port ${options.port} is taken`);
		this.#machine.listeners.set(options.port, this);
	}

	/** For the connecting end: our end, and the certificates it sees; `undefined` = refused (nobody reads them). */
	accept(
		from: SimMachine,
		chain: readonly Uint8Array[],
		serverName: string,
	): { end: StreamEnd; shown: readonly Uint8Array[] } | undefined {
		if (this.#accepted.length >= LISTENER_BACKLOG) return undefined;
		const end = new StreamEnd(this.#machine, chain, from.address, from.ephemeralPort(), serverName);
		const identity = this.#options.identities?.get(serverName) ?? this.#options.identity;
		this.#accepted.push(end);
		this.#machine.network.time.after(0, () => {
			if (end.lives && this.#accepted.length > 0) this.#options.onReadable?.call(this, this.#accepted.length);
		});
		return { end, shown: identity.chain };
	}

	/** The next accepted connection, for `new SimStream({ from })`. */
	read(): StreamEnd | undefined {
		return this.#accepted.shift();
	}

	close(): void {
		if (this.#machine.listeners.get(this.port) === this) this.#machine.listeners.delete(this.port);
	}
}
