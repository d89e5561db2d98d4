/**
 * FramedMessages out of a stream of octets (RFC 6940 §6.6.2), as a pull parser that allocates nothing per frame.
 *
 *   data   | 128 | sequence (4) | length (3) | message ... |
 *   ack    | 129 | ack_sequence (4) | received (4) |
 *
 * Frames that lie whole in a chunk are given as places in that chunk. Only a frame cut by the end of a chunk is copied; the
 * copy is at most max-message-size + 8 octets and grows with what arrives, not with what a length field promises.
 */
import { EMPTY } from "../wire/bytes.ts";
import { FramedMessageType, RELO_TOKEN } from "../wire/codes.ts";
import { FIXED_HEADER_OCTETS } from "../wire/forwarding.ts";
import { DATA_FRAME_HEADER_OCTETS, framedLength } from "../wire/framing.ts";

/** What `next` found. */
export const Frame = Object.freeze({
	/** Nothing whole is left; what is there is kept for the next chunk. */
	none: 0,
	data: 1,
	ack: 2,
	/** A data frame above max-message-size; its forwarding header (or nothing) is at `messageAt`. The stream is over. */
	tooLarge: 3,
	/** Not a frame. The stream is over. */
	lost: 4,
} as const);
export type Frame = (typeof Frame)[keyof typeof Frame];

/** No message is shorter than the fixed part of its forwarding header (RFC 6940 §6.3.2). */
export const LEAST_MESSAGE_OCTETS = FIXED_HEADER_OCTETS;
/** via_list_length, destination_list_length and options_length stand at the end of the fixed part. */
const LIST_LENGTHS_AT = 32;

/** Results of `#wanted` that are not a number of octets. */
const LOST = -1;
const NO_HEAD = -2;

/** First allocation for a frame that was cut by the end of a chunk. */
const FIRST_CARRY_OCTETS = 1_024;

export class Deframer {
	/** Octets of the largest message taken. */
	maxMessageSize: number;

	/** After data and tooLarge: where the message (or its head) lies. Valid until the next `feed`. */
	bytes: Uint8Array = EMPTY;
	messageAt = 0;
	messageLength = 0;
	/** After data: sequence. After ack: ack_sequence. */
	sequence = 0;
	/** After ack: the mask. */
	received = 0;

	#chunk: Uint8Array = EMPTY;
	#at = 0;
	/** The beginning of a frame whose end has not come. */
	#carry: Uint8Array = EMPTY;
	#carried = 0;
	#over = false;

	constructor(maxMessageSize: number) {
		this.maxMessageSize = maxMessageSize;
	}

	/** The next octets of the stream. The octets before must have been drained with `next`. */
	feed(chunk: Uint8Array): void {
		if (this.#over) return;
		if (this.#at < this.#chunk.length) throw new Error("octets were fed before the last ones were drained");
		this.#chunk = chunk;
		this.#at = 0;
	}

	/** The next frame. */
	next(): Frame {
		if (this.#carried > 0) return this.#nextCarried();
		const chunk = this.#chunk;
		const at = this.#at;
		const left = chunk.length - at;
		if (left === 0) return this.#drained();
		const wanted = this.#wanted(chunk, at, left);
		if (wanted < 0) return this.#end(wanted === LOST ? Frame.lost : Frame.tooLarge);
		if (wanted > left) {
			this.#keep(left, wanted);
			return this.#drained();
		}
		this.#at = at + wanted;
		return this.#give(chunk, at, wanted);
	}

	/** As `next`, while the beginning of the frame is in `#carry`. */
	#nextCarried(): Frame {
		for (;;) {
			const wanted = this.#wanted(this.#carry, 0, this.#carried);
			if (wanted < 0) return this.#end(wanted === LOST ? Frame.lost : Frame.tooLarge);
			const missing = wanted - this.#carried;
			if (missing <= 0) {
				const frame = this.#carry;
				// The owner may hold a view of it until the next feed: the next cut frame gets memory of its own.
				this.#carry = EMPTY;
				this.#carried = 0;
				return this.#give(frame, 0, wanted);
			}
			const left = this.#chunk.length - this.#at;
			if (left === 0) return this.#drained();
			this.#keep(Math.min(missing, left), wanted);
		}
	}

	/** Lets go of the chunk: its memory is the transport's. */
	#drained(): Frame {
		this.#chunk = EMPTY;
		this.#at = 0;
		return Frame.none;
	}

	/**
	 * How many octets from `at` must be there to go on: a whole frame, or as much of its headers as tells its length.
	 * `left` octets are there. LOST when this is no frame; NO_HEAD when it is too large and has no usable forwarding header.
	 */
	#wanted(bytes: Uint8Array, at: number, left: number): number {
		const size = framedLength(bytes, at, at + left);
		if (size <= 0) return size < 0 ? LOST : DATA_FRAME_HEADER_OCTETS;
		if (bytes[at] === FramedMessageType.ack) return size;
		const length = size - DATA_FRAME_HEADER_OCTETS;
		if (length < LEAST_MESSAGE_OCTETS) return LOST;
		if (length <= this.maxMessageSize) return size;
		return this.#wantedOfHead(bytes, at + DATA_FRAME_HEADER_OCTETS, left - DATA_FRAME_HEADER_OCTETS);
	}

	// RFC 6940 §6.6 SHOULD: a message above max-message-size is answered, which needs its forwarding header; if the header
	// alone is too large, the link is closed without an answer. Either may be done before the rest has arrived.
	#wantedOfHead(bytes: Uint8Array, at: number, left: number): number {
		if (left < LEAST_MESSAGE_OCTETS) return DATA_FRAME_HEADER_OCTETS + LEAST_MESSAGE_OCTETS;
		if (readU32(bytes, at) !== RELO_TOKEN) return NO_HEAD;
		let head = LEAST_MESSAGE_OCTETS;
		for (let i = LIST_LENGTHS_AT; i < LEAST_MESSAGE_OCTETS; i += 2) head += (bytes[at + i]! << 8) | bytes[at + i + 1]!;
		return head > this.maxMessageSize ? NO_HEAD : DATA_FRAME_HEADER_OCTETS + head;
	}

	#give(bytes: Uint8Array, at: number, size: number): Frame {
		this.sequence = readU32(bytes, at + 1);
		if (bytes[at] === FramedMessageType.ack) {
			this.received = readU32(bytes, at + 5);
			return Frame.ack;
		}
		this.bytes = bytes;
		this.messageAt = at + DATA_FRAME_HEADER_OCTETS;
		this.messageLength = size - DATA_FRAME_HEADER_OCTETS;
		if (framedLength(bytes, at, at + size) === size) return Frame.data;
		this.#over = true;
		this.#forget();
		return Frame.tooLarge;
	}

	#end(frame: Frame): Frame {
		this.#over = true;
		this.#forget();
		this.messageLength = 0;
		return frame;
	}

	#forget(): void {
		this.#carry = EMPTY;
		this.#carried = 0;
		this.#drained();
	}

	/** Moves `count` octets of the chunk to the carried frame, of which `wanted` are known to be needed. */
	#keep(count: number, wanted: number): void {
		const needed = this.#carried + count;
		if (this.#carry.length < needed) {
			const grown = new Uint8Array(Math.max(needed, Math.min(wanted, Math.max(FIRST_CARRY_OCTETS, 2 * needed))));
			grown.set(this.#carry.subarray(0, this.#carried));
			this.#carry = grown;
		}
		this.#carry.set(this.#chunk.subarray(this.#at, this.#at + count), this.#carried);
		this.#carried = needed;
		this.#at += count;
	}
}

function readU32(bytes: Uint8Array, at: number): number {
	return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
