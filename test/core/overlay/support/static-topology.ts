/** A topology that is told everything: who is in the ring and where each id goes. For tests of the node's rules one by one. */

import { isRefused } from "../../../../core/machine.ts";
import type {
	TopologyHost,
	TopologyInput,
	TopologyOutput,
	TopologyPlugin,
} from "../../../../core/overlay/topology/plugin.ts";
import { compareBytes, EMPTY, equalBytes } from "../../../../core/wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../../../core/wire/codes.ts";
import { readRouteQueryReq } from "../../../../core/wire/route-query.ts";

export interface StaticRing {
	/** Node-IDs of the peers; shared by all of them. */
	members: Uint8Array[];
	/** The next hop from one node towards an id; by default the responsible member itself. */
	next?: (from: Uint8Array, id: Uint8Array) => Uint8Array | undefined;
	/** Replicas per resource; two by default. */
	replicas?: number;
}

export class StaticTopology implements TopologyPlugin {
	readonly name = "STATIC";
	inOverlay = false;
	readonly host: TopologyHost;
	readonly ring: StaticRing;
	readonly seen: TopologyInput[] = [];
	readonly #out: TopologyOutput[] = [];
	/** Answers the next requests with this refusal. */
	refusal: number | undefined;

	constructor(host: TopologyHost, ring: StaticRing) {
		this.host = host;
		this.ring = ring;
	}

	/** Puts something out; the node must be given some input for it to notice. */
	push(output: TopologyOutput): void {
		this.#out.push(output);
	}

	handle(input: TopologyInput): void {
		this.seen.push(input);
		if (input.type === "start") {
			this.inOverlay = true;
			this.push({ type: "joined" });
		} else if (input.type === "leave") {
			this.inOverlay = false;
			this.push({ type: "left" });
		} else if (input.type === "request") this.#answer(input);
	}

	#answer(input: Extract<TopologyInput, { type: "request" }>): void {
		const { token } = input;
		if (this.refusal !== undefined) this.push({ type: "refuse", token, errorCode: this.refusal, info: "as told" });
		else if (input.code === MessageCode.routeQueryReq) {
			const body = readRouteQueryReq(input.body, 16);
			if (isRefused(body)) {
				this.push({ type: "refuse", token, errorCode: ErrorCode.invalidMessage, info: body.refused });
				return;
			}
			const { destination } = body;
			const id =
				"nodeId" in destination ? destination.nodeId : "resourceId" in destination ? destination.resourceId : EMPTY;
			this.push({ type: "answer", token, body: this.nextHop(id) ?? this.host.nodeId });
		} else this.push({ type: "answer", token, body: EMPTY });
	}

	poll(): TopologyOutput | undefined {
		return this.#out.shift();
	}

	deadline(): number {
		return Number.POSITIVE_INFINITY;
	}

	resourceId(name: Uint8Array): Uint8Array {
		return this.host.sha1(name).slice(0, this.host.nodeIdLength);
	}

	/** Members from the first at or after `id`, clockwise. */
	#from(id: Uint8Array): Uint8Array[] {
		const sorted = [...this.ring.members].sort(compareBytes);
		const at = sorted.findIndex((member) => compareBytes(member, id) >= 0);
		const start = Math.max(at, 0);
		return [...sorted.slice(start), ...sorted.slice(0, start)];
	}

	isResponsible(id: Uint8Array): boolean {
		const first = this.#from(id)[0];
		return this.inOverlay && first !== undefined && equalBytes(first, this.host.nodeId);
	}

	nextHop(id: Uint8Array): Uint8Array | undefined {
		if (this.isResponsible(id)) return undefined;
		if (this.ring.next !== undefined) return this.ring.next(this.host.nodeId, id);
		return this.#from(id)[0];
	}

	routingTable(): Uint8Array[] {
		return this.ring.members.filter((member) => !equalBytes(member, this.host.nodeId));
	}

	neighbours(): Uint8Array[] {
		return this.routingTable();
	}

	responsiblePpb(): number {
		return 1_000_000_000 / Math.max(1, this.ring.members.length);
	}

	replicaSet(resourceId: Uint8Array): Uint8Array[] {
		return this.#from(resourceId).slice(1, 1 + (this.ring.replicas ?? 2));
	}

	mayReplicate(resourceId: Uint8Array, from: Uint8Array): boolean {
		return this.#from(resourceId)
			.slice(0, 3)
			.some((member) => equalBytes(member, from) || equalBytes(member, this.host.nodeId));
	}

	shouldKeep(resourceId: Uint8Array): boolean {
		return this.#from(resourceId)
			.slice(0, 1 + (this.ring.replicas ?? 2))
			.some((member) => equalBytes(member, this.host.nodeId));
	}

	isCloseEnough(resourceId: Uint8Array, signer: Uint8Array): boolean {
		const first = this.#from(resourceId)[0];
		return first === undefined || equalBytes(first, signer);
	}

	describe(): ReadonlyArray<readonly [string, string]> {
		return [["topology", this.name]];
	}
}
