/** Structures of shared resources (RFC 8076 §5.1, §6.1). */
import type { Refused } from "../machine.ts";
import { ResourceNameType } from "./codes.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export type ResourceNameExtension =
	| { readonly type: 1; readonly resourceName: Uint8Array }
	/** A type no RFC read here defines, kept byte for byte. */
	| { readonly type: 0; readonly code: number; readonly data: Uint8Array };

export interface AccessControlListItem {
	/** Present exactly when variable Resource Names are enabled for the Kind. */
	readonly resNameExt?: ResourceNameExtension;
	readonly toUser: Uint8Array;
	readonly kind: number;
	readonly allowDelegation: boolean;
}

/** The extension stands in front of values of a shared Kind; what follows it is the reader's. */
export function readResourceNameExtension(reader: WireReader): ResourceNameExtension {
	const at = reader.at;
	const type = reader.u8();
	const outer = reader.enter(reader.u16());
	let extension: ResourceNameExtension;
	if (type === ResourceNameType.pattern) extension = { type, resourceName: reader.opaque16() };
	else {
		if (type === 0) reader.refuse("ResourceNameExtension type 0 is not assigned", at);
		extension = { type: 0, code: type, data: reader.rest() };
	}
	reader.leave(outer);
	return extension;
}

export function writeResourceNameExtension(writer: WireWriter, extension: ResourceNameExtension): void {
	writer.u8(extension.type === 0 ? extension.code : extension.type);
	const mark = writer.open16();
	if (extension.type === 0) writer.bytes(extension.data);
	else writer.opaque16(extension.resourceName);
	writer.close(mark);
}

/** `hasResourceName`: variable Resource Names are enabled for the Kind (nothing on the wire says so). */
export function readAccessControlListItem(
	bytes: Uint8Array,
	hasResourceName: boolean,
): AccessControlListItem | Refused {
	const reader = new WireReader(bytes);
	const resNameExt = hasResourceName ? readResourceNameExtension(reader) : undefined;
	const toUser = reader.opaque16();
	const kind = reader.u32();
	const allowDelegation = reader.boolean();
	return whole(
		reader,
		resNameExt === undefined ? { toUser, kind, allowDelegation } : { resNameExt, toUser, kind, allowDelegation },
	);
}

export function writeAccessControlListItem(writer: WireWriter, item: AccessControlListItem): void {
	if (item.resNameExt !== undefined) writeResourceNameExtension(writer, item.resNameExt);
	writer.opaque16(item.toUser);
	writer.u32(item.kind);
	writer.boolean(item.allowDelegation);
}
