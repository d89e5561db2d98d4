/**
 * Records in flash that a power cut cannot spoil. NVS replaces a value of one entry at once, but not a value of several pages, and a worn
 * page gives back what it likes; so each record has two slots, written in turn, and each slot says whether it is whole:
 *
 *     <key>.a, <key>.b      sequence (4) | parts (1) | length (4) | checksum (4) | first octets
 *     <key>.a1, <key>.a2    further octets, written before the slot that names them
 *
 * The larger sequence with a right checksum is the record. A cut during `set` leaves the other slot untouched.
 */
import type { FlashStore } from "../device.ts";
import { MAX_FLASH_PART, MAX_FLASH_PARTS } from "./limits.ts";

/** As much of the key-value store as is used; `embedded:storage/key-value` answers it. */
export interface KeyValue {
	read(key: string): ArrayBuffer | undefined;
	write(key: string, value: Uint8Array): void;
	delete(key: string): void;
}

const HEAD = 13;
const SLOTS: readonly string[] = Object.freeze(["a", "b"]);
/** Keys of NVS have 15 characters; two are ours. */
const MAX_KEY = 13;
/** Longer keys of the product keep their first characters and a hash of the rest. */
const KEPT = 8;

interface Slot {
	readonly index: number;
	readonly sequence: number;
	readonly value: Uint8Array | undefined;
	readonly parts: number;
}

export class PowerSafeStore implements FlashStore {
	readonly #values: KeyValue;

	constructor(values: KeyValue) {
		this.#values = values;
	}

	get(key: string): Uint8Array | undefined {
		const name = nameOf(key);
		const newest = newer(this.#slot(name, 0), this.#slot(name, 1));
		// A record that was deleted has no octets at all; one that is empty has a head.
		return newest?.parts === 0 ? undefined : newest?.value;
	}

	set(key: string, value: Uint8Array): boolean {
		const parts = Math.max(1, Math.ceil((value.length + HEAD) / MAX_FLASH_PART));
		if (parts > MAX_FLASH_PARTS) return false;
		return this.#write(nameOf(key), value, parts);
	}

	delete(key: string): void {
		const name = nameOf(key);
		if (this.#slot(name, 0) === undefined && this.#slot(name, 1) === undefined) return;
		// The one that goes last is the one that counts: were the newer removed first, a cut would bring the older one back.
		if (!this.#write(name, new Uint8Array(0), 0)) this.#remove(name, 1);
		const newest = newer(this.#slot(name, 0), this.#slot(name, 1));
		this.#remove(name, newest?.index === 0 ? 1 : 0);
		this.#remove(name, newest?.index ?? 0);
	}

	#write(name: string, value: Uint8Array, parts: number): boolean {
		const a = this.#slot(name, 0);
		const b = this.#slot(name, 1);
		const newest = newer(a, b);
		const index = newest?.index === 0 ? 1 : 0;
		const slot = name + SLOTS[index]!;
		try {
			// The head goes last: without it the further parts are nothing.
			for (let part = parts - 1; part > 0; part--) {
				const from = part * MAX_FLASH_PART - HEAD;
				this.#values.write(slot + String(part), value.subarray(from, Math.min(from + MAX_FLASH_PART, value.length)));
			}
			this.#values.write(slot, headed(((newest?.sequence ?? 0) + 1) >>> 0, parts, value));
		} catch {
			// Full or worn: the other slot holds what was.
			return false;
		}
		const written = this.#slot(name, index);
		return written?.value !== undefined && written.parts === parts && written.value.length === value.length;
	}

	#remove(name: string, index: number): void {
		try {
			this.#values.delete(name + SLOTS[index]!);
			for (let part = 1; part < MAX_FLASH_PARTS; part++) {
				const key = name + SLOTS[index]! + String(part);
				if (this.#values.read(key) !== undefined) this.#values.delete(key);
			}
		} catch {
			// A page that cannot be written: what is left has the lower sequence, or is found damaged.
		}
	}

	/** Undefined: nothing there that counts. */
	#slot(name: string, index: number): Slot | undefined {
		const first = this.#read(name + SLOTS[index]!);
		if (first === undefined || first.length < HEAD) return undefined;
		const view = new DataView(first.buffer, first.byteOffset, first.length);
		const parts = view.getUint8(4);
		const length = view.getUint32(5);
		if (parts > MAX_FLASH_PARTS || length > parts * MAX_FLASH_PART) return undefined;
		const value = new Uint8Array(length);
		let at = Math.min(length, first.length - HEAD);
		value.set(first.subarray(HEAD, HEAD + at));
		for (let part = 1; part < parts; part++) {
			const more = this.#read(name + SLOTS[index]! + String(part));
			if (more === undefined || at + more.length > length) return undefined;
			value.set(more, at);
			at += more.length;
		}
		const sequence = view.getUint32(0);
		if (at !== length || view.getUint32(9) !== checksum(sequence, parts, value)) return undefined;
		return { index, sequence, value, parts };
	}

	#read(key: string): Uint8Array | undefined {
		try {
			const value = this.#values.read(key);
			return value === undefined ? undefined : new Uint8Array(value);
		} catch {
			return undefined;
		}
	}
}

function headed(sequence: number, parts: number, value: Uint8Array): Uint8Array {
	const first = new Uint8Array(Math.min(HEAD + value.length, MAX_FLASH_PART));
	const view = new DataView(first.buffer);
	view.setUint32(0, sequence);
	view.setUint8(4, parts);
	view.setUint32(5, value.length);
	view.setUint32(9, checksum(sequence, parts, value));
	first.set(value.subarray(0, first.length - HEAD), HEAD);
	return first;
}

/** Sequences wrap after 2^32 writes; the larger is the one less than half of that ahead. */
function newer(a: Slot | undefined, b: Slot | undefined): Slot | undefined {
	if (a === undefined || b === undefined) return a ?? b;
	return (a.sequence - b.sequence) >>> 0 < 0x8000_0000 ? a : b;
}

function nameOf(key: string): string {
	if (key.length < MAX_KEY) return `${key}.`;
	let hash = 0x811c9dc5;
	for (let i = KEPT; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
	return `${key.slice(0, KEPT)}${(hash >>> 16).toString(16).padStart(4, "0")}.`;
}

/** CRC-32 (IEEE 802.3) of sequence, parts and value; by nibbles, since a table of 256 words would cost a kilobyte. */
export function checksum(sequence: number, parts: number, value: Uint8Array): number {
	let crc = 0xffff_ffff;
	crc = step(crc, sequence >>> 24);
	crc = step(crc, (sequence >>> 16) & 0xff);
	crc = step(crc, (sequence >>> 8) & 0xff);
	crc = step(crc, sequence & 0xff);
	crc = step(crc, parts);
	for (let i = 0; i < value.length; i++) crc = step(crc, value[i]!);
	return ~crc >>> 0;
}

const NIBBLES: readonly number[] = Object.freeze([
	0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320,
	0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
]);

function step(crc: number, octet: number): number {
	const first = NIBBLES[(crc ^ octet) & 15]! ^ (crc >>> 4);
	return NIBBLES[(first ^ (octet >>> 4)) & 15]! ^ (first >>> 4);
}
