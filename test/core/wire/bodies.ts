/** Every body that has its own message code: how to read it and how to write it, for tests that go through all of them. */
import type { Refused } from "../../../core/machine.ts";
import * as wire from "../../../core/wire/index.ts";
import { modelOf } from "./kit.ts";

/** Reads a body and writes what was read; the refusal when it is refused. */
export type Rewrite = (body: Uint8Array, nodeIdLength: number) => Uint8Array | Refused;

function rewrite<T extends object>(
	read: (body: Uint8Array, nodeIdLength: number) => T | Refused,
	write: (writer: wire.WireWriter, value: T) => void,
): Rewrite {
	return (body, nodeIdLength) => {
		const value = read(body, nodeIdLength);
		if ("refused" in value) return value as Refused;
		return wire.encode(write, value as T);
	};
}

const code = wire.MessageCode;
const attach = rewrite(wire.readAttachReqAns, wire.writeAttachReqAns);
const appAttach = rewrite(wire.readAppAttach, wire.writeAppAttach);
const fetch = rewrite((body) => wire.readFetchReq(body, modelOf), wire.writeFetchReq);

export const BODIES: ReadonlyArray<readonly [number, Rewrite]> = [
	[code.probeReq, rewrite(wire.readProbeReq, wire.writeProbeReq)],
	[code.probeAns, rewrite(wire.readProbeAns, wire.writeProbeAns)],
	[code.attachReq, attach],
	[code.attachAns, attach],
	[code.storeReq, rewrite((body) => wire.readStoreReq(body, modelOf), wire.writeStoreReq)],
	[code.storeAns, rewrite(wire.readStoreAns, wire.writeStoreAns)],
	[code.fetchReq, fetch],
	[code.fetchAns, rewrite((body) => wire.readFetchAns(body, modelOf), wire.writeFetchAns)],
	[code.statReq, fetch],
	[code.statAns, rewrite((body) => wire.readStatAns(body, modelOf), wire.writeStatAns)],
	[code.findReq, rewrite(wire.readFindReq, wire.writeFindReq)],
	[code.findAns, rewrite(wire.readFindAns, wire.writeFindAns)],
	[code.joinReq, rewrite(wire.readJoinReq, wire.writeJoinReq)],
	[code.joinAns, rewrite(wire.readJoinAns, wire.writeJoinAns)],
	[code.leaveReq, rewrite(wire.readLeaveReq, wire.writeLeaveReq)],
	[code.updateReq, rewrite(wire.readChordUpdate, wire.writeChordUpdate)],
	[code.routeQueryReq, rewrite(wire.readRouteQueryReq, wire.writeRouteQueryReq)],
	[code.routeQueryAns, rewrite(wire.readChordRouteQueryAns, wire.writeChordRouteQueryAns)],
	[code.pingReq, rewrite(wire.readPingReq, wire.writePingReq)],
	[code.pingAns, rewrite(wire.readPingAns, wire.writePingAns)],
	[code.appAttachReq, appAttach],
	[code.appAttachAns, appAttach],
	[code.configUpdateReq, rewrite(wire.readConfigUpdateReq, wire.writeConfigUpdateReq)],
	[code.pathTrackReq, rewrite(wire.readPathTrackReq, wire.writePathTrackReq)],
	[code.pathTrackAns, rewrite(wire.readPathTrackAns, wire.writePathTrackAns)],
	[code.error, rewrite(wire.readErrorResponse, wire.writeErrorResponse)],
];

/** Values of Kinds and contents of options and extensions: structures without a message code. */
export const VALUES: ReadonlyArray<readonly [string, Rewrite]> = [
	["SipRegistration", rewrite(wire.readSipRegistration, wire.writeSipRegistration)],
	["TurnServer", rewrite(wire.readTurnServer, wire.writeTurnServer)],
	["RedirServiceProvider", rewrite(wire.readRedirServiceProvider, wire.writeRedirServiceProvider)],
	["SelfTuningData", rewrite(wire.readSelfTuningData, wire.writeSelfTuningData)],
	["DiagnosticsRequest", rewrite(wire.decodeDiagnosticsRequest, wire.writeDiagnosticsRequest)],
	["DiagnosticsResponse", rewrite(wire.decodeDiagnosticsResponse, wire.writeDiagnosticsResponse)],
	["ExtensiveRoutingModeOption", rewrite(wire.readExtensiveRoutingModeOption, wire.writeExtensiveRoutingModeOption)],
	[
		"AccessControlListItem",
		rewrite((body) => wire.readAccessControlListItem(body, false), wire.writeAccessControlListItem),
	],
	[
		"AccessControlListItem with ResourceNameExtension",
		rewrite((body) => wire.readAccessControlListItem(body, true), wire.writeAccessControlListItem),
	],
	["ChordLeaveData", rewrite(wire.readChordLeaveData, wire.writeChordLeaveData)],
	["SecurityBlock", rewrite(wire.decodeSecurityBlock, wire.writeSecurityBlock)],
	["FramedMessage", rewrite(wire.decodeFramedMessage, wire.writeFramedMessage)],
	["InstancesStored", rewrite(wire.readInstancesStored, wire.writeInstancesStored)],
	["MessagesSentRcvd", rewrite(wire.readMessagesSentRcvd, wire.writeMessagesSentRcvd)],
	["PingReq", rewrite(wire.readPingReq, wire.writePingReq)],
];

/** The body of `code` read and written again; `undefined` for codes without a structure of their own. */
export function rewriteBody(code: number, body: Uint8Array, nodeIdLength: number): Uint8Array | Refused | undefined {
	const entry = BODIES.find(([messageCode]) => messageCode === code);
	return entry?.[1](body, nodeIdLength);
}
