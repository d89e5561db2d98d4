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

/** A changed record: its key (as UTF-8 keeps it), and the value as CBOR or `undefined` when it is removed. */
export type Change = readonly [key: string, bytes: Uint8Array | undefined];

/** A batch ready to be written. */
export interface EncodedBatch {
	/** In order: a record that is put and removed is removed. */
	readonly changes: readonly Change[];
	/** Octets of all values. */
	readonly octets: number;
}

/** Encodes a whole batch before any of it is written; a reason in words when some of it cannot be stored. */
export function encodeBatch(batch: RecordBatch): EncodedBatch | string {
	const changes: Change[] = [];
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
		changes.push([name, bytes]);
		octets += bytes.length;
	}
	for (const key of batch.remove) {
		const name = encodeKey(key);
		if (name === undefined) return notAKey(key);
		changes.push([name, undefined]);
	}
	return { changes, octets };
}

function encodeKey(key: string): string | undefined {
	if (key.length === 0 || key.length > RECORD_KEY_OCTETS) return undefined;
	const name = Buffer.from(key);
	return name.length <= RECORD_KEY_OCTETS ? asStored(key, name) : undefined;
}

/** The key as it is found again: half a surrogate pair becomes U+FFFD. */
function asStored(key: string, name: Buffer): string {
	return name.length === key.length ? key : name.toString();
}

/** As a key of a batch is stored; what `get` and `entries` look for. */
export function storedKey(key: string): string {
	return asStored(key, Buffer.from(key));
}

/** The order of the store on disk: by the octets of the key's UTF-8. */
export function byOctets(a: string, b: string): number {
	return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function notAKey(key: string): string {
	return `not a record key (1 to ${RECORD_KEY_OCTETS} octets): ${shown(key)}`;
}

function shown(key: string): string {
	return JSON.stringify(key.slice(0, 80));
}
