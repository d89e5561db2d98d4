/**
 * Code points of RFC 6940 §14 and of RFC 7851, 7363, 7374, 7263, 7264, 7904, 8076: each table stands here and nowhere else.
 * Names are the registries' own, camelCased; what is printed for people comes from the `...Name` functions.
 */

/** RFC 6940 §6.3.2: "RELO" with the top bit of the first octet set. */
export const RELO_TOKEN = 0xd2454c4f;
/** RFC 6940 §6.3.2: protocol version 1.0 times ten. */
export const RELO_VERSION = 0x0a;
/** RFC 6940 §6.5.4: accepted always when the message is a ConfigUpdate request. */
export const ANY_CONFIGURATION_SEQUENCE = 0xffff;
/** RFC 6940 §7.2: the index that appends to an array, and "the last element" in a range. */
export const APPEND_INDEX = 0xffffffff;

/** RFC 6940 §14.8 "RELOAD Message Codes". Answers are request + 1. */
export const MessageCode = Object.freeze({
	invalid: 0x0,
	probeReq: 0x1,
	probeAns: 0x2,
	attachReq: 0x3,
	attachAns: 0x4,
	storeReq: 0x7,
	storeAns: 0x8,
	fetchReq: 0x9,
	fetchAns: 0xa,
	findReq: 0xd,
	findAns: 0xe,
	joinReq: 0xf,
	joinAns: 0x10,
	leaveReq: 0x11,
	leaveAns: 0x12,
	updateReq: 0x13,
	updateAns: 0x14,
	routeQueryReq: 0x15,
	routeQueryAns: 0x16,
	pingReq: 0x17,
	pingAns: 0x18,
	statReq: 0x19,
	statAns: 0x1a,
	appAttachReq: 0x1d,
	appAttachAns: 0x1e,
	configUpdateReq: 0x21,
	configUpdateAns: 0x22,
	expAReq: 0x23,
	expAAns: 0x24,
	expBReq: 0x25,
	expBAns: 0x26,
	/** RFC 7851 §5.3. */
	pathTrackReq: 0x27,
	pathTrackAns: 0x28,
	error: 0xffff,
} as const);
export type MessageCode = (typeof MessageCode)[keyof typeof MessageCode];

/** RFC 6940 §6.3.3: requests are odd, 0xffff (error) excepted. */
export function isRequestCode(code: number): boolean {
	return code % 2 === 1 && code !== MessageCode.error;
}

/** RFC 6940 §14.9 "RELOAD Error Codes"; from 0x15 on RFC 7851 §9.3. */
export const ErrorCode = Object.freeze({
	invalid: 0x0,
	forbidden: 0x2,
	notFound: 0x3,
	requestTimeout: 0x4,
	generationCounterTooLow: 0x5,
	incompatibleWithOverlay: 0x6,
	unsupportedForwardingOption: 0x7,
	dataTooLarge: 0x8,
	dataTooOld: 0x9,
	ttlExceeded: 0xa,
	messageTooLarge: 0xb,
	unknownKind: 0xc,
	unknownExtension: 0xd,
	responseTooLarge: 0xe,
	configTooOld: 0xf,
	configTooNew: 0x10,
	inProgress: 0x11,
	expA: 0x12,
	expB: 0x13,
	invalidMessage: 0x14,
	underlayDestinationUnreachable: 0x15,
	underlayTimeExceeded: 0x16,
	messageExpired: 0x17,
	upstreamMisrouting: 0x18,
	loopDetected: 0x19,
	ttlHopsExceeded: 0x1a,
} as const);
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** RFC 6940 §6.3.2.2. Types 128..255 cannot be used: their top bit marks the two-octet short form. */
export const DestinationType = Object.freeze({ invalid: 0, node: 1, resource: 2, opaqueId: 3 } as const);

/** RFC 6940 §14.6 "RELOAD Data Kind-ID"; RFC 7904, RFC 8076, RFC 7374. */
export const KindId = Object.freeze({
	sipRegistration: 0x1,
	turnService: 0x2,
	certificateByNode: 0x3,
	accessControlList: 0x4,
	certificateByUser: 0x10,
	redir: 0x104,
} as const);

/** RFC 6940 §6.3.2.3; ignoreStateKeeping is RFC 7263 §4.1. */
export const ForwardingFlag = Object.freeze({
	forwardCritical: 0x01,
	destinationCritical: 0x02,
	responseCopy: 0x04,
	ignoreStateKeeping: 0x08,
} as const);

/** RFC 6940 §14.11 "RELOAD Forwarding Options". */
export const ForwardingOptionType = Object.freeze({ invalid: 0, expForward: 1, extensiveRoutingMode: 2 } as const);

/** RFC 6940 §14.14 "RELOAD Extensions". [D-20]: 16 bits, as in the structure. */
export const MessageExtensionType = Object.freeze({
	invalid: 0x0,
	expExt: 0x1,
	diagnosticPing: 0x2,
	selfTuningData: 0x3,
} as const);

/** RFC 6091 §3.1, used by RFC 6940 §6.3.4. */
export const CertificateType = Object.freeze({ x509: 0, openPgp: 1 } as const);

/** RFC 5246 §7.4.1.4.1 (TLS 1.2), and `intrinsic` of RFC 8422. */
export const HashAlgorithm = Object.freeze({
	none: 0,
	md5: 1,
	sha1: 2,
	sha224: 3,
	sha256: 4,
	sha384: 5,
	sha512: 6,
	intrinsic: 8,
} as const);

/** RFC 5246 §7.4.1.4.1 (TLS 1.2), and RFC 8422. */
export const SignatureAlgorithm = Object.freeze({
	anonymous: 0,
	rsa: 1,
	dsa: 2,
	ecdsa: 3,
	ed25519: 7,
	ed448: 8,
} as const);

/** RFC 6940 §6.3.4. */
export const SignerIdentityType = Object.freeze({ invalid: 0, certHash: 1, certHashNodeId: 2, none: 3 } as const);

/** RFC 6940 §6.3.1.1. */
export const AddressType = Object.freeze({ invalid: 0, ipv4: 1, ipv6: 2 } as const);

/** RFC 6940 §14.10 "RELOAD Overlay Link Protocols". */
export const OverlayLinkType = Object.freeze({
	invalid: 0,
	dtlsUdpSr: 1,
	dtlsUdpSrNoIce: 3,
	tlsTcpFhNoIce: 4,
	expLink: 5,
} as const);

/** RFC 6940 §6.5.1.1. Code 3 (prflx) is reserved and never sent. */
export const CandType = Object.freeze({ invalid: 0, host: 1, srflx: 2, relay: 4 } as const);

/** RFC 6940 §6.5.4.1. */
export const ConfigUpdateType = Object.freeze({ invalid: 0, config: 1, kind: 2 } as const);

/** RFC 6940 §10.7. */
export const ChordUpdateType = Object.freeze({ invalid: 0, peerReady: 1, neighbors: 2, full: 3 } as const);

/** RFC 6940 §10.9. */
export const ChordLeaveType = Object.freeze({ invalid: 0, fromSucc: 1, fromPred: 2 } as const);

/** RFC 6940 §14.13 "RELOAD Probe Information Types". */
export const ProbeInformationType = Object.freeze({
	invalid: 0,
	responsibleSet: 1,
	numResources: 2,
	uptime: 3,
	expProbe: 4,
} as const);

/** RFC 6940 §14.5 "RELOAD Application-ID". */
export const ApplicationId = Object.freeze({ invalid: 0, sip: 5060, sips: 5061 } as const);

/** RFC 6940 §6.6.2. */
export const FramedMessageType = Object.freeze({ data: 128, ack: 129 } as const);

/** RFC 7904 §3.1. */
export const SipRegistrationType = Object.freeze({ uri: 1, route: 2 } as const);

/** RFC 7263 §4.2.1, RFC 7264 §4.2.1. */
export const RouteMode = Object.freeze({ drr: 1, rpr: 2 } as const);

/** RFC 7374 §4.3. */
export const RedirServiceProviderExtType = Object.freeze({ none: 0 } as const);

/** RFC 8076 §5.1. */
export const ResourceNameType = Object.freeze({ pattern: 1 } as const);

/** RFC 7851 §9.1. The flag that asks for Kind n is bit n of dMFlags. */
export const DiagnosticKindId = Object.freeze({
	statusInfo: 0x1,
	routingTableSize: 0x2,
	processPower: 0x3,
	upstreamBandwidth: 0x4,
	downstreamBandwidth: 0x5,
	softwareVersion: 0x6,
	machineUptime: 0x7,
	appUptime: 0x8,
	memoryFootprint: 0x9,
	datasizeStored: 0xa,
	instancesStored: 0xb,
	messagesSentRcvd: 0xc,
	ewmaBytesSent: 0xd,
	ewmaBytesRcvd: 0xe,
	underlayHop: 0xf,
	batteryStatus: 0x10,
} as const);
