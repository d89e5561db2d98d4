/**
 * A network of machines: who can reach whom, how long octets take, what a cut, a power loss and the end of a process look like from
 * outside. Streams are TCP's: in order, never lost while both ends live; a lost segment is a delay.
 *
 *   machine A --[ bandwidth | latency + jitter | loss = delay ]--> machine B        (each direction of each pair by itself)
 */
import { RETRANSMIT_MOST_MS, RETRANSMIT_MS, SEGMENT_OCTETS } from "./limits.ts";
import type { SeededRandom } from "./random.ts";
import type { SimListener } from "./stream.ts";
import type { VirtualTime } from "./time.ts";

/** What lies between two machines. */
export interface PathOptions {
	/** One way, milliseconds. */
	readonly latencyMs: number;
	/** Up to so much is added, differently for every piece, milliseconds. */
	readonly jitterMs: number;
	/** Octets per second and direction; Infinity = no limit. */
	readonly bandwidth: number;
	/** Share of segments that are lost and sent again. */
	readonly loss: number;
}

/** A switched home network. */
export const LAN: PathOptions = Object.freeze({ latencyMs: 1, jitterMs: 1, bandwidth: 12_500_000, loss: 0 });

export class SimNetwork {
	readonly time: VirtualTime;
	readonly random: SeededRandom;
	/** Between machines for which `setPath` said nothing else. May be changed at any time. */
	path: PathOptions;
	readonly #machines = new Map<string, SimMachine>();
	readonly #paths = new Map<string, PathOptions>();
	readonly #cuts = new Set<string>();

	constructor(time: VirtualTime, random: SeededRandom, path: PathOptions = LAN) {
		this.time = time;
		this.random = random;
		this.path = path;
	}

	/** A new machine with this address. */
	machine(address: string): SimMachine {
		if (this.#machines.has(address)) throw new Error(`two machines with the address ${address}`);
		const machine = new SimMachine(this, address);
		this.#machines.set(address, machine);
		return machine;
	}

	find(address: string): SimMachine | undefined {
		return this.#machines.get(address);
	}

	setPath(a: SimMachine, b: SimMachine, path: PathOptions): void {
		this.#paths.set(pair(a, b), path);
	}

	pathOf(a: SimMachine, b: SimMachine): PathOptions {
		return this.#paths.size === 0 ? this.path : (this.#paths.get(pair(a, b)) ?? this.path);
	}

	/** Nothing passes between these two until it is mended; neither is told. */
	cut(a: SimMachine, b: SimMachine): void {
		this.#cuts.add(pair(a, b));
	}

	mend(a: SimMachine, b: SimMachine): void {
		this.#cuts.delete(pair(a, b));
	}

	/** Machines of different groups hear no more of each other; who is in no group, of nobody. */
	partition(groups: readonly (readonly SimMachine[])[]): void {
		for (const machine of this.#machines.values()) machine.group = -1 - machine.index;
		for (let i = 0; i < groups.length; i++) for (const machine of groups[i]!) machine.group = i;
	}

	/** All groups are one again. Single cuts stay. */
	heal(): void {
		for (const machine of this.#machines.values()) machine.group = 0;
	}

	/** True when packets pass between them now. */
	isReachable(a: SimMachine, b: SimMachine): boolean {
		if (!a.powered || !b.powered || a.group !== b.group) return false;
		return this.#cuts.size === 0 || !this.#cuts.has(pair(a, b));
	}

	/** One way for one packet, milliseconds. */
	delay(a: SimMachine, b: SimMachine): number {
		const { latencyMs, jitterMs } = this.pathOf(a, b);
		return jitterMs > 0 ? latencyMs + this.random.next() * jitterMs : latencyMs;
	}

	/** What the loss of segments adds to the way of so many octets, milliseconds. */
	lossDelay(a: SimMachine, b: SimMachine, octets: number): number {
		const { loss } = this.pathOf(a, b);
		if (loss <= 0) return 0;
		let worst = 0;
		for (let segment = 0; segment * SEGMENT_OCTETS < octets; segment++) {
			let delay = 0;
			for (let wait = RETRANSMIT_MS; this.random.next() < loss; wait = Math.min(2 * wait, RETRANSMIT_MOST_MS)) {
				delay += wait;
			}
			if (delay > worst) worst = delay;
		}
		return worst;
	}

	get machineCount(): number {
		return this.#machines.size;
	}
}

/** Whoever has a port for datagrams. */
export interface SimDatagramReceiver {
	receive(bytes: Uint8Array, address: string, port: number): void;
}

export class SimMachine {
	readonly network: SimNetwork;
	readonly address: string;
	readonly index: number;
	group = 0;
	powered = true;
	/** Counts the lives of its process: streams of an earlier one are unknown to a later one. */
	life = 0;
	/** By port. */
	readonly listeners = new Map<number, SimListener>();
	/** Sockets for datagrams, by port. */
	readonly datagrams = new Map<number, SimDatagramReceiver>();
	/** Ends the streams of this life: what the operating system does with the sockets of a process that ends. */
	readonly streams = new Set<{ reset(): void; vanish(): void }>();
	#nextPort = 49_152;

	constructor(network: SimNetwork, address: string) {
		this.network = network;
		this.address = address;
		this.index = network.machineCount;
	}

	/** A port of an outgoing connection. */
	ephemeralPort(): number {
		const port = this.#nextPort;
		this.#nextPort = port >= 65_535 ? 49_152 : port + 1;
		return port;
	}

	/** The process ends, however: its listeners close and the other ends of its streams see a reset. */
	kill(): void {
		for (const stream of [...this.streams]) stream.reset();
		this.#forget();
	}

	/** The machine loses power: nobody is told anything. */
	powerOff(): void {
		for (const stream of [...this.streams]) stream.vanish();
		this.#forget();
		this.powered = false;
	}

	/** Power is back; whoever still sends to a stream of the former life gets a reset. */
	powerOn(): void {
		this.powered = true;
	}

	#forget(): void {
		this.life++;
		this.streams.clear();
		this.listeners.clear();
		this.datagrams.clear();
	}
}

function pair(a: SimMachine, b: SimMachine): string {
	return a.index < b.index ? `${a.index} ${b.index}` : `${b.index} ${a.index}`;
}
