/**
 * What happens to a message that comes in, from a link or from ourselves. Before editing read RFC 6940 §6.1, §6.3.2.
 *
 *   header sound? ─ no ─► drop
 *   first destination:  us ─ last ─► deliver       us ─ more ─► take it off, look again
 *                       wildcard, hosted identity ─► deliver
 *                       Resource-ID we are responsible for ─► deliver
 *                       opaque id of ours ─► the node it stands for
 *                       anything else ─► the role: forward or drop
 */
import { isNewerSequence } from "../config/sequence.ts";
import type { LocalIdentity } from "../identity/signer.ts";
import { equalBytes, includesBytes } from "../wire/bytes.ts";
import { DestinationType, ErrorCode, isRequestCode, MessageCode } from "../wire/codes.ts";
import { nodeDestination } from "../wire/destination.ts";
import { slotOf } from "./compression.ts";
import type { Connection } from "./connections.ts";
import type { NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import type { Delivery } from "./delivery.ts";
import { HopView } from "./hop-view.ts";
import { isKeepAlive, keepAliveSequence } from "./keep-alive.ts";

/** Offset of the version octet and of `fragment`: where `look` says it failed. */
const VERSION_OFFSET = 10;
const FRAGMENT_OFFSET = 12;

export class Receiver {
	readonly #context: NodeContext;
	readonly #delivery: Delivery;
	readonly #view: HopView;

	constructor(context: NodeContext, delivery: Delivery) {
		this.#context = context;
		this.#delivery = delivery;
		this.#view = new HopView(context.settings.config.nodeIdLength);
	}

	/** One message. `from` is undefined for one of our own that comes home. */
	receive(message: Uint8Array, from: Connection | undefined, now: number): void {
		if (isKeepAlive(message)) {
			this.#keepAlive(message, from, now);
			return;
		}
		const view = this.#view;
		if (!this.#isSound(view, message, from, now)) return;
		for (;;) {
			switch (view.firstType) {
				case DestinationType.node:
					if (!view.firstIsNode(this.#context.nodeId)) {
						this.#otherNode(view, from, now);
						return;
					}
					if (view.left === 1) {
						this.#deliver(view, this.#context.identities.own, from, now);
						return;
					}
					// RFC 6940 §6.1.1: our own Node-ID with entries behind it is removed.
					view.skip();
					continue;
				case DestinationType.resource:
					this.#resource(view, from, now);
					return;
				case DestinationType.opaqueId:
					this.#opaque(view, from, now);
					return;
				default:
					// RFC 6940 §6.3.2.2: a type nobody here knows can be walked over, not routed to.
					this.#context.counters.add(Counter.droppedUnknownDestination);
					return;
			}
		}
	}

	/** RFC 6940 §6.5.4 MUST: who has an older configuration gets ours; an idle client says nothing else that would show it. */
	#keepAlive(message: Uint8Array, from: Connection | undefined, now: number): void {
		const { settings, configUpdates } = this.#context;
		const nodeId = from?.nodeId;
		if (nodeId === undefined || !isNewerSequence(settings.config.sequence, keepAliveSequence(message))) return;
		configUpdates.sendConfig([nodeDestination(nodeId)], nodeId, now);
	}

	#isSound(view: HopView, message: Uint8Array, from: Connection | undefined, now: number): boolean {
		const { counters, settings, limits } = this.#context;
		const { config } = settings;
		if (!view.look(message)) {
			counters.add(view.failedAt === VERSION_OFFSET ? Counter.droppedVersion : this.#faultCounter(view));
			return false;
		}
		// RFC 6940 §6.3.2: a message of another overlay is discarded. Choice (MAY): silently.
		if (view.overlay !== config.overlay) {
			counters.add(Counter.droppedOverlay);
			return false;
		}
		// RFC 6940 §6.3.2 MUST: a ttl above initial-ttl is discarded and answered with Error_TTL_Exceeded.
		if (view.ttl > config.initialTtl) return this.#fault(view, Counter.droppedTtl, ErrorCode.ttlExceeded, from, now);
		if (view.destinationCount > limits.listEntries || view.viaCount > limits.listEntries) {
			return this.#fault(view, Counter.droppedListEntries, ErrorCode.invalidMessage, from, now);
		}
		// RFC 6940 §13.6.5 SHOULD: duplicate entries are refused with Error_Invalid_Message.
		if (view.destinationCount > 1 && view.hasDuplicates) {
			return this.#fault(view, Counter.droppedDuplicateDestination, ErrorCode.invalidMessage, from, now);
		}
		return from === undefined || from.nodeId !== undefined || this.#mayUnattached(view, from, now);
	}

	#faultCounter(view: HopView): number {
		if (view.failedAt === FRAGMENT_OFFSET) return Counter.droppedFragmentBit;
		// RFC 6940 §6.3.2.2 MUST: silently dropped.
		if (view.reason.startsWith("Resource-ID before")) return Counter.droppedResourceNotLast;
		return Counter.droppedHeader;
	}

	#fault(view: HopView, counter: number, errorCode: number, from: Connection | undefined, now: number): false {
		this.#context.counters.add(counter);
		this.#context.wayErrors.refuse(view, from, errorCode, now);
		return false;
	}

	// RFC 6940 §6.3.2.1 MUST: a node with several Node-IDs in its certificate that has not attached may send Ping and Attach only.
	#mayUnattached(view: HopView, from: Connection, now: number): boolean {
		const code = view.messageCode;
		if (code === MessageCode.pingReq || code === MessageCode.attachReq) return true;
		if (code >= 0 && !isRequestCode(code)) return true;
		return this.#fault(view, Counter.droppedUnattached, ErrorCode.forbidden, from, now);
	}

	/** A Node-ID that is not our own: wildcard, hosted, or somebody else's. */
	#otherNode(view: HopView, from: Connection | undefined, now: number): void {
		// RFC 6940 §6.1.1: a node is always responsible for the wildcard and never forwards it.
		if (view.firstIsWildcard()) {
			this.#deliver(view, this.#context.identities.own, from, now);
			return;
		}
		if (view.left === 1 && this.#context.identities.count > 1) {
			const hosted = this.#context.identities.find(view.first());
			if (hosted !== undefined) {
				this.#deliver(view, hosted, from, now);
				return;
			}
		}
		this.#context.role.forward(view, from, now);
	}

	#resource(view: HopView, from: Connection | undefined, now: number): void {
		const { role, settings, identities, counters } = this.#context;
		// A Resource-ID of another length is no point of this overlay.
		if (view.firstLength !== settings.config.nodeIdLength) {
			counters.add(Counter.droppedUnknownDestination);
			return;
		}
		if (role.isResponsible(view.first())) this.#deliver(view, identities.own, from, now);
		else role.forward(view, from, now);
	}

	/** RFC 6940 §6.1.3 MUST: an opaque id is replaced by what it stands for; one that is not ours, or too old, is dropped. */
	#opaque(view: HopView, from: Connection | undefined, now: number): void {
		const slot =
			view.firstLength === 2 ? slotOf(view.bytes[view.firstOffset]!, view.bytes[view.firstOffset + 1]!) : undefined;
		const connection = slot === undefined ? undefined : this.#context.connections.bySlot(slot.slot, slot.generation);
		if (connection === undefined) {
			this.#context.counters.add(Counter.droppedOpaqueId);
			return;
		}
		this.#context.role.forwardTo(view, connection, from, now);
	}

	/** The message is for `identity`. */
	#deliver(view: HopView, identity: LocalIdentity, from: Connection | undefined, now: number): void {
		this.#context.counters.add(Counter.delivered);
		this.#delivery.deliver(view, identity, from, now);
	}

	/** Only the header of a message above max-message-size was read. RFC 6940 §6.6 SHOULD: told, then the link is closed. */
	tooLarge(head: Uint8Array, from: Connection, now: number): void {
		this.#context.counters.add(Counter.droppedTooLarge);
		this.#context.wayErrors.refuseHead(head, from, ErrorCode.messageTooLarge, now);
	}
}

/** True when both are the same link end: the neighbour is the signer (Join, Leave; RFC 6940 §6.4.2.1). */
export function isOverLink(connection: Connection | undefined, nodeId: Uint8Array): boolean {
	if (connection === undefined) return false;
	if (connection.nodeId !== undefined) return equalBytes(connection.nodeId, nodeId);
	return includesBytes(connection.certificate.nodeIds, nodeId);
}
