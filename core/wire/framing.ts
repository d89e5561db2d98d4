/**
 * FramedMessage: what goes over a link between two neighbours (RFC 6940 §6.6.2).
 *
 *   data: 128(1) | sequence(4) | message<0..2^24-1>        ack: 129(1) | ack_sequence(4) | received(4)
 */
import type { Refused } from "../machine.ts";
import { FramedMessageType } from "./codes.ts";
import { WireReader, whole } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

/** Octets in front of the message of a data frame. */
export const DATA_FRAME_HEADER_OCTETS = 8;
/** Octets of an ack frame. */
export const ACK_FRAME_OCTETS = 9;

export type FramedMessage =
	| { readonly type: 128; readonly sequence: number; readonly message: Uint8Array }
	/** [D-4]: bit (N-M-1) of `received` says that M was received, N being `ackSequence`. */
	| { readonly type: 129; readonly ackSequence: number; readonly received: number };

/** Reads one FramedMessage; what follows it stays in the reader. Refused: another type. */
export function readFramedMessage(reader: WireReader): FramedMessage {
	const at = reader.at;
	const type = reader.u8();
	if (type !== FramedMessageType.ack && type !== FramedMessageType.data)
		reader.refuse("unknown FramedMessage type", at);
	const sequence = reader.u32();
	if (type === FramedMessageType.ack) return { type, ackSequence: sequence, received: reader.u32() };
	return { type: FramedMessageType.data, sequence, message: reader.opaque24() };
}

/** Reads octets that are one FramedMessage and nothing else (a datagram). */
export function decodeFramedMessage(bytes: Uint8Array): FramedMessage | Refused {
	const reader = new WireReader(bytes);
	return whole(reader, readFramedMessage(reader));
}

export function writeFramedMessage(writer: WireWriter, frame: FramedMessage): void {
	writer.u8(frame.type);
	if (frame.type === FramedMessageType.ack) {
		writer.u32(frame.ackSequence);
		writer.u32(frame.received);
		return;
	}
	writer.u32(frame.sequence);
	writer.opaque24(frame.message);
}

/**
 * Octets of the frame that begins at `at` in a stream, seen up to `end`: 0 = not enough octets to tell, -1 = not a frame.
 * The whole frame need not be there yet, so its size can be judged before its content arrives.
 */
export function framedLength(bytes: Uint8Array, at: number, end: number): number {
	if (at >= end) return 0;
	const type = bytes[at];
	if (type === FramedMessageType.ack) return ACK_FRAME_OCTETS;
	if (type !== FramedMessageType.data) return -1;
	if (end - at < DATA_FRAME_HEADER_OCTETS) return 0;
	return DATA_FRAME_HEADER_OCTETS + ((bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!);
}

/** Writes the eight octets in front of a message of `length` octets into `out`. No allocation. */
export function putDataFrameHeader(out: Uint8Array, at: number, sequence: number, length: number): void {
	out[at] = FramedMessageType.data;
	put32(out, at + 1, sequence);
	out[at + 5] = length >>> 16;
	out[at + 6] = length >>> 8;
	out[at + 7] = length;
}

/** Writes an ack frame (nine octets) into `out`. No allocation. */
export function putAckFrame(out: Uint8Array, at: number, ackSequence: number, received: number): void {
	out[at] = FramedMessageType.ack;
	put32(out, at + 1, ackSequence);
	put32(out, at + 5, received);
}

function put32(out: Uint8Array, at: number, value: number): void {
	out[at] = value >>> 24;
	out[at + 1] = value >>> 16;
	out[at + 2] = value >>> 8;
	out[at + 3] = value;
}
