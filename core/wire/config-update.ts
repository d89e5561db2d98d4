/** ConfigUpdate request; its answer has an empty body (RFC 6940 §6.5.4). */
import type { Refused } from "../machine.ts";
import { ConfigUpdateType } from "./codes.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export type ConfigUpdateReq =
	/** A whole configuration document. */
	| { readonly type: 1; readonly configData: Uint8Array }
	/** kind-block elements, UTF-8. */
	| { readonly type: 2; readonly kinds: readonly Uint8Array[] }
	/** A type no RFC read here defines, kept byte for byte. */
	| { readonly type: 0; readonly code: number; readonly data: Uint8Array };

export function readConfigUpdateReq(bytes: Uint8Array): ConfigUpdateReq | Refused {
	const reader = new WireReader(bytes);
	const type = reader.u8();
	const outer = reader.enter(reader.u32());
	const request = readUpdate(reader, type);
	reader.leave(outer);
	return whole(reader, request);
}

function readUpdate(reader: WireReader, type: number): ConfigUpdateReq {
	if (type === ConfigUpdateType.config) return { type, configData: reader.opaque24() };
	if (type !== ConfigUpdateType.kind) {
		if (type === ConfigUpdateType.invalid) reader.refuse("ConfigUpdate type 0 is invalid", 0);
		// RFC 6940 §6.5.4.1: extensible, and its length allows to pass over it.
		return { type: ConfigUpdateType.invalid, code: type, data: reader.rest() };
	}
	const kinds: Uint8Array[] = [];
	const outer = reader.enter(reader.u24());
	while (reader.remaining > 0) kinds.push(reader.opaque16());
	reader.leave(outer);
	return { type, kinds };
}

export function writeConfigUpdateReq(writer: WireWriter, request: ConfigUpdateReq): void {
	writer.u8(request.type === ConfigUpdateType.invalid ? request.code : request.type);
	const length = writer.open32();
	if (request.type === ConfigUpdateType.config) writer.opaque24(request.configData);
	else if (request.type === ConfigUpdateType.kind) {
		const list = writer.open24();
		for (let i = 0; i < request.kinds.length; i++) writer.opaque16(request.kinds[i]!);
		writer.close(list);
	} else writer.bytes(request.data);
	writer.close(length);
}
