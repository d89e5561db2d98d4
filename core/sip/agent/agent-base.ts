/**
 * What a user agent receives, and its tables: flows, calls, messages that wait. RFC 3261 §8.2, §9.2, §12.2.2, §17, §18.
 *
 *   octets -> parse -> Via note -> transaction? -> retransmission, ACK, CANCEL, response -> Call | PendingRequest
 *                                     | none
 *                          faults -> refusal, stateless
 *                                     |
 *               dialog? -> Call      MESSAGE -> `message`      INVITE -> new Call -> `incoming`      OPTIONS -> 200
 */
import type { Machine } from "../../machine.ts";
import { EMPTY } from "../../wire/bytes.ts";
import { isHeaderText } from "../build.ts";
import { Hop, hostText } from "../flow.ts";
import { StreamFramer } from "../framing.ts";
import { Header } from "../header-names.ts";
import type { SipMessage } from "../message.ts";
import { octetsToText, parseDatagram, type ReadOctets } from "../parse.ts";
import type { Transaction } from "../transaction.ts";
import { serverKey } from "../transactions.ts";
import { parseUri } from "../uri.ts";
import { noteVia, replyHop } from "../via-note.ts";
import { Call } from "./call.ts";
import { NEVER, sdpOf } from "./call-base.ts";
import { faultOf } from "./checks.ts";
import {
	AGENT_ALLOW,
	AGENT_SUPPORTED,
	AgentCore,
	AgentLine,
	answerFrame,
	MIN_SESSION_LINE,
	RETRY_LATER,
} from "./core.ts";
import { Dialog, hopOfUri } from "./dialog.ts";
import { valueNamed, wantsAutoAnswer } from "./headers.ts";
import { MAX_CALLS, MAX_CLOSING_CALLS, MAX_FLOWS, MAX_PENDING_MESSAGES } from "./limits.ts";
import { judgeOffer } from "./offer-answer.ts";
import { isTooShort } from "./session-timer.ts";
import type { AgentFlow, AgentInput, AgentOptions, AgentOutput } from "./types.ts";

/** RFC 5626 §3.5.1: the answer to two CRLFs. */
const PONG = "\r\n";

/** What is alive; all zero but the flows when nothing goes on. */
export interface AgentStats {
	readonly flows: number;
	/** Calls the host knows of. */
	readonly calls: number;
	/** Calls that are over for the host only. */
	readonly closing: number;
	readonly messages: number;
	readonly clientTransactions: number;
	readonly serverTransactions: number;
	readonly timers: number;
	/** Octets that were no SIP message, faulty responses, responses to nothing. */
	readonly dropped: number;
}

/** A MESSAGE that waits for `respond`. */
interface PendingMessage {
	readonly token: number;
	readonly server: Transaction;
	readonly frame: string;
}

export class AgentBase implements Machine<AgentInput, AgentOutput> {
	protected readonly core: AgentCore;
	readonly #read: ReadOctets;
	/** False: nothing can be sent From our AOR. */
	protected readonly hasAor: boolean;
	/** User part of our AOR, with "@"; "" without. */
	readonly #user: string;
	readonly #lines: AgentLine[] = [];
	protected readonly calls: Call[] = [];
	protected readonly messages: PendingMessage[] = [];
	#dropped = 0;

	constructor(options: AgentOptions) {
		this.core = new AgentCore(options);
		this.#read = options.readOctets ?? octetsToText;
		const aor = parseUri(options.aor);
		this.hasAor = aor?.isSip === true && isHeaderText(options.aor);
		const user = this.hasAor ? aor?.user : undefined;
		this.#user = user === undefined ? "" : `${user}@`;
	}

	/** Registers a flow. False: the number is in use, there is no room (MAX_FLOWS), or the Contact is no URI. */
	addFlow(flow: AgentFlow): boolean {
		if (this.lineOfNumber(flow.flow) !== undefined || this.#lines.length >= MAX_FLOWS) return false;
		const contact = flow.contact ?? this.#contactOf(flow);
		if (!isHeaderText(contact) || parseUri(contact)?.isSip !== true) return false;
		const line = new AgentLine(flow, contact);
		this.#lines.push(line);
		if (flow.replaces === undefined) return true;
		for (let i = 0; i < this.calls.length; i++) {
			const call = this.calls[i]!;
			if (call.dialog.hop.flow.number === flow.replaces) call.moveTo(line, contactLine(contact));
		}
		return true;
	}

	/** As the input `flowClosed`. */
	removeFlow(flow: number, now: number): void {
		this.handle({ type: "flowClosed", flow }, now);
	}

	#contactOf(flow: AgentFlow): string {
		const transport =
			flow.transport === "udp" ? "" : `;transport=${flow.transport === "overlay" ? "tls" : flow.transport}`;
		return `sip:${this.#user}${hostText(flow.localAddress)}:${flow.localPort}${transport}`;
	}

	protected lineOfNumber(flow: number): AgentLine | undefined {
		for (let i = 0; i < this.#lines.length; i++) if (this.#lines[i]!.number === flow) return this.#lines[i];
		return undefined;
	}

	/** Where a request of ours goes: over the connection, or to the address told, or to the URI's own. */
	protected hopTo(options: { flow: number; address?: string; port?: number; uri: string }): Hop | undefined {
		const line = this.lineOfNumber(options.flow);
		if (line === undefined || !line.hasManyRemotes) return line?.hop;
		if (options.address !== undefined) return new Hop(line, options.address, options.port ?? 5060);
		return hopOfUri(options.uri, line.hop);
	}

	/** The state of a call; `undefined` once it has ended. */
	stateOf(call: number): string | undefined {
		return this.callOf(call)?.state;
	}

	stats(): AgentStats {
		const calls = this.active();
		return {
			flows: this.#lines.length,
			calls,
			closing: this.calls.length - calls,
			messages: this.messages.length,
			clientTransactions: this.core.layer.clientCount,
			serverTransactions: this.core.layer.serverCount,
			timers: this.core.timers.size,
			dropped: this.#dropped,
		};
	}

	protected callOf(number: number): Call | undefined {
		for (let i = 0; i < this.calls.length; i++) {
			const call = this.calls[i]!;
			if (call.number === number && !call.isOver) return call;
		}
		return undefined;
	}

	protected lineOf(call: Call | undefined): AgentLine | undefined {
		return call === undefined ? undefined : this.lineOfNumber(call.dialog.hop.flow.number);
	}

	protected active(): number {
		let count = 0;
		for (let i = 0; i < this.calls.length; i++) if (!this.calls[i]!.isOver) count++;
		return count;
	}

	/** A new call may push out the oldest of those that are over (MAX_CLOSING_CALLS). */
	protected makeRoom(now: number): void {
		if (this.calls.length - this.active() < MAX_CLOSING_CALLS) return;
		for (let i = 0; i < this.calls.length; i++) {
			if (!this.calls[i]!.isOver) continue;
			this.calls[i]!.drop(now);
			this.calls.splice(i, 1);
			return;
		}
	}

	/** The end of every command. */
	protected settled(result: boolean | undefined, now: number): boolean {
		this.settle(now);
		return result === true;
	}

	/** Failures are told and calls that are done forgotten when nobody is in the middle of anything. */
	protected settle(now: number): void {
		this.core.layer.flushFailures(now);
		for (let i = this.calls.length - 1; i >= 0; i--) if (this.calls[i]!.state === "done") this.calls.splice(i, 1);
	}

	// --- the machine ---

	handle(input: AgentInput, now: number): void {
		switch (input.type) {
			case "timeout":
				this.#timeout(now);
				break;
			case "datagram":
				this.#datagram(input.flow, input.octets, input.address, input.port, now);
				break;
			case "octets":
				this.#octets(input.flow, input.octets, now);
				break;
			case "flowClosed":
				this.#flowClosed(input.flow, now);
				break;
		}
		this.settle(now);
	}

	poll(): AgentOutput | undefined {
		return this.core.poll();
	}

	deadline(): number {
		let at = this.core.timers.next();
		for (let i = 0; i < this.#lines.length; i++) at = Math.min(at, this.#lines[i]!.stallAt);
		for (let i = 0; i < this.calls.length; i++) at = Math.min(at, this.calls[i]!.deadline());
		return at;
	}

	#timeout(now: number): void {
		const { timers } = this.core;
		for (let timer = timers.pop(now); timer !== undefined; timer = timers.pop(now)) {
			timer.owner.expire(timer.letter, now);
		}
		for (let i = 0; i < this.calls.length; i++) {
			const call = this.calls[i]!;
			if (call.deadline() <= now && call.deadline() !== NEVER) call.step(now);
		}
		for (let i = 0; i < this.#lines.length; i++) {
			const line = this.#lines[i]!;
			if (line.stallAt > now) continue;
			line.stallAt = NEVER;
			this.core.close(line.number, "unfinished message");
		}
	}

	#datagram(flow: number, octets: Uint8Array, address: string, port: number, now: number): void {
		const line = this.lineOfNumber(flow);
		if (line === undefined) return;
		const message = parseDatagram(octets, this.#read, this.core.limits);
		if (message === undefined) this.#dropped++;
		else this.#message(message, line.hasManyRemotes ? new Hop(line, address, port) : line.hop, now);
	}

	#octets(flow: number, octets: Uint8Array, now: number): void {
		const line = this.lineOfNumber(flow);
		if (line === undefined) return;
		line.framer ??= new StreamFramer(this.#read, this.core.limits);
		line.framer.push(octets);
		for (let next = line.framer.next(); next !== "wait"; next = line.framer.next()) {
			if (next === "broken") {
				this.#dropped++;
				this.core.close(flow, "unframed octets");
				return;
			}
			if (next === "ping") this.core.send(line.hop, PONG, EMPTY);
			else this.#message(next, line.hop, now);
		}
		// RFC 4475 §3.1.2.2: a message that does not go on is not waited for without end.
		if (!line.framer.isInside) line.stallAt = NEVER;
		else if (line.stallAt === NEVER) line.stallAt = now + this.core.times.stall;
	}

	#flowClosed(flow: number, now: number): void {
		const line = this.lineOfNumber(flow);
		if (line === undefined) return;
		line.isOpen = false;
		this.#lines.splice(this.#lines.indexOf(line), 1);
		this.core.layer.flowClosed(line);
		for (let i = 0; i < this.calls.length; i++) {
			if (this.calls[i]!.dialog.hop.flow === line) this.calls[i]!.flowClosed(now);
		}
	}

	#message(message: SipMessage, hop: Hop, now: number): void {
		if (message.isRequest) {
			this.#requested(message, hop, now);
			return;
		}
		const client = message.fault === undefined ? this.core.layer.findClient(message) : undefined;
		// RFC 6026 §7.3 MUST: a response to nothing is dropped.
		if (client === undefined) this.#dropped++;
		else client.receive(message, now);
	}

	#requested(request: SipMessage, from: Hop, now: number): void {
		if (!noteVia(request, from)) {
			this.core.refuse(request, from, 400, "Bad Via");
			return;
		}
		const hop = replyHop(request, from);
		const { method } = request;
		if (request.fault === undefined && (method === "ACK" || method === "CANCEL")) {
			if (method === "ACK") this.#ack(request, now);
			else this.#cancel(request, hop, now);
			return;
		}
		const server = request.fault === undefined ? this.core.layer.findServer(request, method) : undefined;
		if (server !== undefined) {
			server.step("request", undefined, now);
			return;
		}
		const fault = faultOf(request);
		if (fault !== undefined) this.core.refuse(request, hop, fault.status, fault.reason, fault.headers);
		else if (request.toTag() !== "") this.#inDialog(request, hop, now);
		else this.#outside(request, hop, now);
	}

	#ack(ack: SipMessage, now: number): void {
		const server = this.core.layer.findServer(ack, "INVITE");
		if (server !== undefined) server.step("ack", ack, now);
		else this.#dialogOf(ack)?.handleAck(undefined, ack, now);
	}

	/** RFC 3261 §9.2. */
	#cancel(cancel: SipMessage, hop: Hop, now: number): void {
		const core = this.core;
		const again = core.layer.findServer(cancel, "CANCEL");
		const invite = core.layer.findServer(cancel, "INVITE");
		if (again !== undefined) again.step("request", undefined, now);
		else if (invite === undefined || !invite.hop.isSameSource(hop)) core.refuse(cancel, hop, 481);
		else {
			core.answer(cancel, hop, 200, "", now);
			invite.server?.handleCancel(invite, cancel, now);
		}
	}

	#dialogOf(request: SipMessage): Call | undefined {
		for (let i = 0; i < this.calls.length; i++) if (this.calls[i]!.owns(request)) return this.calls[i];
		return undefined;
	}

	#inDialog(request: SipMessage, hop: Hop, now: number): void {
		const core = this.core;
		const call = this.#dialogOf(request);
		if (call === undefined) {
			core.refuse(request, hop, 481);
			return;
		}
		if (!call.admits(request, hop, now)) return;
		if (request.method === "INFO") this.#info(call, request, hop, now);
		else if (request.method === "MESSAGE") this.#messaged(call.number, request, hop, now);
		else call.handleRequest(request, hop, now);
	}

	/** RFC 6086 §4.2.2: no package is known here, only INFO as it was before them. */
	#info(call: Call, request: SipMessage, hop: Hop, now: number): void {
		const isPackage = valueNamed(request, "info-package") !== undefined;
		this.core.answer(request, hop, isPackage ? 469 : 200, isPackage ? "Recv-Info: nil\r\n" : "", now);
		if (isPackage) return;
		const contentType = request.value(Header.contentType) ?? "";
		this.core.put({ type: "info", call: call.number, contentType, body: request.body });
	}

	#outside(request: SipMessage, hop: Hop, now: number): void {
		const core = this.core;
		// RFC 3261 §8.2.2.2: the same request another way.
		if (core.layer.isMerged(request)) core.refuse(request, hop, 482);
		else if (request.method === "OPTIONS") {
			core.refuse(request, hop, 200, "", `${AGENT_ALLOW}${AGENT_SUPPORTED}Accept: application/sdp\r\n`);
		} else if (request.method === "MESSAGE") this.#messaged(0, request, hop, now);
		else if (request.method === "INVITE") this.#invited(request, hop, now);
		// BYE, INFO and UPDATE live in dialogs only.
		else core.refuse(request, hop, 481);
	}

	#messaged(call: number, request: SipMessage, hop: Hop, now: number): void {
		const core = this.core;
		const isFull = this.messages.length >= MAX_PENDING_MESSAGES;
		const server = isFull ? undefined : this.#messageServer(request, hop);
		if (server === undefined) {
			core.refuse(request, hop, 503, "", RETRY_LATER);
			return;
		}
		const token = core.nextToken();
		this.messages.push({ token, server, frame: answerFrame(request, core.ids.hex(5)) });
		const from = request.from()!;
		core.put({
			type: "message",
			token,
			call,
			flow: hop.flow.number,
			from: from.uriText(),
			fromName: from.display(),
			to: request.to()!.uriText(),
			callId: request.callId(),
			cseq: request.cseq,
			contentType: request.value(Header.contentType) ?? "",
			body: request.body,
		});
		void now;
	}

	#messageServer(request: SipMessage, hop: Hop): Transaction | undefined {
		const { layer } = this.core;
		if (request.toTag() === "") return layer.newFinalServer(request, hop);
		return layer.newServer(request.method, serverKey(request, request.method), hop);
	}

	#invited(request: SipMessage, hop: Hop, now: number): void {
		const core = this.core;
		const sdp = sdpOf(request);
		const offer = sdp === "" ? "plain" : judgeOffer(sdp, "optional");
		for (let i = 0; i < this.calls.length; i++) {
			if (!this.calls[i]!.sent(request)) continue;
			core.refuse(request, hop, 482);
			return;
		}
		if (this.active() >= MAX_CALLS) core.refuse(request, hop, 486);
		else if (offer === undefined) core.refuse(request, hop, 488);
		else if (isTooShort(request)) core.refuse(request, hop, 422, "", MIN_SESSION_LINE);
		else this.#newCall(request, hop, sdp, offer === "secure", now);
	}

	#newCall(request: SipMessage, hop: Hop, sdp: string, isSecure: boolean, now: number): void {
		const core = this.core;
		const from = request.from()!;
		const to = request.to()!;
		const local = request.text.slice(to.start, to.paramsStart).trim();
		const remote = request.text.slice(from.start, from.paramsStart).trim();
		const dialog = new Dialog(request.callId(), core.ids.hex(5), local, remote, from.uriText(), hop);
		if (!dialog.accept(request)) {
			core.refuse(request, hop, 400, "Bad Contact Or Record-Route");
			return;
		}
		const transaction = core.layer.newFinalServer(request, hop);
		if (transaction === undefined) {
			core.refuse(request, hop, 503, "", RETRY_LATER);
			return;
		}
		this.makeRoom(now);
		const line = this.lineOfNumber(hop.flow.number);
		const call = new Call(core, core.nextToken(), dialog, false, contactLine(line?.contact ?? core.options.aor));
		this.calls.push(call);
		call.receive(request, transaction, sdp, now);
		core.put({
			type: "incoming",
			call: call.number,
			flow: hop.flow.number,
			from: from.uriText(),
			fromName: from.display(),
			to: to.uriText(),
			hasOffer: sdp !== "",
			isSecure,
			wantsAutoAnswer: wantsAutoAnswer(request),
		});
	}
}

/** The Contact line of a URI. */
export function contactLine(uri: string): string {
	return `Contact: <${uri}>\r\n`;
}
