/**
 * Sends replica and handover Stores, and takes over newer values from whoever refuses them as too old. Before editing read RFC 6940
 * §7.4.1.1, §7.4.1.2.
 */
import { isRefused } from "../machine.ts";
import type { Storage } from "../storage/storage.ts";
import type { OutgoingStore } from "../storage/types.ts";
import { ErrorCode, MessageCode } from "../wire/codes.ts";
import { type Destination, nodeDestination } from "../wire/destination.ts";
import { readFetchAns, writeFetchReq } from "../wire/fetch.ts";
import { writeStoreReq } from "../wire/store.ts";
import { encode } from "../wire/writer.ts";
import type { NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import { certificatesOf } from "./data-requests.ts";
import type { Persistence } from "./persistence.ts";
import type { Outcome } from "./requests.ts";

/** Octets of a Store besides values, certificates of values and the signer's chain: header, lists as they grow, signature. */
const MESSAGE_OVERHEAD = 768;
/** Room for values, however little is left. */
const LEAST_ROOM = 256;

export interface SendOutcome {
	/** The values, or newer ones, are there. */
	readonly ok: boolean;
	/** Who holds them. */
	readonly from: Uint8Array | undefined;
	/** Its newer values replaced some of ours. */
	readonly merged: boolean;
}

export class StoreSender {
	readonly #context: NodeContext;
	readonly #storage: Storage;
	readonly #persistence: Persistence;

	constructor(context: NodeContext, storage: Storage, persistence: Persistence) {
		this.#context = context;
		this.#storage = storage;
		this.#persistence = persistence;
	}

	/** Octets of values and their certificates that fit one Store of ours. */
	get room(): number {
		const { settings, identities } = this.#context;
		let octets = settings.config.maxMessageSize - MESSAGE_OVERHEAD;
		for (const der of identities.own.chain) octets -= der.length + 3;
		return Math.max(octets, LEAST_ROOM);
	}

	/** Sends the Stores one after the other; `done` is called once, later. */
	send(
		stores: readonly OutgoingStore[],
		destination: Destination,
		now: number,
		done: (outcome: SendOutcome, now: number) => void,
	): void {
		this.#next(stores, 0, destination, { ok: true, from: undefined, merged: false }, now, done);
	}

	#next(
		stores: readonly OutgoingStore[],
		at: number,
		destination: Destination,
		so: SendOutcome,
		now: number,
		done: (outcome: SendOutcome, now: number) => void,
	): void {
		const store = stores[at];
		if (store === undefined) {
			this.#context.later((later) => done(so, later));
			return;
		}
		this.#context.requests.open(
			{
				code: MessageCode.storeReq,
				body: encode(writeStoreReq, store.request),
				destination: [destination],
				certificates: store.certificates,
				done: (outcome, later) => {
					const go = (merged: boolean, when: number) => {
						const from = outcome.from?.nodeId ?? so.from;
						this.#next(stores, at + 1, destination, { ok: true, from, merged: so.merged || merged }, when, done);
					};
					if (outcome.ok) go(false, later);
					else if (isOutdated(outcome)) this.#merge(store.request.resource, outcome, later, go);
					else done({ ok: false, from: outcome.from?.nodeId, merged: so.merged }, later);
				},
			},
			now,
		);
	}

	/** RFC 6940 §7.4.1.2 MUST: a refused maintenance Store means that newer data is there, which is fetched and replaces ours. */
	#merge(
		resourceId: Uint8Array,
		refusal: Extract<Outcome, { ok: false }>,
		now: number,
		go: (merged: boolean, now: number) => void,
	): void {
		const request = this.#storage.fetchForMerge(resourceId);
		const { from } = refusal;
		if (request === undefined || from === undefined) {
			this.#context.later((at) => go(false, at));
			return;
		}
		this.#context.requests.open(
			{
				code: MessageCode.fetchReq,
				body: encode(writeFetchReq, request),
				destination: [nodeDestination(from.nodeId)],
				done: (outcome, at) => go(outcome.ok && this.#take(resourceId, outcome, at), at),
			},
			now,
		);
	}

	/** True when values of ours were replaced. */
	#take(resourceId: Uint8Array, outcome: Extract<Outcome, { ok: true }>, now: number): boolean {
		const { settings, counters } = this.#context;
		const answer = readFetchAns(outcome.message.contents.messageBody, settings.modelOf);
		if (isRefused(answer)) return false;
		const certificates = certificatesOf(outcome.message);
		const merged = this.#storage.mergeFetched(resourceId, answer, certificates, this.#context.wallMs(now));
		this.#persistence.commit(merged.change);
		if (merged.replaced === 0) return false;
		counters.add(Counter.merged, merged.replaced);
		this.#context.event({ type: "merged", resourceId, values: merged.replaced });
		return true;
	}
}

function isOutdated(outcome: Extract<Outcome, { ok: false }>): boolean {
	return outcome.errorCode === ErrorCode.generationCounterTooLow || outcome.errorCode === ErrorCode.dataTooOld;
}
