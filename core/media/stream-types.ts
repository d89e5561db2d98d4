/** What goes in and out of an `AudioStream`. */
import type { MediaCrypto } from "../../hal/hal.ts";

/** What the stream needs from its owner, once. */
export interface AudioStreamOptions {
	readonly crypto: MediaCrypto;
	/** Octets for SSRC, first sequence number and first timestamp (RFC 3550 §5.1: unpredictable). */
	random(count: number): Uint8Array;
	/** RFC 3550 §6.5.1, ASCII; the device's SIP address is fine. */
	readonly cname: string;
	readonly now: number;
}

/** RFC 3264 §5.1, as we see it: "sendonly" means that we send. */
export type MediaDirection = "sendrecv" | "sendonly" | "recvonly" | "inactive";

/** What offer and answer have agreed on. */
export interface StreamMedia {
	/** Where the other end receives. Port 0: nothing is sent. */
	readonly address: string;
	readonly port: number;
	/** Its RTCP port: 0 none, `port` when multiplexed (RFC 5761), else usually `port + 1`. */
	readonly rtcpPort: number;
	readonly direction: MediaDirection;
	/** What we send: 0 (mu-law) or 8 (A-law); both are received. */
	readonly payloadType: number;
	/** Payload type of the telephone events we send (what the other end listed); -1: none. */
	readonly telephoneEvent: number;
	/** What we receive them as (what we listed), when it is another; RFC 3264 §5.1: each side names what it receives. */
	readonly telephoneEventIn?: number;
	/** SDES keys, 16 octets of key and 14 of salt: both or none. With them, nothing that is not authentic is played. */
	readonly sendKey?: Uint8Array;
	readonly receiveKey?: Uint8Array;
}

/** What happened in a stream; drained by `pollEvent`. */
export type MediaEvent =
	/** A key was pressed: told once, at its beginning. */
	| { readonly type: "digit"; readonly digit: string }
	| { readonly type: "digitEnd"; readonly digit: string; readonly durationMs: number }
	/** The first voice came. */
	| { readonly type: "heard" }
	/** Nothing valid came for so long; told once, until something comes again. */
	| { readonly type: "silent"; readonly forMs: number }
	/** Packets come from another place than was agreed; from now on we send there. */
	| { readonly type: "latched"; readonly address: string; readonly port: number }
	/** RTCP BYE of the other end. A hint; the call is SIP's matter. */
	| { readonly type: "bye" };

/** Datagrams that were not taken, by reason. */
export class Refusals {
	/** No RTP or RTCP, or too long. */
	invalid = 0;
	/** From a place that has no part in the call. */
	foreign = 0;
	/** A payload type nobody agreed on. */
	payloadType = 0;
	/** Too many in 20 ms. */
	flood = 0;
	/** The tag does not fit, or more SSRCs than a key may have. */
	notAuthentic = 0;
	/** An authentic packet again. */
	replayed = 0;
	/** A new SSRC or sequence on probation. */
	unproven = 0;
}

/** Figures of a stream, for the log and for people. */
export interface StreamStats {
	readonly sentPackets: number;
	readonly receivedPackets: number;
	readonly lostPackets: number;
	readonly latePackets: number;
	readonly duplicatePackets: number;
	readonly concealedMs: number;
	readonly jitterMs: number;
	/** Milliseconds by which we hold voice back. */
	readonly delayMs: number;
	/** -1: not known. */
	readonly rttMs: number;
	/** Loss of our voice on its way, 0..1; -1: not known. */
	readonly remoteLoss: number;
	readonly lostEvents: number;
	readonly refused: Readonly<Refusals>;
}
