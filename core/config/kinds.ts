/** Kinds: what is registered, and what a configuration says about them. RFC 6940 §7.2, §7.3, §11.1, §14.6. */
import { KindId } from "../wire/codes.ts";
import type { DataModel } from "../wire/stored-data.ts";

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

/** A kind-block that was read but not yet believed. RFC 6940 §11.1. */
export interface KindBlock {
	readonly kind: KindDefinition;
	/** The `kind` element, from its `<` to its `>`: what is signed. */
	readonly signedBytes: Uint8Array;
	/** Encoded SecurityBlock; undefined when there is no kind-signature. */
	readonly signature: Uint8Array | undefined;
}

/** RFC 6940 §14.6: what a registration fixes. RFC 6940 §11.1 MUST: it wins over what a document says. */
export interface RegisteredKind {
	readonly id: number;
	readonly name: string;
	readonly dataModel: DataModel;
	readonly accessControl: string;
	readonly maxNodeMultiple: number | undefined;
}

/** RFC 6940 §9: TURN-SERVICE is NODE-MULTIPLE with at most 20. */
export const TURN_SERVICE_MULTIPLE = 20;

/** RFC 6940 §14.6 "RELOAD Data Kind-ID"; RFC 7904, RFC 8076, RFC 7374 §10.3. */
export const REGISTERED_KINDS: readonly RegisteredKind[] = Object.freeze([
	registered(KindId.sipRegistration, "SIP-REGISTRATION", "dictionary", "USER-NODE-MATCH"),
	registered(KindId.turnService, "TURN-SERVICE", "single", "NODE-MULTIPLE", TURN_SERVICE_MULTIPLE),
	registered(KindId.certificateByNode, "CERTIFICATE_BY_NODE", "array", "NODE-MATCH"),
	registered(KindId.accessControlList, "ACCESS-CONTROL-LIST", "array", "USER-CHAIN-ACL"),
	registered(KindId.certificateByUser, "CERTIFICATE_BY_USER", "array", "USER-MATCH"),
	registered(KindId.redir, "REDIR", "dictionary", "NODE-ID-MATCH"),
]);

/** RFC 6940 §14.6: private use. */
export const PRIVATE_KIND_FIRST = 0xf0000001;
export const PRIVATE_KIND_LAST = 0xfffffffe;

/**
 * DEVICE-SETTINGS, ours (core/usages/device-settings.ts): at the house's AOR, keyed by the device's user name. It has no name in documents,
 * being private.
 */
export const DEVICE_SETTINGS_KIND = PRIVATE_KIND_FIRST;
/** Devices of a household, and octets of one record: the settings of core/usages with their seal. */
const DEVICE_SETTINGS_COUNT = 64;
const DEVICE_SETTINGS_SIZE = 4_096;

/** RFC 6940 §14.4 "RELOAD Access Control Policies"; RFC 7374 §10.1, RFC 8076. */
export const ACCESS_CONTROL_POLICIES: readonly string[] = Object.freeze([
	"USER-MATCH",
	"NODE-MATCH",
	"USER-NODE-MATCH",
	"NODE-MULTIPLE",
	"NODE-ID-MATCH",
	"USER-CHAIN-ACL",
]);

/** The registration of a Kind-ID or of a name, if there is one. */
export function registeredKind(idOrName: number | string): RegisteredKind | undefined {
	for (const kind of REGISTERED_KINDS) if (kind.id === idOrName || kind.name === idOrName) return kind;
	return undefined;
}

/**
 * Limits of a household's document. RFC 6940 has no defaults: max-count and max-size always stand in the document.
 * Choice: 64 places per AOR (every peer serves the house); room for old and new certificates side by side (§8); ReDiR nodes full of
 * providers.
 */
export const HOUSEHOLD_LIMITS: readonly (readonly [id: number, maxCount: number, maxSize: number])[] = Object.freeze([
	Object.freeze([KindId.sipRegistration, 64, 1024] as const),
	Object.freeze([KindId.turnService, 1, 64] as const),
	Object.freeze([KindId.certificateByNode, 64, 2048] as const),
	Object.freeze([KindId.certificateByUser, 64, 2048] as const),
	Object.freeze([KindId.redir, 64, 512] as const),
]);

/** required-kinds of a household's document. */
export function householdKinds(): KindDefinition[] {
	const kinds: KindDefinition[] = [];
	for (const [id, maxCount, maxSize] of HOUSEHOLD_LIMITS) {
		const kind = registeredKind(id);
		if (kind !== undefined)
			kinds.push({ ...kind, maxCount, maxSize, domainRestrictions: undefined, signedBy: undefined });
	}
	kinds.push({
		id: DEVICE_SETTINGS_KIND,
		name: undefined,
		dataModel: "dictionary",
		accessControl: "USER-MATCH",
		maxCount: DEVICE_SETTINGS_COUNT,
		maxSize: DEVICE_SETTINGS_SIZE,
		maxNodeMultiple: undefined,
		domainRestrictions: undefined,
		signedBy: undefined,
	});
	return kinds;
}

function registered(
	id: number,
	name: string,
	dataModel: DataModel,
	accessControl: string,
	maxNodeMultiple?: number,
): RegisteredKind {
	return Object.freeze({ id, name, dataModel, accessControl, maxNodeMultiple });
}
