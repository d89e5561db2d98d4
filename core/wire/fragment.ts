/** Cutting a message into fragments (RFC 6940 §6.7). Any node on the path may; only the destination reassembles. */
import {
	FIXED_HEADER_OCTETS,
	FRAGMENT_BIT,
	FRAGMENT_OFFSET_MASK,
	LAST_FRAGMENT_BIT,
	LENGTH_OFFSET,
} from "./forwarding.ts";
import { FRAGMENT_LEAST_PAYLOAD, FRAGMENT_MTU_MARGIN } from "./limits.ts";

const FRAGMENT_OFFSET = 12;

/**
 * The fragments of an encoded message, or of a fragment, for a next link that carries `pathMtu` octets per message. The message
 * must have a sound header. One element when it fits as it is; `undefined` when it cannot be cut by the rules (header and least
 * payload do not fit, or the offset outgrows its 24 bits): then it is sent whole and IP fragments it.
 */
export function fragmentMessage(bytes: Uint8Array, pathMtu: number): Uint8Array[] | undefined {
	if (bytes.length <= pathMtu) return [bytes];
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const headerLength = FIXED_HEADER_OCTETS + view.getUint16(32) + view.getUint16(34) + view.getUint16(36);
	const fragment = view.getUint32(FRAGMENT_OFFSET);
	const base = fragment & FRAGMENT_OFFSET_MASK;
	const payload = bytes.length - headerLength;
	const room = pathMtu - FRAGMENT_MTU_MARGIN - headerLength;
	if (room < FRAGMENT_LEAST_PAYLOAD || base + payload > FRAGMENT_OFFSET_MASK) return undefined;
	// RFC 6940 §6.7 SHOULD: pieces of equal size; only the last is shorter, by less than their number.
	const count = Math.ceil(payload / room);
	const size = Math.ceil(payload / count);
	// RFC 6940 §6.7 MUST: no fragment carries less than 256 octets of the payload.
	if (payload - (count - 1) * size < FRAGMENT_LEAST_PAYLOAD) return undefined;
	const pieces: Uint8Array[] = [];
	for (let at = 0; at < payload; at += size) {
		const end = Math.min(payload, at + size);
		const piece = new Uint8Array(headerLength + end - at);
		piece.set(bytes.subarray(0, headerLength));
		piece.set(bytes.subarray(headerLength + at, headerLength + end), headerLength);
		const last = end === payload ? (fragment & LAST_FRAGMENT_BIT) >>> 0 : 0;
		const head = new DataView(piece.buffer);
		head.setUint32(FRAGMENT_OFFSET, FRAGMENT_BIT + last + base + at);
		head.setUint32(LENGTH_OFFSET, piece.length);
		pieces.push(piece);
	}
	return pieces;
}
