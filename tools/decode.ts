/**
 * `ringlet decode`: prints every field of RELOAD messages, or the exact reason and offset where one is refused.
 *
 * Input is told apart by itself: hex text (plain, or a dump with offsets as text2pcap, xxd and hexdump -C write it), raw octets of
 * messages or FramedMessages, a pcap or a pcapng.
 */
import { createHash } from "node:crypto";
import { registeredKind } from "../core/config/kinds.ts";
import { isRefused } from "../core/machine.ts";
import {
	type Described,
	type DescribeOptions,
	type Description,
	describeFramedMessage,
	describeMessage,
} from "../core/wire/describe.ts";
import { ForwardingView } from "../core/wire/forwarding-view.ts";
import { framedLength } from "../core/wire/framing.ts";
import { Reassembler } from "../core/wire/reassembler.ts";
import type { DataModel } from "../core/wire/stored-data.ts";
import { type CapturedPayload, isCapture, readCapture } from "./decode-capture.ts";
import { isText, parseHexText } from "./decode-hex.ts";

export interface DecodeOptions {
	/** One JSON document in place of indented text. */
	readonly json?: boolean;
	/** Octets of a Node-ID in this overlay; 16 when not given. */
	readonly nodeIdLength?: number;
	/** Data models of private Kinds, by Kind-ID. */
	readonly kinds?: ReadonlyMap<number, DataModel>;
}

/** One thing that was found and described. */
export interface DecodedItem {
	/** What it is and where it came from: "message", "frame", "udp 192.0.2.1:6084 > ... packet 3". */
	readonly source: string;
	readonly bytes: Uint8Array;
	readonly description: Description;
}

export interface Decoded {
	readonly items: readonly DecodedItem[];
	/** What could not be looked at, for people. */
	readonly notes: readonly string[];
}

const TOKEN = Object.freeze([0xd2, 0x45, 0x4c, 0x4f]);

/** Everything in `input` that is RELOAD, described. */
export function decode(input: Uint8Array | string, options: DecodeOptions = {}): Decoded {
	const notes: string[] = [];
	const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
	const nodeIdLength = options.nodeIdLength ?? 16;
	const describing: DescribeOptions = {
		nodeIdLength,
		modelOf: (kind) => options.kinds?.get(kind) ?? registeredKind(kind)?.dataModel,
		sha256: (data) => new Uint8Array(createHash("sha256").update(data).digest()),
	};
	const items = [...find(bytes, describing, notes)];
	if (items.length === 0 && notes.length === 0) notes.push("nothing in the input is RELOAD");
	return { items: [...items, ...reassembled(items, describing)], notes };
}

function* find(bytes: Uint8Array, describing: DescribeOptions, notes: string[]): Generator<DecodedItem> {
	if (isCapture(bytes)) {
		const capture = readCapture(bytes);
		notes.push(...capture.notes);
		for (const payload of capture.payloads) yield* fromPayload(payload, describing);
		return;
	}
	if (!isText(bytes)) {
		yield* fromOctets("", bytes, describing);
		return;
	}
	const dumps = parseHexText(new TextDecoder().decode(bytes));
	if (typeof dumps === "string") notes.push(dumps);
	else for (const dump of dumps) yield* fromOctets("", dump, describing);
}

/** Payloads of a capture that begin as RELOAD does; others are somebody else's. */
function* fromPayload(payload: CapturedPayload, describing: DescribeOptions): Generator<DecodedItem> {
	const { bytes } = payload;
	const isFrame = bytes[0] === 128 && startsWithToken(bytes, 8);
	const isAck = bytes[0] === 129 && payload.isReloadPort;
	if (!startsWithToken(bytes, 0) && !isFrame && !isAck) return;
	yield* fromOctets(`${payload.source} packet ${payload.packet} `, bytes, describing);
}

function startsWithToken(bytes: Uint8Array, at: number): boolean {
	return TOKEN.every((octet, i) => bytes[at + i] === octet);
}

/** Messages and frames one after another; octets that begin neither are described as the message they are not. */
function* fromOctets(source: string, bytes: Uint8Array, describing: DescribeOptions): Generator<DecodedItem> {
	let at = 0;
	while (at < bytes.length) {
		const isMessage = startsWithToken(bytes, at);
		const wanted = isMessage ? messageLength(bytes, at) : framedLength(bytes, at, bytes.length);
		const end = wanted <= 0 || wanted > bytes.length - at ? bytes.length : at + wanted;
		const part = bytes.subarray(at, end);
		const where = at === 0 ? "" : ` at octet ${at}`;
		if (isMessage || wanted < 0) {
			yield { source: `${source}message${where}`, bytes: part, description: describeMessage(part, describing) };
		} else {
			yield { source: `${source}frame${where}`, bytes: part, description: describeFramedMessage(part, describing) };
		}
		at = end;
	}
}

/** `length` of a message's header; all that is left when it cannot be the length of a message. */
function messageLength(bytes: Uint8Array, at: number): number {
	if (bytes.length - at < 38) return bytes.length - at;
	const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at + 16);
	return length < 38 || length > bytes.length - at || !isBoundary(bytes, at + length) ? bytes.length - at : length;
}

/** Another message or frame may begin here: if not, `length` is not to be trusted and the message is judged whole. */
function isBoundary(bytes: Uint8Array, at: number): boolean {
	return at === bytes.length || startsWithToken(bytes, at) || bytes[at] === 128 || bytes[at] === 129;
}

/** Messages whose fragments are all there. */
function* reassembled(items: readonly DecodedItem[], describing: DescribeOptions): Generator<DecodedItem> {
	const reassembler = new Reassembler({ messages: 4096, octets: 2 ** 26, messageOctets: 2 ** 24, pieces: 65_536 });
	const view = new ForwardingView(describing.nodeIdLength);
	for (const { bytes } of items) {
		const message = bytes[0] === 128 ? bytes.subarray(8) : bytes;
		if (!view.look(message) || view.isWhole) continue;
		const result = reassembler.offer(view, 0);
		if (result === undefined || isRefused(result)) continue;
		yield {
			source: "message reassembled from fragments",
			bytes: result,
			description: describeMessage(result, describing),
		};
	}
}

/** What `ringlet decode` prints. */
export function decodeText(input: Uint8Array | string, options: DecodeOptions = {}): string {
	const decoded = decode(input, options);
	if (options.json === true) return `${JSON.stringify(asJson(decoded), undefined, "\t")}\n`;
	const lines: string[] = [];
	for (const item of decoded.items) {
		lines.push(`${item.source}, ${item.bytes.length} octets`);
		for (const [name, value] of Object.entries(item.description.fields)) print(lines, "  ", name, value);
		const { refused } = item.description;
		if (refused !== undefined) {
			lines.push(`  refused at octet ${refused.at}: ${refused.refused}`, `    ${around(item.bytes, refused.at)}`);
		}
		lines.push("");
	}
	for (const note of decoded.notes) lines.push(printable(note));
	return `${lines.join("\n").trimEnd()}\n`;
}

function asJson(decoded: Decoded): unknown {
	const items = decoded.items.map(({ source, bytes, description }) => ({
		source,
		octets: bytes.length,
		...description,
	}));
	return { items, notes: decoded.notes };
}

/** Hex digits in one line of a long value. */
const HEX_LINE = 96;

function print(lines: string[], indent: string, name: string, value: Described): void {
	const label = `${indent}${name}`;
	if (Array.isArray(value)) {
		if (value.length === 0) lines.push(`${label.padEnd(32)} (none)`);
		else if (value.every((element) => typeof element !== "object")) printScalars(lines, indent, name, value);
		else for (const [i, element] of value.entries()) print(lines, indent, `${name}[${i}]`, element);
	} else if (typeof value === "object") {
		lines.push(label);
		for (const [inner, field] of Object.entries(value)) print(lines, `${indent}  `, inner, field);
	} else printScalar(lines, label, String(value), `${indent}  `);
}

function printScalars(lines: string[], indent: string, name: string, values: readonly Described[]): void {
	for (const [i, value] of values.entries()) printScalar(lines, `${indent}${name}[${i}]`, String(value), `${indent}  `);
}

function printScalar(lines: string[], label: string, text: string, indent: string): void {
	if (text.length <= HEX_LINE) {
		lines.push(`${label.padEnd(32)} ${text === "" ? "(empty)" : printable(text)}`);
		return;
	}
	lines.push(label);
	for (const line of text.split("\n")) {
		for (let at = 0; at < Math.max(1, line.length); at += HEX_LINE) {
			lines.push(`${indent}${printable(line.slice(at, at + HEX_LINE))}`);
		}
	}
}

/** Control and direction characters of a hostile text as escapes, so that they do nothing to the terminal. */
function printable(text: string): string {
	return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) => {
		const code = character.codePointAt(0) ?? 0;
		return `\\u{${code.toString(16)}}`;
	});
}

/** The octets around an offset, the one at fault in brackets. */
function around(bytes: Uint8Array, at: number): string {
	const start = Math.max(0, at - 8);
	const octets = Array.from(bytes.subarray(start, at + 9), (octet) => octet.toString(16).padStart(2, "0"));
	if (at >= bytes.length) octets.push("(end)");
	const marked = octets.map((octet, i) => (start + i === at ? `[${octet}]` : octet));
	return `${start > 0 ? "... " : ""}${marked.join(" ")}${at + 9 < bytes.length ? " ..." : ""}`;
}
