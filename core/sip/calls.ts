/** Calls followed for events: who called whom, what came of it. Bounded; nothing else hangs on it. */
import type { SipLimits, SipTimers } from "./limits.ts";

/** What the host hears of a call. Times are the machine's monotonic milliseconds. */
export type CallEvent =
	| { readonly type: "callStarted"; readonly call: CallInfo }
	/** A phone rings; `by` is the contact it was called at. */
	| { readonly type: "callRinging"; readonly call: CallInfo; readonly by: string }
	| { readonly type: "callAnswered"; readonly call: CallInfo; readonly by: string }
	/** `status`: the final answer of a call that was never taken; 200 after a BYE. */
	| { readonly type: "callEnded"; readonly call: CallInfo; readonly status: number; readonly reason: string };

export interface CallInfo {
	readonly callId: string;
	/** AORs, or URIs where there is no user part. */
	readonly from: string;
	readonly to: string;
	readonly startedAt: number;
	/** 0 until it is answered. */
	readonly answeredAt: number;
	/** The contact that answered; "" before. */
	readonly answeredBy: string;
}

interface Call {
	callId: string;
	from: string;
	to: string;
	startedAt: number;
	answeredAt: number;
	answeredBy: string;
}

/** Who is told. */
export interface CallListener {
	callEvent(event: CallEvent): void;
}

export class CallTable {
	readonly #limits: SipLimits;
	readonly #times: SipTimers;
	readonly #listener: CallListener;
	/** By Call-ID and the caller's tag; the oldest first. */
	readonly #calls = new Map<string, Call>();

	constructor(limits: SipLimits, times: SipTimers, listener: CallListener) {
		this.#limits = limits;
		this.#times = times;
		this.#listener = listener;
	}

	get size(): number {
		return this.#calls.size;
	}

	/** A call begins. False when it is known already (it spirals through us): it is followed once. */
	start(callId: string, callerTag: string, from: string, to: string, now: number): boolean {
		const key = callKey(callId, callerTag);
		if (this.#calls.has(key)) return false;
		this.#makeRoom(now);
		const call: Call = { callId, from, to, startedAt: now, answeredAt: 0, answeredBy: "" };
		this.#calls.set(key, call);
		this.#listener.callEvent({ type: "callStarted", call: { ...call } });
		return true;
	}

	ringing(callId: string, callerTag: string, by: string): void {
		const call = this.#calls.get(callKey(callId, callerTag));
		if (call !== undefined) this.#listener.callEvent({ type: "callRinging", call: { ...call }, by });
	}

	answered(callId: string, callerTag: string, by: string, now: number): void {
		const call = this.#calls.get(callKey(callId, callerTag));
		if (call === undefined || call.answeredAt !== 0) return;
		call.answeredAt = now;
		call.answeredBy = by;
		this.#listener.callEvent({ type: "callAnswered", call: { ...call }, by });
	}

	/** A final answer other than 2xx to the INVITE that began it. */
	failed(callId: string, callerTag: string, status: number, reason: string): void {
		const call = this.#calls.get(callKey(callId, callerTag));
		if (call === undefined || call.answeredAt !== 0) return;
		this.#end(callKey(callId, callerTag), call, status, reason);
	}

	/** A BYE from either side. */
	ended(callId: string, fromTag: string, toTag: string): void {
		let key = callKey(callId, fromTag);
		let call = this.#calls.get(key);
		if (call === undefined) {
			key = callKey(callId, toTag);
			call = this.#calls.get(key);
		}
		if (call !== undefined) this.#end(key, call, 200, "BYE");
	}

	#end(key: string, call: Call, status: number, reason: string): void {
		this.#calls.delete(key);
		this.#listener.callEvent({ type: "callEnded", call: { ...call }, status, reason });
	}

	#makeRoom(now: number): void {
		for (const [key, call] of this.#calls) {
			const isOld = now - call.startedAt > this.#times.call;
			if (!isOld && this.#calls.size < this.#limits.calls) return;
			this.#calls.delete(key);
		}
	}
}

function callKey(callId: string, tag: string): string {
	return `${callId}|${tag}`;
}
