/**
 * The certificates of the signers of stored values, each kept once for as long as a value needs it (RFC 6940 §7.4.2.2, reference
 * 8.4: a peer hands them out with the values).
 */
import type { Journal } from "./journal.ts";

/** Records: `storage/c/<SHA-256 in hex>` -> {der}. */
export const CERTIFICATE_PREFIX = "storage/c/";

export interface CertificateRecord {
	readonly der: Uint8Array;
}

interface Kept {
	readonly der: Uint8Array;
	uses: number;
}

export class CertificateShelf {
	readonly #journal: Journal;
	readonly #kept = new Map<string, Kept>();

	constructor(journal: Journal) {
		this.#journal = journal;
	}

	get size(): number {
		return this.#kept.size;
	}

	has(hash: string): boolean {
		return this.#kept.has(hash);
	}

	der(hash: string): Uint8Array | undefined {
		return this.#kept.get(hash)?.der;
	}

	/** One more value needs this certificate. Its record goes along with the value's unless it is on disk. */
	retain(hash: string, der: Uint8Array): void {
		const kept = this.#kept.get(hash);
		if (kept !== undefined) {
			kept.uses++;
			this.#journal.again(CERTIFICATE_PREFIX + hash);
			return;
		}
		const own = der.slice();
		this.#kept.set(hash, { der: own, uses: 1 });
		this.#journal.put(CERTIFICATE_PREFIX + hash, { der: own });
	}

	/** The record goes to disk with the next batch unless it is there already. */
	again(hash: string): void {
		this.#journal.again(CERTIFICATE_PREFIX + hash);
	}

	/** At load: the record is on disk; values found later retain it. */
	restore(hash: string, der: Uint8Array): void {
		this.#kept.set(hash, { der, uses: 0 });
	}

	/** As `retain`, for a value found on disk next to its certificate. */
	reuse(hash: string): void {
		const kept = this.#kept.get(hash);
		if (kept !== undefined) kept.uses++;
	}

	/** One value less needs it; with the last one it goes. */
	release(hash: string): void {
		const kept = this.#kept.get(hash);
		if (kept === undefined) return;
		kept.uses--;
		if (kept.uses <= 0) this.#drop(hash);
	}

	/** At the end of a load: certificates that no value needs. Gives their number. */
	dropUnused(): number {
		let dropped = 0;
		for (const [hash, kept] of this.#kept) {
			if (kept.uses > 0) continue;
			this.#drop(hash);
			dropped++;
		}
		return dropped;
	}

	#drop(hash: string): void {
		this.#kept.delete(hash);
		this.#journal.remove(CERTIFICATE_PREFIX + hash);
	}
}
