/** Attach and AppAttach: request and answer have the same structure (RFC 6940 §6.5.1, §6.5.2). */
import type { Refused } from "../machine.ts";
import { type IpAddressPort, readIpAddressPort, writeIpAddressPort } from "./address.ts";
import { CandType } from "./codes.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export interface IceExtension {
	readonly name: Uint8Array;
	readonly value: Uint8Array;
}

export interface IceCandidate {
	readonly addrPort: IpAddressPort;
	/** OverlayLinkType. */
	readonly overlayLink: number;
	readonly foundation: Uint8Array;
	readonly priority: number;
	/** CandType: host, srflx or relay. */
	readonly type: number;
	/** Absent exactly when `type` is host. */
	readonly relAddrPort?: IpAddressPort;
	readonly extensions: readonly IceExtension[];
}

export interface AttachReqAns {
	readonly ufrag: Uint8Array;
	readonly password: Uint8Array;
	/** ASCII "passive" in a request, "active" in an answer. */
	readonly role: Uint8Array;
	readonly candidates: readonly IceCandidate[];
	readonly sendUpdate: boolean;
}

/** AppAttachReq and AppAttachAns. */
export interface AppAttach {
	readonly ufrag: Uint8Array;
	readonly password: Uint8Array;
	/** Application-ID. */
	readonly application: number;
	readonly role: Uint8Array;
	readonly candidates: readonly IceCandidate[];
}

/** Refused: a candidate type other than host, srflx and relay, since nothing tells how long it is. */
export function readIceCandidate(reader: WireReader): IceCandidate {
	const addrPort = readIpAddressPort(reader);
	const overlayLink = reader.u8();
	const foundation = reader.opaque8();
	const priority = reader.u32();
	const at = reader.at;
	const type = reader.u8();
	if (type === CandType.host) {
		return { addrPort, overlayLink, foundation, priority, type, extensions: readIceExtensions(reader) };
	}
	// RFC 6940 §6.3.1: an unknown value of a select without a length of its own is a fault of the whole message.
	if (type !== CandType.srflx && type !== CandType.relay) reader.refuse("unknown candidate type", at);
	const relAddrPort = readIpAddressPort(reader);
	return { addrPort, overlayLink, foundation, priority, type, relAddrPort, extensions: readIceExtensions(reader) };
}

function readIceExtensions(reader: WireReader): IceExtension[] {
	const extensions: IceExtension[] = [];
	const outer = reader.enter(reader.u16());
	while (reader.remaining > 0) extensions.push({ name: reader.opaque16(), value: reader.opaque16() });
	reader.leave(outer);
	return extensions;
}

function readCandidates(reader: WireReader): IceCandidate[] {
	const candidates: IceCandidate[] = [];
	const outer = reader.enter(reader.u16());
	while (reader.remaining > 0) candidates.push(readIceCandidate(reader));
	reader.leave(outer);
	return candidates;
}

export function writeIceCandidate(writer: WireWriter, candidate: IceCandidate): void {
	writeIpAddressPort(writer, candidate.addrPort);
	writer.u8(candidate.overlayLink);
	writer.opaque8(candidate.foundation);
	writer.u32(candidate.priority);
	writer.u8(candidate.type);
	if (candidate.type !== CandType.host) writeIpAddressPort(writer, candidate.relAddrPort!);
	const mark = writer.open16();
	for (let i = 0; i < candidate.extensions.length; i++) {
		writer.opaque16(candidate.extensions[i]!.name);
		writer.opaque16(candidate.extensions[i]!.value);
	}
	writer.close(mark);
}

function writeCandidates(writer: WireWriter, candidates: readonly IceCandidate[]): void {
	const mark = writer.open16();
	for (let i = 0; i < candidates.length; i++) writeIceCandidate(writer, candidates[i]!);
	writer.close(mark);
}

/** Body of attach_req and attach_ans. */
export function readAttachReqAns(bytes: Uint8Array): AttachReqAns | Refused {
	const reader = new WireReader(bytes);
	const ufrag = reader.opaque8();
	const password = reader.opaque8();
	const role = reader.opaque8();
	const candidates = readCandidates(reader);
	return whole(reader, { ufrag, password, role, candidates, sendUpdate: reader.boolean() });
}

export function writeAttachReqAns(writer: WireWriter, attach: AttachReqAns): void {
	writer.opaque8(attach.ufrag);
	writer.opaque8(attach.password);
	writer.opaque8(attach.role);
	writeCandidates(writer, attach.candidates);
	writer.boolean(attach.sendUpdate);
}

/** Body of app_attach_req and app_attach_ans. */
export function readAppAttach(bytes: Uint8Array): AppAttach | Refused {
	const reader = new WireReader(bytes);
	const ufrag = reader.opaque8();
	const password = reader.opaque8();
	const application = reader.u16();
	const role = reader.opaque8();
	return whole(reader, { ufrag, password, application, role, candidates: readCandidates(reader) });
}

export function writeAppAttach(writer: WireWriter, attach: AppAttach): void {
	writer.opaque8(attach.ufrag);
	writer.opaque8(attach.password);
	writer.u16(attach.application);
	writer.opaque8(attach.role);
	writeCandidates(writer, attach.candidates);
}
