/**
 * One overlay node on Node.js: binds the sans-IO `OverlayNode` to TLS sockets, timers, the clock and the record store, and turns its
 * commands into promises. No protocol logic here.
 */
import type { OverlayNode } from "../../core/overlay/node.ts";
import type {
	AnswerBody,
	AppAttachOptions,
	Endpoint,
	FetchKind,
	NodeEvent,
	NodeInput,
	NodeOutput,
	OverlayNodeOptions,
	RequestOptions,
	RequestResult,
	StartOptions,
	StoreKind,
} from "../../core/overlay/node-types.ts";
import type { Destination } from "../../core/wire/destination.ts";
import type { Clock, Log, RecordStore } from "../../hal/hal.ts";
import { Deadline } from "../../hal/node/clock.ts";
import { SecureListener } from "../../hal/node/secure-listener.ts";
import { SecureStream } from "../../hal/node/secure-stream.ts";
import { portError, writeEndpoint } from "./addresses.ts";
import { recordLimit } from "./device-tls.ts";
import { Refusals } from "./refusals.ts";

/** A wall clock that moved by more than this against the monotonic one was set by somebody. */
const CLOCK_STEP_MS = 1_000;
const CLOCK_CHECK_MS = 10_000;
/** How long `stop` waits for the goodbye of the node. */
const LEAVE_MS = 5_000;

/** Plaintext octets of a link as they pass, for `ringlet capture`. */
export type LinkTap = (sent: boolean, link: number, remote: Endpoint, bytes: Uint8Array) => void;

export interface OverlayHostOptions {
	/** Makes the node; `wallMs` and `listen` are filled in by the host. */
	readonly node: (options: Pick<OverlayNodeOptions, "wallMs" | "listen">) => OverlayNode;
	readonly identity: OverlayNodeOptions["identity"];
	/** Address and port of the overlay listener (port 0: any free one); absent for a client, which only connects out. */
	readonly listen?: Endpoint;
	/** The addresses others are told, where they differ from that of `listen`; the port is the listener's. */
	readonly advertise?: readonly string[];
	readonly store?: RecordStore;
	readonly clock: Clock;
	readonly log: Log;
	readonly onEvent?: (event: NodeEvent) => void;
}

/** The answer of a command, or why there is none. */
export class OverlayError extends Error {
	/** RFC 6940 error code. */
	readonly errorCode: number;
	readonly infoBytes: Uint8Array | undefined;
	constructor(result: Extract<RequestResult, { ok: false }>) {
		super(result.info);
		this.name = "OverlayError";
		this.errorCode = result.errorCode;
		this.infoBytes = result.infoBytes;
	}
}

type Answer<T extends AnswerBody["type"]> = Extract<RequestResult, { ok: true }> & {
	readonly body: Extract<AnswerBody, { type: T }>;
};

export class OverlayHost {
	readonly node: OverlayNode;
	/** Where others connect to. */
	readonly listen: readonly Endpoint[];
	/** Sees plaintext while set. */
	tap: LinkTap | undefined;
	/** Results of commands that were given to the node by others than this host (a `Refresher`). */
	onResult: ((token: number, result: RequestResult) => void) | undefined;
	readonly #options: OverlayHostOptions;
	#identity: OverlayHostOptions["identity"];
	readonly #listener: SecureListener | undefined;
	readonly #streams = new Map<number, SecureStream>();
	readonly #connecting = new Map<number, SecureStream>();
	readonly #pending = new Map<number, (result: RequestResult) => void>();
	#nextLink = 1;
	readonly #deadline: Deadline;
	#clockTimer: NodeJS.Timeout | undefined;
	#wallOffset = 0;
	#draining = false;
	#closed = false;
	#onLeft: (() => void) | undefined;

	private constructor(options: OverlayHostOptions, listener: SecureListener | undefined) {
		this.#options = options;
		this.#identity = options.identity;
		this.#listener = listener;
		const own = options.listen;
		const told = options.advertise ?? (own === undefined ? [] : [own.address]);
		this.listen = told.map((address) => ({ address, port: listener?.port ?? 0 }));
		const { clock } = options;
		this.#deadline = new Deadline(clock, () => this.input({ type: "timeout" }));
		this.#wallOffset = clock.wallMs() - clock.monotonicMs();
		this.node = options.node({ wallMs: clock.wallMs(), listen: this.listen });
	}

	/** Opens the listener and makes the node; `start` then joins. Rejects when the port cannot be had. */
	static async open(options: OverlayHostOptions): Promise<OverlayHost> {
		let host: OverlayHost | undefined;
		const { listen, identity, log } = options;
		if (listen === undefined) return new OverlayHost(options, undefined);
		const refusals = new Refusals({ log, clock: options.clock });
		const listener = await new Promise<SecureListener>((resolve, reject) => {
			new SecureListener({
				address: listen.address,
				port: listen.port,
				identity,
				onListening() {
					resolve(this);
				},
				onError: (error) => reject(portError(error, writeEndpoint(listen), "--link")),
				onReadable: () => {
					if (host !== undefined) host.#accept();
				},
				onRefused: (reason, address) => refusals.handshake("link.refused", reason, address),
			});
		});
		host = new OverlayHost(options, listener);
		host.#accept();
		return host;
	}

	get #now(): number {
		return this.#options.clock.monotonicMs();
	}

	start(options: StartOptions): void {
		this.node.start(options, this.#now);
		this.#drain();
		this.#clockTimer = setInterval(() => this.#checkClock(), CLOCK_CHECK_MS);
		this.#clockTimer.unref();
	}

	/** The node's own certificate was renewed: new links show it. Links that are up stay. */
	setIdentity(identity: OverlayHostOptions["identity"]): void {
		this.#identity = identity;
		this.#listener?.setIdentities(identity);
		this.command((node) => node.addIdentity(identity));
	}

	/** Says goodbye, then closes everything. */
	async stop(): Promise<void> {
		if (this.#closed) return;
		await new Promise<void>((resolve) => {
			const patience = setTimeout(resolve, LEAVE_MS);
			this.#onLeft = () => {
				clearTimeout(patience);
				resolve();
			};
			this.node.leave(this.#now);
			this.#drain();
		});
		this.close();
	}

	/** Ends at once, without a word to anybody. */
	close(): void {
		this.#closed = true;
		this.#listener?.close();
		clearInterval(this.#clockTimer);
		this.#deadline.close();
		for (const stream of this.#streams.values()) stream.close();
		for (const stream of this.#connecting.values()) stream.close();
		this.#streams.clear();
		this.#connecting.clear();
		const failed: RequestResult = { ok: false, errorCode: 4, info: "this node has stopped" };
		for (const settle of this.#pending.values()) settle(failed);
		this.#pending.clear();
	}

	ping(destination: readonly Destination[], options?: RequestOptions): Promise<Answer<"ping">> {
		return this.#ask((now) => this.node.ping(destination, now, options));
	}

	probe(destination: readonly Destination[], requested: readonly number[]): Promise<Answer<"probe">> {
		return this.#ask((now) => this.node.probe(destination, requested, now));
	}

	store(resourceId: Uint8Array, kinds: readonly StoreKind[], options?: RequestOptions): Promise<Answer<"store">> {
		return this.#ask((now) => this.node.store(resourceId, kinds, now, options));
	}

	fetch(resourceId: Uint8Array, kinds: readonly FetchKind[], options?: RequestOptions): Promise<Answer<"fetch">> {
		return this.#ask((now) => this.node.fetch(resourceId, kinds, now, options));
	}

	appAttach(
		destination: readonly Destination[],
		application: number,
		options?: AppAttachOptions,
	): Promise<Answer<"appAttach">> {
		return this.#ask((now) => this.node.appAttach(destination, application, now, options));
	}

	trace(destination: Destination): Promise<Answer<"trace">> {
		return this.#ask((now) => this.node.trace(destination, now));
	}

	/** Runs something that changes the node (addIdentity, ...) and lets what it puts out go. */
	command<T>(run: (node: OverlayNode, now: number) => T): T {
		const result = run(this.node, this.#now);
		this.#drain();
		return result;
	}

	/** Like `command`, for one that gives a token; resolves with its result, good or bad. */
	result(run: (node: OverlayNode, now: number) => number): Promise<RequestResult> {
		return new Promise((resolve) => {
			if (this.#closed) return resolve({ ok: false, errorCode: 4, info: "this node has stopped" });
			this.#pending.set(run(this.node, this.#now), resolve);
			this.#drain();
		});
	}

	async #ask<T extends AnswerBody["type"]>(run: (now: number) => number): Promise<Answer<T>> {
		const result = await this.result((_node, now) => run(now));
		if (!result.ok) throw new OverlayError(result);
		return result as Answer<T>;
	}

	/** Feeds an input and carries out what follows. */
	input(input: NodeInput): void {
		if (this.#closed) return;
		this.node.handle(input, this.#now);
		this.#drain();
	}

	#drain(): void {
		// Carrying out one output may feed an input (a store that commits at once); the outer loop goes on with what follows.
		if (this.#draining || this.#closed) return;
		this.#draining = true;
		try {
			for (let output = this.node.poll(); output !== undefined; output = this.node.poll()) this.#carryOut(output);
		} finally {
			this.#draining = false;
		}
		this.#deadline.at(this.node.deadline());
	}

	#carryOut(output: NodeOutput): void {
		switch (output.type) {
			case "transmit":
				this.#transmit(output.link, output.bytes);
				return;
			case "result": {
				const settle = this.#pending.get(output.token);
				if (settle === undefined) this.onResult?.(output.token, output.result);
				this.#pending.delete(output.token);
				settle?.(output.result);
				return;
			}
			case "connect":
				this.#connect(output);
				return;
			case "close":
				this.#streams.get(output.link)?.close();
				this.#streams.delete(output.link);
				this.#options.log("debug", "link.closed", { link: output.link, reason: output.reason });
				return;
			case "persist":
				this.#persist(output);
				return;
			case "event":
				if (output.event.type === "left") this.#onLeft?.();
				this.#options.onEvent?.(output.event);
		}
	}

	#transmit(link: number, bytes: Uint8Array): void {
		const stream = this.#streams.get(link);
		if (stream === undefined) return;
		this.tap?.(true, link, stream, bytes);
		// No copy: a link never writes into octets again that it has handed out.
		if (stream.write(bytes) >= 0) return;
		this.#lost(link, "the send buffer is full");
	}

	#persist({ batch, change }: Extract<NodeOutput, { type: "persist" }>): void {
		const { store } = this.#options;
		const done = (error?: string): void =>
			this.input({ type: "persisted", batch, ...(error === undefined ? {} : { error }) });
		if (store === undefined) queueMicrotask(done);
		else store.commit(change, done);
	}

	#connect(output: Extract<NodeOutput, { type: "connect" }>): void {
		const { connect } = output;
		const host = this;
		const link = this.#nextLink++;
		const stream = new SecureStream({
			identity: this.#identity,
			address: output.address,
			port: output.port,
			serverName: output.serverName,
			onWritable() {
				if (!host.#connecting.delete(connect)) return;
				host.#streams.set(link, this);
				host.input({ type: "linkUp", link, connect, chain: this.chain, address: this.address, port: this.port });
			},
			onReadable() {
				host.#read(link, this);
			},
			onSent: (buffered) => host.#sent(link, buffered),
			onError(error) {
				if (!host.#connecting.delete(connect)) {
					host.#lost(link, error.message);
					return;
				}
				const { address, port } = output;
				host.#options.log("debug", "link.connectFailed", { address, port, reason: error.message });
				host.input({ type: "connectFailed", connect, reason: error.message });
			},
		});
		this.#connecting.set(connect, stream);
	}

	#accept(): void {
		for (let accepted = this.#listener?.read(); accepted !== undefined; accepted = this.#listener?.read()) {
			const link = this.#nextLink++;
			const host = this;
			const stream = new SecureStream({
				from: accepted,
				...recordLimit(accepted),
				onReadable() {
					host.#read(link, this);
				},
				onSent: (buffered) => host.#sent(link, buffered),
				onError: (error) => host.#lost(link, error.message),
			});
			this.#streams.set(link, stream);
			const { chain, address, port } = accepted;
			this.input({ type: "linkUp", link, chain, address, port });
		}
	}

	#read(link: number, stream: SecureStream): void {
		for (let bytes = stream.read(); bytes !== undefined; bytes = stream.read()) {
			this.tap?.(false, link, stream, bytes);
			this.input({ type: "bytes", link, bytes });
		}
	}

	/** Nothing follows from it: what waits for room is not kept, so nothing is drained. */
	#sent(link: number, buffered: number): void {
		if (!this.#closed) this.node.handle({ type: "drained", link, buffered }, this.#now);
	}

	#lost(link: number, reason: string): void {
		const stream = this.#streams.get(link);
		if (stream === undefined) return;
		this.#streams.delete(link);
		stream.close();
		this.input({ type: "linkDown", link, reason });
	}

	#checkClock(): void {
		const { clock } = this.#options;
		const offset = clock.wallMs() - clock.monotonicMs();
		if (Math.abs(offset - this.#wallOffset) < CLOCK_STEP_MS) return;
		this.#wallOffset = offset;
		this.#options.log("warn", "clock.set", { wallMs: clock.wallMs() });
		this.input({ type: "clock", wallMs: clock.wallMs() });
	}
}
