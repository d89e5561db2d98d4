/**
 * Where values belong and who holds them: handover, replicas, pass-on, forgetting; in the background, a few at a time. Before editing
 * read RFC 6940 §10.4, §10.5, §7.4.1.2, §6.4.2.3.
 *
 *   responsible          each node of the replica set that has not got the current values ◄─ Store, replica_number 1 and 2
 *   not any more, was    ─ Store to the Resource-ID ─► the node in charge; then as below
 *   not, never was       in the replica set: keep; else forget
 *   refused as too old   ─ Fetch from the refuser ─► its newer values replace ours
 *   who was in charge is gone ─ each node of its replica set passes its values on to who is in charge now
 */
import type { Storage } from "../storage/storage.ts";
import { compareBytes, equalBytes, toHex } from "../wire/bytes.ts";
import { type Destination, nodeDestination, resourceDestination } from "../wire/destination.ts";
import type { NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import { Times } from "./limits.ts";
import type { Persistence } from "./persistence.ts";
import type { StoreSender } from "./store-sender.ts";
import type { TopologyPlugin } from "./topology/plugin.ts";

/** Every how many settling sweeps all replicas are sent again. */
const RESEND_SWEEPS = 10;
/** Replica number of a handover or pass-on, [D-23]. */
const HANDED_ON = 1;

/** What is known of one resource here. */
interface Placement {
	/** We are or were in charge of it, so it is ours to pass on. Undefined after a restart: then it is passed on to be sure. */
	owner: boolean | undefined;
	/** Who has its current values from us. */
	holders: Uint8Array[];
	/** Counts changes, so that the answer to an older Store says nothing about newer values. */
	version: number;
	/** Since when we have nothing to do with it; Infinity while we have. */
	strangeSince: number;
}

/** A handover of the plug-in's. */
interface Job {
	readonly to: Uint8Array;
	readonly resources: readonly Uint8Array[];
	next: number;
	underWay: number;
	ok: boolean;
	ended: boolean;
}

/** One resource on its way to one place. */
interface Task {
	readonly resourceId: Uint8Array;
	readonly destination: Destination;
	readonly replicaNumber: number;
	done(ok: boolean, from: Uint8Array | undefined, now: number): void;
}

export interface MaintenanceWorld {
	readonly storage: Storage;
	readonly persistence: Persistence;
	readonly sender: StoreSender;
	plugin(): TopologyPlugin;
	handedOver(to: Uint8Array, ok: boolean, now: number): void;
}

export class Maintenance {
	readonly #context: NodeContext;
	readonly #world: MaintenanceWorld;
	readonly #placements = new Map<string, Placement>();
	#jobs: Job[] = [];
	/** Tasks of the resource looked at last: at most one per replica. */
	readonly #ready: Task[] = [];
	#underWay = 0;
	/** Resources of this sweep, and the next one to be looked at. */
	#sweep: readonly Uint8Array[] = [];
	#next = 0;
	/** In this sweep replicas are made and leftovers forgotten; else values are only passed on. */
	#settles = false;
	/** Settling sweeps so far. */
	#sweeps = 0;
	/** When the next sweep of each sort begins, and the next step of this one. */
	#passOnAt = Infinity;
	#settleAt = Infinity;
	#stepAt = Infinity;

	constructor(context: NodeContext, world: MaintenanceWorld) {
		this.#context = context;
		this.#world = world;
	}

	#placement(resourceId: Uint8Array): Placement {
		const key = toHex(resourceId);
		let placement = this.#placements.get(key);
		if (placement === undefined) {
			placement = { owner: undefined, holders: [], version: 0, strangeSince: Infinity };
			this.#placements.set(key, placement);
		}
		return placement;
	}

	/** An original Store (or a merge) changed this resource, which is ours. The version of its values, for `held`. */
	changed(resourceId: Uint8Array): number {
		const placement = this.#placement(resourceId);
		placement.owner = true;
		placement.holders = [];
		return ++placement.version;
	}

	/** A replica of the values of `version` is at `nodeId`. */
	held(resourceId: Uint8Array, nodeId: Uint8Array, version: number): void {
		const placement = this.#placement(resourceId);
		if (placement.version === version && !includes(placement.holders, nodeId)) placement.holders.push(nodeId);
	}

	/** Somebody stored a replica here, or handed the resource over. */
	received(resourceId: Uint8Array, now: number): void {
		const placement = this.#placement(resourceId);
		if (!this.#world.plugin().isResponsible(resourceId)) {
			placement.owner ??= false;
			return;
		}
		this.changed(resourceId);
		this.#settleBy(now + this.#context.profile.holdDownMs);
	}

	/** A replica could not be made at once: it is tried again in the background. */
	missed(now: number): void {
		this.#settleBy(now + Times.maintenanceRetryMs);
	}

	#settleBy(at: number): void {
		if (at < this.#settleAt) this.#settleAt = at;
	}

	/**
	 * Responsibility or replica sets changed. Values that are no longer ours are passed on at once (RFC 6940 §6.4.2.3 MUST); replicas wait
	 * for the hold-down time (§10.7.1 SHOULD), since the next Update may bring a better successor.
	 */
	placementChanged(now: number): void {
		this.#passOnAt = now;
		this.#settleBy(now + this.#context.profile.holdDownMs);
	}

	/** RFC 6940 §10.5 MUST: everything in (after, upTo] goes to `to`, which is about to be responsible for it. */
	handOver(to: Uint8Array, after: Uint8Array, upTo: Uint8Array, now: number): void {
		const resources: Uint8Array[] = [];
		for (const id of this.#world.storage.resources()) if (inInterval(id, after, upTo)) resources.push(id);
		const job: Job = { to, resources, next: 0, underWay: 0, ok: true, ended: false };
		this.#jobs.push(job);
		this.#context.later((at) => {
			this.#endIfDone(job, at);
			this.#pump(at);
		});
		this.#stepAt = now;
	}

	/** A handover to a node that is gone has failed; and when it comes back it may have lost what it held. */
	linkDown(nodeId: Uint8Array, now: number): void {
		for (const placement of this.#placements.values()) {
			const at = indexOf(placement.holders, nodeId);
			if (at >= 0) placement.holders.splice(at, 1);
		}
		this.#orphan(nodeId, now);
		this.#settleBy(now + this.#context.profile.holdDownMs);
		for (const job of [...this.#jobs]) if (equalBytes(job.to, nodeId)) this.#end(job, false, now);
	}

	/**
	 * Choice (§10.4): the replicas of a peer that is gone pass its values on. Who takes its place is the first of them and has the values
	 * as a rule; but when it came into the ring a moment ago, with an old disk or none, its own replicas had not been brought up to date.
	 * Here the topology has not heard of the loss yet.
	 */
	#orphan(nodeId: Uint8Array, now: number): void {
		const plugin = this.#world.plugin();
		for (const id of this.#world.storage.resources()) {
			const placement = this.#placement(id);
			if (placement.owner !== false || !plugin.isCloseEnough(id, nodeId)) continue;
			placement.owner = undefined;
			this.#passOnAt = now;
		}
	}

	#endIfDone(job: Job, now: number): void {
		if (job.next >= job.resources.length && job.underWay === 0) this.#end(job, job.ok, now);
	}

	#end(job: Job, ok: boolean, now: number): void {
		if (job.ended) return;
		job.ended = true;
		this.#jobs = this.#jobs.filter((other) => other !== job);
		this.#world.handedOver(job.to, ok, now);
	}

	deadline(): number {
		const due = Math.min(this.#passOnAt, this.#settleAt);
		// While a sweep waits for answers, these wake it.
		if (this.#isSweeping) return this.#stepAt;
		return Math.min(due, this.#stepAt);
	}

	get #isSweeping(): boolean {
		return this.#next < this.#sweep.length;
	}

	timeout(now: number): void {
		if (!this.#isSweeping && (this.#passOnAt <= now || this.#settleAt <= now)) this.#begin(now);
		if (this.#stepAt <= now) this.#pump(now);
	}

	#begin(now: number): void {
		this.#settles = this.#settleAt <= now;
		this.#passOnAt = Infinity;
		if (this.#settles) {
			this.#sweeps++;
			this.#settleAt = now + this.#context.profile.chordUpdateMs;
			this.#tidy();
		}
		this.#sweep = this.#world.storage.resources();
		this.#next = 0;
		this.#stepAt = now;
	}

	/** Forgets what is known of resources that are not stored any more. */
	#tidy(): void {
		const stored = new Set<string>();
		for (const id of this.#world.storage.resources()) stored.add(toHex(id));
		for (const key of this.#placements.keys()) if (!stored.has(key)) this.#placements.delete(key);
	}

	/** Starts tasks while there is room: handovers first. */
	#pump(now: number): void {
		const { maintenanceStores, maintenanceStep } = this.#context.limits;
		this.#stepAt = Infinity;
		let budget = maintenanceStep;
		while (this.#underWay < maintenanceStores) {
			const task = this.#nextTask();
			if (task !== undefined) {
				this.#start(task, now);
				continue;
			}
			if (!this.#isSweeping) return;
			if (budget-- <= 0) {
				this.#stepAt = now + Times.maintenanceGapMs;
				return;
			}
			this.#examine(this.#sweep[this.#next++]!, now);
		}
	}

	#nextTask(): Task | undefined {
		for (const job of this.#jobs) if (job.next < job.resources.length) return this.#handOverTask(job);
		return this.#ready.shift();
	}

	#handOverTask(job: Job): Task {
		const resourceId = job.resources[job.next++]!;
		const { version } = this.#placement(resourceId);
		job.underWay++;
		return {
			resourceId,
			destination: nodeDestination(job.to),
			replicaNumber: HANDED_ON,
			done: (ok, _from, now) => {
				job.underWay--;
				if (ok) {
					this.#context.counters.add(Counter.handedOver);
					this.held(resourceId, job.to, version);
					// The new owner has it; should it stay ours after all, the next sweep says so.
					if (this.#placement(resourceId).version === version) this.#placement(resourceId).owner = false;
				} else job.ok = false;
				this.#endIfDone(job, now);
			},
		};
	}

	#start(task: Task, now: number): void {
		const { storage, sender } = this.#world;
		const { resourceId, replicaNumber } = task;
		const stores = storage.storesFor(resourceId, replicaNumber, this.#context.wallMs(now), sender.room);
		this.#underWay++;
		sender.send(stores, task.destination, now, (outcome, at) => {
			this.#underWay--;
			if (outcome.merged) this.#merged(resourceId, outcome.from, at);
			task.done(outcome.ok, outcome.from, at);
			this.#pump(at);
		});
	}

	/** Its newer values are ours now. */
	#merged(resourceId: Uint8Array, from: Uint8Array | undefined, now: number): void {
		const version = this.changed(resourceId);
		if (from !== undefined) this.held(resourceId, from, version);
		this.#settleBy(now + Times.maintenanceRetryMs);
	}

	/** Looks where a resource belongs. */
	#examine(resourceId: Uint8Array, now: number): void {
		const plugin = this.#world.plugin();
		if (!plugin.inOverlay) return;
		const placement = this.#placement(resourceId);
		const isKept = plugin.shouldKeep(resourceId);
		if (isKept) placement.strangeSince = Infinity;
		else if (placement.strangeSince === Infinity) placement.strangeSince = now;
		if (plugin.isResponsible(resourceId)) {
			placement.owner = true;
			const targets = plugin.replicaSet(resourceId);
			// Who was out of the set for a moment may have forgotten the values.
			placement.holders = placement.holders.filter((holder) => includes(targets, holder));
			if (this.#settles) this.#replicate(resourceId, placement, targets);
		} else if (placement.owner !== false) this.#passOn(resourceId, placement);
		else if (this.#settles && !isKept) this.#forget(resourceId, placement, now);
	}

	/** RFC 6940 §10.4 MUST: all values go to each new member of the replica set. */
	#replicate(resourceId: Uint8Array, placement: Placement, targets: readonly Uint8Array[]): void {
		// Now and then everything is sent again (a repetition changes nothing), whatever is thought to be where.
		if (this.#sweeps % RESEND_SWEEPS === 0) placement.holders = [];
		const { version } = placement;
		for (let i = 0; i < targets.length; i++) {
			const target = targets[i]!;
			if (includes(placement.holders, target)) continue;
			this.#ready.push({
				resourceId,
				destination: nodeDestination(target),
				replicaNumber: i + 1,
				done: (ok, _from, now) => {
					this.#context.counters.add(ok ? Counter.replicasSent : Counter.replicasFailed);
					if (ok) this.held(resourceId, target, version);
					else this.missed(now);
				},
			});
		}
	}

	/** RFC 6940 §6.4.2.3 MUST: who learns that it is not responsible any more tries to store a copy at the right node. */
	#passOn(resourceId: Uint8Array, placement: Placement): void {
		const { version } = placement;
		this.#ready.push({
			resourceId,
			destination: resourceDestination(resourceId),
			replicaNumber: HANDED_ON,
			done: (ok, _from, now) => {
				if (ok && placement.version === version) {
					placement.owner = false;
					this.#context.counters.add(Counter.passedOn);
				}
				this.missed(now);
			},
		});
	}

	/**
	 * RFC 6940 §10.4 SHOULD: who is no longer in the replica set deletes. Choice: only what is known to be stored where it belongs, and
	 * only after the hold-down time, since a ring that heals shows many faces.
	 */
	#forget(resourceId: Uint8Array, placement: Placement, now: number): void {
		const { holdDownMs } = this.#context.profile;
		if (now - placement.strangeSince < holdDownMs) {
			this.#settleBy(now + holdDownMs);
			return;
		}
		this.#context.counters.add(Counter.forgotten);
		this.#placements.delete(toHex(resourceId));
		this.#world.persistence.commit(this.#world.storage.forget(resourceId));
	}
}

function indexOf(list: readonly Uint8Array[], nodeId: Uint8Array): number {
	for (let i = 0; i < list.length; i++) if (equalBytes(list[i]!, nodeId)) return i;
	return -1;
}

function includes(list: readonly Uint8Array[], nodeId: Uint8Array): boolean {
	return indexOf(list, nodeId) >= 0;
}

/** True for ids in the half-open ring interval (after, upTo]; the whole ring when both are equal. */
export function inInterval(id: Uint8Array, after: Uint8Array, upTo: Uint8Array): boolean {
	const isBehind = compareBytes(id, after) > 0;
	const isBefore = compareBytes(id, upTo) <= 0;
	const order = compareBytes(after, upTo);
	if (order === 0) return true;
	return order < 0 ? isBehind && isBefore : isBehind || isBefore;
}
