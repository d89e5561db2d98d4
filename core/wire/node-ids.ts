/** `NodeId list<0..2^16-1>`: Node-IDs one after another behind a length of two octets (RFC 6940 §6.3.1.1). */
import type { WireReader } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export function readNodeIds(reader: WireReader, nodeIdLength: number): Uint8Array[] {
	const list: Uint8Array[] = [];
	const outer = reader.enter(reader.u16());
	while (reader.remaining > 0) list.push(reader.bytes(nodeIdLength));
	reader.leave(outer);
	return list;
}

export function writeNodeIds(writer: WireWriter, list: readonly Uint8Array[]): void {
	const mark = writer.open16();
	for (let i = 0; i < list.length; i++) writer.bytes(list[i]!);
	writer.close(mark);
}
