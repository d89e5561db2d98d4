/**
 * From records back to a table. A record that cannot be understood is counted, left out and removed from disk with the next batch;
 * it never stops a start. Signatures are not verified here: readers do that, and the octets are those that were verified.
 */
import { fromHex, toHex } from "../wire/bytes.ts";
import { CERTIFICATE_PREFIX, type CertificateRecord } from "./certificates.ts";
import { type Entry, isLive, placeOf, readEntryRecord } from "./entry.ts";
import type { Journal } from "./journal.ts";
import { SLOT_PREFIX, type SlotRecord, VALUE_PREFIX } from "./table.ts";
import type { Loaded } from "./types.ts";
import type { StorageWorld } from "./world.ts";

interface Address {
	readonly id: Uint8Array;
	readonly hex: string;
	readonly kind: number;
	/** -1 in a slot's key. */
	readonly row: number;
}

/** Reads all records; see `Storage.load`. */
export function restore(
	world: StorageWorld,
	journal: Journal,
	entries: Iterable<readonly [key: string, value: unknown]>,
	wallMs: number,
): Loaded {
	const restorer = new Restorer(world, journal, wallMs);
	for (const [key, value] of entries) restorer.sort(key, value);
	restorer.build();
	return restorer.loaded(journal.take());
}

class Restorer {
	readonly #world: StorageWorld;
	readonly #journal: Journal;
	readonly #wallMs: number;
	readonly #values: (readonly [string, unknown])[] = [];
	readonly #generations = new Map<string, number>();
	#broken = 0;
	#expired = 0;

	constructor(world: StorageWorld, journal: Journal, wallMs: number) {
		this.#world = world;
		this.#journal = journal;
		this.#wallMs = wallMs;
	}

	/** First pass: values may come before their certificates. */
	sort(key: string, value: unknown): void {
		if (key.startsWith(VALUE_PREFIX)) this.#values.push([key, value]);
		else if (key.startsWith(CERTIFICATE_PREFIX)) this.#certificate(key, value);
		else if (key.startsWith(SLOT_PREFIX)) this.#slot(key, value);
		else this.#drop(key);
	}

	#drop(key: string): void {
		this.#broken++;
		this.#journal.remove(key);
	}

	#certificate(key: string, value: unknown): void {
		const record = value as Partial<CertificateRecord> | null | undefined;
		const der =
			typeof record === "object" && record?.der instanceof Uint8Array ? new Uint8Array(record.der) : undefined;
		const hash = key.slice(CERTIFICATE_PREFIX.length);
		if (der === undefined || toHex(this.#world.options.sha256(der)) !== hash) this.#drop(key);
		else this.#world.shelf.restore(hash, der);
	}

	#slot(key: string, value: unknown): void {
		const address = this.#address(key.slice(SLOT_PREFIX.length), false);
		const generation = (value as Partial<SlotRecord> | null | undefined)?.generation;
		const isGood = typeof generation === "number" && Number.isSafeInteger(generation) && generation > 0;
		if (address === undefined || !isGood || generation > this.#world.limits.maxGeneration) this.#drop(key);
		else this.#generations.set(key, generation);
	}

	build(): void {
		for (const [key, value] of this.#values) this.#value(key, value);
		for (const [key, generation] of this.#generations) {
			const address = this.#address(key.slice(SLOT_PREFIX.length), false)!;
			const slot = this.#world.table.slot(address.hex, address.kind);
			if (slot !== undefined) slot.generation = generation;
			else this.#journal.remove(key);
		}
		this.#mendCounters();
		this.#world.shelf.dropUnused();
	}

	/** A counter whose record is lost: one that cannot have been seen for other contents. */
	#mendCounters(): void {
		for (const resource of this.#world.table.all()) {
			for (const slot of resource.slots.values()) {
				if (slot.generation > 0) continue;
				this.#broken++;
				this.#world.table.setGeneration(resource.hex, slot, Math.max(1, Math.floor(this.#wallMs / 1000)));
			}
		}
	}

	#value(key: string, value: unknown): void {
		const address = this.#address(key.slice(VALUE_PREFIX.length), true);
		const definition = address === undefined ? undefined : this.#world.options.kinds(address.kind);
		const { nodeIdLength } = this.#world.options;
		const entry =
			address === undefined || definition === undefined
				? undefined
				: readEntryRecord(value, definition.dataModel, nodeIdLength, address.row);
		if (address === undefined || entry === undefined || !this.#hasCertificates(entry)) {
			this.#drop(key);
			return;
		}
		if (!isLive(entry, this.#wallMs)) {
			this.#expired++;
			this.#journal.remove(key);
			return;
		}
		const place = placeOf(entry.stored.value);
		const { table } = this.#world;
		// Two records for one place are no writing of ours; the first one stays.
		if (table.slot(address.hex, address.kind)?.entries.has(place)) this.#drop(key);
		else table.restore(table.open(address.id, address.hex, address.kind), place, entry);
	}

	#hasCertificates(entry: Entry): boolean {
		for (const hash of entry.certificates) if (!this.#world.shelf.has(hash)) return false;
		return entry.certificates.length > 0;
	}

	/** `<Resource-ID>/<Kind-ID>[/<row>]` in hex, as we write it and in no other way. */
	#address(text: string, withRow: boolean): Address | undefined {
		const digits = 2 * this.#world.options.nodeIdLength;
		if (text.length !== digits + (withRow ? 18 : 9)) return undefined;
		const hex = text.slice(0, digits);
		const id = fromHex(hex);
		const kind = readHex32(text.slice(digits + 1, digits + 9));
		const row = withRow ? readHex32(text.slice(digits + 10)) : -1;
		if (id === undefined || kind === undefined || row === undefined) return undefined;
		if (text[digits] !== "/" || (withRow && text[digits + 9] !== "/") || toHex(id) !== hex) return undefined;
		return { id, hex, kind, row };
	}

	loaded(change: Loaded["change"]): Loaded {
		return { values: this.#world.table.values, broken: this.#broken, expired: this.#expired, change };
	}
}

function readHex32(text: string): number | undefined {
	const bytes = fromHex(text);
	if (bytes === undefined || bytes.length !== 4 || toHex(bytes) !== text) return undefined;
	return new DataView(bytes.buffer).getUint32(0);
}
