/**
 * Taking over newer data of another peer. RFC 6940 §7.4.1.2 MUST: a peer whose maintenance store was refused as old fetches the newer
 * data and replaces its own; the outcome is as if all values had been stored in the order of their storage_time.
 */
import type { KindDefinition } from "../config/kinds.ts";
import { toHex } from "../wire/bytes.ts";
import { APPEND_INDEX } from "../wire/codes.ts";
import type { FetchKindResponse } from "../wire/fetch.ts";
import type { StoredData } from "../wire/store.ts";
import { isUnsigned } from "./access.ts";
import { isLive, makeEntry, placeOf } from "./entry.ts";
import { Growth } from "./growth.ts";
import { acceptValue } from "./plan.ts";
import type { StorageWorld } from "./world.ts";

/** Where the values come from and belong. */
interface Source {
	readonly resourceId: Uint8Array;
	readonly hex: string;
	readonly kind: KindDefinition;
	/** DER. */
	readonly certificates: readonly Uint8Array[];
	readonly wallMs: number;
}

/** Merges one Kind. Values that do not verify, are not allowed, or pass a limit are refused one by one. */
export function mergeResponse(
	world: StorageWorld,
	resourceId: Uint8Array,
	response: FetchKindResponse,
	certificates: readonly Uint8Array[],
	wallMs: number,
): { replaced: number; refused: number } {
	const kind = world.options.kinds(response.kind);
	if (kind === undefined || resourceId.length !== world.options.nodeIdLength) {
		return { replaced: 0, refused: response.values.length };
	}
	const source = { resourceId, hex: toHex(resourceId), kind, certificates, wallMs };
	let replaced = 0;
	let refused = 0;
	for (const stored of response.values) {
		const outcome = mergeValue(world, source, stored);
		if (outcome === "replaced") replaced++;
		else if (outcome === "refused") refused++;
	}
	raiseCounter(world, source.hex, response, replaced);
	return { replaced, refused };
}

function mergeValue(world: StorageWorld, source: Source, stored: StoredData): "replaced" | "kept" | "refused" {
	const { resourceId, hex, kind, certificates, wallMs } = source;
	// Synthesized: the other peer has nothing there.
	if (isUnsigned(stored.signature)) return "kept";
	const place = placeOf(stored.value);
	if (stored.value.model !== kind.dataModel || place === APPEND_INDEX || stored.lifetime === 0) return "refused";
	const slot = world.table.slot(hex, kind.id);
	const found = slot?.entries.get(place);
	const before = found !== undefined && isLive(found, wallMs) ? found : undefined;
	if (before !== undefined && before.stored.storageTime >= stored.storageTime) return "kept";
	const isNew = found === undefined && slot !== undefined;
	if (stored.value.value.value.length > kind.maxSize) return "refused";
	if (isNew && slot.entries.size >= kind.maxCount) return "refused";
	const accepted = acceptValue(world, resourceId, kind, stored, certificates, wallMs);
	if (typeof accepted === "string") return "refused";
	const index = typeof place === "number" ? place : 0;
	const row = found?.row ?? slot?.nextRow ?? 0;
	const entry = makeEntry(stored, index, accepted.signer, accepted.hashes, wallMs, row);
	const growth = new Growth(world, hex);
	growth.add(entry, before);
	if (growth.refused() !== undefined) return "refused";
	const target = world.table.open(resourceId, hex, kind.id);
	if (row >= target.nextRow) target.nextRow = row + 1;
	world.table.set(hex, target, place, entry, accepted.ders);
	return "replaced";
}

/** Choice: the greater of both counters, so that neither peer's readers see one go back. */
function raiseCounter(world: StorageWorld, hex: string, response: FetchKindResponse, replaced: number): void {
	const slot = world.table.slot(hex, response.kind);
	if (slot === undefined) return;
	const theirs = Math.min(response.generation, world.limits.maxGeneration);
	const ours = replaced > 0 ? slot.generation + 1 : slot.generation;
	world.table.setGeneration(hex, slot, Math.max(theirs, ours));
}
