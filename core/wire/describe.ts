/**
 * A message as named fields, for `ringlet decode`: every field in wire order under its RFC name, or where and why it is refused.
 * Pure and complete rather than fast. Names ending in `Name` and `decoded` are explanations, not fields of the wire.
 */
import { isRefused, type Refused, refuse } from "../machine.ts";
import { toHex } from "./bytes.ts";
import {
	CertificateType,
	ForwardingFlag,
	ForwardingOptionType,
	FramedMessageType,
	MessageCode,
	MessageExtensionType,
} from "./codes.ts";
import { type MessageContents, type MessageExtension, readMessageContents } from "./contents.ts";
import { describeBody } from "./describe-bodies.ts";
import { describeDiagnosticsRequest, describeDiagnosticsResponse } from "./describe-diagnostics.ts";
import {
	type Described,
	type DescribedFields,
	type DescribeOptions,
	describeAddress,
	describeDestination,
	describeSignature,
	each,
	type FieldsInProgress,
	hex32,
	hex64,
	named,
} from "./describe-parts.ts";
import { decodeDiagnosticsRequest, decodeDiagnosticsResponse } from "./diagnostics.ts";
import { readExtensiveRoutingModeOption } from "./extensive-routing.ts";
import {
	FIXED_HEADER_OCTETS,
	type ForwardingHeader,
	type ForwardingOption,
	isWhole,
	LENGTH_OFFSET,
	readForwardingHeader,
} from "./forwarding.ts";
import { decodeFramedMessage } from "./framing.ts";
import { DESCRIBE_OCTETS } from "./limits.ts";
import { extensionName, messageCodeName, overlayLinkName } from "./names.ts";
import { WireReader } from "./reader.ts";
import { readSecurityBlock, type SecurityBlock } from "./security.ts";
import { readSelfTuningData } from "./self-tuning.ts";

export type { Described, DescribedFields, DescribeOptions } from "./describe-parts.ts";

/** What could be told, and the fault that ended it. */
export interface Description {
	readonly fields: DescribedFields;
	/** `at` counts from the first octet of what was described. */
	readonly refused?: Refused;
}

/** Describes a whole message or a fragment of one. */
export function describeMessage(bytes: Uint8Array, options: DescribeOptions): Description {
	const fields: FieldsInProgress = {};
	const refused = describeInto(fields, bytes, options);
	return refused === undefined ? { fields } : { fields, refused };
}

function describeInto(fields: FieldsInProgress, bytes: Uint8Array, options: DescribeOptions): Refused | undefined {
	if (bytes.length > DESCRIBE_OCTETS) return refuse("more octets than are described", DESCRIBE_OCTETS);
	const reader = new WireReader(bytes);
	const header = readForwardingHeader(reader, options.nodeIdLength);
	const fixed = describeFixedHeader(bytes);
	if (fixed !== undefined) fields.forwarding_header = fixed;
	if (reader.refused !== undefined) return reader.refused;
	Object.assign(fixed!, describeLists(header, options));
	if (header.length !== bytes.length) return refuse("length is not that of the message", LENGTH_OFFSET);
	if (!isWhole(header.fragment)) {
		fields.fragment_payload = toHex(reader.rest());
		return undefined;
	}
	const contents = readMessageContents(reader);
	if (reader.refused !== undefined) return reader.refused;
	const body = describeBody(contents.messageCode, contents.messageBody, options);
	fields.message_contents = describeContents(contents, body);
	const security = readSecurityBlock(reader);
	reader.end();
	if (reader.refused === undefined) fields.security_block = describeSecurityBlock(security, options);
	if (body === undefined || !isRefused(body)) return reader.refused;
	return refuse(body.refused, contents.messageBody.byteOffset - bytes.byteOffset + body.at);
}

/** The fixed part as it stands, without judging it; `undefined` when it is not all there. */
function describeFixedHeader(bytes: Uint8Array): FieldsInProgress | undefined {
	if (bytes.length < FIXED_HEADER_OCTETS) return undefined;
	const reader = new WireReader(bytes);
	return {
		relo_token: hex32(reader.u32()),
		overlay: hex32(reader.u32()),
		configuration_sequence: reader.u16(),
		version: reader.u8(),
		ttl: reader.u8(),
		fragment: hex32(reader.u32()),
		length: reader.u32(),
		transaction_id: hex64(reader.u32(), reader.u32()),
		max_response_length: reader.u32(),
		via_list_length: reader.u16(),
		destination_list_length: reader.u16(),
		options_length: reader.u16(),
	};
}

function describeLists(header: ForwardingHeader, options: DescribeOptions): DescribedFields {
	return {
		via_list: each(header.viaList, describeDestination),
		destination_list: each(header.destinationList, describeDestination),
		options: each(header.options, (option) => describeOption(option, options)),
	};
}

function describeOption(option: ForwardingOption, options: DescribeOptions): DescribedFields {
	const fields = named("type", ForwardingOptionType, option.type);
	fields.flags = option.flags;
	fields.flagNames = flagNames(option.flags);
	fields.length = option.value.length;
	fields.value = toHex(option.value);
	if (option.type !== ForwardingOptionType.extensiveRoutingMode) return fields;
	const mode = readExtensiveRoutingModeOption(option.value, options.nodeIdLength);
	fields.decoded = isRefused(mode)
		? `refused: ${mode.refused}, at octet ${mode.at} of the option`
		: {
				routemode: mode.routeMode,
				transport: mode.transport,
				transportName: overlayLinkName(mode.transport),
				ipaddressport: describeAddress(mode.ipAddressPort),
				destinations: each(mode.destinations, describeDestination),
			};
	return fields;
}

function flagNames(flags: number): string[] {
	const names: string[] = [];
	if ((flags & ForwardingFlag.forwardCritical) !== 0) names.push("FORWARD_CRITICAL");
	if ((flags & ForwardingFlag.destinationCritical) !== 0) names.push("DESTINATION_CRITICAL");
	if ((flags & ForwardingFlag.responseCopy) !== 0) names.push("RESPONSE_COPY");
	if ((flags & ForwardingFlag.ignoreStateKeeping) !== 0) names.push("IGNORE-STATE-KEEPING");
	return names;
}

function describeContents(contents: MessageContents, body: DescribedFields | Refused | undefined): DescribedFields {
	const isRead = body !== undefined && !isRefused(body);
	return {
		message_code: contents.messageCode,
		messageCodeName: messageCodeName(contents.messageCode),
		message_body: isRead ? (body as DescribedFields) : toHex(contents.messageBody),
		extensions: each(contents.extensions, (extension) => describeExtension(extension, contents.messageCode)),
	};
}

function describeExtension(extension: MessageExtension, messageCode: number): DescribedFields {
	const fields: FieldsInProgress = {
		type: extension.type,
		typeName: extensionName(extension.type),
		critical: extension.critical,
		extension_contents: toHex(extension.extensionContents),
	};
	const decoded = decodedExtension(extension, messageCode);
	if (decoded !== undefined) fields.decoded = decoded;
	return fields;
}

function decodedExtension(extension: MessageExtension, messageCode: number): Described | undefined {
	const contents = extension.extensionContents;
	if (extension.type === MessageExtensionType.selfTuningData) {
		const data = readSelfTuningData(contents);
		if (isRefused(data)) return notDecoded(data);
		return { network_size: data.networkSize, join_rate: data.joinRate, leave_rate: data.leaveRate };
	}
	if (extension.type !== MessageExtensionType.diagnosticPing) return undefined;
	if (messageCode === MessageCode.pingReq) {
		const request = decodeDiagnosticsRequest(contents);
		return isRefused(request) ? notDecoded(request) : describeDiagnosticsRequest(request);
	}
	const response = decodeDiagnosticsResponse(contents);
	return isRefused(response) ? notDecoded(response) : describeDiagnosticsResponse(response);
}

function notDecoded(refused: Refused): string {
	return `refused: ${refused.refused}, at octet ${refused.at} of the extension`;
}

function describeSecurityBlock(block: SecurityBlock, options: DescribeOptions): DescribedFields {
	return {
		certificates: each(block.certificates, (entry) => {
			const fields: FieldsInProgress = { type: entry.type };
			if (entry.type === CertificateType.x509) fields.typeName = "X.509";
			if (options.sha256 !== undefined) fields.certificateSha256 = toHex(options.sha256(entry.certificate));
			fields.length = entry.certificate.length;
			fields.certificate = toHex(entry.certificate);
			return fields;
		}),
		signature: describeSignature(block.signature),
	};
}

/** Describes one FramedMessage; the message inside a data frame is described in place. */
export function describeFramedMessage(bytes: Uint8Array, options: DescribeOptions): Description {
	const frame = decodeFramedMessage(bytes);
	if (isRefused(frame)) return { fields: {}, refused: frame };
	if (frame.type === FramedMessageType.ack) {
		const { type, ackSequence, received } = frame;
		return {
			fields: {
				type,
				typeName: "ack",
				ack_sequence: ackSequence,
				received: hex32(received),
				receivedSequences: receivedSequences(ackSequence, received),
			},
		};
	}
	const inner = describeMessage(frame.message, options);
	const fields = { type: frame.type, typeName: "data", sequence: frame.sequence, message: inner.fields };
	if (inner.refused === undefined) return { fields };
	return { fields, refused: refuse(inner.refused.refused, bytes.length - frame.message.length + inner.refused.at) };
}

/** [D-4]: bit (N-M-1), least significant first, stands for sequence number M. */
function receivedSequences(ackSequence: number, received: number): number[] {
	const sequences: number[] = [];
	for (let bit = 0; bit < 32; bit++) {
		if (((received >>> bit) & 1) === 1) sequences.push((ackSequence - bit - 1) >>> 0);
	}
	return sequences;
}
