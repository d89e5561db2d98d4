/** ErrorResponse: the body of every failed request's answer (RFC 6940 §6.3.3.1, §14.9). */
import type { Refused } from "../machine.ts";
import { utf8ToBytes } from "./bytes.ts";
import { WireReader, whole } from "./reader.ts";
import { WireWriter } from "./writer.ts";

export interface ErrorResponse {
	readonly errorCode: number;
	/**
	 * UTF-8 text, except: Error_Generation_Counter_Too_Low carries a StoreAns, Error_Unknown_Kind a list of Kind-IDs
	 * (`readUnknownKinds`).
	 */
	readonly errorInfo: Uint8Array;
}

/** An error with a text for people. */
export function errorResponse(errorCode: number, info = ""): ErrorResponse {
	return { errorCode, errorInfo: utf8ToBytes(info) };
}

export function readErrorResponse(bytes: Uint8Array): ErrorResponse | Refused {
	const reader = new WireReader(bytes);
	const errorCode = reader.u16();
	return whole(reader, { errorCode, errorInfo: reader.opaque16() });
}

export function writeErrorResponse(writer: WireWriter, error: ErrorResponse): void {
	writer.u16(error.errorCode);
	writer.opaque16(error.errorInfo);
}

/** error_info of Error_Unknown_Kind: KindId unknown_kinds<0..2^8-1>. */
export function readUnknownKinds(errorInfo: Uint8Array): number[] | Refused {
	const reader = new WireReader(errorInfo);
	const kinds: number[] = [];
	const outer = reader.enter(reader.u8());
	while (reader.remaining > 0) kinds.push(reader.u32());
	reader.leave(outer);
	return whole(reader, kinds);
}

/** Kind-IDs that fit the one length octet of `unknown_kinds`. */
const MOST_UNKNOWN_KINDS = 63;

/** error_info of Error_Unknown_Kind. What does not fit one length octet (from the 64th Kind-ID on) is left out. */
export function encodeUnknownKinds(kinds: readonly number[]): Uint8Array {
	const writer = new WireWriter(4 * MOST_UNKNOWN_KINDS + 1);
	const mark = writer.open8();
	for (let i = 0; i < kinds.length && i < MOST_UNKNOWN_KINDS; i++) writer.u32(kinds[i]!);
	writer.close(mark);
	return writer.take();
}
