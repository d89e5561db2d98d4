/**
 * The store of one peer: the values of its segment of the overlay, by Resource-ID and Kind. Before editing read RFC 6940 §7 and
 * reference decisions D-12 to D-18. Sans-IO: every method that changes something gives back the `RecordBatch` that makes it last.
 *
 * Apply now, answer after persisted: a store is in memory at once, so the next one to the same place sees its generation counter
 * and storage_time, whatever the disk does; it is acknowledged only when its batch is on disk. The owner commits batches in the
 * order it got them and reports each with `settled`. A batch that failed is not undone: its records are written again with the next
 * batch (an unacknowledged store may or may not be there), and a repeat of the same store is not acknowledged before they are.
 */
import type { RecordBatch } from "../../hal/hal.ts";
import { equalBytes, toHex } from "../wire/bytes.ts";
import { APPEND_INDEX, ErrorCode } from "../wire/codes.ts";
import type { FetchAns, FetchReq, StoredDataSpecifier } from "../wire/fetch.ts";
import type { FindReq } from "../wire/find.ts";
import type { StoreAns, StoreKindResponse, StoreReq } from "../wire/store.ts";
import { answerFetch, answerFind, answerStat, checkFetch } from "./answers.ts";
import { CertificateShelf } from "./certificates.ts";
import { type Entry, isLive } from "./entry.ts";
import { Journal } from "./journal.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { mergeResponse } from "./merge.ts";
import { Cutter, type OutgoingKind } from "./outgoing.ts";
import { planStore, type StorePlan } from "./plan.ts";
import { refuseText } from "./refusal.ts";
import { restore } from "./restore.ts";
import { type Slot, ValueTable } from "./table.ts";
import type {
	FetchAnswered,
	FindAnswered,
	Loaded,
	Merged,
	OutgoingStore,
	StatAnswered,
	StorageCounters,
	StorageOptions,
	StorageRefused,
	StorageTotals,
	StoreAccepted,
	StoreContext,
} from "./types.ts";
import type { StorageWorld } from "./world.ts";

export { EMPTY_BATCH, isEmptyBatch } from "./journal.ts";
export { DEFAULT_LIMITS, type StorageLimits } from "./limits.ts";
export type * from "./types.ts";

/** All records of the store have keys that start with this. */
export const STORAGE_PREFIX = "storage/";

export class Storage {
	readonly #world: StorageWorld;
	readonly #journal = new Journal();
	readonly #shelf: CertificateShelf;
	readonly #table: ValueTable;
	/** `nextExpiry` gives no time before this, so that many values ending one after another cost one walk. */
	#nextWalkMs = 0;
	readonly #counters: StorageCounters = {
		stores: 0,
		repeats: 0,
		refused: 0,
		fetches: 0,
		stats: 0,
		finds: 0,
		expired: 0,
		forgotten: 0,
		broken: 0,
		persistFailures: 0,
		merged: 0,
	};

	constructor(options: StorageOptions) {
		this.#shelf = new CertificateShelf(this.#journal);
		this.#table = new ValueTable(this.#journal, this.#shelf);
		this.#world = {
			options,
			limits: Object.assign({}, DEFAULT_LIMITS, options.limits),
			overlay: {
				resourceHash: (name) => options.resourceHash(name),
				nodeIdLength: options.nodeIdLength,
				redirBranchingFactor: () => options.redirBranchingFactor?.(),
			},
			table: this.#table,
			shelf: this.#shelf,
		};
	}

	/** Takes over the records found at start (those under `STORAGE_PREFIX`). Never throws; call once, before anything else. */
	load(entries: Iterable<readonly [key: string, value: unknown]>, wallMs: number): Loaded {
		const loaded = restore(this.#world, this.#journal, entries, wallMs);
		this.#counters.broken += loaded.broken;
		this.#counters.expired += loaded.expired;
		return loaded;
	}

	/** RFC 6940 §7.4.1.1. */
	handleStore(request: StoreReq, context: StoreContext): StoreAccepted | StorageRefused {
		if (this.#journal.unsettled > this.#world.limits.maxUnsettled) {
			return this.#refused(refuseText(ErrorCode.dataTooLarge, "the disk of this peer does not keep up"));
		}
		const plan = planStore(this.#world, request, context);
		if (!plan.ok) return this.#refused(plan);
		this.#counters.stores++;
		if (!plan.changed) this.#counters.repeats++;
		this.#apply(plan, request.resource);
		const counters: StoreKindResponse[] = [];
		for (const kind of plan.kinds) {
			counters.push({ kind: kind.kind, generationCounter: kind.generation, replicas: [] });
		}
		return {
			ok: true,
			resourceId: this.#table.resource(plan.hex)?.id ?? request.resource.slice(),
			change: this.#journal.take(),
			changed: plan.changed,
			responses: (replicas) => storeAnswer(counters, replicas),
			replicas: (replicaNumber, wallMs, maxBytes) => this.#replicas(plan, replicaNumber, wallMs, maxBytes),
		};
	}

	#refused(refusal: StorageRefused): StorageRefused {
		this.#counters.refused++;
		return refusal;
	}

	#apply(plan: StorePlan, resourceId: Uint8Array): void {
		for (const kind of plan.kinds) {
			if (kind.values.length === 0) continue;
			const slot = this.#table.open(resourceId, plan.hex, kind.kind);
			for (const { place, before, entry, ders } of kind.values) {
				if (entry !== undefined) {
					this.#table.set(plan.hex, slot, place, entry, ders);
					if (entry.row >= slot.nextRow) slot.nextRow = entry.row + 1;
				} else if (before !== undefined) this.#table.writeAgain(plan.hex, slot, before);
			}
			this.#table.setGeneration(plan.hex, slot, kind.generation);
		}
	}

	#replicas(plan: StorePlan, replicaNumber: number, wallMs: number, maxBytes: number): OutgoingStore[] {
		const resource = this.#table.resource(plan.hex);
		if (resource === undefined || !plan.changed) return [];
		const cutter = new Cutter(this.#world, resource.id, replicaNumber, wallMs, maxBytes);
		for (const kind of plan.kinds) {
			const slot = resource.slots.get(kind.kind);
			if (slot === undefined) continue;
			const entries: Entry[] = [];
			for (const value of kind.values) {
				const entry = slot.entries.get(value.place);
				// One that has ended goes out too: lifetime 0 ends what it replaced at the replicas as well.
				if (value.entry !== undefined && entry !== undefined) entries.push(entry);
			}
			cutter.add({ kind: kind.kind, generation: slot.generation, entries });
		}
		return cutter.finish();
	}

	/** The batch is on disk (`ok`), or is not: then its records go out again with the next batch, or with `retryChange`. */
	settled(change: RecordBatch, ok: boolean): void {
		if (!ok) this.#counters.persistFailures++;
		this.#journal.settled(change, ok);
	}

	/** What a failed batch left to write; empty when nothing. */
	retryChange(): RecordBatch {
		return this.#journal.take();
	}

	/** RFC 6940 §7.4.2.2. */
	handleFetch(request: FetchReq, wallMs: number): FetchAnswered | StorageRefused {
		this.#counters.fetches++;
		const refusal = checkFetch(this.#world, request);
		return refusal === undefined ? answerFetch(this.#world, request, wallMs) : this.#refused(refusal);
	}

	/** RFC 6940 §7.4.3.2. The request is a FetchReq. */
	handleStat(request: FetchReq, wallMs: number): StatAnswered | StorageRefused {
		this.#counters.stats++;
		const refusal = checkFetch(this.#world, request);
		return refusal === undefined ? answerStat(this.#world, request, wallMs) : this.#refused(refusal);
	}

	/** RFC 6940 §7.4.4.2. */
	handleFind(
		request: FindReq,
		isResponsible: (resourceId: Uint8Array) => boolean,
		wallMs: number,
	): FindAnswered | StorageRefused {
		this.#counters.finds++;
		const result = answerFind(this.#world, request, isResponsible, wallMs);
		return result.ok ? result : this.#refused(result);
	}

	/** Removes what has expired (lifetime, or the signer's certificate). Persist the batch unless it is empty. */
	expire(wallMs: number): RecordBatch {
		this.#nextWalkMs = wallMs + this.#world.limits.expiryGridMs;
		this.#counters.expired += this.#table.expire(wallMs);
		return this.#journal.take();
	}

	/**
	 * When `expire` is due, milliseconds since 1970; Infinity when nothing is stored. It may be a little later than the first value
	 * ends: values that have ended are not served in any case.
	 */
	nextExpiry(): number {
		const { earliestMs } = this.#table;
		// The second bound holds when the clock was set back since the last walk.
		return Math.min(Math.max(earliestMs, this.#nextWalkMs), earliestMs + this.#world.limits.expiryGridMs);
	}

	/** Resource-IDs with values, in no order. */
	resources(): Uint8Array[] {
		const list: Uint8Array[] = [];
		for (const resource of this.#table.all()) list.push(resource.id);
		return list;
	}

	/** All values of a resource as replica or handover stores (replica_number 1 or 2, D-23) of at most about `maxBytes` octets. */
	storesFor(resourceId: Uint8Array, replicaNumber: number, wallMs: number, maxBytes: number): OutgoingStore[] {
		const resource = this.#table.resource(toHex(resourceId));
		if (resource === undefined) return [];
		const cutter = new Cutter(this.#world, resource.id, replicaNumber, wallMs, maxBytes);
		for (const slot of resource.slots.values()) cutter.add(outgoingKind(slot, wallMs));
		return cutter.finish();
	}

	/** A FetchReq for everything we hold at this resource: what §7.4.1.2 asks for after a refused maintenance store. */
	fetchForMerge(resourceId: Uint8Array): FetchReq | undefined {
		const resource = this.#table.resource(toHex(resourceId));
		if (resource === undefined) return undefined;
		const specifiers: StoredDataSpecifier[] = [];
		for (const { kind } of resource.slots.values()) {
			const model = this.#world.options.kinds(kind)?.dataModel;
			if (model === "single") specifiers.push({ kind, generation: 0, model });
			else if (model === "dictionary") specifiers.push({ kind, generation: 0, model, keys: [] });
			else if (model === "array") {
				specifiers.push({ kind, generation: 0, model, indices: [{ first: 0, last: APPEND_INDEX }] });
			}
		}
		return { resource: resource.id, specifiers };
	}

	/** Reference 16.3: newer data of a peer that refused our maintenance store replaces ours. */
	mergeFetched(resourceId: Uint8Array, answer: FetchAns, certificates: readonly Uint8Array[], wallMs: number): Merged {
		let replaced = 0;
		let refused = 0;
		for (const response of answer.kindResponses) {
			const result = mergeResponse(this.#world, resourceId, response, certificates, wallMs);
			replaced += result.replaced;
			refused += result.refused;
		}
		this.#counters.merged += replaced;
		return { change: this.#journal.take(), replaced, refused };
	}

	/** Drops a resource that this peer has no more to do with. */
	forget(resourceId: Uint8Array): RecordBatch {
		const resource = this.#table.resource(toHex(resourceId));
		if (resource !== undefined) this.#counters.forgotten += this.#table.sweepResource(resource, () => true);
		return this.#journal.take();
	}

	/** Drops all data of a Kind (its definition or its signer went away). */
	removeKind(kind: number): RecordBatch {
		this.#counters.forgotten += this.#table.sweep((_, ofKind) => ofKind === kind);
		return this.#journal.take();
	}

	/** Drops everything a Node-ID signed (bad-node). */
	dropSigner(nodeId: Uint8Array): RecordBatch {
		this.#counters.forgotten += this.#table.sweep((entry) => isSignedBy(entry, nodeId));
		return this.#journal.take();
	}

	counters(): StorageCounters {
		return Object.assign({}, this.#counters);
	}

	/** For Probe, diagnostics and `ringlet status`. */
	totals(): StorageTotals {
		const { resourceCount: resources, values, octets } = this.#table;
		return { resources, values, octets, certificates: this.#shelf.size };
	}

	/** Values stored per Kind-ID (RFC 7851 INSTANCES_STORED). */
	valuesPerKind(): ReadonlyArray<readonly [kind: number, values: number]> {
		return this.#table.kindCounts();
	}

	/** Lines for `ringlet status`: name and value. */
	describe(): ReadonlyArray<readonly [string, string]> {
		const { limits } = this.#world;
		const counters = this.#counters;
		return [
			["stored resources", `${this.#table.resourceCount} of ${limits.maxResources}`],
			["stored values", `${this.#table.values} of ${limits.maxValues}`],
			["stored octets", `${this.#table.octets} of ${limits.maxOctets}`],
			["certificates kept", `${this.#shelf.size} of ${limits.maxCertificates}`],
			["records on their way to disk", `${this.#journal.unsettled}`],
			["stores", `${counters.stores} (${counters.repeats} repeats), ${counters.refused} requests refused`],
			["reads", `${counters.fetches} fetches, ${counters.stats} stats, ${counters.finds} finds`],
			["gone", `${counters.expired} expired, ${counters.forgotten} forgotten, ${counters.broken} broken records`],
		];
	}
}

/** RFC 6940 §7.4.1.2: one StoreKindResponse for each Kind of the request. */
function storeAnswer(counters: readonly StoreKindResponse[], replicas: readonly Uint8Array[]): StoreAns {
	const kindResponses: StoreKindResponse[] = [];
	for (const { kind, generationCounter } of counters) kindResponses.push({ kind, generationCounter, replicas });
	return { kindResponses };
}

/** RFC 6940 §11.1 bad-node revokes the certificate, whichever of its Node-IDs signed. */
function isSignedBy(entry: Entry, nodeId: Uint8Array): boolean {
	for (let i = 0; i < entry.nodeIds.length; i++) if (equalBytes(entry.nodeIds[i]!, nodeId)) return true;
	return false;
}

function outgoingKind(slot: Slot, wallMs: number): OutgoingKind {
	const entries: Entry[] = [];
	for (const entry of slot.entries.values()) if (isLive(entry, wallMs)) entries.push(entry);
	return { kind: slot.kind, generation: slot.generation, entries };
}
