/** Refusals of the store as ErrorResponse contents. RFC 6940 §6.3.3.1. */
import { utf8ToBytes } from "../wire/bytes.ts";
import { ErrorCode } from "../wire/codes.ts";
import { type StoreAns, writeStoreAns } from "../wire/store.ts";
import { WireWriter } from "../wire/writer.ts";
import type { StorageRefused } from "./types.ts";

/** A refusal with a text for people. */
export function refuseText(errorCode: number, text: string): StorageRefused {
	return { ok: false, errorCode, info: utf8ToBytes(text) };
}

/** RFC 6940 §6.3.3.1 MUST: Error_Unknown_Kind carries the list of all unknown Kinds (one octet of length, then the Kind-IDs). */
export function refuseUnknownKinds(kinds: readonly number[]): StorageRefused {
	const writer = new WireWriter(4 * kinds.length + 1);
	const mark = writer.open8();
	for (let i = 0; i < kinds.length; i++) writer.u32(kinds[i]!);
	writer.close(mark);
	return { ok: false, errorCode: ErrorCode.unknownKind, info: writer.take() };
}

/** RFC 6940 §7.4.1.2 MUST: Error_Generation_Counter_Too_Low carries a StoreAns with the right counters. */
export function refuseCounters(answer: StoreAns): StorageRefused {
	const writer = new WireWriter();
	writeStoreAns(writer, answer);
	return { ok: false, errorCode: ErrorCode.generationCounterTooLow, info: writer.take() };
}
