/**
 * Errors a node on the way answers for messages it does not pass on (RFC 6940 §6.3.2, §6.3.3.1).
 *
 * Choice (§6.3.2): at most one per link and second, so that a flood is not echoed and costs no signatures. Never for a response.
 */
import { signMessage } from "../identity/signer.ts";
import { MessageCode } from "../wire/codes.ts";
import { encodeMessageContents } from "../wire/contents.ts";
import { errorResponse, writeErrorResponse } from "../wire/error.ts";
import { type ForwardingHeader, forwardingHeader, readForwardingHeader } from "../wire/forwarding.ts";
import { writeMessage } from "../wire/message.ts";
import { errorCodeName } from "../wire/names.ts";
import { WireReader } from "../wire/reader.ts";
import { encode } from "../wire/writer.ts";
import { wayBack } from "./answers.ts";
import type { Connection } from "./connections.ts";
import type { NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import type { HopView } from "./hop-view.ts";
import { Times } from "./limits.ts";

export class WayErrors {
	readonly #context: NodeContext;

	constructor(context: NodeContext) {
		this.#context = context;
	}

	/** Refuses a request that came over `from`; nothing for our own messages, for responses and for pieces that do not begin one. */
	refuse(view: HopView, from: Connection | undefined, errorCode: number, now: number): void {
		if (from === undefined || view.messageCode < 0 || !view.isRequest) return;
		this.#send(view.bytes, from, errorCode, now);
	}

	/** As `refuse`, for a message of which only the header was read. */
	refuseHead(head: Uint8Array, from: Connection, errorCode: number, now: number): void {
		this.#send(head, from, errorCode, now);
	}

	#send(bytes: Uint8Array, from: Connection, errorCode: number, now: number): void {
		const { counters, settings } = this.#context;
		if (now - from.errorAt < Times.errorGapMs) {
			counters.add(Counter.droppedErrorGap);
			return;
		}
		const reader = new WireReader(bytes);
		const header = readForwardingHeader(reader, settings.config.nodeIdLength);
		if (reader.failedAt >= 0) return;
		from.errorAt = now;
		counters.add(Counter.errorsSent);
		this.#context.send(this.#compose(header, from, errorCode), now, from);
	}

	#compose(header: ForwardingHeader, from: Connection, errorCode: number): Uint8Array {
		const { settings, identities, crypto } = this.#context;
		const { config } = settings;
		const contents = encodeMessageContents({
			messageCode: MessageCode.error,
			messageBody: encode(writeErrorResponse, errorResponse(errorCode, errorCodeName(errorCode))),
			extensions: [],
		});
		const { transactionIdHigh, transactionIdLow } = header;
		const security = signMessage(identities.own, config.overlay, transactionIdHigh, transactionIdLow, contents, crypto);
		return writeMessage(
			forwardingHeader({
				overlay: config.overlay,
				configurationSequence: config.sequence,
				ttl: config.initialTtl,
				transactionIdHigh,
				transactionIdLow,
				destinationList: wayBack(header, from, this.#context.nodeId),
			}),
			contents,
			security,
		);
	}
}
