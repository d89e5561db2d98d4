/**
 * The SIP edge: registrar, proxy and a small user agent behind one `Machine`. RFC 3261 §16 and §10; RFC 7904 §3.5 for overlay flows.
 *
 *   octets -> parse -> Via note -> transaction? -> retransmission, ACK, CANCEL
 *                                        | none
 *                          checks, Route, digest, From  -> refusal, stateless
 *                                        |
 *             registrar | OPTIONS | proxy: next hop, or `locate` -> fork
 */
import type { Machine } from "../machine.ts";
import { EMPTY } from "../wire/bytes.ts";
import { Authenticator } from "./auth.ts";
import { responseHead } from "./build.ts";
import { type CallEvent, CallTable } from "./calls.ts";
import { noAccounts, originOf, RETRY_AFTER, Stall, statelessTag, viaCount } from "./edge-parts.ts";
import type { BindingInfo, SipEdgeOptions, SipEvent, SipInput, SipOutput, Target } from "./edge-types.ts";
import type { Flow, FlowOptions, Hop } from "./flow.ts";
import { FlowTable } from "./flows.ts";
import { StreamFramer } from "./framing.ts";
import { Gate } from "./gate.ts";
import { Header } from "./header-names.ts";
import { IdSource } from "./ids.ts";
import { DEFAULT_LIMITS, DEFAULT_TIMERS, type SipLimits, type SipTimers } from "./limits.ts";
import type { SipMessage } from "./message.ts";
import { octetsToText, parseDatagram, type ReadOctets } from "./parse.ts";
import { type LocateAbout, ProxyCore, type ProxyHost } from "./proxy.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { RoutePlan } from "./route.ts";
import { UserAgentServer } from "./server.ts";
import { Timer, TimerHeap } from "./timers.ts";
import { FlowTokens } from "./tokens.ts";
import { serverKey, TransactionLayer } from "./transactions.ts";
import { type OwnRequest, UserAgentClient } from "./ua.ts";
import type { Uri } from "./uri.ts";
import { noteVia, replyHop } from "./via-note.ts";

/** RFC 5626 §3.5.1: the answer to two CRLFs. */
const PONG = "\r\n";

/** Counters since the start; for the dashboard. */
export interface SipEdgeStats {
	readonly received: number;
	/** Octets that were no SIP message, faulty responses, responses to nothing. */
	readonly dropped: number;
	/** Requests refused before they got a transaction. */
	readonly refused: number;
	readonly clientTransactions: number;
	readonly serverTransactions: number;
	readonly bindings: number;
	readonly calls: number;
	readonly locating: number;
}

export class SipEdge implements Machine<SipInput, SipOutput>, ProxyHost {
	readonly #limits: SipLimits;
	readonly #times: SipTimers;
	readonly #timers = new TimerHeap();
	readonly #ids: IdSource;
	readonly #flows: FlowTable;
	readonly #layer: TransactionLayer;
	readonly #proxy: ProxyCore;
	readonly #server: UserAgentServer;
	readonly #calls: CallTable;
	readonly #gate: Gate;
	readonly #client: UserAgentClient;
	readonly #read: ReadOctets;
	readonly #software: string;
	#outputs: SipOutput[] = [];
	#polled = 0;
	#received = 0;
	#dropped = 0;
	#refused = 0;

	constructor(options: SipEdgeOptions) {
		const { crypto } = options;
		this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
		this.#times = { ...DEFAULT_TIMERS, ...options.timers };
		this.#ids = new IdSource(crypto);
		this.#read = options.readOctets ?? octetsToText;
		const domain = options.domains[0] ?? "";
		this.#software = options.software ?? "";
		const key = options.key ?? crypto.random(32);
		const put = (output: SipOutput): void => this.#put(output);
		this.#flows = new FlowTable({
			tokens: new FlowTokens(crypto, key, this.#limits.tokens),
			limits: this.#limits,
			domains: options.domains,
			hosts: options.hosts ?? [],
			isOwnRoute: options.isOwnRoute ?? (() => false),
			nodeOfRoute: options.nodeOfRoute ?? (() => undefined),
			put,
		});
		this.#layer = new TransactionLayer(this.#timers, this.#times, this.#limits, this.#flows);
		this.#calls = new CallTable(this.#limits, this.#times, { callEvent: (event: CallEvent) => this.#event(event) });
		const calls = (options.hasCallEvents ?? true) ? this.#calls : undefined;
		this.#proxy = new ProxyCore(this, this.#layer, this.#limits, this.#ids, calls);
		const auth = this.#makeAuthenticator(options, domain, key);
		const tell = (event: SipEvent): void => this.#event(event);
		const isAuthenticating = options.isAuthenticating ?? true;
		const { houseAor } = options;
		this.#gate = new Gate({ auth, flows: this.#flows, isAuthenticating, domain, houseAor, tell });
		this.#server = new UserAgentServer({
			gate: this.#gate,
			flows: this.#flows,
			layer: this.#layer,
			timers: this.#timers,
			limits: this.#limits,
			ids: this.#ids,
			tell,
		});
		this.#client = new UserAgentClient({
			crypto,
			ids: this.#ids,
			layer: this.#layer,
			limit: this.#limits.ownRequests,
			software: this.#software,
			put,
		});
	}

	#makeAuthenticator(options: SipEdgeOptions, domain: string, key: Uint8Array): Authenticator {
		return new Authenticator({
			crypto: options.crypto,
			ids: this.#ids,
			realm: options.realm ?? domain,
			key,
			algorithms: options.algorithms ?? ["SHA-256", "MD5"],
			verifier: options.verifier ?? noAccounts,
			limits: this.#limits,
			times: this.#times,
		});
	}

	/** Registers a flow. False: the number is in use, or there is no room (limits.flows). */
	addFlow(options: FlowOptions): boolean {
		return this.#flows.add(options);
	}

	/** Sends a request of the edge's own; an `answer` with the token follows. `undefined`: it cannot be sent. */
	request(request: OwnRequest, now: number): number | undefined {
		const token = this.#client.request(request, this.#flows.hopOf(request.target), now);
		this.#layer.flushFailures(now);
		return token;
	}

	/** The contacts of an AOR (`user@domain`), highest q first: targets for `located`. */
	bindings(aor: string): BindingInfo[] {
		return this.#server.bindings(aor);
	}

	/** AORs that have contacts. */
	registeredAors(): string[] {
		return this.#server.registeredAors();
	}

	stats(): SipEdgeStats {
		return {
			received: this.#received,
			dropped: this.#dropped,
			refused: this.#refused,
			clientTransactions: this.#layer.clientCount,
			serverTransactions: this.#layer.serverCount,
			bindings: this.#server.size,
			calls: this.#calls.size,
			locating: this.#proxy.locating,
		};
	}

	handle(input: SipInput, now: number): void {
		switch (input.type) {
			case "datagram":
				this.#datagram(input.flow, input.octets, input.address, input.port, now);
				break;
			case "octets":
				this.#octets(input.flow, input.octets, now);
				break;
			case "timeout":
				for (let t = this.#timers.pop(now); t !== undefined; t = this.#timers.pop(now)) t.owner.expire(t.letter, now);
				break;
			case "located":
				this.#proxy.located(
					input.token,
					input.targets,
					input.more ?? false,
					input.status ?? 480,
					input.reason ?? "",
					now,
				);
				break;
			case "flowClosed":
				this.#flowClosed(input.flow, now);
				break;
			case "connectFailed": {
				const flow = this.#flows.connectFailed(input.connect);
				if (flow !== undefined) this.#layer.flowClosed(flow);
				break;
			}
		}
		this.#layer.flushFailures(now);
	}

	poll(): SipOutput | undefined {
		const output = this.#outputs[this.#polled];
		if (output === undefined) {
			if (this.#polled > 0) this.#outputs = [];
			this.#polled = 0;
			return undefined;
		}
		this.#polled++;
		return output;
	}

	deadline(): number {
		return this.#timers.next();
	}

	#put(output: SipOutput): void {
		this.#outputs.push(output);
	}

	#event(event: SipEvent): void {
		this.#put({ type: "event", event });
	}

	// --- what comes in ---

	#datagram(
		number: number,
		octets: Uint8Array,
		address: string | undefined,
		port: number | undefined,
		now: number,
	): void {
		const flow = this.#flows.get(number);
		if (flow === undefined) return;
		const message = parseDatagram(octets, this.#read, this.#limits);
		this.#received++;
		if (message === undefined) this.#dropped++;
		else this.#message(message, this.#flows.hopFrom(flow, address, port), now);
	}

	#octets(number: number, octets: Uint8Array, now: number): void {
		const flow = this.#flows.get(number);
		if (flow === undefined) return;
		flow.framer ??= new StreamFramer(this.#read, this.#limits);
		flow.framer.push(octets);
		for (let next = flow.framer.next(); next !== "wait"; next = flow.framer.next()) {
			if (next === "broken") {
				this.#dropped++;
				this.#put({ type: "close", flow: number, reason: "unframed octets" });
				return;
			}
			if (next === "ping") this.#flows.send(flow.hop, PONG, EMPTY);
			else {
				this.#received++;
				this.#message(next, flow.hop, now);
			}
		}
		this.#watchStall(flow, now);
	}

	/** RFC 4475 §3.1.2.2: a message that does not go on is not waited for without end. */
	#watchStall(flow: Flow, now: number): void {
		if (flow.framer?.isInside) {
			flow.stall ??= new Timer(new Stall(flow, (output) => this.#put(output)));
			if (!flow.stall.isRunning) this.#timers.start(flow.stall, "stall", now + this.#times.stall);
		} else if (flow.stall !== undefined) this.#timers.stop(flow.stall);
	}

	#flowClosed(number: number, now: number): void {
		const flow = this.#flows.remove(number);
		if (flow === undefined) return;
		if (flow.stall !== undefined) this.#timers.stop(flow.stall);
		this.#layer.flowClosed(flow);
		this.#server.flowClosed(flow, now);
		if (flow.forks !== undefined) for (const fork of [...flow.forks]) fork.upstreamGone(now);
	}

	#message(message: SipMessage, hop: Hop, now: number): void {
		if (message.isRequest) {
			this.#request(message, hop, now);
			return;
		}
		const client = message.fault === undefined ? this.#layer.findClient(message) : undefined;
		// RFC 6026 §7.3 MUST: a response to nothing is dropped.
		if (client === undefined) this.#dropped++;
		else client.receive(message, now);
	}

	#request(request: SipMessage, from: Hop, now: number): void {
		const hasVia = noteVia(request, from);
		const hop = replyHop(request, from);
		const { method, fault } = request;
		if (fault !== undefined || !hasVia) {
			this.#refuse(request, hop, fault === undefined ? refusal(400, "Bad Via") : refusal(fault.status, fault.reason));
			return;
		}
		if (method === "ACK") {
			this.#ack(request, hop, now);
			return;
		}
		const key = serverKey(request, method);
		const server = this.#layer.serverOf(key);
		if (server !== undefined) server.step("request", undefined, now);
		else if (method === "CANCEL") this.#cancel(request, hop, now);
		else this.#newRequest(request, key, hop, now);
	}

	#ack(request: SipMessage, hop: Hop, now: number): void {
		const server = this.#layer.findServer(request, "INVITE");
		if (server?.hop.isSameSource(hop)) {
			server.step("ack", request, now);
			return;
		}
		// The ACK of a refusal that was sent without a transaction.
		if (request.toTag() === statelessTag(request)) return;
		this.ackOf2xx(request, hop, now);
	}

	ackOf2xx(request: SipMessage, hop: Hop, now: number): void {
		const plan = RoutePlan.of(request, hop, this.#flows);
		if (this.#gate.mayForwardAck(plan, hop) && !plan.isFlowGone) this.#proxy.ack(request, plan, hop, now);
		else this.#dropped++;
	}

	/** RFC 3261 §9.2, §16.10. */
	#cancel(request: SipMessage, hop: Hop, now: number): void {
		const invite = this.#layer.findServer(request, "INVITE");
		// Choice (§16.10): a CANCEL for nothing is not forwarded: all INVITEs pass here statefully, so there is nothing behind us.
		if (invite === undefined || !invite.hop.isSameSource(hop)) {
			this.#refuse(request, hop, refusal(481));
			return;
		}
		const server = this.#layer.newServer("CANCEL", serverKey(request, "CANCEL"), hop);
		const head = responseHead(request, 200, "", statelessTag(request));
		if (server === undefined) this.#flows.send(hop, head, EMPTY);
		else server.respond(200, head, EMPTY, now);
		invite.server?.handleCancel(invite, request, now);
	}

	// --- a request that is new ---

	#newRequest(request: SipMessage, key: string, hop: Hop, now: number): void {
		const plan = RoutePlan.of(request, hop, this.#flows);
		const answer = this.#check(request, plan) ?? this.#dispatch(request, key, plan, hop, now);
		if (answer !== undefined) this.#refuse(request, hop, answer);
	}

	/** RFC 3261 §16.3 items 1 and 2: what is needed to go on must be well-formed, the rest is nobody's business here. */
	#check(request: SipMessage, plan: RoutePlan): Refusal | undefined {
		const { uri } = plan;
		if (uri === undefined) return refusal(400, "Bad Request-URI");
		// RFC 4475 §3.3.2, §3.3.3.
		if (!uri.isSip && uri.scheme !== "tel") return refusal(416);
		if (request.from()?.uri() === undefined) return refusal(400, "Bad From");
		if (request.to()?.uri() === undefined) return refusal(400, "Bad To");
		return plan.isMalformed ? refusal(400, "Bad Route") : undefined;
	}

	/** Serves it here, or forwards it. */
	#dispatch(request: SipMessage, key: string, plan: RoutePlan, hop: Hop, now: number): Refusal | undefined {
		const uri = plan.uri!;
		if (plan.nextUri === undefined && uri.user === undefined && this.#flows.isOwn(uri)) {
			return this.#server.serve(request, hop, now);
		}
		if (request.maxForwards() === 0 || viaCount(request) > this.#limits.viaValues) return refusal(483);
		const unsupported = ProxyCore.unsupported(request, Header.proxyRequire);
		if (unsupported !== "") return refusal(420, "", unsupported);
		// RFC 5626 §5.3.
		if (plan.isFlowGone) return refusal(430);
		const loop = this.#proxy.loopValue(request);
		if (this.#proxy.isLoop(request, loop)) return refusal(482);
		const admission = this.#gate.forForwarding(request, plan, hop, now);
		if ("status" in admission) return admission;
		const server = this.#layer.newServer(request.method, key, hop);
		if (server === undefined) return refusal(503, "", RETRY_AFTER);
		this.#follow(request, plan, now);
		this.#proxy.forward(request, plan, hop, server, loop, admission, now);
		return undefined;
	}

	/** Calls begin with an INVITE outside a dialog and end with a BYE. */
	#follow(request: SipMessage, plan: RoutePlan, now: number): void {
		const { calls } = this.#proxy;
		const from = request.from()!;
		const toTag = request.toTag();
		if (calls === undefined) return;
		if (request.method === "BYE") calls.ended(request.callId(), from.tag, toTag);
		if (request.method !== "INVITE" || toTag !== "") return;
		const caller = this.#flows.aorOf(from.uri()!) ?? from.uriText();
		calls.start(request.callId(), from.tag, caller, this.#flows.aorOf(plan.uri!) ?? plan.uriText, now);
	}

	// --- what the proxy asks for ---

	hopOf(target: Target): Hop | undefined {
		return this.#flows.hopOf(target);
	}

	hopOfUri(plan: RoutePlan, from: Hop): Hop | undefined {
		return this.#flows.hopOfUri(plan, from);
	}

	routeValue(hop: Hop): string {
		return this.#flows.routeValue(hop);
	}

	isOwn(uri: Uri): boolean {
		return this.#flows.isOwn(uri);
	}

	locate(token: number, request: SipMessage, plan: RoutePlan, from: Hop, about: LocateAbout): void {
		const uri = plan.nextUri ?? plan.uri!;
		const fromUri = request.from()?.uri();
		const aor = this.#flows.aorOf(uri);
		const fromAor = fromUri === undefined ? undefined : this.#flows.aorOf(fromUri);
		const callId = request.callId();
		this.#put({
			type: "locate",
			token,
			method: request.method,
			uri: plan.nextUri === undefined ? plan.uriText : plan.next,
			aor,
			isOurs: this.#flows.isOwn(uri),
			isNextHop: about.isNextHop,
			from: originOf(from, about.account),
			fromAor,
			callId,
		});
	}

	// --- answers without a transaction ---

	/** Answers a request at once and remembers nothing; an ACK is never answered. */
	#refuse(request: SipMessage, hop: Hop, answer: Refusal): void {
		if (answer.status !== 200) this.#refused++;
		// Without a Via nobody could match the answer (RFC 3261 §18.2.2).
		if (request.method === "ACK" || request.find(Header.via) < 0) return;
		const server = this.#software === "" ? "" : `Server: ${this.#software}\r\n`;
		const { status, reason, headers } = answer;
		const head = responseHead(request, status, reason, statelessTag(request), server + headers);
		this.#flows.send(hop, head, EMPTY);
	}
}
