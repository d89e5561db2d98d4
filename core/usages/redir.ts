/**
 * ReDiR service discovery: a tree of small dictionaries in which providers of a service register, and in which anybody finds the
 * provider that follows an id. Before editing read RFC 7374 §3 to §5; the tree's arithmetic is in `core/storage/redir-tree.ts`.
 *
 *   register n:  start level, store;  n lowest or highest of the tree node -> up, store, ...;  others in its interval -> down, ...
 *   look up k:   nobody after k in the tree node -> up;   k inside the providers of its interval -> down;   else the next after k
 */
import { isRefused } from "../machine.ts";
import type { FetchedKind, StoreKind } from "../overlay/node-types.ts";
import {
	deepestLevel,
	intervalOf,
	redirResourceName,
	treeNodeOf,
	usableBranchingFactor,
} from "../storage/redir-tree.ts";
import { compareBytes, EMPTY, equalBytes } from "../wire/bytes.ts";
import { KindId, RedirServiceProviderExtType } from "../wire/codes.ts";
import type { Destination } from "../wire/destination.ts";
import { readRedirServiceProvider, writeRedirServiceProvider } from "../wire/redir.ts";
import { encode } from "../wire/writer.ts";
import { MAX_REDIR_PROVIDERS } from "./limits.ts";

export { DEFAULT_BRANCHING_FACTOR } from "../storage/redir-tree.ts";

/** RFC 7374 §4.4: 10 minutes are recommended, and a refresh of the whole registration at about 90 % of them. */
export const REDIR_LIFETIME_S = 600;
export const REDIR_REFRESH_S = 540;
/** RFC 7374 §4.2: where walks begin when nothing is known. */
export const REDIR_START_LEVEL = 2;

/** One service in one overlay. */
export interface RedirService {
	/** UTF-8; registered are "turn-server" and "voice-mail". */
	readonly namespace: Uint8Array;
	/** redir:branching-factor of the configuration; 10 when absent. */
	readonly branchingFactor?: number | undefined;
	/** Resource Name -> Resource-ID. */
	resourceHash(name: Uint8Array): Uint8Array;
}

/** One tree node. */
export interface RedirPlace {
	readonly level: number;
	readonly node: number;
}

/** A provider as registered in a tree node. */
export interface RedirProvider {
	readonly nodeId: Uint8Array;
	readonly destinations: readonly Destination[];
}

/** The tree of one service: what both walks compute. */
export class RedirTree {
	readonly #service: RedirService;
	readonly #branchingFactor: number;
	readonly deepest: number;

	constructor(service: RedirService) {
		this.#service = service;
		this.#branchingFactor = usableBranchingFactor(service.branchingFactor);
		this.deepest = deepestLevel(this.#branchingFactor);
	}

	/** A level to begin with: within the tree. */
	startLevel(wanted = REDIR_START_LEVEL): number {
		return Math.max(0, Math.min(wanted, this.deepest));
	}

	/** The tree node whose interval I(level, id) holds `id`. */
	placeOf(id: Uint8Array, level: number): RedirPlace {
		return { level, node: treeNodeOf(id, level, this.#branchingFactor) };
	}

	resourceOf(place: RedirPlace): Uint8Array {
		return this.#service.resourceHash(redirResourceName(this.#service.namespace, place.level, place.node));
	}

	/** Node-IDs of `providers` that lie in I(level, id); those of other tree nodes do not. */
	inInterval(providers: readonly RedirProvider[], id: Uint8Array, level: number): Uint8Array[] {
		const { node } = this.placeOf(id, level);
		const interval = intervalOf(id, level, this.#branchingFactor);
		const inside: Uint8Array[] = [];
		for (const { nodeId } of providers) {
			if (treeNodeOf(nodeId, level, this.#branchingFactor) !== node) continue;
			if (intervalOf(nodeId, level, this.#branchingFactor) === interval) inside.push(nodeId);
		}
		return inside;
	}

	/** The record of a provider for one tree node. */
	record(provider: RedirProvider, place: RedirPlace): Uint8Array {
		return encode(writeRedirServiceProvider, {
			type: RedirServiceProviderExtType.none,
			destinationList: provider.destinations,
			namespace: this.#service.namespace,
			level: place.level,
			node: place.node,
			extension: EMPTY,
		});
	}

	/** The store of that record; `exists` false removes it (RFC 7374 §4.6 SHOULD when leaving). */
	store(provider: RedirProvider, place: RedirPlace, exists: boolean, lifetimeS = REDIR_LIFETIME_S): StoreKind[] {
		const value = exists ? this.record(provider, place) : EMPTY;
		return [{ kind: KindId.redir, values: [{ key: provider.nodeId, exists, value, lifetimeS }] }];
	}
}

/** Providers of a fetched tree node, by Node-ID. The node has verified signature and NODE-ID-MATCH of each. */
export function readRedirProviders(fetched: FetchedKind): RedirProvider[] {
	const providers: RedirProvider[] = [];
	for (const { stored, signer } of fetched.values) {
		const { value } = stored;
		if (signer === undefined || value.model !== "dictionary" || !value.value.exists) continue;
		if (!equalBytes(value.key, signer.nodeId) || providers.length >= MAX_REDIR_PROVIDERS) continue;
		const record = readRedirServiceProvider(value.value.value.slice(), signer.nodeId.length);
		if (!isRefused(record)) providers.push({ nodeId: signer.nodeId, destinations: record.destinationList });
	}
	return providers.sort((a, b) => compareBytes(a.nodeId, b.nodeId));
}

/** `id` is the least or the greatest of `ids`, itself counted in. */
export function isOutermost(id: Uint8Array, ids: readonly Uint8Array[]): boolean {
	let isLowest = true;
	let isHighest = true;
	for (let i = 0; i < ids.length; i++) {
		const order = compareBytes(ids[i]!, id);
		if (order < 0) isLowest = false;
		else if (order > 0) isHighest = false;
	}
	return isLowest || isHighest;
}

/** The provider with the least Node-ID at or after `id`; `undefined` when all are before it. */
export function successorOf(id: Uint8Array, providers: readonly RedirProvider[]): RedirProvider | undefined {
	let best: RedirProvider | undefined;
	for (const provider of providers) {
		if (compareBytes(provider.nodeId, id) < 0) continue;
		if (best === undefined || compareBytes(provider.nodeId, best.nodeId) < 0) best = provider;
	}
	return best;
}
