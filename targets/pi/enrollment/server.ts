/**
 * The enrollment server of a household: HTTPS, its TLS certificate issued by the household CA for the overlay name and the addresses.
 *
 *     GET  /.well-known/reload-config   the signed configuration document (RFC 6940 §11.2)
 *     POST /enroll                      certificates (RFC 6940 §11.3)
 *     GET  /household-ca.pem            the CA's certificate
 *     GET  /household/changes           peers only (mutual TLS): docs/enrollment.md
 *     POST /household/hosted
 *     POST /household/address
 */
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Trust } from "../../../core/identity/trust.ts";
import { isRefused } from "../../../core/machine.ts";
import type { Log } from "../../../hal/hal.ts";
import { PerAddress } from "../../../hal/node/per-address.ts";
import { DEVICE_RECORD } from "../device-tls.ts";
import { readAddresses } from "../household/address-book.ts";
import { NODE_ID_LENGTH } from "../household/authority.ts";
import { ENROLL_PATH } from "../household/compose.ts";
import type { Household } from "../household/household.ts";
import type { Issuing } from "../household/issuing.ts";
import { MAINTENANCE_MS, MAX_HOSTED_BATCH } from "../household/limits.ts";
import type { HostedRequest, HouseholdVersion } from "../household/types.ts";
import { errorText, UserError } from "../state/errors.ts";
import { decodePlain, encodePlain } from "../state/secret-box.ts";
import { nodeTimers, type Timers } from "../state/timers.ts";
import { EnrollRoute } from "./enroll-route.ts";
import {
	HANDSHAKE_TIMEOUT_MS,
	HEADERS_TIMEOUT_MS,
	KEEP_ALIVE_MS,
	MAX_ADDRESS_BODY,
	MAX_BATCH_BODY,
	MAX_CONNECTIONS,
	MAX_CONNECTIONS_PER_SOURCE,
	MAX_FORM,
	REQUEST_TIMEOUT_MS,
} from "./limits.ts";
import { ADDRESS_PATH, CA_PATH, CBOR_TYPE, CHANGES_PATH, CONFIG_PATH, CONFIG_TYPE, HOSTED_PATH } from "./paths.ts";
import { sourceOf } from "./rate-limit.ts";
import { type HttpHandler, type HttpRequest, type HttpResponse, Router, textResponse } from "./router.ts";

export interface EnrollmentServerOptions {
	readonly household: Household;
	readonly issuing: Issuing;
	readonly timers?: Timers;
	readonly log?: Log;
}

export class EnrollmentServer {
	readonly #household: Household;
	readonly #issuing: Issuing;
	readonly #timers: Timers;
	readonly #log: Log | undefined;
	readonly #router: Router;
	readonly #trust: Trust;
	readonly #connections = new PerAddress();
	/** Every connection, from its first moment on: one whose TLS is not up yet is none of HTTP's. */
	readonly #sockets = new Set<Socket>();
	#server: Server | undefined;
	#hosts: readonly string[] = [];
	#stopRenewal: () => void = () => undefined;

	constructor(options: EnrollmentServerOptions) {
		const { household, issuing, log } = options;
		this.#household = household;
		this.#issuing = issuing;
		this.#timers = options.timers ?? nodeTimers;
		this.#log = log;
		this.#router = new Router(log);
		const { crypto, authority, overlayName } = household;
		this.#trust = new Trust({ crypto, roots: [authority.root], overlayName, nodeIdLength: NODE_ID_LENGTH });
		const enroll = new EnrollRoute(issuing, () => household.clock.monotonicMs(), log);
		this.route("GET", CONFIG_PATH, 0, () => this.#document());
		this.route("GET", CA_PATH, 0, () => textual(household.authority.rootPem));
		this.route("POST", ENROLL_PATH, MAX_FORM, (request) => enroll.handle(request));
		this.route(
			"GET",
			CHANGES_PATH,
			0,
			this.#forPeers((peer, request) => this.#changes(peer, request)),
		);
		this.route(
			"POST",
			HOSTED_PATH,
			MAX_BATCH_BODY,
			this.#forPeers((peer, request) => this.#hosted(peer, request)),
		);
		this.route(
			"POST",
			ADDRESS_PATH,
			MAX_ADDRESS_BODY,
			this.#forPeers((peer, request) => this.#address(peer, request)),
		);
	}

	/** Adds a route of the host's own. `maxBody`: octets of a request body. */
	route(method: "GET" | "POST", path: string, maxBody: number, handler: HttpHandler): void {
		this.#router.add(method, path, maxBody, handler);
	}

	/**
	 * Starts to listen and gives the port. `host`: the address to bind. `hosts`: names and addresses for the certificate besides the
	 * overlay name.
	 */
	async listen(options: {
		readonly port: number;
		readonly host: string;
		readonly hosts: readonly string[];
	}): Promise<number> {
		this.#hosts = options.hosts;
		const identity = await this.#household.serverIdentity(options.hosts);
		const server = createServer(
			{
				...identity,
				ca: this.#household.authority.rootPem,
				// Peers show their certificate, others have none; who is who is decided per request, against the registry.
				requestCert: true,
				rejectUnauthorized: false,
				minVersion: "TLSv1.2",
				handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
				headersTimeout: HEADERS_TIMEOUT_MS,
				requestTimeout: REQUEST_TIMEOUT_MS,
				keepAliveTimeout: KEEP_ALIVE_MS,
			},
			(message, response) => void this.#router.handle(message, response),
		);
		server.maxConnections = MAX_CONNECTIONS;
		server.on("connection", (socket: Socket) => this.#admit(socket));
		// Devices: TLS 1.2, and a record has to fit into their memory.
		server.on("secureConnection", (socket: TLSSocket) => {
			if (socket.getProtocol() === "TLSv1.2") socket.setMaxSendFragment(DEVICE_RECORD);
		});
		// A failed handshake is the other side's affair.
		server.on("tlsClientError", () => undefined);
		this.#server = server;
		await bind(server, options.port, options.host);
		server.on("error", (error) => this.#log?.("error", "enrollment.server", { error: errorText(error) }));
		this.#renewLater();
		return (server.address() as AddressInfo).port;
	}

	/** The addresses changed: the certificate gets them. Connections stay. */
	async setHosts(hosts: readonly string[]): Promise<void> {
		this.#hosts = hosts;
		const identity = await this.#household.serverIdentity(hosts);
		this.#server?.setSecureContext({ ...identity, ca: this.#household.authority.rootPem, minVersion: "TLSv1.2" });
	}

	/** Stops listening and closes every connection. */
	async close(): Promise<void> {
		this.#stopRenewal();
		const server = this.#server;
		this.#server = undefined;
		if (server === undefined) return;
		const closed = new Promise<void>((resolve) => server.close(() => resolve()));
		server.closeAllConnections();
		for (const socket of this.#sockets) socket.destroy();
		await closed;
	}

	/** Limit (MAX_CONNECTIONS_PER_SOURCE): one more is closed at once. */
	#admit(socket: Socket): void {
		const source = sourceOf(socket.remoteAddress ?? "");
		if (this.#connections.count(source) >= MAX_CONNECTIONS_PER_SOURCE) {
			this.#log?.("warn", "enrollment.connections", { source });
			socket.destroy();
			return;
		}
		this.#connections.add(source);
		this.#sockets.add(socket);
		socket.once("close", () => {
			this.#connections.remove(source);
			this.#sockets.delete(socket);
		});
	}

	#renewLater(): void {
		this.#stopRenewal = this.#timers.after(MAINTENANCE_MS, () => {
			this.setHosts(this.#hosts).catch((error: unknown) =>
				this.#log?.("error", "enrollment.certificate", { error: errorText(error) }),
			);
			this.#renewLater();
		});
	}

	#document(): HttpResponse {
		return { status: 200, type: CONFIG_TYPE, body: this.#household.document };
	}

	/** Mutual TLS: the certificate chains to the household CA, and its Node-ID is on record as a peer that was not revoked. */
	#forPeers(handler: (peer: Uint8Array, request: HttpRequest) => Promise<HttpResponse>): HttpHandler {
		return async (request) => {
			const raw = (request.message.socket as TLSSocket).getPeerX509Certificate()?.raw;
			const certificate = raw === undefined ? undefined : this.#trust.check(raw, [], this.#household.clock.wallMs());
			const nodeId = certificate === undefined || isRefused(certificate) ? undefined : certificate.nodeIds[0];
			const record = nodeId === undefined ? undefined : this.#household.registry.ofNodeId(nodeId);
			if (nodeId === undefined || record?.role !== "peer" || record.revokedMs !== undefined) {
				const reason =
					certificate === undefined ? "no certificate" : isRefused(certificate) ? certificate.refused : "not a peer";
				this.#log?.("warn", "household.refused", { source: request.source, reason });
				return textResponse(403, "not_a_peer");
			}
			return handler(nodeId, request);
		};
	}

	async #changes(peer: Uint8Array, request: HttpRequest): Promise<HttpResponse> {
		const since = readVersion(request.query);
		if (since === null) return textResponse(400, "since is a number and goes with epoch");
		const snapshot = await this.#household.changesFor(peer, since, request.signal);
		// Revoked while it waited: nothing more for it.
		if (this.#household.registry.ofNodeId(peer)?.revokedMs !== undefined) return textResponse(403, "not_a_peer");
		return snapshot === undefined ? { status: 204 } : cbor(snapshot);
	}

	async #hosted(peer: Uint8Array, request: HttpRequest): Promise<HttpResponse> {
		const requests = readHostedRequests(request.body);
		if (requests === undefined) return textResponse(400, `not a list of at most ${MAX_HOSTED_BATCH} requests`);
		return cbor({ results: await this.#issuing.hosted(peer, requests) });
	}

	async #address(peer: Uint8Array, request: HttpRequest): Promise<HttpResponse> {
		try {
			const addresses = readAddresses(decode(request.body));
			await this.#household.announce(peer, addresses);
			return { status: 204 };
		} catch (error) {
			if (error instanceof UserError) return textResponse(400, error.message);
			throw error;
		}
	}
}

function bind(server: Server, port: number, host: string): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once("error", (error) =>
			reject(new UserError(`port ${port}: ${errorText(error)}`, "choose another with --http, or stop what uses it")),
		);
		server.listen(port, host, resolve);
	});
}

function textual(pemText: string): HttpResponse {
	return { status: 200, type: "application/x-pem-file", body: pemText };
}

function cbor(value: unknown): HttpResponse {
	return { status: 200, type: CBOR_TYPE, body: encodePlain(value) };
}

/** Undefined: not given. Null: malformed. */
function readVersion(query: URLSearchParams): HouseholdVersion | undefined | null {
	const since = query.get("since");
	const epoch = query.get("epoch");
	if (since === null && epoch === null) return undefined;
	if (since === null || epoch === null || !/^\d{1,15}$/.test(since) || !/^[0-9a-f]{16}$/.test(epoch)) return null;
	return { epoch, sequence: Number(since) };
}

function decode(body: Uint8Array): unknown {
	try {
		return decodePlain(body);
	} catch {
		return undefined;
	}
}

function readHostedRequests(body: Uint8Array): HostedRequest[] | undefined {
	const list = (decode(body) as { requests?: unknown } | undefined)?.requests;
	if (!Array.isArray(list) || list.length > MAX_HOSTED_BATCH) return undefined;
	const requests: HostedRequest[] = [];
	for (const item of list as unknown[]) {
		const { aor, csr } = (item ?? {}) as Record<string, unknown>;
		if (typeof aor !== "string" || !(csr instanceof Uint8Array)) return undefined;
		requests.push({ aor, csr });
	}
	return requests;
}
