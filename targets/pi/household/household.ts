/**
 * The household as its enrollment server keeps it: CA, configuration-signer, document, and one way to change any of it.
 *
 *     change(build)  -> one after the other -> one commit (records, document, sequence) -> memory -> everybody is told
 *
 * What is told: peers through `changes` (long poll), the local daemon through `onDocument` (it floods by ConfigUpdate).
 */
import { type OverlayConfig, readConfigDocument, writeConfigDocument } from "../../../core/config/document.ts";
import { householdKinds } from "../../../core/config/kinds.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import { isRefused } from "../../../core/machine.ts";
import type { Clock, Crypto, Log, RecordBatch } from "../../../hal/hal.ts";
import { UserError } from "../state/errors.ts";
import { StateKey } from "../state/keys.ts";
import { Serial } from "../state/serial.ts";
import type { PiState } from "../state/state.ts";
import { nodeTimers, type Timers } from "../state/timers.ts";
import { Accounts } from "./accounts.ts";
import { AddressBook, type AddressChange } from "./address-book.ts";
import { Authority } from "./authority.ts";
import { Changes, type Confirmation } from "./changes.ts";
import { Codes } from "./codes.ts";
import { composeConfig } from "./compose.ts";
import { Devices } from "./devices.ts";
import { type Founding, foundingEntries, type HouseholdRecord } from "./found.ts";
import { localIdentity, openKeyPair, pem, storedKeyPair, wantsRenewal } from "./key-pair.ts";
import { CONFIRM_WAIT_MS, DOCUMENT_RENEW_MS, LONG_POLL_MS, MAINTENANCE_MS, SIGNER_LIFETIME_MS } from "./limits.ts";
import { writeCaFile } from "./membership.ts";
import { Registry } from "./registry.ts";
import type { HouseholdSnapshot, HouseholdVersion, Issued, PeerAddresses } from "./types.ts";

export interface HouseholdOptions {
	readonly state: PiState;
	readonly crypto: Crypto;
	readonly clock: Clock;
	readonly timers?: Timers;
	readonly log?: Log;
}

/** One change: what is written, and how memory follows once it is on disk. */
export interface Change<T> {
	readonly put?: RecordBatch["put"];
	readonly remove?: RecordBatch["remove"];
	/** Records of the registry that are in `put`: they decide on bad-node. */
	readonly issued?: readonly Issued[];
	/** Addresses in force after this change, when they change. */
	readonly addresses?: readonly PeerAddresses[];
	/** A new document is needed. */
	readonly document?: boolean;
	/** Peers are to be told. A new document tells them anyway. */
	readonly publish?: boolean;
	/** Called after the commit. */
	readonly apply?: () => void;
	readonly result: T;
}

/** What a restored state says of itself (state/backup.ts). */
type StoredRecord = HouseholdRecord & { readonly restored?: boolean };

const SEQUENCE_MODULUS = 65535;

export class Household {
	readonly state: PiState;
	readonly crypto: Crypto;
	readonly clock: Clock;
	readonly authority: Authority;
	readonly accounts: Accounts;
	readonly codes: Codes;
	readonly devices: Devices;
	readonly registry = new Registry();
	readonly addresses: AddressBook;
	readonly #changes: Changes;
	readonly #log: Log | undefined;
	readonly #timers: Timers;
	readonly #serial = new Serial();
	readonly #documentListeners = new Set<(document: Uint8Array) => void>();
	#record: HouseholdRecord;
	#signer: LocalIdentity;
	#document: Uint8Array;
	#config: OverlayConfig;
	#stopMaintenance: () => void = () => undefined;

	private constructor(options: HouseholdOptions, record: HouseholdRecord) {
		const { state, crypto, clock } = options;
		this.state = state;
		this.crypto = crypto;
		this.clock = clock;
		this.#log = options.log;
		this.#timers = options.timers ?? nodeTimers;
		this.#record = record;
		const ca = openKeyPair(state.getSealed(StateKey.ca), StateKey.ca, crypto);
		this.authority = new Authority(record.overlayName, ca, crypto);
		this.#signer = localIdentity(
			openKeyPair(state.getSealed(StateKey.signer), StateKey.signer, crypto),
			StateKey.signer,
		);
		this.accounts = new Accounts(record.overlayName);
		this.accounts.load(state);
		this.codes = new Codes(state, (count) => crypto.random(count));
		this.codes.load();
		this.registry.load(state);
		this.devices = new Devices((count) => crypto.random(count));
		this.devices.load(state);
		this.addresses = new AddressBook(
			this.#timers,
			() => clock.monotonicMs(),
			(build) => this.#documentFor(build),
		);
		this.addresses.load(state);
		this.#changes = new Changes(this.#timers, () => clock.monotonicMs());
		this.#document = state.get(StateKey.householdDocument) as Uint8Array;
		this.#config = readOwn(this.#document, crypto);
	}

	/** Founds a household in an empty state: one commit, all or nothing. Throws when there is one already. */
	static async found(options: HouseholdOptions, founding: Founding): Promise<Household> {
		const { state, crypto, clock } = options;
		if (state.get(StateKey.membership) !== undefined)
			throw new UserError(
				`${state.directory.path}: belongs to a household already`,
				"choose a new directory with --state to found another",
			);
		await state.commit(foundingEntries(state, founding, clock.wallMs(), crypto));
		const household = await Household.open(options);
		if (household === undefined) throw new Error("a household that was just founded is not there");
		return household;
	}

	/** Opens the household of a state; undefined when this node does not run one. Renews what is due. */
	static async open(options: HouseholdOptions): Promise<Household | undefined> {
		const record = options.state.get(StateKey.household) as StoredRecord | undefined;
		if (record === undefined) return undefined;
		const { restored, ...plain } = record;
		const household = new Household(options, plain);
		writeCaFile(options.state, household.authority.root.der);
		if (restored === true) await household.#newEpoch();
		await household.maintain();
		return household;
	}

	get overlayName(): string {
		return this.#record.overlayName;
	}

	/** Node-ID of the peer that founded the household and runs its enrollment server. */
	get founder(): Uint8Array {
		return this.#record.founder;
	}

	/** The signed configuration document in force. */
	get document(): Uint8Array {
		return this.#document;
	}

	get config(): OverlayConfig {
		return this.#config;
	}

	get version(): HouseholdVersion {
		return { epoch: this.#record.epoch, sequence: this.#record.sequence };
	}

	/** Calls `listener` with each new document; gives the function that stops it. */
	onDocument(listener: (document: Uint8Array) => void): () => void {
		this.#documentListeners.add(listener);
		return () => this.#documentListeners.delete(listener);
	}

	/**
	 * Changes the household: `build` sees everything earlier done and nothing half done; what it returns is committed at once.
	 * When `build` throws, or the commit fails, nothing has changed.
	 */
	change<T>(build: () => Promise<Change<T>> | Change<T>): Promise<T> {
		return this.#serial.run(async () => this.#carryOut(await build()));
	}

	/** All that a peer is told. */
	snapshot(): HouseholdSnapshot {
		const wallMs = this.clock.wallMs();
		const none = { link: [], enrollment: [] };
		return {
			...this.version,
			document: this.#document,
			accounts: this.accounts.published(),
			peers: this.registry.inForce("peer", wallMs).map(({ nodeIds, userName }) => {
				const nodeId = nodeIds[0] ?? new Uint8Array();
				return { nodeId, userName, ...(this.addresses.get(nodeId) ?? none) };
			}),
			devices: this.registry.inForce("device", wallMs).map(({ nodeIds, userName }) => {
				const { settings, settingsKey } = this.devices.get(userName) ?? {};
				return { aor: userName, nodeIds, ...(settings === undefined ? {} : { settings, settingsKey }) };
			}),
		};
	}

	/** `HouseholdSource.changes` for the peer with this Node-ID. */
	async changesFor(
		peer: Uint8Array,
		since: HouseholdVersion | undefined,
		signal: AbortSignal,
	): Promise<HouseholdSnapshot | undefined> {
		const known = since !== undefined && since.epoch === this.#record.epoch ? since : undefined;
		const isStale = (): boolean => known === undefined || known.sequence !== this.#record.sequence;
		await this.#changes.wait(hexOf(peer), known, isStale, LONG_POLL_MS, signal);
		return isStale() ? this.snapshot() : undefined;
	}

	/** Waits until the connected peers have `sequence` in use; CONFIRM_WAIT_MS at most. Node-IDs in hex. */
	confirmation(sequence: number): Promise<Confirmation> {
		return this.#changes.confirmation(sequence, CONFIRM_WAIT_MS);
	}

	/** Node-IDs (hex) of peers that follow the household now. */
	connected(): string[] {
		return this.#changes.connected();
	}

	/** A revoked peer is not waited for any more. */
	forgetReader(peer: Uint8Array): void {
		this.#changes.forget(hexOf(peer));
	}

	/** A peer (or the founder itself) says where it is reached. Collected for a moment, then one new document. */
	announce(peer: Uint8Array, addresses: PeerAddresses): Promise<void> {
		return this.addresses.announce(peer, addresses);
	}

	/** TLS certificate chain (leaf, CA) and key of the enrollment server for these hosts, PEM; made or renewed when needed. */
	async serverIdentity(hosts: readonly string[]): Promise<{ cert: string; key: string }> {
		return this.change(() => {
			const wallMs = this.needClock();
			const stored = this.state.getSealed(StateKey.tls) as { hosts?: readonly string[] } | undefined;
			const wanted = [...new Set(hosts)].sort();
			let pair = stored === undefined ? undefined : openKeyPair(stored, StateKey.tls, this.crypto);
			const isGood =
				pair !== undefined && stored?.hosts?.join() === wanted.join() && !wantsRenewal(pair.certificate, wallMs);
			const put: (readonly [string, unknown])[] = [];
			if (pair === undefined || !isGood) {
				const key = pair?.key ?? this.crypto.generateKey();
				const der = this.authority.issueServer(key.spki, wanted, this.authority.validity(wallMs));
				const record = { ...storedKeyPair(der, key), hosts: wanted };
				put.push(this.state.sealed(StateKey.tls, record));
				pair = openKeyPair(record, StateKey.tls, this.crypto);
			}
			const cert = pem("CERTIFICATE", pair.certificate.der) + this.authority.rootPem;
			return { put, result: { cert, key: pem("PRIVATE KEY", pair.key.exportPkcs8()) } };
		});
	}

	/** Renews what is due (document, configuration-signer) and forgets what is long over. Also runs by itself after `start`. */
	async maintain(): Promise<void> {
		await this.codes.sweep(this.clock.wallMs());
		await this.change(() => {
			const wallMs = this.needClock();
			const renewsSigner = wantsRenewal(this.#signer.certificate, wallMs, 1 / 2);
			const signer = renewsSigner ? this.#renewedSigner(wallMs) : undefined;
			const forgotten = this.registry.forgettable(wallMs);
			const bad = this.registry.badNodes(wallMs);
			const isOld = wallMs >= this.#record.documentMs + DOCUMENT_RENEW_MS;
			return {
				put: signer?.put ?? [],
				remove: forgotten.map((issued) => this.registry.recordKey(issued)),
				document:
					signer !== undefined || isOld || !sameIds(bad.nodeIds, this.#config.badNodes) || !hasOurKinds(this.#config),
				apply: () => {
					for (const issued of forgotten) this.registry.forget(issued);
				},
				result: undefined,
			};
		});
	}

	/** Starts the hourly maintenance. */
	start(): void {
		const next = (): void => {
			this.#stopMaintenance = this.#timers.after(MAINTENANCE_MS, () => {
				this.maintain().catch((error: unknown) =>
					this.#log?.("error", "household.maintenance", {
						error: error instanceof Error ? error.message : String(error),
					}),
				);
				next();
			});
		};
		next();
	}

	/** Stops timers, lets changes under way end, and answers whoever waits. The state stays open: it is the caller's. */
	async close(): Promise<void> {
		this.#stopMaintenance();
		this.addresses.close();
		this.#changes.announce();
		await this.#serial.idle();
	}

	/** The wall clock, or a `UserError` when it cannot be right: certificates would begin before their CA. */
	needClock(): number {
		const wallMs = this.clock.wallMs();
		if (wallMs < this.authority.root.notBeforeMs)
			throw new UserError(
				`the clock says ${new Date(wallMs).toISOString()}, before this household was founded`,
				"set the clock",
			);
		return wallMs;
	}

	async #carryOut<T>(change: Change<T>): Promise<T> {
		const put = [...(change.put ?? [])];
		const document = change.document === true ? this.#nextDocument(change) : undefined;
		let record = this.#record;
		if (document !== undefined) {
			record = { ...record, configSequence: document.config.sequence, documentMs: this.clock.wallMs() };
			put.push([StateKey.householdDocument, document.bytes]);
		}
		if (document !== undefined || change.publish === true) record = { ...record, sequence: record.sequence + 1 };
		if (record !== this.#record) put.push([StateKey.household, record]);
		const remove = change.remove ?? [];
		if (put.length > 0 || remove.length > 0) await this.state.commit(put, remove);
		const isNews = record !== this.#record;
		this.#record = record;
		change.apply?.();
		if (document !== undefined) {
			this.#document = document.bytes;
			this.#config = document.config;
			for (const listener of [...this.#documentListeners]) listener(document.bytes);
		}
		if (isNews) this.#changes.announce();
		return change.result;
	}

	#nextDocument(change: Change<unknown>): { bytes: Uint8Array; config: OverlayConfig } {
		const wallMs = this.needClock();
		const { overlayName, topologyPlugin, profile, configSequence } = this.#record;
		const bad = this.registry.badNodes(wallMs, change.issued);
		if (bad.left > 0) this.#log?.("warn", "household.badNodesFull", { left: bad.left });
		const config = composeConfig(
			{
				overlayName,
				topologyPlugin,
				profile,
				// RFC 6940 §6.3.2, §11.1: increasing modulo 65535.
				sequence: (configSequence + 1) % SEQUENCE_MODULUS,
				root: this.authority.root.der,
				signer: this.#signer.nodeId,
				addresses: change.addresses ?? this.addresses.latestFirst(),
				badNodes: bad.nodeIds,
				wallMs,
			},
			this.crypto,
		);
		const bytes = writeConfigDocument(config, this.#signer, this.crypto);
		return { bytes, config: readOwn(bytes, this.crypto) };
	}

	/** A new certificate for the configuration-signer's key; in use at once, so that the document of this change carries it. */
	#renewedSigner(wallMs: number): { put: RecordBatch["put"] } {
		const { key, nodeId, userName } = this.#signer;
		const validity = this.authority.validity(wallMs, SIGNER_LIFETIME_MS);
		const der = this.authority.issue({ spki: key.spki, nodeIds: [nodeId], userName }, validity);
		const stored = storedKeyPair(der, key);
		this.#signer = localIdentity(openKeyPair(stored, StateKey.signer, this.crypto), StateKey.signer);
		return { put: [this.state.sealed(StateKey.signer, stored)] };
	}

	/** After a restore: peers may know later states than this one, so theirs are all made stale. */
	async #newEpoch(): Promise<void> {
		this.#record = { ...this.#record, epoch: hexOf(this.crypto.random(8)) };
		await this.change(() => ({ document: true, result: undefined }));
		this.#log?.("info", "household.restored", { configSequence: this.#record.configSequence });
	}

	#documentFor(build: () => AddressChange | undefined): Promise<void> {
		return this.change(() => {
			const change = build();
			return change === undefined ? { result: undefined } : { ...change, document: true, result: undefined };
		});
	}
}

function readOwn(bytes: Uint8Array, crypto: Crypto): OverlayConfig {
	const read = bytes instanceof Uint8Array ? readConfigDocument(bytes, crypto) : undefined;
	if (read === undefined || isRefused(read))
		throw new UserError(
			`record ${StateKey.householdDocument}: ${read === undefined ? "missing" : read.refused}`,
			"restore the state directory from a backup",
		);
	return read.config;
}

/** False for the document of an older Ringlet, whose Kinds were fewer or smaller. */
function hasOurKinds({ requiredKinds }: OverlayConfig): boolean {
	return householdKinds().every((kind) =>
		requiredKinds.some(
			({ id, maxCount, maxSize }) => id === kind.id && maxCount === kind.maxCount && maxSize === kind.maxSize,
		),
	);
}

function sameIds(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
	const text = (ids: readonly Uint8Array[]): string => ids.map(hexOf).sort().join();
	return text(a) === text(b);
}

/** Lower-case hex, as Node-IDs are shown and looked up. */
export function hexOf(bytes: Uint8Array): string {
	return Buffer.from(bytes).toString("hex");
}
