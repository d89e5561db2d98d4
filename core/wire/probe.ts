/** Probe request and answer (RFC 6940 §6.4.2.5). */
import type { Refused } from "../machine.ts";
import { ProbeInformationType } from "./codes.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface ProbeReq {
	/** ProbeInformationType, in the order wanted; unknown ones are simply not answered. */
	readonly requestedInfo: readonly number[];
}

export interface ProbeInformation {
	readonly type: number;
	/** responsible_ppb, num_resources or uptime (seconds), by `type`. */
	readonly value: number;
	/** The octets of a type no RFC read here defines. */
	readonly other?: Uint8Array;
}

export interface ProbeAns {
	readonly probeInfo: readonly ProbeInformation[];
}

export function readProbeReq(bytes: Uint8Array): ProbeReq | Refused {
	const reader = new WireReader(bytes);
	const requestedInfo: number[] = [];
	const outer = reader.enter(reader.u8());
	while (reader.remaining > 0) requestedInfo.push(reader.u8());
	reader.leave(outer);
	return whole(reader, { requestedInfo });
}

export function writeProbeReq(writer: WireWriter, request: ProbeReq): void {
	const mark = writer.open8();
	for (let i = 0; i < request.requestedInfo.length; i++) writer.u8(request.requestedInfo[i]!);
	writer.close(mark);
}

/** True for the types whose value is one uint32. */
export function isKnownProbeInformation(type: number): boolean {
	return type >= ProbeInformationType.responsibleSet && type <= ProbeInformationType.uptime;
}

function readProbeInformation(reader: WireReader): ProbeInformation {
	const at = reader.at;
	const type = reader.u8();
	if (type === ProbeInformationType.invalid) reader.refuse("probe information type 0 is invalid", at);
	const outer = reader.enter(reader.u8());
	const information = isKnownProbeInformation(type)
		? { type, value: reader.u32() }
		: // RFC 6940 §6.4.2.5.2: extensible, and its length allows to pass over it.
			{ type, value: 0, other: reader.rest() };
	reader.leave(outer);
	return information;
}

export function readProbeAns(bytes: Uint8Array): ProbeAns | Refused {
	const reader = new WireReader(bytes);
	const probeInfo: ProbeInformation[] = [];
	const outer = reader.enter(reader.u16());
	while (reader.remaining > 0) probeInfo.push(readProbeInformation(reader));
	reader.leave(outer);
	return whole(reader, { probeInfo });
}

export function writeProbeAns(writer: WireWriter, answer: ProbeAns): void {
	const list = writer.open16();
	for (let i = 0; i < answer.probeInfo.length; i++) {
		const information = answer.probeInfo[i]!;
		writer.u8(information.type);
		const mark = writer.open8();
		if (information.other !== undefined) writer.bytes(information.other);
		else writer.u32(information.value);
		writer.close(mark);
	}
	writer.close(list);
}
