/**
 * One node of a simulated world and its host: a machine, a store, a process that can end in all the ways processes end. What
 * targets/pi does with sockets and promises, this does with virtual streams and no promise.
 */
import type { LocalIdentity } from "../../core/identity/signer.ts";
import { clientRole } from "../../core/overlay/client.ts";
import { OverlayNode } from "../../core/overlay/node.ts";
import type {
	ApplicationListener,
	Endpoint,
	NodeEvent,
	NodeInput,
	NodeOutput,
	RequestResult,
	RoleFactory,
} from "../../core/overlay/node-types.ts";
import { peerRole } from "../../core/overlay/peer.ts";
import { createTopology } from "../../core/overlay/topology/index.ts";
import type { TopologyHost, TopologyPlugin } from "../../core/overlay/topology/plugin.ts";
import { STORAGE_PREFIX } from "../../core/storage/storage.ts";
import { toHex } from "../../core/wire/bytes.ts";
import { ApplicationId } from "../../core/wire/codes.ts";
import type { SimMachine } from "../../hal/sim/network.ts";
import { SimStore } from "../../hal/sim/store.ts";
import { SimListener, SimStream } from "../../hal/sim/stream.ts";
import { countFrames, emptyTraffic, type Traffic } from "./tap.ts";
import type { World } from "./world.ts";

/** RFC 6940 §11.1: the port of bootstrap nodes. */
export const OVERLAY_PORT = 6084;
/** Events kept for tests to look at; the oldest go. */
const EVENTS_KEPT = 1000;

export class Member {
	readonly world: World;
	readonly name: string;
	readonly identity: LocalIdentity;
	readonly machine: SimMachine;
	store: SimStore;
	readonly endpoint: Endpoint;
	readonly role: "peer" | "client";
	/** The node of this life; another one after a restart. */
	node: OverlayNode;
	/** The plug-in of a peer. */
	plugin: TopologyPlugin | undefined;
	running = false;
	readonly events: NodeEvent[] = [];
	readonly results = new Map<number, RequestResult>();
	/** What this node has sent. */
	traffic: Traffic = emptyTraffic();
	readonly #streams = new Map<number, SimStream>();
	readonly #connecting = new Map<number, SimStream>();
	#nextLink = 1;
	#timerAt = Number.POSITIVE_INFINITY;

	constructor(world: World, name: string, role: "peer" | "client", identity: LocalIdentity, machine: SimMachine) {
		this.world = world;
		this.name = name;
		this.role = role;
		this.identity = identity;
		this.machine = machine;
		this.store = new SimStore(machine);
		this.endpoint = { address: machine.address, port: OVERLAY_PORT };
		this.node = this.#makeNode();
	}

	get id(): Uint8Array {
		return this.identity.nodeId;
	}

	/** A peer in the ring, or a client with a peer. */
	get joined(): boolean {
		return this.running && this.node.role.inOverlay;
	}

	#makeNode(): OverlayNode {
		const { household, profile, time, options } = this.world;
		return new OverlayNode({
			identity: this.identity,
			config: household.config,
			configBytes: household.document,
			crypto: this.world.cryptoFor(),
			profile,
			wallMs: time.wallMs(),
			listen: this.role === "peer" ? [this.endpoint] : [],
			role: this.role === "peer" ? this.#peerRole() : clientRole(),
			...(options.sipPort === undefined ? {} : { applications: this.#applications(options.sipPort) }),
			...options.node,
		});
	}

	#applications(port: number): ApplicationListener[] {
		return [{ application: ApplicationId.sip, listen: [{ address: this.machine.address, port }] }];
	}

	#peerRole(): RoleFactory {
		const { config } = this.world.household;
		const topology = (host: TopologyHost): TopologyPlugin => {
			const plugin = createTopology(config.topologyPlugin, host, {
				reactive: config.chordReactive,
				...(config.numberOfPeersToProbe === undefined ? {} : { peersToProbe: config.numberOfPeersToProbe }),
			});
			if (plugin === undefined) throw new Error(`no topology plug-in ${config.topologyPlugin}`);
			this.plugin = plugin;
			return plugin;
		};
		return peerRole({ topology, records: this.store.entries(STORAGE_PREFIX) });
	}

	/** Starts the process: listens, and joins through the bootstrap nodes of the world (or founds). */
	start(first = false, bootstrap: readonly Endpoint[] = this.world.bootstrapFor(this)): void {
		if (this.running) return;
		if (!this.machine.powered) this.machine.powerOn();
		this.running = true;
		const member = this;
		if (this.role === "peer") {
			new SimListener({
				machine: this.machine,
				port: OVERLAY_PORT,
				identity: this.identity,
				onReadable() {
					for (let from = this.read(); from !== undefined; from = this.read()) member.#accept(from);
				},
			});
		}
		this.do((node, now) => node.start({ first, bootstrap }, now));
	}

	/** The process ends without a word: the others see a reset. */
	kill(): void {
		if (!this.running) return;
		this.machine.kill();
		this.#ended("killed");
	}

	/** The machine loses power: the others see nothing. */
	powerOff(): void {
		if (this.running) this.machine.powerOff();
		this.#ended("power off");
	}

	/** Says goodbye; the process ends when that is done. */
	leave(): void {
		this.do((node, now) => node.leave(now));
	}

	#ended(how: string): void {
		this.running = false;
		this.#streams.clear();
		this.#connecting.clear();
		this.world.note(this.name, how);
	}

	/** A new process on the same machine, with what the store has kept. */
	restart(first = false): void {
		if (this.running) this.kill();
		this.store.reopen();
		this.results.clear();
		this.#timerAt = Number.POSITIVE_INFINITY;
		this.node = this.#makeNode();
		this.start(first);
	}

	/** The disk is replaced by an empty one. */
	wipe(): void {
		this.store = new SimStore(this.machine);
	}

	/** Runs a command of the node. */
	do<T>(run: (node: OverlayNode, now: number) => T): T {
		const result = run(this.node, this.world.time.now);
		this.#drain();
		return result;
	}

	/** Runs a command and lets the world go on until its result is there. */
	ask(run: (node: OverlayNode, now: number) => number, withinMs = 120_000): RequestResult {
		const token = this.do(run);
		this.world.until(() => this.results.has(token), withinMs, `a result for ${this.name}`);
		const result = this.results.get(token);
		this.results.delete(token);
		if (result === undefined) throw new Error("no result");
		return result;
	}

	input(input: NodeInput): void {
		if (!this.running) return;
		this.node.handle(input, this.world.time.now);
		this.#drain();
	}

	#drain(): void {
		for (let output = this.node.poll(); output !== undefined; output = this.node.poll()) this.#carryOut(output);
		const at = this.running ? this.node.deadline() : Number.POSITIVE_INFINITY;
		if (at >= this.#timerAt) return;
		this.#timerAt = at;
		const { life } = this.machine;
		this.world.time.at(at, () => {
			if (this.machine.life !== life || this.#timerAt !== at) return;
			this.#timerAt = Number.POSITIVE_INFINITY;
			this.input({ type: "timeout" });
		});
	}

	#carryOut(output: NodeOutput): void {
		switch (output.type) {
			case "transmit":
				this.#transmit(output.link, output.bytes);
				return;
			case "connect":
				this.#connect(output);
				return;
			case "close":
				this.#streams.get(output.link)?.close();
				this.#streams.delete(output.link);
				return;
			case "persist": {
				const { batch } = output;
				this.store.commit(output.change, (error) =>
					this.input({ type: "persisted", batch, ...(error === undefined ? {} : { error }) }),
				);
				return;
			}
			case "result":
				this.results.set(output.token, output.result);
				return;
			case "event":
				this.#event(output.event);
		}
	}

	#event(event: NodeEvent): void {
		this.events.push(event);
		if (this.events.length > EVENTS_KEPT) this.events.shift();
		this.world.note(this.name, event.type);
		if (event.type !== "left") return;
		// The links close by themselves; then the process ends.
		this.world.time.after(100, () => this.kill());
	}

	#transmit(link: number, bytes: Uint8Array): void {
		const stream = this.#streams.get(link);
		if (stream === undefined) return;
		countFrames(bytes, this.traffic);
		this.world.tapped(this, stream, bytes);
		if (stream.write(bytes) >= 0) return;
		stream.close();
		this.#lost(link, "the send buffer is full");
	}

	#connect(output: Extract<NodeOutput, { type: "connect" }>): void {
		const { connect } = output;
		const link = this.#nextLink++;
		const member = this;
		const stream = new SimStream({
			machine: this.machine,
			address: output.address,
			port: output.port,
			identity: this.identity,
			serverName: output.serverName,
			onWritable() {
				member.#connecting.delete(connect);
				member.#streams.set(link, this);
				const { chain, address, port } = this;
				member.input({ type: "linkUp", link, connect, chain, address, port });
			},
			onReadable() {
				member.#read(link, this);
			},
			onSent: (buffered) => this.#sent(link, buffered),
			onError(error) {
				if (member.#connecting.delete(connect)) member.input({ type: "connectFailed", connect, reason: error.message });
				else member.#lost(link, error.message);
			},
		});
		this.#connecting.set(connect, stream);
	}

	#accept(from: NonNullable<ReturnType<SimListener["read"]>>): void {
		const link = this.#nextLink++;
		const member = this;
		const stream = new SimStream({
			from,
			onReadable() {
				member.#read(link, this);
			},
			onSent: (buffered) => this.#sent(link, buffered),
			onError: (error) => this.#lost(link, error.message),
		});
		this.#streams.set(link, stream);
		const { chain, address, port } = stream;
		this.input({ type: "linkUp", link, chain, address, port });
	}

	#sent(link: number, buffered: number): void {
		this.input({ type: "drained", link, buffered });
	}

	#read(link: number, stream: SimStream): void {
		for (let bytes = stream.read(); bytes !== undefined; bytes = stream.read()) {
			this.input({ type: "bytes", link, bytes });
		}
	}

	#lost(link: number, reason: string): void {
		if (this.#streams.delete(link)) this.input({ type: "linkDown", link, reason });
	}

	/** Hex of the Node-ID's first octets, for people. */
	toString(): string {
		return `${this.name}(${toHex(this.id).slice(0, 6)})`;
	}
}
