/**
 * SIP registrations as stored values: writing ours, reading others'. Before editing read RFC 7904 §3.2, §3.3, §4, §5.
 *
 *   Resource-ID H(AOR), Kind SIP-REGISTRATION, dictionary
 *     key: Node-ID of the user's certificate   ->   route: contact_prefs, destination list   or   uri: another AOR
 *
 * The list of a hosted user is [peer, hosted user]: the peer that carries the account, then the account's own Node-ID.
 */
import { isRefused, type Refused, refuse } from "../machine.ts";
import type { FetchedKind, FetchedValue, StoreKind, StoreValue } from "../overlay/node-types.ts";
import { bytesToUtf8, compareBytes, EMPTY, equalBytes, isUtf8, toHex, utf8ToBytes } from "../wire/bytes.ts";
import { DestinationType, KindId, SipRegistrationType } from "../wire/codes.ts";
import { type Destination, nodeDestination, writeDestinations } from "../wire/destination.ts";
import { readSipRegistration, type SipRegistration, writeSipRegistration } from "../wire/sip-registration.ts";
import { encode, WireWriter } from "../wire/writer.ts";
import { type Aor, aorResourceName, readAor } from "./aor.ts";
import { MAX_AOR_OCTETS, MAX_CONTACT_PREFS_OCTETS, MAX_DESTINATIONS } from "./limits.ts";

/** Who registers: the user of a certificate, as one of its Node-IDs. */
export interface Registrant {
	readonly userName: string;
	/** Dictionary key. */
	readonly nodeId: Uint8Array;
	/** Resource Name -> Resource-ID. */
	resourceHash(name: Uint8Array): Uint8Array;
}

/** One store, for the node's `store` command, to be signed as the registrant. */
export interface SipStore {
	readonly resourceId: Uint8Array;
	readonly kinds: readonly StoreKind[];
}

/** Where a registration leads. */
export interface SipContact {
	/** The AOR whose registration this is (after forwarding, not the one first asked for). */
	readonly aor: string;
	/** Who registered it: dictionary key, and the signer's Node-ID; for a GRUU the last Node-ID of its list. */
	readonly nodeId: Uint8Array;
	/** To be given to AppAttach; the last entry is a Node-ID, and the certificate there must carry it (RFC 7904 §5). */
	readonly destinations: readonly Destination[];
	/** Feature predicate of RFC 3840, for instance "(sip.schemes=SIPS)"; may be empty. */
	readonly contactPrefs: string;
	/** Milliseconds since 1970, by the registrant's clock; 0 for a GRUU. */
	readonly storageTimeMs: number;
	/** Milliseconds since 1970; Infinity for a GRUU. */
	readonly expiresMs: number;
}

/** What the registrations of one AOR say. */
export interface Registrations {
	/** Newest first. */
	readonly contacts: readonly SipContact[];
	/** URIs to look up in place of this AOR, newest first. */
	readonly forwards: readonly string[];
	/** Values that were not what a registration of this AOR must be. */
	readonly ignored: number;
}

/** The destination list of an account whose phone is served by `peer`. */
export function hostedDestinations(peer: Uint8Array, hosted: Uint8Array): Destination[] {
	return equalBytes(peer, hosted) ? [nodeDestination(hosted)] : [nodeDestination(peer), nodeDestination(hosted)];
}

/** Registers a destination list. Refused: a user name that is no AOR in its normal form, lists and texts that nobody would read. */
export function registerRoute(
	who: Registrant,
	route: { readonly destinations: readonly Destination[]; readonly contactPrefs?: string; readonly lifetimeS: number },
): SipStore | Refused {
	const contactPrefs = utf8ToBytes(route.contactPrefs ?? "");
	if (contactPrefs.length > MAX_CONTACT_PREFS_OCTETS) return refuse("contact_prefs too long");
	const last = route.destinations[route.destinations.length - 1];
	if (last?.type !== DestinationType.node) return refuse("a destination list ends with a Node-ID");
	if (route.destinations.length > MAX_DESTINATIONS) return refuse("destination list too long");
	const value = { type: SipRegistrationType.route, contactPrefs, destinationList: route.destinations };
	return storeOf(who, { exists: true, value: encode(writeSipRegistration, value), lifetimeS: route.lifetimeS });
}

/** Forwards: whoever looks up this AOR shall look up `target` (RFC 7904 §3.2). */
export function registerForward(
	who: Registrant,
	forward: { readonly target: string; readonly lifetimeS: number },
): SipStore | Refused {
	const uri = utf8ToBytes(forward.target);
	if (uri.length > 2 * MAX_AOR_OCTETS || readAor(forward.target) === undefined)
		return refuse("the target is not an AOR");
	return storeOf(who, {
		exists: true,
		value: encode(writeSipRegistration, { type: SipRegistrationType.uri, uri }),
		lifetimeS: forward.lifetimeS,
	});
}

/**
 * Unregisters. RFC 6940 §7.4.1.3 SHOULD: lifetime at least what is left of the registration, or a replica that missed this shows it
 * again. `registeredUntilMs`: when the registration would have ended.
 */
export function unregister(
	who: Registrant,
	at: { readonly registeredUntilMs: number; readonly wallMs: number },
): SipStore | Refused {
	const restS = Math.ceil((at.registeredUntilMs - at.wallMs) / 1000);
	return storeOf(who, { exists: false, value: EMPTY, lifetimeS: Math.min(Math.max(restS, 1), 0xffffffff) });
}

function storeOf(who: Registrant, value: Omit<StoreValue, "key">): SipStore | Refused {
	const aor = readAor(who.userName);
	// The storing peer hashes the name as it stands in the certificate, a caller looks up the normal form: they must be the same.
	if (aor === undefined || aor.text !== who.userName) {
		return refuse(`the user name ${who.userName} is not an AOR in its normal form (user@domain, domain in lower case)`);
	}
	const { exists, lifetimeS } = value;
	const values = [{ key: who.nodeId, exists, value: value.value, lifetimeS }];
	return { resourceId: who.resourceHash(aorResourceName(aor)), kinds: [{ kind: KindId.sipRegistration, values }] };
}

/**
 * Reads the registrations of `aor`. The node has verified each value's signature and access policy; what a registration must be is
 * checked again here (RFC 7904 §4), so that a caller believes no storing peer.
 */
export function readRegistrations(aor: Aor, fetched: FetchedKind, wallMs: number): Registrations {
	const good: { readonly value: FetchedValue; readonly registration: SipRegistration }[] = [];
	let ignored = fetched.discarded;
	for (const value of fetched.values) {
		if (value.signer === undefined || !value.stored.value.value.exists) continue;
		const registration = readOne(aor, value);
		if (registration === undefined) ignored++;
		else good.push({ value, registration });
	}
	good.sort((a, b) => newerFirst(a.value, b.value));
	const contacts: SipContact[] = [];
	const forwards: string[] = [];
	for (const { value, registration } of good) {
		if (registration.type === SipRegistrationType.uri) forwards.push(bytesToUtf8(registration.uri));
		else if (registration.type === SipRegistrationType.route)
			contacts.push(contactOf(aor, value, registration, wallMs));
	}
	return { contacts, forwards, ignored };
}

function newerFirst(a: FetchedValue, b: FetchedValue): number {
	const later = b.stored.storageTime - a.stored.storageTime;
	return later !== 0 ? later : compareBytes(a.signer!.nodeId, b.signer!.nodeId);
}

/** The registration of a value that is one of this AOR, with nothing in it that goes beyond our limits. */
function readOne(aor: Aor, { stored, signer }: FetchedValue): SipRegistration | undefined {
	const { value } = stored;
	if (value.model !== "dictionary" || signer === undefined || signer.userName !== aor.text) return undefined;
	if (!equalBytes(value.key, signer.nodeId)) return undefined;
	// A copy: what the reader gives are views, and contacts outlive the answer they came in.
	const registration = readSipRegistration(value.value.value.slice(), signer.nodeId.length);
	if (isRefused(registration)) return undefined;
	if (registration.type === SipRegistrationType.uri) {
		return registration.uri.length <= 2 * MAX_AOR_OCTETS && isUtf8(registration.uri) ? registration : undefined;
	}
	if (registration.type !== SipRegistrationType.route) return undefined;
	const { destinationList, contactPrefs } = registration;
	const last = destinationList[destinationList.length - 1];
	const fits = destinationList.length <= MAX_DESTINATIONS && contactPrefs.length <= MAX_CONTACT_PREFS_OCTETS;
	return fits && last?.type === DestinationType.node ? registration : undefined;
}

function contactOf(
	aor: Aor,
	{ stored, signer }: FetchedValue,
	route: Extract<SipRegistration, { type: 2 }>,
	wallMs: number,
): SipContact {
	return {
		aor: aor.text,
		nodeId: signer!.nodeId,
		destinations: route.destinationList,
		contactPrefs: bytesToUtf8(route.contactPrefs),
		storageTimeMs: stored.storageTime,
		expiresMs: wallMs + stored.lifetime * 1000,
	};
}

/** Equal for equal destination lists. */
export function destinationsKey(destinations: readonly Destination[]): string {
	const writer = new WireWriter(64);
	writeDestinations(writer, destinations);
	return toHex(writer.view());
}
