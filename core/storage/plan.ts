/**
 * The checks of a storing peer, without changing anything: a StoreReq becomes a plan or a refusal. Before editing read RFC 6940
 * §7.4.1.1; the order of the checks is a choice (D-16).
 *
 *   shape > Kinds known > responsible / may replicate > signatures, policy > counters > storage_time > sizes > our limits
 */
import type { KindDefinition } from "../config/kinds.ts";
import type { VerifiedSigner } from "../identity/verify.ts";
import { isRefused } from "../machine.ts";
import { toHex } from "../wire/bytes.ts";
import { APPEND_INDEX, ErrorCode } from "../wire/codes.ts";
import type { StoreAns, StoredData, StoreKindData, StoreKindResponse, StoreReq } from "../wire/store.ts";
import { isUnsigned, isWriteAllowed, keyOf } from "./access.ts";
import { type Entry, isLive, isRepeat, makeEntry, type Place, placeOf } from "./entry.ts";
import { Growth } from "./growth.ts";
import { refuseCounters, refuseText, refuseUnknownKinds } from "./refusal.ts";
import type { Slot } from "./table.ts";
import type { SignerWithChain, StorageRefused, StoreContext } from "./types.ts";
import type { StorageWorld } from "./world.ts";

/** A value and where it goes. */
export interface PlannedValue {
	readonly place: Place;
	/** Live value that stands there now. */
	readonly before: Entry | undefined;
	/** To be put there; `undefined`: `before` is exactly this value already (D-12). */
	readonly entry: Entry | undefined;
	/** DER of the certificates that `entry` names. */
	readonly ders: readonly Uint8Array[];
}

export interface PlannedKind {
	readonly kind: number;
	/** Counter after the store. */
	readonly generation: number;
	readonly values: readonly PlannedValue[];
}

export interface StorePlan {
	readonly ok: true;
	readonly hex: string;
	readonly kinds: readonly PlannedKind[];
	readonly changed: boolean;
}

/** Signer and certificates of a value that may be stored. */
export interface Accepted {
	readonly signer: VerifiedSigner;
	readonly hashes: readonly string[];
	readonly ders: readonly Uint8Array[];
}

/** One Kind of the request while it is being checked. */
interface Draft {
	readonly definition: KindDefinition;
	readonly data: StoreKindData;
	readonly slot: Slot | undefined;
	readonly places: Place[];
	readonly befores: (Entry | undefined)[];
	readonly repeats: boolean[];
	readonly accepted: (Accepted | undefined)[];
	allRepeats: boolean;
}

/** Judges a StoreReq. Changes nothing. */
export function planStore(world: StorageWorld, request: StoreReq, context: StoreContext): StorePlan | StorageRefused {
	const hex = toHex(request.resource);
	const drafts: Draft[] = [];
	return (
		checkShape(world, request) ??
		checkKinds(world, request, hex, drafts) ??
		checkPlace(request, context) ??
		findPlaces(request, drafts, context.wallMs) ??
		checkSigners(world, request, drafts, context) ??
		checkCounters(world, request, drafts) ??
		checkTimes(drafts) ??
		checkSizes(drafts, context.wallMs) ??
		finish(world, request, hex, drafts, context.wallMs)
	);
}

function checkShape(world: StorageWorld, request: StoreReq): StorageRefused | undefined {
	const { limits } = world;
	if (request.resource.length !== world.options.nodeIdLength) {
		return refuseText(ErrorCode.invalidMessage, "Resource-ID has another length than this overlay's");
	}
	if (request.kindData.length > limits.maxKindsPerRequest) {
		return refuseText(ErrorCode.invalidMessage, `more than ${limits.maxKindsPerRequest} Kinds`);
	}
	let values = 0;
	for (let i = 0; i < request.kindData.length; i++) {
		const data = request.kindData[i]!;
		values += data.values.length;
		// D-14
		for (let j = 0; j < i; j++) {
			if (request.kindData[j]!.kind === data.kind)
				return refuseText(ErrorCode.invalidMessage, "a Kind-ID occurs twice");
		}
	}
	if (values > limits.maxValuesPerRequest) {
		return refuseText(ErrorCode.dataTooLarge, `more than ${limits.maxValuesPerRequest} values in one request`);
	}
	return undefined;
}

function checkKinds(world: StorageWorld, request: StoreReq, hex: string, drafts: Draft[]): StorageRefused | undefined {
	const unknown: number[] = [];
	for (let i = 0; i < request.kindData.length; i++) {
		const data = request.kindData[i]!;
		const definition = world.options.kinds(data.kind);
		if (definition === undefined || data.raw !== undefined) {
			unknown.push(data.kind);
			continue;
		}
		const slot = world.table.slot(hex, data.kind);
		drafts.push({ definition, data, slot, places: [], befores: [], repeats: [], accepted: [], allRepeats: true });
	}
	return unknown.length > 0 ? refuseUnknownKinds(unknown) : undefined;
}

/** RFC 6940 §7.4.1.1 MUST: original stores at the responsible peer only (D-15), replicas from a fitting peer only. */
function checkPlace(request: StoreReq, context: StoreContext): StorageRefused | undefined {
	if (request.replicaNumber === 0) {
		if (context.isResponsible(request.resource)) return undefined;
		return refuseText(ErrorCode.notFound, "this peer is not responsible for the resource");
	}
	if (context.mayReplicate(request.resource)) return undefined;
	return refuseText(ErrorCode.forbidden, "this peer does not expect replicas of the resource from the sender");
}

/** Where each value goes and what stands there. Choice: no place twice in one request, so that "newer" means one thing. */
function findPlaces(request: StoreReq, drafts: Draft[], wallMs: number): StorageRefused | undefined {
	for (const draft of drafts) {
		const taken = new Set<Place>();
		let end = draft.definition.dataModel === "array" ? arrayEnd(draft.slot, wallMs) : 0;
		for (const stored of draft.data.values) {
			if (stored.value.model !== draft.definition.dataModel) {
				return refuseText(ErrorCode.invalidMessage, "value of another data model than its Kind");
			}
			let place = placeOf(stored.value);
			let before: Entry | undefined;
			if (place === APPEND_INDEX) {
				if (request.replicaNumber !== 0) return refuseText(ErrorCode.invalidMessage, "a replica names its index");
				before = appendedBefore(draft.slot, stored, wallMs);
				place = before?.stored.value.model === "array" ? before.stored.value.index : end;
				if (place >= APPEND_INDEX) return refuseText(ErrorCode.dataTooLarge, "the array has no index left");
			} else {
				before = live(draft.slot?.entries.get(place), wallMs);
			}
			if (taken.has(place)) return refuseText(ErrorCode.invalidMessage, "two values for one place");
			taken.add(place);
			if (typeof place === "number" && place >= end) end = place + 1;
			const repeat = before !== undefined && isRepeat(before, stored);
			draft.places.push(place);
			draft.befores.push(before);
			draft.repeats.push(repeat);
			if (!repeat) draft.allRepeats = false;
		}
	}
	return undefined;
}

function live(entry: Entry | undefined, wallMs: number): Entry | undefined {
	return entry !== undefined && isLive(entry, wallMs) ? entry : undefined;
}

/** First index after all live ones. */
function arrayEnd(slot: Slot | undefined, wallMs: number): number {
	let end = 0;
	if (slot !== undefined) {
		for (const [place, entry] of slot.entries) {
			if (typeof place === "number" && place >= end && isLive(entry, wallMs)) end = place + 1;
		}
	}
	return end;
}

/** D-12: an append that is repeated is not appended again. */
function appendedBefore(slot: Slot | undefined, stored: StoredData, wallMs: number): Entry | undefined {
	if (slot === undefined) return undefined;
	for (const entry of slot.entries.values()) if (isLive(entry, wallMs) && isRepeat(entry, stored)) return entry;
	return undefined;
}

/** RFC 6940 §7.4.1.1 MUST: every signature valid, every signer allowed, for original stores the requester too. */
function checkSigners(
	world: StorageWorld,
	request: StoreReq,
	drafts: Draft[],
	context: StoreContext,
): StorageRefused | undefined {
	for (const draft of drafts) {
		for (let i = 0; i < draft.data.values.length; i++) {
			const stored = draft.data.values[i]!;
			// A value we hold was verified when it came, and its certificate is still valid (`isLive`).
			if (!draft.repeats[i]) {
				const accepted = acceptValue(
					world,
					request.resource,
					draft.definition,
					stored,
					context.certificates,
					context.wallMs,
				);
				if (typeof accepted === "string") return refuseText(ErrorCode.forbidden, accepted);
				draft.accepted.push(accepted);
			} else draft.accepted.push(undefined);
			const refusal = request.replicaNumber === 0 ? checkSender(world, request, draft, stored, context) : undefined;
			if (refusal !== undefined) return refusal;
		}
	}
	return undefined;
}

/** RFC 6940 §7.3 MUST: for original stores the signer of the request satisfies the policy as well. */
function checkSender(
	world: StorageWorld,
	request: StoreReq,
	draft: Draft,
	stored: StoredData,
	context: StoreContext,
): StorageRefused | undefined {
	const { value } = stored;
	const { definition: kind } = draft;
	const input = { resourceId: request.resource, kind, key: keyOf(value), value: value.value, signer: context.signer };
	if (isWriteAllowed(input, world.overlay)) return undefined;
	return refuseText(ErrorCode.forbidden, `${kind.accessControl} does not allow the sender to store here`);
}

/** Signature, certificate, access policy and the usage's own check of one value; a text says what is wrong. */
export function acceptValue(
	world: StorageWorld,
	resourceId: Uint8Array,
	kind: KindDefinition,
	stored: StoredData,
	certificates: readonly Uint8Array[],
	wallMs: number,
): Accepted | string {
	// RFC 6940 §7.4.2.2 MUST NOT: what a storing peer makes up is not stored.
	if (isUnsigned(stored.signature)) return "a value without signature cannot be stored";
	const signer = world.options.verifier.verifyStored(resourceId, kind.id, stored, certificates, wallMs);
	if (isRefused(signer)) return `signature of the value: ${signer.refused}`;
	const key = keyOf(stored.value);
	const input = { resourceId, kind, key, value: stored.value.value, signer };
	if (!isWriteAllowed(input, world.overlay)) return `${kind.accessControl} does not allow the signer of the value`;
	const check = world.options.kindChecks?.[kind.id];
	const text = check?.({
		resourceId,
		kind,
		key,
		value: stored.value.value,
		signer,
		resourceHash: world.options.resourceHash,
	});
	if (text !== undefined) return text;
	const ders = (signer as SignerWithChain).chain ?? [signer.certificate.der];
	const hashes: string[] = [];
	for (let i = 0; i < ders.length; i++) {
		hashes.push(toHex(ders[i] === signer.certificate.der ? signer.certificate.sha256 : world.options.sha256(ders[i]!)));
	}
	return { signer, hashes, ders };
}

/** RFC 6940 §7.4.1.1, D-16. A request whose values all stand here already is a retransmission (D-12): its counter is old by right. */
function checkCounters(world: StorageWorld, request: StoreReq, drafts: Draft[]): StorageRefused | undefined {
	for (const draft of drafts) {
		const counter = draft.data.generationCounter;
		if (request.replicaNumber !== 0) {
			if (counter === 0) return refuseText(ErrorCode.invalidMessage, "a replica has a generation counter");
			// Choice: a counter that leaves no room to count on is nobody's.
			if (counter > world.limits.maxGeneration) {
				return refuseText(ErrorCode.invalidMessage, "generation counter too great");
			}
			continue;
		}
		if (counter === 0 || counter === (draft.slot?.generation ?? 0)) continue;
		if (draft.allRepeats && draft.data.values.length > 0) continue;
		return refuseCounters(currentCounters(drafts));
	}
	return undefined;
}

function currentCounters(drafts: readonly Draft[]): StoreAns {
	const kindResponses: StoreKindResponse[] = [];
	for (const draft of drafts) {
		const generationCounter = draft.slot?.generation ?? 0;
		kindResponses.push({ kind: draft.data.kind, generationCounter, replicas: [] });
	}
	return { kindResponses };
}

/** RFC 6940 §7.4.1.1 MUST: storage_time greater than that of the value it replaces (D-12). */
function checkTimes(drafts: readonly Draft[]): StorageRefused | undefined {
	for (const draft of drafts) {
		for (let i = 0; i < draft.data.values.length; i++) {
			const before = draft.befores[i];
			if (before === undefined || draft.repeats[i]) continue;
			if (draft.data.values[i]!.storageTime > before.stored.storageTime) continue;
			return refuseText(ErrorCode.dataTooOld, `storage_time is not after ${before.stored.storageTime}`);
		}
	}
	return undefined;
}

/** RFC 6940 §7.4.1.1: max-size and max-count of the Kind. D-17: octets of DataValue.value; removed values count. */
function checkSizes(drafts: readonly Draft[], wallMs: number): StorageRefused | undefined {
	for (const draft of drafts) {
		const { maxSize, maxCount } = draft.definition;
		let count = 0;
		if (draft.slot !== undefined) for (const entry of draft.slot.entries.values()) if (isLive(entry, wallMs)) count++;
		let added = 0;
		for (let i = 0; i < draft.data.values.length; i++) {
			const size = draft.data.values[i]!.value.value.value.length;
			if (!draft.repeats[i] && size > maxSize) {
				return refuseText(ErrorCode.dataTooLarge, `value of ${size} octets, max-size is ${maxSize}`);
			}
			if (draft.befores[i] === undefined) added++;
		}
		if (added > 0 && count + added > maxCount) {
			return refuseText(ErrorCode.dataTooLarge, `${count + added} values, max-count is ${maxCount}`);
		}
	}
	return undefined;
}

/** Makes the entries and holds them against our own limits. */
function finish(
	world: StorageWorld,
	request: StoreReq,
	hex: string,
	drafts: readonly Draft[],
	wallMs: number,
): StorePlan | StorageRefused {
	const kinds: PlannedKind[] = [];
	const growth = new Growth(world, hex);
	let changed = false;
	for (const draft of drafts) {
		let row = draft.slot?.nextRow ?? 0;
		const values: PlannedValue[] = [];
		for (let i = 0; i < draft.places.length; i++) {
			const place = draft.places[i]!;
			const before = draft.befores[i];
			const accepted = draft.accepted[i];
			if (accepted === undefined) {
				values.push({ place, before, entry: undefined, ders: [] });
				continue;
			}
			// The record of what stands there, live or expired, is written over.
			const ownRow = draft.slot?.entries.get(place)?.row ?? row++;
			const index = typeof place === "number" ? place : 0;
			const entry = makeEntry(draft.data.values[i]!, index, accepted.signer, accepted.hashes, wallMs, ownRow);
			growth.add(entry, before);
			values.push({ place, before, entry, ders: accepted.ders });
		}
		const kindChanged = !draft.allRepeats;
		const generation = counterAfter(request, draft, wallMs);
		kinds.push({ kind: draft.data.kind, generation, values });
		if (kindChanged) changed = true;
	}
	return growth.refused() ?? { ok: true, hex, kinds, changed };
}

/**
 * Replica stores set the counter (RFC 6940 §7.4.1.1). Choice: original stores raise it by at least 1 and at least to the wall clock
 * in seconds, so that a counter is not used again for other contents after everything expired or another peer took over; a
 * Fetch with a generation would otherwise be told that nothing changed.
 */
function counterAfter(request: StoreReq, draft: Draft, wallMs: number): number {
	const before = draft.slot?.generation ?? 0;
	if (request.replicaNumber !== 0) return draft.data.values.length > 0 ? draft.data.generationCounter : before;
	return draft.allRepeats ? before : raisedCounter(before, wallMs);
}

/** The counter after a change of ours. */
export function raisedCounter(before: number, wallMs: number): number {
	return Math.max(before + 1, Math.floor(wallMs / 1000));
}
