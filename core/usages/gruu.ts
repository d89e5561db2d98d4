/**
 * GRUUs: an AOR with a destination list inside (RFC 7904 §6). Nothing is stored for one; whoever has it can contact the node.
 *
 *   alice@overlay.example.org;gr=ARCKDFt+Hy1KaZPB0OK09gcY        base64 of the encoded destination list, "=" written as "~"
 */
import { type Destination, readDestinations, writeDestinations } from "../wire/destination.ts";
import { WireReader } from "../wire/reader.ts";
import { WireWriter } from "../wire/writer.ts";
import { type Aor, decodeEscapes, readAor } from "./aor.ts";
import { MAX_DESTINATIONS, MAX_GRUU_OCTETS } from "./limits.ts";

/** RFC 4648 §4, table 1. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAD = "~";

export interface Gruu {
	readonly aor: Aor;
	/** The octets the GRUU carries. */
	readonly destinationBytes: Uint8Array;
	/** What they mean; `undefined` when they are no destination list of this overlay. */
	readonly destinations: readonly Destination[] | undefined;
}

/** The value of the `gr` parameter for octets. */
export function writeGruuValue(bytes: Uint8Array): string {
	let text = "";
	for (let i = 0; i < bytes.length; i += 3) {
		const left = bytes.length - i;
		const word = (bytes[i]! << 16) | ((left > 1 ? bytes[i + 1]! : 0) << 8) | (left > 2 ? bytes[i + 2]! : 0);
		text += ALPHABET[word >> 18]! + ALPHABET[(word >> 12) & 63]!;
		text += left > 1 ? ALPHABET[(word >> 6) & 63]! : PAD;
		text += left > 2 ? ALPHABET[word & 63]! : PAD;
	}
	return text;
}

/** Octets of a `gr` parameter; `undefined` when it is not base64 (padding required, unused bits zero, "=" accepted for "~"). */
export function readGruuValue(text: string): Uint8Array | undefined {
	const length = text.length;
	if (length % 4 !== 0 || length > Math.ceil(MAX_GRUU_OCTETS / 3) * 4) return undefined;
	let pads = 0;
	while (pads < 2 && pads < length && isPad(text[length - 1 - pads]!)) pads++;
	const bytes = new Uint8Array((length / 4) * 3 - pads);
	let at = 0;
	for (let i = 0; i < length; i += 4) {
		let word = 0;
		for (let j = 0; j < 4; j++) {
			const digit = i + j >= length - pads ? 0 : ALPHABET.indexOf(text[i + j]!);
			if (digit < 0) return undefined;
			word = word * 64 + digit;
		}
		for (let j = 0; j < 3; j++) {
			const octet = (word >> (16 - 8 * j)) & 0xff;
			if (at < bytes.length) bytes[at++] = octet;
			else if (octet !== 0) return undefined;
		}
	}
	return bytes;
}

function isPad(c: string): boolean {
	return c === PAD || c === "=";
}

/** `<AOR>;gr=<value>`; a "sip:" in front is the caller's. */
export function writeGruu(aor: Aor, destinations: readonly Destination[]): string {
	const writer = new WireWriter();
	writeDestinations(writer, destinations);
	return `${aor.text};gr=${writeGruuValue(writer.view())}`;
}

/** Reads a GRUU, with or without scheme and other parameters; `undefined` when it is none. */
export function readGruu(text: string, nodeIdLength: number): Gruu | undefined {
	const value = gruuParameter(text);
	const aor = readAor(text);
	if (value === undefined || aor === undefined) return undefined;
	const unescaped = decodeEscapes(value);
	const destinationBytes = unescaped === undefined ? undefined : readGruuValue(unescaped);
	if (destinationBytes === undefined) return undefined;
	const reader = new WireReader(destinationBytes);
	const list = readDestinations(reader, nodeIdLength);
	const usable = reader.refused === undefined && list.length > 0 && list.length <= MAX_DESTINATIONS;
	return { aor, destinationBytes, destinations: usable ? list : undefined };
}

/** The value of the URI parameter "gr", where it has one. */
function gruuParameter(text: string): string | undefined {
	const host = text.indexOf("@") + 1;
	const headers = text.indexOf("?", host);
	const main = headers < 0 ? text : text.slice(0, headers);
	let at = main.indexOf(";", host);
	while (host > 0 && at >= 0) {
		const next = main.indexOf(";", at + 1);
		const parameter = main.slice(at + 1, next < 0 ? main.length : next);
		if (parameter.slice(0, 3).toLowerCase() === "gr=") return parameter.slice(3);
		at = next;
	}
	return undefined;
}
