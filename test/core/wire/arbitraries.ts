/** Values of every structure for property tests: legal ones, with the unknown parts that must survive. */
import fc from "fast-check";
import * as wire from "../../../core/wire/index.ts";
import { NODE_ID_LENGTH } from "./kit.ts";

/** The same values in every run; change the seed to look further. */
fc.configureGlobal({ seed: 6940 });

export const octets = (maxLength = 40, minLength = 0): fc.Arbitrary<Uint8Array> =>
	fc.uint8Array({ minLength, maxLength });
export const u8 = fc.integer({ min: 0, max: 0xff });
export const u16 = fc.integer({ min: 0, max: 0xffff });
export const u32 = fc.integer({ min: 0, max: 0xffffffff });
/** uint64 as far as a number goes. */
export const u64 = fc.maxSafeNat();
export const nodeId = octets(NODE_ID_LENGTH, NODE_ID_LENGTH);
export const nodeIds = fc.array(nodeId, { maxLength: 5 });
const between = (min: number, max: number) => fc.integer({ min, max });
const list = <T>(element: fc.Arbitrary<T>) => fc.array(element, { maxLength: 4 });

/** What a Kind without a known model has in place of values. */
export const UNKNOWN_KIND = 0xf0000001;

const notResource = fc.oneof(
	nodeId.map(wire.nodeDestination),
	octets(20).map((opaqueId) => ({ type: 3 as const, opaqueId, compressed: false })),
	fc.tuple(between(0x80, 0xff), u8).map(([a, b]) => wire.opaqueDestination(new Uint8Array([a, b]))),
	fc.record({ type: fc.constant(0 as const), code: between(4, 127), data: octets(20) }),
);
const resource = octets(32).map(wire.resourceDestination);
export const destination: fc.Arbitrary<wire.Destination> = fc.oneof(notResource, resource);

/** A destination list of a header: never empty, a Resource-ID only at its end. */
const headerDestinations: fc.Arbitrary<wire.Destination[]> = fc.oneof(
	fc.array(notResource, { minLength: 1, maxLength: 5 }),
	fc.tuple(list(notResource), resource).map(([before, last]) => [...before, last]),
);

export const forwardingHeader: fc.Arbitrary<wire.ForwardingHeader> = fc.record({
	overlay: u32,
	configurationSequence: u16,
	version: fc.constant(0x0a),
	ttl: u8,
	fragment: fc.constant(wire.UNFRAGMENTED),
	length: fc.constant(0),
	transactionIdHigh: u32,
	transactionIdLow: u32,
	maxResponseLength: u32,
	viaList: list(notResource),
	destinationList: headerDestinations,
	options: list(fc.record({ type: between(1, 255), flags: u8, value: octets() })),
});

export const messageContents: fc.Arbitrary<wire.MessageContents> = fc.record({
	messageCode: u16,
	messageBody: octets(600),
	extensions: list(fc.record({ type: between(1, 0xffff), critical: fc.boolean(), extensionContents: octets() })),
});

const identity: fc.Arbitrary<wire.SignerIdentity> = fc.oneof(
	fc.record({ identityType: between(1, 2), hashAlg: u8, certificateHash: octets(64) }),
	fc.constant(wire.NO_SIGNATURE.identity),
	fc.record({
		identityType: between(4, 255),
		hashAlg: fc.constant(0),
		certificateHash: fc.constant(wire.EMPTY),
		other: octets(),
	}),
);
export const signature: fc.Arbitrary<wire.Signature> = fc.record({
	algorithm: fc.record({ hash: u8, signature: u8 }),
	identity,
	signatureValue: octets(80),
});
export const securityBlock: fc.Arbitrary<wire.SecurityBlock> = fc.record({
	certificates: list(fc.record({ type: u8, certificate: octets(300) })),
	signature,
});

const dataValue = fc.record({ exists: fc.boolean(), value: octets(60) });
const STORED_VALUES: Record<wire.DataModel, fc.Arbitrary<wire.StoredDataValue>> = {
	single: fc.record({ model: fc.constant("single" as const), value: dataValue }),
	array: fc.record({ model: fc.constant("array" as const), index: u32, value: dataValue }),
	dictionary: fc.record({ model: fc.constant("dictionary" as const), key: octets(), value: dataValue }),
};
const MODELS = [
	[2, "single"],
	[3, "array"],
	[1, "dictionary"],
] as const;

const storedData = (model: wire.DataModel): fc.Arbitrary<wire.StoredData> =>
	fc
		.record({ storageTime: u64, lifetime: u32, value: STORED_VALUES[model], signature })
		.map((fields) => ({ ...fields, valueBytes: wire.encodeStoredDataValue(fields.value) }));

/** `kind`, `values` and perhaps `raw` of an entry, for every model and for a Kind without one. */
const kindValues = fc.oneof(
	...MODELS.map(([kind, model]) => fc.record({ kind: fc.constant(kind as number), values: list(storedData(model)) })),
	fc.record({ kind: fc.constant(UNKNOWN_KIND), values: fc.constant([]), raw: octets() }),
);

const specifier: fc.Arbitrary<wire.StoredDataSpecifier> = fc
	.tuple(
		u64,
		fc.oneof(
			fc.constant({ kind: 2, model: "single" as const }),
			fc.record({
				kind: fc.constant(3),
				model: fc.constant("array" as const),
				indices: list(fc.record({ first: u32, last: u32 })),
			}),
			fc.record({ kind: fc.constant(1), model: fc.constant("dictionary" as const), keys: list(octets()) }),
			fc.record({ kind: fc.constant(UNKNOWN_KIND), model: fc.constant(undefined), raw: octets() }),
		),
	)
	.map(([generation, rest]) => ({ generation, ...rest }));

const metaData = fc.record({ exists: fc.boolean(), valueLength: u32, hashAlgorithm: u8, hashValue: octets(64) });
const META_VALUES: Record<wire.DataModel, fc.Arbitrary<wire.MetaDataValue>> = {
	single: fc.record({ model: fc.constant("single" as const), value: metaData }),
	array: fc.record({ model: fc.constant("array" as const), index: u32, value: metaData }),
	dictionary: fc.record({ model: fc.constant("dictionary" as const), key: octets(), value: metaData }),
};
const kindMeta = fc.oneof(
	...MODELS.map(([kind, model]) =>
		fc.record({
			kind: fc.constant(kind as number),
			values: list(fc.record({ storageTime: u64, lifetime: u32, metadata: META_VALUES[model] })),
		}),
	),
	fc.record({ kind: fc.constant(UNKNOWN_KIND), values: fc.constant([]), raw: octets() }),
);

const address: fc.Arbitrary<wire.IpAddressPort> = fc.oneof(
	fc.tuple(octets(4, 4), u16).map(([addr, port]) => wire.ipAddressPort(addr, port)),
	fc.tuple(octets(16, 16), u16).map(([addr, port]) => wire.ipAddressPort(addr, port)),
	fc.record({ type: fc.constant(0 as const), code: between(3, 255), data: octets() }),
);
const candidateFields = {
	addrPort: address,
	overlayLink: u8,
	foundation: octets(20),
	priority: u32,
	extensions: list(fc.record({ name: octets(), value: octets() })),
};
const candidate: fc.Arbitrary<wire.IceCandidate> = fc.oneof(
	fc.record({ ...candidateFields, type: fc.constant(1) }),
	fc.record({ ...candidateFields, type: fc.constantFrom(2, 4), relAddrPort: address }),
);
const ice = { ufrag: octets(), password: octets(), role: octets(), candidates: list(candidate) };

const diagnosticsRequest: fc.Arbitrary<wire.DiagnosticsRequest> = fc.record({
	expiration: u64,
	timestampInitiated: u64,
	dMFlagsHigh: u32,
	dMFlagsLow: u32,
	diagnosticExtensionsList: list(fc.record({ kind: u16, diagnosticExtensionContents: octets() })),
});
const diagnosticsResponse: fc.Arbitrary<wire.DiagnosticsResponse> = fc.record({
	expiration: u64,
	timestampInitiated: u64,
	timestampReceived: u64,
	hopCounter: u8,
	diagnosticInfoList: list(fc.record({ kind: u16, diagnosticInfoContents: octets() })),
});

const resourceNameExtension: fc.Arbitrary<wire.ResourceNameExtension> = fc.oneof(
	fc.record({ type: fc.constant(1 as const), resourceName: octets() }),
	fc.record({ type: fc.constant(0 as const), code: between(2, 255), data: octets() }),
);

const chordUpdate: fc.Arbitrary<wire.ChordUpdate> = fc.oneof(
	fc.record({
		uptime: u32,
		type: fc.constant(1),
		predecessors: fc.constant([]),
		successors: fc.constant([]),
		fingers: fc.constant([]),
	}),
	fc.record({
		uptime: u32,
		type: fc.constant(2),
		predecessors: nodeIds,
		successors: nodeIds,
		fingers: fc.constant([]),
	}),
	fc.record({ uptime: u32, type: fc.constant(3), predecessors: nodeIds, successors: nodeIds, fingers: nodeIds }),
);

/** A structure with everything needed to test `decode(encode(x)) = x`. */
export interface Case<T> {
	readonly name: string;
	readonly values: fc.Arbitrary<T>;
	readonly write: (writer: wire.WireWriter, value: T) => void;
	/** Key of `BODIES` (a message code) or `VALUES` (a name) of `bodies.ts`. */
	readonly read: (bytes: Uint8Array) => unknown;
}

function define<T>(
	name: string,
	values: fc.Arbitrary<T>,
	write: (writer: wire.WireWriter, value: T) => void,
	read: (bytes: Uint8Array) => unknown,
): Case<unknown> {
	return { name, values, write, read } as unknown as Case<unknown>;
}

const N = NODE_ID_LENGTH;

/** Every structure that is read as a whole. */
export function cases(modelOf: wire.ModelOf): Case<unknown>[] {
	return [
		define("PingReq", fc.record({ padding: octets(300) }), wire.writePingReq, wire.readPingReq),
		define(
			"PingAns",
			fc.record({ responseIdHigh: u32, responseIdLow: u32, time: u64 }),
			wire.writePingAns,
			wire.readPingAns,
		),
		define("ProbeReq", fc.record({ requestedInfo: list(u8) }), wire.writeProbeReq, wire.readProbeReq),
		define(
			"ProbeAns",
			fc.record({
				probeInfo: list(
					fc.oneof(
						fc.record({ type: between(1, 3), value: u32 }),
						fc.record({ type: between(4, 255), value: fc.constant(0), other: octets() }),
					),
				),
			}),
			wire.writeProbeAns,
			wire.readProbeAns,
		),
		define(
			"AttachReqAns",
			fc.record({ ...ice, sendUpdate: fc.boolean() }),
			wire.writeAttachReqAns,
			wire.readAttachReqAns,
		),
		define("AppAttach", fc.record({ ...ice, application: u16 }), wire.writeAppAttach, wire.readAppAttach),
		define(
			"StoreReq",
			fc.record({
				resource: octets(),
				replicaNumber: u8,
				kindData: list(fc.tuple(u64, kindValues).map(([generationCounter, rest]) => ({ generationCounter, ...rest }))),
			}),
			wire.writeStoreReq,
			(bytes) => wire.readStoreReq(bytes, modelOf),
		),
		define(
			"StoreAns",
			fc.record({ kindResponses: list(fc.record({ kind: u32, generationCounter: u64, replicas: nodeIds })) }),
			wire.writeStoreAns,
			(bytes) => wire.readStoreAns(bytes, N),
		),
		define("FetchReq", fc.record({ resource: octets(), specifiers: list(specifier) }), wire.writeFetchReq, (bytes) =>
			wire.readFetchReq(bytes, modelOf),
		),
		define(
			"FetchAns",
			fc.record({
				kindResponses: list(fc.tuple(u64, kindValues).map(([generation, rest]) => ({ generation, ...rest }))),
			}),
			wire.writeFetchAns,
			(bytes) => wire.readFetchAns(bytes, modelOf),
		),
		define(
			"StatAns",
			fc.record({
				kindResponses: list(fc.tuple(u64, kindMeta).map(([generation, rest]) => ({ generation, ...rest }))),
			}),
			wire.writeStatAns,
			(bytes) => wire.readStatAns(bytes, modelOf),
		),
		define("FindReq", fc.record({ resource: octets(), kinds: list(u32) }), wire.writeFindReq, wire.readFindReq),
		define(
			"FindAns",
			fc.record({ results: list(fc.record({ kind: u32, closest: octets() })) }),
			wire.writeFindAns,
			wire.readFindAns,
		),
		define("JoinReq", fc.record({ joiningPeerId: nodeId, overlaySpecificData: octets() }), wire.writeJoinReq, (bytes) =>
			wire.readJoinReq(bytes, N),
		),
		define("JoinAns", fc.record({ overlaySpecificData: octets() }), wire.writeJoinAns, wire.readJoinAns),
		define(
			"LeaveReq",
			fc.record({ leavingPeerId: nodeId, overlaySpecificData: octets() }),
			wire.writeLeaveReq,
			(bytes) => wire.readLeaveReq(bytes, N),
		),
		define("ChordUpdate", chordUpdate, wire.writeChordUpdate, (bytes) => wire.readChordUpdate(bytes, N)),
		define(
			"ChordLeaveData",
			fc.oneof(
				fc.record({ type: fc.constant(1), successors: nodeIds, predecessors: fc.constant([]) }),
				fc.record({ type: fc.constant(2), successors: fc.constant([]), predecessors: nodeIds }),
			),
			wire.writeChordLeaveData,
			(bytes) => wire.readChordLeaveData(bytes, N),
		),
		define(
			"RouteQueryReq",
			fc.record({ sendUpdate: fc.boolean(), destination, overlaySpecificData: octets() }),
			wire.writeRouteQueryReq,
			(bytes) => wire.readRouteQueryReq(bytes, N),
		),
		define("ChordRouteQueryAns", fc.record({ nextPeer: nodeId }), wire.writeChordRouteQueryAns, (bytes) =>
			wire.readChordRouteQueryAns(bytes, N),
		),
		define(
			"ConfigUpdateReq",
			fc.oneof(
				fc.record({ type: fc.constant(1 as const), configData: octets(300) }),
				fc.record({ type: fc.constant(2 as const), kinds: list(octets()) }),
				fc.record({ type: fc.constant(0 as const), code: between(3, 255), data: octets() }),
			),
			wire.writeConfigUpdateReq,
			wire.readConfigUpdateReq,
		),
		define(
			"ErrorResponse",
			fc.record({ errorCode: u16, errorInfo: octets() }),
			wire.writeErrorResponse,
			wire.readErrorResponse,
		),
		define(
			"SipRegistration",
			fc.oneof(
				fc.record({ type: fc.constant(1 as const), uri: octets() }),
				fc.record({
					type: fc.constant(2 as const),
					contactPrefs: octets(),
					destinationList: fc
						.array(destination, { minLength: 1, maxLength: 3 })
						.filter((list) => wire.encode(wire.writeDestinations, list).length >= 3),
				}),
				fc.record({ type: fc.constant(0 as const), code: between(3, 255), data: octets() }),
			),
			wire.writeSipRegistration,
			(bytes) => wire.readSipRegistration(bytes, N),
		),
		define(
			"TurnServer",
			fc.record({ iteration: u8, serverAddress: address }),
			wire.writeTurnServer,
			wire.readTurnServer,
		),
		define(
			"RedirServiceProvider",
			fc.record({
				type: u8,
				destinationList: list(destination),
				namespace: octets(),
				level: u16,
				node: u16,
				extension: octets(),
			}),
			wire.writeRedirServiceProvider,
			(bytes) => wire.readRedirServiceProvider(bytes, N),
		),
		define(
			"SelfTuningData",
			fc.record({ networkSize: u32, joinRate: u32, leaveRate: u32 }),
			wire.writeSelfTuningData,
			wire.readSelfTuningData,
		),
		define("DiagnosticsRequest", diagnosticsRequest, wire.writeDiagnosticsRequest, wire.decodeDiagnosticsRequest),
		define("DiagnosticsResponse", diagnosticsResponse, wire.writeDiagnosticsResponse, wire.decodeDiagnosticsResponse),
		define("PathTrackReq", fc.record({ destination, request: diagnosticsRequest }), wire.writePathTrackReq, (bytes) =>
			wire.readPathTrackReq(bytes, N),
		),
		define(
			"PathTrackAns",
			fc.record({ nextHop: destination, response: diagnosticsResponse }),
			wire.writePathTrackAns,
			(bytes) => wire.readPathTrackAns(bytes, N),
		),
		define(
			"ExtensiveRoutingModeOption",
			fc.record({
				routeMode: u8,
				transport: u8,
				ipAddressPort: address,
				destinations: fc.array(destination, { minLength: 1, maxLength: 3 }),
			}),
			wire.writeExtensiveRoutingModeOption,
			(bytes) => wire.readExtensiveRoutingModeOption(bytes, N),
		),
		define(
			"AccessControlListItem",
			fc.record({ toUser: octets(), kind: u32, allowDelegation: fc.boolean() }),
			wire.writeAccessControlListItem,
			(bytes) => wire.readAccessControlListItem(bytes, false),
		),
		define(
			"AccessControlListItem with ResourceNameExtension",
			fc.record({ resNameExt: resourceNameExtension, toUser: octets(), kind: u32, allowDelegation: fc.boolean() }),
			wire.writeAccessControlListItem,
			(bytes) => wire.readAccessControlListItem(bytes, true),
		),
		define("SecurityBlock", securityBlock, wire.writeSecurityBlock, wire.decodeSecurityBlock),
		define(
			"FramedMessage",
			fc.oneof(
				fc.record({ type: fc.constant(128 as const), sequence: u32, message: octets(300) }),
				fc.record({ type: fc.constant(129 as const), ackSequence: u32, received: u32 }),
			),
			wire.writeFramedMessage,
			wire.decodeFramedMessage,
		),
		define(
			"InstancesStored",
			list(fc.record({ kind: u32, instances: u64 })),
			wire.writeInstancesStored,
			wire.readInstancesStored,
		),
		define(
			"MessagesSentRcvd",
			list(fc.record({ messageCode: u16, sent: u64, received: u64 })),
			wire.writeMessagesSentRcvd,
			wire.readMessagesSentRcvd,
		),
	];
}
