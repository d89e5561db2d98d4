/**
 * Changes of a session that is there: re-INVITE and UPDATE both ways, glare, refreshes. RFC 3261 §14, RFC 3311, RFC 4028; the offers
 * themselves are offer-answer.ts.
 */

import { EMPTY } from "../../wire/bytes.ts";
import type { Hop } from "../flow.ts";
import type { SipMessage } from "../message.ts";
import { textToOctets } from "../syntax.ts";
import type { ServerUser, Transaction } from "../transaction.ts";
import { ACCEPT_SDP, CallBase, NEVER, SDP_TYPE, sdpOf } from "./call-base.ts";
import { AGENT_ALLOW, AGENT_SUPPORTED, MIN_SESSION_LINE, RETRY_LATER } from "./core.ts";
import { InviteServer } from "./invite-server.ts";
import type { LocalMedia, MediaSession } from "./offer-answer.ts";
import { isTooShort } from "./session-timer.ts";

export abstract class CallSession extends CallBase implements ServerUser {
	abstract handleAck(server: Transaction, ack: SipMessage, now: number): void;
	abstract handleCancel(server: Transaction, cancel: SipMessage, now: number): void;

	protected sendInvite(now: number, authorization: string): boolean {
		const core = this.core;
		const { dialog } = this;
		const isFirst = this.state === "inviting";
		const sdp = textToOctets(this.session!.offer(this.wanted));
		let session = this.timer.lines();
		if (isFirst && core.sessionExpiresS > 0) {
			session = `Session-Expires: ${Math.max(core.sessionExpiresS, this.minSessionS)}\r\n`;
		}
		if (this.minSessionS > 0) session += `Min-SE: ${this.minSessionS}\r\n`;
		const headers =
			this.contact +
			AGENT_ALLOW +
			AGENT_SUPPORTED +
			session +
			authorization +
			core.userAgentLine +
			(isFirst ? this.headers : "") +
			SDP_TYPE;
		const branch = core.newBranch();
		const hop = isFirst ? dialog.hop : dialog.nextHop();
		const head = dialog.head("INVITE", ++dialog.localCseq, branch, hop, headers, sdp.length);
		this.client = core.layer.newClient("INVITE", branch, hop, head, sdp, this, now);
		return this.client !== undefined;
	}

	protected reinvited(request: SipMessage, hop: Hop, now: number): void {
		const core = this.core;
		const session = this.session;
		const isOpen = this.server !== undefined && !this.server.isFinal;
		// RFC 3261 §14.2: an INVITE of theirs is open: 500; one of ours: 491.
		if (isOpen || session === undefined) core.refuse(request, hop, 500, "", RETRY_LATER);
		else if (this.client !== undefined || session.isOffering) core.refuse(request, hop, 491, "");
		else if (isTooShort(request)) core.refuse(request, hop, 422, "", MIN_SESSION_LINE);
		else if (request.body.length > 0 && sdpOf(request) === "") core.refuse(request, hop, 415, "", ACCEPT_SDP);
		else {
			const transaction = core.layer.newFinalServer(request, hop);
			if (transaction === undefined) {
				core.refuse(request, hop, 503, "", RETRY_LATER);
				return;
			}
			// A further INVITE says that our 200 came, though its ACK did not.
			if (!this.isConfirmed) this.tell({ type: "confirmed", call: this.number });
			this.isConfirmed = true;
			this.server?.release();
			this.server = new InviteServer(core, request, transaction, this.dialog.localTag, this);
			this.answerReinvite(request, session, now);
		}
	}

	/** RFC 3261 §14.2: 200 with an answer, 200 with an offer where there was none, or 488 and nothing has changed. */
	protected answerReinvite(request: SipMessage, session: MediaSession, now: number): void {
		const before = session.media;
		const sdp = sdpOf(request);
		const text = sdp === "" ? session.offer() : session.takeOffer(sdp);
		if (text === undefined) {
			this.server!.respond(488, "", "", EMPTY, now);
			return;
		}
		this.dialog.retarget(request);
		this.notePeer(request);
		const lines = this.timer.accept(request, now);
		const extra = this.contact + AGENT_ALLOW + AGENT_SUPPORTED + lines + SDP_TYPE;
		this.server!.respond(200, "", extra, textToOctets(text), now);
		if (sdp !== "" && session.media !== undefined) this.tellMedia(session.media, before);
	}

	/** RFC 3311: a refresh without a description, or an offer. */
	protected updated(request: SipMessage, hop: Hop, now: number): void {
		const core = this.core;
		const session = this.session;
		const sdp = sdpOf(request);
		if (isTooShort(request)) core.answer(request, hop, 422, MIN_SESSION_LINE, now);
		else if (request.body.length > 0 && sdp === "") core.answer(request, hop, 415, ACCEPT_SDP, now);
		else if (sdp === "") {
			if (this.state === "active") this.dialog.retarget(request);
			const lines = this.state === "active" ? this.timer.accept(request, now) : "";
			core.answer(request, hop, 200, this.contact + AGENT_ALLOW + AGENT_SUPPORTED + lines, now);
		}
		// RFC 3311 §5.2: an offer of ours is open: 491; one of theirs: 500.
		else if (this.state === "incoming") core.answer(request, hop, 500, RETRY_LATER, now);
		else if (session === undefined || session.isOffering) core.answer(request, hop, 491, "", now);
		else {
			const before = session.media;
			const text = session.takeOffer(sdp);
			if (text === undefined) {
				core.answer(request, hop, 488, "", now);
				return;
			}
			this.dialog.retarget(request);
			const lines = this.contact + AGENT_ALLOW + AGENT_SUPPORTED + this.timer.accept(request, now) + SDP_TYPE;
			core.answer(request, hop, 200, lines, now, textToOctets(text));
			if (session.media !== undefined) this.tellMedia(session.media, before);
		}
	}

	/** Offers `media` in a re-INVITE. False: the call is not answered, or another offer is under way. */
	reinvite(media: LocalMedia, now: number): boolean {
		if (this.state !== "active" || this.isOver || this.retryAt !== NEVER) return false;
		this.wanted = media;
		this.isRefresh = false;
		return this.tryInvite(now);
	}

	/** Hold, or end of it: our direction only (RFC 3264 §8.4). */
	hold(isHeld: boolean, now: number): boolean {
		const local = this.session?.local;
		if (local === undefined) return false;
		return this.reinvite({ ...local, direction: isHeld ? "sendonly" : "sendrecv" }, now);
	}

	protected tryInvite(now: number): boolean {
		const isOpen = this.server !== undefined && (!this.server.isFinal || this.server.awaitsAck);
		// RFC 3261 §14.1 MUST NOT: while another INVITE is under way in either direction.
		if (isOpen || this.client !== undefined || this.session!.isOffering) return false;
		this.hasAuthorized = false;
		if (this.sendInvite(now, "")) return true;
		this.session!.undo();
		return false;
	}

	protected reinviteAnswer(response: SipMessage, now: number): void {
		this.client = undefined;
		this.limitAt = NEVER;
		const { status } = response;
		const session = this.session!;
		if (status >= 300) {
			this.reinviteFailed(status, this.authorize(response, "INVITE") ? this.authorization : "", now);
			return;
		}
		this.ack(this.dialog, response.cseq);
		if (this.state !== "active" || this.isOver) return;
		this.dialog.retarget(response);
		this.notePeer(response);
		this.timer.acceptedBy(response, now);
		const before = session.media;
		const sdp = sdpOf(response);
		const media = sdp === "" ? undefined : session.takeAnswer(sdp);
		session.settle();
		if (media !== undefined && this.isRefresh) this.tellMedia(media, before);
		else if (media !== undefined) this.tell({ type: "media", call: this.number, media });
		else if (!this.isRefresh) this.tell({ type: "unchanged", call: this.number, status });
	}

	protected reinviteFailed(status: number, authorization: string, now: number): void {
		const session = this.session!;
		session.undo();
		if (this.state !== "active" || this.isOver) return;
		if (authorization !== "" && this.sendInvite(now, authorization)) return;
		if (status === 491) {
			this.retryAt = now + this.glareDelay();
			return;
		}
		// RFC 3261 §12.2.1.2: the other end does not know the dialog, or is gone.
		if (status === 481 || status === 408) {
			this.end("timeout", status, "");
			this.sendBye(now);
		} else if (this.isRefresh) this.timer.retry(now);
		else this.tell({ type: "unchanged", call: this.number, status });
	}

	/** RFC 3261 §14.1: 2.1 to 4 s for the owner of the Call-ID, 0 to 2 s for the other, in steps of 10 ms. */
	protected glareDelay(): number {
		const random = parseInt(this.core.ids.hex(2), 16);
		return this.isCaller ? 2_100 + 10 * (random % 191) : 10 * (random % 201);
	}

	/** RFC 4028 §7.4: UPDATE without a description where the other end knows it, else a re-INVITE that offers the same again. */
	protected refresh(now: number): void {
		if (!this.mayUpdate) {
			this.isRefresh = true;
			this.wanted = undefined;
			if (this.retryAt !== NEVER || !this.tryInvite(now)) this.timer.retry(now);
			return;
		}
		const lines = this.contact + AGENT_SUPPORTED + this.timer.lines() + this.core.userAgentLine;
		if (!this.request("UPDATE", lines, now)) this.timer.retry(now);
	}

	protected updateAnswer(response: SipMessage, now: number): void {
		const { status } = response;
		if (status < 300) {
			this.dialog.retarget(response);
			this.timer.acceptedBy(response, now);
		} else this.refreshFailed(status, now);
	}

	protected refreshFailed(status: number, now: number): void {
		if (this.state !== "active" || this.isOver) return;
		if (status === 481 || status === 408) {
			this.end("timeout", status, "");
			this.sendBye(now);
			return;
		}
		if (status === 405 || status === 501) this.mayUpdate = false;
		this.timer.retry(now);
	}

	/** The answer to the offer in our 2xx. */
	protected takeLateAnswer(ack: SipMessage, isFirst: boolean, now: number): void {
		const session = this.session!;
		const before = session.media;
		const sdp = sdpOf(ack);
		const media = sdp === "" ? undefined : session.takeAnswer(sdp);
		session.settle();
		if (media !== undefined) this.tellMedia(media, before);
		// Choice (RFC 3264 §4): inside a session an ACK without answer leaves the session as it was; a first one makes none.
		else if (isFirst) {
			this.end("local", 488, "No Answer To Our Offer");
			this.sendBye(now);
		}
	}
}
