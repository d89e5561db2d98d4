/**
 * Compressed ids: two octets in a via list that stand for one of our links (RFC 6940 §6.3.2.2, MAY).
 *
 *   1 | slot (12) | generation (3)
 *
 * A generation counter per row makes an id useless once its row is used again, so an answer that comes too late goes nowhere.
 */
import { type Destination, nodeDestination, opaqueDestination } from "../wire/destination.ts";
import type { Connection } from "./connections.ts";

/** The compressed id of a link. */
export function compressedId(connection: Connection): Destination {
	const bits = 0x8000 | (connection.slot << 3) | connection.generation;
	return opaqueDestination(new Uint8Array([bits >> 8, bits & 0xff]));
}

/** Row and generation of a compressed id. */
export function slotOf(high: number, low: number): { slot: number; generation: number } {
	const bits = (high << 8) | low;
	return { slot: (bits >> 3) & 0xfff, generation: bits & 7 };
}

/**
 * How the previous hop is named on the way back: by its Node-ID; by a compressed id when that is wanted, or when the link has no
 * agreed Node-ID yet (RFC 6940 §6.3.2.1 MUST: Ping and Attach of a joining node that has not attached are answered).
 */
export function previousHop(connection: Connection, compress: boolean): Destination {
	const { nodeId } = connection;
	return nodeId === undefined || compress ? compressedId(connection) : nodeDestination(nodeId);
}
