/**
 * A call in full swing, for measuring: two streams talk to each other, frame by frame. Nothing of Node here, so that the XS engine can run
 * it. Cipher and MAC are stand-ins that allocate nothing (a real platform's are not what is measured).
 */
import { FRAME_MS, FRAME_SAMPLES } from "../../core/media/frame.ts";
import { AudioStream } from "../../core/media/stream.ts";
import type { AesCtr, HmacKey, MediaCrypto } from "../../hal/hal.ts";

class StandInCipher implements AesCtr {
	apply(counter: Uint8Array, data: Uint8Array, from: number, to: number): void {
		for (let i = from; i < to; i++) data[i] = data[i]! ^ counter[i & 15]!;
	}
}

class StandInMac implements HmacKey {
	digestInto(data: Uint8Array, from: number, to: number, out: Uint8Array): void {
		let sum = 1;
		for (let i = from; i < to; i++) sum = (Math.imul(sum, 31) + data[i]!) | 0;
		for (let i = 0; i < 20; i++) out[i] = sum >> (i & 3);
	}
}

/** Stand-ins for what a platform gives. */
export const STAND_IN: MediaCrypto = Object.freeze({
	aesCtr: () => new StandInCipher(),
	hmacKey: () => new StandInMac(),
});

/** Two ends of a call. */
export class MediaRounds {
	readonly #a: AudioStream;
	readonly #b: AudioStream;
	readonly #microphone = new Int16Array(FRAME_SAMPLES);
	readonly #loudspeaker = new Int16Array(FRAME_SAMPLES);
	#now = 0;
	#packets = 0;

	/** `isSecure`: by SRTP with `crypto`. Without RTCP: a report every 5 s is no steady state. */
	constructor(crypto: MediaCrypto, isSecure: boolean) {
		this.#a = newStream(crypto, 1);
		this.#b = newStream(crypto, 2);
		configure(this.#a, "192.0.2.2", isSecure, 3, 4);
		configure(this.#b, "192.0.2.1", isSecure, 4, 3);
	}

	/** Frames both ways: each one captured, sent, received, played at both ends. */
	run(frames: number): void {
		const { microphone, loudspeaker } = this;
		for (let i = 0; i < frames; i++) {
			this.#now += FRAME_MS;
			for (let at = 0; at < FRAME_SAMPLES; at++) microphone[at] = ((at * this.#now) & 0x3fff) - 0x2000;
			this.#exchange(this.#a, this.#b, "192.0.2.1");
			this.#exchange(this.#b, this.#a, "192.0.2.2");
			this.#a.playout(loudspeaker, this.#now);
			this.#b.playout(loudspeaker, this.#now);
		}
	}

	get microphone(): Int16Array {
		return this.#microphone;
	}

	get loudspeaker(): Int16Array {
		return this.#loudspeaker;
	}

	/** Packets that were sent, and those that both ends believed: the same when all is well. */
	get packets(): readonly [sent: number, received: number] {
		return [this.#packets, this.#a.stats().receivedPackets + this.#b.stats().receivedPackets];
	}

	#exchange(from: AudioStream, to: AudioStream, address: string): void {
		const packet = from.capture(this.#microphone, this.#now);
		if (packet === undefined) return;
		this.#packets++;
		to.receive(packet, address, 4_000, this.#now);
		while (to.pollEvent() !== undefined);
	}
}

function newStream(crypto: MediaCrypto, seed: number): AudioStream {
	const random = (count: number) => new Uint8Array(count).fill(seed);
	return new AudioStream({ crypto, random, cname: "bench", now: 0 });
}

function configure(stream: AudioStream, address: string, isSecure: boolean, send: number, receive: number): void {
	const keys = isSecure ? { sendKey: new Uint8Array(30).fill(send), receiveKey: new Uint8Array(30).fill(receive) } : {};
	const media = { address, port: 4_000, rtcpPort: 0, payloadType: 0, telephoneEvent: 101, ...keys };
	stream.configure({ ...media, direction: "sendrecv" }, 0);
}
