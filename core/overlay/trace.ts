/** The walk of `ringlet trace`: RouteQuery from peer to peer (RFC 6940 §6.4.2.4), which shows the way a message would take. */

import type { VerifiedSigner } from "../identity/verify.ts";
import { isRefused } from "../machine.ts";
import { bytesToUtf8, EMPTY, equalBytes, toHex } from "../wire/bytes.ts";
import { ErrorCode, MessageCode } from "../wire/codes.ts";
import { type Destination, nodeDestination } from "../wire/destination.ts";
import { readChordRouteQueryAns, writeRouteQueryReq } from "../wire/route-query.ts";
import { encode } from "../wire/writer.ts";
import type { NodeContext } from "./context.ts";
import type { TraceHop } from "./node-types.ts";
import type { Outcome } from "./requests.ts";

interface Walk {
	readonly token: number;
	readonly destination: Destination;
	readonly hops: TraceHop[];
	readonly seen: Set<string>;
	readonly startedAt: number;
}

export class Traces {
	readonly #context: NodeContext;
	#walks = 0;

	constructor(context: NodeContext) {
		this.#context = context;
	}

	/** Walks towards `destination`; the result with `token` lists the peers asked, in order. */
	open(token: number, destination: Destination, now: number): void {
		const { role, connections, limits } = this.#context;
		const id =
			"nodeId" in destination ? destination.nodeId : "resourceId" in destination ? destination.resourceId : EMPTY;
		const first = id.length === 0 ? undefined : (connections.find(id) ?? role.nextHop(id))?.nodeId;
		if (this.#walks >= limits.traces || (first === undefined && !role.isResponsible(id))) {
			const info = first === undefined ? "no way from here" : "too many traces";
			this.#context.later(() => this.#context.result(token, { ok: false, errorCode: ErrorCode.notFound, info }));
			return;
		}
		this.#walks++;
		const walk: Walk = { token, destination, hops: [], seen: new Set(), startedAt: now };
		const isHere = first === undefined || role.isResponsible(id);
		this.#step(walk, isHere ? this.#context.nodeId : first, now);
	}

	#step(walk: Walk, nodeId: Uint8Array, now: number): void {
		walk.seen.add(toHex(nodeId));
		const body = { sendUpdate: false, destination: walk.destination, overlaySpecificData: EMPTY };
		this.#context.requests.open(
			{
				code: MessageCode.routeQueryReq,
				body: encode(writeRouteQueryReq, body),
				destination: [nodeDestination(nodeId)],
				done: (outcome, at) => this.#answered(walk, nodeId, outcome, at),
			},
			now,
		);
	}

	#answered(walk: Walk, nodeId: Uint8Array, outcome: Outcome, now: number): void {
		if (!outcome.ok) {
			this.#walks--;
			const { errorCode, info } = outcome;
			this.#context.result(walk.token, { ok: false, errorCode, info: bytesToUtf8(info), infoBytes: info });
			return;
		}
		walk.hops.push({ nodeId, rttMs: outcome.rttMs });
		const { config } = this.#context.settings;
		const answer = readChordRouteQueryAns(outcome.message.contents.messageBody, config.nodeIdLength);
		// [D-11]: the responsible node names itself.
		const isThere = !isRefused(answer) && equalBytes(answer.nextPeer, nodeId);
		const isLost = isRefused(answer) || walk.seen.has(toHex(answer.nextPeer));
		if (isThere || isLost || walk.hops.length >= this.#context.limits.traceHops) {
			this.#end(walk, isThere, outcome.from, now);
			return;
		}
		this.#step(walk, answer.nextPeer, now);
	}

	#end(walk: Walk, complete: boolean, from: VerifiedSigner, now: number): void {
		this.#walks--;
		const rttMs = now - walk.startedAt;
		const body = { type: "trace" as const, hops: walk.hops, complete };
		this.#context.result(walk.token, { ok: true, body, from, hops: walk.hops.length, rttMs });
	}
}
