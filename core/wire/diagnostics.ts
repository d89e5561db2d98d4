/**
 * Diagnostics (RFC 7851 §5): the structures of the Diagnostic_Ping extension and of PathTrack.
 * [D-33]: ext_length repeats the length of the list behind it; a disagreement is refused.
 */
import type { Refused } from "../machine.ts";
import { type Destination, readDestination, writeDestination } from "./destination.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface DiagnosticExtension {
	readonly kind: number;
	readonly diagnosticExtensionContents: Uint8Array;
}

export interface DiagnosticsRequest {
	/** Milliseconds since 1970-01-01T00:00Z. */
	readonly expiration: number;
	readonly timestampInitiated: number;
	/** dMFlags, upper and lower word: bit n asks for diagnostic Kind n. */
	readonly dMFlagsHigh: number;
	readonly dMFlagsLow: number;
	readonly diagnosticExtensionsList: readonly DiagnosticExtension[];
}

export interface DiagnosticInfo {
	readonly kind: number;
	readonly diagnosticInfoContents: Uint8Array;
}

export interface DiagnosticsResponse {
	readonly expiration: number;
	readonly timestampInitiated: number;
	readonly timestampReceived: number;
	/** ttl of the request as received. */
	readonly hopCounter: number;
	readonly diagnosticInfoList: readonly DiagnosticInfo[];
}

export interface PathTrackReq {
	readonly destination: Destination;
	readonly request: DiagnosticsRequest;
}

export interface PathTrackAns {
	readonly nextHop: Destination;
	readonly response: DiagnosticsResponse;
}

/** Enters the list behind ext_length and its own length; leave with what is returned. */
function enterList(reader: WireReader): number {
	const at = reader.at;
	const extLength = reader.u32();
	const length = reader.u32();
	if (extLength !== length) reader.refuse("ext_length is not the length of its list", at);
	return reader.enter(length);
}

export function readDiagnosticsRequest(reader: WireReader): DiagnosticsRequest {
	const expiration = reader.u64();
	const timestampInitiated = reader.u64();
	const dMFlagsHigh = reader.u32();
	const dMFlagsLow = reader.u32();
	const diagnosticExtensionsList: DiagnosticExtension[] = [];
	const outer = enterList(reader);
	while (reader.remaining > 0) {
		const kind = reader.u16();
		diagnosticExtensionsList.push({ kind, diagnosticExtensionContents: reader.opaque32() });
	}
	reader.leave(outer);
	return { expiration, timestampInitiated, dMFlagsHigh, dMFlagsLow, diagnosticExtensionsList };
}

export function readDiagnosticsResponse(reader: WireReader): DiagnosticsResponse {
	const expiration = reader.u64();
	const timestampInitiated = reader.u64();
	const timestampReceived = reader.u64();
	const hopCounter = reader.u8();
	const diagnosticInfoList: DiagnosticInfo[] = [];
	const outer = enterList(reader);
	while (reader.remaining > 0) {
		const kind = reader.u16();
		diagnosticInfoList.push({ kind, diagnosticInfoContents: reader.opaque16() });
	}
	reader.leave(outer);
	return { expiration, timestampInitiated, timestampReceived, hopCounter, diagnosticInfoList };
}

/** Contents of the Diagnostic_Ping extension of a Ping request. */
export function decodeDiagnosticsRequest(bytes: Uint8Array): DiagnosticsRequest | Refused {
	const reader = new WireReader(bytes);
	return whole(reader, readDiagnosticsRequest(reader));
}

/** Contents of the Diagnostic_Ping extension of a Ping answer. */
export function decodeDiagnosticsResponse(bytes: Uint8Array): DiagnosticsResponse | Refused {
	const reader = new WireReader(bytes);
	return whole(reader, readDiagnosticsResponse(reader));
}

/** Opens a list with its length at the end of `ext_length`; `closeList` writes both. */
function openList(writer: WireWriter): number {
	writer.u32(0);
	return writer.open32();
}

function closeList(writer: WireWriter, mark: number, start: number): void {
	writer.close(mark);
	writer.patch32(start, writer.length - start - 8);
}

export function writeDiagnosticsRequest(writer: WireWriter, request: DiagnosticsRequest): void {
	writer.u64(request.expiration);
	writer.u64(request.timestampInitiated);
	writer.u32(request.dMFlagsHigh);
	writer.u32(request.dMFlagsLow);
	const start = writer.length;
	const mark = openList(writer);
	for (let i = 0; i < request.diagnosticExtensionsList.length; i++) {
		const extension = request.diagnosticExtensionsList[i]!;
		writer.u16(extension.kind);
		writer.opaque32(extension.diagnosticExtensionContents);
	}
	closeList(writer, mark, start);
}

export function writeDiagnosticsResponse(writer: WireWriter, response: DiagnosticsResponse): void {
	writer.u64(response.expiration);
	writer.u64(response.timestampInitiated);
	writer.u64(response.timestampReceived);
	writer.u8(response.hopCounter);
	const start = writer.length;
	const mark = openList(writer);
	for (let i = 0; i < response.diagnosticInfoList.length; i++) {
		const info = response.diagnosticInfoList[i]!;
		writer.u16(info.kind);
		writer.opaque16(info.diagnosticInfoContents);
	}
	closeList(writer, mark, start);
}

export function readPathTrackReq(bytes: Uint8Array, nodeIdLength: number): PathTrackReq | Refused {
	const reader = new WireReader(bytes);
	const destination = readDestination(reader, nodeIdLength);
	return whole(reader, { destination, request: readDiagnosticsRequest(reader) });
}

export function writePathTrackReq(writer: WireWriter, request: PathTrackReq): void {
	writeDestination(writer, request.destination);
	writeDiagnosticsRequest(writer, request.request);
}

export function readPathTrackAns(bytes: Uint8Array, nodeIdLength: number): PathTrackAns | Refused {
	const reader = new WireReader(bytes);
	const nextHop = readDestination(reader, nodeIdLength);
	return whole(reader, { nextHop, response: readDiagnosticsResponse(reader) });
}

export function writePathTrackAns(writer: WireWriter, answer: PathTrackAns): void {
	writeDestination(writer, answer.nextHop);
	writeDiagnosticsResponse(writer, answer.response);
}
