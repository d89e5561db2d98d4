/** A joined peer follows its household over HTTPS, with its own certificate on its side of TLS. */
import type { OverlayConfig } from "../../../core/config/document.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { hostPort } from "../household/compose.ts";
import { pem } from "../household/key-pair.ts";
import type { Membership } from "../household/membership.ts";
import type {
	Address,
	HostedRequest,
	HouseholdSnapshot,
	HouseholdSource,
	HouseholdVersion,
	IssueResult,
	PeerAddresses,
} from "../household/types.ts";
import { UserError } from "../state/errors.ts";
import { decodePlain, encodePlain } from "../state/secret-box.ts";
import { readServerUrl } from "./client.ts";
import { type Answer, type HttpsCall, HttpsClient } from "./https-client.ts";
import { POLL_TIMEOUT_MS } from "./limits.ts";
import { writeForm } from "./multipart.ts";
import { ADDRESS_PATH, CBOR_TYPE, CHANGES_PATH, HOSTED_PATH, PKCS10, PKIX_CERT } from "./paths.ts";

export interface RemoteSourceOptions {
	readonly membership: Membership;
	/** The document in force now: it names the enrollment servers. */
	readonly config: () => OverlayConfig;
	/** The peer's identity now. */
	readonly identity: () => LocalIdentity;
}

export class RemoteSource implements HouseholdSource {
	readonly #options: RemoteSourceOptions;
	#client: HttpsClient | undefined;
	/** The identity `#client` shows. */
	#shown: LocalIdentity | undefined;
	/** Which of the servers is tried next. */
	#turn = 0;
	/** The servers of the document when `#turn` began to count. */
	#named: readonly string[] = [];

	constructor(options: RemoteSourceOptions) {
		this.#options = options;
	}

	async changes(since: HouseholdVersion | undefined, signal: AbortSignal): Promise<HouseholdSnapshot | undefined> {
		const query = since === undefined ? "" : `?since=${since.sequence}&epoch=${since.epoch}`;
		const path = CHANGES_PATH + query;
		const answer = await this.#call({ method: "GET", path, timeoutMs: POLL_TIMEOUT_MS, signal });
		if (answer.status === 204) return undefined;
		const snapshot = decodePlain(this.#body(answer)) as HouseholdSnapshot;
		if (
			typeof snapshot?.sequence !== "number" ||
			!Array.isArray(snapshot.accounts) ||
			!(snapshot.document instanceof Uint8Array)
		)
			throw new UserError("the enrollment server sent something else than the household", "update both sides");
		return snapshot;
	}

	async hosted(requests: readonly HostedRequest[]): Promise<readonly IssueResult[]> {
		const answer = await this.#post(HOSTED_PATH, { requests });
		const { results } = decodePlain(this.#body(answer)) as { results?: IssueResult[] };
		return Array.isArray(results) ? results : [];
	}

	async announce(addresses: PeerAddresses): Promise<void> {
		const answer = await this.#post(ADDRESS_PATH, addresses);
		if (answer.status !== 204) this.#body(answer);
	}

	async renew(csr: Uint8Array): Promise<IssueResult> {
		const server = this.#servers()[0];
		const boundary = `ringlet-${Buffer.from(csr.subarray(-16)).toString("hex")}`;
		const answer = await this.#call({
			method: "POST",
			path: server?.path ?? "/",
			headers: { Accept: PKIX_CERT, "Content-Type": `multipart/form-data; boundary=${boundary}` },
			body: writeForm([{ name: "csr", contentType: PKCS10, octets: csr }], boundary),
		});
		if (answer.status === 200) return { certificate: answer.body };
		return { refused: Buffer.from(answer.body).toString("latin1").slice(0, 80) };
	}

	close(): void {
		this.#client?.close();
		this.#client = undefined;
	}

	#post(path: string, value: unknown): Promise<Answer> {
		return this.#call({ method: "POST", path, headers: { "Content-Type": CBOR_TYPE }, body: encodePlain(value) });
	}

	#body(answer: Answer): Uint8Array {
		if (answer.status === 200 && answer.type === CBOR_TYPE) return answer.body;
		const text = Buffer.from(answer.body.subarray(0, 80)).toString("latin1");
		if (answer.status === 403)
			throw new UserError("the enrollment server does not know this peer (revoked?)", "ask for a new invitation");
		throw new UserError(`the enrollment server refuses (status ${answer.status}, ${text})`, "see its log");
	}

	/** One call; when the server cannot be reached, the next call goes to the next server. */
	async #call(call: HttpsCall): Promise<Answer> {
		const client = this.#current();
		try {
			return await client.call(call);
		} catch (error) {
			// Calls under way together fail together: that is one failure, or with two servers the same one would be next for ever.
			if (call.signal?.aborted !== true && this.#client === client) {
				this.#turn++;
				this.close();
			}
			throw error;
		}
	}

	#current(): HttpsClient {
		const named = this.#options.config().enrollmentServers;
		// A newer document says where it is now.
		if (named.join() !== this.#named.join()) {
			this.#named = named;
			this.#turn = 0;
			this.close();
		}
		const identity = this.#options.identity();
		if (this.#client !== undefined && this.#shown === identity) return this.#client;
		this.close();
		const servers = this.#servers();
		const address = servers[this.#turn % Math.max(1, servers.length)];
		if (address === undefined) throw new UserError("no enrollment server is known", "join again by an invitation");
		const cert = identity.chain.map((der) => pem("CERTIFICATE", der)).join("");
		const key = pem("PRIVATE KEY", identity.key.exportPkcs8());
		const { overlayName, root } = this.#options.membership;
		this.#shown = identity;
		this.#client = new HttpsClient({ address, overlayName, roots: [root.der], identity: { cert, key } });
		return this.#client;
	}

	/** Those of the document, then where the server was met at joining. */
	#servers(): (Address & { readonly path: string })[] {
		const found = new Map<string, Address & { readonly path: string }>();
		for (const text of this.#options.config().enrollmentServers) {
			const url = readServerUrl(text);
			if (url !== undefined) found.set(hostPort(url), url);
		}
		for (const address of this.#options.membership.enrollment)
			if (!found.has(hostPort(address))) found.set(hostPort(address), { ...address, path: "/enroll" });
		return [...found.values()];
	}
}
