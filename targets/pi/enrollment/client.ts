/** The client side of enrollment (RFC 6940 §11.2, §11.3): document, certificate, renewal. Keeps nothing; `join.ts` does. */
import { randomBytes } from "node:crypto";
import { type OverlayConfig, readConfigDocument } from "../../../core/config/document.ts";
import { type Certificate, readCertificate } from "../../../core/identity/certificate.ts";
import { makeCertificationRequest } from "../../../core/identity/pkcs10.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { Trust } from "../../../core/identity/trust.ts";
import { isRefused } from "../../../core/machine.ts";
import { equalBytes } from "../../../core/wire/bytes.ts";
import type { Clock, Crypto, PrivateKey } from "../../../hal/hal.ts";
import { checkIssued } from "../household/hosted-users.ts";
import { Token } from "../household/issuing.ts";
import type { JoinUrl } from "../household/join-url.ts";
import { localIdentity, wantsRenewal } from "../household/key-pair.ts";
import type { Address } from "../household/types.ts";
import { UserError } from "../state/errors.ts";
import { fetchPinnedRoot, HttpsClient } from "./https-client.ts";
import { writeForm } from "./multipart.ts";
import { CONFIG_PATH, CONFIG_TYPE, PKCS10, PKIX_CERT } from "./paths.ts";

export interface EnrollmentClientOptions {
	readonly crypto: Crypto;
	readonly clock: Clock;
}

/** A household as seen from outside: enough to ask for a certificate. */
export interface SeenHousehold {
	/** The enrollment server that answered. */
	readonly address: Address;
	readonly overlayName: string;
	/** The household CA. */
	readonly root: Certificate;
	/** The configuration document, as received and read. */
	readonly document: Uint8Array;
	readonly config: OverlayConfig;
}

export interface Credentials {
	/** Account name or, with a code, the name that is enrolled. */
	readonly username: string;
	/** Password or one-time code. */
	readonly password: string;
}

export class EnrollmentClient {
	readonly #crypto: Crypto;
	readonly #clock: Clock;

	constructor(options: EnrollmentClientOptions) {
		this.#crypto = options.crypto;
		this.#clock = options.clock;
	}

	/** Finds the household of an invitation: the CA by its fingerprint, then the document over verified HTTPS. Tries every address. */
	async visit(invitation: JoinUrl): Promise<SeenHousehold> {
		const { overlayName, fingerprint } = invitation;
		let first: unknown;
		for (const address of invitation.addresses) {
			try {
				const root = await fetchPinnedRoot(address, overlayName, fingerprint, this.#crypto);
				return await this.#fetchDocument(address, overlayName, root);
			} catch (error) {
				if (!(error instanceof UserError)) throw error;
				first ??= error;
			}
		}
		throw first;
	}

	/** A household whose CA is known already (from a file, or from an earlier visit). */
	async revisit(address: Address, overlayName: string, root: Uint8Array): Promise<SeenHousehold> {
		const certificate = readCertificate(root, this.#crypto);
		if (isRefused(certificate)) throw new UserError(`the household CA: ${certificate.refused}`);
		return this.#fetchDocument(address, overlayName, certificate);
	}

	/**
	 * RFC 6940 §11.3: asks for a certificate for `key` and `userName`, and checks what comes. Without credentials: renewal of a key
	 * that has one. Rejects with a `UserError` for each refusal. `nodeIds`: how many Node-IDs, 1 by default.
	 */
	async enroll(
		seen: SeenHousehold,
		key: PrivateKey,
		userName: string,
		credentials?: Credentials,
		nodeIds = 1,
	): Promise<LocalIdentity> {
		const octets = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "utf8"));
		const parts = [{ name: "csr", contentType: PKCS10, octets: makeCertificationRequest(key, userName) }];
		const fields: { name: string; octets: Uint8Array }[] = [];
		if (credentials !== undefined)
			fields.push(
				{ name: "username", octets: octets(credentials.username) },
				{ name: "password", octets: octets(credentials.password) },
			);
		if (nodeIds !== 1) fields.push({ name: "nodeids", octets: octets(String(nodeIds)) });
		const boundary = `ringlet-${randomBytes(16).toString("hex")}`;
		const url = enrollmentUrl(seen);
		const https = this.#https({ address: url.address, port: url.port }, seen.overlayName, seen.root);
		try {
			const answer = await https.call({
				method: "POST",
				path: url.path,
				headers: { Accept: PKIX_CERT, "Content-Type": `multipart/form-data; boundary=${boundary}` },
				body: writeForm([...fields, ...parts], boundary),
			});
			if (answer.status !== 200) throw refusal(answer.status, Buffer.from(answer.body).toString("latin1"));
			if (answer.type !== PKIX_CERT)
				throw new UserError(`the enrollment server sent ${answer.type}, not a certificate`);
			return this.#accept(seen, key, userName, answer.body);
		} finally {
			https.close();
		}
	}

	/** True when the certificate is past two thirds of its life. */
	wantsRenewal(identity: LocalIdentity): boolean {
		return wantsRenewal(identity.certificate, this.#clock.wallMs());
	}

	/** A new certificate for the same key, name and Node-IDs. */
	renew(seen: SeenHousehold, identity: LocalIdentity): Promise<LocalIdentity> {
		return this.enroll(seen, identity.key, identity.userName, undefined, identity.certificate.nodeIds.length);
	}

	async #fetchDocument(address: Address, overlayName: string, root: Certificate): Promise<SeenHousehold> {
		const https = this.#https(address, overlayName, root);
		try {
			const answer = await https.call({ method: "GET", path: CONFIG_PATH, headers: { Accept: CONFIG_TYPE } });
			if (answer.status !== 200 || answer.type !== CONFIG_TYPE)
				throw new UserError(
					`${address.address}: no configuration document (status ${answer.status})`,
					"check the address",
				);
			const read = readConfigDocument(answer.body, this.#crypto);
			if (isRefused(read)) throw new UserError(`the configuration document does not read: ${read.refused}`);
			// RFC 6940 §11.2: a document of another overlay is discarded.
			if (read.config.instanceName !== overlayName)
				throw new UserError(
					`${address.address}: serves ${read.config.instanceName}, not ${overlayName}`,
					"check the address",
				);
			if (!read.config.rootCerts.some((der) => equalBytes(der, root.der)))
				throw new UserError(`the configuration document of ${overlayName} does not name its own CA`);
			return { address, overlayName, root, document: answer.body, config: read.config };
		} finally {
			https.close();
		}
	}

	#accept(seen: SeenHousehold, key: PrivateKey, userName: string, der: Uint8Array): LocalIdentity {
		const { overlayName, root, config } = seen;
		const { nodeIdLength, badNodes } = config;
		const trust = new Trust({ crypto: this.#crypto, roots: [root], overlayName, nodeIdLength, badNodes });
		const certificate = checkIssued(der, key, userName, trust, this.#clock.wallMs());
		if (typeof certificate === "string")
			throw new UserError(
				`the enrollment server's certificate is not good: ${certificate}`,
				"check the clock of both ends",
			);
		return localIdentity({ certificate, key }, "answer of the enrollment server");
	}

	#https(address: Address, overlayName: string, root: Certificate): HttpsClient {
		return new HttpsClient({ address, overlayName, roots: [root.der] });
	}
}

/** The enrollment-server URL at the address that answered, else the first of the document. */
function enrollmentUrl(seen: SeenHousehold): Address & { readonly path: string } {
	const urls = seen.config.enrollmentServers.map(readServerUrl).filter((url) => url !== undefined);
	const { address, port } = seen.address;
	const url = urls.find((one) => one.address === address && one.port === port) ?? urls[0];
	if (url === undefined) throw new UserError(`the document of ${seen.overlayName} names no enrollment server`);
	return url;
}

/** Host, port and path of an enrollment-server element; undefined when it is no https URL (RFC 6940 §11.1). */
export function readServerUrl(text: string): (Address & { readonly path: string }) | undefined {
	let url: URL;
	try {
		url = new URL(text);
	} catch {
		return undefined;
	}
	if (url.protocol !== "https:") return undefined;
	const address = url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname;
	return { address, port: url.port === "" ? 443 : Number(url.port), path: url.pathname + url.search };
}

/** What each refusal means to the person who typed something. */
function refusal(status: number, body: string): UserError {
	const token = body.trim().slice(0, 80);
	switch (token) {
		case Token.failedAuthentication:
			return new UserError(
				"the enrollment server refuses the code or password: wrong, used already, or expired",
				"ask for a new code, or check name and password",
			);
		case Token.usernameNotAvailable:
			return new UserError("the enrollment server refuses this name", "choose another name");
		case Token.nodeIdsNotAvailable:
			return new UserError("the enrollment server gives no more Node-IDs", "revoke nodes that are not used any more");
		case Token.badCsr:
			return new UserError("the enrollment server refuses the certification request", "update both sides");
		case Token.tooManyAttempts:
			return new UserError("too many attempts", "wait a minute and try again");
		default:
			return new UserError(`the enrollment server refuses (status ${status}, ${token})`, "see its log");
	}
}
