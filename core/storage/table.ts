/**
 * The values in memory, by Resource-ID and Kind, with the sums that the limits look at. Every change goes through here and is
 * written to the journal, so memory and disk cannot disagree about what should be there.
 */
import { toHex } from "../wire/bytes.ts";
import type { CertificateShelf } from "./certificates.ts";
import { chargedOctets, type Entry, entryRecord, isLive, type Place } from "./entry.ts";
import type { Journal } from "./journal.ts";

/** Records: `storage/v/<Resource-ID>/<Kind-ID>/<row>` -> EntryRecord, `storage/k/<Resource-ID>/<Kind-ID>` -> {generation}. */
export const VALUE_PREFIX = "storage/v/";
export const SLOT_PREFIX = "storage/k/";

export interface SlotRecord {
	readonly generation: number;
}

/** One Kind at one Resource-ID. */
export interface Slot {
	readonly kind: number;
	generation: number;
	/** First number of a record not used yet. */
	nextRow: number;
	readonly entries: Map<Place, Entry>;
}

/** One Resource-ID. */
export interface Resource {
	readonly id: Uint8Array;
	readonly hex: string;
	readonly slots: Map<number, Slot>;
}

interface Sum {
	values: number;
	octets: number;
}

/** Who is charged for a value: the user name, since one user may have many Node-IDs; without one the first Node-ID. */
export function chargedTo(entry: Entry): string {
	return entry.userName === "" ? toHex(entry.nodeIds[0]!) : entry.userName;
}

/** Eight hex digits, so that keys sort by number. */
export function hex32(value: number): string {
	return (value + 0x100000000).toString(16).slice(1);
}

export class ValueTable {
	readonly #journal: Journal;
	readonly #shelf: CertificateShelf;
	readonly #resources = new Map<string, Resource>();
	readonly #signers = new Map<string, Sum>();
	readonly #kinds = new Map<number, number>();
	#values = 0;
	#octets = 0;
	/** No live value ends before this; values removed since may leave it too early. */
	#earliestMs = Number.POSITIVE_INFINITY;

	constructor(journal: Journal, shelf: CertificateShelf) {
		this.#journal = journal;
		this.#shelf = shelf;
	}

	get values(): number {
		return this.#values;
	}

	get octets(): number {
		return this.#octets;
	}

	get resourceCount(): number {
		return this.#resources.size;
	}

	get earliestMs(): number {
		return this.#earliestMs;
	}

	signerSum(signer: string): Readonly<Sum> {
		return this.#signers.get(signer) ?? NO_SUM;
	}

	kindCounts(): ReadonlyArray<readonly [number, number]> {
		return Array.from(this.#kinds);
	}

	resource(hex: string): Resource | undefined {
		return this.#resources.get(hex);
	}

	slot(hex: string, kind: number): Slot | undefined {
		return this.#resources.get(hex)?.slots.get(kind);
	}

	all(): IterableIterator<Resource> {
		return this.#resources.values();
	}

	/** Makes room for values: the Kind at this resource, with no values yet if it is new. */
	open(id: Uint8Array, hex: string, kind: number): Slot {
		let resource = this.#resources.get(hex);
		if (resource === undefined) {
			resource = { id: id.slice(), hex, slots: new Map() };
			this.#resources.set(hex, resource);
		}
		let slot = resource.slots.get(kind);
		if (slot === undefined) {
			slot = { kind, generation: 0, nextRow: 0, entries: new Map() };
			resource.slots.set(kind, slot);
		}
		return slot;
	}

	/** Puts an entry in its place; what stood there goes. `ders`: the certificates it names, in that order. */
	set(hex: string, slot: Slot, place: Place, entry: Entry, ders: readonly Uint8Array[]): void {
		const before = slot.entries.get(place);
		// First in, then out: a certificate that both need stays.
		for (let i = 0; i < ders.length; i++) this.#shelf.retain(entry.certificates[i]!, ders[i]!);
		if (before !== undefined) this.#uncount(slot.kind, before);
		this.#count(slot, place, entry);
		this.#journal.put(valueKey(hex, slot.kind, entry.row), entryRecord(entry));
	}

	/** As `set`, for an entry found on disk together with its certificates. */
	restore(slot: Slot, place: Place, entry: Entry): void {
		for (const hash of entry.certificates) this.#shelf.reuse(hash);
		slot.nextRow = Math.max(slot.nextRow, entry.row + 1);
		this.#count(slot, place, entry);
	}

	#count(slot: Slot, place: Place, entry: Entry): void {
		slot.entries.set(place, entry);
		const octets = chargedOctets(entry);
		const signer = chargedTo(entry);
		const sum = this.#signers.get(signer);
		if (sum === undefined) this.#signers.set(signer, { values: 1, octets });
		else {
			sum.values++;
			sum.octets += octets;
		}
		this.#kinds.set(slot.kind, (this.#kinds.get(slot.kind) ?? 0) + 1);
		this.#values++;
		this.#octets += octets;
		if (entry.expiresMs < this.#earliestMs) this.#earliestMs = entry.expiresMs;
	}

	#uncount(kind: number, entry: Entry): void {
		const octets = chargedOctets(entry);
		const signer = chargedTo(entry);
		const sum = this.#signers.get(signer)!;
		sum.values--;
		sum.octets -= octets;
		if (sum.values === 0) this.#signers.delete(signer);
		const ofKind = this.#kinds.get(kind)! - 1;
		if (ofKind === 0) this.#kinds.delete(kind);
		else this.#kinds.set(kind, ofKind);
		this.#values--;
		this.#octets -= octets;
		for (const hash of entry.certificates) this.#shelf.release(hash);
	}

	/** The counter of a Kind at a resource; the record is written when it changes. */
	setGeneration(hex: string, slot: Slot, generation: number): void {
		if (slot.generation === generation) {
			this.#journal.again(slotKey(hex, slot.kind));
			return;
		}
		slot.generation = generation;
		this.#journal.put(slotKey(hex, slot.kind), { generation });
	}

	/** Everything about one value goes to disk with the next batch unless it is there already. */
	writeAgain(hex: string, slot: Slot, entry: Entry): void {
		this.#journal.again(valueKey(hex, slot.kind, entry.row));
		this.#journal.again(slotKey(hex, slot.kind));
		for (const hash of entry.certificates) this.#shelf.again(hash);
	}

	/** Removes the entries for which `drop` is true, then what has become empty. Gives their number. */
	sweep(drop: (entry: Entry, kind: number) => boolean): number {
		let dropped = 0;
		for (const resource of this.#resources.values()) dropped += this.sweepResource(resource, drop);
		return dropped;
	}

	/** As `sweep`, in one resource. */
	sweepResource(resource: Resource, drop: (entry: Entry, kind: number) => boolean): number {
		let dropped = 0;
		for (const slot of resource.slots.values()) {
			for (const [place, entry] of slot.entries) {
				if (!drop(entry, slot.kind)) continue;
				slot.entries.delete(place);
				this.#uncount(slot.kind, entry);
				this.#journal.remove(valueKey(resource.hex, slot.kind, entry.row));
				dropped++;
			}
			this.#closeIfEmpty(resource, slot);
		}
		return dropped;
	}

	#closeIfEmpty(resource: Resource, slot: Slot): void {
		if (slot.entries.size > 0) return;
		resource.slots.delete(slot.kind);
		this.#journal.remove(slotKey(resource.hex, slot.kind));
		if (resource.slots.size === 0) this.#resources.delete(resource.hex);
	}

	/** Looks at all values for the next one to end; those that have ended by `wallMs` are removed first. Gives their number. */
	expire(wallMs: number): number {
		let earliestMs = Number.POSITIVE_INFINITY;
		const dropped = this.sweep((entry) => {
			if (!isLive(entry, wallMs)) return true;
			if (entry.expiresMs < earliestMs) earliestMs = entry.expiresMs;
			return false;
		});
		this.#earliestMs = earliestMs;
		return dropped;
	}
}

const NO_SUM: Readonly<Sum> = Object.freeze({ values: 0, octets: 0 });

export function valueKey(hex: string, kind: number, row: number): string {
	return `${VALUE_PREFIX}${hex}/${hex32(kind)}/${hex32(row)}`;
}

export function slotKey(hex: string, kind: number): string {
	return `${SLOT_PREFIX}${hex}/${hex32(kind)}`;
}
