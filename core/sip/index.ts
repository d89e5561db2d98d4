/** What other rooms and hosts use of the SIP room. */
export type { NameAddr } from "./address.ts";
export { readNameAddr } from "./address.ts";
export type { Verifier } from "./auth.ts";
export type { CallEvent, CallInfo } from "./calls.ts";
export type { ClientCredentials, Credentials, DigestAlgorithm } from "./digest.ts";
export { answerChallenge, makeHa1, readDigest } from "./digest.ts";
export type { SipEdgeStats } from "./edge.ts";
export { SipEdge } from "./edge.ts";
export type {
	BindingInfo,
	FlowOptions,
	FlowTransport,
	Origin,
	SipEdgeOptions,
	SipEvent,
	SipInput,
	SipOutput,
	Target,
} from "./edge-types.ts";
export { StreamFramer } from "./framing.ts";
export { Header } from "./header-names.ts";
export type { SipLimits, SipTimers } from "./limits.ts";
export { DEFAULT_LIMITS, DEFAULT_TIMERS } from "./limits.ts";
export { AddressWalk, LINE, SipMessage } from "./message.ts";
export { indexText, octetsToText, parseDatagram } from "./parse.ts";
export type { Sdp, SdpDirection, SdpMedia } from "./sdp.ts";
export { attributeOf, audioOf, connectionOf, directionOf, readSdp, redirectMedia, writeSdp } from "./sdp.ts";
export { textToOctets } from "./syntax.ts";
export type { OwnRequest } from "./ua.ts";
export type { Uri } from "./uri.ts";
export { aorOf, parseUri } from "./uri.ts";
export { equalUris } from "./uri-equal.ts";
