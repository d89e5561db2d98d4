/**
 * Who knows what of the household: peers ask for what comes after the state they have in use, and are answered when there is
 * something. Their asking is their confirmation.
 */
import type { Timers } from "../state/timers.ts";
import { CONNECTED_MS, MAX_PEERS } from "./limits.ts";
import type { HouseholdVersion } from "./types.ts";

interface Reader {
	/** The sequence it last said it has in use. */
	confirmed: number;
	/** Questions that wait now. */
	waiting: number;
	/** When its last question ended, monotonic. */
	lastMs: number;
}

export interface Confirmation {
	/** Node-IDs (hex) of connected peers that have the state in use. */
	readonly confirmed: string[];
	/** Node-IDs (hex) of connected peers that do not have it yet. */
	readonly waiting: string[];
}

export class Changes {
	readonly #timers: Timers;
	readonly #monotonicMs: () => number;
	readonly #readers = new Map<string, Reader>();
	readonly #wake = new Set<() => void>();
	readonly #onConfirm = new Set<() => void>();

	constructor(timers: Timers, monotonicMs: () => number) {
		this.#timers = timers;
		this.#monotonicMs = monotonicMs;
	}

	/** Something changed: answers everybody who waits. */
	announce(): void {
		for (const wake of [...this.#wake]) wake();
	}

	/**
	 * A peer has `since` in use and waits for more. Resolves when `isStale()` holds, after `waitMs`, or when the peer goes away.
	 * Limit (MAX_PEERS): the peer heard of longest ago is forgotten, which only affects who is waited for.
	 */
	async wait(
		peer: string,
		since: HouseholdVersion | undefined,
		isStale: () => boolean,
		waitMs: number,
		signal: AbortSignal,
	): Promise<void> {
		const reader = this.#reader(peer);
		if (since !== undefined) reader.confirmed = since.sequence;
		for (const check of [...this.#onConfirm]) check();
		reader.waiting++;
		try {
			if (!isStale() && !signal.aborted) await this.#sleep(waitMs, signal);
		} finally {
			reader.waiting--;
			reader.lastMs = this.#monotonicMs();
		}
	}

	/** Waits until every connected peer has `sequence` in use, `waitMs` at most. */
	async confirmation(sequence: number, waitMs: number): Promise<Confirmation> {
		await new Promise<void>((resolve) => {
			const finish = (): void => {
				cancel();
				this.#onConfirm.delete(check);
				resolve();
			};
			const check = (): void => {
				if (this.#state(sequence).waiting.length === 0) finish();
			};
			const cancel = this.#timers.after(waitMs, finish);
			this.#onConfirm.add(check);
			check();
		});
		return this.#state(sequence);
	}

	/** Node-IDs (hex) of the peers that ask now or asked a moment ago. */
	connected(): string[] {
		const now = this.#monotonicMs();
		return [...this.#readers]
			.filter(([, reader]) => reader.waiting > 0 || now - reader.lastMs < CONNECTED_MS)
			.map(([peer]) => peer);
	}

	/** A peer that was revoked is not waited for. */
	forget(peer: string): void {
		this.#readers.delete(peer);
		for (const check of [...this.#onConfirm]) check();
	}

	#state(sequence: number): Confirmation {
		const connected = this.connected();
		const has = (peer: string): boolean => (this.#readers.get(peer)?.confirmed ?? -1) >= sequence;
		return { confirmed: connected.filter(has), waiting: connected.filter((peer) => !has(peer)) };
	}

	#reader(peer: string): Reader {
		let reader = this.#readers.get(peer);
		if (reader !== undefined) return reader;
		if (this.#readers.size >= MAX_PEERS) {
			const oldest = [...this.#readers].sort(([, a], [, b]) => a.lastMs - b.lastMs)[0];
			if (oldest !== undefined) this.#readers.delete(oldest[0]);
		}
		reader = { confirmed: -1, waiting: 0, lastMs: this.#monotonicMs() };
		this.#readers.set(peer, reader);
		return reader;
	}

	#sleep(waitMs: number, signal: AbortSignal): Promise<void> {
		return new Promise((resolve) => {
			const finish = (): void => {
				cancel();
				this.#wake.delete(finish);
				signal.removeEventListener("abort", finish);
				resolve();
			};
			const cancel = this.#timers.after(waitMs, finish);
			this.#wake.add(finish);
			signal.addEventListener("abort", finish);
		});
	}
}
