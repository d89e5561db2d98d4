/** A small world for the tests of storage and usages: a CA, users, Kinds, and the calls that a node would make. */
import { HOUSEHOLD_LIMITS, type KindDefinition, registeredKind } from "../../../core/config/kinds.ts";
import { type Certificate, readCertificate } from "../../../core/identity/certificate.ts";
import { makeCaCertificate, makeCertificate } from "../../../core/identity/certificate-writer.ts";
import { type LocalIdentity, makeLocalIdentity, signStored } from "../../../core/identity/signer.ts";
import { Trust } from "../../../core/identity/trust.ts";
import { type VerifiedSigner, Verifier } from "../../../core/identity/verify.ts";
import { isRefused } from "../../../core/machine.ts";
import {
	Storage,
	type StorageOptions,
	type StorageRefused,
	type StoreAccepted,
	type StoreContext,
} from "../../../core/storage/storage.ts";
import { utf8ToBytes } from "../../../core/wire/bytes.ts";
import type { FetchReq } from "../../../core/wire/fetch.ts";
import type { DataModel, StoredData, StoredDataValue, StoreReq } from "../../../core/wire/store.ts";
import type { PrivateKey, RecordBatch } from "../../../hal/hal.ts";
import { nodeCrypto } from "../../../hal/node/crypto.ts";

export const crypto = nodeCrypto();
export const OVERLAY = "house.example";
/** 2026-01-01T00:00Z */
export const T0 = 1_767_225_600_000;
export const DAY = 86_400_000;

export const sha256 = (data: Uint8Array): Uint8Array => crypto.hash("sha256", data);
export const resourceHash = (name: Uint8Array): Uint8Array => crypto.hash("sha1", name).slice(0, 16);
export const resourceOf = (name: string): Uint8Array => resourceHash(utf8ToBytes(name));

export function good<T extends object>(result: T): Exclude<T, { readonly refused: string }> {
	if (isRefused(result as object)) throw new Error((result as unknown as { refused: string }).refused);
	return result as Exclude<T, { readonly refused: string }>;
}

/** Private Kinds of every model and policy, beside the registered ones. */
export const Kind = Object.freeze({
	userSingle: 0xf0000001,
	userArray: 0xf0000002,
	userDictionary: 0xf0000003,
	nodeSingle: 0xf0000004,
	nodeArray: 0xf0000005,
	userNode: 0xf0000006,
	multiple: 0xf0000007,
	strange: 0xf0000008,
	unknown: 0xf0000099,
});

function kind(
	id: number,
	dataModel: DataModel,
	accessControl: string,
	more: Partial<KindDefinition> = {},
): KindDefinition {
	return {
		id,
		name: undefined,
		dataModel,
		accessControl,
		maxCount: 8,
		maxSize: 100,
		maxNodeMultiple: undefined,
		domainRestrictions: undefined,
		signedBy: undefined,
		...more,
	};
}

export function allKinds(): Map<number, KindDefinition> {
	const kinds = new Map<number, KindDefinition>();
	for (const [id, maxCount, maxSize] of HOUSEHOLD_LIMITS) {
		const registered = registeredKind(id)!;
		kinds.set(id, { ...registered, maxCount, maxSize, domainRestrictions: undefined, signedBy: undefined });
	}
	for (const definition of [
		kind(Kind.userSingle, "single", "USER-MATCH"),
		kind(Kind.userArray, "array", "USER-MATCH"),
		kind(Kind.userDictionary, "dictionary", "USER-MATCH"),
		kind(Kind.nodeSingle, "single", "NODE-MATCH"),
		kind(Kind.nodeArray, "array", "NODE-MATCH"),
		kind(Kind.userNode, "dictionary", "USER-NODE-MATCH"),
		kind(Kind.multiple, "single", "NODE-MULTIPLE", { maxNodeMultiple: 3 }),
		kind(Kind.strange, "single", "EXP-MATCH"),
	]) {
		kinds.set(definition.id, definition);
	}
	return kinds;
}

export interface WorldOptions {
	readonly storage?: Partial<StorageOptions>;
	readonly nodeIdLength?: number;
}

/** One CA and one peer's store, with a clock that only tests move. */
export class World {
	readonly kinds = allKinds();
	readonly trust: Trust;
	readonly verifier: Verifier;
	readonly options: StorageOptions;
	storage: Storage;
	wallMs = T0;
	responsible = true;
	fitting = true;
	/** What is on disk. */
	disk = new Map<string, unknown>();
	readonly #caKey: PrivateKey = crypto.generateKey();
	readonly #ca: Certificate;

	constructor(options: WorldOptions = {}) {
		const der = makeCaCertificate(
			{ overlayName: OVERLAY, key: this.#caKey, notBeforeMs: T0 - DAY, notAfterMs: T0 + 3650 * DAY },
			crypto,
		);
		this.#ca = good(readCertificate(der, crypto));
		this.trust = new Trust({ crypto, roots: [this.#ca], overlayName: OVERLAY, nodeIdLength: 16 });
		this.verifier = new Verifier(this.trust, crypto);
		this.options = {
			kinds: (id) => this.kinds.get(id),
			verifier: this.verifier,
			resourceHash,
			sha256,
			nodeIdLength: 16,
			...options.storage,
		};
		this.storage = new Storage(this.options);
	}

	/** An identity of this overlay; `count` Node-IDs, signing as the first. */
	identity(userName: string, notAfterMs = T0 + 365 * DAY, count = 1, nodeIds?: readonly Uint8Array[]): LocalIdentity {
		const key = crypto.generateKey();
		const ids = nodeIds ?? Array.from({ length: count }, () => crypto.random(16));
		const der = makeCertificate(
			{
				spki: key.spki,
				nodeIds: ids,
				userName,
				overlayName: OVERLAY,
				notBeforeMs: T0 - DAY,
				notAfterMs,
			},
			{ certificate: this.#ca, key: this.#caKey },
			crypto,
		);
		return good(makeLocalIdentity({ chain: [der], key }, crypto));
	}

	sign(
		who: LocalIdentity,
		resource: Uint8Array,
		kindId: number,
		value: StoredDataValue,
		more: { storageTime?: number; lifetimeS?: number } = {},
	): StoredData {
		const { storageTime = this.wallMs, lifetimeS = 3600 } = more;
		return signStored(who, resource, kindId, { storageTime, lifetimeS, value }, crypto);
	}

	context(who: LocalIdentity, certificates: readonly Uint8Array[] = who.chain): StoreContext {
		return {
			signer: signerOf(who),
			certificates,
			isResponsible: () => this.responsible,
			mayReplicate: () => this.fitting,
			wallMs: this.wallMs,
		};
	}

	/** A store of one Kind by its owner. */
	store(
		who: LocalIdentity,
		resource: Uint8Array,
		kindId: number,
		values: readonly StoredData[],
		more: { generation?: number; replica?: number; certificates?: readonly Uint8Array[] } = {},
	): StoreAccepted | StorageRefused {
		const request: StoreReq = {
			resource,
			replicaNumber: more.replica ?? 0,
			kindData: [{ kind: kindId, generationCounter: more.generation ?? 0, values }],
		};
		return this.storage.handleStore(request, this.context(who, more.certificates));
	}

	/** As `store`; must succeed; goes to disk. */
	stored(...parameters: Parameters<World["store"]>): StoreAccepted {
		const result = this.store(...parameters);
		if (!result.ok) throw new Error(`refused ${result.errorCode}: ${textOf(result)}`);
		this.commit(result.change);
		return result;
	}

	/** What a record store does. */
	commit(batch: RecordBatch): void {
		this.write(batch);
		this.storage.settled(batch, true);
	}

	/** On disk, but nobody was told. */
	write(batch: RecordBatch): void {
		for (const [key, value] of batch.put) this.disk.set(key, value);
		for (const key of batch.remove) this.disk.delete(key);
	}

	/** Another process finds the disk. */
	restart(): ReturnType<Storage["load"]> {
		this.storage = new Storage(this.options);
		return this.storage.load(new Map(this.disk), this.wallMs);
	}

	fetch(request: FetchReq): FetchResult {
		const result = this.storage.handleFetch(request, this.wallMs);
		if (!result.ok) throw new Error(`refused ${result.errorCode}: ${textOf(result)}`);
		return result;
	}

	/** All values of one Kind, as the data model asks for them. */
	values(resource: Uint8Array, kindId: number, generation = 0): readonly StoredData[] {
		return this.fetch(fetchAll(resource, kindId, this.kinds.get(kindId)!.dataModel, generation)).answer
			.kindResponses[0]!.values;
	}
}

type FetchResult = Extract<ReturnType<Storage["handleFetch"]>, { ok: true }>;

export function fetchAll(resource: Uint8Array, kindId: number, model: DataModel, generation = 0): FetchReq {
	if (model === "single") return { resource, specifiers: [{ kind: kindId, generation, model }] };
	if (model === "dictionary") return { resource, specifiers: [{ kind: kindId, generation, model, keys: [] }] };
	return { resource, specifiers: [{ kind: kindId, generation, model, indices: [{ first: 0, last: 0xffffffff }] }] };
}

export function signerOf(who: LocalIdentity): VerifiedSigner {
	return { certificate: who.certificate, nodeId: who.nodeId, userName: who.userName };
}

export function textOf(refusal: StorageRefused): string {
	return new TextDecoder().decode(refusal.info);
}

export const single = (text: string, exists = true): StoredDataValue => ({
	model: "single",
	value: { exists, value: utf8ToBytes(text) },
});
export const entry = (index: number, text: string, exists = true): StoredDataValue => ({
	model: "array",
	index,
	value: { exists, value: utf8ToBytes(text) },
});
export const item = (key: Uint8Array, text: string, exists = true): StoredDataValue => ({
	model: "dictionary",
	key,
	value: { exists, value: utf8ToBytes(text) },
});
export const contents = (stored: StoredData): string => new TextDecoder().decode(stored.value.value.value);
