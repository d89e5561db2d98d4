/**
 * ITU-T G.711, both laws, between 16-bit samples and octets. A 16-bit sample is the 14-bit (mu) or 13-bit (A) one of the Recommendation
 * shifted up; what lies on a decision value goes as in the ITU's software library G.191 (negative samples by one's complement).
 *
 *   octet  s eee mmmm   s: 1 = positive; mu-law octets are sent inverted, A-law octets with every second bit inverted
 *
 * Four small tables, made when the module is loaded and never written after: in the device they lie in flash. A mu-law octet is one look-up:
 * magnitudes below 256 (with the bias) have a table of their own, above it all decision values are multiples of 16.
 */

/** RTP payload types (RFC 3551 §6): the codec's name everywhere in this folder. */
export const PCMU = 0;
export const PCMA = 8;

/** A G.711 law by its payload type. */
export type G711 = typeof PCMU | typeof PCMA;

/** Largest magnitude of the 14-bit uniform code with its bias: 8,191. */
const MU_MOST = 0x1fff;
const MU_BIAS = 33;

/** Where the segments above 2 begin, and the bits that none of their decision values has. */
const MU_COARSE = 256;
const MU_COARSE_BITS = 4;

/** Octets of positive samples by magnitude and bias: each one up to 255, and each sixteenth. */
const MU_FINE = fill(new Uint8Array(MU_COARSE), muOctet);
const MU_STEPS = fill(new Uint8Array(((MU_MOST + MU_BIAS) >> MU_COARSE_BITS) + 1), (index) =>
	muOctet(index << MU_COARSE_BITS),
);

/** Samples of mu-law octets (G.711 table 2, in 16 bits). */
const MU_SAMPLES = fill(new Int16Array(256), (octet) => {
	const bits = octet ^ 0xff;
	const segment = (bits >> 4) & 7;
	const magnitude = ((((bits & 15) << 1) + MU_BIAS) << segment) - MU_BIAS;
	return bits >= 0x80 ? -magnitude * 4 : magnitude * 4;
});

/** Samples of A-law octets (G.711 table 1, in 16 bits). */
const A_SAMPLES = fill(new Int16Array(256), (octet) => {
	const bits = octet ^ 0x55;
	const segment = (bits >> 4) & 7;
	const steps = ((bits & 15) << 1) + 1;
	const magnitude = segment === 0 ? steps : (steps + 32) << (segment - 1);
	return bits >= 0x80 ? magnitude * 8 : -magnitude * 8;
});

/** The segment of an A-law magnitude (12 bits), by its upper eight. */
const A_SEGMENT = fill(new Uint8Array(256), (index) => {
	let segment = 0;
	for (let rest = index >> 1; rest > 0; rest >>= 1) segment++;
	return segment;
});

function fill<T extends Uint8Array | Int16Array>(table: T, valueAt: (index: number) => number): T {
	for (let i = 0; i < table.length; i++) table[i] = valueAt(i);
	return table;
}

/** The octet of a positive magnitude with bias, as the Recommendation has it: 0x80, segment and mantissa, inverted. */
function muOctet(biased: number): number {
	const magnitude = biased > MU_MOST ? MU_MOST : Math.max(biased, MU_BIAS);
	let segment = 0;
	while (magnitude >> (segment + 6) > 0) segment++;
	return 0xff - ((segment << 4) | ((magnitude >> (segment + 1)) & 15));
}

/** Octet of a 16-bit sample by mu-law. */
export function encodeMuLaw(sample: number): number {
	const magnitude = ((sample < 0 ? ~sample : sample) >> 2) + MU_BIAS;
	const octet = magnitude < MU_COARSE ? MU_FINE[magnitude]! : MU_STEPS[magnitude >> MU_COARSE_BITS]!;
	return sample < 0 ? octet & 0x7f : octet;
}

/** 16-bit sample of a mu-law octet. */
export function decodeMuLaw(octet: number): number {
	return MU_SAMPLES[octet]!;
}

/** Octet of a 16-bit sample by A-law. */
export function encodeALaw(sample: number): number {
	const magnitude = (sample < 0 ? ~sample : sample) >> 4;
	const segment = A_SEGMENT[magnitude >> 3]!;
	const bits = segment === 0 ? magnitude : (segment << 4) + (magnitude >> (segment - 1)) - 16;
	return (sample < 0 ? bits : bits | 0x80) ^ 0x55;
}

/** 16-bit sample of an A-law octet. */
export function decodeALaw(octet: number): number {
	return A_SAMPLES[octet]!;
}

/** Codes `count` samples of `frame` into `out` from `from` on. The loops say what `encodeMuLaw` and `encodeALaw` say: a call costs more in XS. */
export function encodeInto(law: G711, frame: Int16Array, count: number, out: Uint8Array, from: number): void {
	// Declared once: in XS each declaration within the loop costs as much as a look-up.
	let sample = 0;
	let magnitude = 0;
	if (law === PCMU) {
		const fine = MU_FINE;
		const steps = MU_STEPS;
		for (let i = 0; i < count; i++) {
			sample = frame[i]!;
			magnitude = ((sample < 0 ? ~sample : sample) >> 2) + 33;
			magnitude = magnitude < 256 ? fine[magnitude]! : steps[magnitude >> 4]!;
			out[from + i] = sample < 0 ? magnitude & 0x7f : magnitude;
		}
		return;
	}
	const segments = A_SEGMENT;
	let segment = 0;
	for (let i = 0; i < count; i++) {
		sample = frame[i]!;
		magnitude = (sample < 0 ? ~sample : sample) >> 4;
		segment = segments[magnitude >> 3]!;
		if (segment !== 0) magnitude = (segment << 4) + (magnitude >> (segment - 1)) - 16;
		out[from + i] = (sample < 0 ? magnitude : magnitude | 0x80) ^ 0x55;
	}
}

/** Samples by octet: for loops that decode. Never written. */
export function samplesOf(law: G711): Int16Array {
	return law === PCMU ? MU_SAMPLES : A_SAMPLES;
}

/** The octet of silence. */
export function silenceOf(law: G711): number {
	return law === PCMU ? 0xff : 0xd5;
}
