/**
 * One stored value as the peer keeps it: its own copy of the octets, when it came, who signed it. Immutable; a change makes a new
 * one. Also its form on disk.
 */
import type { VerifiedSigner } from "../identity/verify.ts";
import { equalBytes, toHex } from "../wire/bytes.ts";
import { WireReader } from "../wire/reader.ts";
import { NO_SIGNATURE, readSignature, type Signature, writeSignature } from "../wire/security.ts";
import type { DataModel, StoredData, StoredDataValue } from "../wire/store.ts";
import { encodeStoredDataValue, NO_VALUE, readStoredDataValue } from "../wire/stored-data.ts";
import { WireWriter } from "../wire/writer.ts";
import { VALUE_OVERHEAD } from "./limits.ts";

/** Where in a Kind of a resource a value stands: 0 for single value, the index, or the key in hex. */
export type Place = number | string;

export interface Entry {
	/** As stored, with the lifetime as it was received; all octets are our own copies. */
	readonly stored: StoredData;
	readonly signatureBytes: Uint8Array;
	/** Milliseconds since 1970. */
	readonly receivedMs: number;
	/** End of the lifetime or of the signer's certificate, whichever comes first. */
	readonly expiresMs: number;
	/** End of validity of the signer's certificate. */
	readonly notAfterMs: number;
	/** Node-IDs of the signer's certificate; at least one. */
	readonly nodeIds: readonly Uint8Array[];
	readonly userName: string;
	/** SHA-256 in hex of the certificates needed to verify it. */
	readonly certificates: readonly string[];
	/** Number of its record within resource and Kind. */
	readonly row: number;
}

/** An entry on disk. */
export interface EntryRecord {
	readonly storageTime: number;
	readonly lifetime: number;
	readonly value: Uint8Array;
	readonly signature: Uint8Array;
	readonly receivedMs: number;
	readonly notAfterMs: number;
	readonly nodeIds: readonly Uint8Array[];
	readonly userName: string;
	readonly certificates: readonly string[];
}

/** storage_time and lifetime of a StoredData, and its length field. */
const STORED_DATA_FIXED = 16;
/** RFC 5280 §4.1.2.5: notAfter holds through its last second. */
const LAST_SECOND_MS = 1000;
/** {0,0}, identity none, empty value: 2 + 3 + 2. */
const NO_SIGNATURE_OCTETS = 7;

/** Makes an entry of a verified value; copies its octets (those of a certificate are kept by `Trust` and not copied). `index`: the place in an array, given or appended. */
export function makeEntry(
	stored: StoredData,
	index: number,
	signer: VerifiedSigner,
	certificates: readonly string[],
	receivedMs: number,
	row: number,
): Entry {
	const { value } = stored;
	const valueBytes = encodeStoredDataValue(
		value.model === "array" ? { model: "array", index, value: value.value } : value,
	);
	const notAfterMs = signer.certificate.notAfterMs;
	const atMs = Math.max(0, Math.floor(receivedMs));
	return {
		stored: ownStoredData(
			stored.storageTime,
			stored.lifetime,
			valueBytes,
			value.model,
			copySignature(stored.signature),
		),
		signatureBytes: encodeSignature(stored.signature),
		receivedMs: atMs,
		expiresMs: Math.min(atMs + stored.lifetime * 1000, notAfterMs + LAST_SECOND_MS),
		notAfterMs,
		nodeIds: signer.certificate.nodeIds,
		userName: signer.userName,
		certificates,
		row,
	};
}

/** `valueBytes` are our own writing or were checked, so reading them cannot fail. */
function ownStoredData(
	storageTime: number,
	lifetime: number,
	valueBytes: Uint8Array,
	model: DataModel,
	signature: Signature,
): StoredData {
	const value = readStoredDataValue(new WireReader(valueBytes), model);
	return { storageTime, lifetime, value, signature, valueBytes };
}

function encodeSignature(signature: Signature): Uint8Array {
	const writer = new WireWriter(160);
	writeSignature(writer, signature);
	return writer.take();
}

function copySignature(signature: Signature): Signature {
	return readSignature(new WireReader(encodeSignature(signature)));
}

export function entryRecord(entry: Entry): EntryRecord {
	return {
		storageTime: entry.stored.storageTime,
		lifetime: entry.stored.lifetime,
		value: entry.stored.valueBytes,
		signature: entry.signatureBytes,
		receivedMs: entry.receivedMs,
		notAfterMs: entry.notAfterMs,
		nodeIds: entry.nodeIds,
		userName: entry.userName,
		certificates: entry.certificates,
	};
}

/** An entry of a record found on disk; `undefined` when it is not one (structure only: readers verify signatures). */
export function readEntryRecord(
	record: unknown,
	model: DataModel,
	nodeIdLength: number,
	row: number,
): Entry | undefined {
	const r = record as Partial<EntryRecord> | null | undefined;
	if (typeof r !== "object" || r === null) return undefined;
	const { storageTime, lifetime, receivedMs, notAfterMs, userName, certificates } = r;
	if (!isCount(storageTime) || !isCount(lifetime) || !isCount(receivedMs) || !isCount(notAfterMs)) return undefined;
	if (lifetime > 0xffffffff || typeof userName !== "string") return undefined;
	if (!Array.isArray(certificates)) return undefined;
	for (const hash of certificates) if (typeof hash !== "string") return undefined;
	const value = octets(r.value);
	const signatureBytes = octets(r.signature);
	const nodeIds = octetStrings(r.nodeIds, nodeIdLength);
	if (value === undefined || signatureBytes === undefined || nodeIds === undefined) return undefined;
	const valueReader = new WireReader(value);
	readStoredDataValue(valueReader, model);
	valueReader.end();
	const signatureReader = new WireReader(signatureBytes);
	const signature = readSignature(signatureReader);
	signatureReader.end();
	if (valueReader.refused !== undefined || signatureReader.refused !== undefined) return undefined;
	return {
		stored: ownStoredData(storageTime, lifetime, value, model, signature),
		signatureBytes,
		receivedMs,
		expiresMs: Math.min(receivedMs + lifetime * 1000, notAfterMs + LAST_SECOND_MS),
		notAfterMs,
		nodeIds,
		userName,
		certificates,
		row,
	};
}

function isCount(value: unknown): value is number {
	return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** A copy as a plain octet string: stores may hand out Buffers or views of their own memory. */
function octets(value: unknown): Uint8Array | undefined {
	return value instanceof Uint8Array ? new Uint8Array(value) : undefined;
}

/** At least one, all of one length. */
function octetStrings(value: unknown, length: number): Uint8Array[] | undefined {
	if (!Array.isArray(value) || value.length === 0) return undefined;
	const list: Uint8Array[] = [];
	for (const element of value) {
		const bytes = octets(element);
		if (bytes?.length !== length) return undefined;
		list.push(bytes);
	}
	return list;
}

export function placeOf(value: StoredDataValue): Place {
	if (value.model === "single") return 0;
	return value.model === "array" ? value.index : toHex(value.key);
}

/** Neither its lifetime nor its signer's certificate has ended. */
export function isLive(entry: Entry, wallMs: number): boolean {
	return entry.expiresMs > wallMs;
}

/** The same value with the same signature: storing it again is a no-op (D-12). The place was compared before. */
export function isRepeat(entry: Entry, stored: StoredData): boolean {
	const ours = entry.stored;
	return (
		ours.storageTime === stored.storageTime &&
		ours.value.value.exists === stored.value.value.exists &&
		equalBytes(ours.value.value.value, stored.value.value.value) &&
		equalBytes(entry.signatureBytes, encodeSignature(stored.signature))
	);
}

/**
 * RFC 6940 §7.4.1.2 MUST: passed on with the lifetime reduced by the time it was held. Choice: rounded down to whole seconds, so
 * that no value gains life by being handed on; a clock set back gives none either.
 */
export function passedOn(entry: Entry, wallMs: number): StoredData {
	const { stored } = entry;
	const heldMs = wallMs - entry.receivedMs;
	const lifetime = heldMs <= 0 ? stored.lifetime : Math.max(0, stored.lifetime - Math.ceil(heldMs / 1000));
	return {
		storageTime: stored.storageTime,
		lifetime,
		value: stored.value,
		signature: stored.signature,
		valueBytes: stored.valueBytes,
	};
}

/** RFC 6940 §7.4.2.2, D-13: what stands for a value that was asked for and is not there. */
export function synthesized(value: StoredDataValue): StoredData {
	return { storageTime: 0, lifetime: 0, value, signature: NO_SIGNATURE, valueBytes: encodeStoredDataValue(value) };
}

export const synthesizedSingle = (): StoredData => synthesized({ model: "single", value: NO_VALUE });
export const synthesizedIndex = (index: number): StoredData => synthesized({ model: "array", index, value: NO_VALUE });
export const synthesizedKey = (key: Uint8Array): StoredData =>
	synthesized({ model: "dictionary", key, value: NO_VALUE });

/** Octets of the StoredData on the wire, its length field included. */
export function encodedOctets(entry: Entry): number {
	return STORED_DATA_FIXED + entry.stored.valueBytes.length + entry.signatureBytes.length;
}

/** As `encodedOctets`, of a synthesized one. */
export function synthesizedOctets(stored: StoredData): number {
	return STORED_DATA_FIXED + stored.valueBytes.length + NO_SIGNATURE_OCTETS;
}

/** Octets charged to the limits for this entry. */
export function chargedOctets(entry: Entry): number {
	return VALUE_OVERHEAD + entry.stored.valueBytes.length + entry.signatureBytes.length;
}
