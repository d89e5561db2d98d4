/**
 * The TLS connections between two identities that AppAttach (RFC 6940 §6.5.2, RFC 7904 §5) agrees on, and SIP runs over.
 *
 * One connection per pair (our identity, their Node-ID), opened on first use, shared by all calls, kept warm, closed when idle for
 * long. The TLS server picks its certificate by the server name `<hex Node-ID>.<overlay>`. A connection is taken only when an
 * AppAttach has announced it, its certificate is one of this overlay now, and it carries the Node-ID that was agreed on.
 */
import type { Certificate } from "../../core/identity/certificate.ts";
import type { LocalIdentity } from "../../core/identity/signer.ts";
import type { Trust } from "../../core/identity/trust.ts";
import { isRefused, type Refused, refuse } from "../../core/machine.ts";
import type { Endpoint, NodeEvent } from "../../core/overlay/node-types.ts";
import { equalBytes, includesBytes, toHex } from "../../core/wire/bytes.ts";
import { ApplicationId } from "../../core/wire/codes.ts";
import type { Destination } from "../../core/wire/destination.ts";
import type { Clock, Log } from "../../hal/hal.ts";
import { SecureListener } from "../../hal/node/secure-listener.ts";
import { SecureStream } from "../../hal/node/secure-stream.ts";
import { portError, writeEndpoint } from "./addresses.ts";
import { recordLimit } from "./device-tls.ts";
import { FirstConnection } from "./first-connection.ts";
import type { OverlayHost } from "./overlay-host.ts";
import { Refusals } from "./refusals.ts";
import { SilentNodes } from "./silent-nodes.ts";
import { nodeTimers, type Timers } from "./state/timers.ts";

/** Connections at once; the one idle longest goes when there is one more. */
export const MAX_APP_CONNECTIONS = 512;
/** AppAttach agreed on, connection not yet there. Full: a connection of our own fails, one of others is refused when it comes. */
export const MAX_EXPECTED = 512;
/** Connections that others asked for and that we are opening. Full: a further one is not opened; who asked waits in vain. */
export const MAX_CONNECTING = 128;
/** From the AppAttach to a connection that can be used. */
export const APP_CONNECT_MS = 5_000;
/**
 * A node whose connection was lost or did not come a moment ago (silent-nodes.ts) is waited for no longer than this: it most likely is
 * dead, its registration still stands for minutes, and what the living phones say must not wait for it.
 */
export const SILENT_CONNECT_MS = 1_000;
/** RFC 7904 §5 / RFC 5626 §3.5.1: a double CRLF after this much silence; its answer keeps NATs and the other end awake. */
export const KEEPALIVE_MS = 25_000;
/** Without any octet for this long after a keep-alive the connection is dead. */
export const KEEPALIVE_ANSWER_MS = 5_000;
/**
 * The end that was connected to lets the other one do the keep-alive (RFC 5626 §3.5.1: the client's affair): a device then hears
 * nothing but the answers to its own.
 */
export const KEEPALIVE_IN_MS = 40_000;
/** Others that have agreed to connect to us may take this long: a TLS handshake is seconds of work for a device. */
export const EXPECT_MS = 20_000;
/** A connection nothing was sent over for this long is closed, unless it is kept. */
export const IDLE_MS = 3_600_000;

/** So often the certificates of open connections are checked again: one may have run out, or the clock been set. */
export const RECHECK_MS = 60_000;

/** How often all connections are looked at. */
const LOOK_MS = 1_000;

const PING = Uint8Array.of(13, 10, 13, 10);
const PONG = Uint8Array.of(13, 10);

/** A connection that is up and whose other end is known. */
export interface AppConnection {
	readonly id: number;
	readonly local: LocalIdentity;
	/** Node-ID and user name of the other end's certificate. */
	readonly remoteNodeId: Uint8Array;
	readonly remoteUser: string;
	readonly address: string;
	readonly port: number;
	/** False when the octets cannot be taken; the connection is lost then. */
	send(bytes: Uint8Array): boolean;
	/** Ends the connection; `onDown` follows at once. */
	close(reason: string): void;
}

/** What `connection` needs of an overlay host. */
export type AppAttacher = Pick<OverlayHost, "appAttach">;

export interface AppConnectionsOptions {
	/** Address (and port; 0 = any) of the listener. */
	readonly listen: Endpoint;
	/** Shown to whoever names nobody. */
	readonly identity: LocalIdentity;
	readonly overlayName: string;
	/** What is believed now. */
	readonly trust: () => Trust;
	readonly clock: Clock;
	readonly log: Log;
	readonly onUp: (connection: AppConnection) => void;
	readonly onBytes: (connection: AppConnection, bytes: Uint8Array) => void;
	readonly onDown: (connection: AppConnection, reason: string) => void;
	/** Connections that stay however long they are idle, and go last when there are too many. Default: none. */
	readonly isKept?: (connection: AppConnection) => boolean;
	readonly timers?: Timers;
	/** Others than MAX_APP_CONNECTIONS, MAX_EXPECTED and MAX_CONNECTING. */
	readonly limits?: Partial<AppLimits>;
}

export interface AppLimits {
	readonly connections: number;
	readonly expected: number;
	readonly connecting: number;
}

interface Live extends AppConnection {
	readonly stream: SecureStream;
	/** Key in the table: the pair, and which end opened the connection. */
	readonly key: string;
	/** Monotonic times. */
	usedAt: number;
	heardAt: number;
	pingedAt: number;
}

interface Expected {
	readonly local: LocalIdentity;
	readonly nodeId: Uint8Array;
	readonly until: number;
	readonly waiting: ((connection: AppConnection | undefined) => void)[];
}

export class AppConnections {
	readonly #options: AppConnectionsOptions;
	readonly #listener: SecureListener;
	readonly #identities = new Map<string, LocalIdentity>();
	readonly #live = new Map<string, Live>();
	readonly #expected = new Map<string, Expected>();
	/** Connections being asked for, so that two calls at once make one. */
	readonly #asking = new Map<string, Promise<AppConnection>>();
	readonly #connecting = new Set<FirstConnection>();
	readonly #silent: SilentNodes;
	readonly #timers: Timers;
	readonly #limits: AppLimits;
	#stopLooking: () => void = () => undefined;
	#nextId = 1;
	#recheckAt: number;
	#closed = false;

	private constructor(options: AppConnectionsOptions, listener: SecureListener) {
		this.#options = options;
		this.#listener = listener;
		this.#timers = options.timers ?? nodeTimers;
		this.#silent = new SilentNodes(options.clock);
		const standard = { connections: MAX_APP_CONNECTIONS, expected: MAX_EXPECTED, connecting: MAX_CONNECTING };
		this.#limits = { ...standard, ...options.limits };
		this.#recheckAt = options.clock.monotonicMs() + RECHECK_MS;
		this.#lookSoon();
	}

	#lookSoon(): void {
		this.#stopLooking = this.#timers.after(LOOK_MS, () => {
			this.#look();
			this.#lookSoon();
		});
	}

	/** Opens the listener. Rejects when the port cannot be had. */
	static async open(options: AppConnectionsOptions): Promise<AppConnections> {
		let made: AppConnections | undefined;
		const refusals = new Refusals(options);
		const accept = (): void => {
			if (made !== undefined) made.#accept();
		};
		const listener = await new Promise<SecureListener>((resolve, reject) => {
			new SecureListener({
				address: options.listen.address,
				port: options.listen.port,
				identity: options.identity,
				onListening() {
					resolve(this);
				},
				onError: (error) => reject(portError(error, writeEndpoint(options.listen), "--link")),
				onReadable: accept,
				onRefused: (reason, address) => refusals.handshake("app.refused", reason, address),
			});
		});
		made = new AppConnections(options, listener);
		made.#accept();
		return made;
	}

	get port(): number {
		return this.#listener.port;
	}

	get size(): number {
		return this.#live.size;
	}

	/** Replaces the identities that others may ask for, our own among them. Connections of identities that are gone are closed. */
	setIdentities(identities: readonly LocalIdentity[]): void {
		this.#identities.clear();
		const names = new Map<string, LocalIdentity>();
		for (const identity of identities) {
			this.#identities.set(toHex(identity.nodeId), identity);
			names.set(`${toHex(identity.nodeId)}.${this.#options.overlayName}`, identity);
		}
		// Renewed, our own is another object of the same Node-ID.
		const own = this.#identities.get(toHex(this.#options.identity.nodeId)) ?? this.#options.identity;
		this.#listener.setIdentities(own, names);
		for (const live of this.#live.values())
			if (!this.#identities.has(toHex(live.local.nodeId))) this.#drop(live, "the identity is gone");
	}

	/** Closes the connections whose certificate is not believed any more (revoked, expired). Done by itself every RECHECK_MS. */
	recheck(): void {
		this.#recheckAt = this.#options.clock.monotonicMs() + RECHECK_MS;
		for (const live of this.#live.values()) {
			const certificate = this.#check(live.stream.chain, live.remoteNodeId);
			if (isRefused(certificate)) this.#drop(live, certificate.refused);
		}
	}

	/** The open connection of a pair, if there is one. */
	find(local: LocalIdentity, remoteNodeId: Uint8Array): AppConnection | undefined {
		const pair = pairKey(local.nodeId, remoteNodeId);
		// Both ends may have asked at once; two connections then live side by side rather than each end closing another one.
		return this.#live.get(`${pair}/out`) ?? this.#live.get(`${pair}/in`);
	}

	/** The connection from `local` to the identity that the destination list ends in; asks for one when there is none. */
	connection(host: AppAttacher, local: LocalIdentity, destination: readonly Destination[]): Promise<AppConnection> {
		const last = destination[destination.length - 1];
		if (last === undefined || !("nodeId" in last))
			return Promise.reject(new Error("the destination list does not end in a Node-ID"));
		const key = pairKey(local.nodeId, last.nodeId);
		const live = this.find(local, last.nodeId);
		if (live !== undefined) return Promise.resolve(live);
		let asking = this.#asking.get(key);
		if (asking === undefined) {
			asking = this.#ask(host, local, last.nodeId, destination).finally(() => this.#asking.delete(key));
			this.#asking.set(key, asking);
		}
		return asking;
	}

	async #ask(
		host: AppAttacher,
		local: LocalIdentity,
		nodeId: Uint8Array,
		destination: readonly Destination[],
	): Promise<AppConnection> {
		const expected = this.#announce(local, nodeId, APP_CONNECT_MS);
		if (expected === undefined)
			throw new Error(`${this.#limits.expected} connections are being waited for: no room for one more`);
		const [first] = destination;
		const way = first !== undefined && "nodeId" in first ? [nodeId, first.nodeId] : [nodeId];
		const patienceMs = way.some((id) => this.#silent.has(id)) ? SILENT_CONNECT_MS : APP_CONNECT_MS;
		try {
			const connection = await this.#arrived(host, local, destination, expected, patienceMs);
			for (const id of way) this.#silent.delete(id);
			return connection;
		} catch (error) {
			for (const id of way) this.#silent.add(id);
			throw error;
		}
	}

	async #arrived(
		host: AppAttacher,
		local: LocalIdentity,
		destination: readonly Destination[],
		expected: Expected,
		patienceMs: number,
	): Promise<AppConnection> {
		const arrived = this.#arrival(expected, patienceMs);
		const asked = host.appAttach(destination, ApplicationId.sip, { as: local.nodeId });
		// The connection may be there before the answer of the AppAttach is; an answer that is an error ends the wait.
		const refused = asked.then(() => new Promise<never>(() => undefined));
		const connection = await Promise.race([arrived, refused]);
		if (connection === undefined)
			throw new Error(`no connection from ${toHex(expected.nodeId)} within ${patienceMs} ms`);
		return connection;
	}

	#arrival(expected: Expected, patienceMs: number): Promise<AppConnection | undefined> {
		return new Promise((resolve) => {
			const stop = this.#timers.after(patienceMs, () => resolve(undefined));
			expected.waiting.push((connection) => {
				stop();
				resolve(connection);
			});
		});
	}

	#announce(local: LocalIdentity, nodeId: Uint8Array, withinMs: number): Expected | undefined {
		const key = pairKey(local.nodeId, nodeId);
		const until = this.#options.clock.monotonicMs() + withinMs;
		const known = this.#expected.get(key);
		if (known === undefined && this.#expected.size >= this.#limits.expected) return undefined;
		const expected: Expected = { local, nodeId, until, waiting: known?.waiting ?? [] };
		this.#expected.set(key, expected);
		return expected;
	}

	/** Feed with the events `appExpect` and `appConnect` of the node. */
	handleEvent(event: NodeEvent): void {
		if (event.type === "appExpect") this.#announce(event.identity, event.expect, EXPECT_MS);
		else if (event.type === "appConnect") this.#connect(event);
	}

	#connect(event: Extract<NodeEvent, { type: "appConnect" }>): void {
		const { identity, serverName, expect, candidates } = event;
		const { log } = this.#options;
		const to = candidates.map(writeEndpoint).join(" ");
		if (this.#closed || this.#connecting.size >= this.#limits.connecting) {
			log("warn", "app.connectFailed", {
				to,
				reason: `${this.#limits.connecting} connections are being opened already`,
			});
			return;
		}
		const connecting = new FirstConnection({
			candidates,
			identity,
			serverName,
			timeoutMs: APP_CONNECT_MS,
			timers: this.#timers,
			onUp: (stream) => {
				this.#connecting.delete(connecting);
				this.#up(identity, stream, expect, "out");
			},
			onFailed: (reason) => {
				this.#connecting.delete(connecting);
				log("info", "app.connectFailed", { to, reason });
			},
			onReadable: (stream) => this.#read(stream),
			onError: (stream, error) => this.#lost(stream, error.message),
		});
		this.#connecting.add(connecting);
	}

	#accept(): void {
		for (let accepted = this.#listener.read(); accepted !== undefined; accepted = this.#listener.read()) {
			const owner = this;
			const named = accepted.serverName.split(".")[0] ?? "";
			const local = this.#identities.get(named) ?? this.#options.identity;
			const stream = new SecureStream({
				from: accepted,
				...recordLimit(accepted),
				onReadable() {
					owner.#read(this);
				},
				onError(error) {
					owner.#lost(this, error.message);
				},
			});
			const expected = this.#expectedOf(local, stream);
			if (isRefused(expected)) {
				const { address } = stream;
				this.#options.log("warn", "app.refused", { address, as: local.userName, reason: expected.refused });
				stream.close();
			} else this.#up(local, stream, expected.nodeId, "in");
		}
	}

	#expectedOf(local: LocalIdentity, stream: SecureStream): Expected | Refused {
		const certificate = this.#check(stream.chain);
		if (isRefused(certificate)) return certificate;
		for (const nodeId of certificate.nodeIds) {
			const expected = this.#expected.get(pairKey(local.nodeId, nodeId));
			if (expected !== undefined && expected.until >= this.#options.clock.monotonicMs()) return expected;
		}
		return refuse(`${certificate.userName} connects without an AppAttach that announced it, or too long after it`);
	}

	/** The leaf of a chain when it is believed now, and carries `nodeId` where one is given. */
	#check(chain: readonly Uint8Array[], nodeId?: Uint8Array): Certificate | Refused {
		const [leaf, ...others] = chain;
		if (leaf === undefined) return refuse("no certificate");
		const certificate = this.#options.trust().check(leaf, others, this.#options.clock.wallMs());
		if (isRefused(certificate) || nodeId === undefined) return certificate;
		// RFC 7904 §5 MUST: the certificate carries the Node-ID that was asked for, else the connection is not used.
		return includesBytes(certificate.nodeIds, nodeId)
			? certificate
			: refuse("the certificate names another Node-ID than was agreed on");
	}

	#up(local: LocalIdentity, stream: SecureStream, nodeId: Uint8Array, direction: "in" | "out"): void {
		const certificate = this.#check(stream.chain, nodeId);
		if (isRefused(certificate) || this.#closed) {
			const reason = isRefused(certificate) ? certificate.refused : "this peer stops";
			this.#options.log("warn", "app.refused", { address: stream.address, reason });
			stream.close();
			return;
		}
		const pair = pairKey(local.nodeId, nodeId);
		const key = `${pair}/${direction}`;
		const known = this.#live.get(key);
		if (known !== undefined) this.#drop(known, "replaced by a newer connection");
		this.#makeRoom();
		const now = this.#options.clock.monotonicMs();
		const live: Live = {
			id: this.#nextId++,
			local,
			remoteNodeId: nodeId,
			remoteUser: certificate.userName ?? "",
			address: stream.address,
			port: stream.port,
			stream,
			key,
			usedAt: now,
			heardAt: now,
			pingedAt: -1,
			send: (bytes) => {
				live.usedAt = this.#options.clock.monotonicMs();
				if (stream.write(bytes) >= 0) return true;
				this.#lost(stream, "the send buffer is full");
				return false;
			},
			close: (reason) => {
				if (stream.target === live) this.#drop(live, reason);
			},
		};
		stream.target = live;
		this.#live.set(key, live);
		this.#silent.delete(nodeId);
		this.#options.onUp(live);
		const expected = this.#expected.get(pair);
		// Both ends may have asked at once: the connection that the other end was asked for still comes, after our own to it.
		if (direction === "in") this.#expected.delete(pair);
		for (const resolve of expected?.waiting.splice(0) ?? []) resolve(live);
		this.#read(stream);
	}

	#makeRoom(): void {
		if (this.#live.size < this.#limits.connections) return;
		const isKept = (live: Live): boolean => this.#options.isKept?.(live) === true;
		let oldest: Live | undefined;
		for (const live of this.#live.values()) {
			if (oldest === undefined || (isKept(oldest) && !isKept(live))) oldest = live;
			else if (isKept(live) === isKept(oldest) && live.usedAt < oldest.usedAt) oldest = live;
		}
		if (oldest !== undefined) this.#drop(oldest, "room for another connection");
	}

	#read(stream: SecureStream): void {
		const live = stream.target as Live | undefined;
		if (live === undefined) return;
		for (let bytes = stream.read(); bytes !== undefined; bytes = stream.read()) {
			live.heardAt = this.#options.clock.monotonicMs();
			live.pingedAt = -1;
			// RFC 5626 §3.5.1: a lone CRLF answers a double one. Between messages only, which is where a chunk of it alone stands.
			if (equalBytes(bytes, PING)) stream.write(PONG);
			else if (!equalBytes(bytes, PONG)) this.#options.onBytes(live, bytes);
		}
	}

	#lost(stream: SecureStream, reason: string): void {
		const live = stream.target as Live | undefined;
		if (live === undefined) return;
		this.#silent.add(live.remoteNodeId);
		this.#drop(live, reason);
	}

	#drop(live: Live, reason: string): void {
		live.stream.target = undefined;
		live.stream.close();
		if (this.#live.get(live.key) === live) this.#live.delete(live.key);
		this.#options.onDown(live, reason);
	}

	#look(): void {
		const now = this.#options.clock.monotonicMs();
		for (const [key, expected] of this.#expected) if (expected.until < now) this.#expected.delete(key);
		if (now >= this.#recheckAt) this.recheck();
		for (const live of this.#live.values()) {
			const silentMs = live.key.endsWith("/in") ? KEEPALIVE_IN_MS : KEEPALIVE_MS;
			if (now - live.usedAt > IDLE_MS && this.#options.isKept?.(live) !== true) this.#drop(live, "idle");
			else if (live.pingedAt >= 0 && now - live.pingedAt > KEEPALIVE_ANSWER_MS) this.#lost(live.stream, "silent");
			else if (live.pingedAt < 0 && now - live.heardAt > silentMs) {
				live.pingedAt = now;
				live.stream.write(PING);
			}
		}
	}

	close(): void {
		this.#closed = true;
		this.#stopLooking();
		this.#listener.close();
		for (const connecting of this.#connecting) connecting.close();
		this.#connecting.clear();
		for (const live of this.#live.values()) this.#drop(live, "this peer stops");
		for (const expected of this.#expected.values()) for (const resolve of expected.waiting) resolve(undefined);
	}
}

function pairKey(local: Uint8Array, remote: Uint8Array): string {
	return `${toHex(local)}-${toHex(remote)}`;
}
