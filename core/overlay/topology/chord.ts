/**
 * CHORD-RELOAD (RFC 6940 §10), and with self-tuning RFC 7363 on top of it. This class composes: the ring is kept by `Membership`,
 * the long ways by `FingerTable` and `FingerSearch`, split rings by `PartitionCheck`, the periods by `SelfTuning`.
 */
import { equalBytes } from "../../wire/bytes.ts";
import { ChordUpdateType } from "../../wire/codes.ts";
import type { MessageExtension } from "../../wire/contents.ts";
import { FingerSearch, FingerTable } from "./chord-fingers.ts";
import { SelfTuning } from "./chord-self-tuning.ts";
import type { TopologyResult } from "./joining.ts";
import { KNOWN_PEERS, NEIGHBOURS_PER_SIDE, SPARE_LINKS } from "./limits.ts";
import { Membership, type MembershipRules } from "./membership.ts";
import type { Purpose } from "./outbox.ts";
import { PartitionCheck } from "./partition.ts";
import type { Peer } from "./peers.ts";
import type { TopologyHost, TopologyInput, TopologyOutput, TopologyPlugin } from "./plugin.ts";
import { compareClockwise } from "./ring.ts";

/** Names in the configuration document (IANA "RELOAD Overlay Algorithms Types"; RFC 7363 §7). */
export const CHORD_RELOAD = "CHORD-RELOAD";
export const CHORD_SELF_TUNING = "CHORD-SELF-TUNING";

export interface ChordOptions {
	/** chord-reactive of the configuration; default true. RFC 7363 is periodic whatever this says. */
	readonly reactive?: boolean;
	/** RFC 7363: number-of-peers-to-probe; present = CHORD-SELF-TUNING. */
	readonly peersToProbe?: number;
}

export class Chord implements TopologyPlugin {
	readonly name: string;
	readonly #host: TopologyHost;
	readonly #ring: Membership;
	readonly #fingers: FingerTable;
	readonly #search: FingerSearch;
	readonly #partition: PartitionCheck;
	readonly #tuning: SelfTuning | undefined;
	readonly #reactive: boolean;
	/** Routing Table: neighbours and fingers, each once, clockwise from us. */
	#table: Uint8Array[] = [];
	#version = -1;
	#wasIn = false;
	#updateAt = Number.POSITIVE_INFINITY;

	constructor(host: TopologyHost, options: ChordOptions = {}) {
		this.#host = host;
		const tuned = options.peersToProbe !== undefined;
		this.name = tuned ? CHORD_SELF_TUNING : CHORD_RELOAD;
		this.#reactive = !tuned && options.reactive !== false;
		const rules: MembershipRules = {
			perSide: () => this.#tuning?.listSize() ?? NEIGHBOURS_PER_SIDE,
			capacity: KNOWN_PEERS,
			mostMembers: KNOWN_PEERS,
			tell: tuned ? "quiet" : this.#reactive ? "all" : "range",
			fingerTargets: () => this.#fingerTargets(),
			fingers: () => ascending(this.#fingers.list()),
			nextHop: (id) => this.nextHop(id),
		};
		this.#ring = new Membership(host, rules);
		this.#fingers = new FingerTable(this.#ring);
		this.#search = new FingerSearch(this.#ring, this.#fingers);
		this.#partition = new PartitionCheck(this.#ring, true);
		if (options.peersToProbe !== undefined) {
			this.#tuning = new SelfTuning(this.#ring, this.#fingers, options.peersToProbe);
		}
		this.#refresh();
	}

	get inOverlay(): boolean {
		return this.#ring.inRing;
	}

	handle(input: TopologyInput, now: number): void {
		if (input.type === "result") this.#result(input, now);
		else if (input.type === "probed") this.#tuning?.shared(input.extensions);
		else this.#ring.handle(input, now);
		if (input.type === "linkUp") this.#partition.linkUp(input.nodeId, now);
		this.#tuning?.observe(now);
		this.#settle(now);
	}

	poll(): TopologyOutput | undefined {
		return this.#ring.out.poll();
	}

	deadline(): number {
		if (this.#ring.phase !== "in") return this.#ring.deadline();
		const next = Math.min(this.#ring.deadline(), this.#updateAt);
		return Math.min(next, this.#search.deadline(), this.#partition.deadline());
	}

	#result(result: TopologyResult, now: number): void {
		const purpose = this.#ring.out.settle(result.token);
		if (purpose === undefined) return;
		switch (purpose.kind) {
			case "fingerPing": {
				const peer = this.#search.pinged(purpose.entry, result, now);
				if (peer !== undefined) this.#ring.ask(peer, now);
				return;
			}
			case "fingerAttach":
				this.#fingerAttached(purpose, result, now);
				return;
			case "partitionPing":
				this.#partition.pinged(purpose.id, result, now);
				return;
			case "partitionAttach":
				this.#partition.attached(purpose.id, result.ok, now);
				return;
			case "partitionJoin":
				this.#partition.joined(purpose.id, result, now);
				return;
			case "probe":
				this.#tuning?.probed(purpose.id, result, now);
				return;
			default:
				this.#ring.handleResult(purpose, result, now);
				return;
		}
	}

	/** RFC 6940 §10.5, §10.7: peer_ready tells a non-neighbour that it may route through us. */
	#fingerAttached(purpose: Extract<Purpose, { kind: "fingerAttach" }>, result: TopologyResult, now: number): void {
		const peer = this.#search.attached(purpose.id, result.ok, now);
		if (peer === undefined) return;
		this.#ring.owe(peer.id, ChordUpdateType.peerReady, now);
		// RFC 7363 §5.4: the uptime of a new finger is asked for at once.
		this.#tuning?.probe(peer.id, now);
	}

	#settle(now: number): void {
		this.#ring.settle(now);
		if (this.#ring.inRing !== this.#wasIn) this.#entered(now);
		if (this.#version !== this.#ring.peers.version) this.#refresh();
		if (this.#ring.phase !== "in") return;
		if (this.#ring.successorsLost) {
			this.#ring.successorsLost = false;
			this.#partition.successorsLost(now);
		}
		if (this.#updateAt <= now) this.#periodic(now);
		this.#search.run(now);
		this.#partition.run(now);
	}

	/** Starts or stops what is periodic. Everything at a random offset (RFC 6940 §10.7.4.1). */
	#entered(now: number): void {
		this.#wasIn = this.#ring.inRing;
		if (!this.#wasIn) {
			this.#updateAt = Number.POSITIVE_INFINITY;
			this.#search.stop();
			this.#partition.stop();
			return;
		}
		this.#tuning?.start(now);
		this.#updateAt = now + this.#host.random() * this.#periodMs();
		this.#search.start(now);
		this.#partition.start(now);
	}

	#periodMs(): number {
		return this.#tuning?.periodMs() ?? this.#host.profile.chordUpdateMs;
	}

	/** RFC 6940 §10.7.4.1 MUST: an Update to every neighbour. RFC 7363 §5.2 MUST NOT: to others than the two next to us. */
	#periodic(now: number): void {
		this.#tuning?.endPeriod(now);
		this.#updateAt = now + this.#periodMs();
		const { peers } = this.#ring;
		const receivers = this.#tuning === undefined ? this.#ring.neighbours() : [peers.successor(), peers.predecessor()];
		for (const peer of receivers) if (peer !== undefined) this.#ring.owe(peer.id, ChordUpdateType.neighbors, now);
		this.#releaseSpare();
	}

	/** Links we made to peers that are neither neighbours nor fingers any more: a few are kept, for nothing is cheaper to use. */
	#releaseSpare(): void {
		const neighbours = this.#ring.neighbours();
		let spare = 0;
		for (const peer of this.#ring.peers.known()) {
			if (!peer.member || !peer.mine || neighbours.includes(peer) || this.#fingers.has(peer)) continue;
			if (++spare > SPARE_LINKS) this.#ring.out.push({ type: "release", nodeId: peer.id });
		}
	}

	/** The members changed: Finger Table and Routing Table follow. */
	#refresh(): void {
		this.#version = this.#ring.peers.version;
		const before = this.#fingers.list();
		this.#fingers.refresh();
		const neighbours = this.#ring.neighbours();
		const table: Uint8Array[] = [];
		for (const peer of this.#ring.peers.members) {
			if (neighbours.includes(peer) || this.#fingers.has(peer)) table.push(peer.id);
		}
		this.#table = table;
		if (!this.#reactive || this.#ring.phase !== "in") return;
		// RFC 6940 §10.7.2 MUST with reactive recovery: a search for a replacement starts at once.
		for (const peer of before) {
			if (peer.member) continue;
			const entry = this.#fingers.entryOf(peer.id);
			if (this.#fingers.isSearchable(entry)) this.#search.search(entry);
		}
	}

	#fingerTargets(): Uint8Array[] {
		this.#refresh();
		return this.#fingers.joinTargets();
	}

	resourceId(name: Uint8Array): Uint8Array {
		// RFC 6940 §10.2, [D-22]: the most significant octets of SHA-1.
		return this.#host.sha1(name).slice(0, this.#host.nodeIdLength);
	}

	isResponsible(id: Uint8Array): boolean {
		return this.#ring.isResponsible(id);
	}

	/** RFC 6940 §10.3. */
	nextHop(id: Uint8Array): Uint8Array | undefined {
		const table = this.#table;
		if (this.#ring.inRing && this.#ring.isResponsible(id)) return undefined;
		if (table.length === 0) return this.#ring.inRing ? undefined : this.#host.bootstrapLinks()[0];
		const { self } = this.#ring;
		// The table is in clockwise order: those before `id` come first. The last of them is the closest preceding peer; with none
		// of them, the first of the table is the first at or after `id`.
		let low = 0;
		let high = table.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (compareClockwise(self, table[middle]!, id) < 0) low = middle + 1;
			else high = middle;
		}
		if (low < table.length && equalBytes(table[low]!, id)) return table[low];
		return low > 0 ? table[low - 1] : table[0];
	}

	routingTable(): Uint8Array[] {
		return this.#table.slice();
	}

	neighbours(): Uint8Array[] {
		return this.#ring.neighbours().map((peer) => peer.id);
	}

	responsiblePpb(): number {
		return this.inOverlay ? this.#ring.placement.responsiblePpb() : 0;
	}

	replicaSet(_resourceId: Uint8Array): Uint8Array[] {
		return this.#ring.placement.replicaSet();
	}

	mayReplicate(resourceId: Uint8Array, from: Uint8Array): boolean {
		return this.#ring.mayReplicate(resourceId, from);
	}

	shouldKeep(resourceId: Uint8Array): boolean {
		return this.#ring.placement.shouldKeep(resourceId);
	}

	isCloseEnough(resourceId: Uint8Array, signer: Uint8Array): boolean {
		return this.#ring.placement.isCloseEnough(resourceId, signer);
	}

	probeExtensions(now: number): readonly MessageExtension[] {
		return this.#tuning?.extensions(now) ?? [];
	}

	describe(): ReadonlyArray<readonly [string, string]> {
		const { peers } = this.#ring;
		const lines: [string, string][] = [
			["plug-in", this.name],
			["state", this.#ring.phase === "joining" ? `joining: ${this.#ring.joining.step}` : this.#ring.phase],
			["members linked", `${peers.members.length}`],
			["fingers", `${this.#fingers.list().length} of ${this.#fingers.size}`],
		];
		return this.#tuning === undefined ? lines : lines.concat(this.#tuning.describe());
	}
}

/** RFC 6940 §10.7: fingers are listed in numerically ascending order. */
function ascending(peers: readonly Peer[]): Uint8Array[] {
	const list = peers.map((peer) => peer.id);
	return list.sort((a, b) => compareClockwise(new Uint8Array(a.length), a, b));
}
