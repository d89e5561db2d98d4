/** One RTP stream each way (RFC 3550): sends a 440 Hz tone as PCMU every 20 ms, counts what arrives. */
import { createSocket, type Socket } from "node:dgram";
import type { Place } from "./sip-text.ts";

const PACKET_MS = 20;
const SAMPLES = 160;
const PCMU = 0;

export class Tone {
	/** Packets sent, and good PCMU packets of 20 ms received. */
	sent = 0;
	received = 0;
	readonly #socket: Socket;
	#timer: NodeJS.Timeout | undefined;
	#isClosed = false;

	private constructor(socket: Socket) {
		this.#socket = socket;
		socket.on("error", () => undefined);
		socket.on("message", (packet) => {
			const isAudio = packet.length === 12 + SAMPLES && packet[0] === 0x80 && ((packet[1] ?? 0) & 0x7f) === PCMU;
			if (isAudio) this.received++;
		});
	}

	/** Opens a free port on `address`. */
	static async open(address: string): Promise<Tone> {
		const socket = createSocket("udp4");
		await new Promise<void>((resolve, reject) => {
			socket.once("error", reject);
			socket.bind(0, address, resolve);
		});
		return new Tone(socket);
	}

	get place(): Place {
		const { address, port } = this.#socket.address();
		return { address, port };
	}

	/** Sends to `to` from now on. Late timers are made up for: the rate stays that of the clock. */
	play(to: Place): void {
		clearInterval(this.#timer);
		const began = performance.now() - this.sent * PACKET_MS;
		const packet = Buffer.alloc(12 + SAMPLES);
		packet[0] = 0x80;
		packet.writeUInt32BE(0x52_69_6e_67, 8);
		this.#timer = setInterval(() => {
			while (this.sent * PACKET_MS <= performance.now() - began) {
				packet.writeUInt16BE(this.sent & 0xffff, 2);
				packet.writeUInt32BE((this.sent * SAMPLES) >>> 0, 4);
				for (let i = 0; i < SAMPLES; i++)
					packet[12 + i] = toMuLaw(8000 * Math.sin((2 * Math.PI * 440 * (this.sent * SAMPLES + i)) / 8000));
				this.#socket.send(packet, to.port, to.address, () => undefined);
				this.sent++;
			}
		}, PACKET_MS);
	}

	close(): void {
		clearInterval(this.#timer);
		if (!this.#isClosed) this.#socket.close();
		this.#isClosed = true;
	}
}

/** G.711 µ-law of one 16-bit sample. */
function toMuLaw(sample: number): number {
	const sign = sample < 0 ? 0x80 : 0;
	const magnitude = Math.min(Math.abs(Math.round(sample)), 32_635) + 132;
	const exponent = 24 - Math.clz32(magnitude);
	return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff;
}
