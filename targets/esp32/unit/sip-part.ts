/**
 * SIP as a device has it: the doorbell's calls over the connections to the edges. Binds UserAgent to the device.
 *
 *   call ─ INVITE over the first edge ─ any answer ─► as the edge says
 *                     │ none for 700 ms, or the connection goes
 *                     └─► CANCEL, INVITE over the next edge: for the doorbell the same call
 */
import { type CallEndCause, FIRST_INCOMING_CALL } from "../../../core/device/types.ts";
import { UserAgent } from "../../../core/sip/agent/agent.ts";
import { readDtmfInfo } from "../../../core/sip/agent/dtmf-info.ts";
import type { AgentEvent, AgentTransmit } from "../../../core/sip/agent/types.ts";
import { readAor } from "../../../core/usages/aor.ts";
import { bytesToUtf8 } from "../../../core/wire/bytes.ts";
import type { SipEdges } from "./edges-part.ts";
import { MAX_COMMANDS, MAX_TRIES, MAX_UNIT_CALLS, NO_ANSWER_MS } from "./limits.ts";
import type { MediaPart } from "./media-part.ts";
import type { UnitContext, UnitPart } from "./types.ts";

/** What the doorbell is told; within `drain` or a command. */
export interface SipListener {
	callProgress(call: number, status: number): void;
	callAnswered(call: number): void;
	callEnded(call: number, cause: CallEndCause, status: number): void;
	callIncoming(call: number, from: string): void;
	digitReceived(call: number, digit: string): void;
	command(id: string, from: string, text: string): void;
}

interface UnitCall {
	/** The doorbell's number. */
	readonly call: number;
	/** AOR; "" for a call that came in. */
	readonly target: string;
	/** The agent's number, and over which connection. */
	agent: number;
	flow: number;
	/** Connections tried. */
	tries: number;
	/** When the next edge is asked; Infinity once this one has said something. */
	silentAt: number;
	/** This edge did not answer in time and there was no other. */
	isSilent: boolean;
	isAnswered: boolean;
}

interface Command {
	readonly id: string;
	readonly token: number;
}

export class SipPart implements UnitPart {
	readonly #context: UnitContext;
	readonly #listener: SipListener;
	readonly #edges: SipEdges;
	readonly #media: MediaPart;
	readonly #agent: UserAgent;
	#calls: UnitCall[] = [];
	#commands: Command[] = [];
	#lastIncoming = FIRST_INCOMING_CALL;
	/** A connection that is gone and whose answered calls wait for another one; 0: none. */
	#lostFlow = 0;

	constructor(context: UnitContext, listener: SipListener, edges: SipEdges, media: MediaPart) {
		this.#context = context;
		this.#listener = listener;
		this.#edges = edges;
		this.#media = media;
		this.#agent = new UserAgent({ crypto: context.hal.crypto, aor: `sip:${edges.own.text}` });
	}

	get count(): number {
		return this.#calls.length;
	}

	// ---- The doorbell's commands

	call(call: number, target: string, now: number): void {
		const flow = this.#edges.best();
		if (flow === undefined) {
			this.#listener.callEnded(call, "transport", 0);
			return;
		}
		const entry: UnitCall = {
			call,
			target,
			agent: 0,
			flow,
			tries: 0,
			silentAt: Infinity,
			isSilent: false,
			isAnswered: false,
		};
		if (this.#calls.length >= MAX_UNIT_CALLS || !this.#invite(entry, flow, now)) {
			this.#listener.callEnded(call, "limit", 0);
			return;
		}
		this.#calls.push(entry);
	}

	#invite(entry: UnitCall, flow: number, now: number): boolean {
		const media = this.#media.open(entry.call);
		if (media === undefined) return false;
		const agent = this.#agent.invite({ flow, uri: `sip:${entry.target}`, media }, now);
		if (agent === undefined) {
			if (entry.agent === 0) this.#media.close(entry.call, now);
			return false;
		}
		entry.agent = agent;
		entry.flow = flow;
		entry.tries++;
		entry.isSilent = false;
		entry.silentAt = now + NO_ANSWER_MS;
		return true;
	}

	hangUp(call: number, now: number): void {
		const entry = this.#ofDoor(call);
		if (entry !== undefined) this.#agent.hangUp(entry.agent, now);
	}

	ring(call: number, now: number): void {
		const entry = this.#ofDoor(call);
		if (entry !== undefined) this.#agent.ring(entry.agent, now);
	}

	answer(call: number, now: number): void {
		const entry = this.#ofDoor(call);
		if (entry === undefined) return;
		const media = this.#media.open(call);
		if (media === undefined) this.#agent.reject(entry.agent, 500, now);
		else this.#agent.answer(entry.agent, media, now);
	}

	reject(call: number, status: number, now: number): void {
		const entry = this.#ofDoor(call);
		if (entry !== undefined) this.#agent.reject(entry.agent, status, now);
	}

	/** Answers the MESSAGE that was this command. */
	reply(id: string, status: number, now: number): void {
		for (const command of this.#commands) {
			if (command.id !== id) continue;
			this.#agent.respond(command.token, status, now);
			this.#commands = this.#commands.filter((other) => other !== command);
			return;
		}
	}

	/** Ends every call. */
	hangUpAll(now: number): void {
		for (const { agent } of this.#calls.slice()) this.#agent.hangUp(agent, now);
	}

	// ---- Connections

	flowUp(flow: number, contact: string): void {
		const localAddress = this.#context.hal.network.address ?? "0.0.0.0";
		const replaces = this.#lostFlow === 0 ? {} : { replaces: this.#lostFlow };
		this.#lostFlow = 0;
		// Answers come back over the connection: our Via names nobody else.
		const sentBy = `${this.#edges.own.user}.invalid`;
		this.#agent.addFlow({ flow, transport: "overlay", localAddress, localPort: 0, sentBy, contact, ...replaces });
		const now = this.#context.now();
		for (const entry of this.#calls) if (entry.isSilent && entry.flow !== flow) this.#move(entry, flow, now);
	}

	flowDown(flow: number): void {
		const now = this.#context.now();
		const next = this.#edges.best(flow);
		for (const entry of this.#calls) {
			if (entry.flow === flow && entry.isAnswered) this.#lostFlow = flow;
			// Nobody knows how far it came: over another connection it rings in any case.
			if (entry.flow === flow && !entry.isAnswered && entry.target !== "" && next !== undefined)
				this.#move(entry, next, now);
		}
		this.#agent.removeFlow(flow, now);
	}

	octets(flow: number, bytes: Uint8Array): void {
		// The view is the connection's; the agent keeps what it is given.
		this.#agent.handle({ type: "octets", flow, octets: bytes.slice() }, this.#context.now());
	}

	/** The call goes on over another edge; what the first one may still say of it is nobody's. */
	#move(entry: UnitCall, flow: number, now: number): void {
		if (entry.tries >= MAX_TRIES) return;
		const before = entry.agent;
		if (!this.#invite(entry, flow, now)) return;
		this.#agent.hangUp(before, now);
		this.#context.hal.log("warn", "unit.nextEdge", { call: entry.call, flow });
	}

	// ---- UnitPart

	deadline(): number {
		let at = this.#agent.deadline();
		for (const entry of this.#calls) at = Math.min(at, entry.silentAt);
		return at;
	}

	timeout(now: number): void {
		if (this.#agent.deadline() <= now) this.#agent.handle({ type: "timeout" }, now);
		for (const entry of this.#calls) if (entry.silentAt <= now) this.#silent(entry, now);
	}

	#silent(entry: UnitCall, now: number): void {
		entry.silentAt = Infinity;
		entry.isSilent = true;
		this.#edges.doubt(entry.flow, now);
		const next = this.#edges.best(entry.flow);
		if (next !== undefined) this.#move(entry, next, now);
	}

	drain(now: number): boolean {
		let worked = false;
		for (let output = this.#agent.poll(); output !== undefined; output = this.#agent.poll()) {
			worked = true;
			if (output.type === "transmit") this.#transmit(output, now);
			else if (output.type === "close") this.#edges.drop(output.flow, now);
			else this.#event(output, now);
		}
		return worked;
	}

	#transmit({ flow, head, body }: AgentTransmit, now: number): void {
		const bytes = new Uint8Array(head.length + body.length);
		for (let i = 0; i < head.length; i++) bytes[i] = head.charCodeAt(i);
		bytes.set(body, head.length);
		if (!this.#edges.send(flow, bytes)) this.#edges.drop(flow, now);
	}

	#event(event: AgentEvent, now: number): void {
		if (event.type === "incoming") {
			this.#incoming(event.call, event.flow, event.from);
			return;
		}
		if (event.type === "message") {
			this.#message(event);
			return;
		}
		if (event.type === "sent") return;
		const entry = this.#ofAgent(event.call);
		if (entry === undefined) return;
		switch (event.type) {
			case "progress":
				entry.silentAt = Infinity;
				entry.isSilent = false;
				this.#listener.callProgress(entry.call, event.status);
				return;
			case "early":
			case "media":
				this.#media.configure(entry.call, event.media, now);
				return;
			case "answered":
				entry.silentAt = Infinity;
				entry.isAnswered = true;
				this.#media.configure(entry.call, event.media, now);
				this.#listener.callAnswered(entry.call);
				return;
			case "info": {
				const digit = readDtmfInfo(event.contentType, event.body);
				if (digit !== undefined) this.#listener.digitReceived(entry.call, digit.digit);
				return;
			}
			case "ended":
				this.#calls = this.#calls.filter((other) => other !== entry);
				this.#media.close(entry.call, now);
				this.#listener.callEnded(entry.call, event.cause, event.status);
				return;
			default:
				if (event.type === "confirmed") entry.isAnswered = true;
		}
	}

	#incoming(agent: number, flow: number, from: string): void {
		const call = ++this.#lastIncoming;
		this.#calls.push({
			call,
			target: "",
			agent,
			flow,
			tries: 1,
			silentAt: Infinity,
			isSilent: false,
			isAnswered: false,
		});
		this.#listener.callIncoming(call, this.#authenticated(from));
	}

	#message(event: Extract<AgentEvent, { type: "message" }>): void {
		const id = `${event.callId} ${event.cseq}`;
		this.#commands.push({ id, token: event.token });
		if (this.#commands.length > MAX_COMMANDS) this.#commands.shift();
		this.#listener.command(id, this.#authenticated(event.from), bytesToUtf8(event.body));
	}

	/** The edge lets nobody of our domain use another's name; who is of another domain is nobody to us. */
	#authenticated(from: string): string {
		const aor = readAor(from);
		return aor?.domain === this.#edges.own.domain ? aor.text : "";
	}

	#ofDoor(call: number): UnitCall | undefined {
		for (const entry of this.#calls) if (entry.call === call) return entry;
		return undefined;
	}

	#ofAgent(agent: number): UnitCall | undefined {
		for (const entry of this.#calls) if (entry.agent === agent) return entry;
		return undefined;
	}
}
