/**
 * Store, Fetch, Stat and Find of a peer: between the node and its `Storage`. Before editing read RFC 6940 §7.4, §10.4.
 *
 *   original Store ─ checked, in memory ─┬─ persist ──────────┐
 *                                        └─ Store to replicas ┴─ both done, or disk done and replicaAckMs over ─► StoreAns
 */
import { isRefused } from "../machine.ts";
import type { Storage } from "../storage/storage.ts";
import type { StorageRefused, StoreAccepted } from "../storage/types.ts";
import { utf8ToBytes } from "../wire/bytes.ts";
import { ErrorCode, MessageCode } from "../wire/codes.ts";
import { nodeDestination } from "../wire/destination.ts";
import { readFetchReq, writeFetchAns } from "../wire/fetch.ts";
import { readFindReq, writeFindAns } from "../wire/find.ts";
import { writeStatAns } from "../wire/stat.ts";
import { readStoreReq, writeStoreAns } from "../wire/store.ts";
import { encode } from "../wire/writer.ts";
import type { SignedAnswer } from "./answers.ts";
import type { IncomingRequest, NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import type { Maintenance } from "./maintenance.ts";
import type { Persistence } from "./persistence.ts";
import type { StoreSender } from "./store-sender.ts";
import type { TopologyPlugin } from "./topology/plugin.ts";

export interface StorageWorld {
	readonly storage: Storage;
	readonly persistence: Persistence;
	readonly sender: StoreSender;
	readonly maintenance: Maintenance;
	plugin(): TopologyPlugin;
}

/** A Store that is in memory and not answered yet. */
interface Waiting {
	readonly request: IncomingRequest;
	readonly accepted: StoreAccepted;
	readonly replicas: readonly Uint8Array[];
	/** Replicas that have not answered. */
	left: number;
	persisted: boolean;
	readonly answerAt: number;
	/** Signed ahead, while disk and replicas are at work. */
	answer: SignedAnswer | undefined;
}

export class StorageGlue {
	readonly #context: NodeContext;
	readonly #world: StorageWorld;
	#waiting: Waiting[] = [];

	constructor(context: NodeContext, world: StorageWorld) {
		this.#context = context;
		this.#world = world;
	}

	/** False when the request is none of the four. */
	serve(request: IncomingRequest, now: number): boolean {
		switch (request.code) {
			case MessageCode.storeReq:
				this.#store(request, now);
				return true;
			case MessageCode.fetchReq:
				this.#fetch(request, now);
				return true;
			case MessageCode.statReq:
				this.#stat(request, now);
				return true;
			case MessageCode.findReq:
				this.#find(request, now);
				return true;
			default:
				return false;
		}
	}

	#refuse(request: IncomingRequest, refused: StorageRefused, now: number): void {
		this.#context.counters.add(Counter.refusedRequest);
		this.#context.answers.refuse(request, refused.errorCode, refused.info, now);
	}

	#store(request: IncomingRequest, now: number): void {
		const { answers, settings, limits } = this.#context;
		const { storage, persistence } = this.#world;
		const body = readStoreReq(request.body, settings.modelOf);
		if (isRefused(body)) {
			answers.refuse(request, ErrorCode.invalidMessage, body.refused, now);
			return;
		}
		if (this.#waiting.length >= limits.pendingStores || !persistence.hasRoom) {
			this.#refuse(request, { ok: false, errorCode: ErrorCode.dataTooLarge, info: utf8ToBytes("busy") }, now);
			return;
		}
		const plugin = this.#world.plugin();
		const accepted = storage.handleStore(body, {
			signer: request.from,
			certificates: request.certificates,
			isResponsible: (id) => plugin.isResponsible(id),
			mayReplicate: (id) => plugin.mayReplicate(id, request.from.nodeId),
			wallMs: this.#context.wallMs(now),
		});
		if (!accepted.ok) this.#refuse(request, accepted, now);
		else this.#accept(request, accepted, body.replicaNumber === 0, now);
	}

	#accept(request: IncomingRequest, accepted: StoreAccepted, isOriginal: boolean, now: number): void {
		const { profile } = this.#context;
		const { maintenance, persistence } = this.#world;
		const replicas = isOriginal ? this.#world.plugin().replicaSet(accepted.resourceId) : [];
		const left = accepted.changed ? replicas.length : 0;
		const answerAt = now + profile.replicaAckMs;
		const waiting: Waiting = { request, accepted, replicas, left, persisted: false, answerAt, answer: undefined };
		this.#waiting.push(waiting);
		this.#context.spare(() => {
			if (this.#waiting.includes(waiting)) waiting.answer = this.#sign(waiting);
		});
		persistence.commit(accepted.change, (ok, at) => this.#persisted(waiting, ok, at));
		if (!isOriginal) maintenance.received(accepted.resourceId, now);
		else if (accepted.changed) this.#replicate(waiting, now);
	}

	/** RFC 6940 §10.4 MUST: the responsible peer stores at its two successors, replica_number 1 and 2. */
	#replicate(waiting: Waiting, now: number): void {
		const { accepted, replicas } = waiting;
		const { maintenance, sender } = this.#world;
		const version = maintenance.changed(accepted.resourceId);
		for (let i = 0; i < replicas.length; i++) {
			const target = replicas[i]!;
			const stores = accepted.replicas(i + 1, this.#context.wallMs(now), sender.room);
			sender.send(stores, nodeDestination(target), now, (outcome, at) => {
				this.#context.counters.add(outcome.ok ? Counter.replicasSent : Counter.replicasFailed);
				if (outcome.ok && !outcome.merged) maintenance.held(accepted.resourceId, target, version);
				else maintenance.missed(at);
				waiting.left--;
				this.#answerIfDone(waiting, at);
			});
		}
	}

	#persisted(waiting: Waiting, ok: boolean, now: number): void {
		if (ok) {
			waiting.persisted = true;
			this.#answerIfDone(waiting, now);
			return;
		}
		// Choice (§7.4.1.1): no code says "the disk failed"; the value may or may not be there, and a repeat is tried again.
		this.#remove(waiting);
		this.#context.answers.refuse(waiting.request, ErrorCode.dataTooLarge, "cannot be written to disk", now);
	}

	/**
	 * Choice (§10.4): the original Store is answered when disk and replicas have it, so an acknowledged record is on three peers when
	 * three are there; a replica that is slow holds the answer up for replicaAckMs at most.
	 */
	#answerIfDone(waiting: Waiting, now: number): void {
		if (!waiting.persisted || (waiting.left > 0 && now < waiting.answerAt) || !this.#remove(waiting)) return;
		this.#context.answers.send(waiting.request, waiting.answer ?? this.#sign(waiting), now);
	}

	#sign({ request, accepted, replicas }: Waiting): SignedAnswer {
		return this.#context.answers.sign(request, encode(writeStoreAns, accepted.responses(replicas)));
	}

	#remove(waiting: Waiting): boolean {
		const at = this.#waiting.indexOf(waiting);
		if (at >= 0) this.#waiting.splice(at, 1);
		return at >= 0;
	}

	deadline(): number {
		let at = Infinity;
		for (const waiting of this.#waiting) if (waiting.persisted && waiting.answerAt < at) at = waiting.answerAt;
		return at;
	}

	timeout(now: number): void {
		for (const waiting of [...this.#waiting]) this.#answerIfDone(waiting, now);
	}

	#fetch(request: IncomingRequest, now: number): void {
		const { answers, settings } = this.#context;
		const body = readFetchReq(request.body, settings.modelOf);
		if (isRefused(body)) {
			answers.refuse(request, ErrorCode.invalidMessage, body.refused, now);
			return;
		}
		const result = this.#world.storage.handleFetch(body, this.#context.wallMs(now));
		if (!result.ok) {
			this.#refuse(request, result, now);
			return;
		}
		const { certificates } = result;
		answers.answer(request, encode(writeFetchAns, result.answer), now, { certificates });
	}

	#stat(request: IncomingRequest, now: number): void {
		const { answers, settings } = this.#context;
		const body = readFetchReq(request.body, settings.modelOf);
		if (isRefused(body)) {
			answers.refuse(request, ErrorCode.invalidMessage, body.refused, now);
			return;
		}
		const result = this.#world.storage.handleStat(body, this.#context.wallMs(now));
		if (!result.ok) this.#refuse(request, result, now);
		else answers.answer(request, encode(writeStatAns, result.answer), now);
	}

	#find(request: IncomingRequest, now: number): void {
		const { answers } = this.#context;
		const body = readFindReq(request.body);
		if (isRefused(body)) {
			answers.refuse(request, ErrorCode.invalidMessage, body.refused, now);
			return;
		}
		const plugin = this.#world.plugin();
		const wallMs = this.#context.wallMs(now);
		const result = this.#world.storage.handleFind(body, (id) => plugin.isResponsible(id), wallMs);
		if (!result.ok) this.#refuse(request, result, now);
		else answers.answer(request, encode(writeFindAns, result.answer), now);
	}
}
