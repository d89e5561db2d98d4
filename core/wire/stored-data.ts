/**
 * StoredData: one signed value of the overlay's store (RFC 6940 §7.1, §7.2).
 *
 *   length(4) | storage_time(8) | lifetime(4) | StoredDataValue | Signature
 *
 * The data model is not on the wire: it comes from the Kind. Lists of a Kind that is not known are kept unread.
 */
import { EMPTY } from "./bytes.ts";
import type { WireReader } from "./reader.ts";
import { encodeSignerIdentity, readSignature, type Signature, writeSignature } from "./security.ts";
import { WireWriter } from "./writer.ts";

/** RFC 6940 §7.2: SINGLE, ARRAY, DICTIONARY. */
export type DataModel = "single" | "array" | "dictionary";

/** The data model of a Kind, `undefined` for a Kind that is not known. */
export type ModelOf = (kind: number) => DataModel | undefined;

export interface DataValue {
	/** False: removed, or never there (RFC 6940 §7.4.1.3, §7.4.2.2). */
	readonly exists: boolean;
	readonly value: Uint8Array;
}

export interface SingleValue {
	readonly model: "single";
	readonly value: DataValue;
}

export interface ArrayEntry {
	readonly model: "array";
	readonly index: number;
	readonly value: DataValue;
}

export interface DictionaryEntry {
	readonly model: "dictionary";
	readonly key: Uint8Array;
	readonly value: DataValue;
}

export type StoredDataValue = SingleValue | ArrayEntry | DictionaryEntry;

export interface StoredData {
	/** Milliseconds since 1970-01-01T00:00Z, by the writer's clock. */
	readonly storageTime: number;
	/** Seconds from the moment the storing peer received it. */
	readonly lifetime: number;
	readonly value: StoredDataValue;
	readonly signature: Signature;
	/** StoredDataValue as received or as signed. Not written: `value` is. */
	readonly valueBytes: Uint8Array;
}

export function readDataValue(reader: WireReader): DataValue {
	const exists = reader.boolean();
	return { exists, value: reader.opaque32() };
}

export function writeDataValue(writer: WireWriter, value: DataValue): void {
	writer.boolean(value.exists);
	writer.opaque32(value.value);
}

export function readStoredDataValue(reader: WireReader, model: DataModel): StoredDataValue {
	switch (model) {
		case "single":
			return { model, value: readDataValue(reader) };
		case "array": {
			const index = reader.u32();
			return { model, index, value: readDataValue(reader) };
		}
		case "dictionary": {
			const key = reader.opaque16();
			return { model, key, value: readDataValue(reader) };
		}
	}
}

export function writeStoredDataValue(writer: WireWriter, value: StoredDataValue): void {
	if (value.model === "array") writer.u32(value.index);
	else if (value.model === "dictionary") writer.opaque16(value.key);
	writeDataValue(writer, value.value);
}

export function encodeStoredDataValue(value: StoredDataValue): Uint8Array {
	const writer = new WireWriter(value.value.value.length + 64);
	writeStoredDataValue(writer, value);
	return writer.take();
}

export function readStoredData(reader: WireReader, model: DataModel): StoredData {
	const outer = reader.enter(reader.u32());
	const storageTime = reader.u64();
	const lifetime = reader.u32();
	const valueAt = reader.at;
	const value = readStoredDataValue(reader, model);
	const valueBytes = reader.since(valueAt);
	const signature = readSignature(reader);
	reader.leave(outer);
	return { storageTime, lifetime, value, signature, valueBytes };
}

export function writeStoredData(writer: WireWriter, stored: StoredData): void {
	const mark = writer.open32();
	writer.u64(stored.storageTime);
	writer.u32(stored.lifetime);
	writeStoredDataValue(writer, stored.value);
	writeSignature(writer, stored.signature);
	writer.close(mark);
}

/** `StoredData values<0..2^32-1>` as it stands in several bodies: read when the Kind is known, kept unread when not. */
export interface StoredValues {
	readonly values: readonly StoredData[];
	/** The list's octets when the Kind is not known; `values` is then empty. */
	readonly raw?: Uint8Array;
}

export function readStoredValues(reader: WireReader, model: DataModel | undefined): StoredValues {
	if (model === undefined) return { values: [], raw: reader.opaque32() };
	const values: StoredData[] = [];
	const outer = reader.enter(reader.u32());
	while (reader.remaining > 0) values.push(readStoredData(reader, model));
	reader.leave(outer);
	return { values };
}

export function writeStoredValues(writer: WireWriter, list: StoredValues): void {
	const mark = writer.open32();
	if (list.raw !== undefined) writer.bytes(list.raw);
	else for (let i = 0; i < list.values.length; i++) writeStoredData(writer, list.values[i]!);
	writer.close(mark);
}

/**
 * The StoredDataValue as signed. RFC 6940 §7.1 MUST: the index of every array entry counts as zero, since a verifier cannot know
 * whether the entry was appended.
 */
export function signedValueBytes(value: StoredDataValue): Uint8Array {
	return encodeStoredDataValue(value.model === "array" ? { model: "array", index: 0, value: value.value } : value);
}

/**
 * What the signature of a stored value covers (RFC 6940 §7.1):
 * resource_id without length ([D-1]) | kind(4) | storage_time(8) | StoredDataValue (array index zero) | SignerIdentity.
 */
export function storedSignatureInput(
	resourceId: Uint8Array,
	kind: number,
	storageTime: number,
	valueBytes: Uint8Array,
	identityBytes: Uint8Array,
): Uint8Array {
	const writer = new WireWriter(resourceId.length + 12 + valueBytes.length + identityBytes.length);
	writer.bytes(resourceId);
	writer.u32(kind);
	writer.u64(storageTime);
	writer.bytes(valueBytes);
	writer.bytes(identityBytes);
	return writer.view();
}

/**
 * `storedSignatureInput` of a received or stored value. Uses `valueBytes` where they are what was signed; an array entry is
 * encoded anew with index zero, in the one encoding it has.
 */
export function storedDataSignatureInput(resourceId: Uint8Array, kind: number, stored: StoredData): Uint8Array {
	const isReceived = stored.value.model !== "array" && stored.valueBytes.length > 0;
	return storedSignatureInput(
		resourceId,
		kind,
		stored.storageTime,
		isReceived ? stored.valueBytes : signedValueBytes(stored.value),
		encodeSignerIdentity(stored.signature.identity),
	);
}

/** RFC 6940 §7.4.2.2: the value of something that is not there; [D-13]. */
export const NO_VALUE: DataValue = Object.freeze({ exists: false, value: EMPTY });
