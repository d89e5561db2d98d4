/**
 * The Connection Table: every live link, by its number and by the Node-ID it leads to (RFC 6940 §6.3).
 *
 *   link 1 ─ ok       ─┐
 *   link 7 ─ retiring ─┴─ Node-ID 4e3d..   (a double: link 1 is kept, link 7 only still delivers)
 *   link 3 ─ suspect  ─── Node-ID 8a0c..   (open, out of routing)
 *   link 5 ─ unattached ─ (several Node-IDs in the certificate, none agreed on yet)
 */
import type { Certificate } from "../identity/certificate.ts";
import type { Link } from "../link/link.ts";
import { compareBytes, equalBytes } from "../wire/bytes.ts";

export type ConnectionState = "ok" | "suspect" | "retiring";

/** One link. Owned by `Links`; everybody else reads. */
export interface Connection {
	readonly link: number;
	readonly stream: Link;
	readonly certificate: Certificate;
	/** The agreed Node-ID of the neighbour; undefined while a certificate with several is unattached (§6.3.2.1). */
	nodeId: Uint8Array | undefined;
	readonly address: string;
	readonly port: number;
	/** We opened it. */
	readonly initiated: boolean;
	/** Opened to a bootstrap endpoint. */
	readonly bootstrap: boolean;
	/** Counts up in the order in which links came up. */
	readonly order: number;
	/** When it came up. */
	readonly upAt: number;
	/** Row of the table of compressed ids, 0..4095, and its generation, 0..7. */
	readonly slot: number;
	readonly generation: number;
	state: ConnectionState;
	/** The plug-in (or we) has no more use for it: first to go when the table is full. */
	released: boolean;
	/** The neighbour has said goodbye (Leave). */
	leaving: boolean;
	/** When something was last received. */
	heardAt: number;
	/** When a retiring link is closed. */
	retireAt: number;
	/** When the last error answer of the forwarding path went out over it. */
	errorAt: number;
	/** Signature checks left of its budget, and when that was so; when it was last told that none are (check-budget.ts). */
	checks: number;
	checksAt: number;
	floodToldAt: number;
	/** Idle periods since something was received. */
	idles: number;
	/** A keep-alive Ping is under way. */
	probing: boolean;
	/** Has output to be polled. */
	dirty: boolean;
}

/** Links that came up further apart than this, milliseconds, were not opened by Attaches that crossed. */
export const CROSSING_MS = 3_000;

/** True when each end opened one of the two, both within an instant, and nothing speaks against the older one. */
export function haveCrossed(a: Connection, b: Connection): boolean {
	const [older, newer] = a.order < b.order ? [a, b] : [b, a];
	return a.initiated !== b.initiated && newer.upAt - older.upAt <= CROSSING_MS && older.state !== "suspect";
}

/**
 * Which of two links to the same node stays. Both ends come to the same answer without a word.
 *
 * Choice (§6.5.1, doubles): of two that crossed, the one that the node with the larger Node-ID opened stays. Else the newer one: whoever
 * opens a link where there has long been one, or a second one itself, has most likely lost the first (it came back before we noticed
 * that it had gone), and has only the new one.
 */
export function staysOf(a: Connection, b: Connection, ownNodeId: Uint8Array): Connection {
	if (!haveCrossed(a, b)) return a.order > b.order ? a : b;
	const ownIsLarger = a.nodeId !== undefined && compareBytes(ownNodeId, a.nodeId) > 0;
	return a.initiated === ownIsLarger ? a : b;
}

/** The first four octets as a key: Node-IDs are random, so rows stay short; a crafted collision costs one comparison each. */
function rowOf(id: Uint8Array): number {
	return (id[0]! << 24) | (id[1]! << 16) | (id[2]! << 8) | id[3]!;
}

const NONE: readonly Connection[] = Object.freeze([]);
/** Rows of the table of compressed ids: 12 bits. */
const SLOTS = 4096;

export class Connections {
	readonly #byLink = new Map<number, Connection>();
	readonly #byNode = new Map<number, Connection[]>();
	readonly #bySlot = new Map<number, Connection>();
	readonly #generations = new Map<number, number>();
	readonly #firstGeneration: number;
	#nextSlot = 0;
	#order = 0;

	/** `firstGeneration`: a random number 0..7 at which the generation counters of compressed ids begin. */
	constructor(firstGeneration: number) {
		this.#firstGeneration = firstGeneration & 7;
	}

	get size(): number {
		return this.#byLink.size;
	}

	/** The next place in the order of links. */
	nextOrder(): number {
		return ++this.#order;
	}

	/** A free row for a compressed id and its generation. Rows are used in rotation, so an old id is noticed for long. */
	claimSlot(): { slot: number; generation: number } {
		let slot = this.#nextSlot;
		while (this.#bySlot.has(slot)) slot = (slot + 1) % SLOTS;
		this.#nextSlot = (slot + 1) % SLOTS;
		const last = this.#generations.get(slot);
		const generation = last === undefined ? this.#firstGeneration : (last + 1) & 7;
		this.#generations.set(slot, generation);
		return { slot, generation };
	}

	/** The link a compressed id stands for; undefined when it is gone or the id is of an older generation. */
	bySlot(slot: number, generation: number): Connection | undefined {
		const connection = this.#bySlot.get(slot);
		return connection !== undefined && connection.generation === generation ? connection : undefined;
	}

	add(connection: Connection): void {
		this.#byLink.set(connection.link, connection);
		this.#bySlot.set(connection.slot, connection);
		if (connection.nodeId !== undefined) this.#index(connection, connection.nodeId);
	}

	/** An unattached link turns out to lead to `nodeId`. */
	bind(connection: Connection, nodeId: Uint8Array): void {
		connection.nodeId = nodeId;
		this.#index(connection, nodeId);
	}

	#index(connection: Connection, nodeId: Uint8Array): void {
		const row = this.#byNode.get(rowOf(nodeId));
		if (row === undefined) this.#byNode.set(rowOf(nodeId), [connection]);
		else row.push(connection);
	}

	remove(connection: Connection): void {
		this.#byLink.delete(connection.link);
		this.#bySlot.delete(connection.slot);
		if (connection.nodeId === undefined) return;
		const key = rowOf(connection.nodeId);
		const row = this.#byNode.get(key);
		if (row === undefined) return;
		const at = row.indexOf(connection);
		if (at >= 0) row.splice(at, 1);
		if (row.length === 0) this.#byNode.delete(key);
	}

	byLink(link: number): Connection | undefined {
		return this.#byLink.get(link);
	}

	/** The usable link to this node: state ok. */
	find(nodeId: Uint8Array): Connection | undefined {
		const row = this.#byNode.get(rowOf(nodeId));
		if (row === undefined) return undefined;
		for (let i = 0; i < row.length; i++) {
			const connection = row[i]!;
			if (connection.state === "ok" && equalBytes(connection.nodeId!, nodeId)) return connection;
		}
		return undefined;
	}

	/** As `find`; when there is none, a suspect or retiring link to this node: better than none. */
	findAny(nodeId: Uint8Array): Connection | undefined {
		const good = this.find(nodeId);
		if (good !== undefined) return good;
		const row = this.#byNode.get(rowOf(nodeId)) ?? NONE;
		for (let i = 0; i < row.length; i++) if (equalBytes(row[i]!.nodeId!, nodeId)) return row[i];
		return undefined;
	}

	/** Every link to this node, in any state. */
	allTo(nodeId: Uint8Array): Connection[] {
		const row = this.#byNode.get(rowOf(nodeId)) ?? NONE;
		const out: Connection[] = [];
		for (let i = 0; i < row.length; i++) if (equalBytes(row[i]!.nodeId!, nodeId)) out.push(row[i]!);
		return out;
	}

	/** Every link. */
	all(): IterableIterator<Connection> {
		return this.#byLink.values();
	}

	/** Node-IDs with a usable link, each once. */
	nodeIds(): Uint8Array[] {
		const out: Uint8Array[] = [];
		for (const connection of this.#byLink.values()) {
			const id = connection.nodeId;
			if (id !== undefined && connection.state === "ok" && this.find(id) === connection) out.push(id);
		}
		return out;
	}
}
