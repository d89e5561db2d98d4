/**
 * What goes into and comes out of a peer's store. Before editing read RFC 6940 §7.4 and §7.3.
 */
import type { RecordBatch } from "../../hal/hal.ts";
import type { KindDefinition } from "../config/kinds.ts";
import type { VerifiedSigner, Verifier } from "../identity/verify.ts";
import type { FetchAns } from "../wire/fetch.ts";
import type { FindAns } from "../wire/find.ts";
import type { StatAns } from "../wire/stat.ts";
import type { DataValue, StoreAns, StoreReq } from "../wire/store.ts";
import type { StorageLimits } from "./limits.ts";

/** A verifier may tell which certificates lead from the signer's (first) to a root-cert; they are kept along with it. */
export interface SignerWithChain extends VerifiedSigner {
	/** DER, leaf first, root-cert left out. */
	readonly chain?: readonly Uint8Array[];
}

/** What a per-Kind check sees of one value. */
export interface KindCheckInput {
	readonly resourceId: Uint8Array;
	readonly kind: KindDefinition;
	/** Dictionary key; `undefined` for the other models. */
	readonly key: Uint8Array | undefined;
	readonly value: DataValue;
	/** Signer of the value. */
	readonly signer: VerifiedSigner;
	/** The overlay's hash of a Resource Name. */
	resourceHash(name: Uint8Array): Uint8Array;
}

/** Further rule of a usage for its Kind. `undefined` = allowed; a text = Error_Forbidden with this text. */
export type KindCheck = (input: KindCheckInput) => string | undefined;

export interface StorageOptions {
	/** The Kinds of the current configuration. */
	kinds(id: number): KindDefinition | undefined;
	readonly verifier: Pick<Verifier, "verifyStored">;
	/** Resource Name -> Resource-ID of the topology plug-in. */
	resourceHash(name: Uint8Array): Uint8Array;
	/** For StatAns (RFC 6940 §7.4.3.2). */
	sha256(data: Uint8Array): Uint8Array;
	/** Octets, 16..20. */
	readonly nodeIdLength: number;
	/** Missing ones are those of `DEFAULT_LIMITS`. */
	readonly limits?: Partial<StorageLimits>;
	/** Kind-ID -> further check (RFC 7904 §3.3 for SIP-REGISTRATION: `core/usages/sip-check.ts`). */
	readonly kindChecks?: Readonly<Record<number, KindCheck>>;
	/** branching-factor of ReDiR in the current configuration (RFC 7374 §8); 10 when absent. */
	redirBranchingFactor?(): number | undefined;
}

/** What the node knows about a StoreReq besides its body. */
export interface StoreContext {
	/** Verified signer of the message. */
	readonly signer: VerifiedSigner;
	/** DER certificates of the message's SecurityBlock, in any order. */
	readonly certificates: readonly Uint8Array[];
	/** This node is responsible for the resource. */
	isResponsible(resourceId: Uint8Array): boolean;
	/** The sender may store a replica of this resource here. */
	mayReplicate(resourceId: Uint8Array): boolean;
	/** Milliseconds since 1970. */
	readonly wallMs: number;
}

/** A refused request: goes out as ErrorResponse. Nothing has changed. */
export interface StorageRefused {
	readonly ok: false;
	/** RFC 6940 §14.9. */
	readonly errorCode: number;
	/** error_info: UTF-8 text, or the structure the code asks for. */
	readonly info: Uint8Array;
}

/**
 * An accepted store. It is in memory already; it may be answered once `change` is on disk (`Storage.settled`). An empty `change`
 * means that everything in it is on disk already: answer at once.
 */
export interface StoreAccepted {
	readonly ok: true;
	readonly resourceId: Uint8Array;
	readonly change: RecordBatch;
	/** False when every value was an exact repeat. */
	readonly changed: boolean;
	/** The answer, with the counters as of this store. */
	responses(replicas: readonly Uint8Array[]): StoreAns;
	/**
	 * The values this request changed, as replica stores (replica_number as given) of at most about `maxBytes` octets each, in their
	 * state at the time of the call. Empty when nothing changed.
	 */
	replicas(replicaNumber: number, wallMs: number, maxBytes: number): OutgoingStore[];
}

/** A replica or handover store, ready to be sent. */
export interface OutgoingStore {
	readonly request: StoreReq;
	/** DER: certificates of the values' signers, for the SecurityBlock. */
	readonly certificates: readonly Uint8Array[];
}

export interface FetchAnswered {
	readonly ok: true;
	readonly answer: FetchAns;
	/** DER: certificates of the values' signers, for the SecurityBlock. */
	readonly certificates: readonly Uint8Array[];
	/** Octets of the encoded answer body; the node compares body, certificates and its own overhead with max_response_length. */
	readonly sizeBytes: number;
}

export interface StatAnswered {
	readonly ok: true;
	readonly answer: StatAns;
	readonly sizeBytes: number;
}

export interface FindAnswered {
	readonly ok: true;
	readonly answer: FindAns;
	readonly sizeBytes: number;
}

/** What `mergeFetched` did. */
export interface Merged {
	/** To be persisted; may be empty. */
	readonly change: RecordBatch;
	/** Values that replaced ours or were new. */
	readonly replaced: number;
	/** Values that did not verify or were not allowed. */
	readonly refused: number;
}

/** What `load` did. */
export interface Loaded {
	readonly values: number;
	/** Records that could not be understood; left out. */
	readonly broken: number;
	readonly expired: number;
	/** Clears broken, expired and orphaned records; persist it when there is time. May be empty. */
	readonly change: RecordBatch;
}

/** Counters since the start; `Storage.counters()` gives a copy. */
export interface StorageCounters {
	stores: number;
	repeats: number;
	refused: number;
	fetches: number;
	stats: number;
	finds: number;
	expired: number;
	forgotten: number;
	broken: number;
	persistFailures: number;
	merged: number;
}

export interface StorageTotals {
	readonly resources: number;
	readonly values: number;
	/** As charged to `maxOctets`. */
	readonly octets: number;
	readonly certificates: number;
}
