/**
 * Answers to requests: how they go back, how long they are remembered. Before editing read RFC 6940 §6.2.2, §6.3.1.2, §6.3.3.
 */
import { signMessage } from "../identity/signer.ts";
import { equalBytes, utf8ToBytes } from "../wire/bytes.ts";
import { ErrorCode, ForwardingFlag, MessageCode } from "../wire/codes.ts";
import { encodeMessageContents, type MessageExtension } from "../wire/contents.ts";
import { type Destination, nodeDestination } from "../wire/destination.ts";
import { writeErrorResponse } from "../wire/error.ts";
import { type ForwardingHeader, type ForwardingOption, forwardingHeader } from "../wire/forwarding.ts";
import { writeMessage } from "../wire/message.ts";
import type { SecurityBlock } from "../wire/security.ts";
import { encode } from "../wire/writer.ts";
import type { Connection } from "./connections.ts";
import type { IncomingRequest, NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import { Times } from "./limits.ts";

/** Methods that change nothing: a repeated request is simply processed again (RFC 6940 §6.2.2). */
const READ_ONLY: readonly number[] = Object.freeze([
	MessageCode.probeReq,
	MessageCode.fetchReq,
	MessageCode.findReq,
	MessageCode.routeQueryReq,
	MessageCode.pingReq,
	MessageCode.statReq,
	MessageCode.pathTrackReq,
]);

interface Kept {
	readonly high: number;
	readonly low: number;
	readonly signer: Uint8Array;
	readonly forgetAt: number;
	/** Undefined while the request is being processed. */
	answer: SignedAnswer | undefined;
	octets: number;
}

/** An answer that is signed and not sent. */
export interface SignedAnswer {
	readonly contents: Uint8Array;
	readonly security: SecurityBlock;
}

/** What an answer may carry besides its body. */
export interface AnswerExtras {
	readonly extensions?: readonly MessageExtension[];
	/** DER, besides the signer's chain: signers of values inside. */
	readonly certificates?: readonly Uint8Array[];
}

export class Answers {
	readonly #context: NodeContext;
	/** Oldest first: all are kept equally long. */
	readonly #kept: Kept[] = [];
	readonly #byLow = new Map<number, Kept>();
	#octets = 0;

	constructor(context: NodeContext) {
		this.#context = context;
	}

	get size(): number {
		return this.#kept.length;
	}

	/**
	 * A verified request: true when it is a repetition that is dealt with here (answered again, or still being processed).
	 * RFC 6940 §6.2.2 MUST: equal answers for 15 s. Notes a first request that is not read-only.
	 */
	isRepeated(request: IncomingRequest, now: number): boolean {
		if (READ_ONLY.includes(request.code)) return false;
		this.expire(now);
		const { transactionIdHigh: high, transactionIdLow: low } = request.message.header;
		const kept = this.#byLow.get(low);
		if (kept === undefined || kept.high !== high || !equalBytes(kept.signer, request.from.nodeId)) {
			this.#keep(high, low, request.from.nodeId, now);
			return false;
		}
		if (kept.answer === undefined) {
			this.#context.counters.add(Counter.droppedDuplicateRequest);
			return true;
		}
		this.#context.counters.add(Counter.answersRepeated);
		this.#send(request, kept.answer.contents, kept.answer.security, now);
		return true;
	}

	#keep(high: number, low: number, signer: Uint8Array, now: number): void {
		if (this.#kept.length >= this.#context.limits.keptAnswers) this.#dropOldest();
		const kept: Kept = { high, low, signer, forgetAt: now + Times.requestLifetimeMs, answer: undefined, octets: 0 };
		this.#kept.push(kept);
		this.#byLow.set(low, kept);
	}

	#dropOldest(): void {
		const kept = this.#kept.shift();
		if (kept === undefined) return;
		this.#octets -= kept.octets;
		if (this.#byLow.get(kept.low) === kept) this.#byLow.delete(kept.low);
	}

	/** Forgets answers older than 15 s. Needs no timer: it runs with each new request. */
	expire(now: number): void {
		while (this.#kept.length > 0 && this.#kept[0]!.forgetAt <= now) this.#dropOldest();
	}

	/** Sends the answer of a request. */
	answer(request: IncomingRequest, body: Uint8Array, now: number, extras?: AnswerExtras): void {
		this.send(request, this.sign(request, body, extras), now);
	}

	/** Signs the answer of a request that is still being processed. */
	sign(request: IncomingRequest, body: Uint8Array, extras?: AnswerExtras): SignedAnswer {
		const contents = encodeMessageContents({
			messageCode: request.code + 1,
			messageBody: body,
			extensions: extras?.extensions ?? [],
		});
		return { contents, security: this.#sign(request, contents, extras?.certificates) };
	}

	/** Sends what `sign` made. */
	send(request: IncomingRequest, { contents, security }: SignedAnswer, now: number): void {
		const length = this.#write(request, contents, security).length;
		const limit = request.message.header.maxResponseLength;
		const { maxMessageSize } = this.#context.settings.config;
		// RFC 6940 §6.3.2 MUST, [D-5]: an answer longer than asked for is an error instead. One that no link may carry too.
		if ((limit !== 0 && length > limit) || length > maxMessageSize) {
			this.#context.counters.add(Counter.responseTooLarge);
			this.refuse(request, ErrorCode.responseTooLarge, `the answer has ${length} octets`, now);
			return;
		}
		this.#finish(request, contents, security, now);
	}

	/** Sends an ErrorResponse. `info`: text, or the octets the code asks for. */
	refuse(request: IncomingRequest, errorCode: number, info: string | Uint8Array, now: number): void {
		const errorInfo = typeof info === "string" ? utf8ToBytes(info) : info;
		const contents = encodeMessageContents({
			messageCode: MessageCode.error,
			messageBody: encode(writeErrorResponse, { errorCode, errorInfo }),
			extensions: [],
		});
		this.#context.counters.add(Counter.errorsSent);
		this.#finish(request, contents, this.#sign(request, contents, undefined), now);
	}

	#sign(request: IncomingRequest, contents: Uint8Array, certificates?: readonly Uint8Array[]): SecurityBlock {
		const { crypto } = this.#context;
		const { overlay, transactionIdHigh, transactionIdLow } = request.message.header;
		return signMessage(request.identity, overlay, transactionIdHigh, transactionIdLow, contents, crypto, certificates);
	}

	#finish(request: IncomingRequest, contents: Uint8Array, security: SecurityBlock, now: number): void {
		const kept = this.#byLow.get(request.message.header.transactionIdLow);
		if (kept !== undefined && kept.answer === undefined && equalBytes(kept.signer, request.from.nodeId)) {
			kept.answer = { contents, security };
			kept.octets = contents.length + sizeOf(security);
			this.#octets += kept.octets;
			while (this.#octets > this.#context.limits.keptAnswerOctets && this.#kept.length > 1) this.#dropOldest();
		}
		this.#send(request, contents, security, now);
	}

	#send(request: IncomingRequest, contents: Uint8Array, security: SecurityBlock, now: number): void {
		const { connection } = request;
		const isUnattached = connection !== undefined && connection.nodeId === undefined;
		this.#context.send(this.#write(request, contents, security), now, isUnattached ? connection : undefined);
	}

	/** RFC 6940 §6.3.1.2: back along the via list; our own configuration sequence; no limit on an answer to an answer. */
	#write(request: IncomingRequest, contents: Uint8Array, security: SecurityBlock): Uint8Array {
		const { config } = this.#context.settings;
		const { header } = request.message;
		return writeMessage(
			forwardingHeader({
				overlay: config.overlay,
				configurationSequence: config.sequence,
				ttl: config.initialTtl,
				transactionIdHigh: header.transactionIdHigh,
				transactionIdLow: header.transactionIdLow,
				destinationList: request.back,
				options: copiedOptions(header.options),
			}),
			contents,
			security,
		);
	}
}

/** RFC 6940 §6.3.2.3 MUST: options marked RESPONSE_COPY go into the answer, the three flags cleared. */
function copiedOptions(options: readonly ForwardingOption[]): ForwardingOption[] {
	const out: ForwardingOption[] = [];
	const flags = ForwardingFlag.forwardCritical | ForwardingFlag.destinationCritical | ForwardingFlag.responseCopy;
	for (let i = 0; i < options.length; i++) {
		const option = options[i]!;
		if ((option.flags & ForwardingFlag.responseCopy) === 0) continue;
		out.push({ type: option.type, flags: option.flags & ~flags & 0xff, value: option.value });
	}
	return out;
}

function sizeOf(security: SecurityBlock): number {
	let octets = security.signature.signatureValue.length + 64;
	for (let i = 0; i < security.certificates.length; i++) octets += security.certificates[i]!.certificate.length;
	return octets;
}

/**
 * RFC 6940 §6.3.1.2: the node the request came from, then its via list in reverse. A neighbour without an agreed Node-ID is
 * addressed by the wildcard, and the answer goes over its link.
 */
export function wayBack(header: ForwardingHeader, from: Connection | undefined, own: Uint8Array): Destination[] {
	const previous = from === undefined ? own : (from.nodeId ?? new Uint8Array(own.length).fill(0xff));
	const back: Destination[] = [nodeDestination(previous)];
	for (let i = header.viaList.length - 1; i >= 0; i--) back.push(header.viaList[i]!);
	return back;
}
