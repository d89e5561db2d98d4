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
import type { FetchAns, FetchReq } from "../wire/fetch.ts";
import type { FindReq } from "../wire/find.ts";
import type { StoreReq } from "../wire/store.ts";
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
	StoreAccepted,
	StoreContext,
} from "./types.ts";

export type * from "./types.ts";

/** All records of the store have keys that start with this. */
export const STORAGE_PREFIX = "storage/";

export declare class Storage {
	constructor(options: StorageOptions);
	/** Takes over the records found at start (those under `STORAGE_PREFIX`). Never throws; call once, before anything else. */
	load(
		entries: Iterable<readonly [key: string, value: unknown]>,
		wallMs: number,
	): Loaded;
	/** RFC 6940 §7.4.1.1. */
	handleStore(
		request: StoreReq,
		context: StoreContext,
	): StoreAccepted | StorageRefused;
	/** The batch is on disk (`ok`), or is not: then its records go out again with the next batch, or with `retryChange`. */
	settled(change: RecordBatch, ok: boolean): void;
	/** What a failed batch left to write; empty when nothing. */
	retryChange(): RecordBatch;
	/** RFC 6940 §7.4.2.2. */
	handleFetch(
		request: FetchReq,
		wallMs: number,
	): FetchAnswered | StorageRefused;
	/** RFC 6940 §7.4.3.2. The request is a FetchReq. */
	handleStat(request: FetchReq, wallMs: number): StatAnswered | StorageRefused;
	/** RFC 6940 §7.4.4.2. */
	handleFind(
		request: FindReq,
		isResponsible: (resourceId: Uint8Array) => boolean,
		wallMs: number,
	): FindAnswered | StorageRefused;
	/** Removes what has expired (lifetime, or the signer's certificate). Persist the batch unless it is empty. */
	expire(wallMs: number): RecordBatch;
	/** When `expire` is due, milliseconds since 1970; Infinity when nothing is stored. */
	nextExpiry(): number;
	/** Resource-IDs with values, in no order. */
	resources(): Uint8Array[];
	/** All values of a resource as replica or handover stores (replica_number 1 or 2, D-23) of at most about `maxBytes` octets. */
	storesFor(
		resourceId: Uint8Array,
		replicaNumber: number,
		wallMs: number,
		maxBytes: number,
	): OutgoingStore[];
	/** A FetchReq for everything we hold at this resource: what §7.4.1.2 asks for after a refused maintenance store. */
	fetchForMerge(resourceId: Uint8Array): FetchReq | undefined;
	/** Reference 16.3: newer data of a peer that refused our maintenance store replaces ours. */
	mergeFetched(
		resourceId: Uint8Array,
		answer: FetchAns,
		certificates: readonly Uint8Array[],
		wallMs: number,
	): Merged;
	/** Drops a resource that this peer has no more to do with. */
	forget(resourceId: Uint8Array): RecordBatch;
	/** Drops all data of a Kind (its definition or its signer went away). */
	removeKind(kind: number): RecordBatch;
	/** Drops everything a Node-ID signed (bad-node). */
	dropSigner(nodeId: Uint8Array): RecordBatch;
	counters(): StorageCounters;
	/** For Probe, diagnostics and `ringlet status`. */
	totals(): {
		resources: number;
		values: number;
		octets: number;
		certificates: number;
	};
	/** Values stored per Kind-ID (RFC 7851 INSTANCES_STORED). */
	valuesPerKind(): ReadonlyArray<readonly [kind: number, values: number]>;
	/** Lines for `ringlet status`: name and value. */
	describe(): ReadonlyArray<readonly [string, string]>;
}
