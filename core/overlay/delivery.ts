/**
 * The destination's side: reassembly, signature, configuration sequence, options, extensions, repetitions, then the method. Before
 * editing read RFC 6940 §6.2.2, §6.3.2.1, §6.3.2.3, §6.3.3, §6.3.4, §6.7.
 */
import { sequenceCompare } from "../config/sequence.ts";
import type { LocalIdentity } from "../identity/signer.ts";
import type { VerifiedSigner } from "../identity/verify.ts";
import { isRefused } from "../machine.ts";
import {
	ANY_CONFIGURATION_SEQUENCE,
	CertificateType,
	ErrorCode,
	ForwardingFlag,
	ForwardingOptionType,
	isRequestCode,
	MessageCode,
	RouteMode,
} from "../wire/codes.ts";
import { readExtensiveRoutingModeOption } from "../wire/extensive-routing.ts";
import type { ForwardingOption } from "../wire/forwarding.ts";
import { type Message, readMessage } from "../wire/message.ts";
import { messageCodeName } from "../wire/names.ts";
import { readPingReq, writePingAns } from "../wire/ping.ts";
import { Reassembler } from "../wire/reassembler.ts";
import { encode } from "../wire/writer.ts";
import { wayBack } from "./answers.ts";
import { CheckBudget } from "./check-budget.ts";
import type { Connection } from "./connections.ts";
import type { IncomingRequest, NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import type { HopView } from "./hop-view.ts";
import { isOverLink } from "./receiver.ts";

export class Delivery {
	readonly #context: NodeContext;
	readonly #reassembler: Reassembler;
	readonly #budget: CheckBudget;

	constructor(context: NodeContext) {
		this.#context = context;
		this.#budget = new CheckBudget(context);
		this.#reassembler = new Reassembler({
			messages: context.limits.reassemblies,
			octets: context.limits.reassemblyOctets,
		});
	}

	/** When incomplete messages are due to be thrown away. */
	deadline(): number {
		return this.#reassembler.deadline();
	}

	timeout(now: number): void {
		this.#context.counters.add(Counter.droppedReassemblyTimeout, this.#reassembler.expire(now));
	}

	/** A message, or a piece of one, for `identity`. */
	deliver(view: HopView, identity: LocalIdentity, from: Connection | undefined, now: number): void {
		const { counters, settings } = this.#context;
		const { config } = settings;
		// What is kept of a message is kept as views: they are views of this copy, never of the link's buffer.
		const bytes = view.isWhole ? view.bytes.slice() : this.#reassembled(view, now);
		if (bytes === undefined) return;
		// RFC 6940 §6.6: pieces must not carry what a link would not.
		if (bytes.length > config.maxMessageSize) {
			counters.add(Counter.droppedTooLarge);
			return;
		}
		const message = readMessage(bytes, config.nodeIdLength);
		if (isRefused(message)) {
			counters.add(Counter.droppedMessage);
			this.#tell(`${message.refused} at octet ${message.at}`, from);
			return;
		}
		if (isRequestCode(message.contents.messageCode)) this.#request(message, identity, from, now);
		else this.#response(message, from, now);
	}

	#reassembled(view: HopView, now: number): Uint8Array | undefined {
		const { counters } = this.#context;
		this.timeout(now);
		const bytes = this.#reassembler.offer(view, now);
		if (bytes === undefined) return undefined;
		if (isRefused(bytes)) {
			const isFull = bytes.refused.startsWith("no room");
			counters.add(isFull ? Counter.droppedReassemblyFull : Counter.droppedFragmentConflict);
			return undefined;
		}
		counters.add(Counter.reassembled);
		return bytes;
	}

	// RFC 6940 §6.3.4 MUST: nothing of a message is processed before its signature holds; else it is dropped without an answer.
	#request(message: Message, identity: LocalIdentity, connection: Connection | undefined, now: number): void {
		const { counters, settings, answers } = this.#context;
		// Choice (§13.6.5): what one neighbour may make us check is limited.
		if (!this.#budget.take(connection, now)) return;
		const from = settings.verifier.verifyMessage(message, this.#context.wallMs(now));
		if (isRefused(from)) {
			counters.add(Counter.droppedSignature);
			this.#budget.failed(connection);
			this.#tell(from.refused, connection);
			return;
		}
		const request = this.#incoming(message, identity, connection, from);
		if (!this.#isSequenceRight(request, now) || !this.#areOptionsKnown(request, now)) return;
		if (!this.#areExtensionsKnown(request, now) || answers.isRepeated(request, now)) return;
		counters.add(Counter.requestsServed);
		this.#serve(request, now);
	}

	#response(message: Message, from: Connection | undefined, now: number): void {
		const { requests } = this.#context;
		const { transactionIdHigh, transactionIdLow } = message.header;
		if (requests.isAwaited(transactionIdHigh, transactionIdLow) && !this.#budget.take(from, now)) return;
		if (!requests.handleResponse(message, now)) this.#budget.failed(from);
	}

	/** What is dropped without an answer is told here: somebody's clock, certificate or program is wrong. `from` is not who made it. */
	#tell(reason: string, from: Connection | undefined): void {
		this.#context.event({ type: "refused", what: "message", reason, address: from?.address ?? "" });
	}

	#incoming(
		message: Message,
		identity: LocalIdentity,
		connection: Connection | undefined,
		from: VerifiedSigner,
	): IncomingRequest {
		const { contents, security, header } = message;
		const certificates: Uint8Array[] = [];
		for (const { type, certificate } of security.certificates) {
			if (type === CertificateType.x509) certificates.push(certificate);
		}
		return {
			code: contents.messageCode,
			body: contents.messageBody,
			extensions: contents.extensions,
			message,
			certificates,
			from,
			identity,
			connection,
			overLink: isOverLink(connection, from.nodeId),
			back: wayBack(header, connection, this.#context.nodeId),
		};
	}

	/** RFC 6940 §6.3.2.1 MUST: the destination of a request compares configuration sequences. */
	#isSequenceRight(request: IncomingRequest, now: number): boolean {
		const { settings, counters, answers, configUpdates } = this.#context;
		const theirs = request.message.header.configurationSequence;
		const { sequence } = settings.config;
		if (theirs === sequence) return true;
		if (theirs === ANY_CONFIGURATION_SEQUENCE) {
			if (request.code === MessageCode.configUpdateReq) return true;
			answers.refuse(request, ErrorCode.invalidMessage, "sequence 65535 is for ConfigUpdate", now);
			return false;
		}
		if (sequenceCompare(theirs, sequence) > 0) {
			counters.add(Counter.refusedConfigTooNew);
			answers.refuse(request, ErrorCode.configTooNew, `sequence here is ${sequence}`, now);
			return false;
		}
		counters.add(Counter.refusedConfigTooOld);
		answers.refuse(request, ErrorCode.configTooOld, `sequence here is ${sequence}`, now);
		configUpdates.sendConfig(request.back, request.from.nodeId, now);
		return false;
	}

	/** RFC 6940 §6.3.2.3, [D-34]. */
	#areOptionsKnown(request: IncomingRequest, now: number): boolean {
		const { answers, limits, counters } = this.#context;
		const { options } = request.message.header;
		if (options.length > limits.options) {
			answers.refuse(request, ErrorCode.invalidMessage, "too many forwarding options", now);
			return false;
		}
		for (let i = 0; i < options.length; i++) {
			const option = options[i]!;
			if (option.type === ForwardingOptionType.extensiveRoutingMode) {
				if (this.#isRoutingModeRight(option)) continue;
				counters.add(Counter.refusedExtension);
				answers.refuse(request, ErrorCode.unknownExtension, "ExtensiveRoutingModeOption", now);
				return false;
			}
			// MUST: who generates a response and does not understand an option marked DESTINATION_CRITICAL refuses.
			if ((option.flags & ForwardingFlag.destinationCritical) === 0) continue;
			counters.add(Counter.refusedExtension);
			answers.refuse(request, ErrorCode.unsupportedForwardingOption, `option ${option.type}`, now);
			return false;
		}
		return true;
	}

	// Choice (RFC 7263 §4, MAY): direct and relayed answers are understood and not used; the answer goes back symmetrically.
	#isRoutingModeRight(option: ForwardingOption): boolean {
		const value = readExtensiveRoutingModeOption(option.value, this.#context.settings.config.nodeIdLength);
		if (isRefused(value)) return false;
		const wanted = value.routeMode === RouteMode.drr ? 1 : value.routeMode === RouteMode.rpr ? 2 : -1;
		return value.destinations.length === wanted;
	}

	/** RFC 6940 §6.3.3 MUST: a critical extension that is not understood. */
	#areExtensionsKnown(request: IncomingRequest, now: number): boolean {
		for (let i = 0; i < request.extensions.length; i++) {
			const { critical, type } = request.extensions[i]!;
			if (!critical || this.#context.role.understands(type)) continue;
			this.#context.counters.add(Counter.refusedExtension);
			this.#context.answers.refuse(request, ErrorCode.unknownExtension, `extension ${type}`, now);
			return false;
		}
		return true;
	}

	#serve(request: IncomingRequest, now: number): void {
		const { answers, appAttaches, configUpdates, role, identities, counters } = this.#context;
		switch (request.code) {
			case MessageCode.pingReq:
				this.#ping(request, now);
				return;
			case MessageCode.appAttachReq:
				appAttaches.serve(request, now);
				return;
			case MessageCode.configUpdateReq:
				configUpdates.serve(request, now);
				return;
		}
		if (request.identity !== identities.own) {
			answers.refuse(request, ErrorCode.notFound, "a hosted identity serves Ping and AppAttach", now);
			return;
		}
		if (role.serve(request, now)) return;
		// [D-31]: an unknown request code; and a method that this role does not have.
		counters.add(Counter.refusedRequest);
		answers.refuse(request, ErrorCode.invalidMessage, `${messageCodeName(request.code)} is not served here`, now);
	}

	/** RFC 6940 §6.5.3. */
	#ping(request: IncomingRequest, now: number): void {
		const { answers, crypto } = this.#context;
		const body = readPingReq(request.body);
		if (isRefused(body)) {
			answers.refuse(request, ErrorCode.invalidMessage, body.refused, now);
			return;
		}
		const id = crypto.random(8);
		const responseIdHigh = word(id, 0);
		const responseIdLow = word(id, 4);
		const answer = { responseIdHigh, responseIdLow, time: Math.floor(this.#context.wallMs(now)) || 0 };
		answers.answer(request, encode(writePingAns, answer), now);
	}
}

function word(octets: Uint8Array, at: number): number {
	return ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0;
}
