/**
 * Several overlay nodes on virtual links in virtual time: no sockets, no TLS, no sleeping. Whoever connects is authenticated by being
 * handed the other's certificates, as TLS would.
 */
import type { OverlayConfig } from "../../../../core/config/document.ts";
import type { LocalIdentity } from "../../../../core/identity/signer.ts";
import { clientRole } from "../../../../core/overlay/client.ts";
import { OverlayNode } from "../../../../core/overlay/node.ts";
import type {
	Endpoint,
	NodeEvent,
	NodeInput,
	NodeOutput,
	OverlayNodeOptions,
	RequestResult,
	RoleFactory,
} from "../../../../core/overlay/node-types.ts";
import { type PeerOptions, peerRole } from "../../../../core/overlay/peer.ts";
import { HOUSE_PROFILE, type TimerProfile } from "../../../../core/overlay/profile.ts";
import { createTopology } from "../../../../core/overlay/topology/index.ts";
import type { TopologyHost, TopologyPlugin } from "../../../../core/overlay/topology/plugin.ts";
import { STORAGE_PREFIX } from "../../../../core/storage/storage.ts";
import { equalBytes } from "../../../../core/wire/bytes.ts";
import { EventQueue } from "../../../../hal/sim/queue.ts";
import { type Enrolled, Household, WALL } from "./household.ts";
import { type StaticRing, StaticTopology } from "./static-topology.ts";

export interface WorldOptions {
	readonly seed?: number;
	readonly latencyMs?: number;
	readonly config?: Partial<OverlayConfig>;
	readonly profile?: TimerProfile;
	/** Real P-256 signatures (slow). */
	readonly real?: boolean;
}

export interface MemberOptions extends Enrolled {
	readonly identity?: LocalIdentity;
	/** "static" (default), or the name of a plug-in. */
	readonly topology?: string;
	readonly options?: Partial<OverlayNodeOptions>;
	readonly peer?: Partial<PeerOptions>;
	/** A certificate chain to show instead of the identity's. */
	readonly shows?: readonly Uint8Array[];
	/** From a former life. */
	readonly disk?: Map<string, unknown>;
}

/** Events at one instant, at most. */
const MOST_AT_ONCE = 20_000;

interface Stream {
	readonly node: Member;
	readonly link: number;
	far: Stream | undefined;
	open: boolean;
}

type Answered = Extract<RequestResult, { ok: true }>;
type AnswerType = Answered["body"]["type"];
type Result<T extends AnswerType> = Answered & { readonly body: Extract<Answered["body"], { type: T }> };

/** One node with its host. */
export class Member {
	readonly world: World;
	readonly name: string;
	readonly identity: LocalIdentity;
	readonly endpoint: Endpoint;
	readonly node: OverlayNode;
	readonly events: NodeEvent[] = [];
	readonly results = new Map<number, RequestResult>();
	readonly streams = new Map<number, Stream>();
	readonly disk: Map<string, unknown>;
	/** What was closed, and why. */
	readonly closed: string[] = [];
	plugin!: TopologyPlugin;
	alive = true;
	/** Connects to it are refused. */
	deaf = false;
	/** The disk fails. */
	diskError: string | undefined;
	diskMs = 0;
	persists = 0;
	shows: readonly Uint8Array[];
	/** Streams whose other end is not a member. */
	readonly taps = new Map<number, (bytes: Uint8Array) => void>();
	/** Octets handed to streams, and in how many pieces. */
	sent = { octets: 0, transmits: 0 };
	timerAt = Number.POSITIVE_INFINITY;

	constructor(world: World, name: string, role: RoleFactory | "peer", settings: MemberOptions, index: number) {
		this.world = world;
		this.name = name;
		const { household } = world;
		this.identity = settings.identity ?? household.enroll({ userName: `${name}@overlay.example.org`, ...settings });
		this.shows = settings.shows ?? this.identity.chain;
		this.endpoint = { address: `10.0.${index >> 8}.${index & 255}`, port: 6084 };
		this.disk = settings.disk ?? new Map();
		const listens = role === "peer";
		this.node = new OverlayNode({
			identity: this.identity,
			config: household.config,
			configBytes: household.document,
			crypto: household.crypto,
			profile: world.profile,
			wallMs: WALL + world.now,
			listen: listens ? [this.endpoint] : [],
			role: role === "peer" ? this.#peer(settings) : role,
			...settings.options,
		});
	}

	#peer(settings: MemberOptions): RoleFactory {
		const name = settings.topology ?? "static";
		const topology = (host: TopologyHost): TopologyPlugin => {
			const plugin = name === "static" ? new StaticTopology(host, this.world.ring) : createTopology(name, host);
			if (plugin === undefined) throw new Error(`no topology ${name}`);
			this.plugin = plugin;
			return plugin;
		};
		const records = [...this.disk].filter(([key]) => key.startsWith(STORAGE_PREFIX));
		return peerRole({ topology, records, ...settings.peer });
	}

	get id(): Uint8Array {
		return this.identity.nodeId;
	}

	get static(): StaticTopology {
		return this.plugin as StaticTopology;
	}

	/** A counter by its name. */
	count(name: string): number {
		return this.node.counters.snapshot()[name] ?? 0;
	}

	input(input: NodeInput): void {
		if (!this.alive) return;
		this.node.handle(input, this.world.now);
		this.drain();
	}

	drain(): void {
		for (let output = this.node.poll(); output !== undefined; output = this.node.poll()) this.#carryOut(output);
		const at = this.node.deadline();
		if (at === this.timerAt) return;
		this.timerAt = at;
		if (at === Number.POSITIVE_INFINITY) return;
		this.world.at(Math.max(at, this.world.now), () => {
			if (!this.alive || this.timerAt !== at) return;
			this.timerAt = Number.POSITIVE_INFINITY;
			this.input({ type: "timeout" });
		});
	}

	/** Runs a command. */
	do<T>(run: (node: OverlayNode, now: number) => T): T {
		const result = run(this.node, this.world.now);
		this.drain();
		return result;
	}

	/** Runs a command and lets time pass until its result is there. */
	ask(run: (node: OverlayNode, now: number) => number, withinMs = 60_000): RequestResult {
		const token = this.do(run);
		this.world.until(() => this.results.has(token), withinMs);
		return this.results.get(token)!;
	}

	/** As `ask`, for one that must succeed with an answer of this type. */
	ok<T extends AnswerType>(type: T, run: (node: OverlayNode, now: number) => number): Result<T> {
		const result = this.ask(run);
		if (!result.ok) throw new Error(`${this.name}: error ${result.errorCode} ${result.info}`);
		if (result.body.type !== type) throw new Error(`${this.name}: ${result.body.type}`);
		return result as Result<T>;
	}

	/** As `ask`, for one that must fail: the error code. */
	error(run: (node: OverlayNode, now: number) => number): number {
		const result = this.ask(run);
		if (result.ok) throw new Error(`${this.name}: succeeded`);
		return result.errorCode;
	}

	event<T extends NodeEvent["type"]>(type: T): Extract<NodeEvent, { type: T }>[] {
		return this.events.filter((event): event is Extract<NodeEvent, { type: T }> => event.type === type);
	}

	#carryOut(output: NodeOutput): void {
		const { world } = this;
		switch (output.type) {
			case "transmit":
				this.#transmit(output.link, output.bytes.slice());
				return;
			case "connect":
				world.connect(this, output);
				return;
			case "close": {
				this.closed.push(output.reason);
				const stream = this.streams.get(output.link);
				if (stream !== undefined) world.close(stream);
				return;
			}
			case "persist": {
				const { batch, change } = output;
				this.persists++;
				const error = this.diskError;
				world.at(world.now + this.diskMs, () => {
					if (error === undefined) {
						for (const [key, value] of change.put) this.disk.set(key, structuredClone(value));
						for (const key of change.remove) this.disk.delete(key);
					}
					this.input({ type: "persisted", batch, ...(error === undefined ? {} : { error }) });
				});
				return;
			}
			case "result":
				this.results.set(output.token, output.result);
				return;
			case "event":
				this.events.push(output.event);
		}
	}

	#transmit(link: number, bytes: Uint8Array): void {
		const { world } = this;
		this.sent.octets += bytes.length;
		this.sent.transmits++;
		world.at(world.now, () => this.input({ type: "drained", link }));
		this.taps.get(link)?.(bytes);
		const far = this.streams.get(link)?.far;
		if (far === undefined || world.isCut(this, far.node)) return;
		world.at(world.now + world.latencyMs, () => {
			if (far.open && far.node.alive) far.node.input({ type: "bytes", link: far.link, bytes });
		});
	}
}

export class World {
	readonly household: Household;
	readonly latencyMs: number;
	readonly profile: TimerProfile;
	readonly ring: StaticRing = { members: [] };
	readonly members: Member[] = [];
	now = 1000;
	readonly #queue = new EventQueue<() => void>();
	readonly #cuts: [Member, Member][] = [];
	#nextLink = 1;
	#atOnce = 0;

	constructor(options: WorldOptions = {}) {
		this.household = new Household(options.seed ?? 1, options.config, options.real);
		this.latencyMs = options.latencyMs ?? 5;
		this.profile = options.profile ?? HOUSE_PROFILE;
	}

	/** A peer; with the static topology it is in the ring at once (start it). */
	peer(name: string, settings: MemberOptions = {}): Member {
		const member = new Member(this, name, "peer", settings, this.members.length + 1);
		this.members.push(member);
		if ((settings.topology ?? "static") === "static") {
			this.ring.members = [...this.ring.members, member.id];
			member.do((node, now) => node.start({ first: true, bootstrap: [] }, now));
		}
		return member;
	}

	client(name: string, settings: MemberOptions = {}): Member {
		const member = new Member(this, name, clientRole(), settings, this.members.length + 1);
		this.members.push(member);
		return member;
	}

	at(time: number, run: () => void): void {
		this.#queue.add(time, run);
	}

	/** Lets time pass. */
	advance(ms: number): void {
		const end = this.now + ms;
		while (this.#queue.nextAt() <= end) this.#step();
		this.now = end;
	}

	#step(): void {
		const at = Math.max(this.now, this.#queue.nextAt());
		// A machine whose deadline stays in the past would keep its host busy for ever.
		this.#atOnce = at === this.now ? this.#atOnce + 1 : 0;
		if (this.#atOnce > MOST_AT_ONCE) throw new Error(`time stands still at ${at}: a deadline that does not move`);
		this.now = at;
		this.#queue.take()!();
	}

	/** Lets time pass until something is so; fails when it is not within the time. */
	until(isSo: () => boolean, withinMs = 60_000): void {
		const end = this.now + withinMs;
		while (!isSo()) {
			if (this.#queue.nextAt() > end) throw new Error(`not so within ${withinMs} ms`);
			this.#step();
		}
	}

	/** Both ends get a link, as if a connection had been accepted on both sides; `initiator` counts as the one who connected. */
	link(a: Member, b: Member): { a: number; b: number } {
		const near: Stream = { node: a, link: this.#nextLink++, far: undefined, open: true };
		const far: Stream = { node: b, link: this.#nextLink++, far: near, open: true };
		near.far = far;
		a.streams.set(near.link, near);
		b.streams.set(far.link, far);
		a.input({ type: "linkUp", link: near.link, chain: b.shows, ...b.endpoint });
		b.input({ type: "linkUp", link: far.link, chain: a.shows, ...a.endpoint });
		return { a: near.link, b: far.link };
	}

	/** The number of a new stream of `member` whose octets go to `take`, at once. */
	tap(member: Member, take: (bytes: Uint8Array) => void): number {
		const link = this.#nextLink++;
		member.taps.set(link, take);
		return link;
	}

	/** Links each member with the next one. */
	chain(...members: Member[]): void {
		for (let i = 1; i < members.length; i++) this.link(members[i - 1]!, members[i]!);
	}

	connect(from: Member, output: Extract<NodeOutput, { type: "connect" }>): void {
		const to = this.members.find(
			({ endpoint, alive }) => alive && endpoint.address === output.address && endpoint.port === output.port,
		);
		const { connect } = output;
		this.at(this.now + 2 * this.latencyMs, () => {
			if (to === undefined || to.deaf || !to.alive || this.isCut(from, to)) {
				from.input({ type: "connectFailed", connect, reason: "refused" });
				return;
			}
			const near: Stream = { node: from, link: this.#nextLink++, far: undefined, open: true };
			const far: Stream = { node: to, link: this.#nextLink++, far: near, open: true };
			near.far = far;
			from.streams.set(near.link, near);
			to.streams.set(far.link, far);
			from.input({ type: "linkUp", link: near.link, connect, chain: to.shows, ...to.endpoint });
			this.at(this.now + this.latencyMs, () => {
				to.input({ type: "linkUp", link: far.link, chain: from.shows, address: from.endpoint.address, port: 50_000 });
			});
		});
	}

	close(stream: Stream): void {
		if (!stream.open) return;
		stream.open = false;
		stream.node.streams.delete(stream.link);
		const { far } = stream;
		if (far === undefined || this.isCut(stream.node, far.node)) return;
		this.at(this.now + this.latencyMs, () => {
			if (!far.open) return;
			far.open = false;
			far.node.streams.delete(far.link);
			far.node.input({ type: "linkDown", link: far.link, reason: "closed by the other end" });
		});
	}

	/** Nothing passes between the two any more, and neither is told. */
	cut(a: Member, b: Member): void {
		this.#cuts.push([a, b]);
	}

	heal(a: Member, b: Member): void {
		const at = this.#cuts.findIndex(([x, y]) => (x === a && y === b) || (x === b && y === a));
		if (at >= 0) this.#cuts.splice(at, 1);
	}

	isCut(a: Member, b: Member): boolean {
		return this.#cuts.some(([x, y]) => (x === a && y === b) || (x === b && y === a));
	}

	/** The process ends: its streams are closed by the operating system. */
	kill(member: Member): void {
		member.alive = false;
		for (const stream of [...member.streams.values()]) this.close(stream);
	}

	/** The machine loses power: nobody is told. */
	unplug(member: Member): void {
		member.alive = false;
		member.streams.clear();
	}

	byId(id: Uint8Array): Member | undefined {
		return this.members.find((member) => equalBytes(member.id, id));
	}
}
