/** Messages, frames and streams for the tests of core/link. */
import { readFileSync } from "node:fs";
import type { LinkLimits } from "../../../core/link/limits.ts";
import { Link } from "../../../core/link/link.ts";
import type { LinkOutput } from "../../../core/link/link-machine.ts";
import { fromHex } from "../../../core/wire/bytes.ts";
import { putAckFrame, putDataFrameHeader } from "../../../core/wire/framing.ts";

export const TIMERS = Object.freeze({ linkIdleMs: 1_500, linkSuspectMs: 2_000, linkDeadMs: 3_000 });
export const MAX = 5_000;

/** A message of `length` octets that begins like a RELOAD message and is told apart by `seed`. */
export function message(length: number, seed = 0): Uint8Array {
	const bytes = new Uint8Array(length);
	for (let i = 0; i < length; i++) bytes[i] = (seed * 31 + i * 7) & 0xff;
	bytes.set([0xd2, 0x45, 0x4c, 0x4f], 0);
	// via_list_length, destination_list_length, options_length
	bytes.set([0, 0, 0, 18, 0, 0], 32);
	return bytes;
}

export function dataFrame(sequence: number, content: Uint8Array, length = content.length): Uint8Array {
	const frame = new Uint8Array(8 + content.length);
	putDataFrameHeader(frame, 0, sequence, length);
	frame.set(content, 8);
	return frame;
}

export function ackFrame(sequence: number, received = 0): Uint8Array {
	const frame = new Uint8Array(9);
	putAckFrame(frame, 0, sequence, received);
	return frame;
}

export function joined(...parts: Uint8Array[]): Uint8Array {
	return new Uint8Array(Buffer.concat(parts));
}

/** The octets of a golden vector. */
export function vector(name: string): Uint8Array {
	const file = new URL(`../../vectors/${name}.json`, import.meta.url);
	return fromHex((JSON.parse(readFileSync(file, "utf8")) as { hex: string }).hex)!;
}

export function newLink(now = 0, limits?: LinkLimits, maxMessageSize = MAX): Link {
	return new Link({ maxMessageSize, timers: TIMERS, now, ...(limits === undefined ? {} : { limits }) });
}

/** Everything that comes out now. Messages are copied: the views are valid until the next `handle` only. */
export function drain(link: Link): LinkOutput[] {
	const outputs: LinkOutput[] = [];
	for (let output = link.poll(); output !== undefined; output = link.poll()) {
		outputs.push(output.type === "message" ? { type: "message", bytes: output.bytes.slice() } : output);
	}
	return outputs;
}

/** All octets transmitted in a list of outputs. */
export function transmitted(outputs: readonly LinkOutput[]): Uint8Array {
	return joined(...outputs.flatMap((output) => (output.type === "transmit" ? [output.bytes] : [])));
}

export function messages(outputs: readonly LinkOutput[]): Uint8Array[] {
	return outputs.flatMap((output) => (output.type === "message" ? [output.bytes] : []));
}

export function types(outputs: readonly LinkOutput[]): string[] {
	return outputs.map((output) => output.type);
}
