/** HTTPS to an enrollment server: verified against the household CA and the overlay name; bounded in time and size. */
import { Agent, request as httpsRequest } from "node:https";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { type Certificate, readCertificate } from "../../../core/identity/certificate.ts";
import { isRefused } from "../../../core/machine.ts";
import type { Crypto } from "../../../hal/hal.ts";
import { fingerprintOf } from "../household/authority.ts";
import { hostPort } from "../household/compose.ts";
import { pem } from "../household/key-pair.ts";
import type { Address } from "../household/types.ts";
import { errorCode, errorText, UserError } from "../state/errors.ts";
import { ANSWER_TIMEOUT_MS, CONNECT_TIMEOUT_MS, MAX_ANSWER } from "./limits.ts";

/** Certificates looked at in what a server sends. */
const MAX_CHAIN = 6;

export interface Answer {
	readonly status: number;
	/** In lower case, without parameters. */
	readonly type: string;
	readonly body: Uint8Array;
}

export interface HttpsCall {
	readonly method: "GET" | "POST";
	readonly path: string;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: Uint8Array;
	readonly timeoutMs?: number;
	readonly signal?: AbortSignal;
}

export interface HttpsClientOptions {
	readonly address: Address;
	/** RFC 6940 §11.2: what the server's certificate must match. */
	readonly overlayName: string;
	/** Household CA(s), DER. */
	readonly roots: readonly Uint8Array[];
	/** Own certificate chain and key, PEM, for mutual TLS. */
	readonly identity?: { readonly cert: string; readonly key: string };
}

/** One server, with its connections kept for the next call. */
export class HttpsClient {
	readonly #options: HttpsClientOptions;
	readonly #agent: Agent;

	constructor(options: HttpsClientOptions) {
		this.#options = options;
		this.#agent = new Agent({ keepAlive: true, maxSockets: 4 });
	}

	get address(): Address {
		return this.#options.address;
	}

	/** Rejects with a `UserError` when there is no answer, or the server is not the household's. */
	call(call: HttpsCall): Promise<Answer> {
		const { address, overlayName, roots, identity } = this.#options;
		const where = hostPort(address);
		return new Promise((resolve, reject) => {
			const request = httpsRequest(
				{
					agent: this.#agent,
					host: address.address,
					port: address.port,
					servername: overlayName,
					ca: roots.map((der) => pem("CERTIFICATE", der)),
					minVersion: "TLSv1.2",
					...identity,
					method: call.method,
					path: call.path,
					headers: { Host: overlayName, ...call.headers, ...lengthOf(call.body) },
					timeout: call.timeoutMs ?? ANSWER_TIMEOUT_MS,
					...(call.signal === undefined ? {} : { signal: call.signal }),
				},
				(response) => {
					const chunks: Buffer[] = [];
					let size = 0;
					response.on("data", (chunk: Buffer) => {
						size += chunk.length;
						if (size > MAX_ANSWER) request.destroy(new Error(`answer larger than ${MAX_ANSWER} octets`));
						else chunks.push(chunk);
					});
					response.on("error", (error) => reject(unreachable(where, error)));
					response.on("end", () => {
						const type = response.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
						resolve({ status: response.statusCode ?? 0, type, body: new Uint8Array(Buffer.concat(chunks)) });
					});
				},
			);
			request.on("timeout", () => request.destroy(new Error("no answer in time")));
			request.on("error", (error) => reject(unreachable(where, error)));
			request.end(call.body);
		});
	}

	close(): void {
		this.#agent.destroy();
	}
}

function lengthOf(body: Uint8Array | undefined): Record<string, string> {
	return body === undefined ? {} : { "Content-Length": String(body.length) };
}

function unreachable(where: string, error: unknown): UserError {
	const code = errorCode(error);
	if (code.startsWith("ERR_TLS") || code.includes("CERT") || code.includes("SIGNATURE") || code.includes("ISSUER"))
		return new UserError(
			`${where}: not the enrollment server of this household (${errorText(error)})`,
			"check the address",
		);
	return new UserError(
		`${where}: no answer (${code || errorText(error)})`,
		"check the address and that the daemon runs",
	);
}

/**
 * Connects, and gives the CA certificate whose key has this fingerprint out of what the server sends. Nothing is believed yet but that:
 * the next connection is verified against it. Rejects with a `UserError` when the server shows another CA.
 */
export async function fetchPinnedRoot(
	address: Address,
	overlayName: string,
	fingerprint: string,
	crypto: Crypto,
): Promise<Certificate> {
	const where = hostPort(address);
	for (const der of await sentChain(address, overlayName)) {
		const certificate = readCertificate(der, crypto);
		if (!isRefused(certificate) && certificate.isCa && fingerprintOf(certificate.spki, crypto) === fingerprint)
			return certificate;
	}
	throw new UserError(
		`${where}: this server belongs to another household than the invitation`,
		"check the address, or ask for a new invitation",
	);
}

/** The certificates a TLS server sends, leaf first, DER. */
function sentChain(address: Address, overlayName: string): Promise<Uint8Array[]> {
	return new Promise((resolve, reject) => {
		const socket = connect({
			host: address.address,
			port: address.port,
			servername: overlayName,
			minVersion: "TLSv1.2",
			// Nothing is sent over this connection; who the server is follows from its chain and the fingerprint.
			rejectUnauthorized: false,
		});
		socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error("no answer in time")));
		socket.once("error", (error) => reject(unreachable(hostPort(address), error)));
		socket.once("secureConnect", () => {
			const chain: Uint8Array[] = [];
			let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
			while (next?.raw !== undefined && chain.length < MAX_CHAIN) {
				chain.push(new Uint8Array(next.raw));
				next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
			}
			socket.destroy();
			resolve(chain);
		});
	});
}
