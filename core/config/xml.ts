/**
 * XML, pulled event by event out of octets, with the offset of everything: signatures of RFC 6940 §11.1 cover octets, not meaning.
 *
 * Read: elements, attributes, text, CDATA, comments, processing instructions, the five predefined entities and character references,
 * UTF-8 only. Not read: a document type declaration (refused: it is what XML's attacks are made of).
 * Failure sticks, as in the other readers: after a fault `next()` gives "end", and `refused` says what and where.
 */
import { type Refused, refuse } from "../machine.ts";
import { bytesToUtf8, isUtf8 } from "../wire/bytes.ts";
import { DOCUMENT_OCTETS, XML_ATTRIBUTES, XML_DEPTH, XML_NAME_OCTETS } from "./limits.ts";

export interface XmlAttribute {
	/** As written, prefix included. */
	readonly name: string;
	readonly value: string;
}

export type XmlEvent = "open" | "close" | "text" | "end";

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const AMP = 0x26;
const APOSTROPHE = 0x27;
const SLASH = 0x2f;
const LT = 0x3c;
const GT = 0x3e;

export class XmlReader {
	readonly #bytes: Uint8Array;
	#at = 0;
	/** Names of the elements that are open. */
	readonly #open: string[] = [];
	#rootSeen = false;
	#closePending = false;
	/** Offset of the fault; -1 = fine. */
	failedAt = -1;
	reason = "";

	/** Of the last "open" or "close": the name as written, and the offset of its `<`. */
	name = "";
	start = 0;
	/** Of the last "open". */
	attributes: XmlAttribute[] = [];
	/** Of the last "text". */
	text = "";

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
		if (bytes.length > DOCUMENT_OCTETS) this.refuse("XML document too large");
		else if (!isUtf8(bytes)) this.refuse("XML document is not UTF-8");
		// RFC 3629 §6: a byte order mark is no part of the text.
		else if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.#at = 3;
		this.#declaration();
	}

	/** Offset behind the last event. */
	get at(): number {
		return this.#at;
	}

	get refused(): Refused | undefined {
		return this.failedAt < 0 ? undefined : refuse(this.reason, this.failedAt);
	}

	/** Marks a fault; the first one stays. */
	refuse(reason: string, at = this.#at): void {
		if (this.failedAt >= 0) return;
		this.failedAt = at;
		this.reason = reason;
	}

	/** The next event. "end" is final: the document is over, or `refused` says why not. */
	next(): XmlEvent {
		if (this.#closePending) {
			this.#closePending = false;
			this.name = this.#open.pop() ?? "";
			return "close";
		}
		while (this.failedAt < 0) {
			if (this.#at >= this.#bytes.length) return this.#finish();
			if (this.#bytes[this.#at] !== LT) {
				if (this.#readText()) return this.#outcome("text");
				continue;
			}
			this.start = this.#at;
			if (this.#starts("</")) return this.#outcome(this.#readClose());
			if (this.#starts("<!--")) this.#comment();
			else if (this.#starts("<![CDATA[")) return this.#outcome(this.#cdata());
			else if (this.#starts("<!")) this.refuse("a document type declaration is not accepted");
			else if (this.#starts("<?")) this.#processingInstruction();
			else return this.#outcome(this.#readOpen());
		}
		return "end";
	}

	#outcome(event: XmlEvent): XmlEvent {
		return this.failedAt < 0 ? event : "end";
	}

	#finish(): XmlEvent {
		if (this.#open.length > 0) this.refuse("XML document ends inside an element");
		else if (!this.#rootSeen) this.refuse("XML document without an element");
		return "end";
	}

	/** XML 1.0 §2.8. The only thing of interest is an encoding that is not ours. */
	#declaration(): void {
		if (this.failedAt >= 0 || !this.#starts("<?xml") || !isSpace(this.#bytes[this.#at + 5] ?? 0)) return;
		const start = this.#at;
		this.#skipPast("?>", "XML declaration without an end");
		const text = bytesToUtf8(this.#bytes.subarray(start, this.#at)).toLowerCase();
		const encoding = text.indexOf("encoding");
		if (encoding >= 0 && text.indexOf("utf-8", encoding) < 0)
			this.refuse("XML document in an encoding other than UTF-8", start);
	}

	#readOpen(): XmlEvent {
		if (this.#open.length === 0 && this.#rootSeen) this.refuse("XML document with two root elements");
		if (this.#open.length >= XML_DEPTH) this.refuse("XML elements nested too deep");
		this.#at++;
		const name = this.#readName();
		this.#readAttributes();
		const isEmpty = this.#starts("/>");
		this.#expect(isEmpty ? "/>" : ">");
		this.#rootSeen = true;
		this.#open.push(name);
		this.#closePending = isEmpty && this.failedAt < 0;
		this.name = name;
		return "open";
	}

	#readClose(): XmlEvent {
		const start = this.#at;
		this.#at += 2;
		const name = this.#readName();
		this.#skipSpace();
		this.#expect(">");
		if (this.#open.pop() !== name) this.refuse("XML end tag does not match the start tag", start);
		this.name = name;
		return "close";
	}

	#readAttributes(): void {
		this.attributes = [];
		for (;;) {
			const spaced = this.#skipSpace();
			const octet = this.#bytes[this.#at];
			if (this.failedAt >= 0 || octet === undefined || octet === GT || octet === SLASH) return;
			const start = this.#at;
			if (!spaced) this.refuse("XML attributes without white space between them");
			const name = this.#readName();
			this.#skipSpace();
			this.#expect("=");
			this.#skipSpace();
			const value = this.#readQuoted();
			if (this.attributes.some((other) => other.name === name)) this.refuse("XML attribute given twice", start);
			if (this.attributes.length === XML_ATTRIBUTES) this.refuse("too many XML attributes", start);
			this.attributes.push({ name, value });
		}
	}

	#readQuoted(): string {
		const quote = this.#bytes[this.#at];
		if (quote !== QUOTE && quote !== APOSTROPHE) {
			this.refuse("XML attribute value without quotes");
			return "";
		}
		this.#at++;
		const value = this.#characters(quote, true);
		if (this.#bytes[this.#at] !== quote) this.refuse("XML attribute value without an end");
		this.#at++;
		return value;
	}

	/** Text up to the next `<`. Outside of the root element only white space is allowed, and is no event. */
	#readText(): boolean {
		const start = this.#at;
		this.text = this.#characters(LT, false);
		if (this.#open.length > 0) return true;
		for (let at = start; at < this.#at; at++)
			if (!isSpace(this.#bytes[at]!)) this.refuse("text outside of the XML root element", at);
		return false;
	}

	/** Characters up to `stop`, references resolved, line ends normalised (XML 1.0 §2.11, §3.3.3). */
	#characters(stop: number, inAttribute: boolean): string {
		const bytes = this.#bytes;
		let text = "";
		let from = this.#at;
		while (this.failedAt < 0 && this.#at < bytes.length && bytes[this.#at] !== stop) {
			const octet = bytes[this.#at]!;
			if (octet === AMP) {
				text += bytesToUtf8(bytes.subarray(from, this.#at)) + this.#reference();
				from = this.#at;
			} else if (octet === CR || (inAttribute && (octet === LF || octet === TAB))) {
				text += bytesToUtf8(bytes.subarray(from, this.#at)) + (inAttribute ? " " : "\n");
				this.#at += octet === CR && bytes[this.#at + 1] === LF ? 2 : 1;
				from = this.#at;
			} else {
				if (octet < SPACE && octet !== TAB && octet !== LF) this.refuse("control character in XML");
				if (octet === LT) this.refuse("'<' in an XML attribute value");
				if (octet === GT && !inAttribute && this.#ends("]]", from)) this.refuse("']]>' in XML text");
				this.#at++;
			}
		}
		return text + bytesToUtf8(bytes.subarray(from, this.#at));
	}

	/** `&name;`, `&#10;`, `&#xa;` */
	#reference(): string {
		const start = this.#at;
		let end = start + 1;
		while (end < this.#bytes.length && end - start < 12 && this.#bytes[end] !== 0x3b) end++;
		const body = bytesToUtf8(this.#bytes.subarray(start + 1, end));
		this.#at = end + 1;
		const character = this.#bytes[end] === 0x3b ? referenceValue(body) : undefined;
		if (character === undefined) this.refuse("unknown XML entity or character reference", start);
		return character ?? "";
	}

	#comment(): void {
		const start = this.#at;
		this.#at += 4;
		this.#skipPast("--", "XML comment without an end");
		if (this.failedAt < 0 && this.#bytes[this.#at] !== GT) this.refuse("'--' in an XML comment", start);
		this.#at++;
	}

	#cdata(): XmlEvent {
		if (this.#open.length === 0) this.refuse("text outside of the XML root element");
		this.#at += 9;
		const start = this.#at;
		this.#skipPast("]]>", "XML CDATA section without an end");
		const contents = this.#bytes.subarray(start, Math.max(start, this.#at - 3));
		if (contents.some((octet) => octet < SPACE && octet !== TAB && octet !== LF && octet !== CR))
			this.refuse("control character in XML", start);
		this.text = bytesToUtf8(contents);
		return "text";
	}

	#processingInstruction(): void {
		this.#skipPast("?>", "XML processing instruction without an end");
	}

	#readName(): string {
		const bytes = this.#bytes;
		const start = this.#at;
		while (this.#at < bytes.length && isNameOctet(bytes[this.#at]!, this.#at === start)) this.#at++;
		const length = this.#at - start;
		if (length === 0) this.refuse("an XML name is missing or malformed", start);
		if (length > XML_NAME_OCTETS) this.refuse("XML name too long", start);
		return this.failedAt < 0 ? bytesToUtf8(bytes.subarray(start, this.#at)) : "";
	}

	#skipSpace(): boolean {
		const start = this.#at;
		while (isSpace(this.#bytes[this.#at] ?? 0)) this.#at++;
		return this.#at > start;
	}

	#expect(ascii: string): void {
		if (!this.#starts(ascii)) this.refuse(`'${ascii}' expected in XML`);
		this.#at += ascii.length;
	}

	#starts(ascii: string): boolean {
		for (let i = 0; i < ascii.length; i++) if (this.#bytes[this.#at + i] !== ascii.charCodeAt(i)) return false;
		return true;
	}

	/** True when what was read since `from` ends with `ascii`. */
	#ends(ascii: string, from: number): boolean {
		const start = this.#at - ascii.length;
		if (start < from) return false;
		for (let i = 0; i < ascii.length; i++) if (this.#bytes[start + i] !== ascii.charCodeAt(i)) return false;
		return true;
	}

	/** Moves behind the next occurrence of `ascii`. */
	#skipPast(ascii: string, missing: string): void {
		const start = this.#at;
		while (this.#at < this.#bytes.length && !this.#starts(ascii)) this.#at++;
		if (this.#at >= this.#bytes.length) this.refuse(missing, start);
		this.#at += ascii.length;
	}
}

/** XML 1.0 §4.6: the five entities that need no declaration; §4.1: characters by number. */
function referenceValue(body: string): string | undefined {
	switch (body) {
		case "amp":
			return "&";
		case "lt":
			return "<";
		case "gt":
			return ">";
		case "quot":
			return '"';
		case "apos":
			return "'";
	}
	if (body.charCodeAt(0) !== 0x23) return undefined;
	const isHex = body[1] === "x";
	const base = isHex ? 16 : 10;
	let code = 0;
	for (let i = isHex ? 2 : 1; i < body.length; i++) {
		const digit = digitValue(body.charCodeAt(i));
		if (digit < 0 || digit >= base) return undefined;
		code = code * base + digit;
	}
	return isCharacter(code) && body.length > (isHex ? 2 : 1) ? String.fromCodePoint(code) : undefined;
}

function digitValue(code: number): number {
	if (code >= 0x30 && code <= 0x39) return code - 0x30;
	const lower = code | 0x20;
	return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

/** XML 1.0 §2.2 Char. */
function isCharacter(code: number): boolean {
	if (code < 0x20) return code === TAB || code === LF || code === CR;
	return code <= 0xd7ff || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff);
}

function isSpace(octet: number): boolean {
	return octet === SPACE || octet === TAB || octet === LF || octet === CR;
}

/** XML 1.0 §2.3, with everything outside ASCII taken as a letter. */
function isNameOctet(octet: number, first: boolean): boolean {
	const lower = octet | 0x20;
	if ((lower >= 0x61 && lower <= 0x7a) || octet === 0x5f || octet === 0x3a || octet >= 0x80) return true;
	return !first && ((octet >= 0x30 && octet <= 0x39) || octet === 0x2d || octet === 0x2e);
}
