/**
 * The log in front of the store: a change is safe once it stands here, after one write to one place, where lmdb's commit needs half a
 * dozen pages and two flushes. lmdb takes over many changes at once, later; what it has not got is read from here after a crash.
 *
 *   | frame 7 | frame 8 ...... | free ... | frame 5 ...... | frame 6 |     a ring of slots of 4 KiB; frame 5 is the oldest that
 *                              ^ next                                      lmdb has not taken over
 *   frame    magic 4 | payload octets 4 | sequence 8 | store 16 | checksum 16 | payload
 *   payload  CBOR [[key, value octets or null], ...]: whole batches, in order
 *
 * A frame begins a slot of its own, so no write touches what was acknowledged before. Only the newest frame can be torn, and then
 * nobody was told of it: its checksum fails, and it is as if it had never been.
 */
import { createHash, randomBytes } from "node:crypto";
import { closeSync, constants, fsyncSync, openSync, readFileSync, write, writeSync } from "node:fs";
import { RECORD_LOG_OCTETS } from "./limits.ts";
import { type Change, decodeRecord, encodeRecord } from "./record-codec.ts";

/** How far lmdb has come; kept there, in the transaction that takes over. */
export interface LogMark {
	/** Tells the frames of these data from those of others. */
	readonly store: Uint8Array;
	/** The last frame that lmdb has. */
	readonly sequence: number;
}

export function newLogMark(): LogMark {
	return { store: new Uint8Array(randomBytes(STORE_OCTETS)), sequence: 0 };
}

/** Reads a mark that was stored; `undefined` when it is none. */
export function readLogMark(value: unknown): LogMark | undefined {
	if (typeof value !== "object" || value === null) return undefined;
	const { store, sequence } = value as Record<string, unknown>;
	if (!(store instanceof Uint8Array) || store.length !== STORE_OCTETS || typeof sequence !== "number") return undefined;
	return { store, sequence };
}

/** The changes of one write, as they are found again. */
export interface LogFrame {
	readonly sequence: number;
	readonly changes: readonly Change[];
}

const SLOT = 4_096;
const SLOTS = RECORD_LOG_OCTETS / SLOT;
const MAGIC = 0x526c6f67;
const CHECKSUM_AT = 32;
const HEADER = 48;
const STORE_OCTETS = 16;

/** Payload octets of a frame that fits an empty log, and leaves room for others. */
export const FRAME_OCTETS = RECORD_LOG_OCTETS / 4 - HEADER;

/** Makes the file: all of it is written once, so that later writes change no file length and no list of blocks. */
export function makeLog(path: string): void {
	const file = openSync(path, "w", 0o600);
	try {
		writeSync(file, new Uint8Array(RECORD_LOG_OCTETS));
		fsyncSync(file);
	} finally {
		closeSync(file);
	}
}

/**
 * The frames that lmdb has not got; without a gap, in order. A fault in words when later ones are there and the next one is not: then
 * the log is not the one of these data.
 */
export function readLog(path: string, { store, sequence: taken }: LogMark): LogFrame[] | string {
	const octets = readFileSync(path);
	const found: LogFrame[] = [];
	for (let at = 0; at + HEADER <= octets.length; at += SLOT) {
		const frame = readFrame(octets, at, store, taken);
		if (frame !== undefined) found.push(frame);
	}
	found.sort((a, b) => a.sequence - b.sequence);
	for (const [i, { sequence }] of found.entries()) {
		if (sequence !== taken + 1 + i) return `change ${taken + 1 + i} is missing in ${path}, ${sequence} is there`;
	}
	return found;
}

/** The frame at `at`, when it is a whole one of this store and newer than `taken`. */
function readFrame(octets: Buffer, at: number, store: Uint8Array, taken: number): LogFrame | undefined {
	if (octets.readUInt32BE(at) !== MAGIC) return undefined;
	const length = octets.readUInt32BE(at + 4);
	const sequence = octets.readDoubleBE(at + 8);
	const end = at + HEADER + length;
	if (end > octets.length || !(sequence > taken)) return undefined;
	if (octets.compare(store, 0, STORE_OCTETS, at + 16, at + 16 + STORE_OCTETS) !== 0) return undefined;
	if (checksum(octets.subarray(at, end)).compare(octets, at + CHECKSUM_AT, at + HEADER) !== 0) return undefined;
	const payload = octets.subarray(at + HEADER, end);
	const changes = decodeRecord("log", payload) as readonly (readonly [string, Uint8Array | null])[];
	return { sequence, changes: changes.map(([key, bytes]) => [key, bytes ?? undefined] as const) };
}

/** Of everything in the frame but the checksum itself. */
function checksum(frame: Uint8Array): Buffer {
	const hash = createHash("sha256").update(frame.subarray(0, CHECKSUM_AT)).update(frame.subarray(HEADER));
	return hash.digest().subarray(0, HEADER - CHECKSUM_AT);
}

/** The payload of changes. */
export function encodeChanges(changes: readonly Change[]): Uint8Array {
	return encodeRecord(changes.map(([key, bytes]) => [key, bytes ?? null]));
}

/** Writes frames; one at a time, as the owner sees to. */
export class RecordLog {
	readonly #file: number;
	readonly #store: Uint8Array;
	/** Frames that lmdb has not got, oldest first. */
	#live: { readonly sequence: number; readonly slot: number; readonly slots: number }[] = [];
	/** First slot behind the newest frame. */
	#next = 0;

	/** The file exists (`makeLog`), and lmdb has everything that stands in it. */
	constructor(path: string, store: Uint8Array) {
		// O_DSYNC: a write returns when its octets are on the disk.
		this.#file = openSync(path, constants.O_RDWR | constants.O_DSYNC);
		this.#store = store;
	}

	/** The first of enough free slots in a row, or -1. */
	#place(slots: number): number {
		const oldest = this.#live[0]?.slot;
		// Frames do not wrap: the last slots stay empty when the next one is longer.
		if (oldest !== undefined && this.#next <= oldest) return oldest - this.#next >= slots ? this.#next : -1;
		if (SLOTS - this.#next >= slots) return this.#next;
		return (oldest ?? SLOTS) >= slots ? 0 : -1;
	}

	/** True when a frame with this payload can be written now. */
	hasRoom(payload: Uint8Array): boolean {
		return this.#place(slotsOf(payload)) >= 0;
	}

	/** More than half of the slots hold what lmdb has not got. */
	get isHalfFull(): boolean {
		let used = 0;
		for (const { slots } of this.#live) used += slots;
		return used > SLOTS / 2;
	}

	/** Writes a frame; `hasRoom` was true. `done` is called later: it is on the disk, or why that is not known. */
	append(sequence: number, payload: Uint8Array, done: (error?: string) => void): void {
		const slots = slotsOf(payload);
		const slot = this.#place(slots);
		this.#live.push({ sequence, slot, slots });
		this.#next = slot + slots;
		const frame = Buffer.alloc(HEADER + payload.length);
		frame.writeUInt32BE(MAGIC, 0);
		frame.writeUInt32BE(payload.length, 4);
		frame.writeDoubleBE(sequence, 8);
		frame.set(this.#store, 16);
		frame.set(payload, HEADER);
		frame.set(checksum(frame), CHECKSUM_AT);
		this.#write(frame, slot * SLOT, done);
	}

	#write(octets: Buffer, at: number, done: (error?: string) => void): void {
		write(this.#file, octets, 0, octets.length, at, (error, count) => {
			if (error !== null) done(error.message);
			else if (count < octets.length) this.#write(octets.subarray(count), at + count, done);
			else done();
		});
	}

	/** lmdb has everything up to this frame. */
	release(sequence: number): void {
		this.#live = this.#live.filter((frame) => frame.sequence > sequence);
	}

	close(): void {
		closeSync(this.#file);
	}
}

function slotsOf(payload: Uint8Array): number {
	return Math.ceil((HEADER + payload.length) / SLOT);
}
