/** The two neighbours of the forwarding bench: one sends as fast as the other receives. Runs as a process of its own. */

import { LINK_LIMITS } from "../../core/link/limits.ts";
import { Link } from "../../core/link/link.ts";
import { RFC_PROFILE } from "../../core/overlay/profile.ts";
import { MessageCode } from "../../core/wire/codes.ts";
import { nodeDestination } from "../../core/wire/destination.ts";
import { forwardingHeader, writeForwardingHeader } from "../../core/wire/forwarding.ts";
import { WireWriter } from "../../core/wire/writer.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import type { TlsIdentity } from "../../hal/node/secure.ts";
import { SecureStream } from "../../hal/node/secure-stream.ts";

/** Names the neighbours ask for (SNI), by which a middle without an overlay tells them apart. */
export const SOURCE_NAME = "source.bench.example";
export const SINK_NAME = "sink.bench.example";

interface PlainIdentity {
	readonly chain: Uint8Array[];
	readonly pkcs8: Uint8Array;
	readonly nodeId: Uint8Array;
}

export interface EndsOptions {
	readonly port: number;
	readonly source: PlainIdentity;
	readonly sink: PlainIdentity;
	/** Hash of the overlay's name, for the forwarding header. */
	readonly overlay: number;
	readonly octets: number;
	readonly maxVersion: "TLSv1.2" | "TLSv1.3";
}

/** Messages under way between the two: less than a link queues, so that nothing is ever dropped. */
const WINDOW = 600;
/** Sent at once. */
const BURST = 200;
const LIMITS = { ...LINK_LIMITS, queuedOctets: 4_194_304, unacknowledgedFrames: 65_536 };

/** One neighbour: a stream and a link that drains into it. */
class End {
	readonly link = new Link({ maxMessageSize: 16_384, timers: RFC_PROFILE, now: performance.now(), limits: LIMITS });
	readonly stream: SecureStream;
	readonly connected: Promise<void>;

	constructor(options: EndsOptions, identity: TlsIdentity, serverName: string, onReadable: (end: End) => void) {
		let ready: () => void;
		this.connected = new Promise((resolve) => {
			ready = resolve;
		});
		this.stream = new SecureStream({
			address: "127.0.0.1",
			port: options.port,
			identity,
			serverName,
			maxVersion: options.maxVersion,
			onWritable: () => ready(),
			onSent: (buffered) => this.link.handle({ type: "drained", buffered }, performance.now()),
			onReadable: () => {
				const now = performance.now();
				for (let bytes = this.stream.read(); bytes !== undefined; bytes = this.stream.read()) {
					this.link.handle({ type: "bytes", bytes }, now);
					onReadable(this);
				}
				this.drain();
			},
		});
	}

	drain(): void {
		for (let output = this.link.poll(); output !== undefined; output = this.link.poll()) {
			if (output.type === "transmit") this.stream.write(output.bytes);
		}
	}
}

/** A message of the wanted size from one Node-ID to another; behind the header nobody on the way looks. */
function makeMessage(options: EndsOptions): Uint8Array {
	const writer = new WireWriter();
	const header = forwardingHeader({
		overlay: options.overlay,
		configurationSequence: 1,
		ttl: 20,
		transactionIdHigh: 1,
		transactionIdLow: 2,
		destinationList: [nodeDestination(options.sink.nodeId)],
	});
	writeForwardingHeader(writer, { ...header, length: options.octets });
	// A request: the middle appends the previous hop to its via list.
	writer.u16(MessageCode.pingReq);
	writer.bytes(new Uint8Array(options.octets - writer.length).fill(0x5a));
	return writer.take();
}

class Ends {
	received = 0;
	#sent = 0;
	#stopped = false;
	readonly #message: Uint8Array;
	readonly #source: End;
	readonly #sink: End;

	constructor(options: EndsOptions) {
		const crypto = nodeCrypto();
		const tls = ({ chain, pkcs8 }: PlainIdentity): TlsIdentity => ({ chain, key: crypto.importKey(pkcs8) });
		this.#message = makeMessage(options);
		this.#sink = new End(options, tls(options.sink), SINK_NAME, ({ link }) => {
			while (link.next()) if (link.messageLength >= options.octets) this.received++;
			this.#pump();
		});
		this.#source = new End(options, tls(options.source), SOURCE_NAME, ({ link }) => {
			while (link.next());
		});
	}

	async start(): Promise<void> {
		await Promise.all([this.#source.connected, this.#sink.connected]);
		this.#pump();
	}

	stop(): void {
		this.#stopped = true;
		this.#source.stream.close();
		this.#sink.stream.close();
	}

	#pump(): void {
		if (this.#stopped || this.#sent - this.received > WINDOW - BURST) return;
		const now = performance.now();
		for (let i = 0; i < BURST; i++) if (this.#source.link.sendMessage(this.#message, now)) this.#sent++;
		this.#source.drain();
	}
}

/** Obeys the process in the middle of the bench. */
export function runEnds(): void {
	let ends: Ends | undefined;
	const answer = (value: number): void => {
		process.send?.(value);
	};
	process.on("disconnect", () => process.exit());
	process.on("message", (message: { type: string; options: EndsOptions }) => {
		if (message.type === "start") {
			ends = new Ends(message.options);
			void ends.start().then(() => answer(0));
		} else if (message.type === "count") answer(ends?.received ?? 0);
		else {
			ends?.stop();
			answer(0);
		}
	});
}
