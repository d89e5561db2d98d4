/**
 * A peer follows its household: it keeps ahead of time what it needs to serve the household's phones, so that no single box is
 * needed. Accounts come from the enrollment server only (Choice: peers do not hand them on); without it a peer goes on with what it has.
 *
 *     ask for changes -> snapshot on disk (sealed) -> keys and certificates of hosted users -> onApply -> ask again (= confirmed)
 */
import { type OverlayConfig, readConfigDocument } from "../../../core/config/document.ts";
import { isNewerSequence } from "../../../core/config/sequence.ts";
import { makeCertificationRequest } from "../../../core/identity/pkcs10.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { Trust } from "../../../core/identity/trust.ts";
import { isRefused } from "../../../core/machine.ts";
import { houseAor } from "../../../core/usages/house.ts";
import type { Clock, Crypto, Log } from "../../../hal/hal.ts";
import { errorText, UserError } from "../state/errors.ts";
import { StateKey } from "../state/keys.ts";
import type { PiState } from "../state/state.ts";
import { nodeTimers, type Timers } from "../state/timers.ts";
import { NODE_ID_LENGTH } from "./authority.ts";
import { checkIssued, type HostedChange, HostedUsers } from "./hosted-users.ts";
import { localIdentity, storedKeyPair, wantsRenewal } from "./key-pair.ts";
import { MAINTENANCE_MS, RETRY_FIRST_MS, RETRY_LAST_MS } from "./limits.ts";
import { identityEntry, type Membership, writeCaFile } from "./membership.ts";
import type {
	HouseholdAccount,
	HouseholdDevice,
	HouseholdPeer,
	HouseholdSnapshot,
	HouseholdSource,
	PeerAddresses,
} from "./types.ts";

/** What changed, for whoever serves the phones. */
export interface HouseholdUpdate {
	/** Hosted identities to use from now on; one that was renewed replaces the one with its Node-ID. */
	readonly added: readonly LocalIdentity[];
	/** Hosted identities to drop. */
	readonly removed: readonly LocalIdentity[];
	/** A newer configuration document than the one before. */
	readonly document: Uint8Array | undefined;
	/** This peer's own identity, when it was renewed. */
	readonly identity: LocalIdentity | undefined;
}

export interface HouseholdSyncOptions {
	readonly state: PiState;
	readonly crypto: Crypto;
	readonly clock: Clock;
	readonly membership: Membership;
	readonly source: HouseholdSource;
	/** Takes a change over. When it resolves, the change counts as in use here. */
	readonly onApply: (update: HouseholdUpdate) => Promise<void> | void;
	readonly timers?: Timers;
	readonly log?: Log;
}

export class HouseholdSync {
	/** Resolves when the first question to the enrollment server since `start` is over: what it answered is in use. */
	readonly firstTry: Promise<void>;
	#tried: () => void = () => undefined;
	readonly #state: PiState;
	readonly #crypto: Crypto;
	readonly #clock: Clock;
	readonly #source: HouseholdSource;
	readonly #onApply: (update: HouseholdUpdate) => Promise<void> | void;
	readonly #timers: Timers;
	readonly #log: Log | undefined;
	readonly #trust: Trust;
	readonly #hosted: HostedUsers;
	readonly #stop = new AbortController();
	#identity: LocalIdentity;
	#document: Uint8Array;
	#config: OverlayConfig;
	/** As last received; undefined before the first time. */
	#snapshot: HouseholdSnapshot | undefined;
	/** The snapshot is in use completely. */
	#inUse = false;
	#addresses: PeerAddresses | undefined;
	#isAnnounced = false;
	#isConnected = false;
	/** The last answer was "nothing new". */
	#wasIdle = false;
	#maintainAtMs = 0;
	#pauseMs = RETRY_FIRST_MS;
	#endPause: () => void = () => undefined;
	/** The question under way. */
	#question = new AbortController();
	/** The document in force names other enrollment servers than when the question under way was asked. */
	#hasMoved = false;
	#announceFailed = false;
	#running: Promise<void> | undefined;

	/** Loads what an earlier run kept: it can be used at once. Throws a `UserError` when that is damaged. */
	constructor(options: HouseholdSyncOptions) {
		const { state, crypto, membership } = options;
		this.firstTry = new Promise((resolve) => {
			this.#tried = resolve;
		});
		this.#state = state;
		this.#crypto = crypto;
		this.#clock = options.clock;
		this.#source = options.source;
		this.#onApply = options.onApply;
		this.#timers = options.timers ?? nodeTimers;
		this.#log = options.log;
		this.#identity = membership.identity;
		this.#document = membership.document;
		this.#config = this.#readDocument(membership.document);
		const { overlayName, root } = membership;
		const { badNodes } = this.#config;
		this.#trust = new Trust({ crypto, roots: [root], overlayName, nodeIdLength: NODE_ID_LENGTH, badNodes });
		this.#hosted = new HostedUsers(state, crypto, this.#log);
		this.#snapshot = state.getSealed(StateKey.snapshot) as HouseholdSnapshot | undefined;
		writeCaFile(state, root.der);
	}

	/** Accounts and groups of the household. */
	get accounts(): readonly HouseholdAccount[] {
		return this.#snapshot?.accounts ?? [];
	}

	/** By name, without domain. */
	account(name: string): HouseholdAccount | undefined {
		return this.accounts.find((account) => account.name === name);
	}

	get peers(): readonly HouseholdPeer[] {
		return this.#snapshot?.peers ?? [];
	}

	get devices(): readonly HouseholdDevice[] {
		return this.#snapshot?.devices ?? [];
	}

	/** The identity under which this peer serves an AOR; undefined while it has none. */
	hosted(aor: string): LocalIdentity | undefined {
		return this.#hosted.get(aor);
	}

	/** All identities of hosted users. */
	allHosted(): LocalIdentity[] {
		return this.#hosted.all();
	}

	/** This peer's own identity, with its latest certificate. */
	get identity(): LocalIdentity {
		return this.#identity;
	}

	/** The configuration document in force here. */
	get document(): Uint8Array {
		return this.#document;
	}

	get config(): OverlayConfig {
		return this.#config;
	}

	/** True while the last question to the enrollment server was answered. */
	get isConnected(): boolean {
		return this.#isConnected;
	}

	/** Starts to follow; returns at once. */
	start(): void {
		this.#running ??= this.#run();
	}

	/** Stops; resolves when nothing is under way any more. */
	async close(): Promise<void> {
		this.#stop.abort();
		this.#question.abort();
		await this.#running;
	}

	/** Says where this peer is reached; told to the enrollment server as soon as it answers, and again after it was away. */
	announce(addresses: PeerAddresses): void {
		this.#addresses = addresses;
		this.#isAnnounced = false;
		if (this.#isConnected) this.#sendAddresses();
	}

	/** The enrollment server may be back (a peer came up): a pause under way ends now. */
	retryNow(): void {
		if (!this.#isConnected) this.#endPause();
	}

	/**
	 * The overlay brought a newer document (ConfigUpdate, already verified there): kept for the next start. When it names other enrollment
	 * servers than before, the one that was asked may be gone: they are asked at once.
	 */
	async noteDocument(document: Uint8Array): Promise<void> {
		const before = this.#config.enrollmentServers;
		if (!(await this.#takeDocument(document)) || isSame(before, this.#config.enrollmentServers)) return;
		this.#hasMoved = true;
		this.#pauseMs = RETRY_FIRST_MS;
		this.#question.abort();
		this.#endPause();
	}

	async #run(): Promise<void> {
		while (!this.#stop.signal.aborted) {
			const askedMs = this.#clock.monotonicMs();
			try {
				await this.#step().finally(this.#tried);
				this.#pauseMs = RETRY_FIRST_MS;
				// A server that answers "nothing new" at once must not be asked in a circle.
				if (this.#clock.monotonicMs() - askedMs < RETRY_FIRST_MS && this.#wasIdle) await this.#pause(RETRY_FIRST_MS);
			} catch (error) {
				if (this.#stop.signal.aborted) return;
				if (this.#hasMoved) continue;
				if (this.#isConnected || this.#pauseMs === RETRY_FIRST_MS)
					this.#log?.("warn", "household.unreachable", { error: errorText(error) });
				this.#isConnected = false;
				this.#isAnnounced = false;
				await this.#pause(this.#pauseMs);
				this.#pauseMs = Math.min(this.#pauseMs * 2, RETRY_LAST_MS);
			}
		}
	}

	async #step(): Promise<void> {
		this.#hasMoved = false;
		const question = new AbortController();
		this.#question = question;
		// A peer that was away for a year is let in again by its key; its old certificate opens nothing any more.
		if (this.#clock.wallMs() >= this.#identity.certificate.notAfterMs) await this.#renewLate();
		if (this.#stop.signal.aborted) return;
		const since = this.#inUse ? this.#snapshot : undefined;
		const asked = this.#source.changes(
			since === undefined ? undefined : { epoch: since.epoch, sequence: since.sequence },
			question.signal,
		);
		if (since !== undefined && !this.#isAnnounced) this.#sendAddresses();
		const snapshot = await asked;
		if (this.#stop.signal.aborted) return;
		if (!this.#isConnected) this.#log?.("info", "household.connected", {});
		this.#isConnected = true;
		this.#wasIdle = snapshot === undefined;
		if (snapshot !== undefined) await this.#apply(snapshot);
		await this.#maintain();
	}

	async #apply(snapshot: HouseholdSnapshot): Promise<void> {
		this.#inUse = false;
		await this.#state.commit([this.#state.sealed(StateKey.snapshot, snapshot)]);
		this.#snapshot = snapshot;
		const document = (await this.#takeDocument(snapshot.document)) ? snapshot.document : undefined;
		const change: HostedChange = { added: [], removed: [] };
		const aors = [...snapshot.accounts.map((account) => account.aor), houseAor(this.#config.instanceName)];
		try {
			await this.#hosted.follow(aors, this.#source, this.#trust, this.#clock.wallMs(), change);
			this.#inUse = true;
		} finally {
			// What is there is taken over, also when the certificates could not be fetched: the phones' passwords are known.
			await this.#onApply({ ...change, document, identity: undefined });
		}
	}

	/** Renews certificates that are past two thirds of their life, at most once an hour. */
	async #maintain(): Promise<void> {
		const now = this.#clock.monotonicMs();
		if (now < this.#maintainAtMs) return;
		this.#maintainAtMs = now + MAINTENANCE_MS;
		const wallMs = this.#clock.wallMs();
		const change: HostedChange = { added: [], removed: [] };
		await this.#hosted.renew(this.#source, this.#trust, wallMs, change);
		const identity = wantsRenewal(this.#identity.certificate, wallMs) ? await this.#renewOwn(wallMs) : undefined;
		if (change.added.length > 0 || identity !== undefined)
			await this.#onApply({ ...change, document: undefined, identity });
	}

	async #renewLate(): Promise<void> {
		const identity = await this.#renewOwn(this.#clock.wallMs());
		if (identity !== undefined) await this.#onApply({ added: [], removed: [], document: undefined, identity });
	}

	async #renewOwn(wallMs: number): Promise<LocalIdentity | undefined> {
		const { key, userName } = this.#identity;
		const result = await this.#source.renew(makeCertificationRequest(key, userName));
		const certificate =
			"refused" in result ? result.refused : checkIssued(result.certificate, key, userName, this.#trust, wallMs);
		if (typeof certificate === "string") {
			this.#log?.("error", "household.renewal", { reason: certificate });
			return undefined;
		}
		await this.#state.commit([identityEntry(this.#state, storedKeyPair(certificate.der, key))]);
		this.#identity = localIdentity({ certificate, key }, "pi/identity/peer");
		return this.#identity;
	}

	/** True when the document is newer than the one in force; it is on disk then. */
	async #takeDocument(document: Uint8Array): Promise<boolean> {
		const config = this.#readDocument(document);
		if (!isNewerSequence(config.sequence, this.#config.sequence)) return false;
		await this.#state.commit([[StateKey.document, document]]);
		this.#document = document;
		this.#config = config;
		this.#trust.setBadNodes(config.badNodes);
		return true;
	}

	#readDocument(document: Uint8Array): OverlayConfig {
		const read = readConfigDocument(document, this.#crypto);
		if (isRefused(read)) throw new UserError(`the configuration document does not read: ${read.refused}`);
		if (this.#identity.certificate.overlayName !== read.config.instanceName)
			throw new UserError(`the configuration document is for ${read.config.instanceName}`);
		return read.config;
	}

	#sendAddresses(): void {
		const addresses = this.#addresses;
		if (addresses === undefined) return;
		this.#isAnnounced = true;
		this.#source.announce(addresses).then(
			() => {
				this.#announceFailed = false;
			},
			(error: unknown) => {
				this.#isAnnounced = false;
				// Once for each time it goes wrong: it is tried again with every question to the server.
				if (!this.#announceFailed) this.#log?.("warn", "household.announce", { error: errorText(error) });
				this.#announceFailed = true;
			},
		);
	}

	#pause(ms: number): Promise<void> {
		// Up to a quarter longer, so that the peers of a house do not come back at the same instant.
		const jitter = ((this.#crypto.random(1)[0] ?? 0) / 255) * (ms / 4);
		return new Promise((resolve) => {
			const finish = (): void => {
				cancel();
				this.#endPause = () => undefined;
				this.#stop.signal.removeEventListener("abort", finish);
				resolve();
			};
			const cancel = this.#timers.after(ms + jitter, finish);
			this.#endPause = finish;
			this.#stop.signal.addEventListener("abort", finish);
		});
	}
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
	return a.length === b.length && a.every((one, i) => one === b[i]);
}
