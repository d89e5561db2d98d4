/** Stores to other peers: replicas and handovers, cut into requests that fit a message (RFC 6940 §10.4, §7.4.1.1). */
import type { StoredData, StoreKindData } from "../wire/store.ts";
import { CertificateList } from "./answers.ts";
import { type Entry, encodedOctets, passedOn } from "./entry.ts";
import type { OutgoingStore } from "./types.ts";
import type { StorageWorld } from "./world.ts";

/** Kind and counter of a StoreKindData, and the length of its list: 4 + 8 + 4. */
const KIND_DATA_FIXED = 16;

/** Values of one Kind, with the counter they go out with. */
export interface OutgoingKind {
	readonly kind: number;
	readonly generation: number;
	readonly entries: readonly Entry[];
}

/** Cuts values into requests: greedy, in order, at least one value in each. */
export class Cutter {
	readonly #world: StorageWorld;
	readonly #resource: Uint8Array;
	readonly #replicaNumber: number;
	readonly #wallMs: number;
	readonly #maxBytes: number;
	readonly #done: OutgoingStore[] = [];
	#kinds: StoreKindData[] = [];
	#certificates: CertificateList;
	#octets = 0;
	#values = 0;

	constructor(world: StorageWorld, resource: Uint8Array, replicaNumber: number, wallMs: number, maxBytes: number) {
		this.#world = world;
		this.#resource = resource;
		this.#replicaNumber = replicaNumber;
		this.#wallMs = wallMs;
		this.#maxBytes = maxBytes;
		this.#certificates = new CertificateList(world);
		this.#begin();
	}

	#begin(): void {
		this.#kinds = [];
		this.#certificates = new CertificateList(this.#world);
		this.#octets = 1 + this.#resource.length + 1 + 4;
		this.#values = 0;
	}

	/** All values of one Kind. */
	add(outgoing: OutgoingKind): void {
		let values: StoredData[] | undefined;
		for (const entry of outgoing.entries) {
			const needed =
				encodedOctets(entry) + this.#certificates.octetsFor(entry) + (values === undefined ? KIND_DATA_FIXED : 0);
			const isFull =
				this.#octets + this.#certificates.octets + needed > this.#maxBytes ||
				this.#values >= this.#world.limits.maxValuesPerRequest;
			if (isFull && this.#values > 0) {
				this.#close();
				values = undefined;
			}
			if (values === undefined) {
				values = [];
				this.#kinds.push({ kind: outgoing.kind, generationCounter: outgoing.generation, values });
				this.#octets += KIND_DATA_FIXED;
			}
			values.push(passedOn(entry, this.#wallMs));
			this.#octets += encodedOctets(entry);
			this.#values++;
			this.#certificates.add(entry);
		}
	}

	#close(): void {
		this.#done.push({
			request: { resource: this.#resource, replicaNumber: this.#replicaNumber, kindData: this.#kinds },
			certificates: this.#certificates.ders,
		});
		this.#begin();
	}

	/** The requests; none when nothing was added. */
	finish(): OutgoingStore[] {
		if (this.#values > 0) this.#close();
		return this.#done;
	}
}
