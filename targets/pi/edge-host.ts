/**
 * The SIP edge of a peer: binds `SipEdge` to sockets and to the overlay.
 *
 *   phone --REGISTER--> edge --registered--> SIP-REGISTRATION of the hosted user, kept stored while there is a binding
 *   phone --INVITE----> edge --locate------> local bindings + registrations in the overlay -> AppAttach connections -> fork
 */

import type { LocalIdentity } from "../../core/identity/signer.ts";
import type { Credentials, DigestAlgorithm } from "../../core/sip/digest.ts";
import { SipEdge } from "../../core/sip/edge.ts";
import type { FlowOptions, SipEvent, SipOutput, Target } from "../../core/sip/edge-types.ts";
import { readAor } from "../../core/usages/aor.ts";
import { readGruu } from "../../core/usages/gruu.ts";
import { houseAor } from "../../core/usages/house.ts";
import type { Clock, Crypto, Log } from "../../hal/hal.ts";
import { Deadline } from "../../hal/node/clock.ts";
import { openNear } from "./addresses.ts";
import type { AppConnection, AppConnections } from "./app-connections.ts";
import { EdgeConnections } from "./edge-connections.ts";
import { EdgeLocator } from "./edge-locating.ts";
import { EdgeRegistrations } from "./edge-registrations.ts";
import { HouseEdges } from "./house-edges.ts";
import type { HouseholdAccount } from "./household/types.ts";
import type { OverlayHost } from "./overlay-host.ts";
import type { OwnRecords } from "./own-records.ts";
import type { OverlayResolver } from "./resolver.ts";
import { type SipListen, SipSockets } from "./sip-sockets.ts";

export { readSipListen, type SipListen } from "./sip-sockets.ts";

const SOFTWARE = "Ringlet";
/** A stopping peer waits this long for the overlay to take its registrations back. */
const WITHDRAW_MS = 1_000;
/** Phones and other edges that one call rings; further ones are left out. */
export const MAX_RUNG = 128;

export interface EdgeHostOptions {
	readonly domain: string;
	readonly listen: readonly SipListen[];
	/** Offered to phones, preferred first. */
	readonly digest: readonly DigestAlgorithm[];
	/** Try up to this many higher ports where one is taken. */
	readonly otherPorts?: number;
	readonly host: OverlayHost;
	readonly connections: AppConnections;
	readonly records: OwnRecords;
	/** An account by its name, without domain. */
	readonly account: (name: string) => HouseholdAccount | undefined;
	/** True for the AOR of a device of the household. */
	readonly isDevice: (aor: string) => boolean;
	/** The identity under which this peer serves an AOR. */
	readonly hosted: (aor: string) => LocalIdentity | undefined;
	readonly peerNodeId: Uint8Array;
	readonly crypto: Crypto;
	readonly clock: Clock;
	readonly log: Log;
}

export class EdgeHost {
	readonly #options: EdgeHostOptions;
	readonly #locator: EdgeLocator;
	readonly #registrations: EdgeRegistrations;
	readonly #edge: SipEdge;
	readonly #sockets: SipSockets;
	readonly #deadline: Deadline;
	readonly #connections: EdgeConnections;
	readonly #others: HouseEdges;
	readonly #calls = new Set<string>();
	#nextFlow = 1;
	#draining = false;
	#closed = false;

	private constructor(options: EdgeHostOptions) {
		this.#options = options;
		const { crypto, domain, clock } = options;
		const house = houseAor(domain);
		this.#connections = new EdgeConnections({ ...options, houseAor: house });
		this.#locator = new EdgeLocator({
			...options,
			houseAor: house,
			bindings: (aor) => this.#edge.bindings(aor).map((binding) => binding.target),
			phones: () => this.#phones(),
			deviceFlow: (aor) => this.#connections.deviceFlow(aor),
			otherEdges: () => this.#others.others(),
			flowOf: (connection) => this.#connections.flowOf(connection),
			located: (token, targets, more, status, reason) => this.#located(token, targets, more, status, reason),
		});
		this.#registrations = new EdgeRegistrations({
			...options,
			locator: this.#locator,
			request: (request) => this.#run((now) => void this.#edge.request(request, now)),
		});
		this.#others = new HouseEdges({
			...options,
			houseAor: house,
			resolver: this.#locator.resolver,
			identity: () => options.hosted(house),
			isHere: (contact) => this.#locator.isHere(contact),
		});
		this.#deadline = new Deadline(clock, () => this.#run((now) => this.#edge.handle({ type: "timeout" }, now)));
		this.#edge = new SipEdge({
			crypto,
			domains: [domain],
			isOwnRoute: (uri) => {
				const destinations = readGruu(uri, options.peerNodeId.length)?.destinations;
				return destinations !== undefined && this.#locator.isHere({ destinations });
			},
			nodeOfRoute: (uri) => this.#connections.nodeOfRoute(uri),
			houseAor: house,
			algorithms: options.digest,
			limits: { branchesPerFork: MAX_RUNG },
			software: SOFTWARE,
			verifier: (aor, username) => this.#credentials(aor, username),
			readOctets: (octets, start, end) =>
				Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString("latin1", start, end),
		});
		this.#sockets = new SipSockets({
			log: options.log,
			flowNumber: () => this.#nextFlow++,
			opened: (flow) => this.#addFlow(flow),
			datagram: (flow, octets, address, port) =>
				this.#run((now) => this.#edge.handle({ type: "datagram", flow, octets, address, port }, now)),
			octets: (flow, octets) => this.#run((now) => this.#edge.handle({ type: "octets", flow, octets }, now)),
			closed: (flow) => this.#run((now) => this.#edge.handle({ type: "flowClosed", flow }, now)),
			connectFailed: (connect, reason) =>
				this.#run((now) => this.#edge.handle({ type: "connectFailed", connect, reason }, now)),
		});
	}

	/** Opens the sockets. Rejects with a `UserError` when a port cannot be had. */
	static async open(options: EdgeHostOptions): Promise<EdgeHost> {
		const edge = new EdgeHost(options);
		try {
			await edge.#listen();
		} catch (error) {
			edge.#sockets.closeAll();
			throw error;
		}
		return edge;
	}

	/** Places that share a port move to another together: what a phone is told holds for UDP and TCP. */
	async #listen(): Promise<void> {
		const { listen, otherPorts = 0 } = this.#options;
		const groups = new Map<number, SipListen[]>();
		for (const [i, place] of listen.entries()) {
			// Port 0 is any, so each has its own.
			const key = place.port === 0 ? -i : place.port;
			groups.set(key, [...(groups.get(key) ?? []), place]);
		}
		for (const places of groups.values())
			await openNear(places[0]?.port ?? 0, otherPorts, (port) =>
				this.#sockets.listen(...places.map((place) => ({ ...place, port }))),
			);
	}

	get resolver(): OverlayResolver {
		return this.#locator.resolver;
	}

	listening(): readonly string[] {
		return this.#sockets.listening;
	}

	/** Calls this edge takes part in now. */
	get calls(): number {
		return this.#calls.size;
	}

	counters(): Readonly<Record<string, number>> {
		const { received, dropped, refused, bindings, clientTransactions, serverTransactions } = this.#edge.stats();
		return {
			"sip.received": received,
			"sip.dropped": dropped,
			"sip.refused": refused,
			"sip.bindings": bindings,
			"sip.transactions": clientTransactions + serverTransactions,
		};
	}

	/** Who is registered here, and with which contacts. */
	registrations(): { aor: string; contacts: string[] }[] {
		return this.#edge
			.registeredAors()
			.map((aor) => ({ aor, contacts: this.#edge.bindings(aor).map((binding) => binding.target.uri) }));
	}

	/** An account is gone. Its bindings run out; nobody is put through to them meanwhile (edge-locating.ts), and no REGISTER is accepted. */
	forget(aor: string): void {
		this.#registrations.forget(aor);
	}

	/** Hosted identities came or went: registrations that waited for one are stored now. */
	accountsChanged(): void {
		for (const aor of this.#edge.registeredAors()) this.#registrations.keep(aor);
		// Every peer serves the house from the moment on when it has an identity for it, whether a phone is registered here or not.
		const house = houseAor(this.#options.domain);
		if (this.#options.hosted(house) === undefined) return;
		this.#registrations.keep(house);
		this.#others.lookSoon();
	}

	/** Withdraws the registrations of the phones here, so that nobody looks for them at a peer that is gone; then closes. */
	async stop(): Promise<void> {
		this.#registrations.close();
		this.#others.close();
		await this.#options.records.removed(WITHDRAW_MS);
		this.#closed = true;
		this.#deadline.close();
		this.#sockets.closeAll();
	}

	/** The overlay: peers come and go, and with them edges of the house. */
	overlayChanged(): void {
		if (this.#options.hosted(houseAor(this.#options.domain)) !== undefined) this.#others.lookSoon();
	}

	/** AORs of the devices that are connected here, and how many other edges are within reach of the house. */
	house(): { devices: string[]; edges: number; connected: number } {
		const edges = this.#others.others();
		const connected = edges.filter(({ connection }) => connection !== undefined).length;
		return { devices: this.#connections.devices(), edges: edges.length, connected };
	}

	/** Where the phones of all accounts are, as registered here. */
	#phones(): Target[] {
		const isAccount = (aor: string): boolean => this.#options.account(readAor(aor)?.user ?? "") !== undefined;
		return this.#edge
			.registeredAors()
			.filter(isAccount)
			.flatMap((aor) => this.#edge.bindings(aor).map((binding) => binding.target));
	}

	// ---- AppAttach connections

	connectionUp(connection: AppConnection): void {
		const { remoteUser } = connection;
		const flow = this.#nextFlow++;
		const isTaken = this.#addFlow(this.#connections.add(connection, flow));
		if (this.#connections.isDevice(connection)) this.#options.log("info", "device.up", { device: remoteUser });
		// Without a flow nothing would ever be said over it.
		if (!isTaken) connection.close("too many SIP flows");
		else this.#others.connectionUp(connection);
	}

	connectionBytes(connection: AppConnection, octets: Uint8Array): void {
		const flow = this.#connections.flowOf(connection.id);
		if (flow !== undefined) this.#run((now) => this.#edge.handle({ type: "octets", flow, octets }, now));
	}

	connectionDown(connection: AppConnection, reason: string): void {
		const flow = this.#connections.remove(connection);
		if (flow === undefined) return;
		this.#options.log("info", "app.down", { to: connection.remoteUser, as: connection.local.userName, reason });
		this.#run((now) => this.#edge.handle({ type: "flowClosed", flow }, now));
		this.#others.connectionDown(connection);
	}

	// ---- the edge

	#addFlow(options: FlowOptions): boolean {
		let isTaken = false;
		this.#run(() => {
			isTaken = this.#edge.addFlow(options);
		});
		if (!isTaken && !this.#closed) this.#options.log("warn", "sip.flowsFull", { address: options.remoteAddress });
		return isTaken;
	}

	#run(change: (now: number) => void): void {
		if (this.#closed) return;
		change(this.#options.clock.monotonicMs());
		this.#drain();
	}

	#drain(): void {
		if (this.#draining) return;
		this.#draining = true;
		try {
			for (let output = this.#edge.poll(); output !== undefined; output = this.#edge.poll()) this.#carryOut(output);
		} finally {
			this.#draining = false;
		}
		this.#deadline.at(this.#edge.deadline());
	}

	#carryOut(output: SipOutput): void {
		switch (output.type) {
			case "transmit":
				this.#transmit(output);
				return;
			case "locate":
				this.#locator.locate(output);
				return;
			case "connect":
				this.#connect(output);
				return;
			case "close":
				this.#close(output.flow, output.reason);
				return;
			case "event":
				this.#event(output.event);
				return;
			case "answer":
				this.#options.log("debug", "sip.answer", { status: output.status, reason: output.reason });
		}
	}

	#transmit({ flow, head, body, address, port }: Extract<SipOutput, { type: "transmit" }>): void {
		const octets = Buffer.allocUnsafe(head.length + body.length);
		octets.write(head, 0, "latin1");
		octets.set(body, head.length);
		const bytes = new Uint8Array(octets.buffer, octets.byteOffset, octets.length);
		const connection = this.#connections.of(flow);
		if (connection !== undefined) connection.send(bytes);
		else this.#sockets.send(flow, bytes, address, port);
	}

	#close(flow: number, reason: string): void {
		const connection = this.#connections.of(flow);
		if (connection === undefined) this.#sockets.close(flow);
		else connection.close(reason);
	}

	#connect({ connect, transport, address, port }: Extract<SipOutput, { type: "connect" }>): void {
		if (transport === "tcp") this.#sockets.connect(connect, address, port);
		else
			queueMicrotask(() =>
				this.#run((now) =>
					this.#edge.handle({ type: "connectFailed", connect, reason: `no ${transport} to phones here` }, now),
				),
			);
	}

	#credentials(aor: string, username: string): Credentials | undefined {
		const known = readAor(aor);
		const account = known === undefined ? undefined : this.#options.account(known.user);
		// The verifiers were made with the account's name: a phone that calls itself otherwise could not know the password's digest.
		if (account === undefined || account.kind !== "user" || account.aor !== aor || username !== account.name)
			return undefined;
		return { ha1Sha256: account.ha1Sha256, ha1Md5: account.ha1Md5 };
	}

	// ---- where is it?

	#located(token: number, targets: readonly Target[], more: boolean, status?: number, reason?: string): void {
		this.#run((now) =>
			this.#edge.handle(
				{
					type: "located",
					token,
					targets,
					more,
					...(status === undefined ? {} : { status }),
					...(reason === undefined ? {} : { reason }),
				},
				now,
			),
		);
	}

	// ---- registrations

	#event(event: SipEvent): void {
		const { log } = this.#options;
		switch (event.type) {
			case "registered":
				log("info", "sip.registered", { aor: event.aor, contact: event.contacts[0]?.target.uri });
				this.#registrations.keep(event.aor);
				for (const binding of event.contacts) void this.#registrations.tellOldPlaces(event.aor, binding.target.uri);
				return;
			case "refreshed":
				this.#registrations.keep(event.aor);
				return;
			case "unregistered":
			case "expired":
			case "flowClosed":
				log("info", `sip.${event.type}`, { aor: event.aor, remaining: event.remaining });
				if (event.remaining === 0) this.#registrations.drop(event.aor);
				return;
			case "authenticationFailed":
				log("warn", "sip.authentication", { aor: event.aor, address: event.address, blocked: event.isBlocked });
				return;
			case "callStarted":
				this.#calls.add(event.call.callId);
				break;
			case "callEnded":
				this.#calls.delete(event.call.callId);
				log("info", "call.ended", { from: event.call.from, to: event.call.to, status: event.status });
				return;
			default:
		}
		log("info", `call.${event.type.slice(4).toLowerCase()}`, { from: event.call.from, to: event.call.to });
	}
}
