/**
 * Arithmetic on the ring of 2^k ids (RFC 6940 §10.1): ids are big-endian octet strings of equal length, k = 8 * length, all sums
 * modulo 2^k. No BigInt, and nothing is allocated by a comparison: the forwarding path uses these.
 *
 *            0
 *         .-----.        clockwise = growing ids
 *       p         n      (p, n]: what n is responsible for
 *         `-----'
 */
import { compareBytes, equalBytes } from "../../wire/bytes.ts";

/** True when `id` lies in the half-open interval (after, upTo]; the whole ring when both ends are equal. */
export function inInterval(id: Uint8Array, after: Uint8Array, upTo: Uint8Array): boolean {
	const ends = compareBytes(after, upTo);
	if (ends === 0) return true;
	const past = compareBytes(id, after) > 0;
	const within = compareBytes(id, upTo) <= 0;
	return ends < 0 ? past && within : past || within;
}

/** True when `id` lies in the open interval (after, before); all but the end itself when both ends are equal. */
export function isBetween(id: Uint8Array, after: Uint8Array, before: Uint8Array): boolean {
	return !equalBytes(id, before) && inInterval(id, after, before);
}

/** Orders `a` and `b` by their clockwise distance from `origin`: negative when `a` comes first. `origin` itself has distance 0. */
export function compareClockwise(origin: Uint8Array, a: Uint8Array, b: Uint8Array): number {
	const aWraps = compareBytes(a, origin) < 0;
	const bWraps = compareBytes(b, origin) < 0;
	if (aWraps !== bWraps) return aWraps ? 1 : -1;
	return compareBytes(a, b);
}

/** id + 2^exponent modulo 2^k, as new octets. */
export function plusPowerOfTwo(id: Uint8Array, exponent: number): Uint8Array {
	const sum = id.slice();
	let at = sum.length - 1 - (exponent >> 3);
	let carry = 1 << (exponent & 7);
	for (; at >= 0 && carry > 0; at--) {
		const octet = sum[at]! + carry;
		sum[at] = octet & 0xff;
		carry = octet >> 8;
	}
	return sum;
}

/** id + 1: the Resource-ID that leads to the peer responsible for `id` unless that is `id` itself (RFC 6940 §10.5). */
export function plusOne(id: Uint8Array): Uint8Array {
	return plusPowerOfTwo(id, 0);
}

/** a + b modulo 2^k, as new octets. */
export function plus(a: Uint8Array, b: Uint8Array): Uint8Array {
	const sum = a.slice();
	let carry = 0;
	for (let at = sum.length - 1; at >= 0; at--) {
		const octet = sum[at]! + b[at]! + carry;
		sum[at] = octet & 0xff;
		carry = octet >> 8;
	}
	return sum;
}

/** Clockwise distance from `from` to `to` as a share of the ring, [0, 1); exact to the 53 bits of a number. */
export function shareOfRing(from: Uint8Array, to: Uint8Array): number {
	const length = from.length;
	const distance = new Uint8Array(length);
	let borrow = 0;
	for (let at = length - 1; at >= 0; at--) {
		const octet = to[at]! - from[at]! - borrow;
		distance[at] = octet & 0xff;
		borrow = octet < 0 ? 1 : 0;
	}
	let share = 0;
	// From the least significant octet on, so that small distances keep their precision.
	for (let at = length - 1; at >= 0; at--) share = (share + distance[at]!) / 256;
	return share;
}

/** A random id of [from, from + 2^exponent - 1]; `random` gives numbers in [0, 1). */
export function randomIn(from: Uint8Array, exponent: number, random: () => number): Uint8Array {
	const offset = new Uint8Array(from.length);
	const whole = exponent >> 3;
	for (let i = 0; i < whole; i++) offset[from.length - 1 - i] = Math.floor(random() * 256);
	const bits = exponent & 7;
	if (bits > 0) offset[from.length - 1 - whole] = Math.floor(random() * (1 << bits));
	return plus(from, offset);
}
