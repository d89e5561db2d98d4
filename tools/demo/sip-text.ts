/**
 * SIP as text, just enough for a scripted phone. On purpose it shares no line with core/sip: what the demo and the interop tests
 * see on the wire is read by a second, independent reader (RFC 3261 §7, §22; RFC 8760 for SHA-256; RFC 4566 for SDP).
 */
import { createHash, randomBytes } from "node:crypto";
import { isIP } from "node:net";

export interface SipText {
	/** Request line or status line. */
	readonly start: string;
	/** Names in lower case and long form, in the order of the wire. */
	readonly headers: readonly (readonly [name: string, value: string])[];
	readonly body: string;
}

export interface Place {
	readonly address: string;
	readonly port: number;
}

const COMPACT: Readonly<Record<string, string>> = Object.freeze({
	v: "via",
	f: "from",
	t: "to",
	i: "call-id",
	m: "contact",
	l: "content-length",
	c: "content-type",
});

/** Undefined for what is no SIP message: keep-alives, garbage. */
export function readSip(text: string): SipText | undefined {
	const end = text.indexOf("\r\n\r\n");
	if (end < 0) return undefined;
	const [start = "", ...lines] = text
		.slice(0, end)
		.replaceAll(/\r\n[ \t]+/g, " ")
		.split("\r\n");
	if (!start.startsWith("SIP/2.0 ") && !start.endsWith(" SIP/2.0")) return undefined;
	const headers = lines.map((line): [string, string] => {
		const colon = line.indexOf(":");
		const name = line.slice(0, colon).trim().toLowerCase();
		return [COMPACT[name] ?? name, line.slice(colon + 1).trim()];
	});
	return { start, headers, body: text.slice(end + 4) };
}

export function writeSip(message: SipText): string {
	const lines = message.headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
	return `${message.start}\r\n${lines}Content-Length: ${Buffer.byteLength(message.body)}\r\n\r\n${message.body}`;
}

/** Every value of a header; lists are taken apart at their commas, except in quotes and angle brackets. */
export function values(message: SipText, name: string): string[] {
	return message.headers
		.filter(([one]) => one === name)
		.flatMap(([, value]) => value.match(/(?:"(?:\\.|[^"\\])*"|<[^>]*>|[^,"<])+/g) ?? [])
		.map((value) => value.trim());
}

/** The first line of this name as it stands, commas and all. */
export function value(message: SipText, name: string): string {
	return message.headers.find(([one]) => one === name)?.[1] ?? "";
}

/** 0 for a request. */
export function statusOf(message: SipText): number {
	return message.start.startsWith("SIP/2.0 ") ? Number(message.start.slice(8, 11)) : 0;
}

export function methodOf(message: SipText): string {
	return statusOf(message) === 0 ? (message.start.split(" ")[0] ?? "") : (value(message, "cseq").split(/\s+/)[1] ?? "");
}

/** The URI of a name-addr or addr-spec. */
export function uriOf(text: string): string {
	return /<([^>]*)>/.exec(text)?.[1] ?? text.split(";")[0]?.trim() ?? "";
}

/** A parameter of a header value (not of the URI inside its brackets). */
export function paramOf(text: string, name: string): string | undefined {
	return new RegExp(`;\\s*${name}=([^;,\\s]+)`, "i").exec(text.replace(/<[^>]*>/, ""))?.[1];
}

/** Where a URI with an address leads; undefined when it has a name. */
export function placeOf(uri: string): Place | undefined {
	const match = /^sips?:(?:[^@]*@)?(\[[^\]]*\]|[^:;?]+)(?::(\d+))?/i.exec(uri);
	const address = match?.[1]?.replaceAll(/[[\]]/g, "") ?? "";
	return isIP(address) === 0 ? undefined : { address, port: Number(match?.[2] ?? 5060) };
}

export interface Credentials {
	readonly user: string;
	readonly password: string;
}

/** The answer to a 401 or 407: header name and value. The strongest algorithm that both know. Undefined when there is none. */
export function authorization(
	challenged: SipText,
	method: string,
	uri: string,
	{ user, password }: Credentials,
	cnonce = randomBytes(8).toString("hex"),
): readonly [string, string] | undefined {
	const proxy = statusOf(challenged) === 407;
	const offered = challenged.headers
		.filter(([name]) => name === (proxy ? "proxy-authenticate" : "www-authenticate"))
		.map(([, text]) => challengeOf(text));
	const challenge =
		offered.find((one) => one.algorithm?.toUpperCase() === "SHA-256") ??
		offered.find((one) => (one.algorithm ?? "MD5").toUpperCase() === "MD5");
	if (challenge === undefined) return undefined;
	const { realm = "", nonce = "", algorithm = "MD5", opaque } = challenge;
	const digest = (text: string): string =>
		createHash(algorithm.toUpperCase() === "MD5" ? "md5" : "sha256")
			.update(text)
			.digest("hex");
	const ha1 = digest(`${user}:${realm}:${password}`);
	const ha2 = digest(`${method}:${uri}`);
	const withQop = challenge.qop !== undefined;
	const response = digest(withQop ? `${ha1}:${nonce}:00000001:${cnonce}:auth:${ha2}` : `${ha1}:${nonce}:${ha2}`);
	const fields = [`username="${user}"`, `realm="${realm}"`, `nonce="${nonce}"`, `uri="${uri}"`];
	fields.push(`response="${response}"`, `algorithm=${algorithm}`);
	if (withQop) fields.push("qop=auth", "nc=00000001", `cnonce="${cnonce}"`);
	if (opaque !== undefined) fields.push(`opaque="${opaque}"`);
	return [proxy ? "proxy-authorization" : "authorization", `Digest ${fields.join(", ")}`];
}

function challengeOf(text: string): Record<string, string | undefined> {
	const found: Record<string, string> = {};
	for (const [, name, quoted, plain] of text.matchAll(/(\w+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s,]+))/g))
		found[(name ?? "").toLowerCase()] = quoted ?? plain ?? "";
	return found;
}

/** One stream of PCMU (RFC 3551) at `place`. */
export function sdpOf(place: Place): string {
	const lines = ["v=0", `o=- 1 1 IN IP4 ${place.address}`, "s=-", `c=IN IP4 ${place.address}`, "t=0 0"];
	lines.push(`m=audio ${place.port} RTP/AVP 0`, "a=rtpmap:0 PCMU/8000", "a=ptime:20", "a=sendrecv");
	return lines.map((line) => `${line}\r\n`).join("");
}

/** Where the other side of an offer or answer wants its audio; undefined when it wants none. */
export function audioPlaceOf(sdp: string): Place | undefined {
	const address = /^c=IN IP[46] (\S+)/m.exec(sdp)?.[1];
	const port = Number(/^m=audio (\d+) /m.exec(sdp)?.[1] ?? 0);
	return address === undefined || port === 0 ? undefined : { address, port };
}
