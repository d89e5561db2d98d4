/**
 * One call, from its INVITE to the end of its dialog. RFC 3261 §13, §15.
 *
 *   inviting --2xx, ACK--> active --BYE sent--> ending --answer--> done
 *      | 3xx-6xx, CANCEL ...  | BYE came                             ^
 *      '----------------------+--------------------------------------'
 *   incoming --answer: 2xx--> active (the 2xx again and again until the ACK)
 *
 * `isOver`: the host has been told `ended`; what is left is manners (an ACK to wait for, a CANCEL to get through).
 */
import { EMPTY } from "../../wire/bytes.ts";
import { cancelHead } from "../build.ts";
import type { Hop } from "../flow.ts";
import { Header } from "../header-names.ts";
import type { SipMessage } from "../message.ts";
import { indexText } from "../parse.ts";
import { textToOctets } from "../syntax.ts";
import type { Transaction } from "../transaction.ts";
import { NEVER, NO_TAGS, SDP_TYPE, sdpOf } from "./call-base.ts";
import { CallSession } from "./call-session.ts";
import { AGENT_ALLOW, AGENT_SUPPORTED, type AgentLine, NOBODY, phraseOf, RETRY_LATER } from "./core.ts";
import { isAnsweredElsewhere, readReason, reasonLine } from "./headers.ts";
import { InviteServer } from "./invite-server.ts";
import { MAX_FORKED_TAGS, MAX_RINGING_MS, RING_AGAIN_MS, TRYING_AFTER_MS } from "./limits.ts";
import { type LocalMedia, MediaSession } from "./offer-answer.ts";
import { askedBy } from "./session-timer.ts";
import type { InviteOptions, Reason } from "./types.ts";

export class Call extends CallSession {
	/** Does what is due at `now`. */
	step(now: number): void {
		if (this.server !== undefined && this.server.deadline() <= now && this.server.step(now)) {
			// RFC 3261 §13.3.1.4: nobody acknowledged: the dialog is there and ends with BYE.
			this.end("timeout", 408, "No ACK");
			this.sendBye(now);
			return;
		}
		if (this.limitAt <= now) this.limit(now);
		if (this.retryAt <= now) {
			this.retryAt = NEVER;
			if (this.state === "active" && !this.isOver && !this.tryInvite(now)) this.retryAt = now + this.core.times.t1;
		}
		if (this.state !== "active" || this.isOver) return;
		const due = this.timer.due(now);
		if (due === "end") {
			this.end("timeout", 408, "Session Expired");
			this.sendBye(now);
		} else if (due === "refresh") this.refresh(now);
	}

	protected limit(now: number): void {
		this.limitAt = NEVER;
		if (this.state === "incoming") this.waitOn(now);
		else if (this.state === "inviting" && this.isCancelled) {
			// RFC 3261 §9.1: 64*T1 after the CANCEL the request counts as cancelled.
			this.client?.step("abandon", undefined, now);
			this.finish(now);
		} else if (this.state === "inviting") {
			this.end("timeout", 408, "Nobody Answered");
			this.cancel(now);
		} else if (this.isOver) {
			if (this.dialog.hop.flow.isOpen) this.sendBye(now);
			else this.finish(now);
		} else if (this.client !== undefined) {
			this.client.step("abandon", undefined, now);
			this.client = undefined;
			this.reinviteFailed(504, "", now);
		}
	}

	/** The host has not answered yet. */
	protected waitOn(now: number): void {
		if (now >= this.ringUntil) {
			// RFC 3261 §13.3.1: 487 when the INVITE has run out. A caller that is gone must not ring for ever either.
			this.server!.respond(487, "", "", EMPTY, now);
			this.end("timeout", 487, "Not Answered");
			this.finish(now);
			return;
		}
		const isRinging = this.isRinging;
		this.server!.respond(isRinging ? 180 : 100, "", isRinging ? this.contact : "", EMPTY, now);
		this.limitAt = isRinging ? Math.min(now + RING_AGAIN_MS, this.ringUntil) : this.ringUntil;
	}

	// --- we call ---

	/** Sends the first INVITE. False: there is no room for it. */
	invite(options: InviteOptions, line: AgentLine, now: number): boolean {
		this.headers = options.headers ?? "";
		this.session = new MediaSession(options.media, line.isSecure, this.core.ids);
		return this.sendInvite(now, "");
	}

	protected firstAnswer(response: SipMessage, now: number): void {
		const { status } = response;
		if (status < 200) this.provisional(response, now);
		else {
			this.client = undefined;
			this.limitAt = NEVER;
			if (status < 300) this.accepted(response, now);
			else if (this.isOver || !this.tryAgain(response, now)) {
				this.end("refused", status, phraseOf(response));
				this.finish(now);
			}
		}
	}

	/** 1xx: told, never taken for an answer. */
	protected provisional(response: SipMessage, now: number): void {
		const { status } = response;
		if (this.isOver) {
			this.cancel(now);
			return;
		}
		this.limitAt = now + MAX_RINGING_MS;
		const tag = response.toTag();
		const isKnown = this.tags.indexOf(tag) >= 0;
		const hasRoom = isKnown || this.tags.length < MAX_FORKED_TAGS;
		if (status > 100 && tag !== "" && !isKnown && hasRoom) this.tags = [...this.tags, tag];
		this.tell({ type: "progress", call: this.number, status, reason: phraseOf(response) });
		const sdp = status > 100 && hasRoom ? sdpOf(response) : "";
		const media = sdp === "" ? undefined : this.session!.takeAnswer(sdp);
		if (media !== undefined) this.tell({ type: "early", call: this.number, media });
	}

	/** The first 2xx makes the call (RFC 3261 §13.2.2.4). */
	protected accepted(response: SipMessage, now: number): void {
		const isKept = this.dialog.establish(response);
		this.state = "active";
		this.ack(this.dialog, response.cseq);
		if (this.isOver) {
			// The answer crossed our CANCEL.
			this.sendBye(now);
			return;
		}
		const sdp = sdpOf(response);
		const session = this.session!;
		// Choice (RFC 3261 §13.2.1): the description of the 2xx counts, also where a 183 had another; without one that of the only 183.
		const early = this.tags.length === 1 ? session.media : undefined;
		const media = sdp === "" ? early : session.takeAnswer(sdp);
		this.tags = NO_TAGS;
		session.settle();
		if (media === undefined || !isKept) {
			this.end("local", 488, "No Session With This Answer");
			this.sendBye(now);
			return;
		}
		this.notePeer(response);
		this.timer.acceptedBy(response, now);
		this.isConfirmed = true;
		this.tell({ type: "answered", call: this.number, media });
	}

	/** A final refusal that another INVITE can mend: a challenge, too short an interval, keys not wanted. */
	protected tryAgain(response: SipMessage, now: number): boolean {
		const { status } = response;
		const session = this.session!;
		let authorization = "";
		if (status === 401 || status === 407) {
			if (!this.authorize(response, "INVITE")) return false;
			authorization = this.authorization;
		} else if (status === 422) {
			if (this.minSessionS > 0 || askedBy(response) < 0) return false;
			this.minSessionS = askedBy(response);
		} else if ((status === 488 || status === 606) && session.local.srtp === "preferred") session.dropKeys();
		else return false;
		session.undo();
		this.tags = NO_TAGS;
		return this.sendInvite(now, authorization);
	}

	protected cancel(now: number): void {
		const client = this.client;
		// RFC 3261 §9.1 MUST: no CANCEL before a provisional answer; the first one brings us here again.
		if (client === undefined || client.state !== "proceeding" || this.isCancelled) return;
		this.isCancelled = true;
		this.limitAt = now + 64 * this.core.times.t1;
		const sent = indexText(client.head);
		if (sent === undefined) return;
		const head = cancelHead(sent, this.reason);
		this.core.layer.newClient("CANCEL", client.key, client.hop, head, EMPTY, NOBODY, now);
	}

	// --- we are called ---

	/** Takes over a first INVITE; `offer` is "" when it brought none. */
	receive(request: SipMessage, transaction: Transaction, offer: string, now: number): void {
		this.server = new InviteServer(this.core, request, transaction, this.dialog.localTag, this);
		this.offerText = offer;
		this.notePeer(request);
		this.sessionLines = this.timer.accept(request, now);
		const expiresS = request.number(Header.expires);
		this.ringUntil = now + (expiresS > 0 ? Math.min(1000 * expiresS, MAX_RINGING_MS) : MAX_RINGING_MS);
		this.limitAt = now + TRYING_AFTER_MS;
	}

	/** 180. */
	ring(now: number): boolean {
		if (this.state !== "incoming") return false;
		this.isRinging = true;
		// RFC 3261 §13.3.1.1: again every minute, so that proxies on the way keep the call.
		this.limitAt = Math.min(now + RING_AGAIN_MS, this.ringUntil);
		this.server!.respond(180, "", this.contact, EMPTY, now);
		return true;
	}

	/** 183 with our answer, so that the caller hears us before we answer. */
	progress(media: LocalMedia, line: AgentLine | undefined, now: number): boolean {
		// RFC 3261 §13.2.1: without reliable provisional answers an offer of ours has no place in one.
		if (this.state !== "incoming" || this.offerText === "") return false;
		if (!this.prepare(media, line, now)) return false;
		this.isRinging = true;
		this.limitAt = Math.min(now + RING_AGAIN_MS, this.ringUntil);
		this.server!.respond(183, "", this.contact + SDP_TYPE, textToOctets(this.answerText), now);
		return true;
	}

	/** 200. False: there is nothing to answer, or no session can come of it (488 has been sent). */
	answer(media: LocalMedia, line: AgentLine | undefined, now: number): boolean {
		if (this.state !== "incoming" || !this.prepare(media, line, now)) return false;
		const extra = this.contact + AGENT_ALLOW + AGENT_SUPPORTED + this.sessionLines + SDP_TYPE;
		this.state = "active";
		this.limitAt = NEVER;
		if (this.timer.expiresS > 0) this.timer.start(this.timer.expiresS, this.timer.isRefresher, now);
		this.server!.respond(200, "", extra, textToOctets(this.answerText), now);
		this.answerText = "";
		this.offerText = "";
		return true;
	}

	/** Makes the description of the 183 or 200. */
	protected prepare(media: LocalMedia, line: AgentLine | undefined, now: number): boolean {
		if (this.answerText !== "") return true;
		const session = new MediaSession(media, this.offerText !== "" || line?.isSecure === true, this.core.ids);
		this.session = session;
		const text = this.offerText === "" ? session.offer() : session.takeOffer(this.offerText);
		if (text === undefined) {
			this.server!.respond(488, "", "", EMPTY, now);
			this.end("local", 488, "Not Acceptable Here");
			this.finish(now);
			return false;
		}
		this.answerText = text;
		if (session.media !== undefined) this.tell({ type: "media", call: this.number, media: session.media });
		return true;
	}

	/** A final refusal, 300 to 699. */
	reject(status: number, now: number, reason?: Reason): boolean {
		if (this.state !== "incoming") return false;
		this.server!.respond(status, "", reasonLine(reason), EMPTY, now);
		this.end("local", status, "");
		this.finish(now);
		return true;
	}

	handleCancel(_server: Transaction, cancel: SipMessage, now: number): void {
		// RFC 3261 §9.2: what has been answered stays answered.
		if (this.state !== "incoming") return;
		this.server!.respond(487, "", "", EMPTY, now);
		const isElsewhere = isAnsweredElsewhere(cancel);
		this.end(isElsewhere ? "answeredElsewhere" : "remote", 487, readReason(cancel)?.text ?? "");
		this.finish(now);
	}

	/** The ACK of a 2xx. */
	handleAck(_server: Transaction | undefined, ack: SipMessage, now: number): void {
		const server = this.server;
		if (server === undefined || !server.awaitsAck || ack.cseq !== server.cseq) return;
		server.acknowledge();
		const isFirst = !this.isConfirmed;
		this.isConfirmed = true;
		if (this.isOver) {
			this.sendBye(now);
			return;
		}
		if (isFirst) this.tell({ type: "confirmed", call: this.number });
		if (this.session!.isOffering) this.takeLateAnswer(ack, isFirst, now);
	}

	handleResponse(client: Transaction, response: SipMessage, now: number): void {
		switch (client.method) {
			case "INVITE":
				if (client !== this.client) this.late(response, now);
				else if (this.state === "inviting") this.firstAnswer(response, now);
				else if (response.status >= 200) this.reinviteAnswer(response, now);
				else this.limitAt = now + MAX_RINGING_MS;
				break;
			case "UPDATE":
				if (response.status >= 200) this.updateAnswer(response, now);
				break;
			case "BYE":
				if (response.status < 200) break;
				// RFC 3261 §15.1.1: whatever the answer is, the session is over; a challenge is answered for the proxies' sake.
				if (!this.authorize(response, "BYE") || !this.sendByeWith(this.authorization, now)) this.finish(now);
				break;
			default:
				break;
		}
	}

	handleFailure(client: Transaction, why: "timeout" | "transport", now: number): void {
		const isTimeout = why === "timeout";
		if (client.method === "BYE") {
			if (isTimeout) this.finish(now);
			else this.waitForFlow(now);
		} else if (client.method === "UPDATE") this.refreshFailed(isTimeout ? 408 : 503, now);
		else if (client === this.client) {
			this.client = undefined;
			if (this.state === "inviting") {
				this.end(why, isTimeout ? 408 : 503, "");
				this.finish(now);
			} else this.reinviteFailed(isTimeout ? 408 : 503, "", now);
		}
	}

	// --- inside the call ---

	/** Takes note of a request of this dialog, ACK and CANCEL excepted. False: it has been answered, and there is nothing more to do. */
	admits(request: SipMessage, hop: Hop, now: number): boolean {
		const { dialog } = this;
		// RFC 3261 §12.2.2: out of order.
		if (dialog.remoteCseq >= 0 && request.cseq <= dialog.remoteCseq) {
			this.core.refuse(request, hop, 500, "", RETRY_LATER);
			return false;
		}
		dialog.remoteCseq = request.cseq;
		dialog.hop = hop;
		if (request.method === "BYE" || (!this.isOver && this.state !== "ending")) return true;
		this.core.answer(request, hop, 481, "", now);
		return false;
	}

	/** A request that `admits` let through. */
	handleRequest(request: SipMessage, hop: Hop, now: number): void {
		switch (request.method) {
			case "BYE":
				this.bye(request, hop, now);
				break;
			case "INVITE":
				this.reinvited(request, hop, now);
				break;
			case "UPDATE":
				this.updated(request, hop, now);
				break;
			default:
				this.core.answer(request, hop, 200, AGENT_ALLOW, now);
		}
	}

	/** True for a request of this dialog, also of a branch of our INVITE that has only rung yet. */
	owns(request: SipMessage): boolean {
		const { dialog } = this;
		if (dialog.localTag !== request.toTag() || dialog.callId !== request.callId()) return false;
		const tag = request.fromTag();
		return dialog.remoteTag === tag || (this.state === "inviting" && this.tags.indexOf(tag) >= 0);
	}

	/** True when a request outside dialogs is our own INVITE come back (RFC 3261 §8.2.2.2). */
	sent(request: SipMessage): boolean {
		const { dialog } = this;
		return this.isCaller && dialog.localTag === request.fromTag() && dialog.callId === request.callId();
	}

	/** Signalling goes on over another flow. */
	moveTo(line: AgentLine, contact: string): void {
		this.dialog.hop = line.hop;
		this.contact = contact;
		// The BYE that the lost flow did not take is due at once.
		if (this.state === "active" && this.isOver) this.limitAt = 0;
	}

	/** Over for the host; the far end is told when there is a flow again, if there is one soon. */
	protected waitForFlow(now: number): void {
		this.state = "active";
		this.limitAt = now + 64 * this.core.times.t1;
	}

	protected bye(request: SipMessage, hop: Hop, now: number): void {
		this.core.answer(request, hop, 200, "", now);
		// RFC 3261 §15.1.2: an INVITE that is still open is answered 487.
		if (this.state === "incoming") this.server!.respond(487, "", "", EMPTY, now);
		const reason = readReason(request);
		const isElsewhere = this.state === "incoming" && isAnsweredElsewhere(request);
		this.end(isElsewhere ? "answeredElsewhere" : "remote", reason?.cause ?? 0, reason?.text ?? "");
		this.finish(now);
	}

	/** Ends the call as its state wants: CANCEL, BYE, or 480. The host is told at once. */
	hangUp(now: number, reason?: Reason): boolean {
		if (this.isOver) return false;
		if (this.state === "incoming") return this.reject(480, now, reason);
		this.reason = reasonLine(reason);
		this.end("local", 0, "");
		if (this.state === "inviting") this.cancel(now);
		// RFC 3261 §15 MUST NOT: the called side sends no BYE before the ACK came or is given up; `handleAck` and `step` go on.
		else if (this.isCaller || this.isConfirmed) this.sendBye(now);
		return true;
	}

	/** The flow is gone. */
	flowClosed(now: number): void {
		if (this.state === "inviting") this.client?.step("transportError", undefined, now);
		else if (this.state === "incoming") {
			this.end("transport", 503, "");
			this.finish(now);
		} else if (this.state === "active" && this.isOver) {
			this.server?.release();
			this.waitForFlow(now);
		} else if (this.state === "active") this.tell({ type: "flowLost", call: this.number });
	}
}
