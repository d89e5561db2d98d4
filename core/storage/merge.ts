/**
 * Taking over newer data of another peer. RFC 6940 §7.4.1.2 MUST: a peer whose maintenance store was refused as old fetches the newer
 * data and replaces its own; the outcome is as if all values had been stored in the order of their storage_time.
 */
import { toHex } from "../wire/bytes.ts";
import type { FetchKindResponse } from "../wire/fetch.ts";
import { isUnsigned } from "./access.ts";
import { isLive, makeEntry, placeOf } from "./entry.ts";
import { acceptValue, Growth, type PlanWorld } from "./plan.ts";

/** Merges one Kind. Values that do not verify, are not allowed, or pass a limit are refused one by one. */
export function mergeResponse(
	world: PlanWorld,
	resourceId: Uint8Array,
	response: FetchKindResponse,
	certificates: readonly Uint8Array[],
	wallMs: number,
): { replaced: number; refused: number } {
	const kind = world.options.kinds(response.kind);
	let replaced = 0;
	let refused = 0;
	if (kind === undefined || resourceId.length !== world.options.nodeIdLength) {
		return { replaced, refused: response.values.length };
	}
	const hex = toHex(resourceId);
	for (const stored of response.values) {
		// Synthesized: the other peer has nothing there.
		if (isUnsigned(stored.signature)) continue;
		if (stored.value.model !== kind.dataModel || stored.lifetime === 0) {
			refused++;
			continue;
		}
		const place = placeOf(stored.value);
		const found = world.table.slot(hex, kind.id)?.entries.get(place);
		const before = found !== undefined && isLive(found, wallMs) ? found : undefined;
		if (before !== undefined && before.stored.storageTime >= stored.storageTime) continue;
		const accepted = acceptValue(world, resourceId, kind, stored, certificates, wallMs);
		const slot = world.table.slot(hex, kind.id);
		const count = slot?.entries.size ?? 0;
		const isTooMuch =
			stored.value.value.value.length > kind.maxSize || (before === undefined && count >= kind.maxCount);
		if (typeof accepted === "string" || isTooMuch) {
			refused++;
			continue;
		}
		const index = typeof place === "number" ? place : 0;
		const row = found?.row ?? slot?.nextRow ?? 0;
		const entry = makeEntry(stored, index, accepted.signer, accepted.hashes, wallMs, row);
		const growth = new Growth(world, hex);
		growth.add(entry, before);
		if (growth.refused() !== undefined) {
			refused++;
			continue;
		}
		const target = world.table.open(resourceId, hex, kind.id);
		if (row >= target.nextRow) target.nextRow = row + 1;
		world.table.set(hex, target, place, entry, accepted.ders);
		replaced++;
	}
	raiseCounter(world, hex, response, replaced);
	return { replaced, refused };
}

/** Choice: the greater of both counters, so that neither peer's readers see one go back. */
function raiseCounter(world: PlanWorld, hex: string, response: FetchKindResponse, replaced: number): void {
	const slot = world.table.slot(hex, response.kind);
	if (slot === undefined) return;
	const theirs = Math.min(response.generation, world.limits.maxGeneration);
	const ours = replaced > 0 ? slot.generation + 1 : slot.generation;
	world.table.setGeneration(hex, slot, Math.max(theirs, ours));
}
