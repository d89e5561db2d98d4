/**
 * The proxy core: validation, forwarding, ACK. RFC 3261 §16.3 to §16.6, §16.11; RFC 5393 (loops); RFC 6026.
 *
 * It owns the forks; where a request goes is told by its Route (route.ts) or by the location service (a `locate` output).
 */
import { EMPTY } from "../wire/bytes.ts";
import { asRequestUri, responseHead } from "./build.ts";
import type { CallTable } from "./calls.ts";
import type { Target } from "./edge-types.ts";
import { HeadEdit } from "./edit.ts";
import type { Hop } from "./flow.ts";
import { Fork } from "./fork.ts";
import { Header } from "./header-names.ts";
import { hashOctets, hex8, type IdSource } from "./ids.ts";
import { MAX_FORWARDS, type SipLimits } from "./limits.ts";
import { LINE, type SipMessage } from "./message.ts";
import { needsNoRecordRoute } from "./methods.ts";
import type { RoutePlan } from "./route.ts";
import type { Transaction } from "./transaction.ts";
import type { TransactionLayer } from "./transactions.ts";
import type { Uri } from "./uri.ts";
import { MAGIC_COOKIE } from "./via.ts";

/** What the proxy needs of the element around it. */
export interface ProxyHost {
	/** The hop to a target; may ask for a connection. `undefined`: there is none, or no room. */
	hopOf(target: Target, now: number): Hop | undefined;
	/** The hop a next-hop URI means without asking anybody: an overlay peer's route, a flow, an IP address. */
	hopOfUri(plan: RoutePlan, from: Hop, now: number): Hop | undefined;
	/** Our Record-Route URI for the side of `hop`, brackets and `lr` included. */
	routeValue(hop: Hop): string;
	/** Routes an ACK that came in the INVITE's own transaction. */
	ackOf2xx(request: SipMessage, from: Hop, now: number): void;
	/** Puts out a `locate` for a fork, or for an ACK. */
	locate(token: number, request: SipMessage, plan: RoutePlan, from: Hop, about: LocateAbout): void;
	/** True when the URI's host is this element. */
	isOwn(uri: Uri): boolean;
}

/** What a `locate` says beside the request. */
export interface LocateAbout {
	readonly account: string | undefined;
	readonly isNextHop: boolean;
}

/** An ACK that waits for its next hop. */
interface WaitingAck {
	readonly ack: SipMessage;
	readonly plan: RoutePlan;
	readonly from: Hop;
	readonly until: number;
}

export class ProxyCore {
	readonly layer: TransactionLayer;
	readonly limits: SipLimits;
	readonly calls: CallTable | undefined;
	readonly #host: ProxyHost;
	readonly #ids: IdSource;
	/** Begins every branch of this element in this life of it; loops are found by it. */
	readonly #mark: string;
	readonly #located = new Map<number, Fork>();
	readonly #acks = new Map<number, WaitingAck>();
	#token = 0;

	constructor(
		host: ProxyHost,
		layer: TransactionLayer,
		limits: SipLimits,
		ids: IdSource,
		calls: CallTable | undefined,
	) {
		this.#host = host;
		this.layer = layer;
		this.limits = limits;
		this.#ids = ids;
		this.calls = calls;
		this.#mark = `${MAGIC_COOKIE}r${ids.hex(4)}`;
	}

	/** Requests that wait for the location service. */
	get locating(): number {
		return this.#located.size;
	}

	/** A branch of ours: mark, loop value, random. */
	newBranch(loop: string): string {
		return `${this.#mark}${loop}${this.#ids.hex(6)}`;
	}

	/** RFC 5393 §4.2: what decides where a request goes, and what tells one request from another. The method does not count. */
	loopValue(request: SipMessage): string {
		const { octets } = request;
		let hash = hashOctets(octets, request.uriStart, request.uriEnd);
		for (let line = 0; line < request.lines.length; line += LINE) {
			switch (request.headerOf(line)) {
				case Header.route:
				case Header.from:
				case Header.to:
				case Header.callId:
					hash = hashOctets(octets, request.valueStart(line), request.valueEnd(line), hash);
					break;
				default:
					break;
			}
		}
		return hex8(Math.imul(hash ^ request.cseq, 0x01000193));
	}

	/** True when this very request has been here before: a Via of ours has the same loop value (RFC 3261 §16.3 item 4). */
	isLoop(request: SipMessage, loop: string): boolean {
		const { text } = request;
		const length = this.#mark.length;
		for (
			let at = text.indexOf(this.#mark);
			at >= 0 && at < request.headEnd;
			at = text.indexOf(this.#mark, at + length)
		) {
			if (text.startsWith(loop, at + length)) return true;
		}
		return false;
	}

	/** Forwards a validated request statefully. False: no room for it. */
	forward(
		request: SipMessage,
		plan: RoutePlan,
		from: Hop,
		server: Transaction,
		loop: string,
		auth: { readonly account: string | undefined; readonly line: number },
		now: number,
	): boolean {
		const isInDialog = request.toTag() !== "";
		const isNextHop = plan.nextUri !== undefined || (isInDialog && this.#isNextHop(plan));
		const fork = new Fork(this, server, request, plan, from, !isInDialog && request.method === "INVITE");
		server.server = fork;
		fork.loop = loop;
		fork.credentialsLine = auth.line;
		fork.isNextHop = isNextHop;
		// RFC 3261 §16.2: a 100 at once stops the retransmissions while we look for the callee.
		if (request.method === "INVITE") server.respond(100, responseHead(request, 100, "", ""), EMPTY, now);
		const hop = plan.nextUri !== undefined || isInDialog ? this.#host.hopOfUri(plan, from, now) : undefined;
		if (hop !== undefined) {
			fork.start(plan.uriText, undefined, hop, now);
			return true;
		}
		if (this.#located.size >= this.limits.pendingLocates) {
			fork.answer(503, "", now);
			return true;
		}
		const token = ++this.#token;
		this.#located.set(token, fork);
		fork.awaitLocation(token, now);
		this.#host.locate(token, request, plan, from, { account: auth.account, isNextHop });
		return true;
	}

	/** Only the next hop is wanted: the Request-URI is not this element's to change (RFC 3261 §16.5). */
	#isNextHop(plan: RoutePlan): boolean {
		return plan.nextUri !== undefined || !this.#host.isOwn(plan.uri!);
	}

	/** The location service answers. */
	located(
		token: number,
		targets: readonly Target[] | undefined,
		more: boolean,
		status: number,
		reason: string,
		now: number,
	): void {
		const fork = this.#located.get(token);
		if (fork === undefined) {
			this.#locatedAck(token, targets, now);
			return;
		}
		if (targets !== undefined) for (let i = 0; i < targets.length; i++) fork.add(targets[i]!, now);
		if (!more && fork.token === token) fork.endLocation(status, reason, now);
	}

	/** A fork waits for the location service no longer. */
	forget(token: number): void {
		this.#located.delete(token);
	}

	hopOf(target: Target, now: number): Hop | undefined {
		return this.#host.hopOf(target, now);
	}

	/** True when a target names the hop a branch has taken. */
	isSamePlace(hop: Hop, target: Target): boolean {
		if (target.flow === undefined) return hop.address === target.address && hop.port === (target.port ?? hop.port);
		if (hop.flow.number !== target.flow) return false;
		return !hop.flow.hasManyRemotes || (hop.address === target.address && hop.port === target.port);
	}

	/** A response of our own through a server transaction. */
	respond(server: Transaction, request: SipMessage, status: number, reason: string, now: number): void {
		const tag = status === 100 ? "" : this.#ids.hex(5);
		server.respond(status, responseHead(request, status, reason, tag), EMPTY, now);
	}

	/** Head of the request as it goes to one target. RFC 3261 §16.6 items 1 to 9. */
	forwardHead(fork: Fork, uri: string, path: readonly string[] | undefined, hop: Hop, branch: string): string {
		return this.#forwardHead(fork.request!, fork.plan!, uri, path, fork.from, hop, branch, fork.credentialsLine);
	}

	#forwardHead(
		request: SipMessage,
		plan: RoutePlan,
		uri: string,
		path: readonly string[] | undefined,
		from: Hop,
		hop: Hop,
		branch: string,
		credentialsLine: number,
	): string {
		const edit = new HeadEdit(request);
		const requestUri = asRequestUri(plan.write(edit, request, uri, path));
		if (requestUri !== request.requestUri()) edit.replace(request.uriStart, request.uriEnd, requestUri);
		let above = `${hop.flow.viaPrefix}${branch}\r\n`;
		const maxForwards = request.find(Header.maxForwards);
		if (maxForwards < 0) above += `Max-Forwards: ${MAX_FORWARDS}\r\n`;
		else {
			const value = request.maxForwards();
			// RFC 4475 §3.1.2.4: a value that is none counts as absent.
			const next = value > 0 ? value - 1 : MAX_FORWARDS;
			edit.replace(request.valueStart(maxForwards), request.valueEnd(maxForwards), String(next));
		}
		const via = request.find(Header.via);
		if (!needsNoRecordRoute(request.method)) this.#recordRoute(edit, request, from, hop);
		edit.insert(request.lineStart(via), above);
		if (request.viaNoteEnd > 0) edit.replace(request.viaNoteAt, request.viaNoteEnd, request.viaNote);
		// RFC 3261 §22.3: credentials for this proxy go no further.
		if (credentialsLine >= 0) edit.removeLine(credentialsLine);
		// RFC 3261 §16.6 item 9: a datagram may leave its length out, a stream may not.
		if (request.contentLength < 0) edit.append(`Content-Length: ${request.body.length}\r\n`);
		return edit.toText();
	}

	/** RFC 3261 §16.6 item 4: one value for each side, the far side's on top, before any other. */
	#recordRoute(edit: HeadEdit, request: SipMessage, from: Hop, hop: Hop): void {
		const line = request.find(Header.recordRoute);
		const at = request.lineStart(line < 0 ? request.find(Header.via) : line);
		edit.insert(at, `Record-Route: ${this.#host.routeValue(hop)}, ${this.#host.routeValue(from)}\r\n`);
	}

	/** An ACK for a 2xx: forwarded without a transaction, each time it comes (RFC 3261 §16.11). */
	ack(request: SipMessage, plan: RoutePlan, from: Hop, now: number): void {
		// RFC 3261 §16.3 item 3; there is no answer to an ACK.
		if (request.maxForwards() === 0 || plan.isMalformed || plan.uri === undefined) return;
		const hop = this.#host.hopOfUri(plan, from, now);
		if (hop !== undefined) {
			this.#sendAck(request, plan, from, hop, plan.uriText, undefined);
			return;
		}
		this.#dropOldAcks(now);
		if (this.#acks.size >= this.limits.pendingLocates) return;
		const token = ++this.#token;
		this.#acks.set(token, { ack: request, plan, from, until: now + this.layer.times.locate });
		this.#host.locate(token, request, plan, from, { account: undefined, isNextHop: this.#isNextHop(plan) });
	}

	#locatedAck(token: number, targets: readonly Target[] | undefined, now: number): void {
		const waiting = this.#acks.get(token);
		if (waiting === undefined) return;
		this.#acks.delete(token);
		const target = targets?.[0];
		const hop = target === undefined ? undefined : this.#host.hopOf(target, now);
		if (hop === undefined) return;
		const uri = this.#isNextHop(waiting.plan) ? waiting.plan.uriText : target!.uri;
		this.#sendAck(waiting.ack, waiting.plan, waiting.from, hop, uri, target!.path);
	}

	#dropOldAcks(now: number): void {
		for (const [token, waiting] of this.#acks) {
			if (waiting.until > now) return;
			this.#acks.delete(token);
		}
	}

	#sendAck(
		request: SipMessage,
		plan: RoutePlan,
		from: Hop,
		hop: Hop,
		uri: string,
		path: readonly string[] | undefined,
	): void {
		const branch = `${this.#mark}${this.#statelessPart(request)}`;
		const head = this.#forwardHead(request, plan, uri, path, from, hop, branch, -1);
		this.layer.send(hop, head, request.body);
	}

	/** RFC 3261 §16.11: the same for the same request, however often it comes. */
	#statelessPart(request: SipMessage): string {
		const via = request.via()!;
		const { octets } = request;
		const hash = hashOctets(octets, via.start, via.end);
		return hex8(hash) + hex8(hashOctets(octets, request.uriStart, request.uriEnd, hash ^ request.cseq));
	}

	/** An ACK that matched an INVITE server transaction that was accepted: it is one for a 2xx all the same. */
	forwardAck(request: SipMessage, from: Hop, now: number): void {
		this.#host.ackOf2xx(request, from, now);
	}

	/** Header lines that say which extensions are not supported (RFC 3261 §16.3 item 5). */
	static unsupported(request: SipMessage, header: number): string {
		let tags = "";
		for (let line = request.find(header); line >= 0; line = request.find(header, line + LINE)) {
			const value = request.text.slice(request.valueStart(line), request.valueEnd(line));
			tags += tags === "" ? value : `, ${value}`;
		}
		return tags === "" ? "" : `Unsupported: ${tags}\r\n`;
	}
}
