/**
 * A SIP message as received: its head as octets to scan and as text to cut from, with an index of its header lines; its body as octets.
 * RFC 3261 §7. Nothing is copied and nothing is understood before it is asked for.
 *
 *   INVITE sip:bob@host SIP/2.0 CRLF        start line
 *   Via  :  SIP/2.0/UDP ...     CRLF        lines[0..1]: header number and line start; value start and end
 *   |line   |value         |end
 *   CRLF                                    headEnd is here; a datagram's octets go on with the body
 */
import { type NameAddr, readNameAddr, readTag } from "./address.ts";
import { Header } from "./header-names.ts";
import { readNumber, type Source } from "./syntax.ts";
import { readVia, type Via } from "./via.ts";

/** Numbers kept for each header line: header number and line start in one, value start and value end in the other. */
export const LINE = 2;
const HEADER_BITS = 5;
const HEADER_MASK = 31;
const POSITION_BITS = 15;
const POSITION_MASK = 0x7fff;

/** Heads end before this octet whatever the limits say: positions are packed in pairs. */
export const MAX_HEAD_OCTETS = POSITION_MASK;

/** Why a message is not accepted; a request is answered with it, a response is dropped. */
export interface Fault {
	readonly status: number;
	readonly reason: string;
}

/** A request or a response. The fields are set by the indexer (parse.ts) and only read by others. */
export class SipMessage implements Source {
	readonly octets: Uint8Array;
	/** The same, one octet per character. */
	readonly text: string;
	/** "" for a response. */
	method = "";
	/** 0 for a request. */
	status = 0;
	/** Request-URI, or reason phrase. */
	uriStart = 0;
	uriEnd = 0;
	/** LINE numbers for each header line; read through the methods below. */
	readonly lines: number[] = [];
	/** Where the empty line stands. */
	headEnd = 0;
	/** -1 when there is none. */
	contentLength = -1;
	cseq = -1;
	cseqMethod = "";
	/** The first thing wrong with it that whoever sent it should hear. */
	fault: Fault | undefined = undefined;
	/** What the receiving element notes in the top Via (RFC 3261 §18.2.1, RFC 3581 §4): text, from where and up to where it replaces; an end of 0 means no note. */
	viaNote = "";
	viaNoteAt = 0;
	viaNoteEnd = 0;
	#body: Uint8Array | undefined;
	#bodyStart = 0;
	#bodyEnd = 0;
	#via: Via | undefined = undefined;
	#from: NameAddr | undefined = undefined;
	#to: NameAddr | undefined = undefined;

	constructor(octets: Uint8Array, text: string, body: Uint8Array) {
		this.octets = octets;
		this.text = text;
		this.#body = body;
	}

	/** The octets behind the head: what the Content-Length says, no more. */
	get body(): Uint8Array {
		this.#body ??= this.octets.subarray(this.#bodyStart, this.#bodyEnd);
		return this.#body;
	}

	set body(octets: Uint8Array) {
		this.#body = octets;
	}

	/** The body stands in `octets`, behind the head. */
	setBody(start: number, end: number): void {
		this.#bodyStart = start;
		this.#bodyEnd = end;
		this.#body = undefined;
	}

	get isRequest(): boolean {
		return this.status === 0;
	}

	/** Request-URI as written. */
	requestUri(): string {
		return this.text.slice(this.uriStart, this.uriEnd);
	}

	/** Index of the first line of a header field at or after `from`; -1 when there is none. Step on with `index + LINE`. */
	find(header: number, from = 0): number {
		const lines = this.lines;
		for (let i = from; i < lines.length; i += LINE) if ((lines[i]! & HEADER_MASK) === header) return i;
		return -1;
	}

	/** Adds a line to the index. */
	addLine(header: number, at: number, start: number, end: number): void {
		this.lines.push(header | (at << HEADER_BITS), start | (end << POSITION_BITS));
	}

	/** Header number of a line. */
	headerOf(line: number): number {
		return this.lines[line]! & HEADER_MASK;
	}

	lineStart(line: number): number {
		return this.lines[line]! >> HEADER_BITS;
	}

	/** Behind the line's CRLF (folds included). */
	lineEnd(line: number): number {
		return line + LINE < this.lines.length ? this.lines[line + LINE]! >> HEADER_BITS : this.headEnd;
	}

	valueStart(line: number): number {
		return this.lines[line + 1]! & POSITION_MASK;
	}

	valueEnd(line: number): number {
		return this.lines[line + 1]! >> POSITION_BITS;
	}

	/** Value of the first such header field as written; `undefined` when there is none. */
	value(header: number): string | undefined {
		const line = this.find(header);
		return line < 0 ? undefined : this.text.slice(this.valueStart(line), this.valueEnd(line));
	}

	/** The topmost Via value; `undefined` when it is malformed or missing. */
	via(): Via | undefined {
		if (this.#via === undefined) {
			const line = this.find(Header.via);
			if (line >= 0) this.#via = readVia(this, this.valueStart(line), this.valueEnd(line));
		}
		return this.#via;
	}

	/** The From value; `undefined` when it is malformed or missing. */
	from(): NameAddr | undefined {
		this.#from ??= this.#address(Header.from);
		return this.#from;
	}

	/** The To value; `undefined` when it is malformed or missing. */
	to(): NameAddr | undefined {
		this.#to ??= this.#address(Header.to);
		return this.#to;
	}

	/** The From tag; "" when it is missing. */
	fromTag(): string {
		return this.#from === undefined ? this.#tag(Header.from) : this.#from.tag;
	}

	/** The To tag; "" when it is missing: a request outside a dialog (RFC 3261 §12.2). */
	toTag(): string {
		return this.#to === undefined ? this.#tag(Header.to) : this.#to.tag;
	}

	/** "" when it is missing. */
	callId(): string {
		return this.value(Header.callId) ?? "";
	}

	/** -1 when the header field is missing; -2 when it is no number up to 255. */
	maxForwards(): number {
		const line = this.find(Header.maxForwards);
		if (line < 0) return -1;
		const value = readNumber(this.octets, this.valueStart(line), this.valueEnd(line), 255);
		return value < 0 ? -2 : value;
	}

	/** A header field's number of seconds or alike; -1 when it is missing or no number up to 2^32-1. */
	number(header: number): number {
		const line = this.find(header);
		return line < 0 ? -1 : readNumber(this.octets, this.valueStart(line), this.valueEnd(line), 0xffff_ffff);
	}

	#tag(header: number): string {
		const line = this.find(header);
		return line < 0 ? "" : readTag(this, this.valueStart(line), this.valueEnd(line));
	}

	#address(header: number): NameAddr | undefined {
		const line = this.find(header);
		if (line < 0) return undefined;
		const address = readNameAddr(this, this.valueStart(line), this.valueEnd(line));
		// From and To hold one value only.
		return address === undefined || address.next >= 0 ? undefined : address;
	}
}

/** Walks the values of a header field that may stand in several lines and hold comma lists (RFC 3261 §7.3.1), as addresses. */
export class AddressWalk {
	readonly #message: SipMessage;
	readonly #header: number;
	#line: number;
	#at: number;
	/** The value at hand. */
	address: NameAddr | undefined = undefined;
	/** True once a value was malformed; the walk ends there. */
	failed = false;

	constructor(message: SipMessage, header: number) {
		this.#message = message;
		this.#header = header;
		this.#line = message.find(header);
		this.#at = this.#line < 0 ? -1 : message.valueStart(this.#line);
	}

	/** Index of the line the value at hand stands in. */
	line = -1;

	next(): boolean {
		if (this.#at < 0) return false;
		const message = this.#message;
		const address = readNameAddr(message, this.#at, message.valueEnd(this.#line));
		this.address = address;
		this.line = this.#line;
		if (address === undefined) {
			this.failed = true;
			this.#at = -1;
			return false;
		}
		this.#at = address.next;
		if (this.#at < 0) {
			this.#line = message.find(this.#header, this.#line + LINE);
			if (this.#line >= 0) this.#at = message.valueStart(this.#line);
		}
		return true;
	}
}
