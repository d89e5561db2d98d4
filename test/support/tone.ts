/** Telling a tone from anything else: the share of a signal's energy that lies at one frequency (Goertzel). */

/**
 * Share of the energy of `samples` at `frequencyHz`, 0..1: near 1 for a clean tone, near 0 for noise, voice or silence. Looked at in
 * pieces of 100 ms, so that a slip of phase somewhere does not hide a tone; the mean of the pieces that are not silent, weighed with
 * the share of pieces that are not.
 */
export function goertzel(samples: ArrayLike<number>, frequencyHz: number, sampleRate: number): number {
	const size = Math.round(sampleRate / 10);
	let pieces = 0;
	let sum = 0;
	for (let from = 0; from + size <= samples.length; from += size) {
		pieces++;
		sum += share(samples, from, size, frequencyHz / sampleRate);
	}
	return pieces === 0 ? 0 : sum / pieces;
}

/** Mean square below which a piece counts as silence (about -66 dBov). */
const SILENCE = 16 * 16;

function share(samples: ArrayLike<number>, from: number, size: number, turns: number): number {
	const twice = 2 * Math.cos(2 * Math.PI * turns);
	let before = 0;
	let beforeThat = 0;
	let energy = 0;
	for (let i = from; i < from + size; i++) {
		const sample = samples[i] ?? 0;
		energy += sample * sample;
		const value = sample + twice * before - beforeThat;
		beforeThat = before;
		before = value;
	}
	if (energy / size < SILENCE) return 0;
	const power = before * before + beforeThat * beforeThat - twice * before * beforeThat;
	return Math.min(1, (2 * power) / (size * energy));
}

/** The longest stretch of a tone, in milliseconds: pieces of 20 ms with at least 70 % of their energy at the frequency. */
export function toneMs(samples: ArrayLike<number>, frequencyHz: number, sampleRate: number): number {
	const size = Math.round(sampleRate / 50);
	let longest = 0;
	let run = 0;
	for (let from = 0; from + size <= samples.length; from += size) {
		run = share(samples, from, size, frequencyHz / sampleRate) > 0.7 ? run + 1 : 0;
		longest = Math.max(longest, run);
	}
	return longest * 20;
}
