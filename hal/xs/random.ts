/**
 * Random octets for a machine whose only source is `Math.random()`: 31 bits of the hardware generator per call on the ESP32 (good once
 * Wi-Fi runs), and nothing of worth elsewhere. A pool is kept by SHA-256: what goes in stays in, and what comes out does not show the pool.
 *
 *     pool  = H(pool | 1 | new material)        block = H(pool | 2 | counter)
 */

const POOL_OCTETS = 32;
/** Calls of the generator that are stirred in per block: 248 bits. */
const WORDS = 8;

export class RandomPool {
	readonly #sha256: (data: Uint8Array) => Uint8Array;
	readonly #word: () => number;
	#pool: Uint8Array;
	#counter = 0;

	/** `word`: 0..1, the machine's generator. `seed`: all else that differs between machines and starts (key, MAC, clock, what was kept in flash). */
	constructor(sha256: (data: Uint8Array) => Uint8Array, word: () => number, seed: Uint8Array) {
		this.#sha256 = sha256;
		this.#word = word;
		this.#pool = new Uint8Array(POOL_OCTETS);
		this.stir(seed);
	}

	/** Takes material in; harmless when it is worth nothing. */
	stir(material: Uint8Array): void {
		const all = new Uint8Array(POOL_OCTETS + 1 + 4 * WORDS + material.length);
		all.set(this.#pool);
		all[POOL_OCTETS] = 1;
		for (let i = 0; i < WORDS; i++) {
			const word = Math.floor(this.#word() * 0x1_0000_0000);
			const at = POOL_OCTETS + 1 + 4 * i;
			all[at] = word >>> 24;
			all[at + 1] = word >>> 16;
			all[at + 2] = word >>> 8;
			all[at + 3] = word;
		}
		all.set(material, POOL_OCTETS + 1 + 4 * WORDS);
		this.#pool = this.#sha256(all);
	}

	bytes(count: number): Uint8Array {
		const out = new Uint8Array(count);
		const block = new Uint8Array(POOL_OCTETS + 5);
		for (let at = 0; at < count; at += POOL_OCTETS) {
			this.#counter = (this.#counter + 1) >>> 0;
			block.set(this.#pool);
			block[POOL_OCTETS] = 2;
			block[POOL_OCTETS + 1] = this.#counter >>> 24;
			block[POOL_OCTETS + 2] = this.#counter >>> 16;
			block[POOL_OCTETS + 3] = this.#counter >>> 8;
			block[POOL_OCTETS + 4] = this.#counter;
			const made = this.#sha256(block);
			out.set(count - at < POOL_OCTETS ? made.subarray(0, count - at) : made, at);
		}
		// What was given out cannot be found again from the pool that stays.
		this.stir(new Uint8Array(0));
		return out;
	}
}
