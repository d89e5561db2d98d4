/**
 * Forwarding, a peer's part: symmetric recursive routing. Before editing read RFC 6940 §6.1.1, §6.1.2, §6.3.2.
 *
 * The usual path allocates nothing per message: the header of the next hop is written straight into the output of its link.
 *
 *   A ──► B ──► C     via at C: [A], previous hop B; the answer goes back with destination list [B, A]
 */
import { DestinationType, ErrorCode, ForwardingFlag, ForwardingOptionType } from "../wire/codes.ts";
import { type Destination, nodeDestination } from "../wire/destination.ts";
import { FIXED_HEADER_OCTETS, LENGTH_OFFSET, readForwardingHeader, writeForwardingHeader } from "../wire/forwarding.ts";
import { WireReader } from "../wire/reader.ts";
import { WireWriter } from "../wire/writer.ts";
import { previousHop } from "./compression.ts";
import type { Connection } from "./connections.ts";
import type { NodeContext } from "./context.ts";
import { Counter } from "./counters.ts";
import type { HopView } from "./hop-view.ts";
import { sendPieces } from "./pieces.ts";

export class Router {
	readonly #context: NodeContext;
	/** The current destination, copied out of the message: what tables are asked with. */
	readonly #id: Uint8Array;

	constructor(context: NodeContext) {
		this.#context = context;
		this.#id = new Uint8Array(context.settings.config.nodeIdLength);
	}

	/** Sends a message that is not for us towards its current destination. */
	forward(view: HopView, from: Connection | undefined, now: number): void {
		const target = this.#target(view, from);
		if (target !== undefined) this.forwardTo(view, target, from, now);
	}

	/** RFC 6940 §6.1.2: to the node itself where there is a link; else to the peer of the routing table that is nearest. */
	#target(view: HopView, from: Connection | undefined): Connection | undefined {
		const { connections, role, counters } = this.#context;
		const id = this.#id;
		if (!view.copyFirst(id)) {
			counters.add(Counter.droppedUnknownDestination);
			return undefined;
		}
		const isNode = view.firstType === DestinationType.node;
		if (isNode) {
			const direct = connections.find(id);
			if (direct !== undefined) return direct;
			// RFC 6940 §6.1.1: another Node-ID in our own range is dropped, unless it is linked to us: a client.
			if (role.isResponsible(id)) {
				const suspect = connections.findAny(id);
				if (suspect === undefined) counters.add(Counter.droppedNoSuchNode);
				return suspect;
			}
		}
		// RFC 6940 §6.1.2: peers route; a node that is not in the ring (joining, or joining again while others still count it in) carries
		// on only what its neighbours are named in. Its one way is its bootstrap node, which would send the message back until the ttl ends.
		if (from !== undefined && !role.inOverlay) {
			const named = isNode ? connections.findAny(id) : undefined;
			if (named === undefined) counters.add(Counter.droppedNoRoute);
			return named;
		}
		const next = role.nextHop(id) ?? (isNode ? connections.findAny(id) : undefined);
		if (next === undefined) counters.add(Counter.droppedNoRoute);
		return next;
	}

	/** Sends a message over a certain link, whatever the tables say: the current destination is an opaque id, or reached by it. */
	forwardTo(view: HopView, target: Connection, from: Connection | undefined, now: number): void {
		const { counters, wayErrors, links } = this.#context;
		// RFC 6940 §6.3.2 MUST: ttl 0 goes no further.
		if (view.ttl === 0) {
			counters.add(Counter.droppedTtl);
			wayErrors.refuse(view, from, ErrorCode.ttlExceeded, now);
			return;
		}
		if (view.hasForwardCritical && view.isRequest && !this.#areOptionsKnown(view)) {
			counters.add(Counter.droppedOptionCritical);
			wayErrors.refuse(view, from, ErrorCode.unsupportedForwardingOption, now);
			return;
		}
		const isPlain = view.firstType !== DestinationType.opaqueId && this.#isPlain(view, from);
		const sent = isPlain ? this.#inPlace(view, target, from, now) : this.#rewritten(view, target, from, now);
		if (sent === 0) return;
		links.touch(target);
		counters.add(Counter.forwarded);
		counters.add(Counter.forwardedOctets, sent);
	}

	/** RFC 6940 §6.3.2.3 MUST: a forwarding peer that does not understand an option marked FORWARD_CRITICAL refuses. */
	#areOptionsKnown(view: HopView): boolean {
		const { bytes, payloadOffset } = view;
		let at = FIXED_HEADER_OCTETS + view.viaListLength + view.destinationListLength;
		while (at < payloadOffset) {
			const isCritical = (bytes[at + 1]! & ForwardingFlag.forwardCritical) !== 0;
			if (isCritical && bytes[at] !== ForwardingOptionType.extensiveRoutingMode) return false;
			at += 4 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
		}
		return true;
	}

	/** True when nothing but the usual change of the header is needed. */
	#isPlain(view: HopView, from: Connection | undefined): boolean {
		const { compressVia, pathLimit } = this.#context;
		if (view.bytes.length + this.#id.length + 2 > pathLimit) return false;
		return from === undefined || (from.nodeId !== undefined && !compressVia) || !view.isRequest;
	}

	#inPlace(view: HopView, target: Connection, from: Connection | undefined, now: number): number {
		const { stream } = target;
		// RFC 6940 §6.1.2: the Node-ID of the node the request came from, not our own.
		const previous = from !== undefined && view.isRequest ? from.nodeId : undefined;
		const at = stream.reserve(view.room(previous));
		if (at < 0) {
			this.#context.counters.add(Counter.droppedLinkFull);
			return 0;
		}
		const length = view.goOn(stream.out, at, previous);
		if (length === 0) {
			this.#context.counters.add(Counter.droppedListEntries);
			return 0;
		}
		// The via list may have made it larger than any link carries (RFC 6940 §6.6).
		if (!stream.commit(length, now)) {
			this.#context.counters.add(Counter.droppedTooLarge);
			return 0;
		}
		return length;
	}

	/** The unusual path: compressed ids, links without a Node-ID, fragmentation. */
	#rewritten(view: HopView, target: Connection, from: Connection | undefined, now: number): number {
		const { compressVia, settings } = this.#context;
		const header = readForwardingHeader(new WireReader(view.bytes), settings.config.nodeIdLength);
		const viaList: Destination[] = [...header.viaList];
		if (from !== undefined && view.isRequest) viaList.push(previousHop(from, compressVia));
		const rest = header.destinationList.slice(header.destinationList.length - view.left);
		// RFC 6940 §6.1.3 MUST: the opaque id is replaced by the entry it stands for.
		if (view.firstType === DestinationType.opaqueId) {
			rest[0] = nodeDestination(target.nodeId ?? new Uint8Array(this.#id.length).fill(0xff));
		}
		const writer = new WireWriter(view.bytes.length + 64);
		writeForwardingHeader(writer, { ...header, ttl: header.ttl - 1, viaList, destinationList: rest });
		writer.bytes(view.payload());
		writer.patch32(LENGTH_OFFSET, writer.length);
		return sendPieces(writer.view(), target, this.#context, now) ? writer.length : 0;
	}
}
