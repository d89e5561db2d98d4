/**
 * A look at an lmdb data file before lmdb maps it. lmdb trusts its file: a truncated or overwritten one kills the process by a
 * signal, at some later read. So every page that the newest snapshot reaches is looked at first, and a fault is one clear sentence.
 *
 * Layout: lmdb.h / mdb.c of the lmdb package, data version 2, 64-bit little-endian. Any other is left to lmdb itself.
 *
 *   page   | pgno (8) | txnid (8) | pad (2) | flags (2) | lower (2) | upper (2) | node offsets (2 each) ... | ... nodes |
 *   meta   page 0 and 1: magic, version, address, mapsize, free-page tree (48), main tree (48), last page, txnid, boot id
 *   tree   pad (4) | flags (2) | depth (2) | branch, leaf, overflow pages (8 each) | entries (8) | root (8)
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { endianness } from "node:os";

const MAGIC = 0xbeefc0de;
const VERSION = 2;
const HEADER = 24;
const TREE_OCTETS = 48;
const FREE_TREE_AT = HEADER + 24;
const MAIN_TREE_AT = FREE_TREE_AT + TREE_OCTETS;
const ROOT_IN_TREE = 40;
const TXNID_AT = HEADER + 128;
const META_OCTETS = HEADER + 144;
const NO_ROOT = 0xffffffffffffffffn;

const P_BRANCH = 1;
const P_LEAF = 2;
const F_BIGDATA = 1;
const F_SUBDATA = 2;
const NODE_HEADER = 8;
const OVERFLOW_REFERENCE = 24;
const MOST_LEVELS = 32;
/** How often the look begins anew when another process commits meanwhile. */
const TRIES = 3;

/** What the file is: "new" = lmdb may begin it anew, nothing was ever committed to it; "sound"; or a fault in words. */
export type StoreFileState = "new" | "sound" | { readonly fault: string };

/** Looks at the file. Reads every page of the newest snapshot's trees; overflow pages are only counted. */
export function checkStoreFile(path: string): StoreFileState {
	const file = openSync(path, "r");
	try {
		for (let attempt = 1; ; attempt++) {
			const size = fstatSync(file).size;
			const before = readMetas(file, size);
			if (before === undefined) return "sound";
			if (typeof before === "string") return before === "new" ? "new" : { fault: before };
			const fault = new Walk(file, size, before.pageSize).metas(before.newest);
			if (fault === undefined) return "sound";
			// Another process may have committed twice meanwhile and used the pages of this snapshot again.
			const after = readMetas(file, fstatSync(file).size);
			const isSame = typeof after === "object" && after.transaction === before.transaction;
			if (isSame || attempt === TRIES) return isSame ? { fault } : "sound";
		}
	} finally {
		closeSync(file);
	}
}

interface Metas {
	readonly pageSize: number;
	readonly transaction: bigint;
	readonly newest: DataView;
}

/** The newer of both meta pages; a fault; "new"; or `undefined` when the format is not one this file knows. */
function readMetas(file: number, size: number): Metas | string | undefined {
	if (endianness() !== "LE" || !process.arch.endsWith("64")) return undefined;
	if (size === 0) return "new";
	const first = readAt(file, 0, META_OCTETS);
	if (first.byteLength < META_OCTETS) return "it is shorter than a header";
	// Power went while the very first pages were written: no commit can have been acknowledged before those were on disk.
	if (isZero(first)) return isZeroFile(file, size) ? "new" : "its first page is empty";
	if (first.getUint32(HEADER, true) !== MAGIC) return "it is not an lmdb file";
	if ((first.getUint32(HEADER + 4, true) & 0xffff) !== VERSION) return undefined;
	const pageSize = first.getUint32(FREE_TREE_AT, true);
	if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) return "its page size is impossible";
	if (size < 2 * pageSize)
		return first.getBigUint64(TXNID_AT, true) === 0n ? "new" : "it is shorter than its two headers";
	const second = readAt(file, pageSize, META_OCTETS);
	if (second.getUint32(HEADER, true) !== MAGIC) return "its second header is damaged";
	const transactions = [first.getBigUint64(TXNID_AT, true), second.getBigUint64(TXNID_AT, true)] as const;
	const newest = transactions[0] >= transactions[1] ? first : second;
	return { pageSize, newest, transaction: newest.getBigUint64(TXNID_AT, true) };
}

function isZero(view: DataView): boolean {
	for (let i = 0; i < view.byteLength; i++) if (view.getUint8(i) !== 0) return false;
	return true;
}

function isZeroFile(file: number, size: number): boolean {
	const limit = 1_048_576;
	return size <= limit && isZero(readAt(file, 0, size));
}

function readAt(file: number, at: number, count: number): DataView {
	const bytes = new Uint8Array(count);
	let got = 0;
	while (got < count) {
		const n = readSync(file, bytes, got, count - got, at + got);
		if (n === 0) break;
		got += n;
	}
	return new DataView(bytes.buffer, 0, got);
}

/** One walk over the trees of a snapshot. Each method returns a fault or `undefined`. */
class Walk {
	readonly #file: number;
	readonly #pages: number;
	readonly #pageSize: number;
	#seen = 0;

	constructor(file: number, size: number, pageSize: number) {
		this.#file = file;
		this.#pageSize = pageSize;
		this.#pages = Math.floor(size / pageSize);
	}

	metas(meta: DataView): string | undefined {
		return this.#tree(meta, FREE_TREE_AT) ?? this.#tree(meta, MAIN_TREE_AT);
	}

	#tree(view: DataView, at: number): string | undefined {
		const root = view.getBigUint64(at + ROOT_IN_TREE, true);
		return root === NO_ROOT ? undefined : this.#page(Number(root), 0);
	}

	#page(number: number, level: number): string | undefined {
		if (number < 2 || number >= this.#pages) return `page ${number} is missing: the file ends too early`;
		// A page reached twice would make the walk longer than the file.
		if (++this.#seen > this.#pages || level > MOST_LEVELS) return "its pages form a loop";
		const page = readAt(this.#file, number * this.#pageSize, this.#pageSize);
		const flags = page.getUint16(18, true) & (P_BRANCH | P_LEAF);
		const lower = page.getUint16(20, true);
		const upper = page.getUint16(22, true);
		const isPage = page.getBigUint64(0, true) === BigInt(number) && (flags === P_BRANCH || flags === P_LEAF);
		if (!isPage || lower > upper || upper > this.#pageSize - HEADER) return `page ${number} is damaged`;
		const nodes = lower >> 1;
		for (let i = 0; i < nodes; i++) {
			const fault = this.#node(page, HEADER + page.getUint16(HEADER + 2 * i, true), flags, level);
			if (fault !== undefined) return fault === "" ? `page ${number} is damaged` : fault;
		}
		return undefined;
	}

	/** As `#page`; the empty string stands for a fault of the page itself. */
	#node(page: DataView, at: number, pageFlags: number, level: number): string | undefined {
		if (at + NODE_HEADER > page.byteLength) return "";
		const low = page.getUint32(at, true);
		const nodeFlags = page.getUint16(at + 4, true);
		const data = at + NODE_HEADER + page.getUint16(at + 6, true);
		if (data > page.byteLength) return "";
		if (pageFlags === P_BRANCH) return this.#page(low + nodeFlags * 0x100000000, level + 1);
		const inPage = (nodeFlags & F_BIGDATA) !== 0 ? OVERFLOW_REFERENCE : low;
		if (data + inPage > page.byteLength) return "";
		if ((nodeFlags & F_BIGDATA) !== 0) {
			const end = page.getBigUint64(data, true) + page.getBigUint64(data + 16, true);
			return end > BigInt(this.#pages) ? "a record is missing: the file ends too early" : undefined;
		}
		if ((nodeFlags & F_SUBDATA) === 0) return undefined;
		return inPage < TREE_OCTETS ? "" : this.#tree(page, data);
	}
}
