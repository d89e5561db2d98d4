/**
 * HTTP/1.1 as an enrolling device needs it: one request, one answer, then the connection ends. RFC 9110, RFC 9112.
 *
 * Done: status line, header fields (three are read), Content-Length, 1xx answers (passed over). **Not done**, refused by name: chunked
 * bodies, bodies without a length, redirects (a household's server has no business elsewhere), folded header lines.
 */
import { concatBytes, utf8ToBytes } from "../wire/bytes.ts";
import { decimal } from "../wire/decimal.ts";
import { MAX_ANSWER_OCTETS, MAX_HEAD_OCTETS } from "./pairing-limits.ts";

/** Why an answer was refused. */
export type HttpFault = "malformed" | "headTooLong" | "bodyTooLong" | "chunked" | "noLength" | "redirect";

const CR = 13;
const LF = 10;
const COLON = 58;

/** Takes an answer piece by piece. */
export class HttpAnswer {
	/** Of the status line; 0 before it was read. */
	status = 0;
	/** Media type in lower case, without parameters. */
	type = "";
	/** Seconds; -1 when the server did not say (or gave a date). */
	retryAfterS = -1;
	fault: HttpFault | undefined;
	/** The whole body; empty before `isComplete`. */
	body = new Uint8Array(0);
	isComplete = false;
	#head: Uint8Array | undefined = new Uint8Array(MAX_HEAD_OCTETS);
	#headLength = 0;
	#lineAt = 0;
	#bodyLength = -1;
	#filled = 0;

	/** Takes octets; what follows a whole answer is ignored. */
	push(bytes: Uint8Array): void {
		let at = 0;
		while (at < bytes.length && this.#head !== undefined && this.fault === undefined && !this.isComplete)
			this.#pushHead(this.#head, bytes[at++]!);
		if (this.fault !== undefined || this.isComplete || this.#head !== undefined) return;
		const count = Math.min(bytes.length - at, this.#bodyLength - this.#filled);
		for (let i = 0; i < count; i++) this.body[this.#filled++] = bytes[at + i]!;
		if (this.#filled === this.#bodyLength) this.isComplete = true;
	}

	#pushHead(head: Uint8Array, octet: number): void {
		if (this.#headLength === MAX_HEAD_OCTETS) {
			this.fault = "headTooLong";
			return;
		}
		head[this.#headLength++] = octet;
		if (octet !== LF) return;
		// RFC 9112 §2.2: a bare LF may be taken for a line's end.
		const end = head[this.#headLength - 2] === CR && this.#headLength - 2 >= this.#lineAt ? 2 : 1;
		const from = this.#lineAt;
		const to = this.#headLength - end;
		this.#lineAt = this.#headLength;
		if (this.status === 0) this.#readStatus(ascii(head, from, to));
		else if (to === from) this.#endHead();
		else this.#readField(head, from, to);
	}

	/** "HTTP/1.1 200 OK" */
	#readStatus(line: string): void {
		const status = decimal(line.slice(9, 12), 999);
		if (
			!line.startsWith("HTTP/1.") ||
			line.charAt(8) !== " " ||
			status < 100 ||
			(line.length > 12 && line.charAt(12) !== " ")
		)
			this.fault = "malformed";
		else this.status = status;
	}

	#readField(head: Uint8Array, from: number, to: number): void {
		let colon = from;
		while (colon < to && head[colon] !== COLON) colon++;
		// RFC 9112 §5.1, §5.2: no blank before the colon, no folded lines.
		if (colon === to || colon === from || head[from] === 32 || head[from] === 9 || head[colon - 1] === 32) {
			this.fault = "malformed";
			return;
		}
		const value = ascii(head, colon + 1, to).trim();
		switch (ascii(head, from, colon).toLowerCase()) {
			case "content-length": {
				const length = decimal(value, 0x7fffffff);
				// RFC 9112 §6.3: several that differ are an error.
				if (length < 0 || (this.#bodyLength >= 0 && length !== this.#bodyLength)) this.fault = "malformed";
				this.#bodyLength = length;
				break;
			}
			case "transfer-encoding":
				this.fault = "chunked";
				break;
			case "content-type":
				this.type = mediaType(value);
				break;
			case "retry-after":
				this.retryAfterS = decimal(value, 0x7fffffff);
				break;
			default:
		}
	}

	#endHead(): void {
		if (this.status < 200) {
			// RFC 9110 §15.2: the answer itself is still to come.
			this.status = 0;
			this.#headLength = 0;
			this.#lineAt = 0;
			this.#bodyLength = -1;
			return;
		}
		this.#head = undefined;
		if (this.status >= 300 && this.status < 400) this.fault = "redirect";
		else if (this.#bodyLength < 0) this.fault = "noLength";
		else if (this.#bodyLength > MAX_ANSWER_OCTETS) this.fault = "bodyTooLong";
		else {
			// At most `MAX_ANSWER_OCTETS`, and asked for by a server that has proved who it is.
			this.body = new Uint8Array(this.#bodyLength);
			this.isComplete = this.#bodyLength === 0;
		}
	}
}

/** One part of a form (RFC 7578). */
export interface FormPart {
	readonly name: string;
	readonly type?: string;
	readonly octets: Uint8Array;
}

/** A POST of a multipart form; `boundary` must not occur in the parts (it is random). */
export function writeFormRequest(
	host: string,
	path: string,
	accept: string,
	boundary: string,
	parts: readonly FormPart[],
): Uint8Array {
	const pieces: Uint8Array[] = [];
	let length = 0;
	const add = (octets: Uint8Array): void => {
		pieces.push(octets);
		length += octets.length;
	};
	for (const { name, type, octets } of parts) {
		const typeLine = type === undefined ? "" : `Content-Type: ${type}\r\n`;
		add(utf8ToBytes(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n${typeLine}\r\n`));
		add(octets);
		add(utf8ToBytes("\r\n"));
	}
	add(utf8ToBytes(`--${boundary}--\r\n`));
	const head =
		`POST ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: ${accept}\r\n` +
		`Content-Type: multipart/form-data; boundary=${boundary}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`;
	return concatBytes(utf8ToBytes(head), ...pieces);
}

/** Text of one octet per character; for names, numbers and tokens, which are ASCII. */
export function ascii(bytes: Uint8Array, from: number, to: number): string {
	let text = "";
	for (let i = from; i < to; i++) text += String.fromCharCode(bytes[i]!);
	return text;
}

function mediaType(value: string): string {
	const semicolon = value.indexOf(";");
	return (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
}
