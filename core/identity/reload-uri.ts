/** RELOAD URIs, as certificates carry them. RFC 6940 §14.15, §11.3. */
import { type Refused, refuse } from "../machine.ts";
import { fromHex, toHex } from "../wire/bytes.ts";
import { DestinationType } from "../wire/codes.ts";
import { OVERLAY_NAME_CHARACTERS } from "./limits.ts";

const SCHEME = "reload://";

/** Octets of a Node-ID (RFC 6940 §6.3.1.1: node-id-length is 16..20). */
export const NODE_ID_LEAST = 16;
export const NODE_ID_MOST = 20;

export interface ReloadUri {
	readonly nodeId: Uint8Array;
	/** In lower case: DNS names compare so. */
	readonly overlayName: string;
}

/** True for any URI of the scheme, well-formed or not. */
export function isReloadUri(uri: string): boolean {
	return lowerCase(uri.slice(0, SCHEME.length)) === SCHEME;
}

/** `reload://<destination>@<overlay>/` naming one peer. */
export function readReloadUri(uri: string): ReloadUri | Refused {
	if (!isReloadUri(uri)) return refuse("not a RELOAD URI");
	const at = uri.indexOf("@", SCHEME.length);
	if (at < 0) return refuse("RELOAD URI without an overlay name");
	const nodeId = readDestination(uri.slice(SCHEME.length, at));
	if (nodeId === undefined) return refuse("RELOAD URI does not name exactly one Node-ID");
	// Choice (D-26): a missing final slash is read too.
	const slash = uri.indexOf("/", at + 1);
	const overlayName = lowerCase(uri.slice(at + 1, slash < 0 ? uri.length : slash));
	if (!isOverlayName(overlayName)) return refuse("RELOAD URI with a malformed overlay name");
	// RFC 6940 §14.15: with a specifier the URI names data, not a peer.
	if (slash >= 0 && slash !== uri.length - 1) return refuse("RELOAD URI names data, not a peer");
	return { nodeId, overlayName };
}

export function writeReloadUri(nodeId: Uint8Array, overlayName: string): string {
	return `${SCHEME}${toHex(Uint8Array.of(DestinationType.node, nodeId.length))}${toHex(nodeId)}@${overlayName}/`;
}

/** Hex of one Destination of type node; or (D-26) of a bare Node-ID. What can be read as both is a Destination. */
function readDestination(hex: string): Uint8Array | undefined {
	const bytes = hex.length > 2 * (NODE_ID_MOST + 2) ? undefined : fromHex(hex);
	if (bytes === undefined) return undefined;
	const length = bytes.length - 2;
	if (bytes[0] === DestinationType.node && bytes[1] === length && isNodeIdLength(length)) return bytes.slice(2);
	return isNodeIdLength(bytes.length) ? bytes : undefined;
}

export function isNodeIdLength(length: number): boolean {
	return length >= NODE_ID_LEAST && length <= NODE_ID_MOST;
}

/** RFC 6940 §11.1 (instance-name): a legal DNS name. ASCII letters, digits, hyphens; labels of 1..63. */
export function isOverlayName(name: string): boolean {
	if (name.length === 0 || name.length > OVERLAY_NAME_CHARACTERS) return false;
	let label = 0;
	for (let i = 0; i < name.length; i++) {
		const code = name.charCodeAt(i);
		if (code === 0x2e) {
			if (label === 0 || name.charCodeAt(i - 1) === 0x2d) return false;
			label = 0;
			continue;
		}
		const hyphen = code === 0x2d;
		const lower = code | 0x20;
		if (!hyphen && !(code >= 0x30 && code <= 0x39) && !(lower >= 0x61 && lower <= 0x7a)) return false;
		if (hyphen && label === 0) return false;
		label++;
		if (label > 63) return false;
	}
	return label > 0 && name.charCodeAt(name.length - 1) !== 0x2d;
}

/** ASCII only: other letters stay as they are. */
export function lowerCase(text: string): string {
	let lower = "";
	for (let i = 0; i < text.length; i++) {
		const code = text.charCodeAt(i);
		lower += code >= 0x41 && code <= 0x5a ? String.fromCharCode(code + 32) : text[i]!;
	}
	return lower;
}
