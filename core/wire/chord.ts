/** What CHORD-RELOAD puts into Update and Leave (RFC 6940 §10.7, §10.9). */
import type { Refused } from "../machine.ts";
import { ChordLeaveType, ChordUpdateType } from "./codes.ts";
import { readNodeIds, writeNodeIds } from "./node-ids.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface ChordUpdate {
	/** Seconds. */
	readonly uptime: number;
	/** ChordUpdateType. */
	readonly type: number;
	/** Empty in peer_ready. */
	readonly predecessors: readonly Uint8Array[];
	/** Empty in peer_ready. */
	readonly successors: readonly Uint8Array[];
	/** Only in full, in ascending order. */
	readonly fingers: readonly Uint8Array[];
}

export interface ChordLeaveData {
	/** ChordLeaveType. */
	readonly type: number;
	/** Only in from_succ. */
	readonly successors: readonly Uint8Array[];
	/** Only in from_pred. */
	readonly predecessors: readonly Uint8Array[];
}

/** Body of update_req. Refused: an update type other than peer_ready, neighbors and full. */
export function readChordUpdate(bytes: Uint8Array, nodeIdLength: number): ChordUpdate | Refused {
	const reader = new WireReader(bytes);
	const uptime = reader.u32();
	const at = reader.at;
	const type = reader.u8();
	if (type < ChordUpdateType.peerReady || type > ChordUpdateType.full) reader.refuse("unknown ChordUpdate type", at);
	const hasNeighbors = type !== ChordUpdateType.peerReady;
	const predecessors = hasNeighbors ? readNodeIds(reader, nodeIdLength) : [];
	const successors = hasNeighbors ? readNodeIds(reader, nodeIdLength) : [];
	const fingers = type === ChordUpdateType.full ? readNodeIds(reader, nodeIdLength) : [];
	return whole(reader, { uptime, type, predecessors, successors, fingers });
}

export function writeChordUpdate(writer: WireWriter, update: ChordUpdate): void {
	writer.u32(update.uptime);
	writer.u8(update.type);
	if (update.type === ChordUpdateType.peerReady) return;
	writeNodeIds(writer, update.predecessors);
	writeNodeIds(writer, update.successors);
	if (update.type === ChordUpdateType.full) writeNodeIds(writer, update.fingers);
}

/** overlay_specific_data of a Leave request. Refused: a type other than from_succ and from_pred. */
export function readChordLeaveData(bytes: Uint8Array, nodeIdLength: number): ChordLeaveData | Refused {
	const reader = new WireReader(bytes);
	const type = reader.u8();
	if (type !== ChordLeaveType.fromSucc && type !== ChordLeaveType.fromPred) reader.refuse("unknown ChordLeave type", 0);
	const list = readNodeIds(reader, nodeIdLength);
	const isFromSucc = type === ChordLeaveType.fromSucc;
	return whole(reader, { type, successors: isFromSucc ? list : [], predecessors: isFromSucc ? [] : list });
}

export function writeChordLeaveData(writer: WireWriter, leave: ChordLeaveData): void {
	writer.u8(leave.type);
	writeNodeIds(writer, leave.type === ChordLeaveType.fromSucc ? leave.successors : leave.predecessors);
}
