/** ITU-T G.711 against its own tables: segment ends and steps of table 1 (A-law) and table 2 (mu-law). */
import { expect, test } from "vitest";
import {
	decodeALaw,
	decodeMuLaw,
	encodeALaw,
	encodeInto,
	encodeMuLaw,
	PCMA,
	PCMU,
	samplesOf,
	silenceOf,
} from "../../../core/media/g711.ts";

/** Decision values of the positive half: from one segment end to the next in equal steps. */
function decisionValues(first: readonly number[], ends: readonly (readonly [end: number, step: number])[]): number[] {
	const values = [...first];
	for (const [end, step] of ends)
		while (values[values.length - 1]! < end) values.push(values[values.length - 1]! + step);
	return values;
}

const MU = decisionValues(
	[0, 1],
	[31, 95, 223, 479, 991, 2_015, 4_063, 8_159].map((end, i) => [end, 2 << i] as const),
);
const A = decisionValues(
	[0],
	[64, 128, 256, 512, 1_024, 2_048, 4_096].map((end, i) => [end, 2 << i] as const),
);

/** The interval of a magnitude; `near`: that of the sample before. */
function intervalOf(values: readonly number[], magnitude: number, near: number): number {
	let n = near;
	while (n > 0 && values[n]! > magnitude) n--;
	while (n + 1 < 128 && values[n + 1]! <= magnitude) n++;
	return n;
}

test("the tables have 128 intervals", () => {
	expect([MU.length, A.length]).toEqual([129, 129]);
});

test("every 16-bit sample gets the mu-law octet of its interval", () => {
	const wrong: number[] = [];
	for (let sample = -32_768, n = 0; sample < 32_768; sample++) {
		n = intervalOf(MU, (sample < 0 ? ~sample : sample) >> 2, n);
		if (encodeMuLaw(sample) !== (sample < 0 ? 0x7f : 0xff) - n) wrong.push(sample);
	}
	expect(wrong).toEqual([]);
});

test("every 16-bit sample gets the A-law octet of its interval", () => {
	const wrong: number[] = [];
	for (let sample = -32_768, n = 0; sample < 32_768; sample++) {
		n = intervalOf(A, (sample < 0 ? ~sample : sample) >> 3, n);
		if (encodeALaw(sample) !== ((sample < 0 ? n : 0x80 + n) ^ 0x55)) wrong.push(sample);
	}
	expect(wrong).toEqual([]);
});

test("every octet is the middle of its interval", () => {
	for (let n = 0; n < 128; n++) {
		const mu = n === 0 ? 0 : ((MU[n]! + MU[n + 1]!) / 2) * 4;
		expect([decodeMuLaw(0xff - n), Math.abs(decodeMuLaw(0x7f - n))]).toEqual([mu, mu]);
		const a = ((A[n]! + A[n + 1]!) / 2) * 8;
		expect([decodeALaw((0x80 + n) ^ 0x55), decodeALaw(n ^ 0x55)]).toEqual([a, -a]);
	}
});

test("what was coded once stays as it is", () => {
	for (let octet = 0; octet < 256; octet++) {
		expect(encodeMuLaw(decodeMuLaw(octet))).toBe(octet === 0x7f ? 0xff : octet);
		expect(encodeALaw(decodeALaw(octet))).toBe(octet);
	}
});

test("a frame is coded as its samples are", () => {
	const out = new Uint8Array(160);
	for (let from = -32_768; from < 32_768; from += 160) {
		const frame = Int16Array.from({ length: 160 }, (_, i) => Math.min(from + i, 32_767));
		encodeInto(PCMU, frame, 160, out, 0);
		const mu = [...out];
		encodeInto(PCMA, frame, 160, out, 0);
		const same = [...frame].every((sample, i) => mu[i] === encodeMuLaw(sample) && out[i] === encodeALaw(sample));
		expect(same, String(from)).toBe(true);
	}
});

test("frames", () => {
	const frame = Int16Array.from([0, 1_000, -1_000, 32_767, -32_768]);
	const out = new Uint8Array(7);
	encodeInto(PCMU, frame, 5, out, 1);
	expect([...out]).toEqual([0, 0xff, 0xce, 0x4e, 0x80, 0x00, 0]);
	encodeInto(PCMA, frame, 5, out, 1);
	expect([...out.subarray(1, 6)].map((octet) => samplesOf(PCMA)[octet])).toEqual([8, 1_008, -1_008, 32_256, -32_256]);
	expect([silenceOf(PCMU), silenceOf(PCMA)]).toEqual([encodeMuLaw(0), encodeALaw(0)]);
	expect([samplesOf(PCMU)[0x80], samplesOf(PCMA)[0x2a]]).toEqual([32_124, -32_256]);
});
