/**
 * The pairing code that a household prints for a device, as text or QR:
 *
 *     ringlet://192.168.1.10:6085,pi.local:6085/home.example/K7QF-3M9X-2TPD/<fingerprint>/frontdoor
 *
 * Addresses of the enrollment server, overlay name, one-time code, SHA-256 of the household CA's SubjectPublicKeyInfo (base64url), name.
 */
import { fromBase64 } from "../config/base64.ts";
import { isOverlayName } from "../identity/reload-uri.ts";
import { type Refused, refuse } from "../machine.ts";
import { decimal } from "../wire/decimal.ts";
import { MAX_PAIRING_ADDRESSES, MAX_PAIRING_CHARACTERS } from "./pairing-limits.ts";

const SCHEME = "ringlet://";
/** Port of an enrollment server when the code names none. */
const DEFAULT_PORT = 6_085;
/** Letters of a code without dashes; Crockford's base 32 (32 letters: no I, L, O, U). */
const CODE_LETTERS = 12;
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const FINGERPRINT_CHARACTERS = 43;
const MAX_NAME = 32;

/** Where an enrollment server may be: IPv4 address or name. */
export interface PairingAddress {
	readonly host: string;
	readonly port: number;
}

export interface PairingCode {
	/** Without IPv6 addresses, which a device cannot use; may be empty: then mDNS finds the server. */
	readonly addresses: readonly PairingAddress[];
	readonly overlayName: string;
	/** "K7QF-3M9X-2TPD". Secret; never in a log. */
	readonly code: string;
	/** SHA-256, 32 octets. */
	readonly fingerprint: Uint8Array;
	/** "frontdoor". */
	readonly name: string;
}

/** Reads a code. The refusal says which part is wrong and never repeats the code. */
export function readPairingCode(text: string): PairingCode | Refused {
	const trimmed = text.trim();
	if (trimmed.length > MAX_PAIRING_CHARACTERS || trimmed.slice(0, SCHEME.length).toLowerCase() !== SCHEME)
		return refuse("not a pairing code: it begins with ringlet://");
	const parts = trimmed.slice(SCHEME.length).split("/");
	const [hosts, overlayName, code, fingerprint, name] = parts;
	if (hosts === undefined || overlayName === undefined || code === undefined || fingerprint === undefined)
		return refuse("the pairing code is cut off: copy the whole line");
	if (name === undefined || name === "") return refuse("this is the invitation of a peer, not of a device");
	if (parts.length > 5) return refuse("the pairing code has too many parts");
	const addresses = readAddresses(hosts);
	if (addresses === undefined) return refuse("an address in the pairing code is wrong");
	if (!isOverlayName(overlayName)) return refuse("the household's name in the pairing code is wrong");
	const letters = readLetters(code);
	if (letters === undefined)
		return refuse("the code in the pairing code is wrong: three groups of four letters and digits");
	const digest = readFingerprint(fingerprint);
	if (digest === undefined) return refuse("the fingerprint in the pairing code is wrong: copy the whole line");
	if (!isName(name)) return refuse("the device's name in the pairing code is wrong");
	return { addresses, overlayName, code: letters, fingerprint: digest, name };
}

function readAddresses(text: string): PairingAddress[] | undefined {
	const addresses: PairingAddress[] = [];
	const items = text.split(",");
	for (const item of items) {
		if (item.startsWith("[")) {
			if (item.indexOf("]") < 2) return undefined;
			continue;
		}
		const address = readAddress(item);
		if (address === undefined) return undefined;
		if (addresses.length < MAX_PAIRING_ADDRESSES) addresses.push(address);
	}
	return addresses;
}

/** "192.0.2.1:6085", "pi.local"; undefined when it is neither. */
export function readAddress(text: string): PairingAddress | undefined {
	const colon = text.indexOf(":");
	const host = colon < 0 ? text : text.slice(0, colon);
	const port = colon < 0 ? DEFAULT_PORT : decimal(text.slice(colon + 1), 65_535);
	if (port < 1 || !(isIpv4(host) || (isOverlayName(host) && !isNumeric(host)))) return undefined;
	return { host, port };
}

/** Four decimal numbers up to 255. */
export function isIpv4(text: string): boolean {
	const parts = text.split(".");
	if (parts.length !== 4) return false;
	for (const part of parts) if (decimal(part, 255, 3) < 0) return false;
	return true;
}

/** A name whose last label is a number is a mistyped address (RFC 1123 §2.1). */
function isNumeric(host: string): boolean {
	return decimal(host.slice(host.lastIndexOf(".") + 1), 0x7fffffff) >= 0;
}

/** Case, dashes and blanks do not matter; O is 0, I and L are 1. */
function readLetters(text: string): string | undefined {
	let letters = "";
	for (let i = 0; i < text.length; i++) {
		const typed = text.charAt(i).toUpperCase();
		if (typed === "-" || typed === " ") continue;
		const letter = typed === "O" ? "0" : typed === "I" || typed === "L" ? "1" : typed;
		if (ALPHABET.indexOf(letter) < 0 || letters.length === CODE_LETTERS) return undefined;
		letters += letter;
	}
	if (letters.length !== CODE_LETTERS) return undefined;
	return `${letters.slice(0, 4)}-${letters.slice(4, 8)}-${letters.slice(8)}`;
}

/** RFC 4648 §5, without padding. */
function readFingerprint(text: string): Uint8Array | undefined {
	if (text.length !== FINGERPRINT_CHARACTERS) return undefined;
	let plain = "";
	for (let i = 0; i < text.length; i++) {
		const character = text.charAt(i);
		if (character === "+" || character === "/") return undefined;
		plain += character === "-" ? "+" : character === "_" ? "/" : character;
	}
	const digest = fromBase64(`${plain}=`);
	return digest?.length === 32 ? digest : undefined;
}

/** As a household names its devices: lower-case letters, digits, and "-", "_", "." in between. */
function isName(name: string): boolean {
	if (name.length > MAX_NAME) return false;
	for (let i = 0; i < name.length; i++) {
		const code = name.charCodeAt(i);
		const isPlain = (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39);
		const isBetween = (code === 0x2d || code === 0x2e || code === 0x5f) && i > 0 && i < name.length - 1;
		if (!isPlain && !isBetween) return false;
	}
	return name.length > 0;
}
