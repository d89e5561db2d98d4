/**
 * The table of transactions: matching (RFC 3261 §17.1.3, §17.2.3), creating within limits, and the way to the transport.
 */
import { type Chart, INVITE_CLIENT, INVITE_SERVER, NON_INVITE_CLIENT, NON_INVITE_SERVER } from "./charts.ts";
import type { Flow, Hop } from "./flow.ts";
import { Header } from "./header-names.ts";
import type { SipLimits, SipTimers } from "./limits.ts";
import type { SipMessage } from "./message.ts";
import { ownText } from "./syntax.ts";
import type { TimerHeap } from "./timers.ts";
import { type ClientUser, Transaction } from "./transaction.ts";
import { MAGIC_COOKIE } from "./via.ts";

/** The transport below. False: it cannot be sent (the flow is gone, or its queue is full). */
export interface Transport {
	send(hop: Hop, head: string, body: Uint8Array): boolean;
}

/** All transactions of one element. */
export class TransactionLayer {
	readonly timers: TimerHeap;
	readonly times: SipTimers;
	readonly #limits: SipLimits;
	readonly #transport: Transport;
	readonly #clients = new Map<string, Transaction>();
	readonly #servers = new Map<string, Transaction>();
	/** Requests answered here, by what a merged copy of them has too (RFC 3261 §8.2.2.2). */
	readonly #merging = new Set<string>();
	/** Transactions whose message could not be sent: told by `flushFailures`, when nobody is in the middle of anything. */
	#failed: Transaction[] = [];

	constructor(timers: TimerHeap, times: SipTimers, limits: SipLimits, transport: Transport) {
		this.timers = timers;
		this.times = times;
		this.#limits = limits;
		this.#transport = transport;
	}

	get clientCount(): number {
		return this.#clients.size;
	}

	get serverCount(): number {
		return this.#servers.size;
	}

	send(hop: Hop, head: string, body: Uint8Array): boolean {
		return this.#transport.send(hop, head, body);
	}

	/** Sends a request in a new client transaction. `undefined` when there is no room (limits.clientTransactions). */
	newClient(
		method: string,
		branch: string,
		hop: Hop,
		head: string,
		body: Uint8Array,
		user: ClientUser,
		now: number,
	): Transaction | undefined {
		// A CANCEL ends work, so it is not refused for want of room; there is at most one for each INVITE.
		if (this.#clients.size >= this.#limits.clientTransactions && method !== "CANCEL") return undefined;
		const isInvite = method === "INVITE";
		const chart: Chart = isInvite ? INVITE_CLIENT : NON_INVITE_CLIENT;
		const client = new Transaction(
			this,
			chart,
			isInvite ? "calling" : "trying",
			method,
			clientKey(branch, method),
			hop,
		);
		client.head = head;
		client.body = body;
		client.client = user;
		this.#clients.set(client.key, client);
		hop.flow.users?.add(client);
		client.begin(now);
		return client;
	}

	/** Makes the server transaction of a request. `undefined` when there is no room (limits.serverTransactions). */
	newServer(method: string, key: string, hop: Hop): Transaction | undefined {
		if (this.#servers.size >= this.#limits.serverTransactions) return undefined;
		const isInvite = method === "INVITE";
		const chart: Chart = isInvite ? INVITE_SERVER : NON_INVITE_SERVER;
		// The key outlives the message it was cut from by 32 s.
		const server = new Transaction(this, chart, isInvite ? "proceeding" : "trying", method, ownText(key), hop);
		this.#servers.set(key, server);
		return server;
	}

	/** As `newServer`, for a request answered here: a copy of it that came another way is told by `isMerged`. */
	newFinalServer(request: SipMessage, hop: Hop): Transaction | undefined {
		const server = this.newServer(request.method, serverKey(request, request.method), hop);
		if (server === undefined) return undefined;
		server.mergeKey = ownText(mergeKey(request));
		this.#merging.add(server.mergeKey);
		return server;
	}

	/** RFC 3261 §8.2.2.2: the same request is being answered here already, in another transaction. */
	isMerged(request: SipMessage): boolean {
		return request.toTag() === "" && this.#merging.has(mergeKey(request));
	}

	/** The server transaction a request belongs to; an ACK or CANCEL finds the INVITE's with `method` "INVITE". */
	findServer(request: SipMessage, method: string): Transaction | undefined {
		return this.#servers.get(serverKey(request, method));
	}

	/** As `findServer`, by a key that the caller needs again. */
	serverOf(key: string): Transaction | undefined {
		return this.#servers.get(key);
	}

	/** The client transaction a response belongs to: topmost branch and CSeq method (RFC 3261 §17.1.3). */
	findClient(response: SipMessage): Transaction | undefined {
		const via = response.via();
		if (via === undefined) return undefined;
		const client = this.#clients.get(clientKey(via.branch, response.cseqMethod));
		return client !== undefined && client.method === response.cseqMethod ? client : undefined;
	}

	/** A flow is gone: its client transactions fail at the next `flushFailures`. */
	flowClosed(flow: Flow): void {
		if (flow.users === undefined) return;
		for (const client of flow.users) this.#failed.push(client);
		flow.users.clear();
	}

	/** Called by a transaction whose message the transport did not take. */
	noteFailure(transaction: Transaction): void {
		this.#failed.push(transaction);
	}

	/** Tells the failed transactions; what they do may fail again and is told too. */
	flushFailures(now: number): void {
		while (this.#failed.length > 0) {
			const failed = this.#failed;
			this.#failed = [];
			for (let i = 0; i < failed.length; i++) failed[i]!.step("transportError", undefined, now);
		}
	}

	/** Called by a transaction that ends. */
	remove(transaction: Transaction): void {
		if (transaction.isClient) {
			this.#clients.delete(transaction.key);
			transaction.hop.flow.users?.delete(transaction);
			return;
		}
		this.#servers.delete(transaction.key);
		if (transaction.mergeKey !== "") this.#merging.delete(transaction.mergeKey);
	}
}

function mergeKey(request: SipMessage): string {
	return `${request.fromTag()}|${request.callId()}|${request.cseq}|${request.method}`;
}

function clientKey(branch: string, method: string): string {
	// A CANCEL has the branch of the INVITE it cancels (RFC 3261 §9.1).
	return method === "CANCEL" ? `${branch}|CANCEL` : branch;
}

/** What identifies a request's server transaction (RFC 3261 §17.2.3); `method` is INVITE for an ACK, and for what a CANCEL cancels. */
export function serverKey(request: SipMessage, method: string): string {
	const via = request.via();
	const branch = via === undefined ? "" : via.branch;
	// RFC 4475 §3.2.1: a cookie with nothing behind it identifies nothing.
	if (via !== undefined && branch.length > MAGIC_COOKIE.length && branch.startsWith(MAGIC_COOKIE)) {
		return `${branch}|${via.sentBy()}|${method}`;
	}
	// RFC 2543 matching. The To tag is left out: the ACK has one where the INVITE has none.
	const via2543 = request.value(Header.via) ?? "";
	const tag = request.fromTag();
	return `${request.requestUri()}|${tag}|${request.callId()}|${request.cseq}|${via2543}|${method}`;
}
