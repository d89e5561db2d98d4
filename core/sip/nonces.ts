/**
 * Nonces without a table of those given out, and a bounded memory of those used. RFC 7616 §3.3, §3.4, §5.4.
 *
 *   nonce = time (8 hex) salt (8 hex) HMAC(key, time | salt | realm | source address) (24 hex)
 *
 * The source's address is in the MAC: whoever answers a nonce of ours has received it there, so nobody can have another's address
 * blocked by failing in its name.
 */
import type { Crypto } from "../../hal/hal.ts";
import { toHex } from "../wire/bytes.ts";
import { hex8, type IdSource } from "./ids.ts";
import { textToOctets } from "./syntax.ts";
import { equalSecrets } from "./tokens.ts";

/** What a nonce is worth. `foreign`: not ours, of another life of ours, or given to another address. */
export type NonceState = "good" | "stale" | "foreign";

interface NonceUse {
	/** Highest nonce count seen. */
	top: number;
	/** The 31 counts below it: bit n is `top - 1 - n`. */
	seen: number;
}

/** How far below the highest nonce count one may come late. */
const WINDOW = 31;

export class Nonces {
	readonly #crypto: Crypto;
	readonly #ids: IdSource;
	readonly #key: Uint8Array;
	readonly #realm: string;
	readonly #lifetimeMs: number;
	readonly #limit: number;
	readonly #used = new Map<string, NonceUse>();
	/** Issue time of the youngest nonce whose use was forgotten: nonces as old as it are stale, so none can be replayed. */
	#forgottenAt = -1;

	constructor(
		crypto: Crypto,
		ids: IdSource,
		options: { key: Uint8Array; realm: string; lifetimeMs: number; limit: number },
	) {
		this.#crypto = crypto;
		this.#ids = ids;
		this.#key = options.key;
		this.#realm = options.realm;
		this.#lifetimeMs = options.lifetimeMs;
		this.#limit = options.limit;
	}

	/** A nonce for a source. */
	issue(source: string, now: number): string {
		const start = hex8(now / 1000) + this.#ids.hex(4);
		return start + this.#mac(start, source);
	}

	/** What a nonce is worth, before its use is counted. */
	check(nonce: string, source: string, now: number): NonceState {
		if (nonce.length !== 40 || !equalSecrets(nonce.slice(16), this.#mac(nonce.slice(0, 16), source))) return "foreign";
		const issuedAt = Number.parseInt(nonce.slice(0, 8), 16);
		const ageMs = now - issuedAt * 1000;
		if (ageMs < -1000 || ageMs > this.#lifetimeMs) return "stale";
		return issuedAt <= this.#forgottenAt && !this.#used.has(nonce) ? "stale" : "good";
	}

	/** Counts one use. False: this count has been used already, or is too old to tell, or is none. */
	use(nonce: string, nc: string): boolean {
		const count = nc.length === 8 ? Number.parseInt(nc, 16) : 0;
		if (!(count > 0)) return false;
		const use = this.#used.get(nonce);
		if (use === undefined) {
			this.#remember(nonce, count);
			return true;
		}
		if (count > use.top) {
			const shift = count - use.top;
			use.seen = shift > WINDOW ? 0 : shift === WINDOW ? 1 << (WINDOW - 1) : (use.seen << shift) | (1 << (shift - 1));
			use.top = count;
			return true;
		}
		const below = use.top - count;
		if (below === 0 || below > WINDOW || (use.seen & (1 << (below - 1))) !== 0) return false;
		use.seen |= 1 << (below - 1);
		return true;
	}

	#remember(nonce: string, count: number): void {
		if (this.#used.size >= this.#limit) {
			const oldest = this.#used.keys().next().value!;
			this.#used.delete(oldest);
			const issuedAt = Number.parseInt(oldest.slice(0, 8), 16);
			if (issuedAt > this.#forgottenAt) this.#forgottenAt = issuedAt;
		}
		// Counts below a first one above 1 have not been seen here: they may still come.
		this.#used.set(nonce, { top: count, seen: 0 });
	}

	#mac(start: string, source: string): string {
		const octets = this.#crypto.hmac("sha256", this.#key, textToOctets(`nonce ${start} ${this.#realm} ${source}`));
		return toHex(octets.subarray(0, 12));
	}
}
