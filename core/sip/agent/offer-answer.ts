/**
 * Offer and answer for one audio stream: RFC 3264, SDES keys RFC 4568, opportunistic SRTP RFC 8643, telephone-event RFC 4733 §2.4.
 *
 *   offer()      our text       --> far end
 *   takeAnswer() SessionMedia   <-- its text            agreed, or undefined: no session with that
 *   takeOffer()  text + media   <-- its text            undefined: 488
 *
 * Other streams that are offered are refused with port 0 and keep their place in every later description.
 */
import { toBase64 } from "../../config/base64.ts";
import type { IdSource } from "../ids.ts";
import { attributeOf, connectionOf, directionOf, readSdp, type Sdp, type SdpDirection, type SdpMedia } from "../sdp.ts";
import { asciiLower } from "../syntax.ts";
import { readKey, SDES_KEY_OCTETS, SDES_SUITE } from "./sdes.ts";

/** Payload types of RFC 3551. */
export const PCMU = 0;
export const PCMA = 8;

/** Where we want media, and what we can do. */
export interface LocalMedia {
	/** IPv4 or IPv6 address and port of our RTP socket. */
	readonly address: string;
	readonly port: number;
	/** `PCMU`, `PCMA`, preferred first. Default both in this order. */
	readonly codecs?: readonly number[];
	/** Payload type of telephone events in our offers, -1 for none. Default 101. */
	readonly telephoneEvent?: number;
	/** Default 20. */
	readonly ptimeMs?: number;
	/** Default "sendrecv". */
	readonly direction?: SdpDirection;
	/** Default "none". */
	readonly srtp?: SrtpPolicy;
}

/**
 * Whether keys are offered and taken (AES_CM_128_HMAC_SHA1_80). Offers carry keys over secure flows only.
 * - "none": RTP/AVP without keys; RTP/SAVP is refused.
 * - "optional": RTP/AVP with keys (RFC 8643): whoever understands them answers with keys, everybody else plainly. The one for a fork
 *   to phones of several kinds: nobody refuses it.
 * - "preferred": RTP/SAVP; when that is refused with 488 or 606 a second INVITE without keys.
 * - "required": RTP/SAVP; plain offers and answers are refused.
 */
export type SrtpPolicy = "none" | "optional" | "preferred" | "required";

/** What both ends agreed on. */
export interface SessionMedia {
	/** Where RTP goes. */
	readonly address: string;
	readonly port: number;
	/** Where RTCP goes (RFC 3605, else the next port). */
	readonly rtcpPort: number;
	/** Ours: "recvonly" and "inactive" mean that nothing may be sent (we are on hold). */
	readonly direction: SdpDirection;
	/** Payload type to send: `PCMU` or `PCMA`. Take both. */
	readonly codec: number;
	/** Payload type of telephone events to send, -1: the far end takes none. */
	readonly telephoneEvent: number;
	/** Payload type of telephone events that come, -1: none. */
	readonly telephoneEventIn: number;
	readonly ptimeMs: number;
	/** Master key and salt (16 + 14 octets) of SRTP that we send, and that we get. Both or neither. */
	readonly sendKey: Uint8Array | undefined;
	readonly receiveKey: Uint8Array | undefined;
}

const AVP = "RTP/AVP";
const SAVP = "RTP/SAVP";
const BOTH_CODECS: readonly number[] = Object.freeze([PCMU, PCMA]);
const DEFAULT_TELEPHONE_EVENT = 101;
const DEFAULT_PTIME_MS = 20;
const CRYPTO_TAG = 1;

/** One usable audio stream of a description. */
interface Stream {
	readonly index: number;
	readonly codec: number;
	readonly telephoneEvent: number;
	readonly protocol: string;
	readonly cryptoTag: number;
	readonly key: Uint8Array | undefined;
}

/** The media side of one call. */
export class MediaSession {
	/** o= of our descriptions: a number that is ours, and a version that grows when the text changes (RFC 3264 §8). */
	readonly #sessionId: string;
	#version = 0;
	/** The last description we sent, behind its o= line. */
	#sent = "";
	#local: LocalMedia;
	/** What `#local` becomes when an offer of ours is answered. */
	#offered: LocalMedia | undefined;
	/** Refused m= lines before and behind the audio stream. */
	#before = "";
	#behind = "";
	#protocol = AVP;
	#sendKey: Uint8Array | undefined;
	/** Tag of our crypto attribute. */
	#tag = CRYPTO_TAG;
	/** Our payload type for telephone events as last told. */
	#telephoneEvent = -1;
	readonly #ids: IdSource;
	/** Agreed on; `undefined` before. */
	media: SessionMedia | undefined;

	/** `mayHaveKeys`: false where our own offer would show its keys to everybody on the way (RFC 4568 §7.1). */
	constructor(local: LocalMedia, mayHaveKeys: boolean, ids: IdSource) {
		this.#ids = ids;
		this.#local = mayHaveKeys ? local : { ...local, srtp: "none" };
		// Below 2^53, so that everybody can read it as a number.
		this.#sessionId = String(parseInt(ids.hex(4), 16));
		const { srtp } = this.#local;
		if (srtp === undefined || srtp === "none") return;
		// SDES: a key of its own for each session and direction (RFC 4568 §6.1).
		this.#sendKey = ids.octets(SDES_KEY_OCTETS);
		if (srtp !== "optional") this.#protocol = SAVP;
	}

	/** True while an offer of ours waits for its answer. */
	get isOffering(): boolean {
		return this.#offered !== undefined;
	}

	get local(): LocalMedia {
		return this.#local;
	}

	/** The session is offered without keys from now on ("preferred" was refused). */
	dropKeys(): void {
		this.#sendKey = undefined;
		this.#protocol = AVP;
		this.#local = { ...this.#local, srtp: "none" };
	}

	/** Our description with `local`, by default as it is; the answer is `takeAnswer`'s, a refusal `undo`'s. */
	offer(local: LocalMedia = this.#local): string {
		this.#offered = { ...local, srtp: this.#local.srtp ?? "none" };
		const codecs = local.codecs ?? BOTH_CODECS;
		const event = local.telephoneEvent ?? DEFAULT_TELEPHONE_EVENT;
		// Inside a session the number that was agreed on stays (RFC 3264 §8.3.2).
		this.#telephoneEvent = this.media === undefined || event < 0 ? event : this.#telephoneEvent;
		return this.#write(local, codecs, this.#telephoneEvent, local.direction ?? "sendrecv");
	}

	/** The offer was refused; the session stays what it was. */
	undo(): void {
		this.#offered = undefined;
	}

	/** The far end's answer to our offer. `undefined`: nothing can come of it. A fork may bring several; the last one holds. */
	takeAnswer(text: string): SessionMedia | undefined {
		const sdp = readSdp(text);
		const local = this.#offered ?? this.#local;
		const stream = sdp === undefined ? undefined : findStream(sdp, local, this.#protocol);
		if (sdp === undefined || stream === undefined || stream.index !== countLines(this.#before)) return undefined;
		const isSecure = stream.key !== undefined && this.#sendKey !== undefined && stream.cryptoTag === this.#tag;
		if (this.#protocol === SAVP && !isSecure) return undefined;
		const direction = answeredBy(local.direction ?? "sendrecv", directionOf(sdp, sdp.media[stream.index]!));
		this.#local = local;
		this.media = this.#agree(sdp, stream, direction, isSecure);
		return this.media;
	}

	/** The answer that counts has come: the next offer is a new one. */
	settle(): void {
		this.#offered = undefined;
		// An answer without keys to an offer that had them: the session is plain from now on.
		if (this.media !== undefined && this.media.sendKey === undefined) this.#sendKey = undefined;
	}

	/** Answers an offer; `undefined`: not acceptable (488), and nothing has changed. */
	takeOffer(text: string, local: LocalMedia = this.#local): string | undefined {
		const sdp = readSdp(text);
		const policy = this.#local.srtp ?? "none";
		const stream = sdp === undefined ? undefined : pickStream(sdp, local, policy);
		if (sdp === undefined || stream === undefined) return undefined;
		this.#before = refusedLines(sdp, 0, stream.index);
		this.#behind = refusedLines(sdp, stream.index + 1, sdp.media.length);
		this.#protocol = stream.protocol;
		this.#tag = stream.cryptoTag;
		if (stream.key === undefined) this.#sendKey = undefined;
		else this.#sendKey ??= this.#ids.octets(SDES_KEY_OCTETS);
		this.#telephoneEvent = stream.telephoneEvent;
		this.#local = { ...local, srtp: policy };
		const direction = answerTo(directionOf(sdp, sdp.media[stream.index]!), local.direction ?? "sendrecv");
		this.media = this.#agree(sdp, stream, direction, stream.key !== undefined);
		// Choice (RFC 3264 §6.1): one codec in the answer, the first of theirs that we have; nobody changes it in mid-call.
		return this.#write(local, [stream.codec], stream.telephoneEvent, direction);
	}

	#agree(sdp: Sdp, stream: Stream, direction: SdpDirection, isSecure: boolean): SessionMedia {
		const media = sdp.media[stream.index]!;
		const rtcp = readSmall(attributeOf(media.lines, "rtcp"));
		const ptime = readSmall(attributeOf(media.lines, "ptime"));
		return {
			address: connectionOf(sdp, media),
			port: media.port,
			rtcpPort: rtcp > 0 ? rtcp : media.port + 1,
			direction,
			codec: stream.codec,
			telephoneEvent: stream.telephoneEvent,
			telephoneEventIn: stream.telephoneEvent < 0 ? -1 : this.#telephoneEvent,
			ptimeMs: ptime >= 10 && ptime <= 60 ? ptime : DEFAULT_PTIME_MS,
			sendKey: isSecure ? this.#sendKey : undefined,
			receiveKey: isSecure ? stream.key : undefined,
		};
	}

	#write(local: LocalMedia, codecs: readonly number[], event: number, direction: SdpDirection): string {
		const place = `IN ${local.address.indexOf(":") < 0 ? "IP4" : "IP6"} ${local.address}`;
		let formats = "";
		let maps = "";
		for (let i = 0; i < codecs.length; i++) {
			formats += ` ${codecs[i]!}`;
			maps += `a=rtpmap:${codecs[i]!} ${codecs[i] === PCMU ? "PCMU" : "PCMA"}/8000\r\n`;
		}
		if (event >= 0) {
			formats += ` ${event}`;
			maps += `a=rtpmap:${event} telephone-event/8000\r\na=fmtp:${event} 0-15\r\n`;
		}
		const key =
			this.#sendKey === undefined ? "" : `a=crypto:${this.#tag} ${SDES_SUITE} inline:${toBase64(this.#sendKey)}\r\n`;
		const rest =
			`s=-\r\nc=${place}\r\nt=0 0\r\n${this.#before}m=audio ${local.port} ${this.#protocol}${formats}\r\n${maps}` +
			`a=ptime:${local.ptimeMs ?? DEFAULT_PTIME_MS}\r\na=${direction}\r\n${key}${this.#behind}`;
		// RFC 3264 §8 MUST: the version grows by one when the description changes, and only then.
		if (rest !== this.#sent) this.#version++;
		this.#sent = rest;
		return `v=0\r\no=- ${this.#sessionId} ${this.#version} ${place}\r\n${rest}`;
	}
}

/** True when an offer can be answered at all under this policy; whether keys come with it. */
export function judgeOffer(text: string, policy: SrtpPolicy): "plain" | "secure" | undefined {
	const sdp = readSdp(text);
	const stream = sdp === undefined ? undefined : pickStream(sdp, undefined, policy);
	if (stream === undefined) return undefined;
	return stream.key === undefined ? "plain" : "secure";
}

/** The stream to answer: one with keys where we may, else the first plain one where we may. */
function pickStream(sdp: Sdp, local: LocalMedia | undefined, policy: SrtpPolicy): Stream | undefined {
	if (policy !== "none") {
		for (const protocol of [SAVP, AVP]) {
			const stream = findStream(sdp, local, protocol);
			if (stream?.key !== undefined) return stream;
		}
	}
	const plain = policy === "required" ? undefined : findStream(sdp, local, AVP);
	return plain === undefined || plain.key === undefined ? plain : { ...plain, key: undefined };
}

/** The first audio stream of this profile with a codec of ours, and, for RTP/SAVP, with a key. */
function findStream(sdp: Sdp, local: LocalMedia | undefined, protocol: string): Stream | undefined {
	const codecs = local?.codecs ?? BOTH_CODECS;
	for (let index = 0; index < sdp.media.length; index++) {
		const media = sdp.media[index]!;
		if (media.kind !== "audio" || media.port === 0 || media.protocol !== protocol) continue;
		const codec = codecOf(media, codecs);
		if (codec < 0 || connectionOf(sdp, media) === "") continue;
		const crypto = readKey(media.lines);
		if (crypto === undefined && protocol === SAVP) continue;
		const telephoneEvent = local?.telephoneEvent === -1 ? -1 : telephoneEventOf(media);
		return { index, codec, telephoneEvent, protocol, cryptoTag: crypto?.tag ?? CRYPTO_TAG, key: crypto?.key };
	}
	return undefined;
}

/** The far end's first format that is a codec of ours; -1 without. */
function codecOf(media: SdpMedia, codecs: readonly number[]): number {
	for (let i = 0; i < media.formats.length; i++) {
		const codec = media.formats[i] === "0" ? PCMU : media.formats[i] === "8" ? PCMA : -1;
		if (codec >= 0 && codecs.indexOf(codec) >= 0) return codec;
	}
	return -1;
}

/** RFC 4733 §2.4.1: the payload type mapped to telephone-event at 8000 Hz; -1 without. */
function telephoneEventOf(media: SdpMedia): number {
	for (let i = 0; i < media.lines.length; i++) {
		const line = media.lines[i]!;
		if (!line.startsWith("a=rtpmap:")) continue;
		const space = line.indexOf(" ");
		const format = line.slice(9, space);
		const name = asciiLower(line.slice(space + 1));
		if (name !== "telephone-event/8000" && name !== "telephone-event/8000/1") continue;
		const type = readSmall(format);
		if (media.formats.indexOf(format) >= 0 && type >= 96 && type <= 127) return type;
	}
	return -1;
}

/** RFC 3264 §6.1: our direction in an answer, of what is offered and what we want. */
function answerTo(offered: SdpDirection, wanted: SdpDirection): SdpDirection {
	return directionFrom(maySend(wanted) && mayReceive(offered), mayReceive(wanted) && maySend(offered));
}

/** Our direction after an answer to our offer. */
function answeredBy(ours: SdpDirection, theirs: SdpDirection): SdpDirection {
	return directionFrom(maySend(ours) && mayReceive(theirs), mayReceive(ours) && maySend(theirs));
}

function directionFrom(send: boolean, receive: boolean): SdpDirection {
	if (send) return receive ? "sendrecv" : "sendonly";
	return receive ? "recvonly" : "inactive";
}

function maySend(direction: SdpDirection): boolean {
	return direction === "sendrecv" || direction === "sendonly";
}

function mayReceive(direction: SdpDirection): boolean {
	return direction === "sendrecv" || direction === "recvonly";
}

/** RFC 3264 §6: a refused stream stands in its place with port 0. */
function refusedLines(sdp: Sdp, from: number, to: number): string {
	let lines = "";
	for (let i = from; i < to; i++) {
		const media = sdp.media[i]!;
		lines += `m=${media.kind} 0 ${media.protocol} ${media.formats[0] ?? "0"}\r\n`;
	}
	return lines;
}

/** m= lines in a text of whole lines. */
function countLines(text: string): number {
	let count = 0;
	for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
	return count;
}

/** The decimal number a text begins with, up to 65535; -1 when it begins with none. */
function readSmall(text: string | undefined): number {
	if (text === undefined) return -1;
	let value = -1;
	for (let i = 0; i < text.length && i < 6; i++) {
		const digit = text.charCodeAt(i) - 0x30;
		if (digit < 0 || digit > 9) break;
		value = (value < 0 ? 0 : value * 10) + digit;
	}
	return value <= 65_535 ? value : -1;
}
