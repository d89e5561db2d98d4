/** Find request and answer (RFC 6940 §7.4.4). */
import type { Refused } from "../machine.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface FindReq {
	readonly resource: Uint8Array;
	readonly kinds: readonly number[];
}

export interface FindKindData {
	readonly kind: number;
	/** [D-21]: all zero (or empty) = nothing known of this Kind. */
	readonly closest: Uint8Array;
}

export interface FindAns {
	readonly results: readonly FindKindData[];
}

export function readFindReq(bytes: Uint8Array): FindReq | Refused {
	const reader = new WireReader(bytes);
	const resource = reader.opaque8();
	const kinds: number[] = [];
	const outer = reader.enter(reader.u8());
	while (reader.remaining > 0) kinds.push(reader.u32());
	reader.leave(outer);
	return whole(reader, { resource, kinds });
}

export function writeFindReq(writer: WireWriter, request: FindReq): void {
	writer.opaque8(request.resource);
	const mark = writer.open8();
	for (let i = 0; i < request.kinds.length; i++) writer.u32(request.kinds[i]!);
	writer.close(mark);
}

export function readFindAns(bytes: Uint8Array): FindAns | Refused {
	const reader = new WireReader(bytes);
	const results: FindKindData[] = [];
	const outer = reader.enter(reader.u16());
	while (reader.remaining > 0) {
		const kind = reader.u32();
		results.push({ kind, closest: reader.opaque8() });
	}
	reader.leave(outer);
	return whole(reader, { results });
}

export function writeFindAns(writer: WireWriter, answer: FindAns): void {
	const mark = writer.open16();
	for (let i = 0; i < answer.results.length; i++) {
		writer.u32(answer.results[i]!.kind);
		writer.opaque8(answer.results[i]!.closest);
	}
	writer.close(mark);
}
