/** Message bodies as `describe.ts` shows them: one entry per message code, in the RFC's field names. */
import { isRefused, type Refused } from "../machine.ts";
import type { IceCandidate } from "./attach.ts";
import { readAppAttach, readAttachReqAns } from "./attach.ts";
import { toHex } from "./bytes.ts";
import { type ChordLeaveData, type ChordUpdate, readChordLeaveData, readChordUpdate } from "./chord.ts";
import {
	CandType,
	ChordLeaveType,
	ChordUpdateType,
	ConfigUpdateType,
	ErrorCode,
	MessageCode,
	ProbeInformationType,
} from "./codes.ts";
import { type ConfigUpdateReq, readConfigUpdateReq, writeConfigUpdateReq } from "./config-update.ts";
import { describeDiagnosticsRequest, describeDiagnosticsResponse } from "./describe-diagnostics.ts";
import {
	type DescribedFields,
	type DescribeOptions,
	describeAddress,
	describeDestination,
	each,
	type FieldsInProgress,
	hex64,
	lengthOf,
	named,
	textOrHex,
} from "./describe-parts.ts";
import {
	describeFetchAns,
	describeFetchReq,
	describeStatAns,
	describeStoreAns,
	describeStoreReq,
} from "./describe-storage.ts";
import { readPathTrackAns, readPathTrackReq } from "./diagnostics.ts";
import { type ErrorResponse, readErrorResponse, readUnknownKinds } from "./error.ts";
import { readFetchAns, readFetchReq } from "./fetch.ts";
import { readFindAns, readFindReq } from "./find.ts";
import { readJoinAns, readJoinReq, readLeaveReq } from "./join.ts";
import { errorCodeName, overlayLinkName } from "./names.ts";
import { readPingAns, readPingReq } from "./ping.ts";
import { type ProbeInformation, readProbeAns, readProbeReq } from "./probe.ts";
import { WireReader } from "./reader.ts";
import { readChordRouteQueryAns, readRouteQueryReq } from "./route-query.ts";
import { readStatAns } from "./stat.ts";
import { readStoreAns, readStoreReq } from "./store.ts";

/** Describes what was read, or passes the refusal on. */
function shown<T extends object>(result: T | Refused, show: (value: T) => DescribedFields): DescribedFields | Refused {
	return isRefused(result) ? result : show(result);
}

/** The fields of a body, why it is refused (offset within the body), or `undefined` for a code without a known structure. */
export function describeBody(
	code: number,
	body: Uint8Array,
	options: DescribeOptions,
): DescribedFields | Refused | undefined {
	const { nodeIdLength, modelOf } = options;
	switch (code) {
		case MessageCode.probeReq:
			return shown(readProbeReq(body), (request) => ({ requested_info: request.requestedInfo }));
		case MessageCode.probeAns:
			return shown(readProbeAns(body), (answer) => ({ probe_info: each(answer.probeInfo, describeProbe) }));
		case MessageCode.attachReq:
		case MessageCode.attachAns:
			return shown(readAttachReqAns(body), (attach) => ({
				...iceFields(attach),
				role: textOrHex(attach.role),
				candidates: each(attach.candidates, describeCandidate),
				send_update: attach.sendUpdate,
			}));
		case MessageCode.appAttachReq:
		case MessageCode.appAttachAns:
			return shown(readAppAttach(body), (attach) => ({
				...iceFields(attach),
				application: attach.application,
				role: textOrHex(attach.role),
				candidates: each(attach.candidates, describeCandidate),
			}));
		case MessageCode.storeReq:
			return shown(readStoreReq(body, modelOf), (request) => describeStoreReq(request, options));
		case MessageCode.storeAns:
			return shown(readStoreAns(body, nodeIdLength), describeStoreAns);
		case MessageCode.fetchReq:
		case MessageCode.statReq:
			return shown(readFetchReq(body, modelOf), describeFetchReq);
		case MessageCode.fetchAns:
			return shown(readFetchAns(body, modelOf), (answer) => describeFetchAns(answer, options));
		case MessageCode.statAns:
			return shown(readStatAns(body, modelOf), describeStatAns);
		case MessageCode.findReq:
			return shown(readFindReq(body), (request) => ({ resource: toHex(request.resource), kinds: request.kinds }));
		case MessageCode.findAns:
			return shown(readFindAns(body), (answer) => ({
				results: each(answer.results, (entry) => ({ kind: entry.kind, closest: toHex(entry.closest) })),
			}));
		default:
			return describeOverlayBody(code, body, options);
	}
}

function describeOverlayBody(
	code: number,
	body: Uint8Array,
	options: DescribeOptions,
): DescribedFields | Refused | undefined {
	const { nodeIdLength } = options;
	switch (code) {
		case MessageCode.joinReq:
			return shown(readJoinReq(body, nodeIdLength), (request) => ({
				joining_peer_id: toHex(request.joiningPeerId),
				overlay_specific_data: toHex(request.overlaySpecificData),
			}));
		case MessageCode.joinAns:
			return shown(readJoinAns(body), (answer) => ({ overlay_specific_data: toHex(answer.overlaySpecificData) }));
		case MessageCode.leaveReq:
			return shown(readLeaveReq(body, nodeIdLength), (request) => ({
				leaving_peer_id: toHex(request.leavingPeerId),
				overlay_specific_data: describeLeaveData(request.overlaySpecificData, nodeIdLength),
			}));
		case MessageCode.updateReq:
			return shown(readChordUpdate(body, nodeIdLength), describeChordUpdate);
		case MessageCode.routeQueryReq:
			return shown(readRouteQueryReq(body, nodeIdLength), (request) => ({
				send_update: request.sendUpdate,
				destination: describeDestination(request.destination),
				overlay_specific_data: toHex(request.overlaySpecificData),
			}));
		case MessageCode.routeQueryAns:
			return shown(readChordRouteQueryAns(body, nodeIdLength), (answer) => ({ next_peer: toHex(answer.nextPeer) }));
		case MessageCode.pingReq:
			return shown(readPingReq(body), (request) => ({ padding: toHex(request.padding) }));
		case MessageCode.pingAns:
			return shown(readPingAns(body), (answer) => ({
				response_id: hex64(answer.responseIdHigh, answer.responseIdLow),
				time: answer.time,
			}));
		case MessageCode.configUpdateReq:
			return shown(readConfigUpdateReq(body), describeConfigUpdate);
		case MessageCode.leaveAns:
		case MessageCode.updateAns:
		case MessageCode.configUpdateAns:
			return describeEmpty(body);
		case MessageCode.pathTrackReq:
			return shown(readPathTrackReq(body, nodeIdLength), (request) => ({
				destination: describeDestination(request.destination),
				request: describeDiagnosticsRequest(request.request),
			}));
		case MessageCode.pathTrackAns:
			return shown(readPathTrackAns(body, nodeIdLength), (answer) => ({
				next_hop: describeDestination(answer.nextHop),
				response: describeDiagnosticsResponse(answer.response),
			}));
		case MessageCode.error:
			return shown(readErrorResponse(body), (error) => describeError(error, nodeIdLength));
		default:
			return undefined;
	}
}

function describeEmpty(body: Uint8Array): DescribedFields | Refused {
	const reader = new WireReader(body);
	reader.end();
	return reader.refused ?? {};
}

function iceFields(attach: { readonly ufrag: Uint8Array; readonly password: Uint8Array }): DescribedFields {
	return { ufrag: textOrHex(attach.ufrag), password: textOrHex(attach.password) };
}

function describeCandidate(candidate: IceCandidate): DescribedFields {
	const fields: FieldsInProgress = {
		addr_port: describeAddress(candidate.addrPort),
		overlay_link: candidate.overlayLink,
		overlayLinkName: overlayLinkName(candidate.overlayLink),
		foundation: textOrHex(candidate.foundation),
		priority: candidate.priority,
	};
	Object.assign(fields, named("type", CandType, candidate.type));
	if (candidate.relAddrPort !== undefined) fields.rel_addr_port = describeAddress(candidate.relAddrPort);
	fields.extensions = each(candidate.extensions, (extension) => ({
		name: textOrHex(extension.name),
		value: textOrHex(extension.value),
	}));
	return fields;
}

function describeProbe(information: ProbeInformation): DescribedFields {
	if (information.other !== undefined) {
		return { type: information.type, length: information.other.length, value: toHex(information.other) };
	}
	const name =
		information.type === ProbeInformationType.responsibleSet
			? "responsible_ppb"
			: information.type === ProbeInformationType.numResources
				? "num_resources"
				: "uptime";
	return { type: information.type, length: 4, [name]: information.value };
}

function describeChordUpdate(update: ChordUpdate): DescribedFields {
	const fields: FieldsInProgress = { uptime: update.uptime };
	Object.assign(fields, named("type", ChordUpdateType, update.type));
	if (update.type === ChordUpdateType.peerReady) return fields;
	fields.predecessors = each(update.predecessors, toHex);
	fields.successors = each(update.successors, toHex);
	if (update.type === ChordUpdateType.full) fields.fingers = each(update.fingers, toHex);
	return fields;
}

/** overlay_specific_data belongs to the topology plug-in: shown as Chord's when it reads as such. */
function describeLeaveData(data: Uint8Array, nodeIdLength: number): DescribedFields | string {
	const leave = readChordLeaveData(data, nodeIdLength);
	return isRefused(leave) ? toHex(data) : describeChordLeave(leave);
}

function describeChordLeave(leave: ChordLeaveData): DescribedFields {
	const fields = named("type", ChordLeaveType, leave.type);
	if (leave.type === ChordLeaveType.fromSucc) fields.successors = each(leave.successors, toHex);
	else fields.predecessors = each(leave.predecessors, toHex);
	return fields;
}

/** Octets of type and length in front of the update. */
const CONFIG_UPDATE_HEAD = 5;

function describeConfigUpdate(request: ConfigUpdateReq): DescribedFields {
	const fields = named("type", ConfigUpdateType, request.type === 0 ? request.code : request.type);
	fields.length = lengthOf(writeConfigUpdateReq, request, CONFIG_UPDATE_HEAD);
	if (request.type === ConfigUpdateType.config) fields.config_data = textOrHex(request.configData);
	else if (request.type === ConfigUpdateType.kind) fields.kinds = each(request.kinds, textOrHex);
	else fields.data = toHex(request.data);
	return fields;
}

function describeError(error: ErrorResponse, nodeIdLength: number): DescribedFields {
	const fields: FieldsInProgress = { error_code: error.errorCode, errorCodeName: errorCodeName(error.errorCode) };
	const decoded = decodedErrorInfo(error, nodeIdLength);
	fields.error_info = decoded === undefined ? textOrHex(error.errorInfo) : toHex(error.errorInfo);
	if (decoded !== undefined) fields.error_info_decoded = decoded;
	return fields;
}

/** RFC 6940 §14.9: two errors carry a structure in error_info. */
function decodedErrorInfo(error: ErrorResponse, nodeIdLength: number): DescribedFields | undefined {
	if (error.errorCode === ErrorCode.generationCounterTooLow) {
		const answer = readStoreAns(error.errorInfo, nodeIdLength);
		return isRefused(answer) ? undefined : describeStoreAns(answer);
	}
	if (error.errorCode !== ErrorCode.unknownKind) return undefined;
	const kinds = readUnknownKinds(error.errorInfo);
	return isRefused(kinds) ? undefined : { unknown_kinds: kinds };
}
