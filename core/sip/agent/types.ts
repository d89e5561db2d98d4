/** What goes into a `UserAgent` and what comes out: the whole of its contract with a device. */
import type { Crypto } from "../../../hal/hal.ts";
import type { ClientCredentials } from "../digest.ts";
import type { FlowTransport } from "../flow.ts";
import type { SipLimits, SipTimers } from "../limits.ts";
import type { ReadOctets } from "../parse.ts";
import type { LocalMedia, SessionMedia } from "./offer-answer.ts";

/** What a `UserAgent` is made with. Texts that go into headers have one octet per character and neither CR nor LF. */
export interface AgentOptions {
	/** Random names and, with `credentials`, digests. */
	readonly crypto: Crypto;
	/** Our AOR as URI: "sip:frontdoor@home.example". From of what we send, unless said otherwise. */
	readonly aor: string;
	/** Display name beside it, without quotes; UTF-8 octets. */
	readonly displayName?: string;
	/** User-Agent and Server header value. Default: none. */
	readonly software?: string;
	/** Answers one challenge per request. */
	readonly credentials?: ClientCredentials;
	/** Session-Expires we ask for, in seconds (RFC 4028); 0: none. Default 1800. */
	readonly sessionExpiresS?: number;
	/** Default `AGENT_LIMITS`. */
	readonly limits?: Partial<SipLimits>;
	/** Default `DEFAULT_TIMERS`. */
	readonly timers?: Partial<SipTimers>;
	/** The platform's fastest way from octets to a text of one octet per character. */
	readonly readOctets?: ReadOctets;
}

/** A UDP socket, or a connection to the edge. The host opens it, tells its octets, and sends what the agent puts out. */
export interface AgentFlow {
	/** The host's number of it; never used again for another flow. */
	readonly flow: number;
	/** "overlay": a TLS connection opened by AppAttach. */
	readonly transport: FlowTransport;
	readonly localAddress: string;
	readonly localPort: number;
	/** Absent for a UDP socket that talks to anybody. */
	readonly remoteAddress?: string;
	readonly remotePort?: number;
	/** Host (and port) of our Via instead of the local address and port. */
	readonly sentBy?: string;
	/** URI of our Contact over this flow. Default: the user part of `aor` at the local address and port. */
	readonly contact?: string;
	/** A flow that is gone, or goes: calls on it go on over this one. */
	readonly replaces?: number;
}

/** A call to be made. Only `flow`, `uri` and `media` are needed. */
export interface InviteOptions {
	readonly flow: number;
	/** UDP socket without a remote only: where to send. Default: the URI's host, when it is an IP address. */
	readonly address?: string;
	readonly port?: number;
	/** Request-URI. */
	readonly uri: string;
	/** Our offer. */
	readonly media: LocalMedia;
	/** To URI; default `uri`. */
	readonly to?: string;
	/** From URI; default the agent's AOR. */
	readonly from?: string;
	readonly fromName?: string;
	/** Contact URI; default the flow's. */
	readonly contact?: string;
	/** Further header lines, each with its CRLF. */
	readonly headers?: string;
}

/** A MESSAGE to be sent outside any call, or an OPTIONS. */
export interface RequestOptions {
	readonly flow: number;
	readonly address?: string;
	readonly port?: number;
	readonly uri: string;
	readonly to?: string;
	readonly from?: string;
	readonly contentType?: string;
	readonly body?: Uint8Array;
	readonly headers?: string;
}

/** Why something ends, for the Reason header (RFC 3326). */
export interface Reason {
	/** "SIP" or "Q.850". */
	readonly protocol: string;
	readonly cause: number;
	readonly text: string;
}

export type AgentInput =
	| { readonly type: "timeout" }
	/** One datagram of a UDP socket. The octets may be used again when `handle` has returned and `poll` has been drained. */
	| {
			readonly type: "datagram";
			readonly flow: number;
			readonly octets: Uint8Array;
			readonly address: string;
			readonly port: number;
	  }
	/** The next octets of a connection; they are the agent's now. CRLFs between messages are keep-alives. */
	| { readonly type: "octets"; readonly flow: number; readonly octets: Uint8Array }
	/** The connection is gone. Calls that are not answered end; calls that are go on without signalling until a flow replaces it. */
	| { readonly type: "flowClosed"; readonly flow: number };

export type AgentOutput = AgentTransmit | AgentClose | AgentEvent;

/** Send: the head (one octet per character), then the body. `address` and `port` are "" and 0 unless the flow is a UDP socket. */
export interface AgentTransmit {
	readonly type: "transmit";
	readonly flow: number;
	readonly address: string;
	readonly port: number;
	readonly head: string;
	readonly body: Uint8Array;
}

/** The stream cannot be understood any more: close it (and say so with `flowClosed`). */
export interface AgentClose {
	readonly type: "close";
	readonly flow: number;
	readonly reason: string;
}

/**
 * Why a call is over.
 * - "local": `hangUp`, `reject`, or our own offer made a session impossible
 * - "remote": BYE, or the caller gave up (CANCEL)
 * - "answeredElsewhere": CANCEL with a Reason that says so
 * - "refused": a final answer from 300 to 699; `status` has it
 * - "timeout": nothing came (408), the session timer ran out, or our 200 was never acknowledged
 * - "transport": the flow is gone (503)
 */
export type EndCause = "local" | "remote" | "answeredElsewhere" | "refused" | "timeout" | "transport";

/** The numbers of calls (1, 2, ...) and of messages are never used twice. */
export type AgentEvent =
	/** An INVITE. Answer with `ring`, `progress`, `answer`, `reject`. */
	| {
			readonly type: "incoming";
			readonly call: number;
			readonly flow: number;
			/** URI and display name of the caller (one octet per character). */
			readonly from: string;
			readonly fromName: string;
			readonly to: string;
			/** False: the caller leaves the offer to us. */
			readonly hasOffer: boolean;
			/** The offer has keys for SRTP. */
			readonly isSecure: boolean;
			/** The caller asks to be answered at once (RFC 5373, Call-Info or Alert-Info as intercoms write it). */
			readonly wantsAutoAnswer: boolean;
	  }
	/** 100 to 199 for our INVITE. */
	| { readonly type: "progress"; readonly call: number; readonly status: number; readonly reason: string }
	/** A provisional answer with media: the far end may be heard, and is not connected. Forked calls may have several of them. */
	| { readonly type: "early"; readonly call: number; readonly media: SessionMedia }
	/** Our INVITE was answered; `media` holds from now on. */
	| { readonly type: "answered"; readonly call: number; readonly media: SessionMedia }
	/** The ACK of our 200 came: the caller knows that we have answered. */
	| { readonly type: "confirmed"; readonly call: number }
	/** `media` holds from now on: after `answer` or `progress`, after an offer of the far end, after `hold` or `reinvite`. */
	| { readonly type: "media"; readonly call: number; readonly media: SessionMedia }
	/** The far end did not take what `hold` or `reinvite` asked for; the session is as it was. */
	| { readonly type: "unchanged"; readonly call: number; readonly status: number }
	/** The call's flow is gone while it was answered: media may go on. */
	| { readonly type: "flowLost"; readonly call: number }
	/** The number means nothing any more. Comes once for each call. */
	| {
			readonly type: "ended";
			readonly call: number;
			readonly cause: EndCause;
			/** Final status, 0 where none came. */
			readonly status: number;
			/** Reason phrase, or the text of a Reason header. */
			readonly reason: string;
	  }
	/** An INFO inside a call; answered already. */
	| { readonly type: "info"; readonly call: number; readonly contentType: string; readonly body: Uint8Array }
	/** A MESSAGE; answer it with `respond`. `call` is 0 outside calls. */
	| {
			readonly type: "message";
			readonly token: number;
			readonly call: number;
			readonly flow: number;
			readonly from: string;
			readonly fromName: string;
			readonly to: string;
			/** Call-ID and CSeq number: together the same when one MESSAGE comes twice. */
			readonly callId: string;
			readonly cseq: number;
			readonly contentType: string;
			readonly body: Uint8Array;
	  }
	/** The final answer to our MESSAGE, OPTIONS or INFO; 408 and 503 also stand for none. */
	| { readonly type: "sent"; readonly token: number; readonly status: number; readonly reason: string };
