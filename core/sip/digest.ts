/**
 * HTTP Digest as SIP uses it: RFC 7616, RFC 8760 (SHA-256 beside MD5), RFC 3261 §22. Both ends' arithmetic and header values.
 *
 * Only `qop=auth`; no `-sess` algorithms, no `userhash`.
 */
import type { Crypto, HashName } from "../../hal/hal.ts";
import { toHex } from "../wire/bytes.ts";
import { LINE, type SipMessage } from "./message.ts";
import {
	COMMA,
	EQUALS,
	equalsFolded,
	isLws,
	QUOTE,
	quote,
	type Source,
	skipLws,
	skipQuoted,
	skipToken,
	textToOctets,
	unquote,
} from "./syntax.ts";

export type DigestAlgorithm = "SHA-256" | "MD5";

const HASHES: Readonly<Record<DigestAlgorithm, HashName>> = Object.freeze({ "SHA-256": "sha256", MD5: "md5" });

/** What a server keeps of a password: H(username:realm:password) as lower-case hex, for each algorithm it offers (RFC 7616 §3.4.2). */
export interface Credentials {
	readonly ha1Sha256?: string;
	readonly ha1Md5?: string;
}

/** H of a text of one octet per character, lower-case hex. */
export function digestHash(crypto: Crypto, algorithm: DigestAlgorithm, text: string): string {
	return toHex(crypto.hash(HASHES[algorithm], textToOctets(text)));
}

/** The verifier of a password. Texts have one octet per character (UTF-8 octets of what the person typed). */
export function makeHa1(
	crypto: Crypto,
	algorithm: DigestAlgorithm,
	username: string,
	realm: string,
	password: string,
): string {
	return digestHash(crypto, algorithm, `${username}:${realm}:${password}`);
}

/** RFC 7616 §3.4.1 with qop=auth. */
export function digestResponse(
	crypto: Crypto,
	algorithm: DigestAlgorithm,
	ha1: string,
	method: string,
	uri: string,
	nonce: string,
	nc: string,
	cnonce: string,
): string {
	const ha2 = digestHash(crypto, algorithm, `${method}:${uri}`);
	return digestHash(crypto, algorithm, `${ha1}:${nonce}:${nc}:${cnonce}:auth:${ha2}`);
}

/** The fields of a Digest header value that we use; "" for what is absent. */
export interface DigestFields {
	username: string;
	realm: string;
	nonce: string;
	uri: string;
	response: string;
	algorithm: string;
	cnonce: string;
	nc: string;
	qop: string;
	opaque: string;
	stale: string;
}

/**
 * Reads a value of Authorization, Proxy-Authorization, WWW-Authenticate or Proxy-Authenticate; `undefined` when it is of another
 * scheme (RFC 4475 §3.3.7) or malformed. Parameters not listed in `DigestFields` are ignored (RFC 7616 §3.4).
 */
export function readDigest(source: Source, start: number, end: number): DigestFields | undefined {
	const { octets, text } = source;
	let at = skipToken(octets, start, end);
	if (!equalsFolded(octets, start, at, "digest") || at >= end || !isLws(octets[at]!)) return undefined;
	const fields = emptyFields();
	// Quoted-pairs are rare: without a backslash a quoted string ends at the next quote, which the engine finds faster than we do.
	const slash = text.indexOf("\\", at);
	const isPlain = slash < 0 || slash >= end;
	for (at = skipLws(octets, at, end); at < end; ) {
		const nameStart = at;
		const nameEnd = skipToken(octets, at, end);
		at = skipLws(octets, nameEnd, end);
		if (nameEnd === nameStart || at >= end || octets[at] !== EQUALS) return undefined;
		at = skipLws(octets, at + 1, end);
		const valueStart = at;
		const isQuoted = at < end && octets[at] === QUOTE;
		if (!isQuoted) at = skipBare(octets, at, end);
		else at = isPlain ? text.indexOf('"', at + 1) + 1 : skipQuoted(octets, at, end);
		if (at <= valueStart || at > end) return undefined;
		const field = fieldAt(octets, nameStart, nameEnd);
		// RFC 7616 §3.4: a parameter stands once; the first one counts.
		if (field !== undefined && fields[field] === "") {
			fields[field] = !isQuoted
				? text.slice(valueStart, at)
				: isPlain
					? text.slice(valueStart + 1, at - 1)
					: unquote(text, valueStart, at);
		}
		at = skipLws(octets, at, end);
		if (at >= end) break;
		if (octets[at] !== COMMA) return undefined;
		at = skipLws(octets, at + 1, end);
	}
	return fields;
}

function emptyFields(): DigestFields {
	return {
		username: "",
		realm: "",
		nonce: "",
		uri: "",
		response: "",
		algorithm: "",
		cnonce: "",
		nc: "",
		qop: "",
		opaque: "",
		stale: "",
	};
}

/** Unquoted values are tokens, but some clients leave the quotes off a nonce or URI: anything up to a comma or LWS. */
function skipBare(octets: Uint8Array, at: number, end: number): number {
	while (at < end && octets[at] !== COMMA && octets[at] !== QUOTE && !isLws(octets[at]!)) at++;
	return at;
}

/** The field of a name, by its length first. */
function fieldAt(octets: Uint8Array, start: number, end: number): keyof DigestFields | undefined {
	switch (end - start) {
		case 2:
			return pick(octets, start, end, "nc", "nc");
		case 3:
			return pick(octets, start, end, "uri", "qop");
		case 5:
			return pick(octets, start, end, "realm", "nonce") ?? pick(octets, start, end, "stale", "stale");
		case 6:
			return pick(octets, start, end, "cnonce", "opaque");
		case 8:
			return pick(octets, start, end, "username", "response");
		case 9:
			return pick(octets, start, end, "algorithm", "algorithm");
		default:
			return undefined;
	}
}

function pick(
	octets: Uint8Array,
	start: number,
	end: number,
	one: keyof DigestFields,
	other: keyof DigestFields,
): keyof DigestFields | undefined {
	if (equalsFolded(octets, start, end, one)) return one;
	return equalsFolded(octets, start, end, other) ? other : undefined;
}

/** The algorithm a header value names; none named is MD5 (RFC 7616 §3.3). `undefined`: one that we do not have. */
export function algorithmOf(fields: DigestFields): DigestAlgorithm | undefined {
	switch (fields.algorithm.toUpperCase()) {
		case "SHA-256":
			return "SHA-256";
		case "":
		case "MD5":
			return "MD5";
		default:
			return undefined;
	}
}

/** The value of a challenge. */
export function challengeValue(realm: string, nonce: string, algorithm: DigestAlgorithm, stale: boolean): string {
	return `Digest realm=${quote(realm)}, nonce="${nonce}", algorithm=${algorithm}, qop="auth"${stale ? ", stale=true" : ""}`;
}

/** A client's side: what it knows of itself. The password, or what a server would keep. */
export interface ClientCredentials extends Credentials {
	readonly username: string;
	readonly password?: string;
}

/** Nonce count of a first use. */
const FIRST_NC = "00000001";

/**
 * The value of Authorization (or Proxy-Authorization) that answers a challenge; `undefined` when it cannot be answered: an algorithm
 * we lack, a qop without `auth`, or no password for it.
 */
export function answerChallenge(
	crypto: Crypto,
	challenge: DigestFields,
	credentials: ClientCredentials,
	method: string,
	uri: string,
	cnonce: string,
): string | undefined {
	const algorithm = algorithmOf(challenge);
	if (algorithm === undefined || !offersAuth(challenge.qop)) return undefined;
	const { username, password } = credentials;
	const known = algorithm === "MD5" ? credentials.ha1Md5 : credentials.ha1Sha256;
	const ha1 = password === undefined ? known : makeHa1(crypto, algorithm, username, challenge.realm, password);
	if (ha1 === undefined) return undefined;
	const response = digestResponse(crypto, algorithm, ha1, method, uri, challenge.nonce, FIRST_NC, cnonce);
	const opaque = challenge.opaque === "" ? "" : `, opaque=${quote(challenge.opaque)}`;
	return (
		`Digest username=${quote(username)}, realm=${quote(challenge.realm)}, nonce=${quote(challenge.nonce)}, uri=${quote(uri)}, ` +
		`response="${response}", algorithm=${algorithm}, cnonce="${cnonce}", qop=auth, nc=${FIRST_NC}${opaque}`
	);
}

/** RFC 8760 §2.4: the first challenge of a 401 or 407 whose algorithm we have; `header` is WWW-Authenticate or Proxy-Authenticate. */
export function pickChallenge(response: SipMessage, header: number): DigestFields | undefined {
	for (let line = response.find(header); line >= 0; line = response.find(header, line + LINE)) {
		const fields = readDigest(response, response.valueStart(line), response.valueEnd(line));
		if (fields !== undefined && algorithmOf(fields) !== undefined) return fields;
	}
	return undefined;
}

/** `qop` of a challenge is a list. */
function offersAuth(qop: string): boolean {
	const offers = qop.toLowerCase().split(",");
	for (let i = 0; i < offers.length; i++) if (offers[i]!.trim() === "auth") return true;
	return false;
}
