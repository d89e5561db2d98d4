/**
 * Keeps values of local identities stored: registrations, certificates. Before editing read RFC 6940 §7.4.1, §7.4.1.2.
 *
 *   waiting ─ due ─► (array: fetching, to find our index) ─► storing ─ stored ─► waiting for 60 to 80 % of the lifetime
 *      ▲                                ▲                       │
 *      │                                └── too old ◄───────────┤ (its storage_time plus one is used)
 *      └─────────────── a pause, twice as long each time ◄──────┘ anything else
 */
import type { Machine } from "../machine.ts";
import { equalBytes } from "../wire/bytes.ts";
import { ErrorCode } from "../wire/codes.ts";
import type { FetchedValue, FetchKind, OverlayCommands, RequestResult, StoreKind } from "./node-types.ts";

/** One value to be kept stored. */
export interface KeptValue {
	readonly resourceId: Uint8Array;
	readonly kind: number;
	/** Node-ID of the local identity that signs. */
	readonly as: Uint8Array;
	/** Dictionary key. */
	readonly key?: Uint8Array;
	/** An array value: its index is looked for, or it is appended. */
	readonly isArray?: boolean;
	readonly value: Uint8Array;
	readonly lifetimeS: number;
}

export type RefresherInput =
	| { readonly type: "timeout" }
	| { readonly type: "result"; readonly token: number; readonly result: RequestResult };

export type RefresherOutput =
	/** The value is stored (again). */
	| { readonly type: "stored"; readonly name: string }
	/** It was refused or nobody answered; it is tried again. */
	| { readonly type: "failed"; readonly name: string; readonly errorCode: number; readonly info: string }
	/** It was removed from the overlay, or could not be. */
	| { readonly type: "removed"; readonly name: string; readonly ok: boolean };

/** What a refresher needs of its node. */
export type RefreshNode = Pick<OverlayCommands, "store" | "fetch"> & { wallMs(now: number): number };

export interface RefresherOptions {
	readonly node: RefreshNode;
	/** In [0, 1). */
	random(): number;
	/** Values kept, at most; `keep` then says false. */
	readonly limit: number;
}

/** Choice: pauses after a failure, milliseconds. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** Choice: share of the lifetime after which a value is stored again, and its spread. */
const REFRESH_SHARE = 0.6;
const REFRESH_SPREAD = 0.2;

interface Entry {
	readonly name: string;
	value: KeptValue;
	state: "waiting" | "fetching" | "storing";
	/** Of the command under way. */
	token: number;
	nextAt: number;
	pauseMs: number;
	/** Of an array value, once known. */
	index: number | undefined;
	/** The stored one is newer than our clock: ours must be newer still. */
	olderThanMs: number;
	/** It was refused as too old: what is stored is looked at before the next Store. */
	fetchFirst: boolean;
	/** Being removed: stored with exists = false once, then forgotten. */
	removing: boolean;
	/** `value` changed while a command was under way: store again at once. */
	changed: boolean;
}

export class Refresher implements Machine<RefresherInput, RefresherOutput> {
	readonly #options: RefresherOptions;
	readonly #entries = new Map<string, Entry>();
	readonly #byToken = new Map<number, Entry>();
	readonly #outputs: RefresherOutput[] = [];

	constructor(options: RefresherOptions) {
		this.#options = options;
	}

	/** Stores a value now and keeps it stored; under the same name the new value replaces the old. False: too many. */
	keep(name: string, value: KeptValue, now: number): boolean {
		const known = this.#entries.get(name);
		if (known === undefined && this.#entries.size >= this.#options.limit) return false;
		const entry = known ?? fresh(name, value);
		entry.value = value;
		entry.removing = false;
		entry.nextAt = now;
		entry.changed = entry.state !== "waiting";
		this.#entries.set(name, entry);
		this.#run(entry, now);
		return true;
	}

	/** RFC 6940 §7.4.1.3: stores exists = false, then forgets the value. */
	remove(name: string, now: number): void {
		const entry = this.#entries.get(name);
		if (entry === undefined) return;
		entry.removing = true;
		entry.nextAt = now;
		entry.changed = entry.state !== "waiting";
		this.#run(entry, now);
	}

	/** Forgets a value without a word to anybody: what is stored runs out, or is thrown away with its signer. */
	drop(name: string): void {
		this.#entries.delete(name);
	}

	/** Everything is stored again soon: the overlay was lost, or this node is reached by another way now. */
	again(now: number): void {
		for (const entry of this.#entries.values()) {
			entry.nextAt = now + FIRST_PAUSE_MS * this.#options.random();
			entry.pauseMs = FIRST_PAUSE_MS;
			entry.changed = entry.state !== "waiting";
		}
	}

	/** True when the result of this token is for the refresher. */
	owns(token: number): boolean {
		return this.#byToken.has(token);
	}

	handle(input: RefresherInput, now: number): void {
		if (input.type === "timeout") {
			for (const entry of [...this.#entries.values()]) this.#run(entry, now);
			return;
		}
		const entry = this.#byToken.get(input.token);
		if (entry === undefined) return;
		this.#byToken.delete(input.token);
		// Dropped meanwhile.
		if (this.#entries.get(entry.name) !== entry) return;
		if (entry.state === "fetching") this.#fetched(entry, input.result, now);
		else if (entry.state === "storing") this.#stored(entry, input.result, now);
	}

	poll(): RefresherOutput | undefined {
		return this.#outputs.shift();
	}

	deadline(): number {
		let at = Infinity;
		for (const entry of this.#entries.values()) if (entry.state === "waiting" && entry.nextAt < at) at = entry.nextAt;
		return at;
	}

	#run(entry: Entry, now: number): void {
		if (entry.state !== "waiting" || entry.nextAt > now) return;
		entry.changed = false;
		const wantsIndex = entry.value.isArray === true && entry.index === undefined;
		if (wantsIndex || entry.fetchFirst) this.#fetch(entry, now);
		else this.#store(entry, now);
	}

	#fetch(entry: Entry, now: number): void {
		const { resourceId, kind, key, as } = entry.value;
		entry.state = "fetching";
		const wanted: FetchKind = key === undefined ? { kind } : { kind, keys: [key] };
		entry.token = this.#options.node.fetch(resourceId, [wanted], now, { as });
		this.#byToken.set(entry.token, entry);
	}

	#store(entry: Entry, now: number): void {
		const { resourceId, kind, key, as, value, lifetimeS } = entry.value;
		const { node } = this.#options;
		entry.state = "storing";
		const storageTimeMs = Math.max(Math.floor(node.wallMs(now)), entry.olderThanMs + 1);
		const content = entry.removing ? { exists: false, value: new Uint8Array(0) } : { exists: true, value };
		const stored: StoreKind = {
			kind,
			values: [
				{
					...content,
					lifetimeS,
					storageTimeMs,
					...(key === undefined ? {} : { key }),
					...(entry.index === undefined ? {} : { index: entry.index }),
				},
			],
		};
		entry.token = node.store(resourceId, [stored], now, { as });
		this.#byToken.set(entry.token, entry);
	}

	#stored(entry: Entry, result: RequestResult, now: number): void {
		entry.state = "waiting";
		if (!result.ok) {
			this.#refused(entry, result.errorCode, result.info, now);
			return;
		}
		entry.pauseMs = FIRST_PAUSE_MS;
		entry.fetchFirst = false;
		if (entry.changed) {
			this.#run(entry, now);
			return;
		}
		if (entry.removing) {
			this.#entries.delete(entry.name);
			this.#outputs.push({ type: "removed", name: entry.name, ok: true });
			return;
		}
		const share = REFRESH_SHARE + REFRESH_SPREAD * this.#options.random();
		entry.nextAt = now + entry.value.lifetimeS * 1000 * share;
		this.#outputs.push({ type: "stored", name: entry.name });
	}

	/** RFC 6940 §7.4.1.2: who is refused as too old fetches, and MAY use the stored storage_time plus one (§7.1). */
	#refused(entry: Entry, errorCode: number, info: string, now: number): void {
		const isOutdated = errorCode === ErrorCode.dataTooOld || errorCode === ErrorCode.generationCounterTooLow;
		const isFirst = !entry.fetchFirst;
		entry.fetchFirst = isOutdated;
		this.#pause(entry, errorCode, info, now);
		if (!isOutdated || !isFirst || !this.#entries.has(entry.name)) return;
		entry.nextAt = now;
		this.#run(entry, now);
	}

	#pause(entry: Entry, errorCode: number, info: string, now: number): void {
		entry.nextAt = now + entry.pauseMs * (0.5 + this.#options.random());
		entry.pauseMs = Math.min(2 * entry.pauseMs, LONGEST_PAUSE_MS);
		if (entry.removing && entry.pauseMs === LONGEST_PAUSE_MS) {
			// It ends with its lifetime in any case.
			this.#entries.delete(entry.name);
			this.#outputs.push({ type: "removed", name: entry.name, ok: false });
			return;
		}
		this.#outputs.push({ type: "failed", name: entry.name, errorCode, info });
	}

	#fetched(entry: Entry, result: RequestResult, now: number): void {
		entry.state = "waiting";
		if (!result.ok || result.body.type !== "fetch") {
			const { errorCode, info } = result.ok ? { errorCode: ErrorCode.invalidMessage, info: "" } : result;
			this.#pause(entry, errorCode, info, now);
			return;
		}
		for (const { values } of result.body.kinds) for (const value of values) this.#note(entry, value);
		const { isArray } = entry.value;
		if (entry.removing && isArray === true && entry.index === undefined) {
			this.#entries.delete(entry.name);
			this.#outputs.push({ type: "removed", name: entry.name, ok: true });
			return;
		}
		this.#store(entry, now);
	}

	/** Learns index and age of our own value from what is stored. */
	#note(entry: Entry, fetched: FetchedValue): void {
		const { stored, signer } = fetched;
		const { value, as, isArray } = entry.value;
		if (signer === undefined || !equalBytes(signer.nodeId, as)) return;
		if (stored.value.model === "array") {
			if (isArray !== true || !equalBytes(stored.value.value.value, value)) return;
			entry.index = stored.value.index;
		}
		if (stored.storageTime > entry.olderThanMs) entry.olderThanMs = stored.storageTime;
	}
}

function fresh(name: string, value: KeptValue): Entry {
	return {
		name,
		value,
		state: "waiting",
		token: -1,
		nextAt: 0,
		pauseMs: FIRST_PAUSE_MS,
		index: undefined,
		olderThanMs: -1,
		fetchFirst: false,
		removing: false,
		changed: false,
	};
}
