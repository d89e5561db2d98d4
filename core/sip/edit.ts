/**
 * Changes to a received head, written as cuts: what is not cut is passed on octet for octet (RFC 3261 §16.6 item 1).
 *
 *   head:    INVITE |sip:a@b| SIP/2.0 CRLF |Via: ...
 *   edits:          |new URI|              |"Via: ours CRLF"
 */
import { LINE, type SipMessage } from "./message.ts";
import type { Via } from "./via.ts";

/** Collects edits of one head, then writes it. Positions are those of the received head; edits must not overlap. */
export class HeadEdit {
	readonly #message: SipMessage;
	readonly #starts: number[] = [];
	readonly #ends: number[] = [];
	readonly #texts: string[] = [];

	constructor(message: SipMessage) {
		this.#message = message;
	}

	/** Puts `text` where `[start, end)` stood. Edits at one place keep the order they were made in. */
	replace(start: number, end: number, text: string): void {
		const starts = this.#starts;
		let i = starts.length;
		if (i > 0 && starts[i - 1]! > start) {
			while (i > 0 && starts[i - 1]! > start) i--;
			starts.splice(i, 0, start);
			this.#ends.splice(i, 0, end);
			this.#texts.splice(i, 0, text);
			return;
		}
		starts.push(start);
		this.#ends.push(end);
		this.#texts.push(text);
	}

	insert(at: number, text: string): void {
		this.replace(at, at, text);
	}

	/** Takes a whole header line out. */
	removeLine(line: number): void {
		this.replace(this.#message.lineStart(line), this.#message.lineEnd(line), "");
	}

	/** Takes all lines of a header field out. */
	removeAll(header: number): void {
		const message = this.#message;
		for (let line = message.find(header); line >= 0; line = message.find(header, line + LINE)) this.removeLine(line);
	}

	/** Takes the topmost Via value out (RFC 3261 §16.7 item 3). */
	removeVia(via: Via, line: number): void {
		const message = this.#message;
		if (via.next < 0) this.removeLine(line);
		else this.replace(message.valueStart(line), via.next, "");
	}

	/** A new header line right before the empty line. */
	append(line: string): void {
		this.insert(this.#message.headEnd, line);
	}

	/** The head with all edits, the empty line included. */
	toText(): string {
		const { text, headEnd } = this.#message;
		let result = "";
		let at = 0;
		for (let i = 0; i < this.#starts.length; i++) {
			const start = this.#starts[i]!;
			if (start > at) result += text.slice(at, start);
			result += this.#texts[i]!;
			at = this.#ends[i]!;
		}
		return result + text.slice(at, headEnd + 2);
	}
}
