/** Records as CBOR (RFC 8949), by cbor-x: plain maps, so that any CBOR reader can look at them. */
import { Encoder } from "cbor-x";
import type { RecordBatch } from "../hal.ts";
import { RECORD_KEY_OCTETS, RECORD_VALUE_OCTETS } from "./limits.ts";

const cbor = new Encoder({
	useRecords: false,
	mapsAsObjects: true,
	tagUint8Array: false,
	variableMapSize: true,
	// Byte strings come out as copies: a view would hold the whole record (and, from lmdb, memory it reuses).
	copyBuffers: true,
} as ConstructorParameters<typeof Encoder>[0]);

/** The octets of a value; they are the caller's. */
export function encodeRecord(value: unknown): Uint8Array {
	return new Uint8Array(cbor.encode(value));
}

/** The value of octets `encodeRecord` made. Throws one clear error for anything else. */
export function decodeRecord(key: string, bytes: Uint8Array): unknown {
	try {
		// Over a plain Uint8Array, so that the byte strings inside come out as such and not as Buffers.
		return cbor.decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) as Buffer);
	} catch (error) {
		throw new Error(`record store: the record ${JSON.stringify(key)} is damaged`, { cause: error });
	}
}

/** A batch ready to be written: keys as UTF-8, values as CBOR. */
export interface EncodedBatch {
	readonly put: ReadonlyArray<readonly [key: Buffer, bytes: Uint8Array]>;
	readonly remove: readonly Buffer[];
	/** Octets of all values. */
	readonly octets: number;
}

/** Encodes a whole batch before any of it is written; a reason in words when some of it cannot be stored. */
export function encodeBatch(batch: RecordBatch): EncodedBatch | string {
	const put: [Buffer, Uint8Array][] = [];
	const remove: Buffer[] = [];
	let octets = 0;
	for (const [key, value] of batch.put) {
		const name = encodeKey(key);
		if (name === undefined) return notAKey(key);
		let bytes: Uint8Array;
		try {
			bytes = encodeRecord(value);
		} catch (error) {
			return `the record ${shown(key)} is not plain data: ${(error as Error).message}`;
		}
		if (bytes.length > RECORD_VALUE_OCTETS) return `the record ${shown(key)} is too large: ${bytes.length} octets`;
		put.push([name, bytes]);
		octets += bytes.length;
	}
	for (const key of batch.remove) {
		const name = encodeKey(key);
		if (name === undefined) return notAKey(key);
		remove.push(name);
	}
	return { put, remove, octets };
}

function encodeKey(key: string): Buffer | undefined {
	if (key.length === 0 || key.length > RECORD_KEY_OCTETS) return undefined;
	const name = Buffer.from(key);
	return name.length <= RECORD_KEY_OCTETS ? name : undefined;
}

function notAKey(key: string): string {
	return `not a record key (1 to ${RECORD_KEY_OCTETS} octets): ${shown(key)}`;
}

function shown(key: string): string {
	return JSON.stringify(key.slice(0, 80));
}
