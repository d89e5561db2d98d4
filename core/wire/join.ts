/** Join and Leave (RFC 6940 §6.4.2.1, §6.4.2.2). LeaveAns is empty; Chord's data of a Leave is in `chord.ts`. */
import type { Refused } from "../machine.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface JoinReq {
	readonly joiningPeerId: Uint8Array;
	readonly overlaySpecificData: Uint8Array;
}

export interface JoinAns {
	readonly overlaySpecificData: Uint8Array;
}

export interface LeaveReq {
	readonly leavingPeerId: Uint8Array;
	readonly overlaySpecificData: Uint8Array;
}

export function readJoinReq(bytes: Uint8Array, nodeIdLength: number): JoinReq | Refused {
	const reader = new WireReader(bytes);
	const joiningPeerId = reader.bytes(nodeIdLength);
	return whole(reader, { joiningPeerId, overlaySpecificData: reader.opaque16() });
}

export function writeJoinReq(writer: WireWriter, request: JoinReq): void {
	writer.bytes(request.joiningPeerId);
	writer.opaque16(request.overlaySpecificData);
}

export function readJoinAns(bytes: Uint8Array): JoinAns | Refused {
	const reader = new WireReader(bytes);
	return whole(reader, { overlaySpecificData: reader.opaque16() });
}

export function writeJoinAns(writer: WireWriter, answer: JoinAns): void {
	writer.opaque16(answer.overlaySpecificData);
}

export function readLeaveReq(bytes: Uint8Array, nodeIdLength: number): LeaveReq | Refused {
	const reader = new WireReader(bytes);
	const leavingPeerId = reader.bytes(nodeIdLength);
	return whole(reader, { leavingPeerId, overlaySpecificData: reader.opaque16() });
}

export function writeLeaveReq(writer: WireWriter, request: LeaveReq): void {
	writer.bytes(request.leavingPeerId);
	writer.opaque16(request.overlaySpecificData);
}
