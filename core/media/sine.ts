/** Sine waves without floating point: a frozen quarter of a wave, and a phase of 16 bits. */

const QUARTER = 64;

/** sin(i / 64 * 90 degrees) * 32767. Written out: the same digits on every machine. */
const WAVE: readonly number[] = Object.freeze([
	0, 804, 1608, 2410, 3212, 4011, 4808, 5602, 6393, 7179, 7962, 8739, 9512, 10278, 11039, 11793, 12539, 13279, 14010,
	14732, 15446, 16151, 16846, 17530, 18204, 18868, 19519, 20159, 20787, 21403, 22005, 22594, 23170, 23731, 24279, 24811,
	25329, 25832, 26319, 26790, 27245, 27683, 28105, 28510, 28898, 29268, 29621, 29956, 30273, 30571, 30852, 31113, 31356,
	31580, 31785, 31971, 32137, 32285, 32412, 32521, 32609, 32678, 32728, 32757, 32767,
]);

/** Phase step of a frequency at 8,000 samples a second: 65,536 is one turn. */
export function phaseStep(frequencyHz: number): number {
	return Math.round((frequencyHz * 65_536) / 8_000);
}

/** -32767..32767 at a phase of 16 bits (higher bits are ignored). */
export function sine(phase: number): number {
	// 256 steps a turn, rounded to the nearest.
	const index = ((phase + 128) >> 8) & 255;
	const within = index & (QUARTER - 1);
	switch (index >> 6) {
		case 0:
			return WAVE[within]!;
		case 1:
			return WAVE[QUARTER - within]!;
		case 2:
			return -WAVE[within]!;
		default:
			return -WAVE[QUARTER - within]!;
	}
}
