/**
 * What every part of a call stands on: its names, its two INVITEs (ours, theirs), its ends. RFC 3261 §12, §15.
 */
import { EMPTY, equalBytes } from "../../wire/bytes.ts";
import { Header } from "../header-names.ts";
import type { SipMessage } from "../message.ts";
import { octetsToText } from "../parse.ts";
import type { ClientUser, Transaction } from "../transaction.ts";
import { type AgentCore, NOBODY } from "./core.ts";
import type { Dialog } from "./dialog.ts";
import { lists, mediaTypeOf } from "./headers.ts";
import type { InviteServer } from "./invite-server.ts";
import type { LocalMedia, MediaSession, SessionMedia } from "./offer-answer.ts";
import { SessionTimer } from "./session-timer.ts";
import type { AgentEvent, EndCause } from "./types.ts";

export type CallState = "inviting" | "incoming" | "active" | "ending" | "done";

/** Header lines of a body that is SDP. */
export const SDP_TYPE = "Content-Type: application/sdp\r\n";
export const ACCEPT_SDP = "Accept: application/sdp\r\n";
export const NEVER = Number.POSITIVE_INFINITY;
export const NO_TAGS: readonly string[] = Object.freeze([]);

export abstract class CallBase implements ClientUser {
	readonly number: number;
	readonly dialog: Dialog;
	/** We sent the first INVITE, so the Call-ID is ours (RFC 3261 §14.1). */
	readonly isCaller: boolean;
	state: CallState;
	isOver = false;
	/** "Contact: <...>" line of what we send. */
	contact: string;
	protected readonly core: AgentCore;
	protected readonly timer = new SessionTimer();
	protected session: MediaSession | undefined;
	/** INVITE of ours under way. */
	protected client: Transaction | undefined;
	/** INVITE of theirs, answered or not. */
	protected server: InviteServer | undefined;
	/** Header lines of our first INVITE. */
	protected headers = "";
	/** To tags of provisional answers. */
	protected tags: readonly string[] = NO_TAGS;
	/** The offer that waits for `answer`; "" when it is left to us. */
	protected offerText = "";
	/** Our answer as given in a 183. */
	protected answerText = "";
	/** Session-Expires lines of our 200. */
	protected sessionLines = "";
	/** What the re-INVITE under way, or to come after a 491, offers. */
	protected wanted: LocalMedia | undefined;
	protected isRefresh = false;
	protected hasAuthorized = false;
	protected minSessionS = 0;
	protected isConfirmed = false;
	protected mayUpdate = false;
	protected isCancelled = false;
	protected isRinging = false;
	/** Reason line of our CANCEL or BYE. */
	protected reason = "";
	/** Ringing limit, CANCEL given up, 100 or 180 due: by state. */
	protected limitAt = NEVER;
	/** An INVITE of theirs is not answered later than this. */
	protected ringUntil = NEVER;
	/** RFC 3261 §14.1: after a 491. */
	protected retryAt = NEVER;

	constructor(core: AgentCore, number: number, dialog: Dialog, isCaller: boolean, contact: string) {
		this.core = core;
		this.number = number;
		this.dialog = dialog;
		this.isCaller = isCaller;
		this.state = isCaller ? "inviting" : "incoming";
		this.contact = contact;
	}

	abstract handleResponse(client: Transaction, response: SipMessage, now: number): void;
	abstract handleFailure(client: Transaction, why: "timeout" | "transport", now: number): void;

	/** When `step` is due. */
	deadline(): number {
		if (this.state === "done") return NEVER;
		const server = this.server === undefined ? NEVER : this.server.deadline();
		const timer = this.state === "active" && !this.isOver ? this.timer.deadline() : NEVER;
		return Math.min(server, timer, this.limitAt, this.retryAt);
	}

	/** 2xx after the first: the same again, or another branch of a fork. */
	protected late(response: SipMessage, now: number): void {
		if (response.status < 200 || response.status >= 300) return;
		if (response.toTag() === this.dialog.remoteTag) {
			this.ack(this.dialog, response.cseq);
			return;
		}
		// RFC 3261 §13.2.2.4: we take one call; the others get ACK and BYE.
		const other = this.dialog.withRemote(response);
		this.ack(other, response.cseq);
		const branch = this.core.newBranch();
		const hop = other.nextHop();
		const head = other.head("BYE", other.localCseq + 1, branch, hop, this.core.userAgentLine, 0);
		const client = this.core.layer.newClient("BYE", branch, hop, head, EMPTY, NOBODY, now);
		if (client === undefined) this.core.send(hop, head, EMPTY);
	}

	protected ack(dialog: Dialog, cseq: number): void {
		const hop = dialog.nextHop();
		this.core.send(hop, dialog.head("ACK", cseq, this.core.newBranch(), hop, "", 0), EMPTY);
	}

	protected authorization = "";

	protected authorize(response: SipMessage, method: string): boolean {
		if (this.hasAuthorized || (response.status !== 401 && response.status !== 407)) return false;
		this.authorization = this.core.authorization(response, method, this.dialog.requestUri());
		this.hasAuthorized = this.authorization !== "";
		return this.hasAuthorized;
	}

	/** The other end says that there is no such dialog. */
	lost(status: number, now: number): void {
		if (this.state !== "active" || this.isOver) return;
		this.end("timeout", status, "");
		this.sendBye(now);
	}

	protected sendBye(now: number): void {
		if (!this.sendByeWith("", now)) this.finish(now);
	}

	protected sendByeWith(authorization: string, now: number): boolean {
		this.state = "ending";
		this.retryAt = NEVER;
		this.limitAt = NEVER;
		this.server?.release();
		if (authorization === "") this.hasAuthorized = false;
		return this.request("BYE", this.reason + authorization + this.core.userAgentLine, now);
	}

	protected request(method: string, lines: string, now: number): boolean {
		const core = this.core;
		const branch = core.newBranch();
		const hop = this.dialog.nextHop();
		const head = this.dialog.head(method, ++this.dialog.localCseq, branch, hop, lines, 0);
		if (core.layer.newClient(method, branch, hop, head, EMPTY, this, now) !== undefined) return true;
		// No room for its transaction: once is better than never, and the call is over here either way.
		if (method === "BYE") core.send(hop, head, EMPTY);
		return false;
	}

	protected end(cause: EndCause, status: number, reason: string): void {
		if (this.isOver) return;
		this.isOver = true;
		this.core.put({ type: "ended", call: this.number, cause, status, reason });
	}

	protected finish(now: number): void {
		this.server?.release();
		this.server = undefined;
		const { client } = this;
		this.client = undefined;
		// A re-INVITE that got a provisional answer only has no timer that would end it.
		client?.step("abandon", undefined, now);
		this.session = undefined;
		this.limitAt = NEVER;
		this.retryAt = NEVER;
		this.state = "done";
	}

	/** The table of calls is full of old ones: this one's manners are dropped. */
	drop(now: number): void {
		this.finish(now);
	}

	protected tell(event: AgentEvent): void {
		if (!this.isOver) this.core.put(event);
	}

	/** A refresh that changes nothing is not told. */
	protected tellMedia(media: SessionMedia, before: SessionMedia | undefined): void {
		if (before === undefined || !isSameMedia(media, before)) this.tell({ type: "media", call: this.number, media });
	}

	protected notePeer(message: SipMessage): void {
		this.mayUpdate = lists(message, Header.allow, "update");
	}
}

/** The description a message brings; "" without one. */
export function sdpOf(message: SipMessage): string {
	const { body } = message;
	if (body.length === 0 || mediaTypeOf(message.value(Header.contentType) ?? "") !== "application/sdp") return "";
	return octetsToText(body, 0, body.length);
}

function isSameMedia(a: SessionMedia, b: SessionMedia): boolean {
	return (
		a.address === b.address &&
		a.port === b.port &&
		a.rtcpPort === b.rtcpPort &&
		a.direction === b.direction &&
		a.codec === b.codec &&
		a.telephoneEvent === b.telephoneEvent &&
		a.telephoneEventIn === b.telephoneEventIn &&
		a.ptimeMs === b.ptimeMs &&
		isSameKey(a.sendKey, b.sendKey) &&
		isSameKey(a.receiveKey, b.receiveKey)
	);
}

function isSameKey(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
	if (a === undefined || b === undefined) return a === b;
	return equalBytes(a, b);
}
