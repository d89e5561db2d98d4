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
import { type Binding, BindingTable } from "./bindings.ts";
import { responseHead } from "./build.ts";
import { type CallEvent, CallTable } from "./calls.ts";
import {
	bindingInfo,
	domainOf,
	noAccounts,
	originOf,
	RETRY_AFTER,
	Stall,
	SUPPORTED,
	statelessTag,
	unsupportedOptions,
	viaCount,
} from "./edge-parts.ts";
import type { BindingInfo, SipEdgeOptions, SipEvent, SipInput, SipOutput, Target } from "./edge-types.ts";
import type { Flow, FlowOptions, Hop } from "./flow.ts";
import { FlowTable } from "./flows.ts";
import { StreamFramer } from "./framing.ts";
import { Header } from "./header-names.ts";
import { IdSource } from "./ids.ts";
import { DEFAULT_LIMITS, DEFAULT_TIMERS, type SipLimits, type SipTimers } from "./limits.ts";
import type { SipMessage } from "./message.ts";
import { ALLOW } from "./methods.ts";
import { octetsToText, parseDatagram, type ReadOctets } from "./parse.ts";
import { type LocateAbout, Proxy, type ProxyHost } from "./proxy.ts";
import { type RegistrationChange, register, registerResponse } from "./registrar.ts";
import { RoutePlan } from "./route.ts";
import { Timer, TimerHeap } from "./timers.ts";
import { FlowTokens } from "./tokens.ts";
import { serverKey, TransactionLayer } from "./transactions.ts";
import { type OwnRequest, UserAgentClient } from "./ua.ts";
import type { Uri } from "./uri.ts";
import { noteVia } from "./via-note.ts";

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

interface Admission {
	readonly account: string | undefined;
	/** Line of the credentials that were used; -1. */
	readonly line: number;
}

const ADMITTED: Admission = Object.freeze({ account: undefined, line: -1 });

export class SipEdge implements Machine<SipInput, SipOutput>, ProxyHost {
	readonly #limits: SipLimits;
	readonly #times: SipTimers;
	readonly #timers = new TimerHeap();
	readonly #ids: IdSource;
	readonly #flows: FlowTable;
	readonly #layer: TransactionLayer;
	readonly #proxy: Proxy;
	readonly #bindings: BindingTable;
	readonly #calls: CallTable;
	readonly #auth: Authenticator;
	readonly #client: UserAgentClient;
	readonly #read: ReadOctets;
	readonly #domain: string;
	readonly #isAuthenticating: boolean;
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
		this.#domain = options.domains[0] ?? "";
		this.#isAuthenticating = options.isAuthenticating ?? true;
		this.#software = options.software ?? "";
		const key = options.key ?? crypto.random(32);
		const put = (output: SipOutput): void => this.#put(output);
		this.#flows = new FlowTable({
			tokens: new FlowTokens(crypto, key, this.#limits.tokens),
			limits: this.#limits,
			domains: options.domains,
			hosts: options.hosts ?? [],
			put,
		});
		this.#layer = new TransactionLayer(this.#timers, this.#times, this.#limits, this.#flows);
		this.#calls = new CallTable(this.#limits, this.#times, { callEvent: (event: CallEvent) => this.#event(event) });
		const calls = (options.hasCallEvents ?? true) ? this.#calls : undefined;
		this.#proxy = new Proxy(this, this.#layer, this.#limits, this.#ids, calls);
		this.#bindings = new BindingTable(this.#timers, this.#limits, {
			bindingsGone: (change, aor, gone) => this.#registrationEvent(change, aor, gone),
		});
		this.#auth = new Authenticator({
			crypto,
			ids: this.#ids,
			realm: options.realm ?? this.#domain,
			key,
			algorithms: options.algorithms ?? ["SHA-256", "MD5"],
			verifier: options.verifier ?? noAccounts,
			limits: this.#limits,
			times: this.#times,
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
		const infos = this.#bindings.of(aor).map(bindingInfo);
		return infos.sort((a, b) => b.q - a.q);
	}

	/** AORs that have contacts. */
	registeredAors(): string[] {
		return [...this.#bindings.aors()];
	}

	stats(): SipEdgeStats {
		return {
			received: this.#received,
			dropped: this.#dropped,
			refused: this.#refused,
			clientTransactions: this.#layer.clientCount,
			serverTransactions: this.#layer.serverCount,
			bindings: this.#bindings.size,
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
				this.#proxy.located(input.token, input.targets, input.more ?? false, input.status ?? 480, input.reason ?? "", now);
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
		this.#bindings.flowClosed(flow, now);
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

	#request(request: SipMessage, hop: Hop, now: number): void {
		const hasVia = noteVia(request, hop);
		const { method, fault } = request;
		if (fault !== undefined || !hasVia) {
			this.#refuse(request, hop, fault?.status ?? 400, fault?.reason ?? "Bad Via");
			return;
		}
		if (method === "ACK") {
			this.#ack(request, hop, now);
			return;
		}
		const server = this.#layer.findServer(request, method);
		if (server !== undefined) server.step("request", undefined, now);
		else if (method === "CANCEL") this.#cancel(request, hop, now);
		else this.#newRequest(request, hop, now);
	}

	#ack(request: SipMessage, hop: Hop, now: number): void {
		const server = this.#layer.findServer(request, "INVITE");
		if (server !== undefined && server.hop.isSameSource(hop)) {
			server.step("ack", request, now);
			return;
		}
		// The ACK of a refusal that was sent without a transaction.
		if (request.to()?.tag === statelessTag(request)) return;
		this.ackOf2xx(request, hop, now);
	}

	ackOf2xx(request: SipMessage, hop: Hop, now: number): void {
		const plan = RoutePlan.of(request, hop, this.#flows);
		// RFC 3261 §16.3: an ACK is not challenged; it goes where a dialog that was let through goes, or nowhere.
		const isAllowed = plan.isProven || !this.#isAuthenticating || hop.flow.options.isTrusted === true;
		if (isAllowed && !plan.isFlowGone) this.#proxy.ack(request, plan, hop, now);
		else this.#dropped++;
	}

	/** RFC 3261 §9.2, §16.10. */
	#cancel(request: SipMessage, hop: Hop, now: number): void {
		const invite = this.#layer.findServer(request, "INVITE");
		// Choice (§16.10): a CANCEL for nothing is not forwarded: all INVITEs pass here statefully, so there is nothing behind us.
		if (invite === undefined || !invite.hop.isSameSource(hop)) {
			this.#refuse(request, hop, 481, "");
			return;
		}
		const server = this.#layer.newServer("CANCEL", serverKey(request, "CANCEL"), hop);
		const head = responseHead(request, 200, "", statelessTag(request));
		if (server === undefined) this.#flows.send(hop, head, EMPTY);
		else server.respond(200, head, EMPTY, now);
		invite.server?.handleCancel(invite, request, now);
	}

	// --- a request that is new ---

	#newRequest(request: SipMessage, hop: Hop, now: number): void {
		const plan = RoutePlan.of(request, hop, this.#flows);
		const { uri } = plan;
		if (uri === undefined) return this.#refuse(request, hop, 400, "Bad Request-URI");
		// RFC 3261 §16.3 item 2; RFC 4475 §3.3.2, §3.3.3.
		if (!uri.isSip && uri.scheme !== "tel") return this.#refuse(request, hop, 416, "");
		if (request.from()?.uri() === undefined) return this.#refuse(request, hop, 400, "Bad From");
		if (request.to()?.uri() === undefined) return this.#refuse(request, hop, 400, "Bad To");
		if (plan.isMalformed) return this.#refuse(request, hop, 400, "Bad Route");
		// RFC 4475 §3.1.2.11: headers have no place in a Request-URI; they are not carried on (build.ts).
		if (plan.nextUri === undefined && uri.user === undefined && this.#flows.isOwn(uri)) {
			return this.#serve(request, uri, hop, now);
		}
		if (request.maxForwards() === 0 || viaCount(request) > this.#limits.viaValues) {
			return this.#refuse(request, hop, 483, "");
		}
		const unsupported = Proxy.unsupported(request, Header.proxyRequire);
		if (unsupported !== "") return this.#refuse(request, hop, 420, "", unsupported);
		if (plan.isFlowGone) return this.#refuse(request, hop, 430, "");
		const loop = this.#proxy.loopValue(request);
		if (this.#proxy.isLoop(request, loop)) return this.#refuse(request, hop, 482, "");
		const admission = this.#admit(request, plan, hop, now);
		if (admission === undefined) return;
		const server = this.#layer.newServer(request.method, serverKey(request, request.method), hop);
		if (server === undefined) return this.#refuse(request, hop, 503, "", RETRY_AFTER);
		this.#follow(request, plan, now);
		this.#proxy.forward(request, plan, hop, server, loop, admission, now);
	}

	/** Calls begin with an INVITE outside a dialog and end with a BYE. */
	#follow(request: SipMessage, plan: RoutePlan, now: number): void {
		const { calls } = this.#proxy;
		const from = request.from()!;
		const toTag = request.to()!.tag;
		if (calls === undefined) return;
		if (request.method === "BYE") calls.ended(request.callId(), from.tag, toTag);
		if (request.method !== "INVITE" || toTag !== "") return;
		const caller = this.#flows.aorOf(from.uri()!) ?? from.uriText();
		calls.start(request.callId(), from.tag, caller, this.#flows.aorOf(plan.uri!) ?? plan.uriText, now);
	}

	/** May this be forwarded? If not, it has been answered. */
	#admit(request: SipMessage, plan: RoutePlan, hop: Hop, now: number): Admission | undefined {
		const { options } = hop.flow;
		const isInDialog = request.to()!.tag !== "";
		// A Route value of ours that names the very hop a request comes from was handed out when its dialog was let through.
		if (isInDialog && plan.isProven) return ADMITTED;
		const from = this.#flows.aorOf(request.from()!.uri()!);
		if (options.peerAor !== undefined) {
			if (from === options.peerAor) return ADMITTED;
			this.#refuse(request, hop, 403, "From Is Not The Peer");
			return undefined;
		}
		if (!this.#isAuthenticating || options.isTrusted === true) return ADMITTED;
		const account = this.#authenticate(request, from, hop, true, now);
		if (account === undefined) return undefined;
		// Inside a dialog the From may be a ring group's AOR, which is nobody's account.
		if (account.account === from || isInDialog) return account;
		this.#refuse(request, hop, 403, "From Is Not The Account");
		return undefined;
	}

	/** Digest; `undefined`: the request has been answered. */
	#authenticate(
		request: SipMessage,
		aor: string | undefined,
		hop: Hop,
		isProxy: boolean,
		now: number,
	): Admission | undefined {
		const result = this.#auth.check(request, domainOf(aor) ?? this.#domain, hop.address, isProxy, now);
		if (result.type === "accepted") return { account: result.aor, line: result.line };
		const isBlocked = result.type === "blocked";
		if (isBlocked || result.wrongAor !== "") {
			const failed = isBlocked ? (aor ?? "") : result.wrongAor;
			this.#event({ type: "authenticationFailed", aor: failed, address: hop.address, isBlocked });
		}
		if (isBlocked) this.#refuse(request, hop, 403, "Too Many Failures");
		else this.#refuse(request, hop, isProxy ? 407 : 401, "", result.headers);
		return undefined;
	}

	// --- requests to the edge itself ---

	#serve(request: SipMessage, uri: Uri, hop: Hop, now: number): void {
		// RFC 3261 §8.2.2.3.
		const unsupported = unsupportedOptions(request);
		if (unsupported !== "") return this.#refuse(request, hop, 420, "", unsupported);
		if (this.#layer.isMerged(request)) return this.#refuse(request, hop, 482, "Merged Request");
		switch (request.method) {
			case "REGISTER":
				return this.#register(request, uri, hop, now);
			case "OPTIONS":
				// RFC 3261 §11.2: stateless, as often as it is asked.
				return this.#send(request, hop, 200, "", `Accept: application/sdp\r\nAllow: ${ALLOW}\r\n${SUPPORTED}`);
			default:
				return this.#refuse(request, hop, 405, "", "Allow: OPTIONS, REGISTER\r\n");
		}
	}

	#register(request: SipMessage, uri: Uri, hop: Hop, now: number): void {
		const to = request.to()!.uri()!;
		const aor = this.#flows.aorOf(to);
		// RFC 3261 §10.3 items 1 and 5; RFC 4475 §3.3.4: the AOR is a SIP URI of a domain served here.
		if (aor === undefined) return this.#refuse(request, hop, 400, "Bad To");
		if (!this.#flows.isOwn(to) || !uri.isSip) return this.#refuse(request, hop, 404, "");
		const { peerAor, isTrusted } = hop.flow.options;
		if (peerAor !== undefined) {
			if (peerAor !== aor) return this.#refuse(request, hop, 403, "To Is Not The Peer");
		} else if (this.#isAuthenticating && isTrusted !== true) {
			const account = this.#authenticate(request, aor, hop, false, now);
			if (account === undefined) return;
			if (account.account !== aor) return this.#refuse(request, hop, 403, "To Is Not The Account");
		}
		const server = this.#layer.newFinalServer(request, hop);
		if (server === undefined) return this.#refuse(request, hop, 503, "", RETRY_AFTER);
		const result = register(this.#bindings, request, aor, hop, this.#limits, now);
		server.respond(result.status, registerResponse(request, result, this.#ids.hex(5)), EMPTY, now);
		if (result.change !== undefined) this.#registrationEvents(aor, result.change);
	}

	#registrationEvents(aor: string, change: RegistrationChange): void {
		if (change.registered.length > 0) this.#registrationEvent("registered", aor, change.registered);
		if (change.refreshed.length > 0) this.#registrationEvent("refreshed", aor, change.refreshed);
		if (change.unregistered.length > 0) this.#registrationEvent("unregistered", aor, change.unregistered);
	}

	#registrationEvent(
		type: "registered" | "refreshed" | "unregistered" | "expired" | "flowClosed",
		aor: string,
		bindings: readonly Binding[],
	): void {
		this.#event({ type, aor, contacts: bindings.map(bindingInfo), remaining: this.#bindings.of(aor).length });
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

	/** Refuses a request; an ACK is never answered. */
	#refuse(request: SipMessage, hop: Hop, status: number, reason: string, extra = ""): void {
		this.#refused++;
		// Without a Via nobody could match the answer (RFC 3261 §18.2.2).
		if (request.method === "ACK" || request.find(Header.via) < 0) return;
		this.#send(request, hop, status, reason, extra);
	}

	#send(request: SipMessage, hop: Hop, status: number, reason: string, extra: string): void {
		const server = this.#software === "" ? "" : `Server: ${this.#software}\r\n`;
		const head = responseHead(request, status, reason, statelessTag(request), server + extra);
		this.#flows.send(hop, head, EMPTY);
	}
}
