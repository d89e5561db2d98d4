/** Kinds: what a configuration says about them, and what is registered. RFC 6940 §14.6, §7.3, §11.1. */
import type { DataModel } from "../wire/store.ts";

/** RFC 7904 §3.4: which AORs may be registered. Absent = any. */
export interface DomainRestrictions {
	/** False: only AORs whose domain is the overlay name. */
	readonly enable: boolean;
	/** POSIX extended regular expressions over the whole domain. */
	readonly patterns: readonly string[];
}

/** One Kind as the overlay uses it. */
export interface KindDefinition {
	readonly id: number;
	/** Registered name; undefined for private Kinds. */
	readonly name: string | undefined;
	readonly dataModel: DataModel;
	/** Policy name as registered: "USER-MATCH", "NODE-MATCH", "USER-NODE-MATCH", "NODE-MULTIPLE", "NODE-ID-MATCH", ... */
	readonly accessControl: string;
	/** Values of this Kind at one Resource-ID, at most. */
	readonly maxCount: number;
	/** Octets of one value, at most. */
	readonly maxSize: number;
	/** NODE-MULTIPLE only: greatest i. */
	readonly maxNodeMultiple: number | undefined;
	/** SIP-REGISTRATION only. */
	readonly domainRestrictions: DomainRestrictions | undefined;
	/** Node-ID of the kind-signer whose signature was verified; undefined for a Kind of a signed configuration. */
	readonly signedBy: Uint8Array | undefined;
}
