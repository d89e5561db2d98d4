/**
 * The joining peer's side of a Join (RFC 6940 §10.5).
 *
 *   seeking ---> finding ---> gathering ---> fingers ---> asking ---> placing ---> (in the ring)
 *      ^      Attach n+1   Attach to the   Attach to     Join      Update that
 *      |                   neighbours      n+2^(k-i)               shows us
 *      `---------- whatever fails starts again, later and later ----------'
 *
 * Until it is placed this node sends no Update, so nobody routes through it and giving up costs nothing.
 */
import { EMPTY, equalBytes } from "../../wire/bytes.ts";
import { ErrorCode, MessageCode } from "../../wire/codes.ts";
import { nodeDestination, resourceDestination } from "../../wire/destination.ts";
import { writeJoinReq } from "../../wire/join.ts";
import { encode } from "../../wire/writer.ts";
import type { Candidates } from "./candidates.ts";
import { type RingContext, requestLifetimeMs } from "./context.ts";
import { FINGERS_AT_ONCE, JOIN_RETRY_MOST_MS, JOIN_RETRY_MS, JOIN_TRIES_QUIET, PLACED_WITHIN_MS } from "./limits.ts";
import type { Purpose } from "./outbox.ts";
import type { TopologyInput } from "./plugin.ts";
import { isBetween, plusOne } from "./ring.ts";
import { lists } from "./updates.ts";

export type TopologyResult = Extract<TopologyInput, { type: "result" }>;
type Step = "idle" | "seeking" | "finding" | "gathering" | "fingers" | "asking" | "placing";

export class Joining {
	readonly #ring: RingContext;
	readonly #candidates: Candidates;
	/** The Resource-IDs whose peers are wanted as fingers and not known yet. */
	readonly #fingerTargets: () => Uint8Array[];
	#step: Step = "idle";
	/** Counts the attempts; results of an older one are void. */
	#attempt = 0;
	/** The peer we join through: AP of the RFC's text. */
	#admitting: Uint8Array = EMPTY;
	/** When this step is over at the latest; in `seeking`, when to start. */
	#stepEnds = Number.POSITIVE_INFINITY;
	#targets: Uint8Array[] = [];
	#attaching = 0;
	#failures = 0;
	#toldAt = Number.POSITIVE_INFINITY;

	constructor(ring: RingContext, candidates: Candidates, fingerTargets: () => Uint8Array[]) {
		this.#ring = ring;
		this.#candidates = candidates;
		this.#fingerTargets = fingerTargets;
	}

	get step(): Step {
		return this.#step;
	}

	/** True for the peer we have sent the Join to. */
	isAdmitting(id: Uint8Array): boolean {
		return (this.#step === "asking" || this.#step === "placing") && equalBytes(this.#admitting, id);
	}

	begin(now: number): void {
		this.#failures = 0;
		this.#enter("seeking", now);
		this.#toldAt = now + requestLifetimeMs(this.#ring.host);
	}

	stop(): void {
		this.#enter("idle", Number.POSITIVE_INFINITY);
		this.#toldAt = Number.POSITIVE_INFINITY;
	}

	#enter(step: Step, ends: number): void {
		this.#step = step;
		this.#stepEnds = ends;
	}

	/** Starts again after a while. `busy`: somebody else was being admitted, or the ring just changed: soon. */
	#again(now: number, busy: boolean): void {
		this.#attempt++;
		this.#attaching = 0;
		const exponent = Math.min(this.#failures, 8);
		const wait = JOIN_RETRY_MS * (busy ? 1 : 2 ** exponent);
		if (!busy) this.#failures++;
		const capped = Math.min(wait, JOIN_RETRY_MOST_MS);
		this.#enter("seeking", now + capped * (1 + this.#ring.host.random()));
		if (this.#failures === JOIN_TRIES_QUIET) this.#tell();
	}

	/** Once per join: the people are told that this takes long. */
	#tell(): void {
		if (this.#toldAt === Number.POSITIVE_INFINITY) return;
		this.#toldAt = Number.POSITIVE_INFINITY;
		this.#ring.out.push({ type: "isolated" });
	}

	/** Goes on as far as it can; called after every input. */
	progress(now: number): void {
		if (this.#step === "idle") return;
		if (this.#toldAt <= now) this.#tell();
		if (this.#step === "seeking") {
			if (this.#stepEnds <= now) this.#seek(now);
			return;
		}
		if (this.#step === "gathering" && this.#hasGathered(now)) {
			this.#targets = this.#fingerTargets();
			this.#enter("fingers", now + requestLifetimeMs(this.#ring.host));
		}
		if (this.#step === "fingers") this.#fingers(now);
		if (this.#stepEnds <= now) this.#again(now, false);
	}

	/** RFC 6940 §10.5 step 2: Attach to Resource-ID n + 1, through whoever we are linked with. */
	#seek(now: number): void {
		const entry = this.#entry();
		if (entry === undefined) return;
		const destination = [nodeDestination(entry), resourceDestination(plusOne(this.#ring.self))];
		if (this.#ring.out.attach({ kind: "findAdmitting", attempt: this.#attempt }, destination)) {
			this.#enter("finding", Number.POSITIVE_INFINITY);
		} else this.#again(now, false);
	}

	/** A peer to ask through: one of the ring that we met in an earlier attempt, or a bootstrap node. */
	#entry(): Uint8Array | undefined {
		const { peers, host } = this.#ring;
		const members = peers.members;
		const bootstrap = host.bootstrapLinks();
		const chosen = Math.floor(host.random() * (members.length + bootstrap.length));
		return chosen < members.length ? members[chosen]?.id : bootstrap[chosen - members.length];
	}

	/** Step 3: AP has told its neighbours, and everyone who belongs into our Neighbour Table has been tried. */
	#hasGathered(now: number): boolean {
		const { peers } = this.#ring;
		const admitting = peers.get(this.#admitting);
		if (admitting === undefined) return false;
		const isNear = peers.isNear(admitting.id, this.#ring.perSide());
		if (!admitting.member && isNear && this.#stepEnds > now) return false;
		return peers.successor() !== undefined && !this.#candidates.isBusy();
	}

	/** Step 3, fingers: a few at a time; one that fails is looked for again later, by the finger search. */
	#fingers(now: number): void {
		const { out } = this.#ring;
		const late = this.#stepEnds <= now;
		while (!late && this.#targets.length > 0 && this.#attaching < FINGERS_AT_ONCE) {
			const target = this.#targets.shift()!;
			const sent = out.attach({ kind: "joinFinger", attempt: this.#attempt }, [resourceDestination(target)]);
			if (sent) this.#attaching++;
		}
		if (!late && (this.#attaching > 0 || this.#candidates.isBusy())) return;
		this.#ask(now);
	}

	/** Step 5. Who is next after us by now is the admitting peer: somebody may have been placed since we looked. */
	#ask(now: number): void {
		const successor = this.#ring.peers.successor();
		if (successor === undefined) {
			this.#again(now, false);
			return;
		}
		this.#admitting = successor.id;
		const body = encode(writeJoinReq, { joiningPeerId: this.#ring.self, overlaySpecificData: EMPTY });
		const purpose: Purpose = { kind: "join", attempt: this.#attempt };
		const sent = this.#ring.out.send(purpose, MessageCode.joinReq, [nodeDestination(successor.id)], body);
		if (!sent) {
			this.#again(now, false);
			return;
		}
		this.#enter("asking", Number.POSITIVE_INFINITY);
	}

	/** The result of a request of ours. */
	handle(kind: string, attempt: number, result: TopologyResult, now: number): void {
		if (attempt !== this.#attempt || this.#step === "idle") return;
		if (kind === "joinFinger") {
			this.#attaching--;
			return;
		}
		if (kind === "findAdmitting" && this.#step === "finding") {
			this.#found(result, now);
			return;
		}
		if (kind === "join" && this.#step === "asking") this.#answered(result, now);
	}

	#found(result: TopologyResult, now: number): void {
		const peer = result.ok && result.from !== undefined ? this.#ring.peers.note(result.from) : undefined;
		if (peer === undefined) {
			this.#again(now, result.errorCode === ErrorCode.inProgress);
			return;
		}
		this.#admitting = peer.id;
		this.#enter("gathering", now + requestLifetimeMs(this.#ring.host));
		// It owes us an Update now. If it forgets, the candidates' run asks for it.
		if (!peer.member) this.#candidates.expect(peer, now);
	}

	/** RFC 6940 §6.4.2.1 MUST: only the peer that we join through may answer. */
	#answered(result: TopologyResult, now: number): void {
		const fits = result.ok && result.from !== undefined && equalBytes(result.from, this.#admitting);
		if (fits) {
			this.#enter("placing", now + PLACED_WITHIN_MS);
			return;
		}
		this.#again(now, result.errorCode === ErrorCode.inProgress || result.errorCode === ErrorCode.notFound);
	}

	/** An Update came. True when it is the one that places us in the ring (step 7); it may overtake the answer to the Join. */
	updated(from: Uint8Array, predecessors: readonly Uint8Array[], now: number): boolean {
		if (!this.isAdmitting(from)) return false;
		if (lists(predecessors, this.#ring.self)) return true;
		if (this.#step === "asking") return false;
		// Somebody was placed between us and the peer we asked: that one is to admit us.
		for (let i = 0; i < predecessors.length; i++) {
			if (!isBetween(predecessors[i]!, this.#ring.self, from)) continue;
			this.#again(now, true);
			break;
		}
		return false;
	}

	/** A new link took the place of an older one: the admitting peer may have restarted, and does not know of us any more. */
	linkUp(id: Uint8Array, now: number): void {
		if (this.isAdmitting(id)) this.#again(now, true);
	}

	linkDown(id: Uint8Array, now: number): void {
		if (this.#step === "idle" || this.#step === "seeking" || this.#step === "finding") return;
		if (equalBytes(id, this.#admitting)) this.#again(now, true);
	}

	deadline(): number {
		if (this.#step === "idle") return Number.POSITIVE_INFINITY;
		const waitsForLink = this.#step === "seeking" && this.#entryless();
		const step = waitsForLink ? Number.POSITIVE_INFINITY : this.#stepEnds;
		return Math.min(step, this.#toldAt);
	}

	#entryless(): boolean {
		return this.#ring.peers.members.length === 0 && this.#ring.host.bootstrapLinks().length === 0;
	}
}
