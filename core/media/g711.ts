/**
 * ITU-T G.711, both laws, between 16-bit samples and octets. A 16-bit sample is the 14-bit (mu) or 13-bit (A) one of the Recommendation
 * shifted up; what lies on a decision value goes as in the ITU's software library G.191 (negative samples by one's complement).
 *
 *   octet  s eee mmmm   s: 1 = positive; mu-law octets are sent inverted, A-law octets with every second bit inverted
 *
 * Three frozen tables of 256 numbers: in the device they lie in flash. Samples are coded by one table look-up and three shifts.
 */

/** RTP payload types (RFC 3551 §6): the codec's name everywhere in this folder. */
export const PCMU = 0;
export const PCMA = 8;

/** A G.711 law by its payload type. */
export type G711 = typeof PCMU | typeof PCMA;

/** Largest magnitude of the 14-bit uniform code with its bias: 8,191. */
const MU_MOST = 0x1fff;
const MU_BIAS = 33;

/** The segment of a magnitude: position of the highest one bit of the index. */
const SEGMENT = table((index) => {
	let segment = 0;
	for (let rest = index >> 1; rest > 0; rest >>= 1) segment++;
	return segment;
});

/** Samples of mu-law octets (G.711 table 2, in 16 bits). */
const MU_SAMPLES = table((octet) => {
	const bits = octet ^ 0xff;
	const segment = (bits >> 4) & 7;
	const magnitude = ((((bits & 15) << 1) + MU_BIAS) << segment) - MU_BIAS;
	return bits >= 0x80 ? -magnitude * 4 : magnitude * 4;
});

/** Samples of A-law octets (G.711 table 1, in 16 bits). */
const A_SAMPLES = table((octet) => {
	const bits = octet ^ 0x55;
	const segment = (bits >> 4) & 7;
	const steps = ((bits & 15) << 1) + 1;
	const magnitude = segment === 0 ? steps : (steps + 32) << (segment - 1);
	return bits >= 0x80 ? magnitude * 8 : -magnitude * 8;
});

function table(valueAt: (index: number) => number): readonly number[] {
	const values: number[] = [];
	for (let i = 0; i < 256; i++) values[i] = valueAt(i);
	return Object.freeze(values);
}

/** Octet of a 16-bit sample by mu-law. */
export function encodeMuLaw(sample: number): number {
	let magnitude = ((sample < 0 ? ~sample : sample) >> 2) + MU_BIAS;
	if (magnitude > MU_MOST) magnitude = MU_MOST;
	const segment = SEGMENT[magnitude >> 5]!;
	return (sample < 0 ? 0x8f : 0x10f) - (segment << 4) - (magnitude >> (segment + 1));
}

/** 16-bit sample of a mu-law octet. */
export function decodeMuLaw(octet: number): number {
	return MU_SAMPLES[octet]!;
}

/** Octet of a 16-bit sample by A-law. */
export function encodeALaw(sample: number): number {
	const magnitude = (sample < 0 ? ~sample : sample) >> 4;
	const segment = SEGMENT[magnitude >> 3]!;
	const bits = segment === 0 ? magnitude : (segment << 4) + (magnitude >> (segment - 1)) - 16;
	return (sample < 0 ? bits : bits | 0x80) ^ 0x55;
}

/** 16-bit sample of an A-law octet. */
export function decodeALaw(octet: number): number {
	return A_SAMPLES[octet]!;
}

/** Codes `count` samples of `frame` into `out` from `from` on. The loops say what `encodeMuLaw` and `encodeALaw` say: a call costs more in XS. */
export function encodeInto(law: G711, frame: Int16Array, count: number, out: Uint8Array, from: number): void {
	let at = from;
	const segments = SEGMENT;
	if (law === PCMU) {
		const most = MU_MOST;
		for (let i = 0; i < count; i++) {
			const sample = frame[i]!;
			let magnitude = ((sample < 0 ? ~sample : sample) >> 2) + 33;
			if (magnitude > most) magnitude = most;
			const segment = segments[magnitude >> 5]!;
			out[at++] = (sample < 0 ? 0x8f : 0x10f) - (segment << 4) - (magnitude >> (segment + 1));
		}
		return;
	}
	for (let i = 0; i < count; i++) {
		const sample = frame[i]!;
		const magnitude = (sample < 0 ? ~sample : sample) >> 4;
		const segment = segments[magnitude >> 3]!;
		const bits = segment === 0 ? magnitude : (segment << 4) + (magnitude >> (segment - 1)) - 16;
		out[at++] = (sample < 0 ? bits : bits | 0x80) ^ 0x55;
	}
}

/** Samples by octet: for loops that decode. Frozen. */
export function samplesOf(law: G711): readonly number[] {
	return law === PCMU ? MU_SAMPLES : A_SAMPLES;
}

/** The octet of silence. */
export function silenceOf(law: G711): number {
	return law === PCMU ? 0xff : 0xd5;
}
