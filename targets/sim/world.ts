/**
 * A simulated house, or a street of them: peers and clients on virtual machines, virtual time, one seed. The same seed and the same
 * calls give the same events, octet for octet (`fingerprint`).
 *
 *   const world = new World({ seed: 7 });
 *   const peers = world.found(16);                 founded, joined, and the ring is right
 *   peers[3].powerOff();
 *   world.until(() => world.fault() === "", 10_000, "healed");
 */
import type { OverlayConfig } from "../../core/config/document.ts";
import type { Endpoint, OverlayNodeOptions, RequestResult } from "../../core/overlay/node-types.ts";
import { HOUSE_PROFILE, type TimerProfile } from "../../core/overlay/profile.ts";
import { CHORD_RELOAD } from "../../core/overlay/topology/index.ts";
import { inInterval } from "../../core/overlay/topology/ring.ts";
import { compareBytes, equalBytes } from "../../core/wire/bytes.ts";
import { resourceDestination } from "../../core/wire/destination.ts";
import type { Crypto } from "../../hal/hal.ts";
import { simCrypto, standInCrypto } from "../../hal/sim/crypto.ts";
import { LAN, type PathOptions, type SimMachine, SimNetwork } from "../../hal/sim/network.ts";
import { type SeededRandom, seededRandom } from "../../hal/sim/random.ts";
import type { SimStream } from "../../hal/sim/stream.ts";
import { VirtualTime } from "../../hal/sim/time.ts";
import { Household } from "./household.ts";
import { Member } from "./member.ts";
import { CaptureWriter, emptyTraffic, Fingerprint, type Traffic } from "./tap.ts";

export interface WorldOptions {
	readonly seed: number;
	readonly overlayName?: string;
	/** Name of the topology plug-in; CHORD-RELOAD by default. */
	readonly plugin?: string;
	/** The house profile by default. */
	readonly profile?: TimerProfile;
	/** "real": P-256 of @noble, 6 ms a verification; "stand-in" (default): for worlds of hundreds. */
	readonly crypto?: "real" | "stand-in";
	/** What lies between two machines; a LAN by default. */
	readonly path?: Partial<PathOptions>;
	readonly config?: Partial<OverlayConfig>;
	/** Further options of every node. */
	readonly node?: Partial<OverlayNodeOptions>;
	/** Keep a pcapng of all plaintext messages. */
	readonly capture?: boolean;
	/**
	 * "first" (default): everybody knows the first two peers as bootstrap nodes, as in a house. "any": two peers met by chance. "all":
	 * every peer, as one that was in the house before (targets/pi keeps their addresses).
	 */
	readonly bootstrap?: "first" | "any" | "all";
	/** Port at which peers take SIP connections opened by AppAttach; without it they take none. */
	readonly sipPort?: number;
}

const BOOTSTRAP_NODES = 2;

/** The answer of a lookup. */
export interface Lookup {
	readonly ok: boolean;
	/** Whoever answered is the responsible peer. */
	readonly right: boolean;
	/** Overlay hops of the request; 0 when the asker itself is responsible. */
	readonly hops: number;
	readonly rttMs: number;
}

export class World {
	readonly options: WorldOptions;
	readonly time: VirtualTime;
	readonly random: SeededRandom;
	readonly network: SimNetwork;
	readonly household: Household;
	readonly profile: TimerProfile;
	readonly members: Member[] = [];
	readonly capture: CaptureWriter | undefined;
	readonly #fingerprint = new Fingerprint();
	readonly #cryptoRandom: SeededRandom;

	constructor(options: WorldOptions) {
		this.options = options;
		this.random = seededRandom(options.seed);
		this.#cryptoRandom = this.random.fork();
		this.time = new VirtualTime();
		this.network = new SimNetwork(this.time, this.random.fork(), { ...LAN, ...options.path });
		this.profile = options.profile ?? HOUSE_PROFILE;
		this.household = new Household({
			crypto: this.cryptoFor(),
			overlayName: options.overlayName ?? "house.example.org",
			plugin: options.plugin ?? CHORD_RELOAD,
			profile: this.profile,
			wallMs: this.time.wallMs(),
			...(options.config === undefined ? {} : { config: options.config }),
		});
		this.capture = options.capture === true ? new CaptureWriter() : undefined;
	}

	/** Cryptography of one more machine, with randomness of its own. */
	cryptoFor(): Crypto {
		const random = this.#cryptoRandom.fork();
		return this.options.crypto === "real" ? simCrypto(random) : standInCrypto(random);
	}

	/** A new peer on a new machine, not started. */
	peer(name = `peer${this.members.length + 1}`, nodeId?: Uint8Array): Member {
		return this.#add(name, "peer", nodeId);
	}

	/** A new client on a new machine, not started. */
	client(name = `client${this.members.length + 1}`): Member {
		return this.#add(name, "client");
	}

	#add(name: string, role: "peer" | "client", nodeId?: Uint8Array): Member {
		const number = this.members.length + 1;
		const machine = this.network.machine(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`);
		const userName = `${name}@${this.household.overlayName}`;
		const identity = nodeId === undefined ? this.household.enroll(userName) : this.household.enroll(userName, nodeId);
		const member = new Member(this, name, role, identity, machine);
		this.members.push(member);
		return member;
	}

	/** The bootstrap nodes a member knows when it starts. */
	bootstrapFor(starting: Member): Endpoint[] {
		const peers = this.members.filter((member) => member.role === "peer" && member !== starting);
		if (this.options.bootstrap === "all") return peers.map((member) => member.endpoint);
		const known = peers.slice(0, BOOTSTRAP_NODES);
		if (this.options.bootstrap === "any" && peers.length > BOOTSTRAP_NODES) {
			for (let i = 0; i < BOOTSTRAP_NODES; i++) known[i] = peers[this.random.below(peers.length)]!;
		}
		return known.map((member) => member.endpoint);
	}

	/** Peers that found an overlay and join it, `apartMs` apart; returns when the ring is right. */
	found(count: number, apartMs = 300, withinMs = 120_000): Member[] {
		for (let i = 0; i < count; i++) {
			this.peer().start(this.members.length === 1);
			this.advance(apartMs);
		}
		this.settle(withinMs);
		return this.peers();
	}

	/** Peers with a running process, in ring order. */
	peers(): Member[] {
		return this.members
			.filter((member) => member.role === "peer" && member.running)
			.sort((a, b) => compareBytes(a.id, b.id));
	}

	advance(ms: number): void {
		this.time.advance(ms);
	}

	/** Lets time pass until the condition holds; how long that took. Throws when it takes longer. */
	until(condition: () => boolean, withinMs: number, what = "the condition"): number {
		const start = this.time.now;
		if (!this.time.until(condition, withinMs)) throw new Error(`not within ${withinMs} ms: ${what}`);
		return this.time.now - start;
	}

	/** Lets time pass until the ring is right, looking every `everyMs`; how long that took. Throws when it takes longer. */
	settle(withinMs: number, everyMs = 50): number {
		const start = this.time.now;
		for (let fault = this.fault(); fault !== ""; fault = this.fault()) {
			if (this.time.now - start >= withinMs) throw new Error(`the ring is not right after ${withinMs} ms: ${fault}`);
			this.advance(everyMs);
		}
		return this.time.now - start;
	}

	/**
	 * What is wrong with the ring of the running peers, or "" when each knows its range, its three neighbours on each side, and its
	 * two replicas.
	 */
	fault(peers: readonly Member[] = this.peers()): string {
		const size = peers.length;
		for (let i = 0; i < size; i++) {
			const peer = peers[i]!;
			const { plugin } = peer;
			if (plugin === undefined || !plugin.inOverlay) return `${peer} is not in the overlay`;
			const neighbours = plugin.neighbours();
			const knows = (other: Member): boolean => neighbours.some((id) => equalBytes(id, other.id));
			for (let k = 1; k <= 3 && k < size; k++) {
				for (const other of [peers[(i + k) % size]!, peers[(i + size - k) % size]!]) {
					if (other !== peer && !knows(other)) return `${peer} does not know ${other}`;
				}
			}
			for (const id of neighbours) {
				if (!peers.some((other) => equalBytes(other.id, id))) return `${peer} knows somebody who is gone`;
			}
			const before = peers[(i + size - 1) % size]!;
			if (size > 1 && plugin.isResponsible(before.id)) return `${peer} takes ${before}'s part`;
			if (!plugin.isResponsible(peer.id)) return `${peer} denies its own part`;
			const replicas = plugin.replicaSet(peer.id);
			for (let k = 1; k <= 2 && k < size; k++) {
				if (!equalBytes(replicas[k - 1] ?? peer.id, peers[(i + k) % size]!.id)) return `${peer} has other successors`;
			}
		}
		return "";
	}

	/** The running peer that is responsible for this id, by the ring as it is. */
	responsible(id: Uint8Array): Member {
		const peers = this.peers();
		for (let i = 0; i < peers.length; i++) {
			const before = peers[(i + peers.length - 1) % peers.length]!;
			if (inInterval(id, before.id, peers[i]!.id)) return peers[i]!;
		}
		throw new Error("no peer is running");
	}

	/** Pings a Resource-ID and says who answered, and over how many hops. */
	lookup(from: Member, resourceId: Uint8Array): Lookup {
		const responsible = this.responsible(resourceId);
		const result = from.ask((node, now) => node.ping([resourceDestination(resourceId)], now));
		return lookupOf(result, responsible, from);
	}

	/** Cuts the network into groups of members. */
	partition(groups: readonly (readonly Member[])[]): void {
		this.network.partition(groups.map((group) => group.map((member): SimMachine => member.machine)));
		this.note("world", "partition");
	}

	heal(): void {
		this.network.heal();
		this.note("world", "heal");
	}

	/** What all nodes have sent since the world began, or since `resetTraffic`. */
	traffic(): Traffic {
		const sum = emptyTraffic();
		for (const { traffic } of this.members) {
			sum.messages += traffic.messages;
			sum.acks += traffic.acks;
			sum.octets += traffic.octets;
			sum.writes += traffic.writes;
			for (const [code, count] of traffic.byCode) sum.byCode.set(code, (sum.byCode.get(code) ?? 0) + count);
		}
		return sum;
	}

	resetTraffic(): void {
		for (const member of this.members) member.traffic = emptyTraffic();
	}

	/** Something that belongs to the story of this world. */
	note(who: string, what: string): void {
		this.#fingerprint.number(this.time.now);
		this.#fingerprint.text(who);
		this.#fingerprint.text(what);
	}

	/** Octets of a node on their way. */
	tapped(from: Member, stream: SimStream, bytes: Uint8Array): void {
		this.#fingerprint.number(this.time.now);
		this.#fingerprint.text(from.name);
		this.#fingerprint.bytes(bytes);
		this.capture?.write(bytes, from.endpoint, stream, this.time.wallMs());
	}

	/** Digest of everything that was sent and noted so far. */
	fingerprint(): string {
		return this.#fingerprint.toString();
	}
}

function lookupOf(result: RequestResult, responsible: Member, from: Member): Lookup {
	if (!result.ok) return { ok: false, right: false, hops: -1, rttMs: -1 };
	const right = equalBytes(result.from.nodeId, responsible.id);
	return { ok: true, right, hops: responsible === from ? 0 : (result.hops ?? -1), rttMs: result.rttMs };
}
