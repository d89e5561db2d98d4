/** Structures of RFC 7851 as `describe.ts` shows them. */
import { isRefused } from "../machine.ts";
import { toHex } from "./bytes.ts";
import { DiagnosticKindId } from "./codes.ts";
import { type Described, type DescribedFields, each, hex64, lengthOf, named } from "./describe-parts.ts";
import { diagnosticNumber, readInstancesStored, readMessagesSentRcvd, softwareVersion } from "./diagnostic-values.ts";
import {
	type DiagnosticInfo,
	type DiagnosticsRequest,
	type DiagnosticsResponse,
	writeDiagnosticsRequest,
	writeDiagnosticsResponse,
} from "./diagnostics.ts";

/** Octets in front of the list of a request: two times, flags, ext_length, and the list's own length. */
const REQUEST_HEAD = 32;
/** Octets in front of the list of a response: three times, hop_counter, ext_length, and the list's own length. */
const RESPONSE_HEAD = 33;

export function describeDiagnosticsRequest(request: DiagnosticsRequest): DescribedFields {
	return {
		expiration: request.expiration,
		timestamp_initiated: request.timestampInitiated,
		dMFlags: hex64(request.dMFlagsHigh, request.dMFlagsLow),
		ext_length: lengthOf(writeDiagnosticsRequest, request, REQUEST_HEAD),
		diagnostic_extensions_list: each(request.diagnosticExtensionsList, (extension) => ({
			...named("kind", DiagnosticKindId, extension.kind),
			diagnostic_extension_contents: toHex(extension.diagnosticExtensionContents),
		})),
	};
}

export function describeDiagnosticsResponse(response: DiagnosticsResponse): DescribedFields {
	return {
		expiration: response.expiration,
		timestamp_initiated: response.timestampInitiated,
		timestamp_received: response.timestampReceived,
		hop_counter: response.hopCounter,
		ext_length: lengthOf(writeDiagnosticsResponse, response, RESPONSE_HEAD),
		diagnostic_info_list: each(response.diagnosticInfoList, describeInfo),
	};
}

function describeInfo(info: DiagnosticInfo): DescribedFields {
	const fields = named("kind", DiagnosticKindId, info.kind);
	fields.diagnostic_info_contents = toHex(info.diagnosticInfoContents);
	const decoded = decodedInfo(info);
	if (decoded !== undefined) fields.decoded = decoded;
	return fields;
}

function decodedInfo(info: DiagnosticInfo): Described | undefined {
	const contents = info.diagnosticInfoContents;
	switch (info.kind) {
		case DiagnosticKindId.softwareVersion:
			return softwareVersion(contents);
		case DiagnosticKindId.instancesStored: {
			const list = readInstancesStored(contents);
			return isRefused(list) ? undefined : each(list, (entry) => ({ ...entry }));
		}
		case DiagnosticKindId.messagesSentRcvd: {
			const list = readMessagesSentRcvd(contents);
			return isRefused(list) ? undefined : each(list, (entry) => ({ ...entry }));
		}
		default:
			return diagnosticNumber(info.kind, contents);
	}
}
