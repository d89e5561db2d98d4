/** Seeded randomness: xoshiro128** (Blackman and Vigna), seeded by splitmix32. The same seed gives the same world. Not for secrets. */

export interface SeededRandom {
	/** A number in [0, 1), 32 bits of it random. */
	next(): number;
	/** A whole number in [0, below). */
	below(limit: number): number;
	/** Fresh octets. */
	bytes(count: number): Uint8Array;
	/** An independent generator: what one part draws does not shift what another one gets. */
	fork(): SeededRandom;
}

export function seededRandom(seed: number): SeededRandom {
	let mixed = seed >>> 0;
	const splitmix = (): number => {
		mixed = (mixed + 0x9e3779b9) >>> 0;
		let z = mixed;
		z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
		z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
		return (z ^ (z >>> 15)) >>> 0;
	};
	let a = splitmix();
	let b = splitmix();
	let c = splitmix();
	let d = splitmix();
	const word = (): number => {
		const fives = Math.imul(b, 5);
		const result = Math.imul((fives << 7) | (fives >>> 25), 9) >>> 0;
		const t = b << 9;
		c ^= a;
		d ^= b;
		b ^= c;
		a ^= d;
		c ^= t;
		d = (d << 11) | (d >>> 21);
		return result;
	};
	return {
		next: () => word() / 0x100000000,
		below: (limit) => Math.floor((word() / 0x100000000) * limit),
		bytes(count) {
			const octets = new Uint8Array(count);
			for (let i = 0; i < count; i++) octets[i] = word() >>> 24;
			return octets;
		},
		fork: () => seededRandom(word()),
	};
}
