/**
 * The response context of a proxied request. RFC 3261 §16.7, §16.10; RFC 3326; RFC 4320; RFC 6026 §7.3.
 *
 *   server transaction <--- Fork ---+--- Branch ---> client transaction (+ Timer C)
 *                                   +--- Branch ---> client transaction
 *                                   +--- (late branches, while the location service has more)
 */
import { EMPTY } from "../wire/bytes.ts";
import { rankOf, withoutTopVia } from "./best.ts";
import { Branch } from "./branch.ts";
import { lineOf } from "./build.ts";
import type { Target } from "./edge-types.ts";
import type { Hop } from "./flow.ts";
import { Header } from "./header-names.ts";
import { LINE, type SipMessage } from "./message.ts";
import { indexText } from "./parse.ts";
import type { ProxyCore } from "./proxy.ts";
import type { RoutePlan } from "./route.ts";
import { Timer, type TimerOwner } from "./timers.ts";
import type { ServerUser, Transaction } from "./transaction.ts";

/** RFC 3326 §2: why the other branches are cancelled. Phones look for cause 200 and then show no missed call. */
const ANSWERED_ELSEWHERE = 'Reason: SIP;cause=200;text="Call completed elsewhere"\r\n';

/** A final answer that may be sent upstream. */
interface Best {
	readonly status: number;
	readonly rank: number;
	head: string;
	readonly body: Uint8Array;
}

/** The response context. */
export class Fork implements ServerUser, TimerOwner {
	readonly proxy: ProxyCore;
	readonly server: Transaction;
	readonly method: string;
	readonly from: Hop;
	/** Let go once no branch can be added any more. */
	request: SipMessage | undefined;
	plan: RoutePlan | undefined;
	/** Line of the request with credentials that were meant for us; -1 without. */
	credentialsLine = -1;
	/** Only the next hop is asked for: the Request-URI stays. */
	isNextHop = false;
	/** Loop detection value of the request (RFC 5393). */
	loop = "";
	/** Number of the `locate` that is open; 0 without. */
	token = 0;
	/** For call events; let go with the request (they are slices of it). */
	callId: string;
	callerTag: string;
	/** False for requests inside a dialog: they are no calls. */
	readonly isCall: boolean;
	#branches: Branch[] = [];
	#pending = 0;
	#isFinal = false;
	/** No new branches: cancelled, or a 2xx or 6xx came. */
	#isClosed = false;
	/** The caller gave up. */
	#isCancelled = false;
	#best: Best | undefined = undefined;
	/** Challenge lines of other 401 and 407 responses (RFC 3261 §16.7 item 7). */
	#challenges = "";
	#locateTimer: Timer | undefined = undefined;

	constructor(proxy: ProxyCore, server: Transaction, request: SipMessage, plan: RoutePlan, from: Hop, isCall: boolean) {
		this.proxy = proxy;
		this.server = server;
		this.method = request.method;
		this.request = request;
		this.plan = plan;
		this.from = from;
		this.isCall = isCall;
		this.callId = request.callId();
		this.callerTag = request.fromTag();
		if (this.method === "INVITE") from.flow.forks?.add(this);
	}

	get isFinal(): boolean {
		return this.#isFinal;
	}

	/** Waits for the location service. */
	awaitLocation(token: number, now: number): void {
		this.token = token;
		this.#locateTimer = new Timer(this);
		const { timers, times } = this.proxy.layer;
		timers.start(this.#locateTimer, "locate", now + times.locate);
	}

	/** The location service has been heard; `status` counts when there was no target at all. */
	endLocation(status: number, reason: string, now: number): void {
		this.#stopLocating();
		if (this.#branches.length === 0 && this.#best === undefined && !this.#isFinal) {
			this.answer(this.#isClosed ? 487 : status, reason, now);
			return;
		}
		this.#conclude(now);
	}

	#stopLocating(): void {
		if (this.#locateTimer !== undefined) this.proxy.layer.timers.stop(this.#locateTimer);
		this.#locateTimer = undefined;
		if (this.token !== 0) this.proxy.forget(this.token);
		this.token = 0;
	}

	expire(_letter: string, now: number): void {
		// RFC 3261 §21.5.5: the location service is another server that did not answer in time.
		this.endLocation(504, "", now);
	}

	/** Tries one more target. Ignored when the fork takes no more, or has this one already. */
	add(target: Target, now: number): void {
		if (this.#isClosed || this.#isFinal || this.request === undefined) return;
		if (this.#branches.length >= this.proxy.limits.branchesPerFork) return;
		for (let i = 0; i < this.#branches.length; i++) {
			const known = this.#branches[i]!;
			// RFC 3261 §16.5: a URI is tried once. Choice (§16.5): the same URI over two flows is two places.
			if (known.uri === target.uri && this.proxy.isSamePlace(known.hop, target)) return;
		}
		const hop = this.proxy.hopOf(target, now);
		if (hop === undefined) this.#keep(503, "", EMPTY);
		else this.start(this.isNextHop ? this.plan!.uriText : target.uri, target.path, hop, now);
	}

	/** Starts a branch over a hop. */
	start(uri: string, path: readonly string[] | undefined, hop: Hop, now: number): void {
		const branch = new Branch(this, uri, hop);
		this.#branches.push(branch);
		const name = this.proxy.newBranch(this.loop);
		const request = this.request!;
		const head = this.proxy.forwardHead(this, uri, path, hop, name);
		this.#pending++;
		const client = this.proxy.layer.newClient(this.method, name, hop, head, request.body, branch, now);
		if (client === undefined) {
			this.failed(branch, 503, now);
			return;
		}
		branch.client = client;
		if (this.method === "INVITE") branch.startTimerC(now);
	}

	/** RFC 3261 §16.7 item 5: every provisional response but 100 goes on at once. */
	provisional(branch: Branch, response: SipMessage, now: number): void {
		// RFC 4320 §4.1: no provisional response but 100 to a request other than INVITE.
		if (response.status === 100 || this.#isFinal || this.method !== "INVITE") return;
		this.#pass(response, now);
		if (this.isCall && response.status === 180) this.proxy.calls?.ringing(this.callId, this.callerTag, branch.uri);
	}

	final(branch: Branch, response: SipMessage, now: number): void {
		const { status } = response;
		const wasDone = branch.isDone;
		if (!wasDone) this.#end(branch);
		if (status < 300) {
			this.#success(branch, response, now);
			return;
		}
		if (wasDone || this.#isFinal) return;
		// RFC 3261 §16.7 item 5: a 6xx ends all other branches, and is sent when they have ended.
		if (status >= 600) this.close("", now);
		this.#keepResponse(response);
		this.#conclude(now);
	}

	/** A branch without an answer counts as one with `status`. */
	failed(branch: Branch, status: number, now: number): void {
		if (branch.isDone) return;
		this.#end(branch);
		this.#keep(status, "", EMPTY);
		this.#conclude(now);
	}

	#end(branch: Branch): void {
		branch.finish();
		this.#pending--;
	}

	/** RFC 3261 §16.7 item 5: each 2xx to an INVITE goes on at once, the first one to anything else too. */
	#success(branch: Branch, response: SipMessage, now: number): void {
		const isFirst = !this.#isFinal;
		if (!isFirst && this.method !== "INVITE") return;
		this.#isFinal = true;
		this.#pass(response, now);
		if (!isFirst) return;
		if (this.isCall) this.proxy.calls?.answered(this.callId, this.callerTag, branch.uri, now);
		this.close(ANSWERED_ELSEWHERE, now);
		this.#release();
	}

	/** Cancels what is pending and takes no more branches. */
	close(extra: string, now: number): void {
		this.#isClosed = true;
		if (this.token !== 0) this.#stopLocating();
		for (let i = 0; i < this.#branches.length; i++) this.#branches[i]!.cancel(extra, now);
	}

	/** RFC 3261 §16.10: the caller's CANCEL, already answered. Its Reason goes along (RFC 3326 §2). */
	handleCancel(_server: Transaction, cancel: SipMessage, now: number): void {
		if (this.#isFinal || this.method !== "INVITE") return;
		this.#isCancelled = true;
		this.close(lineOf(cancel, Header.reason), now);
		if (this.#branches.length === 0) this.answer(487, "", now);
		else this.#conclude(now);
	}

	/**
	 * The connection the INVITE came over is gone. Choice (§16.9): the phones stop ringing; the RFC's reason for letting them ring, an
	 * error that a caller's Via brings about, is none here, since answers go back over the connection whatever the Via says.
	 */
	upstreamGone(now: number): void {
		if (this.#isFinal) return;
		this.#isCancelled = true;
		this.close("", now);
		if (this.#branches.length === 0) this.answer(487, "", now);
		else this.#conclude(now);
	}

	handleAck(_server: Transaction, ack: SipMessage, now: number): void {
		this.proxy.forwardAck(ack, this.from, now);
	}

	/** When all branches have ended: the best of what they said. RFC 3261 §16.7 item 6. */
	#conclude(now: number): void {
		if (this.#isFinal || this.#pending > 0 || this.token !== 0) return;
		const best = this.#best;
		let status = best === undefined ? 408 : best.status;
		// RFC 3261 §9.2: the caller who cancelled hears 487, whether or not a branch ever answered.
		if (this.#isCancelled && status === 408) status = 487;
		// RFC 4320 §4.2: no 408 to a request other than INVITE; whoever sent it has given up by now.
		if (status === 408 && this.method !== "INVITE") {
			this.#isFinal = true;
			this.server.step("abandon", undefined, now);
			this.#release();
			return;
		}
		// RFC 3261 §16.7 item 6: a 503 of one next hop says nothing about this proxy.
		if (status === 503) this.answer(500, "", now);
		else if (best === undefined || best.head === "" || best.status !== status) this.answer(status, "", now);
		else this.#sendBest(best, now);
	}

	#sendBest(best: Best, now: number): void {
		this.#isFinal = true;
		let { head } = best;
		if (this.#challenges !== "" && (best.status === 401 || best.status === 407)) {
			const cut = head.length - 2;
			head = `${head.slice(0, cut)}${this.#challenges}\r\n`;
		}
		this.server.respond(best.status, head, best.body, now);
		this.#tellFailed(best.status);
		this.#release();
	}

	/** A final answer of our own. */
	answer(status: number, reason: string, now: number): void {
		if (this.#isFinal || this.request === undefined) return;
		this.#isFinal = true;
		this.#isClosed = true;
		this.proxy.respond(this.server, this.request, status, reason, now);
		this.#tellFailed(status);
		this.#release();
	}

	#tellFailed(status: number): void {
		if (this.isCall && this.method === "INVITE") this.proxy.calls?.failed(this.callId, this.callerTag, status, "");
	}

	/** Nothing more is forwarded from here but late 2xx: let the request go. */
	#release(): void {
		this.from.flow.forks?.delete(this);
		this.request = undefined;
		this.plan = undefined;
		this.callId = "";
		this.callerTag = "";
		this.loop = "";
		// An INVITE's transaction may still bring an ACK; others have nothing more to say to us.
		if (this.method !== "INVITE") this.server.server = undefined;
		this.#best = undefined;
		this.#challenges = "";
		let pending = 0;
		for (let i = 0; i < this.#branches.length; i++) if (!this.#branches[i]!.isDone) pending++;
		if (pending === 0) this.#branches = [];
	}

	#keepResponse(response: SipMessage): void {
		const head = withoutTopVia(response);
		if (head === "") return;
		if (response.status === 401 || response.status === 407) this.#keepChallenge(response);
		this.#keep(response.status, head, response.body);
	}

	#keep(status: number, head: string, body: Uint8Array): void {
		const rank = rankOf(status);
		if (this.#best === undefined || rank < this.#best.rank) this.#best = { status, rank, head, body };
	}

	/** Challenges of all branches are collected; those of the best answer stand in it already. */
	#keepChallenge(response: SipMessage): void {
		const isBest = this.#best === undefined || rankOf(response.status) < this.#best.rank;
		const kept = isBest ? this.#best?.head : undefined;
		if (isBest && kept !== undefined) {
			const former = indexText(kept);
			if (former !== undefined && (former.status === 401 || former.status === 407)) this.#addChallenges(former);
		} else if (!isBest) this.#addChallenges(response);
	}

	#addChallenges(response: SipMessage): void {
		const { text } = response;
		for (let line = 0; line < response.lines.length; line += LINE) {
			const header = response.headerOf(line);
			if (header !== Header.wwwAuthenticate && header !== Header.proxyAuthenticate) continue;
			this.#challenges += text.slice(response.lineStart(line), response.lineEnd(line));
		}
	}

	/** Sends a response on, our Via off. */
	#pass(response: SipMessage, now: number): void {
		const head = withoutTopVia(response);
		if (head !== "") this.server.respond(response.status, head, response.body, now);
	}
}
