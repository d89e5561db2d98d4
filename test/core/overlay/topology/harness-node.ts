/** One node of the net of topology plug-ins (harness.ts): what the overlay's node does for its plug-in, and nothing more. */
import { expect } from "vitest";
import { createTopology } from "../../../../core/overlay/topology/index.ts";
import type {
	TopologyHost,
	TopologyInput,
	TopologyOutput,
	TopologyPlugin,
} from "../../../../core/overlay/topology/plugin.ts";
import { inInterval } from "../../../../core/overlay/topology/ring.ts";
import { toHex } from "../../../../core/wire/bytes.ts";
import { MessageCode } from "../../../../core/wire/codes.ts";
import type { MessageExtension } from "../../../../core/wire/contents.ts";
import type { Destination } from "../../../../core/wire/destination.ts";
import type { SeededRandom } from "../../../../hal/sim/random.ts";

import type { Net } from "./harness.ts";

export interface Packet {
	readonly kind: "request" | "answer";
	readonly transaction: number;
	readonly code: number;
	readonly origin: Sim;
	readonly body: Uint8Array;
	readonly extensions: readonly MessageExtension[];
	destination: Destination[];
	via: Sim[];
	ttl: number;
	/** Of an answer. */
	readonly ok: boolean;
	readonly errorCode: number;
	readonly from: Sim | undefined;
	readonly sendUpdate: boolean;
}

export const ATTACH = MessageCode.attachReq;

/** One node: a plug-in and the little it needs of a node. */
export class Sim {
	readonly net: Net;
	readonly id: Uint8Array;
	readonly key: string;
	plugin: TopologyPlugin;
	alive = true;
	group = 0;
	startedAt = 0;
	readonly links = new Map<string, Sim>();
	readonly data = new Set<string>();
	readonly events: string[] = [];
	timerAt = Number.POSITIVE_INFINITY;
	readonly bootstrap: Sim[];
	readonly answered = new Map<number, Packet>();
	readonly tokens = new Map<number, Packet>();
	/** Incarnation: packets and timers of an earlier life are void. */
	life = 0;
	random: SeededRandom;

	constructor(net: Net, id: Uint8Array, bootstrap: Sim[]) {
		this.net = net;
		this.id = id;
		this.key = toHex(id);
		this.bootstrap = bootstrap;
		this.random = net.random.fork();
		this.plugin = this.#make();
	}

	#make(): TopologyPlugin {
		const { net } = this;
		const host: TopologyHost = {
			nodeId: this.id,
			profile: net.profile,
			nodeIdLength: this.id.length,
			sha1: () => new Uint8Array(20),
			random: () => this.random.next(),
			isConnected: (id) => this.links.has(toHex(id)),
			connections: () => [...this.links.values()].map((node) => node.id),
			bootstrapLinks: () => this.bootstrap.filter((node) => this.links.has(node.key)).map((node) => node.id),
			uptimeS: (now) => (now - this.startedAt) / 1000,
		};
		return createTopology(net.pluginName, host, net.options)!;
	}

	start(first: boolean): void {
		this.startedAt = this.net.now;
		this.input({ type: "start", first });
		this.#seekBootstrap(this.life);
	}

	/** As the overlay's node: keeps trying to be linked with a bootstrap node. */
	#seekBootstrap(life: number): void {
		if (!this.alive || life !== this.life) return;
		for (const node of this.bootstrap) {
			if (node !== this && !this.links.has(node.key) && this.net.canTalk(this, node)) this.net.link(this, node);
		}
		this.net.after(2000 + this.random.below(1000), () => this.#seekBootstrap(life));
	}

	restart(): void {
		this.life++;
		this.alive = true;
		this.links.clear();
		this.answered.clear();
		this.tokens.clear();
		this.plugin = this.#make();
		this.start(false);
	}

	input(input: TopologyInput): void {
		if (!this.alive) return;
		this.plugin.handle(input, this.net.now);
		this.net.steps++;
		for (let output = this.plugin.poll(); output !== undefined; output = this.plugin.poll()) this.#output(output);
		this.#schedule();
	}

	#schedule(): void {
		const at = this.plugin.deadline();
		if (at === this.timerAt || at === Number.POSITIVE_INFINITY) return;
		this.timerAt = at;
		const life = this.life;
		this.net.after(Math.max(0, at - this.net.now), () => {
			if (life !== this.life || this.timerAt !== at) return;
			this.timerAt = Number.POSITIVE_INFINITY;
			if (this.plugin.deadline() > this.net.now) this.#schedule();
			else this.input({ type: "timeout" });
		});
	}

	#output(output: TopologyOutput): void {
		this.net.onOutput?.(this, output);
		if (!this.alive) return;
		switch (output.type) {
			case "send":
				this.net.request(
					this,
					output.token,
					output.code,
					output.destination,
					output.body,
					output.extensions ?? [],
					false,
				);
				return;
			case "attach":
				this.net.request(this, output.token, ATTACH, output.destination, new Uint8Array(0), [], output.sendUpdate);
				return;
			case "answer":
				this.net.answer(this, this.tokens.get(output.token)!, true, 0, output.body, []);
				return;
			case "refuse":
				this.net.answer(this, this.tokens.get(output.token)!, false, output.errorCode, new Uint8Array(0), []);
				return;
			case "release": {
				const other = this.links.get(toHex(output.nodeId));
				if (other !== undefined) this.net.unlink(this, other, true);
				return;
			}
			case "handOver":
				this.#handOver(output.to, output.after, output.upTo);
				return;
			case "placementChanged":
				this.net.after(0, () => this.place());
				return;
			default:
				this.events.push(output.type);
				if (output.type === "left") this.net.kill(this, "clean");
		}
	}

	#handOver(to: Uint8Array, after: Uint8Array, upTo: Uint8Array): void {
		const life = this.life;
		this.net.after(this.net.delay() * 2, () => {
			if (life !== this.life) return;
			const node = this.links.get(toHex(to));
			const ok = node?.alive === true;
			if (ok) {
				for (const key of this.data) {
					const id = fromKey(key);
					if (!inInterval(id, after, upTo)) continue;
					expect(node.plugin.mayReplicate(id, this.id), "the joining peer takes what is handed over").toBe(true);
					node.data.add(key);
				}
			}
			this.input({ type: "handedOver", to, ok });
		});
	}

	/** What the node does with its values when their places may have changed. */
	place(): void {
		if (!this.alive || !this.plugin.inOverlay) return;
		for (const key of [...this.data]) {
			const id = fromKey(key);
			if (this.plugin.isResponsible(id)) this.replicate(key);
			else {
				const next = this.plugin.nextHop(id);
				// Passing on goes by routing; the neighbours are enough for this harness.
				if (next !== undefined) this.net.passOn(this, key, id);
				if (!this.plugin.shouldKeep(id)) this.data.delete(key);
			}
		}
	}

	replicate(key: string): void {
		const id = fromKey(key);
		for (const replica of this.plugin.replicaSet(id)) this.#copy(key, replica);
	}

	#copy(key: string, to: Uint8Array): void {
		this.net.after(this.net.delay(), () => {
			const node = this.net.nodes.get(toHex(to));
			if (node?.alive !== true || !this.links.has(node.key)) return;
			const id = fromKey(key);
			if (node.plugin.mayReplicate(id, this.id)) node.data.add(key);
		});
	}
}

export function fromKey(key: string): Uint8Array {
	return Uint8Array.from(key.match(/../g) ?? [], (octet) => Number.parseInt(octet, 16));
}
