/** Ring arithmetic against BigInt, and the Chord vectors. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FingerTable } from "../../../../core/overlay/topology/chord-fingers.ts";
import type { RingContext } from "../../../../core/overlay/topology/context.ts";
import { Outbox } from "../../../../core/overlay/topology/outbox.ts";
import { PeerTable } from "../../../../core/overlay/topology/peers.ts";
import type { TopologyHost } from "../../../../core/overlay/topology/plugin.ts";
import * as ring from "../../../../core/overlay/topology/ring.ts";
import { fromHex, toHex } from "../../../../core/wire/bytes.ts";

const OCTETS = 16;
const SIZE = 1n << BigInt(8 * OCTETS);
const big = (id: Uint8Array): bigint => BigInt(`0x${toHex(id)}`);
const octets = (value: bigint): Uint8Array =>
	fromHex((((value % SIZE) + SIZE) % SIZE).toString(16).padStart(2 * OCTETS, "0"))!;
const distance = (from: Uint8Array, to: Uint8Array): bigint => (big(to) - big(from) + SIZE) % SIZE;
/** Ids that are often equal, adjacent, or at the ends of the ring. */
const id = fc.oneof(
	fc.uint8Array({ minLength: OCTETS, maxLength: OCTETS }),
	fc.constantFrom(0n, 1n, 2n, SIZE - 1n, SIZE - 2n, SIZE / 2n, SIZE / 2n - 1n, 255n, 256n).map(octets),
);

describe("arithmetic", () => {
	test("intervals", () => {
		fc.assert(
			fc.property(id, id, id, (x, after, upTo) => {
				const span = distance(after, upTo);
				const inside = span === 0n || (distance(after, x) > 0n && distance(after, x) <= span);
				expect(ring.inInterval(x, after, upTo)).toBe(inside);
				expect(ring.isBetween(x, after, upTo)).toBe(inside && big(x) !== big(upTo));
			}),
		);
	});

	test("clockwise order", () => {
		fc.assert(
			fc.property(id, id, id, (origin, a, b) => {
				const [first, second] = [distance(origin, a), distance(origin, b)];
				expect(Math.sign(ring.compareClockwise(origin, a, b))).toBe(first < second ? -1 : first > second ? 1 : 0);
			}),
		);
	});

	test("sums and powers of two", () => {
		fc.assert(
			fc.property(id, id, fc.nat({ max: 8 * OCTETS - 1 }), (a, b, exponent) => {
				expect(toHex(ring.plus(a, b))).toBe(toHex(octets(big(a) + big(b))));
				expect(toHex(ring.plusPowerOfTwo(a, exponent))).toBe(toHex(octets(big(a) + (1n << BigInt(exponent)))));
				expect(toHex(ring.plusOne(a))).toBe(toHex(octets(big(a) + 1n)));
			}),
		);
	});

	test("shares of the ring", () => {
		fc.assert(
			fc.property(id, id, (a, b) => {
				const exact = Number((distance(a, b) * 1_000_000_000_000n) / SIZE) / 1e12;
				expect(Math.abs(ring.shareOfRing(a, b) - exact)).toBeLessThan(2e-12);
			}),
		);
	});

	test("random ids stay in their range", () => {
		fc.assert(
			fc.property(
				id,
				fc.nat({ max: 8 * OCTETS - 1 }),
				fc.double({ min: 0, max: 1, maxExcluded: true }),
				(from, exponent, draw) => {
					const found = ring.randomIn(from, exponent, () => draw);
					expect(distance(from, found) < 1n << BigInt(exponent)).toBe(true);
				},
			),
		);
	});
});

interface Vectors {
	functions: {
		chord: {
			responsible: { node: string; predecessor: string; id: string; responsible: boolean }[];
			fingerRange: { node: string; i: number; first: string; last: string }[];
		};
	};
}

describe("vectors 00-functions, chord", () => {
	const { chord } = (
		JSON.parse(readFileSync(new URL("../../../vectors/00-functions.json", import.meta.url), "utf8")) as Vectors
	).functions;

	test("responsibility", () => {
		for (const vector of chord.responsible) {
			const inside = ring.inInterval(fromHex(vector.id)!, fromHex(vector.predecessor)!, fromHex(vector.node)!);
			expect(inside, vector.id).toBe(vector.responsible);
		}
	});

	test("finger ranges", () => {
		for (const vector of chord.fingerRange) {
			const table = new FingerTable(context(fromHex(vector.node)!));
			expect(toHex(table.startOf(vector.i))).toBe(vector.first);
			expect(table.entryOf(fromHex(vector.first)!)).toBe(vector.i);
			expect(table.entryOf(fromHex(vector.last)!)).toBe(vector.i);
			expect(table.entryOf(ring.plusOne(fromHex(vector.last)!))).toBe(vector.i === 1 ? 129 : vector.i - 1);
		}
	});
});

function context(self: Uint8Array): RingContext {
	return {
		host: {} as TopologyHost,
		self,
		out: new Outbox(),
		peers: new PeerTable(self),
		perSide: () => 3,
		show: () => {},
	};
}
