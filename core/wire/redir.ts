/** RedirServiceProvider: the value of Kind REDIR (RFC 7374 §4.3). */
import type { Refused } from "../machine.ts";
import { type Destination, readDestinations, writeDestinations } from "./destination.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface RedirServiceProvider {
	/** RedirServiceProviderExtType; 0 = no extension. */
	readonly type: number;
	readonly destinationList: readonly Destination[];
	/** UTF-8. */
	readonly namespace: Uint8Array;
	readonly level: number;
	readonly node: number;
	/** Kept unread: no extension is defined. */
	readonly extension: Uint8Array;
}

export function readRedirServiceProvider(bytes: Uint8Array, nodeIdLength: number): RedirServiceProvider | Refused {
	const reader = new WireReader(bytes);
	const type = reader.u8();
	const list = reader.enter(reader.u16());
	const destinationList = readDestinations(reader, nodeIdLength);
	reader.leave(list);
	const namespace = reader.opaque16();
	const level = reader.u16();
	const node = reader.u16();
	return whole(reader, { type, destinationList, namespace, level, node, extension: reader.opaque16() });
}

export function writeRedirServiceProvider(writer: WireWriter, provider: RedirServiceProvider): void {
	writer.u8(provider.type);
	const list = writer.open16();
	writeDestinations(writer, provider.destinationList);
	writer.close(list);
	writer.opaque16(provider.namespace);
	writer.u16(provider.level);
	writer.u16(provider.node);
	writer.opaque16(provider.extension);
}
