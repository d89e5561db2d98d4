/** Where the peers are reached. Changes are collected, so that a house that starts after a power cut makes few documents. */
import { isIP } from "node:net";
import { isOverlayName } from "../../../core/identity/reload-uri.ts";
import type { RecordBatch } from "../../../hal/hal.ts";
import { UserError } from "../state/errors.ts";
import { StatePrefix } from "../state/keys.ts";
import type { PiState } from "../state/state.ts";
import type { Timers } from "../state/timers.ts";
import { ADDRESS_BATCH_MS, ADDRESS_DOCUMENT_MS, MAX_ADDRESSES_PER_PEER } from "./limits.ts";
import type { Address, PeerAddresses } from "./types.ts";

interface AddressRecord extends PeerAddresses {
	/** Counts announcements: the latest come first in the document. */
	readonly order: number;
}

export interface AddressChange {
	readonly put: RecordBatch["put"];
	readonly addresses: readonly PeerAddresses[];
	readonly apply: () => void;
}

export class AddressBook {
	readonly #timers: Timers;
	readonly #monotonicMs: () => number;
	readonly #commit: (build: () => AddressChange | undefined) => Promise<void>;
	readonly #byPeer = new Map<string, AddressRecord>();
	readonly #announced = new Map<string, AddressRecord>();
	#order = 0;
	#lastMs = Number.NEGATIVE_INFINITY;
	#batch: Promise<void> | undefined;
	#fireNow: () => void = () => undefined;

	/** `commit`: puts what `build` gives on disk along with a new document; does nothing when that is undefined. */
	constructor(
		timers: Timers,
		monotonicMs: () => number,
		commit: (build: () => AddressChange | undefined) => Promise<void>,
	) {
		this.#timers = timers;
		this.#monotonicMs = monotonicMs;
		this.#commit = commit;
	}

	load(state: PiState): void {
		for (const [key, value] of state.list(StatePrefix.address)) {
			const record = value as AddressRecord;
			this.#byPeer.set(key.slice(StatePrefix.address.length), record);
			this.#order = Math.max(this.#order, record.order);
		}
	}

	get(peer: Uint8Array): PeerAddresses | undefined {
		return this.#byPeer.get(Buffer.from(peer).toString("hex"));
	}

	/** Those in force, latest announcement first; without those of `except`. */
	latestFirst(except: readonly Uint8Array[] = []): PeerAddresses[] {
		const left = new Map(this.#byPeer);
		for (const peer of except) left.delete(Buffer.from(peer).toString("hex"));
		return sorted(left);
	}

	/** Resolves once the addresses are in a document that is on disk; at once when they are in it already. */
	announce(peer: Uint8Array, addresses: PeerAddresses): Promise<void> {
		const id = Buffer.from(peer).toString("hex");
		const record = { link: addresses.link, enrollment: addresses.enrollment, order: 0 };
		const known = this.#announced.get(id) ?? this.#byPeer.get(id);
		if (known !== undefined && sameAddresses(known, record)) return this.#batch ?? Promise.resolve();
		this.#announced.set(id, { ...record, order: ++this.#order });
		this.#batch ??= this.#nextBatch();
		return this.#batch;
	}

	/** Does not wait for the end of the collecting time. */
	flush(): Promise<void> {
		const batch = this.#batch ?? Promise.resolve();
		this.#fireNow();
		return batch;
	}

	/** The entry that forgets a peer, and its place in memory once that is committed. */
	removal(peer: Uint8Array): { key: string; apply: () => void } {
		const id = Buffer.from(peer).toString("hex");
		return {
			key: StatePrefix.address + id,
			apply: () => {
				this.#byPeer.delete(id);
				this.#announced.delete(id);
			},
		};
	}

	/** What was announced and not yet written is announced again by the peers after a restart. */
	close(): void {
		this.#announced.clear();
		this.#fireNow();
	}

	async #nextBatch(): Promise<void> {
		const since = this.#monotonicMs() - this.#lastMs;
		await new Promise<void>((resolve) => {
			const cancel = this.#timers.after(Math.max(ADDRESS_BATCH_MS, ADDRESS_DOCUMENT_MS - since), resolve);
			this.#fireNow = () => {
				cancel();
				resolve();
			};
		});
		this.#fireNow = () => undefined;
		this.#batch = undefined;
		this.#lastMs = this.#monotonicMs();
		await this.#commit(() => this.#takeAnnounced());
	}

	#takeAnnounced(): AddressChange | undefined {
		const changed = new Map(this.#announced);
		if (changed.size === 0) return undefined;
		this.#announced.clear();
		return {
			put: [...changed].map(([id, record]) => [StatePrefix.address + id, record] as const),
			addresses: sorted(new Map([...this.#byPeer, ...changed])),
			apply: () => {
				for (const [id, record] of changed) this.#byPeer.set(id, record);
			},
		};
	}
}

function sorted(book: ReadonlyMap<string, AddressRecord>): PeerAddresses[] {
	return [...book.values()].sort((a, b) => b.order - a.order);
}

function sameAddresses(a: PeerAddresses, b: PeerAddresses): boolean {
	const text = (list: readonly Address[]): string => list.map(({ address, port }) => `${address} ${port}`).join();
	return text(a.link) === text(b.link) && text(a.enrollment) === text(b.enrollment);
}

/** Reads addresses from the network or from a command. Throws a `UserError` for anything else than a short list of real ones. */
export function readAddresses(value: unknown): PeerAddresses {
	const { link, enrollment } = (value ?? {}) as Record<string, unknown>;
	return {
		link: readList(link ?? [], (address) => isIP(address) !== 0 && !address.includes("%")),
		enrollment: readList(enrollment ?? [], (address) => isIP(address) !== 0 || isOverlayName(address)),
	};
}

function readList(value: unknown, isGood: (address: string) => boolean): Address[] {
	if (!Array.isArray(value) || value.length > MAX_ADDRESSES_PER_PEER)
		throw new UserError(`not a list of at most ${MAX_ADDRESSES_PER_PEER} addresses`, "announce fewer");
	return value.map((item: unknown) => {
		const { address, port } = (item ?? {}) as Record<string, unknown>;
		if (typeof address !== "string" || !isGood(address))
			throw new UserError(`${String(address)}: not an address`, "give an IP address");
		if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65535)
			throw new UserError(`${String(port)}: not a port`, "give a number from 1 to 65535");
		return { address, port };
	});
}
