/**
 * What comes in: which datagrams belong to the call, whose stream they are, and where their payload goes. Cheap checks come before dear
 * ones, so a flood costs a few comparisons for each datagram, and nothing after the first dozen in 20 ms.
 *
 * Place (symmetric RTP, RFC 4961): packets count when they come from where the other end said. Once, before anything came from there,
 * another place may take over: with SRTP any place, by an authentic packet; in the clear only another port of the same address, by two
 * packets in sequence. After that every other place is a stranger.
 *
 * SSRC: the first packet from the agreed place, or an authentic one, is believed. Another SSRC in the clear needs two packets in sequence
 * (RFC 3550 appendix A.1), with SRTP one.
 */
import type { MediaCrypto } from "../../hal/hal.ts";
import { FRAME_MS, FRAME_SAMPLES } from "./frame.ts";
import { PCMA, PCMU, samplesOf } from "./g711.ts";
import { JitterBuffer, Put } from "./jitter-buffer.ts";
import {
	MAX_DATAGRAM_OCTETS,
	MAX_DATAGRAMS_PER_FRAME,
	MAX_FOREIGN_TRIES,
	MAX_PAYLOAD_OCTETS,
	SILENT_MS,
} from "./limits.ts";
import { Reception } from "./reception.ts";
import type { Rtcp } from "./rtcp.ts";
import { isRtcp, RtpView } from "./rtp.ts";
import { SrtpFault, SrtpReceiver, type SrtpScratch } from "./srtp.ts";
import { Refusals, type StreamMedia } from "./stream-types.ts";
import { EVENT_OCTETS, EventNews, EventReceiver } from "./telephone-events.ts";

/** RFC 3389 §4: comfort noise. */
const COMFORT_NOISE = 13;

/** What a datagram has brought. */
export const News = Object.freeze({ none: 0, heard: 1, first: 2, event: 3, bye: 4 } as const);

export class VoiceReceiver {
	address = "";
	port = 0;
	/** SSRC of the other end; -1 before its first packet. */
	ssrc = -1;
	/** When something valid came last. */
	heardAt: number;
	/** Of the packet that `News.event` told of: an `EventNews`. */
	eventNews = 0;
	late = 0;
	duplicates = 0;
	readonly reception = new Reception();
	readonly buffer = new JitterBuffer();
	readonly events = new EventReceiver();
	readonly refused = new Refusals();
	readonly #view = new RtpView();
	readonly #rtcp: Rtcp;
	#srtp: SrtpReceiver | undefined;
	#agreedAddress = "";
	#agreedPort = 0;
	#telephoneEvent = -1;
	#isPlayed = true;
	#hasVoice = false;
	/** No other place may take over any more. */
	#isSettled = false;
	#hasLatched = false;
	#foreignTries = 0;
	/** The SSRC on probation, its next sequence number, and its port. */
	#candidate = -1;
	#candidateSequence = 0;
	#candidatePort = 0;
	#budget = MAX_DATAGRAMS_PER_FRAME;
	#budgetAt = 0;

	constructor(rtcp: Rtcp, now: number) {
		this.#rtcp = rtcp;
		this.heardAt = now;
	}

	/** Another key, or none. */
	secure(crypto: MediaCrypto, master: Uint8Array | undefined, scratch: SrtpScratch): void {
		this.#srtp = master === undefined ? undefined : new SrtpReceiver(crypto, master, scratch);
	}

	/** What was agreed. Another place of the other end begins anew; the same one leaves all as it is, a latch included. */
	agree(media: StreamMedia, now: number): void {
		this.#telephoneEvent = media.telephoneEventIn ?? media.telephoneEvent;
		this.#isPlayed = media.direction === "sendrecv" || media.direction === "recvonly";
		if (!this.#isPlayed) this.buffer.reset();
		this.heardAt = now;
		if (media.address === this.#agreedAddress && media.port === this.#agreedPort) return;
		this.#agreedAddress = media.address;
		this.#agreedPort = media.port;
		this.address = media.address;
		this.port = media.port;
		this.ssrc = -1;
		this.#isSettled = false;
		this.#hasLatched = false;
		this.#foreignTries = 0;
		this.#candidate = -1;
	}

	/** True once after another place took over. */
	takeLatched(): boolean {
		const hasLatched = this.#hasLatched;
		this.#hasLatched = false;
		return hasLatched;
	}

	/** Takes a datagram; a `News`. */
	receive(bytes: Uint8Array, address: string, port: number, now: number): number {
		if (now - this.#budgetAt >= FRAME_MS) {
			this.#budget = MAX_DATAGRAMS_PER_FRAME;
			this.#budgetAt = now;
		}
		if (this.#budget === 0) {
			this.refused.flood++;
			return News.none;
		}
		const isHere = address === this.address;
		if (isRtcp(bytes)) return this.#receiveControl(bytes, isHere, now);
		const isForeign = !isHere || port !== this.port;
		if (isForeign && !this.#mayTakeOver(isHere)) {
			this.refused.foreign++;
			return News.none;
		}
		this.#budget--;
		const view = this.#view;
		if (bytes.length > MAX_DATAGRAM_OCTETS || !view.look(bytes)) {
			this.refused.invalid++;
			return News.none;
		}
		const type = view.payloadType;
		if (type !== PCMU && type !== PCMA && type !== COMFORT_NOISE && type !== this.#telephoneEvent) {
			this.refused.payloadType++;
			return News.none;
		}
		return this.#receivePacket(bytes, address, port, isForeign, now);
	}

	#mayTakeOver(isHere: boolean): boolean {
		if (this.#isSettled) return false;
		return this.#srtp === undefined ? isHere : this.#foreignTries < MAX_FOREIGN_TRIES;
	}

	#receivePacket(bytes: Uint8Array, address: string, port: number, isForeign: boolean, now: number): number {
		const view = this.#view;
		let end = bytes.length;
		if (this.#srtp !== undefined) {
			end = this.#srtp.open(bytes, view.payloadAt, view.sequence, view.ssrc);
			if (end < 0) return this.#refuseSecure(end, isForeign);
		}
		end = view.endOfPayload(bytes, end);
		if (end < 0 || end - view.payloadAt > MAX_PAYLOAD_OCTETS) {
			this.refused.invalid++;
			return News.none;
		}
		if (!this.#isKnownSource(isForeign, port)) {
			this.refused.unproven++;
			return News.none;
		}
		if (isForeign) {
			this.address = address;
			this.port = port;
			this.#hasLatched = true;
		}
		this.#isSettled = true;
		const isVoice = view.payloadType !== this.#telephoneEvent;
		if (!this.reception.note(view.sequence, view.timestamp, isVoice && !view.isMarked, now)) {
			this.refused.unproven++;
			return News.none;
		}
		this.heardAt = now;
		return isVoice ? this.#takeVoice(bytes, end, now) : this.#takeEvent(bytes, end, now);
	}

	#refuseSecure(fault: number, isForeign: boolean): number {
		if (fault === SrtpFault.replayed) this.refused.replayed++;
		else if (fault === SrtpFault.tooShort) this.refused.invalid++;
		else this.refused.notAuthentic++;
		if (isForeign) this.#foreignTries++;
		return News.none;
	}

	#isKnownSource(isForeign: boolean, port: number): boolean {
		const { ssrc, sequence } = this.#view;
		const isNew = ssrc !== this.ssrc;
		if (!isNew && !isForeign) return true;
		const isBelieved = this.#srtp !== undefined || (this.ssrc < 0 && !isForeign);
		const isProven = ssrc === this.#candidate && sequence === this.#candidateSequence && port === this.#candidatePort;
		if (!isBelieved && !isProven) {
			this.#candidate = ssrc;
			this.#candidateSequence = (sequence + 1) & 0xffff;
			this.#candidatePort = port;
			return false;
		}
		this.#candidate = -1;
		if (!isNew) return true;
		this.ssrc = ssrc;
		this.reception.restart(sequence);
		this.buffer.reset();
		this.events.reset();
		return true;
	}

	#takeVoice(bytes: Uint8Array, end: number, now: number): number {
		const { payloadAt, payloadType, timestamp } = this.#view;
		const count = end - payloadAt;
		if (payloadType === COMFORT_NOISE) {
			// RFC 3389 §3.1: the first octet is the level in -dBov.
			if (count > 0) this.buffer.setNoise(noisePeak(bytes[payloadAt]! & 0x7f));
			return News.heard;
		}
		if (count === 0) return News.heard;
		if (this.#isPlayed) {
			const put = this.buffer.put(
				bytes,
				payloadAt,
				count,
				samplesOf(payloadType === PCMA ? PCMA : PCMU),
				timestamp,
				now,
			);
			if (put === Put.late) this.late++;
			else if (put === Put.duplicate) this.duplicates++;
		}
		if (this.#hasVoice) return News.heard;
		this.#hasVoice = true;
		return News.first;
	}

	#takeEvent(bytes: Uint8Array, end: number, now: number): number {
		const { payloadAt, timestamp, isMarked } = this.#view;
		if (end - payloadAt < EVENT_OCTETS) {
			this.refused.invalid++;
			return News.none;
		}
		this.eventNews = this.events.note(bytes, payloadAt, timestamp, isMarked, now);
		return this.eventNews === EventNews.none ? News.heard : News.event;
	}

	#receiveControl(bytes: Uint8Array, isHere: boolean, now: number): number {
		if (!isHere) {
			this.refused.foreign++;
			return News.none;
		}
		this.#budget--;
		let end = bytes.length;
		if (end > MAX_DATAGRAM_OCTETS) end = 0;
		if (this.#srtp !== undefined && end > 0) {
			end = this.#srtp.openControl(bytes);
			if (end < 0) return this.#refuseSecure(end, false);
		}
		switch (this.#rtcp.read(bytes, end, this.ssrc, now)) {
			case "report":
				this.heardAt = now;
				return News.heard;
			case "bye":
				return News.bye;
			case "foreign":
				this.refused.foreign++;
				return News.none;
			default:
				this.refused.invalid++;
				return News.none;
		}
	}

	/** Fills the next frame for the loudspeaker. */
	playout(frame: Int16Array, now: number): void {
		if (this.#isPlayed) this.buffer.take(frame, now);
		else frame.fill(0, 0, FRAME_SAMPLES);
		if (now - this.heardAt >= SILENT_MS) this.buffer.setNoise(0);
	}
}

/** Peak of white noise of a level in -dBov; halves every 6 dB. Quieter than -78 dBov is silence. */
function noisePeak(level: number): number {
	return level > 78 ? 0 : 32_767 >> Math.floor((level * 85) >> 9);
}
