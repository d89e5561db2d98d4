/**
 * RTCP for one stream each way: SR or RR with one report block, SDES with CNAME, BYE; and what is read of the other end's.
 * RFC 3550 §6. Reduced: no interval that grows with the number of members (there are two), no SDES but CNAME, no APP.
 *
 *   | V P RC | PT  |   length in words - 1  |      RC: report blocks or SSRCs
 *   | SSRC of the sender                    |
 *   | SR: NTP (8), RTP timestamp, packets, octets |
 *   | report block: SSRC, fraction and lost, highest, jitter, LSR, DLSR |
 */
import type { Reception } from "./reception.ts";
import { readInt32, writeUint16, writeUint32 } from "./rtp.ts";

const SR = 200;
const RR = 201;
const SDES = 202;
const BYE = 203;
const CNAME = 1;

const SENDER_OCTETS = 20;
const BLOCK_OCTETS = 24;
/** 24 bits, signed. */
const MOST_LOST = 0x7fffff;
const LEAST_LOST = -0x800000;
/** RFC 3550 §6.2: five seconds between reports, half of that before the first. */
const INTERVAL_MS = 5_000;
/** Octets of CNAME kept: ours is short; the text field has one octet of length. */
const MAX_CNAME_OCTETS = 64;

/** Octets that the longest compound packet we write may have, without SRTCP. */
export const MAX_RTCP_OCTETS = 8 + SENDER_OCTETS + BLOCK_OCTETS + 12 + MAX_CNAME_OCTETS + 8;

/** What an RTCP report says of our own sending. */
export interface SentCounts {
	readonly packets: number;
	/** Of payload (RFC 3550 §6.4.1). */
	readonly octets: number;
	/** RTP timestamp that belongs to now. */
	readonly timestamp: number;
}

/** The RTCP of one call. */
export class Rtcp {
	/** Milliseconds, from the other end's last report; -1: not known. */
	rttMs = -1;
	/** Loss of what we send, in 256ths, as last reported; -1: not known. */
	remoteFraction = -1;
	readonly #ssrc: number;
	readonly #cname: string;
	readonly #startedAt: number;
	/** Decides how reports are spread in time (RFC 3550 §6.3.1); any number will do. */
	#seed: number;
	#dueAt: number;
	/** Middle 32 bits of the NTP time in the last SR from the other end, and when it came. */
	#lastReport = 0;
	#lastReportAt = 0;

	constructor(ssrc: number, cname: string, now: number) {
		this.#ssrc = ssrc;
		this.#cname = cname.slice(0, MAX_CNAME_OCTETS);
		this.#seed = ssrc | 1;
		this.#startedAt = now;
		this.#dueAt = now + this.#spread(INTERVAL_MS / 2);
	}

	/** When the next report is due. */
	get dueAt(): number {
		return this.#dueAt;
	}

	/** RFC 3550 §6.3.1: between half and one and a half of the interval, so that reports of many calls do not fall together. */
	#spread(intervalMs: number): number {
		this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) | 0;
		return Math.floor((intervalMs * (128 + ((this.#seed >>> 16) & 255))) / 256);
	}

	/** Puts the next report off. */
	reported(now: number): void {
		this.#dueAt = now + this.#spread(INTERVAL_MS);
	}

	/**
	 * Writes SR (when we have sent) or RR, SDES and, at the end of the call, BYE: the octets written. `reception` with its SSRC when
	 * something was received.
	 */
	write(
		out: Uint8Array,
		sent: SentCounts,
		reception: Reception | undefined,
		remoteSsrc: number,
		isLast: boolean,
		now: number,
	): number {
		const isSender = sent.packets > 0;
		let at = isSender ? 8 + SENDER_OCTETS : 8;
		if (isSender) this.#putSender(out, sent, now);
		const blocks = reception === undefined ? 0 : 1;
		if (reception !== undefined) {
			this.#putBlock(out, at, reception, remoteSsrc, now);
			at += BLOCK_OCTETS;
		}
		this.#putHeader(out, 0, blocks, isSender ? SR : RR, at);
		at = this.#putDescription(out, at);
		// RFC 3550 §6.6: BYE is the last packet of a compound.
		if (isLast) {
			this.#putHeader(out, at, 1, BYE, 8);
			at += 8;
		}
		return at;
	}

	#putHeader(out: Uint8Array, at: number, count: number, type: number, octets: number): void {
		out[at] = 0x80 | count;
		out[at + 1] = type;
		writeUint16(out, at + 2, octets / 4 - 1);
		writeUint32(out, at + 4, this.#ssrc);
	}

	#putSender(out: Uint8Array, sent: SentCounts, now: number): void {
		// RFC 3550 §6.4.1: a sender without wall clock may give the time since it joined the session.
		const elapsed = now - this.#startedAt;
		writeUint32(out, 8, Math.floor(elapsed / 1_000));
		writeUint32(out, 12, Math.floor(((elapsed % 1_000) / 1_000) * 0x100000000));
		writeUint32(out, 16, sent.timestamp);
		writeUint32(out, 20, sent.packets);
		writeUint32(out, 24, sent.octets);
	}

	#putBlock(out: Uint8Array, at: number, reception: Reception, remoteSsrc: number, now: number): void {
		const lost = Math.max(LEAST_LOST, Math.min(MOST_LOST, reception.lost));
		writeUint32(out, at, remoteSsrc);
		writeUint32(out, at + 4, (reception.takeFraction() << 24) | (lost & 0xffffff));
		writeUint32(out, at + 8, reception.extendedHighest);
		writeUint32(out, at + 12, reception.jitter);
		writeUint32(out, at + 16, this.#lastReport);
		const delay = this.#lastReport === 0 ? 0 : Math.floor(((now - this.#lastReportAt) * 65_536) / 1_000);
		writeUint32(out, at + 20, delay);
	}

	#putDescription(out: Uint8Array, at: number): number {
		const text = this.#cname.length;
		// RFC 3550 §6.5: items end with one to four zero octets, at a word's end.
		const octets = (8 + 2 + text + 4) & ~3;
		this.#putHeader(out, at, 1, SDES, octets);
		out[at + 8] = CNAME;
		out[at + 9] = text;
		for (let i = 0; i < text; i++) out[at + 10 + i] = this.#cname.charCodeAt(i) & 0x7f;
		for (let i = at + 10 + text; i < at + octets; i++) out[i] = 0;
		return at + octets;
	}

	/**
	 * Reads a compound packet `bytes[0..end)` of the stream `remoteSsrc` (-1: any): "bye" when it ends the stream, "invalid" when it is
	 * no RTCP by RFC 3550 A.2, "foreign" when it speaks of somebody else, else "report".
	 */
	read(bytes: Uint8Array, end: number, remoteSsrc: number, now: number): "report" | "bye" | "foreign" | "invalid" {
		if (!isCompound(bytes, end)) return "invalid";
		let result: "report" | "bye" | "foreign" = "foreign";
		for (let at = 0; at < end; at += octetsOf(bytes, at)) {
			const type = bytes[at + 1]!;
			const octets = octetsOf(bytes, at);
			if (octets < 8 || (type !== SR && type !== RR && type !== BYE)) continue;
			const isOurs = remoteSsrc < 0 || readInt32(bytes, at + 4) >>> 0 === remoteSsrc;
			if (!isOurs) continue;
			if (type === BYE) return "bye";
			result = "report";
			if (type === SR && octets >= 8 + SENDER_OCTETS) {
				this.#lastReport = ((readInt32(bytes, at + 8) << 16) | (readInt32(bytes, at + 12) >>> 16)) >>> 0;
				this.#lastReportAt = now;
			}
			this.#readBlocks(bytes, at + (type === SR ? 8 + SENDER_OCTETS : 8), at + octets, bytes[at]! & 31, now);
		}
		return result;
	}

	#readBlocks(bytes: Uint8Array, from: number, end: number, count: number, now: number): void {
		for (let i = 0, at = from; i < count && at + BLOCK_OCTETS <= end; i++, at += BLOCK_OCTETS) {
			if (readInt32(bytes, at) >>> 0 !== this.#ssrc) continue;
			this.remoteFraction = bytes[at + 4]!;
			const report = readInt32(bytes, at + 16) >>> 0;
			if (report === 0) continue;
			// RFC 3550 §6.4.1: A - LSR - DLSR, in units of 1/65536 s; our NTP time counts from `startedAt`.
			const time = Math.floor(((now - this.#startedAt) * 65_536) / 1_000) >>> 0;
			const rtt = (time - report - readInt32(bytes, at + 20)) | 0;
			if (rtt >= 0) this.rttMs = Math.round((rtt * 1_000) / 65_536);
		}
	}
}

function octetsOf(bytes: Uint8Array, at: number): number {
	return 4 * (((bytes[at + 2]! << 8) | bytes[at + 3]!) + 1);
}

/** RFC 3550 A.2: version 2 throughout, SR or RR first without padding, lengths that add up exactly. */
function isCompound(bytes: Uint8Array, end: number): boolean {
	if (end < 8 || (bytes[0]! & 0xe0) !== 0x80 || (bytes[1] !== SR && bytes[1] !== RR)) return false;
	let at = 0;
	while (at + 4 <= end) {
		if (bytes[at]! >> 6 !== 2) return false;
		at += octetsOf(bytes, at);
	}
	return at === end;
}
