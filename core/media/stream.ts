/**
 * One call's audio: microphone frames to packets, packets to loudspeaker frames, telephone events both ways, RTCP. No timers, no sockets:
 * the owner brings datagrams and frames with the time, and sends what it is given. Nothing is allocated for a packet or a frame.
 *
 *   receive --> place, payload type --> [SRTP] --> SSRC, sequence --> jitter buffer --> playout --> loudspeaker
 *                                                               \--> telephone events --> pollEvent
 *   microphone --> capture --> mute, tone --> events or G.711 --> [SRTP] --> packet
 */
import type { MediaCrypto } from "../../hal/hal.ts";
import { PCMA, PCMU } from "./g711.ts";
import { LevelMeter } from "./level.ts";
import { MAX_EVENTS, SILENT_MS } from "./limits.ts";
import { MAX_RTCP_OCTETS, Rtcp } from "./rtcp.ts";
import { SRTCP_OCTETS, SrtpScratch } from "./srtp.ts";
import type { AudioStreamOptions, MediaEvent, StreamMedia, StreamStats } from "./stream-types.ts";
import { EventNews, eventCode, eventDigit } from "./telephone-events.ts";
import { type ToneName, TonePlayer } from "./tones.ts";
import { News, VoiceReceiver } from "./voice-receiver.ts";
import { VoiceSender } from "./voice-sender.ts";

export type { AudioStreamOptions, MediaDirection, MediaEvent, StreamMedia, StreamStats } from "./stream-types.ts";
export type { ToneName } from "./tones.ts";

export class AudioStream {
	readonly #crypto: MediaCrypto;
	readonly #scratch = new SrtpScratch();
	readonly #sender: VoiceSender;
	readonly #receiver: VoiceReceiver;
	readonly #rtcp: Rtcp;
	readonly #near = new TonePlayer();
	readonly #far = new TonePlayer();
	readonly #input = new LevelMeter();
	readonly #output = new LevelMeter();
	readonly #events: MediaEvent[] = [];
	#media: StreamMedia | undefined;
	#isMuted = false;
	#isSilent = false;
	#lostEvents = 0;

	constructor(options: AudioStreamOptions) {
		this.#crypto = options.crypto;
		this.#sender = new VoiceSender(options.random(10));
		this.#rtcp = new Rtcp(this.#sender.ssrc, options.cname, options.now);
		this.#receiver = new VoiceReceiver(this.#rtcp, options.now);
	}

	/** What was agreed, at the first answer and again later. Keys that stay the same keep their counters. */
	configure(media: StreamMedia, now: number): void {
		const before = this.#media;
		this.#media = media;
		this.#sender.payloadType = media.payloadType === PCMA ? PCMA : PCMU;
		this.#sender.telephoneEvent = media.telephoneEvent;
		if (before === undefined || !isSameKey(before.sendKey, media.sendKey))
			this.#sender.secure(this.#crypto, media.sendKey, this.#scratch);
		if (before === undefined || !isSameKey(before.receiveKey, media.receiveKey))
			this.#receiver.secure(this.#crypto, media.receiveKey, this.#scratch);
		this.#receiver.agree(media, now);
		if (media.telephoneEvent < 0) this.#sender.events.clear();
	}

	/** Where packets go; "" before the first `configure`. */
	get remoteAddress(): string {
		return this.#receiver.address;
	}

	get remotePort(): number {
		return this.#receiver.port;
	}

	/** 0: no RTCP. */
	get remoteRtcpPort(): number {
		const media = this.#media;
		if (media === undefined || media.rtcpPort === 0) return 0;
		return media.rtcpPort === media.port ? this.#receiver.port : media.rtcpPort;
	}

	/** Takes a datagram of the RTP socket; ciphered ones are deciphered in place. Hostile ones are counted and cost little. */
	receive(bytes: Uint8Array, address: string, port: number, now: number): void {
		if (this.#media === undefined) return;
		switch (this.#receiver.receive(bytes, address, port, now)) {
			case News.none:
				return;
			case News.heard:
				this.#isSilent = false;
				return;
			case News.first:
				this.#isSilent = false;
				this.#tell({ type: "heard" });
				break;
			case News.event:
				this.#isSilent = false;
				this.#tellEvent(this.#receiver.eventNews);
				break;
			default:
				this.#tell({ type: "bye" });
		}
		this.#tellLatch();
	}

	/**
	 * A frame of 160 samples of the microphone (it may be changed): the packet to send at once, or `undefined` when nothing is to be sent.
	 * The packet's buffer is used again for the next one.
	 */
	capture(frame: Int16Array, now: number): Uint8Array | undefined {
		this.#tellLatch();
		const media = this.#media;
		this.#input.note(frame);
		if (media === undefined || media.port === 0 || media.direction === "recvonly" || media.direction === "inactive") {
			this.#sender.skip(now);
			return undefined;
		}
		// Silence is sent too: it keeps the path open, and the other end knows that we live.
		if (this.#isMuted) frame.fill(0);
		if (this.#far.isPlaying) this.#far.mixInto(frame);
		return this.#sender.packet(frame, now);
	}

	/** Fills a frame of 160 samples for the loudspeaker; `now` is when it begins to be heard. */
	playout(frame: Int16Array, now: number): void {
		this.#receiver.playout(frame, now);
		if (this.#near.isPlaying) this.#near.mixInto(frame);
		this.#output.note(frame);
		if (this.#receiver.events.expire(now)) this.#tellEvent(EventNews.ended);
		const since = now - this.#receiver.heardAt;
		if (since < SILENT_MS || this.#isSilent || !this.#isExpecting) return;
		this.#isSilent = true;
		this.#tell({ type: "silent", forMs: since });
	}

	/** False on hold: nothing that does not come is missed. */
	get #isExpecting(): boolean {
		const direction = this.#media?.direction;
		return direction === "sendrecv" || direction === "recvonly";
	}

	/** While muted, silence is sent in the microphone's place; tones to the far end are still heard there. */
	setMuted(isMuted: boolean): void {
		this.#isMuted = isMuted;
	}

	get isMuted(): boolean {
		return this.#isMuted;
	}

	/** Plays a tone at our loudspeaker, at the other end's, or at both. */
	playTone(tone: ToneName, to: "near" | "far" | "both"): void {
		if (to !== "far") this.#near.play(tone);
		if (to !== "near") this.#far.play(tone);
	}

	stopTone(): void {
		this.#near.stop();
		this.#far.stop();
	}

	get isTonePlaying(): boolean {
		return this.#near.isPlaying || this.#far.isPlaying;
	}

	/** Sends a digit as a telephone event. False: it is none, the queue is full, or the other end takes no events. */
	sendDigit(digit: string): boolean {
		const code = eventCode(digit);
		return code >= 0 && this.#sender.telephoneEvent >= 0 && this.#sender.events.add(code);
	}

	/** The next event, `undefined` when there is none. */
	pollEvent(): MediaEvent | undefined {
		return this.#events.length === 0 ? undefined : this.#events.shift();
	}

	/** When `pollRtcp` is due. */
	deadline(): number {
		return this.remoteRtcpPort === 0 ? Infinity : this.#rtcp.dueAt;
	}

	/** The report that is due, for `remoteAddress` and `remoteRtcpPort`. */
	pollRtcp(now: number): Uint8Array | undefined {
		if (now < this.deadline()) return undefined;
		this.#rtcp.reported(now);
		return this.#report(false, now);
	}

	/** The last report with BYE; `undefined` when RTCP is not used. */
	bye(now: number): Uint8Array | undefined {
		return this.remoteRtcpPort === 0 ? undefined : this.#report(true, now);
	}

	#report(isLast: boolean, now: number): Uint8Array | undefined {
		const { packets, octets, ssrc, srtp } = this.#sender;
		const sent = { packets, octets, timestamp: this.#sender.timestampAt(now) };
		const out = new Uint8Array(MAX_RTCP_OCTETS + SRTCP_OCTETS);
		const received = this.#receiver.ssrc < 0 ? undefined : this.#receiver.reception;
		const end = this.#rtcp.write(out, sent, received, this.#receiver.ssrc, isLast, now);
		const sealed = srtp === undefined ? end : srtp.sealControl(out, end);
		return sealed === 0 || ssrc < 0 ? undefined : out.subarray(0, sealed);
	}

	/** Of the last frames, 0..100. */
	get inputLevel(): number {
		return this.#input.level;
	}

	get outputLevel(): number {
		return this.#output.level;
	}

	/** Figures so far. */
	stats(): StreamStats {
		const { reception, buffer, late, duplicates, refused, ssrc } = this.#receiver;
		return {
			sentPackets: this.#sender.packets,
			receivedPackets: reception.received,
			lostPackets: ssrc < 0 ? 0 : Math.max(0, reception.lost),
			latePackets: late,
			duplicatePackets: duplicates,
			concealedMs: buffer.concealed / 8,
			jitterMs: reception.jitter / 8,
			delayMs: buffer.delayMs,
			rttMs: this.#rtcp.rttMs,
			remoteLoss: this.#rtcp.remoteFraction < 0 ? -1 : this.#rtcp.remoteFraction / 256,
			lostEvents: this.#lostEvents,
			refused: { ...refused },
		};
	}

	#tell(event: MediaEvent): void {
		if (this.#events.length < MAX_EVENTS) this.#events.push(event);
		else this.#lostEvents++;
	}

	#tellEvent(news: number): void {
		const { code, duration } = this.#receiver.events;
		const digit = eventDigit(code);
		if (digit === "") return;
		if (news === EventNews.began || news === EventNews.beganAndEnded) this.#tell({ type: "digit", digit });
		if (news === EventNews.ended || news === EventNews.beganAndEnded)
			this.#tell({ type: "digitEnd", digit, durationMs: duration / 8 });
	}

	#tellLatch(): void {
		if (!this.#receiver.takeLatched()) return;
		this.#tell({ type: "latched", address: this.#receiver.address, port: this.#receiver.port });
	}
}

function isSameKey(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
	if (a === undefined || b === undefined) return a === b;
	for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
	return a.length === b.length;
}
