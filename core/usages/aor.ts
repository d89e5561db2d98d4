/**
 * Addresses of record as Resource Names. RFC 7904 §3.1; the URI's grammar is RFC 3261 §25.1.
 *
 *   sip:Alice%20B@DHT.Example.com:5060;transport=tcp?x=y   ->   "Alice B@dht.example.com"
 *
 * Choice (RFC 7904 §3.1): off go the scheme, a password, the port, URI parameters and headers; %-escapes are decoded; the domain
 * becomes lower case, since domains are compared without case (RFC 3261 §19.1.4) but hashed as octets; the user part keeps its
 * case. Certificates therefore carry the domain in lower case too.
 */
import { bytesToUtf8, hexDigit, isUtf8, utf8ToBytes } from "../wire/bytes.ts";
import { MAX_AOR_OCTETS } from "./limits.ts";

export interface Aor {
	readonly user: string;
	/** Lower case. */
	readonly domain: string;
	/** `user@domain`: the Resource Name. */
	readonly text: string;
}

/** Reads an AOR, with or without scheme; `undefined` when it is none (no user, bad escape, octets that no name has). */
export function readAor(text: string): Aor | undefined {
	if (text.length > 8 * MAX_AOR_OCTETS) return undefined;
	const uri = withoutScheme(text);
	if (uri === undefined) return undefined;
	// The host may hold no "@", a decoded certificate name may hold one in its user part: the last one before any header counts.
	const headers = uri.indexOf("?", uri.indexOf("@") + 1);
	const main = headers < 0 ? uri : uri.slice(0, headers);
	const parameters = main.indexOf(";", main.indexOf("@") + 1);
	const at = main.lastIndexOf("@", parameters < 0 ? main.length : parameters);
	if (at <= 0) return undefined;
	const domain = readDomain(main.slice(at + 1));
	const password = main.indexOf(":");
	const user = decodeEscapes(main.slice(0, password >= 0 && password < at ? password : at));
	if (domain === undefined || user === undefined || user === "") return undefined;
	const whole = `${user}@${domain}`;
	return utf8ToBytes(whole).length > MAX_AOR_OCTETS ? undefined : { user, domain, text: whole };
}

/** Resource Name of an AOR, to be hashed. */
export function aorResourceName(aor: Aor): Uint8Array {
	return utf8ToBytes(aor.text);
}

/** Off with "sip:" or "sips:"; `undefined` for other schemes. A name without scheme stays. */
function withoutScheme(text: string): string | undefined {
	const colon = text.indexOf(":");
	const at = text.indexOf("@");
	if (colon < 0 || (at >= 0 && at < colon)) return text;
	const scheme = text.slice(0, colon).toLowerCase();
	if (scheme === "sip" || scheme === "sips") return text.slice(colon + 1);
	// "tel:+49...", "mailto:a@b", and "alice:secret@home", which cannot be told from them.
	return undefined;
}

/** The host without port and parameters, in lower case; ASCII letters, digits, hyphen, dot, or an IPv6 reference. */
export function readDomain(text: string): string | undefined {
	let end = text.length;
	for (let i = 0; i < text.length; i++) {
		const c = text[i]!;
		if (c === ";" || c === "?" || c === ">" || (c === ":" && text[0] !== "[") || (c === ":" && text[i - 1] === "]")) {
			end = i;
			break;
		}
	}
	const domain = text.slice(0, end).toLowerCase();
	for (let i = 0; i < domain.length; i++) {
		const c = domain.charCodeAt(i);
		const word = (c >= 97 && c <= 122) || (c >= 48 && c <= 57) || c === 45 || c === 46 || c === 95;
		const reference = text[0] === "[" && (c === 91 || c === 93 || c === 58);
		if (!word && !reference) return undefined;
	}
	return domain === "" ? undefined : domain;
}

/** Decodes %-escapes; `undefined` for a bad escape, for octets that are not UTF-8, and for control characters. */
export function decodeEscapes(text: string): string | undefined {
	const octets = utf8ToBytes(text);
	const decoded = new Uint8Array(octets.length);
	let length = 0;
	for (let i = 0; i < octets.length; i++) {
		let octet = octets[i]!;
		if (octet === 0x25) {
			const high = i + 2 <= octets.length - 1 ? hexDigit(octets[i + 1]!) : -1;
			const low = i + 2 <= octets.length - 1 ? hexDigit(octets[i + 2]!) : -1;
			if (high < 0 || low < 0) return undefined;
			octet = high * 16 + low;
			i += 2;
		}
		if (octet < 0x20 || octet === 0x7f) return undefined;
		decoded[length++] = octet;
	}
	const exact = decoded.subarray(0, length);
	return isUtf8(exact) ? bytesToUtf8(exact) : undefined;
}
