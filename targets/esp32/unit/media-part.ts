/** Audio as a device has it: one UDP socket per call, one stream that is heard, tones without a call. Binds core/media to the device. */
import type { DoorTone } from "../../../core/device/types.ts";
import { AudioStream } from "../../../core/media/stream.ts";
import { type ToneName, TonePlayer } from "../../../core/media/tones.ts";
import { type LocalMedia, PCMA, PCMU, type SessionMedia } from "../../../core/sip/agent/offer-answer.ts";
import type { AudioUser, DatagramSocket } from "../../../hal/device.ts";
import { BUSY_MS, MAX_UNIT_CALLS } from "./limits.ts";
import type { UnitContext, UnitPart } from "./types.ts";

/** Told within `drain`, or from the callback of a datagram or a frame. */
export interface MediaListener {
	digitHeard(call: number, digit: string): void;
}

interface MediaCall {
	readonly call: number;
	readonly socket: DatagramSocket;
	/** From the first answer on. */
	stream: AudioStream | undefined;
}

/** The doorbell's words for what core/media plays. */
const TONES: Readonly<Record<DoorTone, ToneName | "">> = Object.freeze({
	ringback: "ringback",
	incoming: "ringback",
	privacy: "privacy",
	warning: "warning",
	opened: "privacy",
	refused: "warning",
	busy: "busy",
	none: "",
});

/** Tones that the other end is to hear, too. */
function isForBoth(name: DoorTone): boolean {
	return name === "warning" || name === "opened" || name === "refused" || name === "privacy";
}

export class MediaPart implements UnitPart, AudioUser {
	readonly #context: UnitContext;
	readonly #listener: MediaListener;
	readonly #cname: string;
	readonly #tones = new TonePlayer();
	#calls: MediaCall[] = [];
	/** The call that is heard. */
	#heard: MediaCall | undefined;
	#isMuted = true;
	#isAudioOn = false;
	#toneEndsAt = Infinity;

	constructor(context: UnitContext, listener: MediaListener, cname: string) {
		this.#context = context;
		this.#listener = listener;
		this.#cname = cname;
	}

	/** A socket for a call, and what its offer or answer says. Undefined: no network, no port, or too many calls. */
	open(call: number): LocalMedia | undefined {
		const { hal } = this.#context;
		const address = hal.network.address;
		if (address === undefined) return undefined;
		let open = this.#find(call);
		if (open === undefined) {
			if (this.#calls.length >= MAX_UNIT_CALLS) return undefined;
			const socket = hal.openDatagrams(0, (bytes, from, port) => this.#datagram(call, bytes, from, port));
			if (socket === undefined) return undefined;
			open = { call, socket, stream: undefined };
			this.#calls.push(open);
		}
		return { address, port: open.socket.port, srtp: "optional" };
	}

	/** What both ends agreed on; the call is heard from now on. */
	configure(call: number, media: SessionMedia, now: number): void {
		const open = this.#find(call);
		if (open === undefined) return;
		const { crypto } = this.#context.hal;
		open.stream ??= new AudioStream({ crypto, random: (count) => crypto.random(count), cname: this.#cname, now });
		const { address, port, rtcpPort, direction, sendKey, receiveKey } = media;
		const payloadType = media.codec === PCMA ? PCMA : PCMU;
		const telephoneEvent = media.telephoneEventIn >= 0 ? media.telephoneEventIn : media.telephoneEvent;
		const keys = sendKey === undefined || receiveKey === undefined ? {} : { sendKey, receiveKey };
		open.stream.configure({ address, port, rtcpPort, direction, payloadType, telephoneEvent, ...keys }, now);
		open.stream.setMuted(this.#isMuted);
		this.#heard = open;
		this.#audio();
	}

	close(call: number, now: number): void {
		const open = this.#find(call);
		if (open === undefined) return;
		this.#calls = this.#calls.filter((other) => other !== open);
		const { stream, socket } = open;
		const bye = stream?.bye(now);
		if (stream !== undefined && bye !== undefined) sendTo(socket, bye, stream.remoteAddress, stream.remoteRtcpPort);
		socket.close();
		if (this.#heard === open) this.#heard = undefined;
		this.#audio();
	}

	tone(name: DoorTone, now: number): void {
		const tone = TONES[name];
		const stream = this.#heard?.stream;
		this.#toneEndsAt = tone === "busy" ? now + BUSY_MS : Infinity;
		if (tone === "") {
			this.#tones.stop();
			stream?.stopTone();
		} else if (stream !== undefined) stream.playTone(tone, isForBoth(name) ? "both" : "near");
		else this.#tones.play(tone);
		this.#audio();
	}

	setMuted(isMuted: boolean): void {
		this.#isMuted = isMuted;
		for (const { stream } of this.#calls) stream?.setMuted(isMuted);
	}

	setVolume(volume: number): void {
		this.#context.hal.audio?.setVolume(volume);
	}

	/** Microphone and loudspeaker run while somebody is to be heard. */
	#audio(): void {
		const { audio } = this.#context.hal;
		const isWanted = this.#heard !== undefined || this.#tones.isPlaying;
		if (audio === undefined || isWanted === this.#isAudioOn) return;
		if (isWanted) this.#isAudioOn = audio.start(this);
		else {
			this.#isAudioOn = false;
			audio.stop();
		}
	}

	onCapture(frame: Int16Array): void {
		const open = this.#heard;
		const packet = open?.stream?.capture(frame, this.#context.now());
		if (open?.stream === undefined || packet === undefined) return;
		sendTo(open.socket, packet, open.stream.remoteAddress, open.stream.remotePort);
	}

	onPlayout(frame: Int16Array): void {
		const open = this.#heard;
		if (open?.stream !== undefined) {
			open.stream.playout(frame, this.#context.now());
			if (this.#tones.isPlaying) this.#tones.mixInto(frame);
			this.#events(open);
		} else if (this.#tones.isPlaying) this.#tones.fillInto(frame);
		else {
			frame.fill(0);
			this.#audio();
		}
	}

	#datagram(call: number, bytes: Uint8Array, address: string, port: number): void {
		const open = this.#find(call);
		if (open?.stream === undefined) return;
		open.stream.receive(bytes, address, port, this.#context.now());
		this.#events(open);
	}

	#events(open: MediaCall): void {
		for (let event = open.stream?.pollEvent(); event !== undefined; event = open.stream?.pollEvent()) {
			if (event.type === "digit") this.#listener.digitHeard(open.call, event.digit);
		}
	}

	#find(call: number): MediaCall | undefined {
		for (const open of this.#calls) if (open.call === call) return open;
		return undefined;
	}

	drain(_now: number): boolean {
		return false;
	}

	deadline(): number {
		return Math.min(this.#toneEndsAt, this.#heard?.stream?.deadline() ?? Infinity);
	}

	timeout(now: number): void {
		if (this.#toneEndsAt <= now) this.tone("none", now);
		const open = this.#heard;
		if (open?.stream === undefined || open.stream.deadline() > now) return;
		const report = open.stream.pollRtcp(now);
		if (report !== undefined) sendTo(open.socket, report, open.stream.remoteAddress, open.stream.remoteRtcpPort);
	}
}

function sendTo(socket: DatagramSocket, bytes: Uint8Array, address: string | undefined, port: number): void {
	if (address !== undefined && port > 0) socket.send(bytes, address, port);
}
