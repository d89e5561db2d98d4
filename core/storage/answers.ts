/**
 * Answers to Fetch, Stat and Find out of the table. Before editing read RFC 6940 §7.4.2, §7.4.3, §7.4.4.
 */
import type { KindDefinition } from "../config/kinds.ts";
import { compareBytes, toHex } from "../wire/bytes.ts";
import { APPEND_INDEX, ErrorCode, HashAlgorithm } from "../wire/codes.ts";
import type {
	ArrayRange,
	ArraySpecifier,
	DictionarySpecifier,
	FetchKindResponse,
	FetchReq,
	StoredDataSpecifier,
} from "../wire/fetch.ts";
import type { FindKindData, FindReq } from "../wire/find.ts";
import type { MetaData, MetaDataValue, StatKindResponse, StoredMetaData } from "../wire/stat.ts";
import type { StoredData, StoredDataValue } from "../wire/store.ts";
import {
	type Entry,
	encodedOctets,
	isLive,
	passedOn,
	synthesizedIndex,
	synthesizedKey,
	synthesizedOctets,
	synthesizedSingle,
} from "./entry.ts";
import { refuseText, refuseUnknownKinds } from "./refusal.ts";
import type { Resource, Slot } from "./table.ts";
import type { FetchAnswered, FindAnswered, StatAnswered, StorageRefused } from "./types.ts";
import type { StorageWorld } from "./world.ts";

/** Kind and generation counter of a response, and the length of its list: 4 + 8 + 4. */
const KIND_RESPONSE_FIXED = 16;

/** One value of an answer: what is stored, or (`entry` undefined) what stands for something that is not. */
interface Found {
	readonly entry: Entry | undefined;
	readonly stored: StoredData;
}

/** The checks that Fetch and Stat share. */
export function checkFetch(world: StorageWorld, request: FetchReq): StorageRefused | undefined {
	if (request.resource.length !== world.options.nodeIdLength) {
		return refuseText(ErrorCode.invalidMessage, "Resource-ID has another length than this overlay's");
	}
	const { specifiers } = request;
	if (specifiers.length > world.limits.maxKindsPerRequest) {
		return refuseText(ErrorCode.invalidMessage, `more than ${world.limits.maxKindsPerRequest} Kinds`);
	}
	const unknown: number[] = [];
	for (let i = 0; i < specifiers.length; i++) {
		const specifier = specifiers[i]!;
		// RFC 6940 §7.4.2.2 MUST: exactly one response per Kind; D-14.
		for (let j = 0; j < i; j++) {
			if (specifiers[j]!.kind === specifier.kind) return refuseText(ErrorCode.invalidMessage, "a Kind-ID occurs twice");
		}
		const definition = world.options.kinds(specifier.kind);
		if (definition === undefined || specifier.model === undefined) unknown.push(specifier.kind);
		else if (specifier.model !== definition.dataModel) {
			return refuseText(ErrorCode.invalidMessage, "specifier of another data model than its Kind");
		}
	}
	if (unknown.length > 0) return refuseUnknownKinds(unknown);
	for (let i = 0; i < specifiers.length; i++) {
		const specifier = specifiers[i]!;
		if (specifier.model === "array" && !areRangesGood(specifier.indices)) {
			return refuseText(ErrorCode.invalidMessage, "array ranges run backwards or overlap");
		}
	}
	return undefined;
}

/** RFC 6940 §7.4.2.1 MUST: first <= last, no overlap. */
function areRangesGood(ranges: readonly ArrayRange[]): boolean {
	const sorted = ranges.slice().sort((a, b) => a.first - b.first);
	for (let i = 0; i < sorted.length; i++) {
		if (sorted[i]!.first > sorted[i]!.last) return false;
		if (i > 0 && sorted[i]!.first <= sorted[i - 1]!.last) return false;
	}
	return true;
}

/** Collects the values of one answer; `budget` bounds what is made up for it. */
class Collector {
	readonly #wallMs: number;
	#budget: number;
	found: Found[] = [];

	constructor(wallMs: number, budget: number) {
		this.#wallMs = wallMs;
		this.#budget = budget;
	}

	/** The values one specifier asks for. */
	collect(slot: Slot | undefined, specifier: StoredDataSpecifier): Found[] {
		this.found = [];
		// RFC 6940 §7.4.2.1: the requester has this state already.
		if (slot !== undefined && specifier.generation !== 0 && specifier.generation === slot.generation) return this.found;
		if (specifier.model === "single") this.#take(this.#live(slot, 0), synthesizedSingle);
		else if (specifier.model === "array") this.#array(slot, specifier);
		else if (specifier.model === "dictionary") this.#dictionary(slot, specifier);
		return this.found;
	}

	#live(slot: Slot | undefined, place: number | string): Entry | undefined {
		const entry = slot?.entries.get(place);
		return entry !== undefined && isLive(entry, this.#wallMs) ? entry : undefined;
	}

	#take(entry: Entry | undefined, synthesize: () => StoredData): void {
		if (entry !== undefined) this.found.push({ entry, stored: passedOn(entry, this.#wallMs) });
		// Choice: beyond the budget (limits.maxSynthesized) what is not there is left out, so no request makes us work for nothing.
		else if (this.#budget > 0) {
			this.#budget--;
			this.found.push({ entry: undefined, stored: synthesize() });
		}
	}

	#dictionary(slot: Slot | undefined, specifier: DictionarySpecifier): void {
		if (specifier.keys.length > 0) {
			const asked = new Set<string>();
			for (const key of specifier.keys) {
				const place = toHex(key);
				if (asked.has(place)) continue;
				asked.add(place);
				this.#take(this.#live(slot, place), () => synthesizedKey(key));
			}
			return;
		}
		// RFC 6940 §7.4.2.1: no key = all entries.
		if (slot === undefined) return;
		for (const entry of slot.entries.values()) if (isLive(entry, this.#wallMs)) this.#take(entry, synthesizedSingle);
	}

	#array(slot: Slot | undefined, specifier: ArraySpecifier): void {
		const indices: number[] = [];
		if (slot !== undefined) {
			for (const [place, entry] of slot.entries) {
				if (typeof place === "number" && isLive(entry, this.#wallMs)) indices.push(place);
			}
			indices.sort((a, b) => a - b);
		}
		for (const range of specifier.indices) this.#range(slot, indices, range);
	}

	/** RFC 6940 §7.4.2.1: 0xffffffff is the last element, so an open range ends with the last stored index. */
	#range(slot: Slot | undefined, indices: readonly number[], range: ArrayRange): void {
		const end = indices.length === 0 ? -1 : indices[indices.length - 1]!;
		const last = range.last === APPEND_INDEX ? end : range.last;
		const first = range.first === APPEND_INDEX ? end : range.first;
		if (first < 0) return;
		let next = first;
		for (let i = 0; i < indices.length; i++) {
			const index = indices[i]!;
			if (index < first || index > last) continue;
			this.#gap(next, index);
			this.#take(slot!.entries.get(index), synthesizedSingle);
			next = index + 1;
		}
		this.#gap(next, last + 1);
	}

	/** Makes up what is missing in [from, to), within the budget. */
	#gap(from: number, to: number): void {
		for (let index = from; index < to && this.#budget > 0; index++)
			this.#take(undefined, () => synthesizedIndex(index));
	}
}

/** RFC 6940 §7.4.2.2. The request has passed `checkFetch`. */
export function answerFetch(world: StorageWorld, request: FetchReq, wallMs: number): FetchAnswered {
	const resource = world.table.resource(toHex(request.resource));
	const collector = new Collector(wallMs, world.limits.maxSynthesized);
	const kindResponses: FetchKindResponse[] = [];
	const certificates = new CertificateList(world);
	let sizeBytes = 4;
	for (let i = 0; i < request.specifiers.length; i++) {
		const specifier = request.specifiers[i]!;
		const slot = resource?.slots.get(specifier.kind);
		const values: StoredData[] = [];
		sizeBytes += KIND_RESPONSE_FIXED;
		for (const { entry, stored } of collector.collect(slot, specifier)) {
			values.push(stored);
			sizeBytes += entry === undefined ? synthesizedOctets(stored) : encodedOctets(entry);
			if (entry !== undefined) certificates.add(entry);
		}
		kindResponses.push({ kind: specifier.kind, generation: slot?.generation ?? 0, values });
	}
	return { ok: true, answer: { kindResponses }, certificates: certificates.ders, sizeBytes };
}

/** The certificates that a set of values needs, each once. */
export class CertificateList {
	readonly #world: StorageWorld;
	readonly #seen = new Set<string>();
	readonly ders: Uint8Array[] = [];

	constructor(world: StorageWorld) {
		this.#world = world;
	}

	/** Octets they take in a SecurityBlock. */
	octets = 0;

	/** Octets that `add` of this entry would add. */
	octetsFor(entry: Entry): number {
		let octets = 0;
		for (const hash of entry.certificates) if (!this.#seen.has(hash)) octets += this.#world.shelf.der(hash)!.length + 3;
		return octets;
	}

	add(entry: Entry): void {
		for (const hash of entry.certificates) {
			if (this.#seen.has(hash)) continue;
			this.#seen.add(hash);
			const der = this.#world.shelf.der(hash)!;
			this.ders.push(der);
			this.octets += der.length + 3;
		}
	}
}

/** RFC 6940 §7.4.3.2. The request has passed `checkFetch`. */
export function answerStat(world: StorageWorld, request: FetchReq, wallMs: number): StatAnswered {
	const resource = world.table.resource(toHex(request.resource));
	const collector = new Collector(wallMs, world.limits.maxSynthesized);
	const kindResponses: StatKindResponse[] = [];
	let sizeBytes = 4;
	for (let i = 0; i < request.specifiers.length; i++) {
		const specifier = request.specifiers[i]!;
		const slot = resource?.slots.get(specifier.kind);
		const values: StoredMetaData[] = [];
		sizeBytes += KIND_RESPONSE_FIXED;
		for (const { stored } of collector.collect(slot, specifier)) {
			const meta = metaDataOf(world, stored);
			values.push(meta);
			sizeBytes += 4 + 8 + 4 + placeOctets(stored.value) + 1 + 4 + 1 + 1 + meta.metadata.value.hashValue.length;
		}
		kindResponses.push({ kind: specifier.kind, generation: slot?.generation ?? 0, values });
	}
	return { ok: true, answer: { kindResponses }, sizeBytes };
}

function placeOctets(value: StoredDataValue): number {
	if (value.model === "single") return 0;
	return value.model === "array" ? 4 : 2 + value.key.length;
}

function metaDataOf(world: StorageWorld, stored: StoredData): StoredMetaData {
	const { value } = stored;
	const meta = metaData(world, value.value.value, value.value.exists);
	let metadata: MetaDataValue;
	if (value.model === "single") metadata = { model: "single", value: meta };
	else if (value.model === "array") metadata = { model: "array", index: value.index, value: meta };
	else metadata = { model: "dictionary", key: value.key, value: meta };
	return { storageTime: stored.storageTime, lifetime: stored.lifetime, metadata };
}

/** RFC 6940 §7.4.3.2 MUST: the digest covers the value with its four length octets. Choice: SHA-256. */
function metaData(world: StorageWorld, value: Uint8Array, exists: boolean): MetaData {
	const input = new Uint8Array(4 + value.length);
	new DataView(input.buffer).setUint32(0, value.length);
	input.set(value, 4);
	return {
		exists,
		valueLength: value.length,
		hashAlgorithm: HashAlgorithm.sha256,
		hashValue: world.options.sha256(input),
	};
}

/**
 * RFC 6940 §7.4.4.2. D-21: closest = the first stored Resource-ID at or after the one asked for, going clockwise; nothing = zero.
 * Choice: a resource counts while it has a live value of the Kind that exists; a removed one leads nowhere.
 */
export function answerFind(
	world: StorageWorld,
	request: FindReq,
	isResponsible: (resourceId: Uint8Array) => boolean,
	wallMs: number,
): FindAnswered | StorageRefused {
	const { resource, kinds } = request;
	if (resource.length !== world.options.nodeIdLength) {
		return refuseText(ErrorCode.invalidMessage, "Resource-ID has another length than this overlay's");
	}
	for (let i = 0; i < kinds.length; i++) {
		for (let j = 0; j < i; j++) {
			if (kinds[i] === kinds[j]) return refuseText(ErrorCode.invalidMessage, "a Kind-ID occurs twice");
		}
	}
	if (!isResponsible(resource)) {
		return refuseText(ErrorCode.notFound, "this peer is not responsible for the resource");
	}
	const nearest: (Uint8Array | undefined)[] = kinds.map(() => undefined);
	for (const candidate of world.table.all()) {
		for (let i = 0; i < kinds.length; i++) {
			const definition = world.options.kinds(kinds[i]!);
			if (definition === undefined || !isNearer(resource, candidate.id, nearest[i])) continue;
			if (hasValue(candidate, definition, wallMs)) nearest[i] = candidate.id;
		}
	}
	const results: FindKindData[] = [];
	let sizeBytes = 2;
	for (let i = 0; i < kinds.length; i++) {
		const closest = nearest[i] ?? new Uint8Array(world.options.nodeIdLength);
		results.push({ kind: kinds[i]!, closest });
		sizeBytes += 4 + 1 + closest.length;
	}
	return { ok: true, answer: { results }, sizeBytes };
}

/** `a` comes before `b` (undefined: nothing yet) when going clockwise from `from`. */
function isNearer(from: Uint8Array, a: Uint8Array, b: Uint8Array | undefined): boolean {
	if (b === undefined) return true;
	const aWraps = compareBytes(a, from) < 0;
	const bWraps = compareBytes(b, from) < 0;
	return aWraps === bWraps ? compareBytes(a, b) < 0 : bWraps;
}

function hasValue(resource: Resource, kind: KindDefinition, wallMs: number): boolean {
	const slot = resource.slots.get(kind.id);
	if (slot === undefined) return false;
	for (const entry of slot.entries.values()) {
		if (entry.stored.value.value.exists && isLive(entry, wallMs)) return true;
	}
	return false;
}
