/**
 * What the log says of everything that is refused, here and by others: the reason, and what to do about it. Whoever sends much that is
 * refused must not fill the disk: lines of one kind are limited, the rest is counted.
 */
import type { NodeEvent } from "../../core/overlay/node-types.ts";
import { ErrorCode } from "../../core/wire/codes.ts";
import { errorCodeName } from "../../core/wire/names.ts";
import type { Clock, Log } from "../../hal/hal.ts";

/** Lines of one kind within one window; then one line says how many more there were. */
export const MAX_REFUSAL_LINES = 10;
export const REFUSAL_WINDOW_MS = 60_000;

/** By the reasons of `Links`; those of `Trust` say themselves what to do. */
const LINK_HINTS: Readonly<Record<string, string>> = Object.freeze({
	"no certificate": "whoever that is, it is no peer or device of this household",
	"certificate of another node":
		"the address belongs to another node now, or its state directory was made anew: it goes by itself when that node has joined",
	"link to ourselves": "a bootstrap address leads back to this peer: nothing to do",
	"bad-node": "the node was revoked: take it away, or enroll it again (`ringlet invite`)",
	"too many links": "this peer has no room for more neighbours",
});

const ERROR_HINTS: Readonly<Record<number, string>> = Object.freeze({
	[ErrorCode.forbidden]:
		"the identity may not do that: its certificate is of another user or node, or was revoked; see `ringlet nodes`",
	[ErrorCode.notFound]: "the ring is changing: it is tried again",
	[ErrorCode.requestTimeout]: "nobody answers: see the links in `ringlet status`",
	[ErrorCode.generationCounterTooLow]: "somebody else has changed it: it is fetched and tried again",
	[ErrorCode.dataTooLarge]: "too much for its Kind, or the peer in charge is full: fewer or smaller values",
	[ErrorCode.dataTooOld]: "a newer value is stored: check the clock of this machine (`timedatectl`)",
	[ErrorCode.messageTooLarge]: "above the max-message-size of the configuration document",
	[ErrorCode.unknownKind]: "the peer in charge has another configuration document: update the older program",
	[ErrorCode.configTooOld]: "this peer has an old configuration document: it gets the new one",
	[ErrorCode.configTooNew]: "the other peer has an old configuration document: it gets the new one",
});

/** What to do about an error answer of the overlay (RFC 6940 §6.3.3.1); empty when there is nothing to do. */
export function errorHint(errorCode: number): string {
	return ERROR_HINTS[errorCode] ?? "";
}

/** "Error_Data_Too_Old: storage_time is not after 17": the code's name and what came with it. */
export function errorLine(errorCode: number, info: string): string {
	return info === "" ? errorCodeName(errorCode) : `${errorCodeName(errorCode)}: ${info}`;
}

/** What is said when a TLS handshake fails, and what that usually means. */
const TLS_HINTS: readonly (readonly [pattern: RegExp, hint: string])[] = Object.freeze([
	[/^no certificate/, "whoever that is, it is no peer or device of this household"],
	[/version|http request|record|packet/, "whoever that is, it does not speak TLS as Ringlet does"],
	[/alert/, "the other end does not believe this peer: its log says why"],
	[/too many/, "see how many connections come from that address"],
] as const);

/** "handshake failed: 40A7...:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:..." in words. */
export function tlsReason(reason: string): string {
	const parts = /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/.exec(reason);
	return parts === null ? reason.trim() : `handshake failed: ${parts[1]?.trim()}`;
}

export interface RefusalsOptions {
	readonly log: Log;
	readonly clock: Clock;
}

interface Window {
	readonly endsAt: number;
	lines: number;
	more: number;
}

export class Refusals {
	readonly #options: RefusalsOptions;
	/** By what was refused; the names are few and fixed. */
	readonly #windows = new Map<string, Window>();

	constructor(options: RefusalsOptions) {
		this.#options = options;
	}

	/** Feed with the events `refused` of the node. */
	refused({ what, reason, address }: Extract<NodeEvent, { type: "refused" }>): void {
		if (!this.#mayLog("overlay.refused", what)) return;
		this.#options.log("warn", "overlay.refused", { what, reason, address, ...hinted(LINK_HINTS[reason]) });
	}

	/** Feed with the refusals of a TLS listener. `event`: "link.refused" or "app.refused". */
	handshake(event: string, reason: string, address: string): void {
		if (!this.#mayLog(event, "handshake")) return;
		const said = tlsReason(reason);
		const hint = TLS_HINTS.find(([pattern]) => pattern.test(said))?.[1];
		this.#options.log("info", event, { reason: said, address, ...hinted(hint) });
	}

	#mayLog(event: string, what: string): boolean {
		const now = this.#options.clock.monotonicMs();
		const key = `${event} ${what}`;
		let window = this.#windows.get(key);
		if (window === undefined || window.endsAt <= now) {
			if (window !== undefined && window.more > 0)
				this.#options.log("warn", `${event}More`, { what, count: window.more });
			window = { endsAt: now + REFUSAL_WINDOW_MS, lines: 0, more: 0 };
			this.#windows.set(key, window);
		}
		if (window.lines >= MAX_REFUSAL_LINES) {
			window.more++;
			return false;
		}
		window.lines++;
		return true;
	}
}

function hinted(hint: string | undefined): { hint?: string } {
	return hint === undefined ? {} : { hint };
}
