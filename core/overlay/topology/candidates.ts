/**
 * Peers that somebody listed and that belong into our Neighbour Table: an Attach to each, again later when it fails, and a request
 * for an Update when the link is there but its other end has not shown itself as a peer. RFC 6940 §10.6, §10.7.3.
 */
import { EMPTY, equalBytes } from "../../wire/bytes.ts";
import { MessageCode } from "../../wire/codes.ts";
import { type Destination, nodeDestination } from "../../wire/destination.ts";
import { writeRouteQueryReq } from "../../wire/route-query.ts";
import { encode } from "../../wire/writer.ts";
import type { RingContext } from "./context.ts";
import { ASK_AFTER_MS, ATTACHES_AT_ONCE } from "./limits.ts";
import { markFailed, type Peer } from "./peers.ts";

export class Candidates {
	readonly #ring: RingContext;
	#attaching = 0;
	#nextAt = Number.POSITIVE_INFINITY;

	constructor(ring: RingContext) {
		this.#ring = ring;
	}

	/** `via` listed `id` as a peer of the ring. */
	mention(id: Uint8Array, via: Uint8Array, now: number): void {
		const { peers, host } = this.#ring;
		const known = peers.get(id);
		if (known === undefined && !peers.isNear(id, this.#ring.perSide())) return;
		const peer = known ?? peers.note(id);
		if (peer === undefined || peer.member || peer.departedUntil > now) return;
		// A link that is up already brings its Update soon: do not ask for it at once.
		if (peer.via === undefined && peer.retryAt <= now && host.isConnected(id)) peer.retryAt = now + ASK_AFTER_MS;
		if (peer.via === undefined || peer.failures > 0 || !host.isConnected(peer.via)) peer.via = via.slice();
	}

	/**
	 * The link to a member is gone, not by its own word. Choice (§10.7.1): it is not tried again blindly, for it is most often dead,
	 * and an Attach of ours would cross its own when it comes back. Who still has it lists it to us, and it comes back by itself.
	 */
	lost(peer: Peer, now: number): void {
		peer.lost = true;
		peer.via = undefined;
		peer.retryAt = now + ASK_AFTER_MS;
	}

	/** `via` no longer lists a peer that we want on its word only. */
	unmention(via: Uint8Array, listed: (id: Uint8Array) => boolean): void {
		for (const peer of this.#ring.peers.known()) {
			if (peer.member || peer.via === undefined || equalBytes(peer.via, peer.id)) continue;
			if (equalBytes(peer.via, via) && !listed(peer.id)) peer.via = undefined;
		}
	}

	/** The peer at the other end of a link was asked to show itself, and is asked again if it does not. */
	expect(peer: Peer, now: number): void {
		if (peer.via === undefined) peer.via = peer.id;
		peer.retryAt = now + ASK_AFTER_MS;
	}

	/** Starts what is due. */
	run(now: number): void {
		this.#nextAt = Number.POSITIVE_INFINITY;
		for (const peer of this.#ring.peers.known()) {
			if (!this.#isWanted(peer)) continue;
			if (peer.retryAt > now) {
				if (peer.retryAt < this.#nextAt) this.#nextAt = peer.retryAt;
			} else if (this.#ring.host.isConnected(peer.id)) this.ask(peer, now);
			else this.#attach(peer);
		}
	}

	#isWanted(peer: Peer): boolean {
		if (peer.member || peer.attaching || peer.via === undefined) return false;
		return this.#ring.peers.isNear(peer.id, this.#ring.perSide());
	}

	/** True while a peer that belongs into the Neighbour Table has not been tried to the end once (since it was listed or lost). */
	isBusy(): boolean {
		for (const peer of this.#ring.peers.known()) {
			if (peer.failures === 0 && (peer.attaching || this.#isWanted(peer))) return true;
		}
		return false;
	}

	#attach(peer: Peer): void {
		if (this.#attaching >= ATTACHES_AT_ONCE) return;
		if (!this.#ring.out.attach({ kind: "candidate", id: peer.id }, this.#route(peer))) return;
		peer.attaching = true;
		this.#attaching++;
	}

	/** RFC 6940 §10.6 MUST: through the peer that told us. Choice: after a failure every second try is routed normally. */
	#route(peer: Peer): Destination[] {
		const via = peer.via;
		if (via === undefined || peer.failures % 2 === 1 || !this.#ring.host.isConnected(via)) {
			return [nodeDestination(peer.id)];
		}
		return [nodeDestination(via), nodeDestination(peer.id)];
	}

	/** RFC 6940 §6.4.2.4: a RouteQuery with send_update makes a linked node show whether it is a peer. We show ourselves, too. */
	ask(peer: Peer, now: number): void {
		const destination = nodeDestination(this.#ring.self);
		const body = encode(writeRouteQueryReq, { sendUpdate: true, destination, overlaySpecificData: EMPTY });
		const { out } = this.#ring;
		out.send({ kind: "ask", id: peer.id }, MessageCode.routeQueryReq, [nodeDestination(peer.id)], body);
		this.#ring.show(peer.id, now);
		if (!markFailed(peer, now)) this.#giveUp(peer);
	}

	/** An Attach has ended. The peer, when the link is up. */
	attached(id: Uint8Array, ok: boolean, inProgress: boolean, now: number): Peer | undefined {
		this.#attaching--;
		const peer = this.#ring.peers.get(id);
		if (peer === undefined) return undefined;
		peer.attaching = false;
		if (ok) {
			peer.mine = true;
			peer.retryAt = now + ASK_AFTER_MS;
			return peer;
		}
		// RFC 6940 §6.5.1.3: its own Attach to us is under way and wins.
		if (inProgress) peer.retryAt = now + ASK_AFTER_MS;
		else if (!markFailed(peer, now)) this.#giveUp(peer);
		return undefined;
	}

	/** Not tried any more until somebody lists it again. */
	#giveUp(peer: Peer): void {
		peer.via = undefined;
	}

	deadline(): number {
		return this.#nextAt;
	}
}
