/**
 * Partition check and its cure: is the ring that a bootstrap node knows the one we are in? RFC 6940 §10.7.4.4, [D-25].
 *
 *   n -- Ping --> B -- routed --> whoever is responsible for n + 1 there: S'
 *   S' is our successor: one ring. Else: Attach to S' through B, then an Update to it; the two rings learn of each other.
 *
 * The same walk is the cure when all successors are gone at once (§10.7.1 SHOULD: behave as joining): then S' gets a Join.
 */
import { EMPTY, equalBytes } from "../../wire/bytes.ts";
import { ChordUpdateType, MessageCode } from "../../wire/codes.ts";
import { nodeDestination, resourceDestination } from "../../wire/destination.ts";
import { writeJoinReq } from "../../wire/join.ts";
import { writePingReq } from "../../wire/ping.ts";
import { encode } from "../../wire/writer.ts";
import { requestLifetimeMs } from "./context.ts";
import type { TopologyResult } from "./joining.ts";
import type { Membership } from "./membership.ts";
import type { Purpose } from "./outbox.ts";
import { plusOne } from "./ring.ts";

export class PartitionCheck {
	readonly #ring: Membership;
	readonly #periodic: boolean;
	#nextAt = Number.POSITIVE_INFINITY;
	/** Bootstrap nodes are asked in turn. */
	#turn = 0;
	/** A check is under way until this time at the latest. */
	#busyUntil = 0;
	/** All successors were lost: S' gets a Join. */
	#rejoin = false;
	/** There was no successor at the last look. */
	#isAlone = true;

	/** `periodic` false: only when a link to a bootstrap node comes up or all successors are lost. */
	constructor(ring: Membership, periodic: boolean) {
		this.#ring = ring;
		this.#periodic = periodic;
	}

	/** From `joined` on; the first check at a random offset. */
	start(now: number): void {
		const { host } = this.#ring;
		if (this.#periodic) this.#nextAt = now + host.random() * host.profile.partitionCheckMs;
	}

	stop(): void {
		this.#nextAt = Number.POSITIVE_INFINITY;
	}

	/** A link came up: a bootstrap node that is no member may know another part of the overlay. */
	linkUp(id: Uint8Array, now: number): void {
		if (this.#ring.phase !== "in" || this.#ring.peers.get(id)?.member === true) return;
		const bootstrap = this.#ring.host.bootstrapLinks();
		for (let i = 0; i < bootstrap.length; i++) if (equalBytes(bootstrap[i]!, id)) this.#nextAt = now;
	}

	/** All successors are gone: look for the new one, through whoever is left. */
	successorsLost(now: number): void {
		this.#rejoin = true;
		this.#busyUntil = 0;
		this.#nextAt = now;
	}

	run(now: number): void {
		const isAlone = this.#ring.peers.successor() === undefined;
		// Who was alone and has a successor again was joined or found: there is nothing to rejoin.
		if (this.#isAlone && !isAlone) this.#rejoin = false;
		this.#isAlone = isAlone;
		if (this.#nextAt > now) return;
		const { host } = this.#ring;
		this.#nextAt = this.#periodic ? now + host.profile.partitionCheckMs : Number.POSITIVE_INFINITY;
		if (this.#busyUntil > now) {
			this.#nextAt = Math.min(this.#nextAt, this.#busyUntil);
			return;
		}
		const via = this.#via();
		if (via === undefined) return;
		this.#busyUntil = now + requestLifetimeMs(host);
		const destination = [nodeDestination(via), resourceDestination(plusOne(this.#ring.self))];
		const body = encode(writePingReq, { padding: EMPTY });
		this.#ring.out.send({ kind: "partitionPing", id: via }, MessageCode.pingReq, destination, body);
	}

	#via(): Uint8Array | undefined {
		const { host, peers } = this.#ring;
		const bootstrap = host.bootstrapLinks();
		if (bootstrap.length > 0) return bootstrap[this.#turn++ % bootstrap.length];
		const members = peers.members;
		return this.#rejoin ? members[Math.floor(host.random() * members.length)]?.id : undefined;
	}

	/** The Ping through `via` has its answer. */
	pinged(via: Uint8Array, result: TopologyResult, now: number): void {
		const { peers, self, out, host } = this.#ring;
		this.#busyUntil = now;
		if (!result.ok || result.from === undefined) return;
		const found = result.from;
		if (equalBytes(found, self)) return;
		const successor = peers.successor();
		if (successor !== undefined && equalBytes(found, successor.id)) {
			// One ring. A Join would make the living member that it is to us a stranger to it, and it would join us in turn.
			this.#rejoin = false;
			return;
		}
		const peer = peers.note(found);
		if (peer === undefined || peer.attaching) return;
		if (peer.member || host.isConnected(found)) {
			this.#introduce(found, now);
			return;
		}
		const destination = equalBytes(found, via)
			? [nodeDestination(found)]
			: [nodeDestination(via), nodeDestination(found)];
		peer.attaching = out.attach({ kind: "partitionAttach", id: peer.id }, destination);
	}

	attached(id: Uint8Array, ok: boolean, now: number): void {
		const peer = this.#ring.peers.get(id);
		if (peer !== undefined) {
			peer.attaching = false;
			peer.mine = ok;
		}
		if (ok) this.#introduce(id, now);
	}

	/** We are linked with S': it learns that we are a peer. */
	#introduce(id: Uint8Array, now: number): void {
		if (!this.#rejoin) {
			this.#show(id, now);
			return;
		}
		this.#rejoin = false;
		const body = encode(writeJoinReq, { joiningPeerId: this.#ring.self, overlaySpecificData: EMPTY });
		const purpose: Purpose = { kind: "partitionJoin", id };
		this.#ring.out.send(purpose, MessageCode.joinReq, [nodeDestination(id)], body);
	}

	/** Our Update to it, and its own: the lists of both sides bring the rings together. */
	#show(id: Uint8Array, now: number): void {
		this.#ring.owe(id, ChordUpdateType.neighbors, now);
		const peer = this.#ring.peers.get(id);
		if (peer !== undefined && !peer.member) this.#ring.ask(peer, now);
	}

	/** The Join was refused: S' is not responsible for us, or busy. An Update does as well. */
	joined(id: Uint8Array, result: TopologyResult, now: number): void {
		if (!result.ok) this.#show(id, now);
	}

	deadline(): number {
		return this.#nextAt;
	}
}
