/** Reads the sizes of a heap snapshot of XS: atoms of a 4-octet big-endian size, a 4-letter name and content, some of them nested. */

export interface HeapSizes {
	/** Octets of all blocks for strings, buffers and byte code. */
	readonly chunkOctets: number;
	/** Octets of the whole snapshot. */
	readonly totalOctets: number;
}

const ATOM_HEAD = 8;
/** Atoms that hold atoms. */
const NESTED: readonly string[] = Object.freeze(["XS_M", "XSSN"]);
const CHUNKS = "BLOC";

export function readSnapshot(bytes: Uint8Array): HeapSizes {
	const atoms = new Map<string, number>();
	walk(bytes, 0, bytes.length, atoms);
	return { chunkOctets: atoms.get(CHUNKS) ?? 0, totalOctets: bytes.length };
}

function walk(bytes: Uint8Array, from: number, to: number, atoms: Map<string, number>): void {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	let at = from;
	while (at + ATOM_HEAD <= to) {
		const size = view.getUint32(at);
		if (size < ATOM_HEAD) return;
		const name = String.fromCharCode(...bytes.subarray(at + 4, at + ATOM_HEAD));
		if (NESTED.includes(name)) walk(bytes, at + ATOM_HEAD, at + size, atoms);
		else atoms.set(name, size - ATOM_HEAD);
		at += size;
	}
}
