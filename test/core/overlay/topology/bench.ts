/** One plug-in on the bench: the test plays its node and all its peers. */
import { HOUSE_PROFILE, type TimerProfile } from "../../../../core/overlay/profile.ts";
import { createTopology, type TopologyOptions } from "../../../../core/overlay/topology/index.ts";
import type { TopologyInput, TopologyOutput, TopologyPlugin } from "../../../../core/overlay/topology/plugin.ts";
import { toHex } from "../../../../core/wire/bytes.ts";
import { type ChordUpdate, readChordUpdate, writeChordUpdate } from "../../../../core/wire/chord.ts";
import { ChordUpdateType, MessageCode } from "../../../../core/wire/codes.ts";
import { type JoinReq, writeJoinReq } from "../../../../core/wire/join.ts";
import { encode } from "../../../../core/wire/writer.ts";
import { seededRandom } from "../../../../hal/sim/random.ts";

/** A Node-ID that is this share (in 1/256) of the way round the ring. */
export function at(share: number): Uint8Array {
	const id = new Uint8Array(16);
	id[0] = Math.floor(share);
	id[15] = 1;
	return id;
}

type Send = Extract<TopologyOutput, { type: "send" }>;

export class Bench {
	now = 1_000;
	readonly self: Uint8Array;
	readonly plugin: TopologyPlugin;
	readonly connected = new Map<string, Uint8Array>();
	bootstrap: Uint8Array[] = [];
	/** What came out since the last look. */
	out: TopologyOutput[] = [];
	#tokens = 10_000;

	constructor(
		self: Uint8Array,
		name = "CHORD-RELOAD",
		options: TopologyOptions = {},
		profile: TimerProfile = HOUSE_PROFILE,
	) {
		this.self = self;
		const random = seededRandom(1);
		const host = {
			nodeId: self,
			profile,
			nodeIdLength: 16,
			sha1: (data: Uint8Array) => Uint8Array.from({ length: 20 }, (_, i) => data[i] ?? 0xaa),
			random: () => random.next(),
			isConnected: (id: Uint8Array) => this.connected.has(toHex(id)),
			connections: () => [...this.connected.values()],
			bootstrapLinks: () => this.bootstrap,
			uptimeS: (now: number) => now / 1000,
		};
		this.plugin = createTopology(name, host, options)!;
	}

	input(input: TopologyInput): TopologyOutput[] {
		this.plugin.handle(input, this.now);
		const out: TopologyOutput[] = [];
		for (let one = this.plugin.poll(); one !== undefined; one = this.plugin.poll()) out.push(one);
		this.out.push(...out);
		return out;
	}

	/** Lets time pass, waking the plug-in whenever it asked for it. */
	advance(ms: number): TopologyOutput[] {
		const end = this.now + ms;
		const out: TopologyOutput[] = [];
		while (this.plugin.deadline() <= end) {
			this.now = Math.max(this.now, this.plugin.deadline());
			out.push(...this.input({ type: "timeout" }));
		}
		this.now = end;
		return out;
	}

	linkUp(id: Uint8Array): TopologyOutput[] {
		this.connected.set(toHex(id), id);
		return this.input({ type: "linkUp", nodeId: id });
	}

	linkDown(id: Uint8Array, clean = false): TopologyOutput[] {
		this.connected.delete(toHex(id));
		return this.input({ type: "linkDown", nodeId: id, clean });
	}

	request(code: number, from: Uint8Array, body: Uint8Array, overLink = true): TopologyOutput[] {
		return this.input({ type: "request", token: ++this.#tokens, code, from, overLink, body });
	}

	update(
		from: Uint8Array,
		predecessors: Uint8Array[] = [],
		successors: Uint8Array[] = [],
		fingers?: Uint8Array[],
		uptime = 100,
	): TopologyOutput[] {
		const type = fingers === undefined ? ChordUpdateType.neighbors : ChordUpdateType.full;
		const update: ChordUpdate = { uptime, type, predecessors, successors, fingers: fingers ?? [] };
		return this.request(MessageCode.updateReq, from, encode(writeChordUpdate, update));
	}

	join(from: Uint8Array, overLink = true, joiningPeerId = from): TopologyOutput[] {
		const body: JoinReq = { joiningPeerId, overlaySpecificData: new Uint8Array(0) };
		return this.request(MessageCode.joinReq, from, encode(writeJoinReq, body), overLink);
	}

	result(token: number, ok: boolean, from?: Uint8Array, errorCode = 4, body?: Uint8Array): TopologyOutput[] {
		return this.input({ type: "result", token, ok, from, body, errorCode: ok ? 0 : errorCode });
	}

	/** The peer has a link with us and is in the ring. */
	member(id: Uint8Array, predecessors: Uint8Array[] = [], successors: Uint8Array[] = []): TopologyOutput[] {
		return this.linkUp(id).concat(this.update(id, predecessors, successors));
	}

	/** In the ring, alone or with these. */
	inRing(...members: Uint8Array[]): this {
		this.input({ type: "start", first: true });
		for (const id of members) this.member(id);
		this.advance(100);
		this.out = [];
		return this;
	}
}

export function sends(outputs: readonly TopologyOutput[], code: number): Send[] {
	return outputs.filter((output): output is Send => output.type === "send" && output.code === code);
}

export function attaches(outputs: readonly TopologyOutput[]): Extract<TopologyOutput, { type: "attach" }>[] {
	return outputs.filter((output) => output.type === "attach");
}

/** Destination lists as hex of the first octet of each entry. */
export function way(output: { readonly destination: readonly unknown[] }): string {
	return output.destination
		.map((entry) => {
			const { nodeId, resourceId } = entry as { nodeId?: Uint8Array; resourceId?: Uint8Array };
			return nodeId === undefined ? `r:${toHex(resourceId!).slice(0, 2)}` : toHex(nodeId).slice(0, 2);
		})
		.join(" ");
}

export function updateOf(output: Send): ChordUpdate {
	return readChordUpdate(output.body, 16) as ChordUpdate;
}

/** The first octets of a list of ids. */
export function firsts(list: readonly Uint8Array[]): string {
	return list.map((id) => toHex(id).slice(0, 2)).join(" ");
}

/** Receivers of Updates, as first octets. */
export function told(outputs: readonly TopologyOutput[]): string[] {
	return sends(outputs, MessageCode.updateReq).map(way).sort();
}

/** The refusal among the outputs. */
export function refused(outputs: readonly TopologyOutput[]): number | undefined {
	const refusal = outputs.find((output) => output.type === "refuse");
	return refusal?.type === "refuse" ? refusal.errorCode : undefined;
}
