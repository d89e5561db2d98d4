/**
 * Self-tuning of CHORD-RELOAD: how large is the overlay, how fast do peers come and go, and how often is stabilisation needed
 * therefore. RFC 7363; before editing read its §5 and §6. Probes carry the estimates, an extension shares them.
 */
import { isRefused } from "../../machine.ts";
import { MessageCode, MessageExtensionType, ProbeInformationType } from "../../wire/codes.ts";
import type { MessageExtension } from "../../wire/contents.ts";
import { nodeDestination } from "../../wire/destination.ts";
import { readProbeAns, writeProbeReq } from "../../wire/probe.ts";
import { readSelfTuningData, type SelfTuningData, writeSelfTuningData } from "../../wire/self-tuning.ts";
import { encode } from "../../wire/writer.ts";
import type { FingerTable } from "./chord-fingers.ts";
import type { TopologyResult } from "./joining.ts";
import {
	FAILURE_HISTORY,
	FINGERS_LEAST,
	NEIGHBOURS_PER_SIDE,
	SHARED_ESTIMATES,
	TUNED_PERIOD_LEAST_S,
	TUNED_PERIOD_MOST_S,
} from "./limits.ts";
import type { Membership } from "./membership.ts";
import { shareOfRing } from "./ring.ts";

const DAY_S = 86_400;
const UINT32_MOST = 0xffffffff;
/** RFC 7363 §6.3: the failure history covers a quarter of the routing table. */
const HISTORY_SHARE = 0.25;
/** RFC 7363 §6.5: the value used is this percentile of all estimates. */
const PERCENTILE = 0.75;

/** Peers; joins and failures per second (the failure rate of one peer, see §6.3). */
export interface Estimate {
	readonly size: number;
	readonly joinsPerS: number;
	readonly failuresPerS: number;
}

export class SelfTuning {
	readonly #ring: Membership;
	readonly #fingers: FingerTable;
	readonly #peersToProbe: number;
	/** Times of failures, milliseconds; the first entry is our own joining until it is pushed out. */
	#history: number[] = [];
	#failuresSeen = 0;
	#received: Estimate[] = [];
	/** What is in use. */
	#used: Estimate = { size: 1, joinsPerS: 0, failuresPerS: 0 };

	constructor(ring: Membership, fingers: FingerTable, peersToProbe: number) {
		this.#ring = ring;
		this.#fingers = fingers;
		this.#peersToProbe = peersToProbe;
	}

	/** The node has joined. Choice (RFC 7363 §6.6): the first period follows from what it sees itself, be it little: not from nothing. */
	start(now: number): void {
		this.#history = [now];
		this.#failuresSeen = this.#ring.failures;
		this.#used = this.estimate(now);
	}

	/** After every input: failures noticed by it go into the history (RFC 7363 §6.3.1). */
	observe(now: number): void {
		for (; this.#failuresSeen < this.#ring.failures; this.#failuresSeen++) {
			this.#history.push(now);
			while (this.#history.length > this.#historySize()) this.#history.shift();
		}
	}

	#historySize(): number {
		const size = Math.ceil(this.#ring.peers.members.length * HISTORY_SHARE);
		return size < 2 ? 2 : Math.min(size, FAILURE_HISTORY);
	}

	/** RFC 7363 §6.1 to §6.4: what this peer sees by itself. */
	estimate(now: number): Estimate {
		const size = this.#size();
		return { size, joinsPerS: this.#joinsPerS(size, now), failuresPerS: this.#failuresPerS(now) };
	}

	/** §6.1: the ring divided by the mean distance of successive peers around us. */
	#size(): number {
		const { peers, self } = this.#ring;
		const perSide = this.listSize();
		const { members } = peers;
		// Everybody is a neighbour: the ring is known as a whole.
		if (members.length < 2 * perSide) return members.length + 1;
		const first = peers.predecessors(perSide)[perSide - 1]!;
		const last = peers.successors(perSide)[perSide - 1]!;
		const share = shareOfRing(first.id, self) + shareOfRing(self, last.id);
		return share > 0 ? (2 * perSide) / share : 1;
	}

	/** §6.3: failures per second and peer. With a history that is not full a failure now is assumed. */
	#failuresPerS(now: number): number {
		const history = this.#history;
		const peers = this.#ring.peers.members.length;
		if (history.length === 0 || peers === 0) return 0;
		const isFull = history.length >= this.#historySize();
		const last = isFull ? history[history.length - 1]! : now;
		const spanS = (last - history[0]!) / 1000;
		const failures = isFull ? history.length - 1 : history.length;
		return spanS > 0 ? failures / (peers * spanS) : 0;
	}

	/** §6.4: half of the peers are younger than the median, so N/2 joins took half of twice that time. */
	#joinsPerS(size: number, now: number): number {
		const ages: number[] = [];
		for (const peer of this.#ring.peers.members) ages.push(peer.uptimeS + (now - peer.uptimeAt) / 1000);
		ages.sort((a, b) => a - b);
		const age = ages[Math.floor(ages.length / 2)];
		return age === undefined || age <= 0 ? 0 : size / age;
	}

	/** The period is over: the estimates in use are renewed, and random fingers are asked for theirs. */
	endPeriod(now: number): void {
		const all = this.#received.concat(this.estimate(now));
		this.#received = [];
		this.#used = {
			size: percentile(all.map((one) => one.size)),
			joinsPerS: percentile(all.map((one) => one.joinsPerS)),
			failuresPerS: percentile(all.map((one) => one.failuresPerS)),
		};
		// §6.2: ceil(log2 N) fingers, at least the 16 of RFC 6940.
		this.#fingers.least = Math.max(Math.ceil(this.#log2()), FINGERS_LEAST);
		this.#probeFingers(now);
	}

	#probeFingers(now: number): void {
		const fingers = this.#fingers.list();
		for (let i = 0; i < this.#peersToProbe && fingers.length > 0; i++) {
			const chosen = Math.floor(this.#ring.host.random() * fingers.length);
			this.probe(fingers.splice(chosen, 1)[0]!.id, now);
		}
	}

	/** RFC 7363 §5.3, §6.5: a Probe for uptime, our estimates with it. */
	probe(id: Uint8Array, now: number): void {
		const body = encode(writeProbeReq, { requestedInfo: [ProbeInformationType.uptime] });
		const destination = [nodeDestination(id)];
		this.#ring.out.send({ kind: "probe", id }, MessageCode.probeReq, destination, body, this.extensions(now));
	}

	probed(id: Uint8Array, result: TopologyResult, now: number): void {
		if (!result.ok || result.body === undefined) return;
		if (result.extensions !== undefined) this.shared(result.extensions);
		const answer = readProbeAns(result.body);
		const peer = this.#ring.peers.get(id);
		if (isRefused(answer) || peer === undefined) return;
		for (const information of answer.probeInfo) {
			if (information.type !== ProbeInformationType.uptime) continue;
			peer.uptimeS = information.value;
			peer.uptimeAt = now;
		}
	}

	/** Estimates of another peer; beyond SHARED_ESTIMATES per period they are ignored. */
	shared(extensions: readonly MessageExtension[]): void {
		for (let i = 0; i < extensions.length; i++) {
			const extension = extensions[i]!;
			if (extension.type !== MessageExtensionType.selfTuningData) continue;
			const data = readSelfTuningData(extension.extensionContents);
			if (isRefused(data) || this.#received.length >= SHARED_ESTIMATES) continue;
			this.#received.push({
				size: data.networkSize,
				joinsPerS: data.joinRate / DAY_S,
				failuresPerS: data.leaveRate / DAY_S,
			});
		}
	}

	/** RFC 7363 §6.5: rates per day, rounded up; not critical. */
	extensions(now: number): readonly MessageExtension[] {
		const extensionContents = encode(writeSelfTuningData, sharedForm(this.estimate(now)));
		return [{ type: MessageExtensionType.selfTuningData, critical: false, extensionContents }];
	}

	#log2(): number {
		return this.#used.size > 2 ? Math.log2(this.#used.size) : 1;
	}

	/** RFC 7363 §6.2: entries per side. */
	listSize(): number {
		return Math.max(Math.ceil(this.#log2()), NEIGHBOURS_PER_SIDE);
	}

	/** RFC 7363 §6.6, milliseconds. */
	periodMs(): number {
		return periodS(this.#used) * 1000;
	}

	describe(): [string, string][] {
		return [
			["estimated size", this.#used.size.toFixed(1)],
			["stabilisation period", `${Math.round(periodS(this.#used))} s`],
		];
	}
}

/** RFC 7363 §6.6. Choice: at most TUNED_PERIOD_MOST_S, since a calm overlay would have no period at all. */
export function periodS(estimate: Estimate): number {
	const log2 = estimate.size > 2 ? Math.log2(estimate.size) : 1;
	const square = log2 * log2;
	let period = TUNED_PERIOD_MOST_S;
	if (estimate.failuresPerS > 0) period = Math.min(period, 1 / (2 * estimate.failuresPerS) / square);
	if (estimate.joinsPerS > 0) period = Math.min(period, estimate.size / (estimate.joinsPerS * square));
	return Math.max(period, TUNED_PERIOD_LEAST_S);
}

/** As the extension carries it: 0.123 per second is 10628 per day. */
export function sharedForm(estimate: Estimate): SelfTuningData {
	return {
		networkSize: uint32(estimate.size),
		joinRate: uint32(estimate.joinsPerS * DAY_S),
		leaveRate: uint32(estimate.failuresPerS * DAY_S),
	};
}

function uint32(value: number): number {
	const rounded = Math.ceil(value);
	return Math.min(rounded, UINT32_MOST);
}

/** The 75th percentile (RFC 7363 §6.5), by the nearest rank. */
export function percentile(values: readonly number[]): number {
	const sorted = values.slice().sort((a, b) => a - b);
	const rank = Math.ceil(PERCENTILE * sorted.length);
	return sorted[rank < 1 ? 0 : rank - 1] ?? 0;
}
