/** What goes into a `SipEdge` and what comes out: the whole of its contract with a host. */
import type { Crypto } from "../../hal/hal.ts";
import type { Verifier } from "./auth.ts";
import type { CallEvent } from "./calls.ts";
import type { DigestAlgorithm } from "./digest.ts";
import type { FlowOptions, FlowTransport } from "./flow.ts";
import type { SipLimits, SipTimers } from "./limits.ts";
import type { SipMessage } from "./message.ts";
import type { ReadOctets } from "./parse.ts";

/** One place a request is to be sent to; the first of `flow`, `address` that is there says how. */
export interface Target {
	/** Request-URI for it: a registered contact, or the AOR at another edge. */
	readonly uri: string;
	/** A registered flow; with `address` and `port` when it is a UDP socket. */
	readonly flow?: number;
	/** Without `flow`: where to (an IP address), over `transport` (default "udp"). TCP and TLS connections are reused or asked for. */
	readonly address?: string;
	readonly port?: number;
	readonly transport?: FlowTransport;
	/** For TLS: the name the certificate must have. */
	readonly serverName?: string;
	/** Route values to put in front (a registered Path), nearest first. */
	readonly path?: readonly string[];
}

export type SipInput =
	| { readonly type: "timeout" }
	/** One datagram of a UDP socket (`address`, `port`: where it came from), or one message of a WebSocket. The octets are the edge's now. */
	| {
			readonly type: "datagram";
			readonly flow: number;
			readonly octets: Uint8Array;
			readonly address?: string;
			readonly port?: number;
	  }
	/** The next octets of a TCP, TLS or overlay connection. The octets are the edge's now. */
	| { readonly type: "octets"; readonly flow: number; readonly octets: Uint8Array }
	| { readonly type: "flowClosed"; readonly flow: number }
	/**
	 * The answer to a `locate`. Several may come for one token while the earlier ones have `more`; targets are added to the fork.
	 * Without targets and without `more`, `status` (default 480, or 404 as the host sees fit) is the answer.
	 */
	| {
			readonly type: "located";
			readonly token: number;
			readonly targets?: readonly Target[];
			readonly more?: boolean;
			readonly status?: number;
			readonly reason?: string;
	  }
	/** A `connect` came to nothing. (When it succeeds: `addFlow` with its `connect` number.) */
	| { readonly type: "connectFailed"; readonly connect: number; readonly reason: string };

/** Who sent the request that is to be located. */
export interface Origin {
	readonly flow: number;
	/** The AOR that an overlay connection proves. Then only bindings on this edge may be targets. */
	readonly peerAor?: string;
	/** The AOR that the digest proved. */
	readonly account?: string;
	/** Far address and port. */
	readonly address: string;
	readonly port: number;
}

export type SipOutput =
	/** Send: the head (one octet per character), then the body. `address` and `port` are "" and 0 unless the flow is a UDP socket. */
	| {
			readonly type: "transmit";
			readonly flow: number;
			readonly address: string;
			readonly port: number;
			readonly head: string;
			readonly body: Uint8Array;
	  }
	/** Open a connection; answer with `addFlow({..., connect})` or `connectFailed`. */
	| {
			readonly type: "connect";
			readonly connect: number;
			readonly transport: FlowTransport;
			readonly address: string;
			readonly port: number;
			readonly serverName: string | undefined;
	  }
	| { readonly type: "close"; readonly flow: number; readonly reason: string }
	/** Where is this? Answer with `located`. */
	| {
			readonly type: "locate";
			readonly token: number;
			readonly method: string;
			/** Request-URI, or the Route value that comes first. As written. */
			readonly uri: string;
			/** `user@domain` when the URI has a user part; a domain of this edge is written as the first of `domains`. */
			readonly aor: string | undefined;
			/** True when the URI's host is a domain or address of this edge. */
			readonly isOurs: boolean;
			/** True for a request inside a dialog, or one with a Route: only the next hop is wanted, `uri` stays what it is. */
			readonly isNextHop: boolean;
			readonly from: Origin;
			/** AOR of the From header field, when it has one. */
			readonly fromAor: string | undefined;
			readonly callId: string;
	  }
	/** The final answer to a request of our own; `message` is absent when none came (408, 503). */
	| {
			readonly type: "answer";
			readonly token: number;
			readonly status: number;
			readonly reason: string;
			readonly message: SipMessage | undefined;
	  }
	| { readonly type: "event"; readonly event: SipEvent };

/** A registered contact as the host sees it; `target` is ready for `located`. */
export interface BindingInfo {
	readonly aor: string;
	readonly target: Target;
	/** 0..1000. */
	readonly q: number;
	readonly expiresAt: number;
	readonly instance: string;
}

export type SipEvent =
	| CallEvent
	| {
			readonly type: "registered" | "refreshed" | "unregistered" | "expired" | "flowClosed";
			readonly aor: string;
			readonly contacts: readonly BindingInfo[];
			/** Bindings the AOR has now. */
			readonly remaining: number;
	  }
	/** A wrong password or unknown user. */
	| {
			readonly type: "authenticationFailed";
			readonly aor: string;
			readonly address: string;
			readonly isBlocked: boolean;
	  };

export interface SipEdgeOptions {
	readonly crypto: Crypto;
	/** Domains whose AORs live here. The first one is the one AORs are written with. */
	readonly domains: readonly string[];
	/** Further hosts that are this edge: public addresses, names phones use as outbound proxy. */
	readonly hosts?: readonly string[];
	/**
	 * True for an overlay route (`localRoute` of a flow) that is of this edge, also while no flow with it is open: a request with it in
	 * its Route goes on to what follows, over a new connection. Default: none.
	 */
	readonly isOwnRoute?: (uri: string) => boolean;
	/** The Node-ID that an overlay route leads to, as `peerNode` of a flow writes it; undefined for any other URI. Default: never one. */
	readonly nodeOfRoute?: (uri: string) => string | undefined;
	/**
	 * AOR whose certificate only edges of this household have: over a connection that proves it any AOR of our domains may stand in
	 * From, because the other edge has let the request in. Default: none.
	 */
	readonly houseAor?: string;
	/** Digest realm; default: the first domain. */
	readonly realm?: string;
	/** Accounts. Without it every digest fails. */
	readonly verifier?: Verifier;
	/** False: no digest for calls and registrations, From is not checked (tests, benches, a closed network). Default true. */
	readonly isAuthenticating?: boolean;
	/** Digest algorithms offered, preferred first. Default SHA-256, MD5. */
	readonly algorithms?: readonly DigestAlgorithm[];
	/** 32 octets for nonces and flow tokens. Default: random, so both are void after a restart (phones notice nothing). */
	readonly key?: Uint8Array;
	readonly limits?: Partial<SipLimits>;
	readonly timers?: Partial<SipTimers>;
	/** Server and User-Agent header value of what the edge makes itself. */
	readonly software?: string;
	/** The platform's fastest way from octets to a text of one octet per character. */
	readonly readOctets?: ReadOctets;
	/** False: no call events (they cost a little for each call). Default true. */
	readonly hasCallEvents?: boolean;
}

export type { FlowOptions, FlowTransport };
