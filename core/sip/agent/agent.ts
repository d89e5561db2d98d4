/**
 * The user agent of a device: UAC and UAS with dialogs behind one `Machine`. RFC 3261 §8, §11 to §15, §17; see README.md.
 *
 * Here: what the host asks for. What comes in is agent-base.ts; each call is a `Call`.
 */
import { EMPTY } from "../../wire/bytes.ts";
import { isHeaderText } from "../build.ts";
import { quote } from "../syntax.ts";
import { parseUri } from "../uri.ts";
import { AgentBase, contactLine } from "./agent-base.ts";
import { Call } from "./call.ts";
import { answerHead } from "./core.ts";
import { Dialog } from "./dialog.ts";
import { MAX_BODY_OCTETS, MAX_CALLS } from "./limits.ts";
import type { LocalMedia } from "./offer-answer.ts";
import { PendingInfo, PendingRequest } from "./requests.ts";
import type { InviteOptions, Reason, RequestOptions } from "./types.ts";

export class UserAgent extends AgentBase {
	/**
	 * Calls: the INVITE is the next output. Answers the call's number; `undefined`: no room (MAX_CALLS, transactions), no such flow, no
	 * way to the URI, or a text that cannot stand in a header. From then on `ended` comes once, whatever happens.
	 */
	invite(options: InviteOptions, now: number): number | undefined {
		const core = this.core;
		const line = this.lineOfNumber(options.flow);
		const hop = this.hopTo(options);
		if (line === undefined || hop === undefined || this.active() >= MAX_CALLS) return undefined;
		const from = options.from ?? core.options.aor;
		const to = options.to ?? options.uri;
		const contact = options.contact ?? line.contact;
		const name = options.fromName ?? (options.from === undefined ? (core.options.displayName ?? "") : "");
		// Our own names were looked at when they were told: reading a URI costs as much as everything else here.
		if (!isSipUri(options.uri) || !mayBeUri(options.from) || !mayBeUri(options.to) || !mayBeUri(options.contact))
			return undefined;
		if (!isHeaderText(name) || (options.from === undefined && !this.hasAor)) return undefined;
		if (options.media.srtp === "required" && !line.isSecure) return undefined;
		this.makeRoom(now);
		const local = name === "" ? `<${from}>` : `${quote(name)} <${from}>`;
		const dialog = new Dialog(core.ids.hex(12), core.ids.hex(5), local, `<${to}>`, options.uri, hop);
		const call = new Call(core, core.nextToken(), dialog, true, contactLine(contact));
		if (!call.invite(options, line, now)) return undefined;
		this.calls.push(call);
		this.settle(now);
		return call.number;
	}

	/** 180 for an incoming call. */
	ring(call: number, now: number): boolean {
		return this.settled(this.callOf(call)?.ring(now), now);
	}

	/** 183 with our media for an incoming call that brought an offer: the caller hears us before we answer. */
	progress(call: number, media: LocalMedia, now: number): boolean {
		const found = this.callOf(call);
		return this.settled(found?.progress(media, this.lineOf(found), now), now);
	}

	/** 200 for an incoming call. False: there is nothing to answer, or the offer does not go with `media` (then `ended` follows). */
	answer(call: number, media: LocalMedia, now: number): boolean {
		const found = this.callOf(call);
		return this.settled(found?.answer(media, this.lineOf(found), now), now);
	}

	/** A final refusal of an incoming call: 300 to 699. */
	reject(call: number, status: number, now: number, reason?: Reason): boolean {
		return this.settled(status >= 300 && status < 700 && this.callOf(call)?.reject(status, now, reason), now);
	}

	/** Ends a call: CANCEL, BYE or 480, as its state wants. `ended` ("local") comes at once, what is left goes on unseen. */
	hangUp(call: number, now: number, reason?: Reason): boolean {
		return this.settled(this.callOf(call)?.hangUp(now, reason), now);
	}

	/** Offers other media; `media` or `unchanged` follows. False: the call is not answered, or another offer is under way. */
	reinvite(call: number, media: LocalMedia, now: number): boolean {
		return this.settled(this.callOf(call)?.reinvite(media, now), now);
	}

	/** Puts the far end on hold, or ends that; as `reinvite`. */
	hold(call: number, isHeld: boolean, now: number): boolean {
		return this.settled(this.callOf(call)?.hold(isHeld, now), now);
	}

	/** Sends an INFO in an answered call; `sent` follows with the token. */
	info(call: number, contentType: string, body: Uint8Array, now: number): number | undefined {
		const core = this.core;
		const found = this.callOf(call);
		if (found === undefined || found.state !== "active") return undefined;
		if (body.length > MAX_BODY_OCTETS || !isHeaderText(contentType)) return undefined;
		const token = core.nextToken();
		const lines = `${core.userAgentLine}Content-Type: ${contentType}\r\n`;
		return this.settled(new PendingInfo(core, token, found, lines, body).send("", now), now) ? token : undefined;
	}

	/** Sends a MESSAGE outside calls; `sent` follows with the token. */
	message(options: RequestOptions, now: number): number | undefined {
		return this.#request("MESSAGE", options, now);
	}

	/** Asks the far end what it can do; `sent` follows with the token. */
	options(options: RequestOptions, now: number): number | undefined {
		return this.#request("OPTIONS", options, now);
	}

	#request(method: string, options: RequestOptions, now: number): number | undefined {
		const core = this.core;
		const hop = this.hopTo(options);
		const from = options.from ?? core.options.aor;
		const to = options.to ?? options.uri;
		const body = options.body ?? EMPTY;
		const type = options.contentType ?? "text/plain;charset=UTF-8";
		if (hop === undefined || !isHeaderText(type) || (options.from === undefined && !this.hasAor)) return undefined;
		if (!isSipUri(options.uri) || !mayBeUri(options.from) || !mayBeUri(options.to)) return undefined;
		if (body.length > MAX_BODY_OCTETS) return undefined;
		const accept = method === "OPTIONS" ? "Accept: application/sdp\r\n" : "";
		const typeLine = body.length === 0 ? "" : `Content-Type: ${type}\r\n`;
		const lines = (options.headers ?? "") + accept + core.userAgentLine + typeLine;
		const token = core.nextToken();
		const local = `<${from}>;tag=${core.ids.hex(5)}`;
		const request = new PendingRequest(core, token, method, options.uri, local, `<${to}>`, hop, lines, body);
		return this.settled(request.send("", now), now) ? token : undefined;
	}

	/** Answers a `message`: 200, 202, or a refusal. False: the token means nothing (any more). */
	respond(token: number, status: number, now: number, reason = ""): boolean {
		for (let i = 0; i < this.messages.length; i++) {
			const { server, frame, token: known } = this.messages[i]!;
			if (known !== token) continue;
			this.messages.splice(i, 1);
			const head = answerHead(frame, status, isHeaderText(reason) ? reason : "", this.core.serverLine, 0);
			server.respond(status, head, EMPTY, now);
			return this.settled(true, now);
		}
		return false;
	}
}

/** True for a sip or sips URI that may stand in a header, and for none at all. */
function mayBeUri(text: string | undefined): boolean {
	return text === undefined || isSipUri(text);
}

function isSipUri(text: string): boolean {
	return isHeaderText(text) && text.indexOf(">") < 0 && parseUri(text)?.isSip === true;
}
