/** Stat answer: metadata of stored values (RFC 6940 §7.4.3.2). The request is a FetchReq. */
import type { Refused } from "../machine.ts";
import { WireReader, whole } from "./reader.ts";
import type { DataModel, ModelOf } from "./stored-data.ts";
import type { WireWriter } from "./writer.ts";

export { readFetchReq as readStatReq, type StatReq, writeFetchReq as writeStatReq } from "./fetch.ts";

export interface MetaData {
	readonly exists: boolean;
	/** Octets of the stored value. */
	readonly valueLength: number;
	readonly hashAlgorithm: number;
	/** Digest over the value with its four leading length octets. */
	readonly hashValue: Uint8Array;
}

export type MetaDataValue =
	| { readonly model: "single"; readonly value: MetaData }
	| { readonly model: "array"; readonly index: number; readonly value: MetaData }
	| { readonly model: "dictionary"; readonly key: Uint8Array; readonly value: MetaData };

/** [D-19]: its value_length on the wire is the length of the rest of the structure, and is computed. */
export interface StoredMetaData {
	readonly storageTime: number;
	readonly lifetime: number;
	readonly metadata: MetaDataValue;
}

export interface StatKindResponse {
	readonly kind: number;
	readonly generation: number;
	readonly values: readonly StoredMetaData[];
	/** The list's octets when the Kind is not known; `values` is then empty. */
	readonly raw?: Uint8Array;
}

export interface StatAns {
	readonly kindResponses: readonly StatKindResponse[];
}

function readMetaData(reader: WireReader): MetaData {
	const exists = reader.boolean();
	const valueLength = reader.u32();
	const hashAlgorithm = reader.u8();
	return { exists, valueLength, hashAlgorithm, hashValue: reader.opaque8() };
}

function writeMetaData(writer: WireWriter, value: MetaData): void {
	writer.boolean(value.exists);
	writer.u32(value.valueLength);
	writer.u8(value.hashAlgorithm);
	writer.opaque8(value.hashValue);
}

function readMetaDataValue(reader: WireReader, model: DataModel): MetaDataValue {
	switch (model) {
		case "single":
			return { model, value: readMetaData(reader) };
		case "array": {
			const index = reader.u32();
			return { model, index, value: readMetaData(reader) };
		}
		case "dictionary": {
			const key = reader.opaque16();
			return { model, key, value: readMetaData(reader) };
		}
	}
}

export function readStoredMetaData(reader: WireReader, model: DataModel): StoredMetaData {
	const outer = reader.enter(reader.u32());
	const storageTime = reader.u64();
	const lifetime = reader.u32();
	const metadata = readMetaDataValue(reader, model);
	reader.leave(outer);
	return { storageTime, lifetime, metadata };
}

export function writeStoredMetaData(writer: WireWriter, stored: StoredMetaData): void {
	const mark = writer.open32();
	writer.u64(stored.storageTime);
	writer.u32(stored.lifetime);
	const { metadata } = stored;
	if (metadata.model === "array") writer.u32(metadata.index);
	else if (metadata.model === "dictionary") writer.opaque16(metadata.key);
	writeMetaData(writer, metadata.value);
	writer.close(mark);
}

export function readStatAns(bytes: Uint8Array, modelOf: ModelOf): StatAns | Refused {
	const reader = new WireReader(bytes);
	const kindResponses: StatKindResponse[] = [];
	const outer = reader.enter(reader.u32());
	while (reader.remaining > 0) kindResponses.push(readStatKindResponse(reader, modelOf));
	reader.leave(outer);
	return whole(reader, { kindResponses });
}

function readStatKindResponse(reader: WireReader, modelOf: ModelOf): StatKindResponse {
	const kind = reader.u32();
	const generation = reader.u64();
	const model = modelOf(kind);
	if (model === undefined) return { kind, generation, values: [], raw: reader.opaque32() };
	const values: StoredMetaData[] = [];
	const outer = reader.enter(reader.u32());
	while (reader.remaining > 0) values.push(readStoredMetaData(reader, model));
	reader.leave(outer);
	return { kind, generation, values };
}

export function writeStatAns(writer: WireWriter, answer: StatAns): void {
	const mark = writer.open32();
	for (let i = 0; i < answer.kindResponses.length; i++) {
		const entry = answer.kindResponses[i]!;
		writer.u32(entry.kind);
		writer.u64(entry.generation);
		const list = writer.open32();
		if (entry.raw !== undefined) writer.bytes(entry.raw);
		else for (let j = 0; j < entry.values.length; j++) writeStoredMetaData(writer, entry.values[j]!);
		writer.close(list);
	}
	writer.close(mark);
}
