/**
 * The full mesh: every peer of a home holds a link to every other one, so every message takes one hop. Responsibility, replicas,
 * joining and leaving are those of CHORD-RELOAD on the ring of all known peers; Updates carry the whole ring and are sent only when
 * it changes. No fingers, no periodic stabilisation; a lost peer is noticed by its link.
 *
 * Not an RFC: in the configuration document it goes under EXP-OVERLAY, the registry's name for experiments.
 */
import type { TopologyResult } from "./joining.ts";
import { MESH_PEERS, MESH_PEERS_MERGED } from "./limits.ts";
import { Membership, type MembershipRules } from "./membership.ts";
import { PartitionCheck } from "./partition.ts";
import type { TopologyHost, TopologyInput, TopologyOutput, TopologyPlugin } from "./plugin.ts";
import { compareClockwise } from "./ring.ts";

/** Name in the configuration document (IANA "RELOAD Overlay Algorithms Types"). */
export const EXP_OVERLAY = "EXP-OVERLAY";

export class Mesh implements TopologyPlugin {
	readonly name = EXP_OVERLAY;
	readonly #host: TopologyHost;
	readonly #ring: Membership;
	readonly #partition: PartitionCheck;

	constructor(host: TopologyHost) {
		this.#host = host;
		const rules: MembershipRules = {
			perSide: () => MESH_PEERS_MERGED,
			capacity: MESH_PEERS,
			mostMembers: MESH_PEERS_MERGED - 1,
			tell: "all",
			fingerTargets: () => [],
			fingers: () => [],
			nextHop: (id) => this.nextHop(id),
		};
		this.#ring = new Membership(host, rules);
		this.#partition = new PartitionCheck(this.#ring, false);
	}

	get inOverlay(): boolean {
		return this.#ring.inRing;
	}

	handle(input: TopologyInput, now: number): void {
		if (input.type === "result") this.#result(input, now);
		else this.#ring.handle(input, now);
		if (input.type === "linkUp") this.#partition.linkUp(input.nodeId, now);
		this.#ring.settle(now);
		if (this.#ring.phase !== "in") return;
		if (this.#ring.successorsLost) this.#partition.successorsLost(now);
		this.#ring.successorsLost = false;
		this.#partition.run(now);
	}

	#result(result: TopologyResult, now: number): void {
		const purpose = this.#ring.out.settle(result.token);
		if (purpose === undefined) return;
		if (purpose.kind === "partitionPing") this.#partition.pinged(purpose.id, result, now);
		else if (purpose.kind === "partitionAttach") this.#partition.attached(purpose.id, result.ok, now);
		else if (purpose.kind === "partitionJoin") this.#partition.joined(purpose.id, result, now);
		else this.#ring.handleResult(purpose, result, now);
	}

	poll(): TopologyOutput | undefined {
		return this.#ring.out.poll();
	}

	deadline(): number {
		if (this.#ring.phase !== "in") return this.#ring.deadline();
		return Math.min(this.#ring.deadline(), this.#partition.deadline());
	}

	resourceId(name: Uint8Array): Uint8Array {
		return this.#host.sha1(name).slice(0, this.#host.nodeIdLength);
	}

	isResponsible(id: Uint8Array): boolean {
		return this.#ring.isResponsible(id);
	}

	/** The peer responsible for `id`: the first one at or after it. `undefined`: that is us. */
	nextHop(id: Uint8Array): Uint8Array | undefined {
		const { members } = this.#ring.peers;
		if (members.length === 0) return this.#ring.inRing ? undefined : this.#host.bootstrapLinks()[0];
		if (this.#ring.inRing && this.#ring.isResponsible(id)) return undefined;
		const { self } = this.#ring;
		// In clockwise order; `id` is not ours, so it lies before the last of them.
		for (let i = 0; i < members.length; i++) {
			if (compareClockwise(self, members[i]!.id, id) >= 0) return members[i]!.id;
		}
		return members[0]!.id;
	}

	routingTable(): Uint8Array[] {
		return this.neighbours();
	}

	neighbours(): Uint8Array[] {
		return this.#ring.peers.members.map((peer) => peer.id);
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

	describe(): ReadonlyArray<readonly [string, string]> {
		const { peers } = this.#ring;
		return [
			["plug-in", `${this.name} (full mesh)`],
			["state", this.#ring.phase === "joining" ? `joining: ${this.#ring.joining.step}` : this.#ring.phase],
			["members linked", `${peers.members.length} of at most ${MESH_PEERS - 1}`],
		];
	}
}
