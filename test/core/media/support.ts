/** A call's audio in virtual time: two streams, a network between them, and ears. */

import { FRAME_MS, FRAME_SAMPLES } from "../../../core/media/frame.ts";
import { AudioStream, type StreamMedia } from "../../../core/media/stream.ts";
import { nodeMediaCrypto } from "../../../hal/node/media-crypto.ts";

/** A small seeded generator, so that every run is the same. */
export function seeded(seed: number): () => number {
	let state = seed;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
		return (state >>> 0) / 0x100000000;
	};
}

/** Octets 1, 2, 3 ... from a seed. */
export function octets(count: number, seed = 1): Uint8Array {
	const random = seeded(seed);
	return Uint8Array.from({ length: count }, () => Math.floor(random() * 256));
}

export function media(overrides: Partial<StreamMedia> = {}): StreamMedia {
	return {
		address: "192.0.2.2",
		port: 4_000,
		rtcpPort: 4_001,
		direction: "sendrecv",
		payloadType: 0,
		telephoneEvent: 101,
		...overrides,
	};
}

export const KEY_A = octets(30, 11);
export const KEY_B = octets(30, 12);

/** A stream, its first sequence number and so on by seed. */
export function stream(seed = 1, now = 0): AudioStream {
	return new AudioStream({
		crypto: nodeMediaCrypto(),
		random: (count) => octets(count, seed),
		cname: "door@home",
		now,
	});
}

export function frameOf(sampleAt: (i: number) => number): Int16Array {
	return Int16Array.from({ length: FRAME_SAMPLES }, (_, i) => sampleAt(i));
}

/** Energy of a frame. */
export function rms(frame: Int16Array): number {
	let sum = 0;
	for (const sample of frame) sum += sample * sample;
	return Math.sqrt(sum / frame.length);
}

/** One way from a sender to a receiver. */
export interface Network {
	/** Milliseconds a packet takes, -1: lost. */
	delay(packet: number, at: number): number;
	/** How much faster than ours the sender's clock runs, in parts per million. */
	driftPpm?: number;
}

/** Runs a one-way call: `voice` gives each frame sent, `heard` gets each frame played with its time. */
export function oneWay(options: {
	ms: number;
	network: Network;
	voice: (frame: number) => Int16Array;
	heard: (frame: Int16Array, at: number) => void;
	playoutPhaseMs?: number;
	receiver?: AudioStream;
	skip?: (frame: number) => boolean;
}): AudioStream {
	const sender = stream(1);
	const receiver = options.receiver ?? stream(2);
	sender.configure(media(), 0);
	receiver.configure(media({ address: "192.0.2.1", port: 5_000 }), 0);
	const flying: { at: number; bytes: Uint8Array }[] = [];
	const period = FRAME_MS / (1 + (options.network.driftPpm ?? 0) / 1e6);
	let sent = 0;
	const phase = options.playoutPhaseMs ?? 7;
	const frame = new Int16Array(FRAME_SAMPLES);
	for (let tick = 0; tick * FRAME_MS + phase < options.ms; tick++) {
		const now = tick * FRAME_MS + phase;
		// A frame is captured from (sent) * period on, and leaves when it is complete.
		for (; (sent + 1) * period <= now; sent++) {
			const at = (sent + 1) * period;
			if (options.skip?.(sent)) continue;
			const packet = sender.capture(options.voice(sent), at);
			const delay = options.network.delay(sent, at);
			if (packet !== undefined && delay >= 0) flying.push({ at: at + delay, bytes: packet.slice() });
		}
		flying.sort((a, b) => a.at - b.at);
		while (flying.length > 0 && flying[0]!.at <= now) {
			const { at, bytes } = flying.shift()!;
			receiver.receive(bytes, "192.0.2.1", 5_000, at);
		}
		receiver.playout(frame, now);
		options.heard(frame, now);
	}
	return receiver;
}
