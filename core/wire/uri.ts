/** RELOAD URI (RFC 6940 §14.15): reload://<destination list in hex>@<overlay name>/[<StoredDataSpecifier in hex>] */
import { type Refused, refuse } from "../machine.ts";
import { EMPTY, fromHex, toHex } from "./bytes.ts";
import { type Destination, nodeDestination, readDestinations, writeDestinations } from "./destination.ts";
import { WireReader } from "./reader.ts";
import { encode } from "./writer.ts";

export interface ReloadUri {
	readonly destinationList: readonly Destination[];
	readonly overlayName: string;
	/** An encoded StoredDataSpecifier: the URI names data; empty: it names a node. */
	readonly specifier: Uint8Array;
}

const SCHEME = "reload://";
/** reg-name of RFC 3986 besides letters and digits, less what would separate the parts. */
const NAME_MARKS = "-._~%!$&'()*+,;=";

/**
 * Reads a RELOAD URI. [D-26]: a missing final slash is accepted, and so is a bare Node-ID (exactly `nodeIdLength` octets in hex) in
 * place of a destination list. `at` of a refusal counts characters.
 */
export function readReloadUri(text: string, nodeIdLength: number): ReloadUri | Refused {
	if (text.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return refuse("not a reload URI", 0);
	const atSign = text.indexOf("@", SCHEME.length);
	if (atSign < 0) return refuse("reload URI without overlay name", text.length);
	const destinationList = readUriDestinations(text.slice(SCHEME.length, atSign), nodeIdLength);
	if (destinationList === undefined) return refuse("reload URI without a destination list in hex", SCHEME.length);
	const slash = text.indexOf("/", atSign);
	const overlayName = text.slice(atSign + 1, slash < 0 ? text.length : slash);
	if (!isRegName(overlayName)) return refuse("reload URI with a bad overlay name", atSign + 1);
	const specifier = slash < 0 ? EMPTY : fromHex(text.slice(slash + 1));
	if (specifier === undefined) return refuse("reload URI with a specifier that is not hex", slash + 1);
	return { destinationList, overlayName, specifier };
}

function readUriDestinations(text: string, nodeIdLength: number): Destination[] | undefined {
	const bytes = fromHex(text);
	if (bytes === undefined || bytes.length === 0) return undefined;
	if (bytes.length === nodeIdLength) return [nodeDestination(bytes)];
	const reader = new WireReader(bytes);
	const list = readDestinations(reader, nodeIdLength);
	return reader.failedAt < 0 ? list : undefined;
}

function isRegName(name: string): boolean {
	for (let i = 0; i < name.length; i++) {
		const code = name.charCodeAt(i) | 0x20;
		const isLetter = code >= 97 && code <= 122;
		const isDigit = name.charCodeAt(i) >= 48 && name.charCodeAt(i) <= 57;
		if (!isLetter && !isDigit && NAME_MARKS.indexOf(name[i]!) < 0) return false;
	}
	return name.length > 0;
}

/** Writes a RELOAD URI in the RFC's form. */
export function writeReloadUri(uri: ReloadUri): string {
	const destinations = encode(writeDestinations, uri.destinationList);
	return `${SCHEME}${toHex(destinations)}@${uri.overlayName}/${toHex(uri.specifier)}`;
}

/** The URI that stands for a node in its certificate (RFC 6940 §11.3). */
export function nodeUri(nodeId: Uint8Array, overlayName: string): string {
	return writeReloadUri({ destinationList: [nodeDestination(nodeId)], overlayName, specifier: EMPTY });
}
