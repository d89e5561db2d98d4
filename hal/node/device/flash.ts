/**
 * Flash of a device on a PC: one directory, two files per key, so that a cut at any instant leaves the old value or the new one.
 *
 *   key.0, key.1:  counter (4) | SHA-256 of the rest (8 octets of it) | value        the valid one with the larger counter counts
 */
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { FlashStore } from "../../device.ts";
import { FLASH_KEY_CHARACTERS, FLASH_VALUE_OCTETS } from "./limits.ts";

const COUNTER_OCTETS = 4;
const DIGEST_OCTETS = 8;
const HEAD_OCTETS = COUNTER_OCTETS + DIGEST_OCTETS;

interface Slot {
	readonly counter: number;
	readonly value: Uint8Array;
}

export class FileFlash implements FlashStore {
	readonly #directory: string;
	/** For tests: what is asked before a write; false is a worn or full flash. */
	mayWrite: (key: string, octets: number) => boolean = () => true;

	/** The directory is made when it is missing. */
	constructor(directory: string) {
		this.#directory = directory;
		mkdirSync(directory, { recursive: true, mode: 0o700 });
	}

	get(key: string): Uint8Array | undefined {
		return this.#newest(key)?.slot.value;
	}

	set(key: string, value: Uint8Array): boolean {
		if (!isKey(key) || value.length > FLASH_VALUE_OCTETS || !this.mayWrite(key, value.length)) return false;
		const newest = this.#newest(key);
		const counter = ((newest?.slot.counter ?? 0) + 1) >>> 0;
		const record = new Uint8Array(HEAD_OCTETS + value.length);
		new DataView(record.buffer).setUint32(0, counter);
		record.set(value, HEAD_OCTETS);
		record.set(digest(counter, value), COUNTER_OCTETS);
		try {
			this.#write(this.#path(key, newest === undefined ? 0 : 1 - newest.index), record);
		} catch {
			// A full or read-only disk is a full flash: the old value stands.
			return false;
		}
		return true;
	}

	delete(key: string): void {
		if (!isKey(key)) return;
		// The older one first, or it would come back to life.
		const newest = this.#newest(key)?.index ?? 0;
		rmSync(this.#path(key, 1 - newest), { force: true });
		rmSync(this.#path(key, newest), { force: true });
	}

	#path(key: string, index: number): string {
		return join(this.#directory, `${key}.${index}`);
	}

	#write(path: string, record: Uint8Array): void {
		const file = openSync(path, "w", 0o600);
		try {
			writeSync(file, record);
			fsyncSync(file);
		} finally {
			closeSync(file);
		}
	}

	#newest(key: string): { slot: Slot; index: number } | undefined {
		if (!isKey(key)) return undefined;
		const [first, second] = [this.#read(key, 0), this.#read(key, 1)];
		if (first === undefined) return second && { slot: second, index: 1 };
		// Serial numbers: the counter may run over in ten years of writing.
		if (second === undefined || ((second.counter - first.counter) | 0) < 0) return { slot: first, index: 0 };
		return { slot: second, index: 1 };
	}

	#read(key: string, index: number): Slot | undefined {
		let record: Uint8Array;
		try {
			record = readFileSync(this.#path(key, index));
		} catch {
			return undefined;
		}
		if (record.length < HEAD_OCTETS || record.length > HEAD_OCTETS + FLASH_VALUE_OCTETS) return undefined;
		const counter = new DataView(record.buffer, record.byteOffset).getUint32(0);
		const value = new Uint8Array(record.subarray(HEAD_OCTETS));
		const expected = digest(counter, value);
		for (let i = 0; i < DIGEST_OCTETS; i++) if (record[COUNTER_OCTETS + i] !== expected[i]) return undefined;
		return { counter, value };
	}
}

function digest(counter: number, value: Uint8Array): Uint8Array {
	const head = new Uint8Array(COUNTER_OCTETS);
	new DataView(head.buffer).setUint32(0, counter);
	return createHash("sha256").update(head).update(value).digest().subarray(0, DIGEST_OCTETS);
}

/** As NVS of the ESP32 takes them, and harmless as file names. */
function isKey(key: string): boolean {
	return key.length > 0 && key.length <= FLASH_KEY_CHARACTERS && /^[a-z0-9-]+$/.test(key);
}
