/**
 * Messages out of a stream (TCP, TLS): RFC 3261 §18.3, keep-alives RFC 5626 §3.5.1.
 *
 *   CRLF CRLF | head ... CRLF CRLF | body (Content-Length) | CRLF CRLF | head ...
 *   ^ ping                                                  ^ ping
 */
import { EMPTY } from "../wire/bytes.ts";
import { DEFAULT_LIMITS, type SipLimits } from "./limits.ts";
import type { Fault, SipMessage } from "./message.ts";
import {
	BODY_TOO_LARGE,
	HEAD_TOO_LARGE,
	headLength,
	indexHead,
	NO_CONTENT_LENGTH,
	octetsToText,
	type ReadOctets,
} from "./parse.ts";
import { CR, LF } from "./syntax.ts";

/** What the framer found next: a message, a ping to be answered with one CRLF, nothing yet, or the end of all framing. */
export type Framed = SipMessage | "ping" | "wait" | "broken";

/** One direction of one stream. Holds at most one unfinished message. */
export class StreamFramer {
	readonly #read: ReadOctets;
	readonly #limits: SipLimits;
	#octets: Uint8Array = EMPTY;
	/** True when `#octets` is a buffer of our own, with room behind `#end`. */
	#isOwn = false;
	#at = 0;
	#end = 0;
	/** Octets from `#at` already searched for the head's end. */
	#searched = 0;
	/** A message whose body has not come whole. */
	#message: SipMessage | undefined;
	#headLength = 0;
	#broken = false;

	constructor(read: ReadOctets = octetsToText, limits: SipLimits = DEFAULT_LIMITS) {
		this.#read = read;
		this.#limits = limits;
	}

	/** True while a message has begun and not ended. */
	get isInside(): boolean {
		if (this.#message !== undefined) return true;
		for (let i = this.#at; i < this.#end; i++) if (!isLineBreak(this.#octets[i]!)) return true;
		return false;
	}

	/** Takes the next octets of the stream; they are kept until they are used. Drain with `next`. */
	push(octets: Uint8Array): void {
		if (this.#broken || octets.length === 0) return;
		const rest = this.#end - this.#at;
		if (rest === 0) {
			this.#octets = octets;
			this.#at = 0;
			this.#end = octets.length;
			this.#isOwn = false;
			return;
		}
		if (!this.#isOwn || this.#octets.length - this.#end < octets.length) this.#grow(rest, octets.length);
		// Behind `#end` nobody looks: bodies already handed out lie before `#at`.
		this.#octets.set(octets, this.#end);
		this.#end += octets.length;
	}

	/** Room for the rest and for what comes, and as much again: octets that trickle in are not copied each time. */
	#grow(rest: number, more: number): void {
		const grown = new Uint8Array(2 * (rest + more));
		grown.set(this.#octets.subarray(this.#at, this.#end), 0);
		this.#octets = grown;
		this.#isOwn = true;
		this.#at = 0;
		this.#end = rest;
	}

	/** The next thing in the stream. A message with a `fault` from the framing itself is followed by "broken". */
	next(): Framed {
		if (this.#broken) return "broken";
		if (this.#message === undefined) {
			const begun = this.#begin();
			if (begun !== undefined) return begun;
		}
		return this.#finish();
	}

	/** Skips keep-alives and indexes the next head; answers when that settles it. */
	#begin(): Framed | undefined {
		const octets = this.#octets;
		const start = this.#at;
		// RFC 3261 §7.5: CRLFs before a start line are no part of a message; two of them are a ping (RFC 5626 §3.5.1).
		while (this.#at < this.#end && isLineBreak(octets[this.#at]!)) {
			this.#at++;
			this.#searched = 0;
			if (this.#at - start === 4) return "ping";
		}
		if (this.#at === this.#end) {
			// Half a ping waits for its other half.
			this.#at = start;
			return "wait";
		}
		const from = this.#at + (this.#searched > 3 ? this.#searched - 3 : 0);
		const length = headLength(octets, from, this.#end);
		if (length < 0) {
			this.#searched = this.#end - this.#at;
			return this.#searched > this.#limits.headOctets ? this.#fail(undefined, HEAD_TOO_LARGE) : "wait";
		}
		return this.#index(from + length);
	}

	#index(end: number): Framed | undefined {
		const head = this.#octets.subarray(this.#at, end);
		if (head.length > this.#limits.headOctets) return this.#fail(undefined, HEAD_TOO_LARGE);
		const message = indexHead(head, this.#read(head, 0, head.length), this.#limits);
		this.#searched = 0;
		if (message === undefined) return this.#fail(undefined, HEAD_TOO_LARGE);
		// RFC 3261 §18.3 and §20.14: without a length nobody knows where the next message begins (RFC 4475 §3.1.2.3, §3.3.9).
		const isFramed = message.contentLength >= 0 && message.fault?.reason !== "Repeated Header Field";
		if (!isFramed || message.headEnd + 2 !== head.length) return this.#fail(message, NO_CONTENT_LENGTH);
		if (message.contentLength > this.#limits.bodyOctets) return this.#fail(message, BODY_TOO_LARGE);
		this.#message = message;
		this.#headLength = head.length;
		return undefined;
	}

	#finish(): Framed {
		const message = this.#message!;
		const bodyAt = this.#at + this.#headLength;
		const end = bodyAt + message.contentLength;
		if (end > this.#end) return "wait";
		if (message.contentLength > 0) message.body = this.#octets.subarray(bodyAt, end);
		this.#message = undefined;
		this.#at = end;
		return message;
	}

	#fail(message: SipMessage | undefined, fault: Fault): Framed {
		this.#broken = true;
		this.#octets = EMPTY;
		this.#at = 0;
		this.#end = 0;
		this.#message = undefined;
		if (message === undefined) return "broken";
		message.fault ??= fault;
		return message;
	}
}

function isLineBreak(octet: number): boolean {
	return octet === CR || octet === LF;
}
