/** Ping request and answer (RFC 6940 §6.5.3). */
import type { Refused } from "../machine.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface PingReq {
	/** Lets the sender look for path limits; no meaning. */
	readonly padding: Uint8Array;
}

export interface PingAns {
	/** response_id: 64 random bits, upper and lower word. */
	readonly responseIdHigh: number;
	readonly responseIdLow: number;
	/** Milliseconds since 1970-01-01T00:00Z by the responder's clock. */
	readonly time: number;
}

export function readPingReq(bytes: Uint8Array): PingReq | Refused {
	const reader = new WireReader(bytes);
	return whole(reader, { padding: reader.opaque16() });
}

export function writePingReq(writer: WireWriter, request: PingReq): void {
	writer.opaque16(request.padding);
}

export function readPingAns(bytes: Uint8Array): PingAns | Refused {
	const reader = new WireReader(bytes);
	const responseIdHigh = reader.u32();
	const responseIdLow = reader.u32();
	return whole(reader, { responseIdHigh, responseIdLow, time: reader.u64() });
}

export function writePingAns(writer: WireWriter, answer: PingAns): void {
	writer.u32(answer.responseIdHigh);
	writer.u32(answer.responseIdLow);
	writer.u64(answer.time);
}
