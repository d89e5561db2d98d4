/**
 * Requests of ours awaiting an answer: end-to-end reliability and the checks of answers. Before editing read RFC 6940 §6.2 and
 * §6.3.4.
 *
 *   open ─ send ─┬─ answer, signed by whom it should be ──── done(ok)
 *                ├─ error, signed by whom it should be ───── done(error); a wrong configuration sequence is put right and retried
 *                ├─ anything else ────────────────────────── as if nothing had come
 *                └─ timer ─ same octets again, 5 times in all ─ done(Error_Request_Timeout)
 */
import type { LocalIdentity } from "../identity/signer.ts";
import { signMessage } from "../identity/signer.ts";
import type { VerifiedSigner } from "../identity/verify.ts";
import { isRefused } from "../machine.ts";
import { EMPTY, equalBytes, utf8ToBytes } from "../wire/bytes.ts";
import { ANY_CONFIGURATION_SEQUENCE, DestinationType, ErrorCode, MessageCode } from "../wire/codes.ts";
import { encodeMessageContents, type MessageExtension } from "../wire/contents.ts";
import type { Destination } from "../wire/destination.ts";
import { readErrorResponse } from "../wire/error.ts";
import { forwardingHeader } from "../wire/forwarding.ts";
import { type Message, writeMessage } from "../wire/message.ts";
import type { Connection } from "./connections.ts";
import type { NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import { Times } from "./limits.ts";

/** What comes of a request. */
export type Outcome =
	| {
			readonly ok: true;
			readonly message: Message;
			readonly from: VerifiedSigner;
			readonly rttMs: number;
			readonly hops: number;
	  }
	| {
			readonly ok: false;
			readonly errorCode: number;
			readonly info: Uint8Array;
			/** Who refused; undefined when nobody answered. */
			readonly from: VerifiedSigner | undefined;
	  };

export interface RequestSpec {
	readonly code: number;
	readonly body: Uint8Array;
	readonly destination: readonly Destination[];
	/** Who signs; the node itself when absent. */
	readonly identity?: LocalIdentity | undefined;
	readonly extensions?: readonly MessageExtension[] | undefined;
	/** DER, besides the signer's chain. */
	readonly certificates?: readonly Uint8Array[] | undefined;
	readonly maxResponseLength?: number | undefined;
	/** Over this link only, once: a keep-alive. */
	readonly only?: Connection | undefined;
	/** Called exactly once, never from within `open`. */
	done(outcome: Outcome, now: number): void;
}

interface Pending {
	readonly spec: RequestSpec;
	readonly high: number;
	readonly low: number;
	/** The encoded message: every transmission has the same octets, the configuration sequence excepted (not signed). */
	readonly bytes: Uint8Array;
	readonly openedAt: number;
	/** Transmissions left. */
	left: number;
	/** Transmissions that went with their link. */
	lost: number;
	nextAt: number;
	/** The link it last left by. */
	link: number;
	/** What a node that was not asked said, or a refusal that is being put right: reported when nothing better comes. */
	lastError: { errorCode: number; info: Uint8Array; from: VerifiedSigner } | undefined;
}

/** Offset of configuration_sequence in the header. */
const SEQUENCE_OFFSET = 8;

export class Requests {
	readonly #context: NodeContext;
	/** By the low word of the transaction id, which is unique among ours. */
	readonly #pending = new Map<number, Pending>();
	#nextAt = Infinity;

	constructor(context: NodeContext) {
		this.#context = context;
	}

	get size(): number {
		return this.#pending.size;
	}

	/** Signs and sends a request. The handle is for `cancel`; -1 when the table is full (`done` follows all the same). */
	open(spec: RequestSpec, now: number): number {
		const { counters, limits, settings } = this.#context;
		if (this.#pending.size >= limits.pendingRequests) {
			counters.add(Counter.droppedPendingFull);
			return this.#reject(spec, ErrorCode.requestTimeout, "too many requests");
		}
		const { high, low } = this.#transactionId();
		const bytes = this.#compose(spec, high, low);
		// RFC 6940 §6.6: no link would carry it.
		const { maxMessageSize } = settings.config;
		if (bytes.length > maxMessageSize) {
			return this.#reject(
				spec,
				ErrorCode.messageTooLarge,
				`${bytes.length} octets, max-message-size ${maxMessageSize}`,
			);
		}
		const left = spec.only === undefined ? this.#context.profile.transmissions : 1;
		const pending: Pending = {
			spec,
			high,
			low,
			bytes,
			openedAt: now,
			left,
			nextAt: now,
			lost: 0,
			link: -1,
			lastError: undefined,
		};
		this.#pending.set(low, pending);
		counters.add(Counter.originated);
		this.#transmit(pending, now);
		return low;
	}

	#reject(spec: RequestSpec, errorCode: number, why: string): -1 {
		this.#context.later((at) => spec.done({ ok: false, errorCode, info: utf8ToBytes(why), from: undefined }, at));
		return -1;
	}

	/** Forgets a request; `done` is not called. */
	cancel(handle: number): void {
		this.#pending.delete(handle);
	}

	isPending(handle: number): boolean {
		return this.#pending.has(handle);
	}

	/** A random transaction id whose low word no other request of ours has. */
	#transactionId(): { high: number; low: number } {
		for (;;) {
			const octets = this.#context.crypto.random(8);
			const high = word(octets, 0);
			const low = word(octets, 4);
			if (!this.#pending.has(low)) return { high, low };
		}
	}

	#compose(spec: RequestSpec, high: number, low: number): Uint8Array {
		const { settings, crypto, identities } = this.#context;
		const { config } = settings;
		const contents = encodeMessageContents({
			messageCode: spec.code,
			messageBody: spec.body,
			extensions: spec.extensions ?? [],
		});
		const security = signMessage(
			spec.identity ?? identities.own,
			config.overlay,
			high,
			low,
			contents,
			crypto,
			spec.certificates,
		);
		const header = forwardingHeader({
			overlay: config.overlay,
			// RFC 6940 §6.5.4: a ConfigUpdate is accepted whatever its receiver's sequence is.
			configurationSequence: spec.code === MessageCode.configUpdateReq ? ANY_CONFIGURATION_SEQUENCE : config.sequence,
			ttl: config.initialTtl,
			transactionIdHigh: high,
			transactionIdLow: low,
			destinationList: spec.destination,
			maxResponseLength: spec.maxResponseLength ?? 0,
		});
		return writeMessage(header, contents, security);
	}

	#transmit(pending: Pending, now: number): void {
		const { profile, counters } = this.#context;
		if (now > pending.openedAt) counters.add(Counter.retransmitted);
		pending.left--;
		// RFC 6940 §6.2.1: the same time after each transmission.
		pending.nextAt = now + profile.overlayReliabilityMs;
		if (pending.nextAt < this.#nextAt) this.#nextAt = pending.nextAt;
		const connection = this.#context.send(pending.bytes, now, pending.spec.only);
		pending.link = connection === undefined ? -1 : connection.link;
	}

	deadline(): number {
		return this.#nextAt;
	}

	timeout(now: number): void {
		if (now < this.#nextAt) return;
		this.#nextAt = Infinity;
		for (const pending of [...this.#pending.values()]) {
			if (pending.nextAt <= now && this.#pending.get(pending.low) === pending) this.#due(pending, now);
			if (pending.nextAt < this.#nextAt && this.#pending.has(pending.low)) this.#nextAt = pending.nextAt;
		}
	}

	#due(pending: Pending, now: number): void {
		if (pending.left > 0) {
			this.#transmit(pending, now);
			return;
		}
		this.#pending.delete(pending.low);
		this.#context.counters.add(Counter.requestTimeouts);
		const last = pending.lastError;
		const nothing = { errorCode: ErrorCode.requestTimeout, info: EMPTY, from: undefined };
		pending.spec.done({ ok: false, ...(last ?? nothing) }, now);
	}

	/** A link is gone: what left by it is sent another way at once; what may use only that link has failed. */
	linkDown(link: number, now: number): void {
		for (const pending of this.#pending.values()) {
			if (pending.link !== link) continue;
			// Choice (§6.2.1): what left by a link that is gone was most likely lost with it, and does not count as a transmission: else a
			// request whose last one it was would fail in the very moment in which the way round is known.
			if (pending.spec.only === undefined && pending.lost < this.#context.profile.transmissions) {
				pending.lost++;
				pending.left++;
			}
			pending.nextAt = now;
			this.#nextAt = now;
		}
	}

	/** The configuration changed: what is still unanswered goes out under the new sequence. */
	configChanged(now: number): void {
		const { sequence } = this.#context.settings.config;
		for (const pending of this.#pending.values()) {
			if (pending.spec.code === MessageCode.configUpdateReq) continue;
			pending.bytes[SEQUENCE_OFFSET] = sequence >> 8;
			pending.bytes[SEQUENCE_OFFSET + 1] = sequence & 0xff;
			if (pending.lastError?.errorCode === ErrorCode.configTooOld && pending.left > 0) {
				pending.nextAt = now;
				this.#nextAt = now;
			}
		}
	}

	/** True when this transaction id is one of ours: only then is the answer worth a signature check. */
	isAwaited(high: number, low: number): boolean {
		return this.#pending.get(low)?.high === high;
	}

	/** An answer for us, not verified yet; `message` is a private copy. False when its signature did not hold. */
	handleResponse(message: Message, now: number): boolean {
		const { counters, settings } = this.#context;
		const pending = this.#pending.get(message.header.transactionIdLow);
		if (pending === undefined || pending.high !== message.header.transactionIdHigh) {
			counters.add(Counter.droppedUnknownTransaction);
			return true;
		}
		const from = settings.verifier.verifyMessage(message, this.#context.wallMs(now));
		if (isRefused(from)) {
			counters.add(Counter.droppedSignature);
			this.#context.event({ type: "refused", what: "message", reason: from.refused, address: "" });
			return false;
		}
		const code = message.contents.messageCode;
		if (code === MessageCode.error) this.#handleError(pending, message, from, now);
		else if (code === pending.spec.code + 1 && this.#mayAnswer(pending, from)) {
			this.#pending.delete(pending.low);
			const hops = Math.max(0, settings.config.initialTtl - message.header.ttl) + 1;
			pending.spec.done({ ok: true, message, from, rttMs: now - pending.openedAt, hops }, now);
		} else counters.add(Counter.droppedWrongSigner);
		return true;
	}

	/**
	 * RFC 6940 §6.3.4 MUST: the answer is signed by the Node-ID asked; for a Resource-ID by a node at least as close to it as
	 * those we know.
	 */
	#mayAnswer(pending: Pending, from: VerifiedSigner): boolean {
		const list = pending.spec.destination;
		const last = list[list.length - 1]!;
		if (last.type === DestinationType.node && "nodeId" in last) {
			return isWildcard(last.nodeId) || equalBytes(last.nodeId, from.nodeId);
		}
		if (last.type === DestinationType.resource && "resourceId" in last) {
			return this.#context.role.isCloseEnough(last.resourceId, from.nodeId);
		}
		// An opaque id hides the Node-ID from us: the transaction id is all there is.
		return true;
	}

	#handleError(pending: Pending, message: Message, from: VerifiedSigner, now: number): void {
		const body = readErrorResponse(message.contents.messageBody);
		if (isRefused(body)) {
			this.#context.counters.add(Counter.droppedMessage);
			return;
		}
		const { errorCode, errorInfo: info } = body;
		if (!this.#mayAnswer(pending, from)) {
			// Choice (§6.3.4): an error of a node on the way (or of anybody) ends nothing; it is told if no answer comes.
			this.#context.counters.add(Counter.droppedWrongSigner);
			pending.lastError = { errorCode, info, from };
			return;
		}
		if (this.#putRight(pending, errorCode, info, from, now)) return;
		this.#pending.delete(pending.low);
		pending.spec.done({ ok: false, errorCode, info, from }, now);
	}

	/** RFC 6940 §6.3.2.1: a difference of configurations is put right, then the request is sent again. */
	#putRight(pending: Pending, errorCode: number, info: Uint8Array, from: VerifiedSigner, now: number): boolean {
		const { configUpdates } = this.#context;
		if (errorCode === ErrorCode.unknownKind) configUpdates.sendKinds(pending.spec.destination, info, now);
		const isOld = errorCode === ErrorCode.configTooOld;
		if (!isOld && errorCode !== ErrorCode.configTooNew) return false;
		if (pending.spec.code === MessageCode.configUpdateReq) return false;
		// MUST: the other node is behind, so it gets our document. When we are behind, the answerer sends us its own.
		if (!isOld) configUpdates.sendConfig(pending.spec.destination, from.nodeId, now);
		if (pending.left <= 0) return false;
		pending.lastError = { errorCode, info, from };
		pending.nextAt = now + Times.configRetryMs;
		if (pending.nextAt < this.#nextAt) this.#nextAt = pending.nextAt;
		return true;
	}
}

function word(octets: Uint8Array, at: number): number {
	return ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0;
}

/** RFC 6940 §6.3.2.2: all ones; whoever receives it consumes it. */
export function isWildcard(nodeId: Uint8Array): boolean {
	for (let i = 0; i < nodeId.length; i++) if (nodeId[i] !== 0xff) return false;
	return true;
}
