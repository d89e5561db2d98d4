/**
 * RTP packets: the header, without copying. RFC 3550 §5.1, §5.3.1.
 *
 *    0                   1                   2                   3
 *   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *   |                           timestamp                           |
 *   |                             SSRC                              |
 *   |                  CSRC, 0 to 15 of 4 octets                    |
 *   |  defined by profile  |  length in words  | extension (if X)   |
 *   |  payload ...                             | padding (if P)     |
 */

/** Octets of a header without CSRCs and extension: what we send. */
export const RTP_HEADER_OCTETS = 12;

/** A received packet's header; one object looks at packet after packet. */
export class RtpView {
	payloadType = 0;
	isMarked = false;
	/** 0..65535. */
	sequence = 0;
	/** As a signed 32-bit number: differences by `(a - b) | 0`. */
	timestamp = 0;
	/** Unsigned. */
	ssrc = 0;
	/** Where the payload begins. */
	payloadAt = 0;
	/** The P bit; the padding is behind the cipher, so `endOfPayload` is asked after decryption. */
	isPadded = false;

	/** Reads the header. False: these octets are no RTP packet of version 2, or its header does not fit. Bounds are `bytes.length`. */
	look(bytes: Uint8Array): boolean {
		const length = bytes.length;
		if (length < RTP_HEADER_OCTETS) return false;
		const first = bytes[0]!;
		const second = bytes[1]!;
		if (first >> 6 !== 2) return false;
		let at = RTP_HEADER_OCTETS + (first & 15) * 4;
		if ((first & 0x10) !== 0) {
			if (at + 4 > length) return false;
			at += 4 + ((bytes[at + 2]! << 8) | bytes[at + 3]!) * 4;
		}
		if (at > length) return false;
		this.isPadded = (first & 0x20) !== 0;
		this.isMarked = second >= 0x80;
		this.payloadType = second & 0x7f;
		this.sequence = (bytes[2]! << 8) | bytes[3]!;
		this.timestamp = readInt32(bytes, 4);
		this.ssrc = readInt32(bytes, 8) >>> 0;
		this.payloadAt = at;
		return true;
	}

	/** Where the payload ends when the packet ends at `end`; -1 when its padding is impossible. */
	endOfPayload(bytes: Uint8Array, end: number): number {
		if (!this.isPadded) return end;
		// RFC 3550 §5.1: the last octet counts the padding, itself included.
		const padding = end > this.payloadAt ? bytes[end - 1]! : 0;
		return padding === 0 || padding > end - this.payloadAt ? -1 : end - padding;
	}
}

/** Writes version 2 without padding, extension and CSRCs. */
export function writeRtpHeader(
	out: Uint8Array,
	payloadType: number,
	isMarked: boolean,
	sequence: number,
	timestamp: number,
	ssrc: number,
): void {
	out[0] = 0x80;
	out[1] = isMarked ? payloadType | 0x80 : payloadType;
	writeUint16(out, 2, sequence);
	writeUint32(out, 4, timestamp);
	writeUint32(out, 8, ssrc);
}

/**
 * RFC 5761 §4: at one port, RTCP is told by its packet types 192 to 223, which as RTP would be payload types 64 to 95 with the marker
 * set; nobody may use those then.
 */
export function isRtcp(bytes: Uint8Array): boolean {
	return bytes.length >= 8 && bytes[1]! >= 192 && bytes[1]! <= 223;
}

/** A big-endian 32-bit number, signed. */
export function readInt32(bytes: Uint8Array, at: number): number {
	return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

export function writeUint16(out: Uint8Array, at: number, value: number): void {
	out[at] = value >> 8;
	out[at + 1] = value;
}

export function writeUint32(out: Uint8Array, at: number, value: number): void {
	out[at] = value >>> 24;
	out[at + 1] = value >>> 16;
	out[at + 2] = value >>> 8;
	out[at + 3] = value;
}
