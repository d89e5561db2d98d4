/** Fetch request and answer; the Stat request is a Fetch request (RFC 6940 §7.4.2, §7.4.3). */
import type { Refused } from "../machine.ts";
import { WireReader, whole } from "./reader.ts";
import {
	type DataModel,
	type ModelOf,
	readStoredValues,
	type StoredData,
	type StoredValues,
	writeStoredValues,
} from "./stored-data.ts";
import type { WireWriter } from "./writer.ts";

/** [D-18]: both bounds are uint32; 0xffffffff is the last element. */
export interface ArrayRange {
	readonly first: number;
	readonly last: number;
}

interface SpecifierBase {
	readonly kind: number;
	/** Last generation counter the requester saw; 0 = send all. */
	readonly generation: number;
}

export interface SingleSpecifier extends SpecifierBase {
	readonly model: "single";
}

export interface ArraySpecifier extends SpecifierBase {
	readonly model: "array";
	readonly indices: readonly ArrayRange[];
}

export interface DictionarySpecifier extends SpecifierBase {
	readonly model: "dictionary";
	/** Empty = all entries. */
	readonly keys: readonly Uint8Array[];
}

/** A specifier of a Kind that is not known: its model_specifier is kept unread. */
export interface UnknownSpecifier extends SpecifierBase {
	readonly model: undefined;
	readonly raw: Uint8Array;
}

export type StoredDataSpecifier = SingleSpecifier | ArraySpecifier | DictionarySpecifier | UnknownSpecifier;

export interface FetchReq {
	readonly resource: Uint8Array;
	readonly specifiers: readonly StoredDataSpecifier[];
}

export interface FetchKindResponse extends StoredValues {
	readonly kind: number;
	readonly generation: number;
	readonly values: readonly StoredData[];
}

export interface FetchAns {
	readonly kindResponses: readonly FetchKindResponse[];
}

/** RFC 6940 §7.4.3.1: the same structure as a FetchReq. */
export type StatReq = FetchReq;

export function readStoredDataSpecifier(reader: WireReader, modelOf: ModelOf): StoredDataSpecifier {
	const kind = reader.u32();
	const generation = reader.u64();
	const outer = reader.enter(reader.u16());
	const specifier = readModelSpecifier(reader, kind, generation, modelOf(kind));
	reader.leave(outer);
	return specifier;
}

function readModelSpecifier(
	reader: WireReader,
	kind: number,
	generation: number,
	model: DataModel | undefined,
): StoredDataSpecifier {
	switch (model) {
		case undefined:
			return { kind, generation, model, raw: reader.rest() };
		case "single":
			return { kind, generation, model };
		case "array":
			return { kind, generation, model, indices: readArrayRanges(reader) };
		case "dictionary":
			return { kind, generation, model, keys: readKeys(reader) };
	}
}

function readArrayRanges(reader: WireReader): ArrayRange[] {
	const indices: ArrayRange[] = [];
	const outer = reader.enter(reader.u16());
	while (reader.remaining > 0) indices.push({ first: reader.u32(), last: reader.u32() });
	reader.leave(outer);
	return indices;
}

function readKeys(reader: WireReader): Uint8Array[] {
	const keys: Uint8Array[] = [];
	const outer = reader.enter(reader.u16());
	while (reader.remaining > 0) keys.push(reader.opaque16());
	reader.leave(outer);
	return keys;
}

export function writeStoredDataSpecifier(writer: WireWriter, specifier: StoredDataSpecifier): void {
	writer.u32(specifier.kind);
	writer.u64(specifier.generation);
	const length = writer.open16();
	if (specifier.model === undefined) writer.bytes(specifier.raw);
	else if (specifier.model === "array") writeArrayRanges(writer, specifier.indices);
	else if (specifier.model === "dictionary") writeKeys(writer, specifier.keys);
	writer.close(length);
}

function writeArrayRanges(writer: WireWriter, indices: readonly ArrayRange[]): void {
	const mark = writer.open16();
	for (let i = 0; i < indices.length; i++) {
		writer.u32(indices[i]!.first);
		writer.u32(indices[i]!.last);
	}
	writer.close(mark);
}

function writeKeys(writer: WireWriter, keys: readonly Uint8Array[]): void {
	const mark = writer.open16();
	for (let i = 0; i < keys.length; i++) writer.opaque16(keys[i]!);
	writer.close(mark);
}

/** Reads a FetchReq or a StatReq. Ranges that overlap or run backwards are read: their answer is an error, not silence. */
export function readFetchReq(bytes: Uint8Array, modelOf: ModelOf): FetchReq | Refused {
	const reader = new WireReader(bytes);
	const resource = reader.opaque8();
	const specifiers: StoredDataSpecifier[] = [];
	const outer = reader.enter(reader.u16());
	while (reader.remaining > 0) specifiers.push(readStoredDataSpecifier(reader, modelOf));
	reader.leave(outer);
	return whole(reader, { resource, specifiers });
}

export function writeFetchReq(writer: WireWriter, request: FetchReq): void {
	writer.opaque8(request.resource);
	const mark = writer.open16();
	for (let i = 0; i < request.specifiers.length; i++) writeStoredDataSpecifier(writer, request.specifiers[i]!);
	writer.close(mark);
}

export function readFetchAns(bytes: Uint8Array, modelOf: ModelOf): FetchAns | Refused {
	const reader = new WireReader(bytes);
	const kindResponses: FetchKindResponse[] = [];
	const outer = reader.enter(reader.u32());
	while (reader.remaining > 0) {
		const kind = reader.u32();
		const generation = reader.u64();
		const list = readStoredValues(reader, modelOf(kind));
		kindResponses.push(
			list.raw === undefined
				? { kind, generation, values: list.values }
				: { kind, generation, values: list.values, raw: list.raw },
		);
	}
	reader.leave(outer);
	return whole(reader, { kindResponses });
}

export function writeFetchAns(writer: WireWriter, answer: FetchAns): void {
	const mark = writer.open32();
	for (let i = 0; i < answer.kindResponses.length; i++) {
		const entry = answer.kindResponses[i]!;
		writer.u32(entry.kind);
		writer.u64(entry.generation);
		writeStoredValues(writer, entry);
	}
	writer.close(mark);
}
