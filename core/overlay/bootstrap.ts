/**
 * First contact, and contact kept: links to bootstrap nodes (configuration, cache, mDNS), for joining and for partition checks. Before
 * editing read RFC 6940 §11.4, §11.5, §10.7.4.4.
 *
 * Choice (§10.7.4.4): up to two such links are kept, to different nodes in turn; with each partition check time another one is taken.
 *
 *   connect ─ fails ───────────────────────────────► pause, doubled each time ─┐
 *      ▲    └ link up ─┬ ends within `provenMs` ──► (we are turned away)  ─────┤
 *      │               └ ends later ──────────────► shortest pause  ───────────┤
 *      └───────────────────────────────────────────────────────────────────────┘
 */
import { equalBytes, includesBytes } from "../wire/bytes.ts";
import type { Connection } from "./connections.ts";
import type { NodeContext } from "./context.ts";
import { Times } from "./limits.ts";
import type { Endpoint, KnownEndpoint } from "./node-types.ts";

/** Links to bootstrap nodes that are kept. */
const KEPT_LINKS = 2;
/** So many links in a row that ended at once are told: whoever is there does not want us. */
const TOLD_AFTER = 3;

interface Candidate {
	readonly endpoint: Endpoint;
	/** Who was found there last, or is said to be there. */
	nodeId: Uint8Array | undefined;
	connecting: boolean;
	/** That is this node itself: never tried again. */
	self: boolean;
	nextAt: number;
	pauseMs: number;
	/** When it last gave a link; the longest ago is taken next. */
	linkedAt: number;
	/** Links in a row that ended at once. */
	cutShort: number;
}

export class Bootstrap {
	readonly #context: NodeContext;
	readonly #mayClose: (nodeId: Uint8Array) => boolean;
	#candidates: Candidate[] = [];
	#nextTurnAt = Infinity;
	#stopped = true;

	/** `mayClose`: the topology has no use for the link to this node. */
	constructor(context: NodeContext, mayClose: (nodeId: Uint8Array) => boolean) {
		this.#context = context;
		this.#mayClose = mayClose;
	}

	/** Begins to look for them; doubles, and what is above the limit, are left out. */
	start(endpoints: readonly KnownEndpoint[], now: number): void {
		this.#candidates = [];
		this.#stopped = false;
		this.#nextTurnAt = now + this.#context.profile.partitionCheckMs;
		this.add(endpoints, now);
	}

	/** More of them (mDNS). */
	add(endpoints: readonly KnownEndpoint[], now: number): void {
		const { limits, listen } = this.#context;
		for (const { address, port, nodeId } of endpoints) {
			const endpoint = { address, port };
			if (has(listen, endpoint)) continue;
			const known = this.#candidates.find((other) => same(other.endpoint, endpoint));
			if (known !== undefined) {
				known.nodeId ??= nodeId;
				continue;
			}
			if (this.#candidates.length >= limits.bootstrapEndpoints) continue;
			const pauseMs = Times.bootstrapRetryMs;
			const state = { connecting: false, self: false, nextAt: now, pauseMs, linkedAt: -Infinity, cutShort: 0 };
			this.#candidates.push({ endpoint, nodeId, ...state });
		}
		this.#go(now);
	}

	stop(): void {
		this.#stopped = true;
	}

	/** Node-IDs of bootstrap nodes with a usable link now. */
	links(): Uint8Array[] {
		const out: Uint8Array[] = [];
		for (const { nodeId } of this.#candidates) {
			if (nodeId === undefined || this.#context.connections.find(nodeId) === undefined) continue;
			if (!includesBytes(out, nodeId)) out.push(nodeId);
		}
		return out;
	}

	/** This address leads back to ourselves. */
	isSelf(endpoint: Endpoint): void {
		for (const candidate of this.#candidates) if (same(candidate.endpoint, endpoint)) candidate.self = true;
	}

	/** A node has no link any more: soon there may be too few bootstrap links. `clean`: our own choice, or announced. */
	linkDown(nodeId: Uint8Array, clean: boolean, now: number): void {
		for (const candidate of this.#candidates) {
			if (candidate.nodeId === undefined || !equalBytes(candidate.nodeId, nodeId)) continue;
			// Choice (§11.5): TLS comes up before the other end refuses us (revoked, no room): such a link counts as a connect that failed.
			if (!clean && now - candidate.linkedAt < Times.bootstrapProvenMs) {
				this.#pause(candidate, Times.bootstrapRefusedMaxMs, now);
				if (++candidate.cutShort === TOLD_AFTER) this.#tell(candidate);
				continue;
			}
			candidate.cutShort = 0;
			candidate.pauseMs = Times.bootstrapRetryMs;
			candidate.nextAt = now + Times.bootstrapRetryMs * (0.5 + this.#context.random());
		}
	}

	#pause(candidate: Candidate, longestMs: number, now: number): void {
		candidate.nextAt = now + candidate.pauseMs * (0.5 + this.#context.random());
		candidate.pauseMs = Math.max(candidate.pauseMs, Math.min(2 * candidate.pauseMs, longestMs));
	}

	#tell({ endpoint }: Candidate): void {
		this.#context.log("warn", "bootstrap.turnedAway", {
			address: endpoint.address,
			port: endpoint.port,
			hint: "that peer closes every link at once and says why in its own log; was this node revoked? then enroll it again (`ringlet invite`)",
		});
	}

	/** Connects to as many as are missing, those that were linked longest ago first. */
	#go(now: number): void {
		if (this.#stopped) return;
		let missing = this.#missing();
		while (missing-- > 0) {
			const candidate = this.#pick(now);
			if (candidate === undefined || !this.#connect(candidate, now)) return;
		}
	}

	/** Links to be opened, beside those that are being opened. */
	#missing(): number {
		let missing = KEPT_LINKS - this.links().length;
		for (const candidate of this.#candidates) if (candidate.connecting) missing--;
		return missing;
	}

	#pick(now: number): Candidate | undefined {
		let best: Candidate | undefined;
		for (const candidate of this.#candidates) {
			const { connecting, self, nextAt, nodeId } = candidate;
			if (connecting || self || nextAt > now) continue;
			if (nodeId !== undefined && this.#context.connections.find(nodeId) !== undefined) continue;
			if (best === undefined || candidate.linkedAt < best.linkedAt) best = candidate;
		}
		return best;
	}

	#connect(candidate: Candidate, now: number): boolean {
		candidate.connecting = this.#context.links.connect(
			{
				endpoint: candidate.endpoint,
				expect: undefined,
				bootstrap: true,
				known: (nodeId) => {
					candidate.nodeId = nodeId;
				},
				done: (connection, at) => this.#ended(candidate, connection, at),
			},
			now,
		);
		// No room for another connect: later.
		if (!candidate.connecting) candidate.nextAt = now + Times.bootstrapRetryMs;
		return candidate.connecting;
	}

	#ended(candidate: Candidate, connection: Connection | undefined, now: number): void {
		candidate.connecting = false;
		if (connection === undefined) {
			this.#pause(candidate, Times.bootstrapRetryMaxMs, now);
		} else {
			candidate.nextAt = now + Times.bootstrapRetryMs;
			candidate.linkedAt = now;
		}
		this.#context.later((at) => this.#go(at));
	}

	/** One more link to a node not met for long; one that is not needed any more goes. */
	#turn(now: number): void {
		this.#nextTurnAt = now + this.#context.profile.partitionCheckMs;
		const candidate = this.#pick(now);
		if (candidate === undefined || !this.#connect(candidate, now)) return;
		const links = this.links();
		if (links.length < KEPT_LINKS) return;
		for (const nodeId of links) {
			const connection = this.#context.connections.find(nodeId);
			if (connection === undefined || !connection.initiated || !this.#mayClose(nodeId)) continue;
			this.#context.links.close(connection, "not needed any more", true, now);
			return;
		}
	}

	deadline(): number {
		if (this.#stopped) return Infinity;
		let at = this.#candidates.length > 0 ? this.#nextTurnAt : Infinity;
		if (this.#missing() <= 0) return at;
		for (const { connecting, self, nextAt, nodeId } of this.#candidates) {
			if (connecting || self || nextAt >= at) continue;
			if (nodeId === undefined || this.#context.connections.find(nodeId) === undefined) at = nextAt;
		}
		return at;
	}

	timeout(now: number): void {
		if (this.#stopped) return;
		if (this.#nextTurnAt <= now) this.#turn(now);
		else this.#go(now);
	}
}

export function same(a: Endpoint, b: Endpoint): boolean {
	return a.port === b.port && a.address === b.address;
}

export function has(list: readonly Endpoint[], endpoint: Endpoint): boolean {
	for (let i = 0; i < list.length; i++) if (same(list[i]!, endpoint)) return true;
	return false;
}
