/** SelfTuningData: contents of the message extension self_tuning_data (RFC 7363 §6.5). */
import type { Refused } from "../machine.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface SelfTuningData {
	readonly networkSize: number;
	/** Joins in 24 hours, rounded up. */
	readonly joinRate: number;
	/** Departures in 24 hours, rounded up. */
	readonly leaveRate: number;
}

export function readSelfTuningData(bytes: Uint8Array): SelfTuningData | Refused {
	const reader = new WireReader(bytes);
	const networkSize = reader.u32();
	const joinRate = reader.u32();
	return whole(reader, { networkSize, joinRate, leaveRate: reader.u32() });
}

export function writeSelfTuningData(writer: WireWriter, data: SelfTuningData): void {
	writer.u32(data.networkSize);
	writer.u32(data.joinRate);
	writer.u32(data.leaveRate);
}
