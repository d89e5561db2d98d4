/**
 * The node of an overlay (RFC 6940), sans-IO: composes links, routing, requests and a role (peer or client). README.md of this folder
 * has the picture; node-types.ts says what goes in and comes out.
 *
 * This class owns the order of events and nothing else: one input, then everything that follows from it (`#settle`), then the host
 * polls. Nothing calls back from within its own cause: what must not, waits in `#later`.
 */
import type { Crypto, Log } from "../../hal/hal.ts";
import type { LocalIdentity } from "../identity/signer.ts";
import type { Machine } from "../machine.ts";
import { isRefused } from "../machine.ts";
import { EMPTY } from "../wire/bytes.ts";
import { ErrorCode, MessageCode } from "../wire/codes.ts";
import type { Destination } from "../wire/destination.ts";
import { readPingAns, writePingReq } from "../wire/ping.ts";
import { readProbeAns, writeProbeReq } from "../wire/probe.ts";
import { readChordRouteQueryAns, writeRouteQueryReq } from "../wire/route-query.ts";
import { encode } from "../wire/writer.ts";
import { Answers } from "./answers.ts";
import { AppAttaches } from "./app-attach.ts";
import type { AttachOutcome } from "./attach.ts";
import { ConfigUpdates } from "./config-updates.ts";
import { type Connection, Connections } from "./connections.ts";
import type { NodeContext, Role } from "./context.ts";
import { Counter, Counters } from "./counters.ts";
import { badAnswer, DataRequests, failure, notOurs } from "./data-requests.ts";
import { Delivery } from "./delivery.ts";
import { Identities } from "./identities.ts";
import type { OverlayLimits } from "./limits.ts";
import { Links } from "./links.ts";
import type {
	AnswerBody,
	AppAttachOptions,
	Endpoint,
	FetchKind,
	KnownEndpoint,
	LinkStatus,
	NodeEvent,
	NodeInput,
	NodeOutput,
	NodeStatus,
	OverlayCommands,
	OverlayNodeOptions,
	RequestOptions,
	RequestResult,
	StartOptions,
	StoreKind,
} from "./node-types.ts";
import { Originator } from "./originator.ts";
import type { TimerProfile } from "./profile.ts";
import { Receiver } from "./receiver.ts";
import { Requests } from "./requests.ts";
import { Settings } from "./settings.ts";
import { Traces } from "./trace.ts";
import { WayErrors } from "./way-errors.ts";

export type * from "./node-types.ts";

const NO_OPTIONS: RequestOptions = Object.freeze({});

export class OverlayNode implements Machine<NodeInput, NodeOutput>, OverlayCommands, NodeContext {
	readonly nodeId: Uint8Array;
	readonly crypto: Crypto;
	readonly profile: TimerProfile;
	readonly limits: OverlayLimits;
	readonly counters = new Counters();
	readonly identities: Identities;
	readonly settings: Settings;
	readonly connections: Connections;
	readonly links: Links;
	readonly requests: Requests;
	readonly answers: Answers;
	readonly appAttaches: AppAttaches;
	readonly configUpdates: ConfigUpdates;
	readonly wayErrors: WayErrors;
	readonly role: Role;
	readonly listen: readonly Endpoint[];
	readonly pathLimit: number;
	readonly compressVia: boolean;
	readonly log: Log;
	readonly startWallMs: number;
	readonly #delivery: Delivery;
	readonly #receiver: Receiver;
	readonly #originator: Originator;
	readonly #data: DataRequests;
	readonly #traces: Traces;
	/** NaN while nobody knows the time. */
	#wallOffsetMs = Number.NaN;
	#ticked = false;
	#startedAt = 0;
	#lastToken = 0;
	#outputs: NodeOutput[] = [];
	#polled = 0;
	#events = 0;
	#later: ((now: number) => void)[] = [];
	readonly #spare: (() => void)[] = [];
	#settling = false;

	constructor(options: OverlayNodeOptions) {
		this.nodeId = options.identity.nodeId;
		this.crypto = options.crypto;
		this.profile = options.profile;
		this.limits = Object.assign({}, options.role.limits, options.limits);
		this.identities = new Identities(options.identity, this.limits.identities);
		this.settings = new Settings(options.config, options.configBytes, options.crypto);
		this.connections = new Connections(options.crypto.random(1)[0]!);
		this.listen = options.listen;
		this.pathLimit = options.pathLimit ?? Infinity;
		this.compressVia = options.compressVia ?? false;
		this.log = options.log ?? (() => {});
		this.startWallMs = options.wallMs;
		this.#delivery = new Delivery(this);
		this.#receiver = new Receiver(this, this.#delivery);
		this.links = new Links(this, this.#receiver, options.role.linkLimits);
		this.#originator = new Originator(this, this.#receiver);
		this.requests = new Requests(this);
		this.answers = new Answers(this);
		this.appAttaches = new AppAttaches(this, options.applications ?? []);
		this.configUpdates = new ConfigUpdates(this);
		this.wayErrors = new WayErrors(this);
		this.#data = new DataRequests(this);
		this.#traces = new Traces(this);
		this.role = options.role.make(this);
	}

	// ---- Machine

	handle(input: NodeInput, now: number): void {
		this.#tick(now);
		switch (input.type) {
			case "bytes":
				this.links.bytes(input.link, input.bytes, now);
				break;
			case "drained":
				this.links.drained(input.link, input.buffered ?? 0, now);
				return;
			case "timeout":
				this.#timeout(now);
				break;
			case "linkUp":
				this.links.linkUp(input, now);
				break;
			case "linkDown":
				this.links.linkDown(input.link, input.reason, now);
				break;
			case "connectFailed":
				this.links.connectFailed(input.connect, now);
				break;
			case "persisted":
				this.role.persisted(input.batch, input.error, now);
				break;
			case "clock":
				this.#wallOffsetMs = input.wallMs - now;
				break;
			case "document":
				this.#document(input.bytes, now);
		}
		this.#settle(now);
	}

	poll(): NodeOutput | undefined {
		if (this.#polled === this.#outputs.length) {
			for (let run = this.#spare.shift(); run !== undefined; run = this.#spare.shift()) run();
			return undefined;
		}
		const output = this.#outputs[this.#polled++]!;
		if (output.type === "event") this.#events--;
		if (this.#polled === this.#outputs.length) {
			this.#outputs = [];
			this.#polled = 0;
		}
		return output;
	}

	deadline(): number {
		return Math.min(this.links.deadline(), this.requests.deadline(), this.#delivery.deadline(), this.role.deadline());
	}

	#timeout(now: number): void {
		this.links.timeout(now);
		this.requests.timeout(now);
		this.#delivery.timeout(now);
		this.role.timeout(now);
	}

	#document(bytes: Uint8Array, now: number): void {
		const fault = this.configUpdates.adopt(bytes, now);
		if (fault !== undefined) this.event({ type: "refused", what: "document", reason: fault.refused, address: "" });
	}

	/** Carries out everything that follows from an input or command. */
	#settle(now: number): void {
		if (this.#settling) return;
		this.#settling = true;
		for (;;) {
			if (this.#later.length > 0) {
				const later = this.#later;
				this.#later = [];
				for (let i = 0; i < later.length; i++) later[i]!(now);
			} else if (!this.#originator.comeHome(now) && !this.links.flush(now)) break;
		}
		this.#settling = false;
	}

	#tick(now: number): void {
		if (this.#ticked) return;
		this.#ticked = true;
		this.#wallOffsetMs = this.startWallMs - now;
		this.#startedAt = now;
	}

	// ---- NodeContext

	get wallOffsetMs(): number {
		return this.#wallOffsetMs;
	}

	wallMs(now: number): number {
		this.#tick(now);
		return now + this.wallOffsetMs;
	}

	uptimeS(now: number): number {
		return Math.max(0, (now - this.#startedAt) / 1000);
	}

	random(): number {
		const octets = this.crypto.random(4);
		return (((octets[0]! << 24) | (octets[1]! << 16) | (octets[2]! << 8) | octets[3]!) >>> 0) / 0x100000000;
	}

	emit(output: NodeOutput): void {
		this.#outputs.push(output);
	}

	event(event: NodeEvent): void {
		if (this.#events >= this.limits.events) this.#dropEvent();
		this.#events++;
		this.#outputs.push({ type: "event", event });
	}

	/** The host does not poll: the oldest event goes, everything else stays. */
	#dropEvent(): void {
		for (let i = this.#polled; i < this.#outputs.length; i++) {
			if (this.#outputs[i]!.type !== "event") continue;
			this.#outputs.splice(i, 1);
			this.#events--;
			this.counters.add(Counter.eventsDropped);
			return;
		}
	}

	result(token: number, result: RequestResult): void {
		this.#outputs.push({ type: "result", token, result });
	}

	nextToken(): number {
		return ++this.#lastToken;
	}

	later(run: (now: number) => void): void {
		this.#later.push(run);
	}

	spare(run: () => void): void {
		this.#spare.push(run);
	}

	send(message: Uint8Array, now: number, only?: Connection): Connection | undefined {
		return this.#originator.send(message, now, only);
	}

	// ---- Commands

	/** Runs a command that ends in a result: gives its token. */
	#command(now: number, run: (token: number) => void): number {
		this.#tick(now);
		const token = this.nextToken();
		run(token);
		this.#settle(now);
		return token;
	}

	#ask(
		token: number,
		code: number,
		body: Uint8Array,
		destination: readonly Destination[],
		options: RequestOptions,
		now: number,
		read: (body: Uint8Array) => AnswerBody | undefined,
	): void {
		const identity = this.identities.find(options.as ?? this.nodeId);
		if (identity === undefined) {
			this.result(token, notOurs());
			return;
		}
		const { maxResponseLength } = options;
		this.requests.open(
			{
				code,
				body,
				destination,
				identity,
				maxResponseLength,
				done: (outcome) => {
					if (!outcome.ok) {
						this.result(token, failure(outcome));
						return;
					}
					const { from, rttMs, hops, message } = outcome;
					const answer = read(message.contents.messageBody);
					this.result(token, answer === undefined ? badAnswer() : { ok: true, body: answer, from, rttMs, hops });
				},
			},
			now,
		);
	}

	start(options: StartOptions, now: number): void {
		this.#tick(now);
		this.role.start(options, now);
		this.#settle(now);
	}

	discovered(endpoints: readonly KnownEndpoint[], now: number): void {
		this.#tick(now);
		this.role.discovered(endpoints, now);
		this.#settle(now);
	}

	leave(now: number): void {
		this.#tick(now);
		this.role.leave(now);
		this.#settle(now);
	}

	/** Serves one more identity, or takes over the renewed certificate of one (our own too). False: too many. */
	addIdentity(identity: LocalIdentity): boolean {
		return this.identities.add(identity);
	}

	removeIdentity(nodeId: Uint8Array): void {
		this.identities.remove(nodeId);
	}

	ping(destination: readonly Destination[], now: number, options = NO_OPTIONS): number {
		const body = encode(writePingReq, { padding: EMPTY });
		return this.#command(now, (token) =>
			this.#ask(token, MessageCode.pingReq, body, destination, options, now, (octets) => {
				const ping = readPingAns(octets);
				return isRefused(ping) ? undefined : { type: "ping", ping };
			}),
		);
	}

	probe(destination: readonly Destination[], requested: readonly number[], now: number, options = NO_OPTIONS): number {
		const body = encode(writeProbeReq, { requestedInfo: requested });
		return this.#command(now, (token) =>
			this.#ask(token, MessageCode.probeReq, body, destination, options, now, (octets) => {
				const answer = readProbeAns(octets);
				return isRefused(answer) ? undefined : { type: "probe", info: answer.probeInfo };
			}),
		);
	}

	routeQuery(
		via: readonly Destination[],
		destination: Destination,
		sendUpdate: boolean,
		now: number,
		options = NO_OPTIONS,
	): number {
		const body = encode(writeRouteQueryReq, { sendUpdate, destination, overlaySpecificData: EMPTY });
		const { nodeIdLength } = this.settings.config;
		return this.#command(now, (token) =>
			this.#ask(token, MessageCode.routeQueryReq, body, via, options, now, (octets) => {
				const answer = readChordRouteQueryAns(octets, nodeIdLength);
				return isRefused(answer) ? undefined : { type: "routeQuery", nextPeer: answer.nextPeer };
			}),
		);
	}

	store(resourceId: Uint8Array, kinds: readonly StoreKind[], now: number, options = NO_OPTIONS): number {
		return this.#command(now, (token) => this.#data.store(token, resourceId, kinds, options, now));
	}

	fetch(resourceId: Uint8Array, kinds: readonly FetchKind[], now: number, options = NO_OPTIONS): number {
		return this.#command(now, (token) => this.#data.fetch(token, resourceId, kinds, options, now));
	}

	stat(resourceId: Uint8Array, kinds: readonly FetchKind[], now: number, options = NO_OPTIONS): number {
		return this.#command(now, (token) => this.#data.stat(token, resourceId, kinds, options, now));
	}

	find(resourceId: Uint8Array, kinds: readonly number[], now: number, options = NO_OPTIONS): number {
		return this.#command(now, (token) => this.#data.find(token, resourceId, kinds, options, now));
	}

	attach(destination: readonly Destination[], sendUpdate: boolean, now: number): number {
		return this.#command(now, (token) => {
			if (this.role.attach === undefined) {
				this.result(token, { ok: false, errorCode: ErrorCode.forbidden, info: "a client has no listener" });
				return;
			}
			const spec = { destination, sendUpdate, done: (outcome: AttachOutcome) => this.#attached(token, outcome) };
			this.role.attach(spec, now);
		});
	}

	#attached(token: number, outcome: AttachOutcome): void {
		if (!outcome.ok) {
			this.result(token, failure({ ...outcome, from: undefined }));
			return;
		}
		const { nodeId, answered } = outcome;
		const certificate = this.connections.findAny(nodeId)?.certificate;
		const linked = certificate && { certificate, nodeId, userName: certificate.userName ?? "" };
		const from = answered?.from ?? linked;
		if (from === undefined) {
			this.result(token, { ok: false, errorCode: ErrorCode.requestTimeout, info: "the link is gone again" });
			return;
		}
		this.result(token, { ok: true, body: { type: "attach", nodeId }, from, rttMs: answered?.rttMs ?? 0 });
	}

	appAttach(
		destination: readonly Destination[],
		application: number,
		now: number,
		options: AppAttachOptions = NO_OPTIONS,
	): number {
		return this.#command(now, (token) => this.appAttaches.open(token, destination, application, options, now));
	}

	configUpdate(destination: readonly Destination[], now: number): number {
		return this.#command(now, (token) => this.configUpdates.send(token, destination, now));
	}

	trace(destination: Destination, now: number): number {
		return this.#command(now, (token) => this.#traces.open(token, destination, now));
	}

	resourceId(name: Uint8Array): Uint8Array {
		return this.role.resourceId(name);
	}

	// ---- Looking in

	/** Plain data for people and dashboards; costs a walk over all tables. */
	status(now: number): NodeStatus {
		const links: LinkStatus[] = [];
		for (const connection of this.connections.all()) {
			const { link, nodeId, address, port, initiated, state, stream } = connection;
			links.push({ link, nodeId, address, port, initiated, state, rttMs: stream.rttMs });
		}
		const { config } = this.settings;
		return {
			nodeId: this.nodeId,
			role: this.role.kind,
			overlay: config.instanceName,
			sequence: config.sequence,
			inOverlay: this.role.inOverlay,
			uptimeS: this.uptimeS(now),
			links,
			identities: this.identities.all().map(({ nodeId, userName }) => ({ nodeId, userName })),
			counters: this.counters.snapshot(),
			...this.role.status(now),
		};
	}
}
