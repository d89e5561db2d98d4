/** RouteQuery request, and the answer of CHORD-RELOAD (RFC 6940 §6.4.2.4, §10.8). */
import type { Refused } from "../machine.ts";
import { type Destination, readDestination, writeDestination } from "./destination.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface RouteQueryReq {
	readonly sendUpdate: boolean;
	readonly destination: Destination;
	readonly overlaySpecificData: Uint8Array;
}

export interface ChordRouteQueryAns {
	readonly nextPeer: Uint8Array;
}

export function readRouteQueryReq(bytes: Uint8Array, nodeIdLength: number): RouteQueryReq | Refused {
	const reader = new WireReader(bytes);
	const sendUpdate = reader.boolean();
	const destination = readDestination(reader, nodeIdLength);
	return whole(reader, { sendUpdate, destination, overlaySpecificData: reader.opaque16() });
}

export function writeRouteQueryReq(writer: WireWriter, request: RouteQueryReq): void {
	writer.boolean(request.sendUpdate);
	writeDestination(writer, request.destination);
	writer.opaque16(request.overlaySpecificData);
}

export function readChordRouteQueryAns(bytes: Uint8Array, nodeIdLength: number): ChordRouteQueryAns | Refused {
	const reader = new WireReader(bytes);
	return whole(reader, { nextPeer: reader.bytes(nodeIdLength) });
}

export function writeChordRouteQueryAns(writer: WireWriter, answer: ChordRouteQueryAns): void {
	writer.bytes(answer.nextPeer);
}
