/**
 * A net of topology plug-ins alone: no cryptography, no sockets, no storage engine. Messages take virtual time and may be lost;
 * links come and go. It does what the overlay's node promises at the seam (`plugin.ts`), and nothing more.
 */
import { expect } from "vitest";
import { HOUSE_PROFILE, type TimerProfile } from "../../../../core/overlay/profile.ts";
import type { ChordOptions, TopologyOptions } from "../../../../core/overlay/topology/index.ts";
import type { TopologyOutput } from "../../../../core/overlay/topology/plugin.ts";
import { compareBytes, equalBytes, toHex } from "../../../../core/wire/bytes.ts";
import { MessageCode } from "../../../../core/wire/codes.ts";
import type { MessageExtension } from "../../../../core/wire/contents.ts";
import type { Destination } from "../../../../core/wire/destination.ts";
import { writeProbeAns } from "../../../../core/wire/probe.ts";
import { WireWriter } from "../../../../core/wire/writer.ts";
import { EventQueue } from "../../../../hal/sim/queue.ts";
import { type SeededRandom, seededRandom } from "../../../../hal/sim/random.ts";

import { ATTACH, fromKey, type Packet, Sim } from "./harness-node.ts";

export { fromKey, Sim } from "./harness-node.ts";

export interface NetOptions extends TopologyOptions {
	readonly seed: number;
	readonly plugin?: string;
	readonly latencyMs?: number;
	readonly loss?: number;
	readonly profile?: TimerProfile;
	readonly idLength?: number;
}

type Event = () => void;

export class Net {
	now = 0;
	steps = 0;
	readonly random: SeededRandom;
	readonly nodes = new Map<string, Sim>();
	readonly profile: TimerProfile;
	readonly pluginName: string;
	readonly options: TopologyOptions & ChordOptions;
	readonly counts = new Map<number, number>();
	loss: number;
	onOutput: ((node: Sim, output: TopologyOutput) => void) | undefined;
	readonly #latencyMs: number;
	readonly #idLength: number;
	readonly #queue = new EventQueue<Event>();
	readonly #waiting = new Map<number, { node: Sim; token: number; life: number }>();
	#transactions = 0;
	#still = 0;
	#losing = 0;

	constructor(options: NetOptions) {
		this.random = seededRandom(options.seed);
		this.profile = options.profile ?? HOUSE_PROFILE;
		this.pluginName = options.plugin ?? "CHORD-RELOAD";
		this.options = options;
		this.loss = options.loss ?? 0;
		this.#latencyMs = options.latencyMs ?? 5;
		this.#idLength = options.idLength ?? 16;
	}

	after(ms: number, event: Event): void {
		this.#queue.add(this.now + ms, event);
	}

	delay(): number {
		return this.#latencyMs * (0.5 + this.random.next());
	}

	/** Runs for so long. */
	advance(ms: number): void {
		const end = this.now + ms;
		while (this.#queue.nextAt() <= end) this.#step();
		this.now = end;
	}

	#step(): void {
		const at = this.#queue.nextAt();
		// A plug-in that asks to be woken in the past, again and again, would stop time.
		this.#still = at > this.now ? 0 : this.#still + 1;
		if (this.#still > 20_000) throw new Error(`time stands still at ${this.now}`);
		this.now = Math.max(this.now, at);
		this.#queue.take()!();
	}

	/** Runs until the condition holds; the milliseconds it took. Fails after `withinMs`. */
	until(condition: () => boolean, withinMs: number, what: string): number {
		const start = this.now;
		while (!condition()) {
			if (this.#queue.nextAt() > start + withinMs) expect.fail(`not within ${withinMs} ms: ${what}`);
			this.#step();
		}
		return this.now - start;
	}

	/** A new node that joins through these; the first one founds. */
	add(bootstrap?: Sim[], id?: Uint8Array): Sim {
		const node = this.prepare(id, bootstrap);
		node.start(this.nodes.size === 1);
		return node;
	}

	/** As `add`, not started yet. */
	prepare(id?: Uint8Array, bootstrap?: Sim[]): Sim {
		const all = [...this.nodes.values()];
		const node = new Sim(this, id ?? this.random.bytes(this.#idLength), bootstrap ?? all.slice(0, 2));
		this.nodes.set(node.key, node);
		return node;
	}

	/** Loses the n-th message from now on (hop by hop). */
	loseNth(nth: number): void {
		this.#losing = nth;
	}

	alive(): Sim[] {
		return [...this.nodes.values()].filter((node) => node.alive).sort((a, b) => compareBytes(a.id, b.id));
	}

	canTalk(a: Sim, b: Sim): boolean {
		return a.alive && b.alive && a.group === b.group;
	}

	link(a: Sim, b: Sim): boolean {
		if (!this.canTalk(a, b)) return false;
		if (a.links.has(b.key)) return true;
		a.links.set(b.key, b);
		b.links.set(a.key, a);
		a.input({ type: "linkUp", nodeId: b.id });
		b.input({ type: "linkUp", nodeId: a.id });
		return true;
	}

	unlink(a: Sim, b: Sim, clean: boolean): void {
		for (const [one, other] of [
			[a, b],
			[b, a],
		] as const) {
			if (one.links.get(other.key) !== other) continue;
			one.links.delete(other.key);
			one.input({ type: "linkDown", nodeId: other.id, clean });
		}
	}

	/** reset: the others notice at once. silent: after the link's timers. clean: they were told. */
	kill(node: Sim, how: "reset" | "silent" | "clean"): void {
		node.alive = false;
		node.life++;
		const { linkIdleMs, linkSuspectMs } = this.profile;
		const wait = how === "silent" ? linkIdleMs + linkSuspectMs : this.delay();
		for (const other of node.links.values()) {
			this.after(wait, () => {
				if (other.links.get(node.key) !== node || (node.alive && node.links.has(other.key))) return;
				other.links.delete(node.key);
				other.input({ type: "linkDown", nodeId: node.id, clean: how === "clean" });
			});
		}
		node.links.clear();
	}

	/** Cuts the net: nodes of different groups hear no more of each other. */
	partition(groups: Sim[][]): void {
		for (let group = 0; group < groups.length; group++) for (const node of groups[group]!) node.group = group;
		const { linkIdleMs, linkSuspectMs } = this.profile;
		this.after(linkIdleMs + linkSuspectMs, () => {
			for (const node of this.alive()) {
				for (const other of [...node.links.values()]) {
					if (node.group !== other.group) this.unlink(node, other, false);
				}
			}
		});
	}

	heal(): void {
		for (const node of this.nodes.values()) node.group = 0;
	}

	count(code: number): number {
		return this.counts.get(code) ?? 0;
	}

	request(
		node: Sim,
		token: number,
		code: number,
		destination: readonly Destination[],
		body: Uint8Array,
		extensions: readonly MessageExtension[],
		sendUpdate: boolean,
	): void {
		const transaction = ++this.#transactions;
		this.#waiting.set(transaction, { node, token, life: node.life });
		const make = (): Packet => ({
			kind: "request",
			transaction,
			code,
			origin: node,
			body,
			extensions,
			destination: [...destination],
			via: [],
			ttl: 100,
			ok: true,
			errorCode: 0,
			from: undefined,
			sendUpdate,
		});
		const { overlayReliabilityMs, transmissions } = this.profile;
		const attempt = (left: number): void => {
			if (!this.#waiting.has(transaction) || node.life !== this.#waiting.get(transaction)!.life) return;
			if (left === 0) {
				this.#finish(transaction, false, undefined, undefined, 4, []);
				return;
			}
			this.counts.set(code, this.count(code) + 1);
			this.#route(node, make());
			this.after(overlayReliabilityMs, () => attempt(left - 1));
		};
		// Not in the middle of the plug-in's outputs: as a node, which queues.
		this.after(0, () => attempt(transmissions));
	}

	#finish(
		transaction: number,
		ok: boolean,
		from: Sim | undefined,
		body: Uint8Array | undefined,
		errorCode: number,
		extensions: readonly MessageExtension[],
	): void {
		const waiting = this.#waiting.get(transaction);
		if (waiting === undefined) return;
		this.#waiting.delete(transaction);
		if (waiting.life !== waiting.node.life) return;
		waiting.node.input({ type: "result", token: waiting.token, ok, from: from?.id, body, errorCode, extensions });
	}

	#send(from: Sim, to: Sim, packet: Packet): void {
		if (this.loss > 0 && this.random.next() < this.loss) return;
		if (--this.#losing === 0) return;
		const life = to.life;
		this.after(this.delay(), () => {
			if (!to.alive || to.life !== life || from.group !== to.group) return;
			if (packet.kind === "request") this.#route(to, { ...packet, via: [...packet.via, from] });
			else this.#back(to, packet);
		});
	}

	#route(node: Sim, packet: Packet): void {
		if (packet.ttl-- <= 0) return;
		for (;;) {
			const first = packet.destination[0];
			if (first === undefined) return;
			const id = "nodeId" in first ? first.nodeId : "resourceId" in first ? first.resourceId : new Uint8Array(0);
			const isNode = "nodeId" in first;
			if (isNode && equalBytes(id, node.id)) {
				if (packet.destination.length === 1) {
					this.#deliver(node, packet);
					return;
				}
				packet.destination = packet.destination.slice(1);
				continue;
			}
			const direct = isNode ? node.links.get(toHex(id)) : undefined;
			if (direct !== undefined) {
				this.#send(node, direct, packet);
				return;
			}
			if (!isNode && node.plugin.isResponsible(id)) {
				this.#deliver(node, packet);
				return;
			}
			if (isNode && node.plugin.inOverlay && node.plugin.isResponsible(id)) return;
			const hop = node.plugin.nextHop(id);
			const next = hop === undefined ? undefined : node.links.get(toHex(hop));
			if (next !== undefined) this.#send(node, next, packet);
			return;
		}
	}

	#deliver(node: Sim, packet: Packet): void {
		const old = node.answered.get(packet.transaction);
		if (old !== undefined) {
			this.#back(node, { ...old, via: [...packet.via] });
			return;
		}
		const { origin } = packet;
		switch (packet.code) {
			case MessageCode.pingReq:
				this.answer(node, packet, true, 0, new Uint8Array(0), []);
				return;
			case MessageCode.probeReq: {
				if (packet.extensions.length > 0)
					node.input({ type: "probed", from: origin.id, extensions: packet.extensions });
				const writer = new WireWriter();
				writeProbeAns(writer, { probeInfo: [{ type: 3, value: Math.floor((this.now - node.startedAt) / 1000) }] });
				this.answer(node, packet, true, 0, writer.take(), node.plugin.probeExtensions?.(this.now) ?? []);
				return;
			}
			case ATTACH:
				this.answer(node, packet, true, 0, new Uint8Array(0), []);
				return;
			default: {
				const token = packet.transaction;
				node.tokens.set(token, packet);
				const overLink = packet.via.length > 0 && packet.via[packet.via.length - 1] === origin;
				node.input({ type: "request", token, code: packet.code, from: origin.id, overLink, body: packet.body });
			}
		}
	}

	answer(
		node: Sim,
		request: Packet,
		ok: boolean,
		errorCode: number,
		body: Uint8Array,
		extensions: readonly MessageExtension[],
	): void {
		const packet: Packet = { ...request, kind: "answer", ok, errorCode, body, extensions, from: node, ttl: 100 };
		node.answered.set(request.transaction, packet);
		this.#back(node, { ...packet, via: [...request.via] });
	}

	#back(node: Sim, packet: Packet): void {
		const next = packet.via.pop();
		if (next !== undefined) {
			if (node.links.has(next.key)) this.#send(node, next, packet);
			return;
		}
		const from = packet.from!;
		if (packet.code !== ATTACH || !packet.ok) {
			this.#finish(packet.transaction, packet.ok, from, packet.body, packet.errorCode, packet.extensions);
			return;
		}
		// The link: TCP and TLS take three round trips.
		this.after(6 * this.delay(), () => {
			if (!this.#waiting.has(packet.transaction) || !node.alive) return;
			const up = from === node || this.link(node, from);
			if (up && packet.sendUpdate && from !== node) from.input({ type: "updateWanted", nodeId: node.id });
			this.#finish(packet.transaction, up, up ? from : undefined, undefined, up ? 0 : 4, []);
		});
	}

	/** Routes a value to the peer that its holder believes responsible. */
	passOn(from: Sim, key: string, id: Uint8Array): void {
		let node = from;
		for (let hops = 0; hops < 20; hops++) {
			if (node.plugin.isResponsible(id)) {
				node.data.add(key);
				node.replicate(key);
				return;
			}
			const hop = node.plugin.nextHop(id);
			const next = hop === undefined ? undefined : node.links.get(toHex(hop));
			if (next === undefined || !next.alive) return;
			node = next;
		}
	}

	/** Stores values at random places, with their replicas. */
	store(count: number): string[] {
		const keys: string[] = [];
		for (let i = 0; i < count; i++) {
			const id = this.random.bytes(this.#idLength);
			const owner = this.ownerOf(id);
			keys.push(toHex(id));
			owner.data.add(toHex(id));
			owner.replicate(toHex(id));
		}
		return keys;
	}

	ownerOf(id: Uint8Array): Sim {
		const ring = this.alive().filter((node) => node.plugin.inOverlay);
		return ring.find((node) => compareBytes(node.id, id) >= 0) ?? ring[0]!;
	}

	/** What is wrong with the ring, or "" when it is right: responsibility, neighbours, replica sets. */
	fault(perSide = 3): string {
		const ring = this.alive();
		const size = ring.length;
		for (let i = 0; i < size; i++) {
			const node = ring[i]!;
			const name = node.key.slice(0, 6);
			if (!node.plugin.inOverlay) return `${name} is not in the overlay (${node.plugin.describe()[1]![1]})`;
			const predecessor = ring[(i + size - 1) % size]!;
			for (const other of ring) {
				if (node.plugin.isResponsible(other.id) !== (other === node))
					return `${name} and the id of ${other.key.slice(0, 6)}`;
			}
			if (size > 1 && node.plugin.isResponsible(predecessor.id)) return `${name} claims its predecessor`;
			const wanted = new Set<string>();
			for (let k = 1; k <= perSide; k++) {
				wanted.add(ring[(i + k) % size]!.key);
				wanted.add(ring[(i + size * perSide - k) % size]!.key);
			}
			wanted.delete(node.key);
			const has = new Set(node.plugin.neighbours().map(toHex));
			for (const key of wanted) if (!has.has(key)) return `${name} lacks neighbour ${key.slice(0, 6)}`;
			const replicas = node.plugin.replicaSet(node.id).map(toHex);
			for (let k = 1; k <= 2 && k < size; k++) {
				if (replicas[k - 1] !== ring[(i + k) % size]!.key) return `${name} has another successor ${k}`;
			}
		}
		return "";
	}

	/** Runs until the ring is right; the milliseconds it took. */
	converge(withinMs: number, perSide = 3): number {
		const start = this.now;
		while (this.fault(perSide) !== "") {
			if (this.now - start > withinMs) expect.fail(`ring not right after ${withinMs} ms: ${this.fault(perSide)}`);
			this.advance(100);
		}
		return this.now - start;
	}

	/** Values nobody responsible has any more. */
	missing(keys: readonly string[]): string[] {
		return keys.filter((key) => !this.ownerOf(fromKey(key)).data.has(key));
	}
}
