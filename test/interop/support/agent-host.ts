/** A device's user agent on a UDP socket of this machine, with an RTP socket that sends back whatever it hears. */
import { createSocket, type Socket } from "node:dgram";
import { SrtpReceiver, SrtpScratch, SrtpSender, TAG_OCTETS } from "../../../core/media/srtp.ts";
import { UserAgent } from "../../../core/sip/agent/agent.ts";
import type { LocalMedia, SessionMedia } from "../../../core/sip/agent/offer-answer.ts";
import type { AgentEvent, AgentOptions } from "../../../core/sip/agent/types.ts";
import { nodeCrypto } from "../../../hal/node/crypto.ts";
import { nodeMediaCrypto } from "../../../hal/node/media-crypto.ts";
import { waitFor } from "./wait.ts";

const FLOW = 1;
const HEAD_OCTETS = 12;
const SILENCE_OCTETS = 160;
const SSRC = 0x52696e67;

export class AgentHost {
	readonly agent: UserAgent;
	readonly events: AgentEvent[] = [];
	/** RTP packets heard since the start; in a secured session those whose tag is right. */
	heard = 0;
	/** Packets of a secured session whose tag is wrong. */
	unheard = 0;
	readonly #sip: Socket;
	readonly #rtp: Socket;
	readonly #address: string;
	/** What to do with each event as it comes. */
	onEvent: (event: AgentEvent) => void = () => undefined;
	#timer: NodeJS.Timeout | undefined;
	#media: SessionMedia | undefined;
	#receiver: SrtpReceiver | undefined;
	#talk: NodeJS.Timeout | undefined;

	private constructor(sip: Socket, rtp: Socket, address: string, options: Partial<AgentOptions>) {
		this.#sip = sip;
		this.#rtp = rtp;
		this.#address = address;
		this.agent = new UserAgent({ crypto: nodeCrypto(), aor: "sip:door@home.example", software: "Ringlet", ...options });
		this.agent.addFlow({ flow: FLOW, transport: "udp", localAddress: address, localPort: sip.address().port });
		sip.on("message", (octets, from) => {
			const { address: place, port } = from;
			this.do((agent, now) => agent.handle({ type: "datagram", flow: FLOW, octets, address: place, port }, now));
		});
		rtp.on("message", (packet) => this.#hear(packet));
	}

	static async start(address: string, options: Partial<AgentOptions> = {}): Promise<AgentHost> {
		const [sip, rtp] = await Promise.all([bound(address), bound(address)]);
		return new AgentHost(sip, rtp, address, options);
	}

	/** host:port of its SIP. */
	get place(): string {
		return `${this.#address}:${this.#sip.address().port}`;
	}

	get media(): LocalMedia {
		return { address: this.#address, port: this.#rtp.address().port };
	}

	/** A command, and what comes of it. */
	do<T>(run: (agent: UserAgent, now: number) => T): T {
		const result = run(this.agent, performance.now());
		for (let output = this.agent.poll(); output !== undefined; output = this.agent.poll()) {
			if (output.type === "transmit") {
				const octets = Buffer.concat([Buffer.from(output.head, "latin1"), output.body]);
				this.#sip.send(octets, output.port, output.address);
			} else if (output.type !== "close") this.#tell(output);
		}
		clearTimeout(this.#timer);
		const at = this.agent.deadline();
		if (at !== Number.POSITIVE_INFINITY) {
			const ms = Math.max(1, at - performance.now());
			this.#timer = setTimeout(() => this.do((agent, now) => agent.handle({ type: "timeout" }, now)), ms);
		}
		return result;
	}

	#tell(event: AgentEvent): void {
		this.events.push(event);
		if ("media" in event) this.#talkTo(event.media);
		if (event.type === "ended") this.#talkTo(undefined);
		// Commands are for when the outputs have been drained.
		queueMicrotask(() => this.onEvent(event));
	}

	#hear(packet: Uint8Array): void {
		const sequence = packet[2]! * 256 + packet[3]!;
		const ssrc = Buffer.from(packet.buffer, packet.byteOffset).readUInt32BE(8);
		if (this.#receiver === undefined || this.#receiver.open(packet, HEAD_OCTETS, sequence, ssrc) >= 0) this.heard++;
		else this.unheard++;
	}

	/** Sends silence, 50 packets a second. */
	#talkTo(media: SessionMedia | undefined): void {
		this.#media = media;
		clearInterval(this.#talk);
		if (media === undefined) return;
		let sequence = 0;
		const { sendKey, receiveKey } = media;
		const crypto = nodeMediaCrypto();
		const sender = sendKey && new SrtpSender(crypto, sendKey, new SrtpScratch());
		this.#receiver = receiveKey && new SrtpReceiver(crypto, receiveKey, new SrtpScratch());
		this.#talk = setInterval(() => {
			if (this.#media === undefined || this.#media.direction === "recvonly" || this.#media.direction === "inactive")
				return;
			const packet = Buffer.alloc(HEAD_OCTETS + SILENCE_OCTETS + TAG_OCTETS, 0xff);
			const head = packet.subarray(0, HEAD_OCTETS).fill(0);
			head[0] = 0x80;
			head[1] = this.#media.codec;
			head.writeUInt16BE(sequence & 0xffff, 2);
			head.writeUInt32BE((sequence * 160) >>> 0, 4);
			head.writeUInt32BE(SSRC, 8);
			const plain = HEAD_OCTETS + SILENCE_OCTETS;
			const end = sender === undefined ? plain : sender.seal(packet, HEAD_OCTETS, plain, sequence & 0xffff, SSRC);
			sequence++;
			this.#rtp.send(packet.subarray(0, end), this.#media.port, this.#media.address);
		}, 20);
	}

	/** Waits for an event of this type at or after `from`. */
	async event<T extends AgentEvent["type"]>(
		type: T,
		from: number,
		withinMs = 10_000,
	): Promise<Extract<AgentEvent, { type: T }>> {
		let found: Extract<AgentEvent, { type: T }> | undefined;
		const look = (): boolean => {
			const all = this.events.slice(from);
			found = all.find((event): event is Extract<AgentEvent, { type: T }> => event.type === type);
			return found !== undefined;
		};
		try {
			await waitFor(`the agent: ${type}`, withinMs, look);
		} catch (error) {
			throw new Error(`${String(error)}; it saw ${JSON.stringify(this.events.slice(from))}`);
		}
		return found!;
	}

	get mark(): number {
		return this.events.length;
	}

	/** Calls the far end at host:port. */
	call(user: string, place: string): number {
		const call = this.do((agent, now) =>
			agent.invite({ flow: FLOW, uri: `sip:${user}@${place}`, media: this.media }, now),
		);
		if (call === undefined) throw new Error("no call");
		return call;
	}

	close(): void {
		clearTimeout(this.#timer);
		clearInterval(this.#talk);
		this.#sip.close();
		this.#rtp.close();
	}
}

function bound(address: string): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const socket = createSocket("udp4");
		socket.once("error", reject);
		socket.bind(0, address, () => resolve(socket));
	});
}
