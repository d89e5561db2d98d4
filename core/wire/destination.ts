/**
 * Destination: one entry of a destination list or via list (RFC 6940 §6.3.2.2).
 *
 *   type(1) | length(1) | destination_data             node, resource, opaque_id_type, others below 128
 *   1xxxxxxx xxxxxxxx                                   the short form: an opaque id of exactly these two octets
 */
import { DestinationType } from "./codes.ts";
import type { WireReader } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface NodeDestination {
	readonly type: 1;
	readonly nodeId: Uint8Array;
}

export interface ResourceDestination {
	readonly type: 2;
	readonly resourceId: Uint8Array;
}

export interface OpaqueDestination {
	readonly type: 3;
	readonly opaqueId: Uint8Array;
	/** True for the two-octet short form; the id then has two octets, the top bit set. */
	readonly compressed: boolean;
}

/** A destination type from 4 to 127, which no RFC read here defines: kept byte for byte, never routed to. */
export interface OtherDestination {
	/** 0 is never on the wire; it stands for "none of the three". */
	readonly type: 0;
	/** The type as received. */
	readonly code: number;
	readonly data: Uint8Array;
}

export type Destination = NodeDestination | ResourceDestination | OpaqueDestination | OtherDestination;

export function nodeDestination(nodeId: Uint8Array): NodeDestination {
	return { type: DestinationType.node, nodeId };
}

export function resourceDestination(resourceId: Uint8Array): ResourceDestination {
	return { type: DestinationType.resource, resourceId };
}

/** An opaque id; two octets with the top bit set are written in the short form. */
export function opaqueDestination(opaqueId: Uint8Array): OpaqueDestination {
	const compressed = opaqueId.length === 2 && opaqueId[0]! >= 0x80;
	return { type: DestinationType.opaqueId, opaqueId, compressed };
}

/** Reads one Destination. Refused: type 0, a Node-ID of another length, an inner length that disagrees with the outer one. */
export function readDestination(reader: WireReader, nodeIdLength: number): Destination {
	const at = reader.at;
	const type = reader.u8();
	if (type >= 0x80) {
		const low = reader.u8();
		return { type: DestinationType.opaqueId, opaqueId: new Uint8Array([type, low]), compressed: true };
	}
	const length = reader.u8();
	switch (type) {
		case DestinationType.node:
			if (length !== nodeIdLength) reader.refuse("Node-ID has another length than this overlay's", at);
			return { type, nodeId: reader.bytes(length) };
		case DestinationType.resource:
			return { type, resourceId: readInner(reader, length) };
		case DestinationType.opaqueId:
			return { type, opaqueId: readInner(reader, length), compressed: false };
		default:
			if (type === DestinationType.invalid) reader.refuse("destination type 0 is invalid", at);
			// RFC 6940 §6.3.2.2: extensible; a type below 128 can be walked over by its length.
			return { type: DestinationType.invalid, code: type, data: reader.bytes(length) };
	}
}

/** The octet string with its own length octet inside a TLV of `length` octets. */
function readInner(reader: WireReader, length: number): Uint8Array {
	const outer = reader.enter(length);
	const value = reader.opaque8();
	reader.leave(outer);
	return value;
}

/** Reads Destinations until the reader ends (its innermost `enter`). */
export function readDestinations(reader: WireReader, nodeIdLength: number): Destination[] {
	const list: Destination[] = [];
	while (reader.remaining > 0) list.push(readDestination(reader, nodeIdLength));
	return list;
}

export function writeDestination(writer: WireWriter, destination: Destination): void {
	switch (destination.type) {
		case DestinationType.node:
			writer.u8(DestinationType.node);
			writer.opaque8(destination.nodeId);
			return;
		case DestinationType.resource:
			writeInner(writer, DestinationType.resource, destination.resourceId);
			return;
		case DestinationType.opaqueId:
			if (destination.compressed) writer.bytes(destination.opaqueId);
			else writeInner(writer, DestinationType.opaqueId, destination.opaqueId);
			return;
		default:
			writer.u8(destination.code);
			writer.opaque8(destination.data);
	}
}

function writeInner(writer: WireWriter, type: number, value: Uint8Array): void {
	writer.u8(type);
	writer.u8(value.length + 1);
	writer.opaque8(value);
}

/** Writes the entries one after another, without a length in front. */
export function writeDestinations(writer: WireWriter, list: readonly Destination[]): void {
	for (let i = 0; i < list.length; i++) writeDestination(writer, list[i]!);
}
