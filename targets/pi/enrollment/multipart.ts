/**
 * multipart/form-data as RFC 6940 §11.3 posts it (RFC 7578, RFC 2046 §5.1). Strict: what a correct client never sends is refused.
 *
 *     --boundary CRLF
 *     Content-Disposition: form-data; name="csr" CRLF
 *     Content-Type: application/pkcs10 CRLF
 *     CRLF
 *     <octets> CRLF
 *     --boundary-- [CRLF]
 */
import { type Refused, refuse } from "../../../core/machine.ts";
import { MAX_PART_HEADER_SIZE, MAX_PART_HEADERS, MAX_PARTS } from "./limits.ts";

export interface FormPart {
	readonly name: string;
	/** In lower case, without parameters; "text/plain" when the part does not say (RFC 7578 §4.4). */
	readonly contentType: string;
	/** A view into the body. */
	readonly octets: Uint8Array;
}

export interface Form {
	readonly parts: readonly FormPart[];
}

const CRLF = "\r\n";
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/** The boundary of a multipart/form-data Content-Type; undefined for any other type. */
export function boundaryOf(contentType: string | undefined): string | undefined {
	const match = /^multipart\/form-data\s*;\s*boundary=(?:"([^"]*)"|([^\s";]+))\s*(?:;.*)?$/i.exec(contentType ?? "");
	const boundary = match?.[1] ?? match?.[2];
	// RFC 2046 §5.1.1: 1 to 70 characters of this set, no space at the end.
	return boundary !== undefined && BOUNDARY.test(boundary) ? boundary : undefined;
}

/** Reads a whole body. The octets of the parts are views into it. */
export function readForm(body: Uint8Array, boundary: string): Form | Refused {
	const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
	const delimiter = Buffer.from(`${CRLF}--${boundary}`, "latin1");
	// The first delimiter has no CRLF before it, because there is no preamble.
	const first = delimiter.length - 2;
	if (!bytes.subarray(0, first).equals(delimiter.subarray(2)))
		return refuse("the form does not begin with its boundary", 0);
	const parts: FormPart[] = [];
	let at = first;
	for (;;) {
		const rest = bytes.subarray(at, at + 4).toString("latin1");
		if (rest === "--" || rest === `--${CRLF}`)
			return at + rest.length === bytes.length ? { parts } : refuse("something follows the form", at);
		if (!rest.startsWith(CRLF)) return refuse("a boundary is not followed by a line end", at);
		if (parts.length === MAX_PARTS) return refuse(`the form has more than ${MAX_PARTS} parts`, at);
		const end = bytes.indexOf(delimiter, at);
		if (end < 0) return refuse("the form has no end", at);
		const part = readPart(bytes.subarray(at + 2, end), at + 2);
		if ("refused" in part) return part;
		if (parts.some((other) => other.name === part.name)) return refuse(`the form has two parts ${part.name}`, at);
		parts.push(part);
		at = end + delimiter.length;
	}
}

function readPart(bytes: Buffer, at: number): FormPart | Refused {
	const end = bytes.subarray(0, MAX_PART_HEADER_SIZE).indexOf(CRLF + CRLF);
	if (end < 0) return refuse("a part has no end of headers, or too many", at);
	const lines = bytes.subarray(0, end).toString("latin1").split(CRLF);
	if (lines.length > MAX_PART_HEADERS) return refuse("a part has too many headers", at);
	let name: string | undefined;
	let contentType = "text/plain";
	for (const line of lines) {
		const colon = line.indexOf(":");
		if (colon < 1) return refuse("a part has a malformed header", at);
		const field = line.slice(0, colon).toLowerCase();
		const value = line.slice(colon + 1).trim();
		if (field === "content-disposition") name = dispositionName(value);
		else if (field === "content-type") contentType = value.split(";")[0]?.trim().toLowerCase() ?? "";
		else if (field === "content-transfer-encoding" && !/^(binary|8bit|7bit)$/i.test(value))
			return refuse("a part is encoded; send it as it is", at);
	}
	if (name === undefined) return refuse("a part has no name", at);
	return { name, contentType, octets: bytes.subarray(end + 4) };
}

/** `form-data; name="csr"; filename="..."` -> "csr" */
function dispositionName(value: string): string | undefined {
	const match = /^form-data\s*;(?:\s*filename="[^"]*"\s*;)?\s*name=(?:"([^"\\]*)"|([^\s";]+))\s*(?:;.*)?$/i.exec(value);
	return match?.[1] ?? match?.[2];
}

/** Writes a form. `boundary` must not occur in the parts: random is good enough. */
export function writeForm(
	parts: readonly { readonly name: string; readonly contentType?: string; readonly octets: Uint8Array }[],
	boundary: string,
): Uint8Array {
	const pieces: Uint8Array[] = [];
	for (const { name, contentType, octets } of parts) {
		const type = contentType === undefined ? "" : `Content-Type: ${contentType}${CRLF}`;
		const head = `--${boundary}${CRLF}Content-Disposition: form-data; name="${name}"${CRLF}${type}${CRLF}`;
		pieces.push(Buffer.from(head, "latin1"), octets, Buffer.from(CRLF));
	}
	pieces.push(Buffer.from(`--${boundary}--${CRLF}`, "latin1"));
	return new Uint8Array(Buffer.concat(pieces));
}
