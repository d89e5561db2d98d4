/** Contents of the diagnostic Kinds (RFC 7851 §5.2); numbers by Kind, text, and the two arrays ([D-33]). */
import type { Refused } from "../machine.ts";
import { bytesToUtf8, utf8ToBytes } from "./bytes.ts";
import { DiagnosticKindId } from "./codes.ts";
import { WireReader, whole } from "./reader.ts";
import { WireWriter } from "./writer.ts";

/** Octets of the number that each Kind carries; Kinds that carry something else are absent. */
const NUMBER_OCTETS: Readonly<Record<number, 1 | 4 | 8>> = Object.freeze({
	[DiagnosticKindId.statusInfo]: 1,
	[DiagnosticKindId.routingTableSize]: 4,
	[DiagnosticKindId.processPower]: 8,
	[DiagnosticKindId.upstreamBandwidth]: 8,
	[DiagnosticKindId.downstreamBandwidth]: 8,
	[DiagnosticKindId.machineUptime]: 8,
	[DiagnosticKindId.appUptime]: 8,
	[DiagnosticKindId.memoryFootprint]: 8,
	[DiagnosticKindId.datasizeStored]: 8,
	[DiagnosticKindId.ewmaBytesSent]: 4,
	[DiagnosticKindId.ewmaBytesRcvd]: 4,
	[DiagnosticKindId.underlayHop]: 1,
	[DiagnosticKindId.batteryStatus]: 1,
});

/** One entry of INSTANCES_STORED: how many values of a Kind are stored. */
export interface InstancesStored {
	readonly kind: number;
	readonly instances: number;
}

/** One entry of MESSAGES_SENT_RCVD. */
export interface MessagesSentRcvd {
	readonly messageCode: number;
	readonly sent: number;
	readonly received: number;
}

/** The number in the contents of `kind`; `undefined` when the Kind carries no number or the octets are not one. */
export function diagnosticNumber(kind: number, contents: Uint8Array): number | undefined {
	const octets = NUMBER_OCTETS[kind];
	if (octets === undefined || contents.length !== octets) return undefined;
	const reader = new WireReader(contents);
	const value = octets === 1 ? reader.u8() : octets === 4 ? reader.u32() : reader.u64();
	return reader.failedAt < 0 ? value : undefined;
}

/** Contents for a Kind that carries a number; empty for other Kinds. */
export function encodeDiagnosticNumber(kind: number, value: number): Uint8Array {
	const octets = NUMBER_OCTETS[kind];
	const writer = new WireWriter(8);
	if (octets === 1) writer.u8(value);
	else if (octets === 4) writer.u32(value);
	else if (octets === 8) writer.u64(value);
	return writer.take();
}

/** SOFTWARE_VERSION without its terminating zero octet. */
export function softwareVersion(contents: Uint8Array): string {
	const zero = contents.indexOf(0);
	return bytesToUtf8(zero < 0 ? contents : contents.subarray(0, zero));
}

/** RFC 7851 §5.2: US-ASCII, terminated by one zero octet. */
export function encodeSoftwareVersion(text: string): Uint8Array {
	return utf8ToBytes(`${text}\0`);
}

export function readInstancesStored(contents: Uint8Array): InstancesStored[] | Refused {
	const reader = new WireReader(contents);
	const list: InstancesStored[] = [];
	while (reader.remaining > 0) list.push({ kind: reader.u32(), instances: reader.u64() });
	return whole(reader, list);
}

export function writeInstancesStored(writer: WireWriter, list: readonly InstancesStored[]): void {
	for (let i = 0; i < list.length; i++) {
		writer.u32(list[i]!.kind);
		writer.u64(list[i]!.instances);
	}
}

export function readMessagesSentRcvd(contents: Uint8Array): MessagesSentRcvd[] | Refused {
	const reader = new WireReader(contents);
	const list: MessagesSentRcvd[] = [];
	while (reader.remaining > 0) {
		list.push({ messageCode: reader.u16(), sent: reader.u64(), received: reader.u64() });
	}
	return whole(reader, list);
}

export function writeMessagesSentRcvd(writer: WireWriter, list: readonly MessagesSentRcvd[]): void {
	for (let i = 0; i < list.length; i++) {
		writer.u16(list[i]!.messageCode);
		writer.u64(list[i]!.sent);
		writer.u64(list[i]!.received);
	}
}
