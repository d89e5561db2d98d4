/** Sending over a link whose path carries messages of a limited size only (RFC 6940 §6.7). */
import { fragmentMessage } from "../wire/fragment.ts";
import type { Connection } from "./connections.ts";
import type { NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";

/** Sends a message over a link, in fragments where its path carries no more (RFC 6940 §6.7). False: the link is full. */
export function sendPieces(message: Uint8Array, target: Connection, context: NodeContext, now: number): boolean {
	const { counters, pathLimit } = context;
	// What cannot be cut by the rules goes whole (§6.7: left to IP).
	const pieces = message.length > pathLimit ? (fragmentMessage(message, pathLimit) ?? [message]) : [message];
	if (pieces.length > 1) counters.add(Counter.fragmented);
	for (let i = 0; i < pieces.length; i++) {
		if (target.stream.sendMessage(pieces[i]!, now)) continue;
		counters.add(Counter.droppedLinkFull);
		return false;
	}
	return true;
}
