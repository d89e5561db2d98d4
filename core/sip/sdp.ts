/**
 * SDP as far as an edge or a doorbell needs it: where each media stream goes, in which direction, with which formats.
 * RFC 4566 (and 8866), RFC 3264 §5. Lines that are not understood are kept and written back as they were.
 *
 *   v= o= s= [c=] t= a=...        session: lines
 *   m=audio 49170 RTP/AVP 0 101   media[0]: kind, port, protocol, formats, lines
 *   [c=] a=...
 */
import { decimal } from "../wire/decimal.ts";

/** RFC 3264 §5.1; `sendrecv` when nothing is said. */
export type SdpDirection = "sendrecv" | "sendonly" | "recvonly" | "inactive";

/** One m= line with the lines below it. */
export interface SdpMedia {
	readonly kind: string;
	/** 0: refused or gone (RFC 3264 §6). */
	port: number;
	/** "/n" behind the port; 1 when absent. */
	readonly ports: number;
	readonly protocol: string;
	formats: string[];
	/** The lines below the m= line, without their line ends: "a=rtpmap:0 PCMU/8000". */
	lines: string[];
}

/** A session description. */
export interface Sdp {
	/** The lines above the first m= line. */
	lines: string[];
	readonly media: SdpMedia[];
}

/** Lines of one description: more is refused. */
export const MAX_SDP_LINES = 512;

/** Reads a description (one octet per character); `undefined` when it is none. Bare LF ends a line too (RFC 4566 §5). */
export function readSdp(text: string): Sdp | undefined {
	const sdp: Sdp = { lines: [], media: [] };
	let count = 0;
	for (let at = 0; at < text.length; ) {
		let end = text.indexOf("\n", at);
		if (end < 0) end = text.length;
		const line = text.slice(at, end > at && text.charCodeAt(end - 1) === 0x0d ? end - 1 : end);
		at = end + 1;
		if (line === "") continue;
		if (++count > MAX_SDP_LINES || !isLine(line)) return undefined;
		if (line.charCodeAt(0) === 0x6d) {
			const media = readMedia(line);
			if (media === undefined) return undefined;
			sdp.media.push(media);
		} else if (sdp.media.length > 0) sdp.media[sdp.media.length - 1]!.lines.push(line);
		else sdp.lines.push(line);
	}
	// RFC 4566 §5: version first, then origin.
	return sdp.lines[0] === "v=0" && sdp.lines[1]?.startsWith("o=") ? sdp : undefined;
}

function isLine(line: string): boolean {
	const letter = line.charCodeAt(0);
	return line.length >= 2 && letter >= 0x61 && letter <= 0x7a && line.charCodeAt(1) === 0x3d && line.indexOf("\r") < 0;
}

function readMedia(line: string): SdpMedia | undefined {
	const parts = line.slice(2).split(" ");
	const [kind, place, protocol] = parts;
	if (kind === undefined || place === undefined || protocol === undefined || parts.length < 4) return undefined;
	const slash = place.indexOf("/");
	const port = readPort(slash < 0 ? place : place.slice(0, slash));
	const ports = slash < 0 ? 1 : readPort(place.slice(slash + 1));
	if (kind === "" || protocol === "" || port < 0 || ports < 1) return undefined;
	const formats: string[] = [];
	for (let i = 3; i < parts.length; i++) if (parts[i] !== "") formats.push(parts[i]!);
	return { kind, port, ports, protocol, formats, lines: [] };
}

function readPort(text: string): number {
	return decimal(text, 65_535, 5);
}

/** The description as text, CRLF at each line's end. */
export function writeSdp(sdp: Sdp): string {
	let text = "";
	for (const line of sdp.lines) text += `${line}\r\n`;
	for (const media of sdp.media) {
		const ports = media.ports === 1 ? "" : `/${media.ports}`;
		text += `m=${media.kind} ${media.port}${ports} ${media.protocol} ${media.formats.join(" ")}\r\n`;
		for (const line of media.lines) text += `${line}\r\n`;
	}
	return text;
}

/** The first audio stream that has not been refused. */
export function audioOf(sdp: Sdp): SdpMedia | undefined {
	for (const media of sdp.media) if (media.kind === "audio" && media.port !== 0) return media;
	return undefined;
}

/** The address a stream is sent to: its own c= line, else the session's; "" when there is none. */
export function connectionOf(sdp: Sdp, media: SdpMedia): string {
	return connectionIn(media.lines) || connectionIn(sdp.lines);
}

function connectionIn(lines: readonly string[]): string {
	for (const line of lines) {
		if (!line.startsWith("c=IN IP")) continue;
		// "c=IN IP4 192.0.2.1", for a group with "/127" behind.
		const address = line.slice(9);
		const slash = address.indexOf("/");
		return slash < 0 ? address : address.slice(0, slash);
	}
	return "";
}

/** Points a stream at another address and port (a relay). */
export function redirectMedia(sdp: Sdp, media: SdpMedia, address: string, port: number): void {
	const line = `c=IN ${address.indexOf(":") < 0 ? "IP4" : "IP6"} ${address}`;
	media.port = port;
	media.lines = media.lines.filter((one) => !one.startsWith("c="));
	// RFC 4566 §5: c= stands before a=; after i= only.
	media.lines.splice(media.lines[0]?.startsWith("i=") ? 1 : 0, 0, line);
	if (sdp.media.length === 1) sdp.lines = sdp.lines.map((one) => (one.startsWith("c=") ? line : one));
}

/** The stream's direction: its own attribute, else the session's, else both ways (RFC 3264 §5.1). */
export function directionOf(sdp: Sdp, media: SdpMedia): SdpDirection {
	const direction = directionIn(media.lines) ?? directionIn(sdp.lines) ?? "sendrecv";
	// RFC 2543 hold: an address of zeros.
	return connectionOf(sdp, media) === "0.0.0.0" && direction === "sendrecv" ? "sendonly" : direction;
}

function directionIn(lines: readonly string[]): SdpDirection | undefined {
	for (const line of lines) {
		switch (line) {
			case "a=sendrecv":
			case "a=sendonly":
			case "a=recvonly":
			case "a=inactive":
				return line.slice(2) as SdpDirection;
			default:
				break;
		}
	}
	return undefined;
}

/** Value of an attribute: "" for one without value, `undefined` when it is absent. */
export function attributeOf(lines: readonly string[], name: string): string | undefined {
	for (const line of lines) {
		if (line === `a=${name}`) return "";
		if (line.startsWith(`a=${name}:`)) return line.slice(name.length + 3);
	}
	return undefined;
}
