/**
 * ForwardingHeader: the part of a message that every hop reads and changes (RFC 6940 §6.3.2). For forwarding itself see
 * `forwarding-view.ts`, which changes a header without decoding it.
 *
 *    0  relo_token              20  transaction_id (8)
 *    4  overlay                 28  max_response_length
 *    8  configuration_sequence  32  via_list_length
 *   10  version | ttl           34  destination_list_length
 *   12  fragment                36  options_length
 *   16  length                  38  via_list, destination_list, options
 */
import { DestinationType, ForwardingOptionType, RELO_TOKEN, RELO_VERSION } from "./codes.ts";
import { type Destination, readDestination, writeDestinations } from "./destination.ts";
import type { WireReader } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

/** Octets in front of the lists. */
export const FIXED_HEADER_OCTETS = 38;
/** Offset of `length`, which is known last. */
export const LENGTH_OFFSET = 16;
/** RFC 6940 §6.3.2 MUST: always set. */
export const FRAGMENT_BIT = 0x80000000;
/** Set in the last (or only) fragment. */
export const LAST_FRAGMENT_BIT = 0x40000000;
/** Octets between the end of the header and this fragment's slice, in the original message. */
export const FRAGMENT_OFFSET_MASK = 0xffffff;
/** `fragment` of a message that is whole. */
export const UNFRAGMENTED = 0xc0000000;

export interface ForwardingOption {
	readonly type: number;
	readonly flags: number;
	readonly value: Uint8Array;
}

export interface ForwardingHeader {
	/** Low 32 bits of SHA-1(overlay name). */
	readonly overlay: number;
	readonly configurationSequence: number;
	/** Protocol version times ten; only 0x0a is read. */
	readonly version: number;
	readonly ttl: number;
	readonly fragment: number;
	/** Octets of this (fragment of a) message, header included. */
	readonly length: number;
	readonly transactionIdHigh: number;
	readonly transactionIdLow: number;
	/** 0 = unlimited. */
	readonly maxResponseLength: number;
	readonly viaList: readonly Destination[];
	readonly destinationList: readonly Destination[];
	readonly options: readonly ForwardingOption[];
}

/** What a sender must say; the rest has one sensible value. */
export interface ForwardingHeaderFields {
	readonly overlay: number;
	readonly configurationSequence: number;
	readonly ttl: number;
	readonly transactionIdHigh: number;
	readonly transactionIdLow: number;
	readonly destinationList: readonly Destination[];
	readonly maxResponseLength?: number;
	readonly viaList?: readonly Destination[];
	readonly options?: readonly ForwardingOption[];
}

/** The header of a new, whole message. `length` is filled in when the message is written. */
export function forwardingHeader(fields: ForwardingHeaderFields): ForwardingHeader {
	return {
		overlay: fields.overlay,
		configurationSequence: fields.configurationSequence,
		version: RELO_VERSION,
		ttl: fields.ttl,
		fragment: UNFRAGMENTED,
		length: 0,
		transactionIdHigh: fields.transactionIdHigh,
		transactionIdLow: fields.transactionIdLow,
		maxResponseLength: fields.maxResponseLength ?? 0,
		viaList: fields.viaList ?? [],
		destinationList: fields.destinationList,
		options: fields.options ?? [],
	};
}

/** True when a message with this `fragment` field is whole. RFC 6940 §6.3.2: the reserved bits are ignored. */
export function isWhole(fragment: number): boolean {
	return (fragment & LAST_FRAGMENT_BIT) !== 0 && (fragment & FRAGMENT_OFFSET_MASK) === 0;
}

/**
 * Reads a forwarding header. Refused: another token or version, a clear fragment bit, lists that do not walk cleanly, an empty
 * destination list, a Resource-ID in the via list or before the end of the destination list. Left to the router, because they
 * need its configuration: overlay, ttl limit, configuration sequence, max-message-size. `length` against the octets received is
 * checked by `readMessage` and `ForwardingView`.
 */
export function readForwardingHeader(reader: WireReader, nodeIdLength: number): ForwardingHeader {
	const start = reader.at;
	if (reader.u32() !== RELO_TOKEN) reader.refuse("relo_token is not 0xd2454c4f: not a RELOAD message", start);
	const overlay = reader.u32();
	const configurationSequence = reader.u16();
	const version = reader.u8();
	// RFC 6940 §6.3.2 MUST: other versions are rejected.
	if (version !== RELO_VERSION) reader.refuse("version is not 1.0 (0x0a)", start + 10);
	const ttl = reader.u8();
	const fragment = reader.u32();
	// RFC 6940 §6.3.2 SHOULD: a message without the fragment bit is discarded.
	if (fragment < FRAGMENT_BIT) reader.refuse("fragment bit is clear", start + 12);
	const length = reader.u32();
	const transactionIdHigh = reader.u32();
	const transactionIdLow = reader.u32();
	const maxResponseLength = reader.u32();
	const viaListLength = reader.u16();
	const destinationListLength = reader.u16();
	const optionsLength = reader.u16();
	const viaList = readList(reader, viaListLength, nodeIdLength, true);
	const destinationList = readList(reader, destinationListLength, nodeIdLength, false);
	return {
		overlay,
		configurationSequence,
		version,
		ttl,
		fragment,
		length,
		transactionIdHigh,
		transactionIdLow,
		maxResponseLength,
		viaList,
		destinationList,
		options: readForwardingOptions(reader, optionsLength),
	};
}

function readList(reader: WireReader, octets: number, nodeIdLength: number, isVia: boolean): Destination[] {
	const list: Destination[] = [];
	const start = reader.at;
	const outer = reader.enter(octets);
	let resource = false;
	while (reader.remaining > 0) {
		// RFC 6940 §6.3.2.2 MUST: a Resource-ID only as the last destination, and never in a via list.
		if (resource) reader.refuse("Resource-ID before the end of a destination list");
		const at = reader.at;
		const destination = readDestination(reader, nodeIdLength);
		resource = destination.type === DestinationType.resource;
		if (resource && isVia) reader.refuse("Resource-ID in a via list", at);
		list.push(destination);
	}
	reader.leave(outer);
	if (!isVia && list.length === 0) reader.refuse("destination list is empty", start);
	return list;
}

function readForwardingOptions(reader: WireReader, octets: number): ForwardingOption[] {
	const options: ForwardingOption[] = [];
	const outer = reader.enter(octets);
	while (reader.remaining > 0) {
		const at = reader.at;
		const type = reader.u8();
		if (type === ForwardingOptionType.invalid) reader.refuse("forwarding option type 0 is invalid", at);
		const flags = reader.u8();
		options.push({ type, flags, value: reader.opaque16() });
	}
	reader.leave(outer);
	return options;
}

/** Writes the header as it stands; the three list lengths are computed, `length` is the field's value. */
export function writeForwardingHeader(writer: WireWriter, header: ForwardingHeader): void {
	const start = writer.length;
	writer.u32(RELO_TOKEN);
	writer.u32(header.overlay);
	writer.u16(header.configurationSequence);
	writer.u8(header.version);
	writer.u8(header.ttl);
	writer.u32(header.fragment);
	writer.u32(header.length);
	writer.u32(header.transactionIdHigh);
	writer.u32(header.transactionIdLow);
	writer.u32(header.maxResponseLength);
	// The three lengths stand together in front of the lists: two octets each, written when the lists are.
	writer.u32(0);
	writer.u16(0);
	const via = writer.length;
	writeDestinations(writer, header.viaList);
	const destinations = writer.length;
	writeDestinations(writer, header.destinationList);
	const options = writer.length;
	for (let i = 0; i < header.options.length; i++) {
		const option = header.options[i]!;
		writer.u8(option.type);
		writer.u8(option.flags);
		writer.opaque16(option.value);
	}
	writer.patch16(start + 32, destinations - via);
	writer.patch16(start + 34, options - destinations);
	writer.patch16(start + 36, writer.length - options);
}
