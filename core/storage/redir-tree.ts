/**
 * The arithmetic of the ReDiR tree (RFC 7374 §3) without big numbers: the digits of k / 2^B in base b are the way from the
 * root to k. The first `level` digits are the number of the tree node, the next one is the interval inside it.
 *
 *   level 0                 (0,0)            b = 2, B = 4
 *   level 1         (1,0)          (1,1)     k = 5 = 0.0101 binary: digits 0 1 0 1
 *   level 2     (2,0)  (2,1)   (2,2)  (2,3)  tree node at level 2: 01 = 1; interval in it: 0
 */
import { utf8ToBytes } from "../wire/bytes.ts";

/** RFC 7374 §8: default branching-factor. */
export const DEFAULT_BRANCHING_FACTOR = 10;

/** Positions on a level are uint16 on the wire. */
const MOST_TREE_NODES = 0x10000;

/** The branching factor to use: the default for one that makes no tree. */
export function usableBranchingFactor(branchingFactor: number | undefined): number {
	const b = branchingFactor ?? DEFAULT_BRANCHING_FACTOR;
	return b >= 2 && b <= MOST_TREE_NODES ? Math.floor(b) : DEFAULT_BRANCHING_FACTOR;
}

/** The deepest level whose positions fit the record (b = 10: level 4). */
export function deepestLevel(branchingFactor: number): number {
	let level = 0;
	let nodes = branchingFactor;
	while (nodes <= MOST_TREE_NODES) {
		level++;
		nodes *= branchingFactor;
	}
	return level;
}

/** Position j of the tree node that covers `id` on `level`: floor(id * b^level / 2^B). */
export function treeNodeOf(id: Uint8Array, level: number, branchingFactor: number): number {
	const fraction = id.slice();
	let node = 0;
	for (let i = 0; i < level; i++) node = node * branchingFactor + nextDigit(fraction, branchingFactor);
	return node;
}

/** Number of the interval that holds `id` inside its tree node of `level`: 0..b-1. */
export function intervalOf(id: Uint8Array, level: number, branchingFactor: number): number {
	const fraction = id.slice();
	let digit = 0;
	for (let i = 0; i <= level; i++) digit = nextDigit(fraction, branchingFactor);
	return digit;
}

/** Multiplies the fraction by b in place and gives what stands before the point. */
function nextDigit(fraction: Uint8Array, branchingFactor: number): number {
	let carry = 0;
	for (let i = fraction.length - 1; i >= 0; i--) {
		const product = fraction[i]! * branchingFactor + carry;
		fraction[i] = product & 0xff;
		carry = product >>> 8;
	}
	return carry;
}

/** Hash input of a tree node. D-32: namespace octets, level and node in the widths of the record. */
export function redirResourceName(namespace: Uint8Array, level: number, node: number): Uint8Array {
	const name = new Uint8Array(namespace.length + 4);
	name.set(namespace);
	name[namespace.length] = level >> 8;
	name[namespace.length + 1] = level;
	name[namespace.length + 2] = node >> 8;
	name[namespace.length + 3] = node;
	return name;
}

/** As `redirResourceName`, for a namespace as text. */
export function redirResourceNameOf(namespace: string, level: number, node: number): Uint8Array {
	return redirResourceName(utf8ToBytes(namespace), level, node);
}
