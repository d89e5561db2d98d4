/** What goes out: one packet for each frame, voice or a telephone event, in buffers that are made once. */
import type { MediaCrypto } from "../../hal/hal.ts";
import { FRAME_MS, FRAME_SAMPLES } from "./frame.ts";
import { encodeInto, type G711, PCMU } from "./g711.ts";
import { RTP_HEADER_OCTETS, readInt32, writeRtpHeader } from "./rtp.ts";
import { type SrtpScratch, SrtpSender, TAG_OCTETS } from "./srtp.ts";
import { EVENT_OCTETS, EventSender } from "./telephone-events.ts";

/** A pause between frames that is longer is one in the timestamps too. */
const PAUSE_MS = 5 * FRAME_MS;

export class VoiceSender {
	readonly ssrc: number;
	readonly events = new EventSender();
	/** Counts for RTCP (RFC 3550 §6.4.1). */
	packets = 0;
	octets = 0;
	payloadType: G711 = PCMU;
	telephoneEvent = -1;
	#voice = new Uint8Array(RTP_HEADER_OCTETS + FRAME_SAMPLES);
	#event = new Uint8Array(RTP_HEADER_OCTETS + EVENT_OCTETS);
	#srtp: SrtpSender | undefined;
	#sequence: number;
	#timestamp: number;
	#isMarked = true;
	#capturedAt = Number.NaN;

	/** `random`: 10 octets. */
	constructor(random: Uint8Array) {
		this.ssrc = readInt32(random, 0) >>> 0;
		this.#timestamp = readInt32(random, 4);
		// RFC 3711 §3.3.1: begin in the lower half, so that nobody can take the first packets for those of another rollover.
		this.#sequence = ((random[8]! & 0x7f) << 8) | random[9]!;
	}

	/** The timestamp that belongs to `now`. */
	timestampAt(now: number): number {
		const since = now - this.#capturedAt;
		return since > 0 ? (this.#timestamp + Math.floor(since * 8)) | 0 : this.#timestamp;
	}

	/** Sends in the clear (`master` undefined) or by SRTP under a new key. */
	secure(crypto: MediaCrypto, master: Uint8Array | undefined, scratch: SrtpScratch): void {
		this.#srtp = master === undefined ? undefined : new SrtpSender(crypto, master, scratch);
		const tag = master === undefined ? 0 : TAG_OCTETS;
		this.#voice = new Uint8Array(RTP_HEADER_OCTETS + FRAME_SAMPLES + tag);
		this.#event = new Uint8Array(RTP_HEADER_OCTETS + EVENT_OCTETS + tag);
	}

	/** The session keys for RTCP, when there are some. */
	get srtp(): SrtpSender | undefined {
		return this.#srtp;
	}

	/** A frame that is not sent: time goes on, and the next packet begins a talk spurt. */
	skip(now: number): void {
		this.#advance(now);
		this.#isMarked = true;
	}

	/** The packet of a frame; the same buffer as for the frame before. */
	packet(frame: Int16Array, now: number): Uint8Array {
		this.#advance(now);
		const isEvent =
			this.telephoneEvent >= 0 && this.events.writeInto(this.#event, RTP_HEADER_OCTETS, this.#timestamp, FRAME_SAMPLES);
		const out = isEvent ? this.#event : this.#voice;
		const end = RTP_HEADER_OCTETS + (isEvent ? EVENT_OCTETS : FRAME_SAMPLES);
		const timestamp = isEvent ? this.events.timestamp : this.#timestamp;
		const isMarked = isEvent ? this.events.isFirst : this.#isMarked;
		const payloadType = isEvent ? this.telephoneEvent : this.payloadType;
		writeRtpHeader(out, payloadType, isMarked, this.#sequence, timestamp, this.ssrc);
		if (!isEvent) encodeInto(this.payloadType, frame, FRAME_SAMPLES, out, RTP_HEADER_OCTETS);
		if (this.#srtp !== undefined) this.#srtp.seal(out, RTP_HEADER_OCTETS, end, this.#sequence, this.ssrc);
		this.#sequence = (this.#sequence + 1) & 0xffff;
		// RFC 3551 §4.1: the marker is on the first voice packet after a pause; an event is one.
		this.#isMarked = isEvent;
		this.packets++;
		this.octets += end - RTP_HEADER_OCTETS;
		return out;
	}

	#advance(now: number): void {
		const pause = now - this.#capturedAt;
		this.#capturedAt = now;
		let frames = 1;
		if (pause > PAUSE_MS) {
			frames = Math.round(pause / FRAME_MS);
			this.#isMarked = true;
		}
		this.#timestamp = (this.#timestamp + frames * FRAME_SAMPLES) | 0;
	}
}
