/** Store request and answer (RFC 6940 §7.4.1). */
import type { Refused } from "../machine.ts";
import { readNodeIds, writeNodeIds } from "./node-ids.ts";
import { WireReader, whole } from "./reader.ts";
import {
	type ModelOf,
	readStoredValues,
	type StoredData,
	type StoredValues,
	writeStoredValues,
} from "./stored-data.ts";
import type { WireWriter } from "./writer.ts";

export type { DataModel, DataValue, ModelOf, StoredData, StoredDataValue } from "./stored-data.ts";

export interface StoreKindData extends StoredValues {
	readonly kind: number;
	readonly generationCounter: number;
	readonly values: readonly StoredData[];
}

export interface StoreReq {
	readonly resource: Uint8Array;
	/** 0: an original store; else a replica or a handover. */
	readonly replicaNumber: number;
	readonly kindData: readonly StoreKindData[];
}

export interface StoreKindResponse {
	readonly kind: number;
	readonly generationCounter: number;
	/** Node-IDs of the peers that hold or will hold replicas. */
	readonly replicas: readonly Uint8Array[];
}

export interface StoreAns {
	readonly kindResponses: readonly StoreKindResponse[];
}

export function readStoreReq(bytes: Uint8Array, modelOf: ModelOf): StoreReq | Refused {
	const reader = new WireReader(bytes);
	const resource = reader.opaque8();
	const replicaNumber = reader.u8();
	const kindData: StoreKindData[] = [];
	const outer = reader.enter(reader.u32());
	while (reader.remaining > 0) {
		const kind = reader.u32();
		const generationCounter = reader.u64();
		const list = readStoredValues(reader, modelOf(kind));
		kindData.push(
			list.raw === undefined
				? { kind, generationCounter, values: list.values }
				: { kind, generationCounter, values: list.values, raw: list.raw },
		);
	}
	reader.leave(outer);
	return whole(reader, { resource, replicaNumber, kindData });
}

export function writeStoreReq(writer: WireWriter, request: StoreReq): void {
	writer.opaque8(request.resource);
	writer.u8(request.replicaNumber);
	const mark = writer.open32();
	for (let i = 0; i < request.kindData.length; i++) {
		const entry = request.kindData[i]!;
		writer.u32(entry.kind);
		writer.u64(entry.generationCounter);
		writeStoredValues(writer, entry);
	}
	writer.close(mark);
}

export function readStoreAns(bytes: Uint8Array, nodeIdLength: number): StoreAns | Refused {
	const reader = new WireReader(bytes);
	const kindResponses: StoreKindResponse[] = [];
	const outer = reader.enter(reader.u16());
	while (reader.remaining > 0) {
		const kind = reader.u32();
		const generationCounter = reader.u64();
		kindResponses.push({ kind, generationCounter, replicas: readNodeIds(reader, nodeIdLength) });
	}
	reader.leave(outer);
	return whole(reader, { kindResponses });
}

export function writeStoreAns(writer: WireWriter, answer: StoreAns): void {
	const mark = writer.open16();
	for (let i = 0; i < answer.kindResponses.length; i++) {
		const entry = answer.kindResponses[i]!;
		writer.u32(entry.kind);
		writer.u64(entry.generationCounter);
		writeNodeIds(writer, entry.replicas);
	}
	writer.close(mark);
}
