/**
 * The keep-alive of a client: a DATA frame with a bare forwarding header (RFC 6940 §6.3.2), all lists empty, no contents.
 *
 * Choice (§6.6.5): every node acknowledges a frame whatever it contains (§6.6.2), and the ack is all that is wanted; a node that does
 * not know this keep-alive discards a message without a destination. It costs 46 octets and an ack of 9, and no signature, where a Ping
 * costs some 1,400 octets and two signatures.
 */
import type { OverlayConfig } from "../config/document.ts";
import { FIXED_HEADER_OCTETS, forwardingHeader, LENGTH_OFFSET, writeForwardingHeader } from "../wire/forwarding.ts";
import { encode } from "../wire/writer.ts";

/** Offset of configuration_sequence. */
const SEQUENCE_OFFSET = 8;

/** The message; always the same one in one overlay and sequence. */
export function keepAliveMessage(config: OverlayConfig): Uint8Array {
	const { overlay, sequence: configurationSequence } = config;
	const ids = { transactionIdHigh: 0, transactionIdLow: 0 };
	const message = encode(
		writeForwardingHeader,
		forwardingHeader({ overlay, configurationSequence, ttl: 1, ...ids, destinationList: [] }),
	);
	message[LENGTH_OFFSET + 3] = FIXED_HEADER_OCTETS;
	return message;
}

/** A header with nothing behind it: no other message is as short. */
export function isKeepAlive(message: Uint8Array): boolean {
	return message.length === FIXED_HEADER_OCTETS;
}

/** configuration_sequence of a keep-alive. */
export function keepAliveSequence(message: Uint8Array): number {
	return (message[SEQUENCE_OFFSET]! << 8) | message[SEQUENCE_OFFSET + 1]!;
}
