/** What a household is made of, as plain data. */

/** What a certificate was issued for. */
export type Role = "peer" | "device" | "account" | "hosted" | "signer";

/** An IP address (or DNS name, for enrollment) and a port. */
export interface Address {
	readonly address: string;
	readonly port: number;
}

/** Where a peer is reached. */
export interface PeerAddresses {
	/** Overlay links: IP addresses. */
	readonly link: readonly Address[];
	/** Enrollment server, for the peer that runs it. */
	readonly enrollment: readonly Address[];
}

/** One public key that was given a certificate. */
export interface Issued {
	/** SHA-256 of the SubjectPublicKeyInfo, hex. */
	readonly key: string;
	readonly userName: string;
	readonly role: Role;
	readonly nodeIds: readonly Uint8Array[];
	/** The Node-ID of the peer that holds the key; hosted users only. */
	readonly holder: Uint8Array | undefined;
	/** First certificate, and end of the latest; milliseconds since 1970. */
	readonly issuedMs: number;
	readonly notAfterMs: number;
	/** When it was revoked; undefined while it is good. */
	readonly revokedMs: number | undefined;
}

/** An account as every peer knows it: enough to serve the phones that use it. */
export interface HouseholdAccount {
	/** "alice" */
	readonly name: string;
	/** "alice@home.example" */
	readonly aor: string;
	/** A user has a password; a group is an AOR that every peer serves and that rings its members. */
	readonly kind: "user" | "group";
	/** SIP digest HA1 = H(name ":" domain ":" password), lower-case hex; empty for a group. */
	readonly ha1Sha256: string;
	readonly ha1Md5: string;
	/** Names of the accounts a group rings; empty = all users. */
	readonly members: readonly string[];
}

export interface HouseholdPeer extends PeerAddresses {
	readonly nodeId: Uint8Array;
	readonly userName: string;
}

export interface HouseholdDevice {
	readonly aor: string;
	readonly nodeIds: readonly Uint8Array[];
	/** What seals its settings (32 octets), and the settings (CBOR); absent before somebody has set something. */
	readonly settingsKey?: Uint8Array | undefined;
	readonly settings?: Uint8Array | undefined;
}

/** Which state of the household is meant. A new epoch (after a restore) makes every older state stale. */
export interface HouseholdVersion {
	/** 16 hex digits, random. */
	readonly epoch: string;
	readonly sequence: number;
}

/** All a peer needs to serve the household's phones. */
export interface HouseholdSnapshot extends HouseholdVersion {
	/** The signed configuration document. */
	readonly document: Uint8Array;
	readonly accounts: readonly HouseholdAccount[];
	readonly peers: readonly HouseholdPeer[];
	readonly devices: readonly HouseholdDevice[];
}

/** A certificate, or why there is none: a token of RFC 6940 §11.3 or one of ours. */
export type IssueResult =
	| {
			readonly certificate: Uint8Array;
			readonly userName?: string;
			/** Of a device that has just been paired. */
			readonly settingsKey?: Uint8Array;
	  }
	| { readonly refused: string };

/** A request for a hosted user's certificate. */
export interface HostedRequest {
	readonly aor: string;
	/** DER PKCS#10. */
	readonly csr: Uint8Array;
}

/** Where a peer gets the household from: the enrollment server, over HTTPS or, on the founder, directly. */
export interface HouseholdSource {
	/**
	 * The state after `since`, as soon as there is one; undefined when nothing changed for `LONG_POLL_MS`. Asking says that
	 * `since` is in use here.
	 */
	changes(since: HouseholdVersion | undefined, signal: AbortSignal): Promise<HouseholdSnapshot | undefined>;
	/** One result per request, in order; at most MAX_HOSTED_BATCH. */
	hosted(requests: readonly HostedRequest[]): Promise<readonly IssueResult[]>;
	/** Says where this peer is reached. */
	announce(addresses: PeerAddresses): Promise<void>;
	/** A new certificate for the peer's own key. */
	renew(csr: Uint8Array): Promise<IssueResult>;
}
