/** Store, Fetch, Stat and Find as the node's own requests, and what their answers say (RFC 6940 §7.4). */
import { signStored } from "../identity/signer.ts";
import { isRefused } from "../machine.ts";
import { verifyFetched } from "../storage/verify-fetched.ts";
import { bytesToUtf8, EMPTY } from "../wire/bytes.ts";
import { APPEND_INDEX, CertificateType, ErrorCode, MessageCode } from "../wire/codes.ts";
import { resourceDestination } from "../wire/destination.ts";
import { readFetchAns, type StoredDataSpecifier, writeFetchReq } from "../wire/fetch.ts";
import { readFindAns, writeFindReq } from "../wire/find.ts";
import type { Message } from "../wire/message.ts";
import { readStatAns } from "../wire/stat.ts";
import { readStoreAns, type StoreKindData, type StoreReq, writeStoreReq } from "../wire/store.ts";
import type { StoredData, StoredDataValue } from "../wire/stored-data.ts";
import { encode } from "../wire/writer.ts";
import type { NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import type { AnswerBody, FetchedKind, FetchKind, RequestOptions, StoreKind, StoreValue } from "./node-types.ts";
import type { Outcome } from "./requests.ts";

/** DER certificates of a message. */
export function certificatesOf(message: Message): Uint8Array[] {
	const out: Uint8Array[] = [];
	for (const { type, certificate } of message.security.certificates) {
		if (type === CertificateType.x509) out.push(certificate);
	}
	return out;
}

/** A failed outcome as the result of a command. */
export function failure(outcome: Extract<Outcome, { ok: false }>): {
	ok: false;
	errorCode: number;
	info: string;
	infoBytes: Uint8Array;
} {
	const { errorCode, info } = outcome;
	return { ok: false, errorCode, info: bytesToUtf8(info), infoBytes: info };
}

export class DataRequests {
	readonly #context: NodeContext;

	constructor(context: NodeContext) {
		this.#context = context;
	}

	/** Signs and stores values at the peer responsible for `resourceId`. */
	store(
		token: number,
		resourceId: Uint8Array,
		kinds: readonly StoreKind[],
		options: RequestOptions,
		now: number,
	): void {
		const { identities, crypto, settings } = this.#context;
		const identity = identities.find(options.as ?? this.#context.nodeId);
		if (identity === undefined) {
			this.#context.result(token, notOurs());
			return;
		}
		if (Number.isNaN(this.#context.wallMs(now))) {
			// A storage_time out of the air would be refused, or worse, believed.
			this.#context.result(token, { ok: false, errorCode: ErrorCode.requestTimeout, info: "the clock is not set" });
			return;
		}
		const kindData: StoreKindData[] = [];
		for (const { kind, generation, values } of kinds) {
			const model = settings.modelOf(kind);
			if (model === undefined) {
				this.#fail(token, `this overlay has no Kind ${kind}`);
				return;
			}
			const signed: StoredData[] = [];
			for (const value of values) {
				const storageTime = value.storageTimeMs ?? Math.floor(this.#context.wallMs(now));
				const fields = { storageTime, lifetimeS: value.lifetimeS, value: modelled(model, value) };
				signed.push(signStored(identity, resourceId, kind, fields, crypto));
			}
			kindData.push({ kind, generationCounter: generation ?? 0, values: signed });
		}
		const request: StoreReq = { resource: resourceId, replicaNumber: 0, kindData };
		this.#open(token, MessageCode.storeReq, encode(writeStoreReq, request), resourceId, options, readStored, now);
	}

	fetch(
		token: number,
		resourceId: Uint8Array,
		kinds: readonly FetchKind[],
		options: RequestOptions,
		now: number,
	): void {
		const body = this.#specifiers(token, resourceId, kinds);
		if (body === undefined) return;
		const read = (context: NodeContext, message: Message, at: number) => readFetched(context, resourceId, message, at);
		this.#open(token, MessageCode.fetchReq, body, resourceId, options, read, now);
	}

	stat(token: number, resourceId: Uint8Array, kinds: readonly FetchKind[], options: RequestOptions, now: number): void {
		const body = this.#specifiers(token, resourceId, kinds);
		if (body !== undefined) this.#open(token, MessageCode.statReq, body, resourceId, options, readStated, now);
	}

	find(token: number, resourceId: Uint8Array, kinds: readonly number[], options: RequestOptions, now: number): void {
		const body = encode(writeFindReq, { resource: resourceId, kinds });
		this.#open(token, MessageCode.findReq, body, resourceId, options, readFound, now);
	}

	/** The encoded FetchReq; undefined (and the failure told) for a Kind that is not known. */
	#specifiers(token: number, resourceId: Uint8Array, kinds: readonly FetchKind[]): Uint8Array | undefined {
		const specifiers: StoredDataSpecifier[] = [];
		for (const { kind, generation = 0, ranges, keys } of kinds) {
			const model = this.#context.settings.modelOf(kind);
			if (model === undefined) {
				this.#fail(token, `this overlay has no Kind ${kind}`);
				return undefined;
			}
			if (model === "single") specifiers.push({ kind, generation, model });
			else if (model === "dictionary") specifiers.push({ kind, generation, model, keys: keys ?? [] });
			else specifiers.push({ kind, generation, model, indices: ranges ?? [{ first: 0, last: APPEND_INDEX }] });
		}
		return encode(writeFetchReq, { resource: resourceId, specifiers });
	}

	#fail(token: number, info: string): void {
		this.#context.result(token, { ok: false, errorCode: ErrorCode.unknownKind, info });
	}

	#open(
		token: number,
		code: number,
		body: Uint8Array,
		resourceId: Uint8Array,
		options: RequestOptions,
		read: (context: NodeContext, message: Message, now: number) => AnswerBody | undefined,
		now: number,
	): void {
		const identity = this.#context.identities.find(options.as ?? this.#context.nodeId);
		if (identity === undefined) {
			this.#context.result(token, notOurs());
			return;
		}
		this.#context.requests.open(
			{
				code,
				body,
				destination: options.destination ?? [resourceDestination(resourceId)],
				identity,
				maxResponseLength: options.maxResponseLength,
				done: (outcome, at) => {
					if (!outcome.ok) {
						this.#context.result(token, failure(outcome));
						return;
					}
					const { from, rttMs, hops } = outcome;
					const answer = read(this.#context, outcome.message, at);
					if (answer !== undefined) this.#context.result(token, { ok: true, body: answer, from, rttMs, hops });
					else this.#context.result(token, badAnswer());
				},
			},
			now,
		);
	}
}

/** `as` of a command names nobody here. */
export function notOurs(): { ok: false; errorCode: number; info: string } {
	return { ok: false, errorCode: ErrorCode.forbidden, info: "not one of our identities" };
}

/** The answer cannot be read: the answerer is at fault, and nothing better will come of it. */
export function badAnswer(): { ok: false; errorCode: number; info: string } {
	return { ok: false, errorCode: ErrorCode.invalidMessage, info: "the answer cannot be read" };
}

function modelled(model: "single" | "array" | "dictionary", value: StoreValue): StoredDataValue {
	const data = { exists: value.exists, value: value.value };
	if (model === "single") return { model, value: data };
	if (model === "array") return { model, index: value.index ?? APPEND_INDEX, value: data };
	return { model, key: value.key ?? EMPTY, value: data };
}

function readStored(context: NodeContext, message: Message): AnswerBody | undefined {
	const answer = readStoreAns(message.contents.messageBody, context.settings.config.nodeIdLength);
	if (isRefused(answer)) return undefined;
	const kinds = answer.kindResponses.map(({ kind, generationCounter, replicas }) => ({
		kind,
		generation: generationCounter,
		replicas,
	}));
	return { type: "store", kinds };
}

/** RFC 6940 §7.4.2.2 MUST: every value is verified; what does not hold is left out and counted. */
function readFetched(
	context: NodeContext,
	resourceId: Uint8Array,
	message: Message,
	now: number,
): AnswerBody | undefined {
	const { settings, counters } = context;
	const answer = readFetchAns(message.contents.messageBody, settings.modelOf);
	if (isRefused(answer)) return undefined;
	const certificates = certificatesOf(message);
	const overlay = {
		resourceHash: (name: Uint8Array) => settings.resourceId(name),
		nodeIdLength: settings.config.nodeIdLength,
		redirBranchingFactor: () => settings.config.redirBranchingFactor,
	};
	const kinds: FetchedKind[] = [];
	for (const response of answer.kindResponses) {
		const kind = settings.kind(response.kind);
		if (kind === undefined) continue;
		const wallMs = context.wallMs(now);
		const read = verifyFetched(settings.verifier, overlay, resourceId, kind, response, certificates, wallMs);
		counters.add(Counter.fetchedValuesDiscarded, read.discarded);
		kinds.push(read);
	}
	return { type: "fetch", kinds };
}

function readStated(context: NodeContext, message: Message): AnswerBody | undefined {
	const answer = readStatAns(message.contents.messageBody, context.settings.modelOf);
	return isRefused(answer) ? undefined : { type: "stat", kinds: answer.kindResponses };
}

function readFound(_context: NodeContext, message: Message): AnswerBody | undefined {
	const answer = readFindAns(message.contents.messageBody);
	return isRefused(answer) ? undefined : { type: "find", results: answer.results };
}
