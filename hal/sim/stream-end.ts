/** One end of a simulated TCP connection: what was written, on its way, in order. Owned by `SimStream`. */
import { RETRANSMIT_MOST_MS, RETRANSMIT_MS, STREAM_TIMEOUT_MS } from "./limits.ts";
import type { SimMachine } from "./network.ts";

/** What the owner of an end wants to know. */
export interface EndOwner {
	readable(count: number): void;
	sent(buffered: number): void;
	ended(reason: string): void;
}

/** Octets on their way; none = the FIN. */
interface Piece {
	readonly bytes: Uint8Array | undefined;
	readonly arrivesAt: number;
}

export class StreamEnd {
	readonly machine: SimMachine;
	/** Certificates of the other end. */
	readonly chain: readonly Uint8Array[];
	readonly address: string;
	readonly port: number;
	readonly serverName: string;
	far: StreamEnd | undefined;
	owner: EndOwner | undefined;
	/** No more callbacks: closed by the owner, or ended. */
	over = false;
	/** Why, when it ended by itself. */
	reason = "";
	readonly received: Uint8Array[] = [];
	receivedOctets = 0;
	unsent = 0;
	readonly #life: number;
	readonly #out: Piece[] = [];
	/** When the line is free again, and when the last piece arrives: pieces never overtake each other. */
	#lineFreeAt = 0;
	#lastArrival = 0;
	#waitMs = RETRANSMIT_MS;
	#stuckSince = -1;

	constructor(machine: SimMachine, chain: readonly Uint8Array[], address: string, port: number, serverName: string) {
		this.machine = machine;
		this.chain = chain;
		this.address = address;
		this.port = port;
		this.serverName = serverName;
		this.#life = machine.life;
		machine.streams.add(this);
	}

	/** Its process still runs. */
	get lives(): boolean {
		return this.machine.life === this.#life && this.machine.powered;
	}

	write(bytes: Uint8Array): void {
		this.unsent += bytes.length;
		this.#put(bytes);
	}

	#put(bytes: Uint8Array | undefined): void {
		const { far } = this;
		if (far === undefined) return;
		const { network } = this.machine;
		const octets = bytes?.length ?? 0;
		const { bandwidth } = network.pathOf(this.machine, far.machine);
		const start = Math.max(this.#lineFreeAt, network.time.now);
		this.#lineFreeAt = start + (octets * 1000) / bandwidth;
		const way = network.delay(this.machine, far.machine) + network.lossDelay(this.machine, far.machine, octets);
		const arrivesAt = Math.max(this.#lineFreeAt + way, this.#lastArrival);
		this.#lastArrival = arrivesAt;
		this.#out.push({ bytes, arrivesAt });
		if (this.#out.length === 1) network.time.at(arrivesAt, this.#arrive);
	}

	/** The first piece on its way has arrived, or finds that there is no way. */
	readonly #arrive = (): void => {
		const { far } = this;
		const [piece] = this.#out;
		if (piece === undefined || far === undefined || !this.lives) return;
		const { network } = this.machine;
		const { time } = network;
		if (!network.isReachable(this.machine, far.machine)) {
			if (this.#stuckSince < 0) this.#stuckSince = time.now;
			if (time.now - this.#stuckSince >= STREAM_TIMEOUT_MS) this.end("no answer for too long");
			else time.after(this.#waitMs, this.#arrive);
			this.#waitMs = Math.min(2 * this.#waitMs, RETRANSMIT_MOST_MS);
			return;
		}
		this.#stuckSince = -1;
		this.#waitMs = RETRANSMIT_MS;
		this.#out.shift();
		const next = this.#out[0];
		if (next !== undefined) time.at(next.arrivesAt, this.#arrive);
		if (!far.lives) {
			// The machine is up, the process that had the stream is not: its system answers with a reset.
			time.after(network.delay(far.machine, this.machine), () => this.end("reset"));
			return;
		}
		this.#deliver(piece.bytes, far);
	};

	#deliver(bytes: Uint8Array | undefined, far: StreamEnd): void {
		if (bytes === undefined) {
			far.end("the other side closed the connection");
			return;
		}
		this.unsent -= bytes.length;
		if (!far.over) {
			far.received.push(bytes);
			far.receivedOctets += bytes.length;
			far.owner?.readable(far.receivedOctets);
		}
		if (!this.over) this.owner?.sent(this.unsent);
	}

	/** Closed by the owner: what was written still goes, then the FIN. */
	close(): void {
		if (this.over) return;
		this.over = true;
		this.machine.streams.delete(this);
		this.#put(undefined);
	}

	/** The process ends: what is on its way is lost, the other side is told if it can be reached. */
	reset(): void {
		this.over = true;
		this.#out.length = 0;
		const { far } = this;
		const { network } = this.machine;
		if (far === undefined || !network.isReachable(this.machine, far.machine)) return;
		network.time.after(network.delay(this.machine, far.machine), () => far.end("reset"));
	}

	/** Power is gone: nobody is told. */
	vanish(): void {
		this.over = true;
		this.#out.length = 0;
	}

	/** The connection is over; the owner hears it once. */
	end(reason: string): void {
		if (this.over || !this.lives) return;
		this.over = true;
		this.reason = reason;
		this.machine.streams.delete(this);
		this.#out.length = 0;
		this.owner?.ended(reason);
	}
}
