/**
 * A scripted SIP phone over UDP for the demo and the tests: registers with digest, calls, is called, sends and takes MESSAGEs, follows
 * Record-Route and Contact (RFC 3261 §8, §10, §12, §13; RFC 3428), and plays a tone. Shares nothing with core/sip (see sip-text.ts).
 * Of a call that forks it keeps the first answer only.
 */
import { type Draft, Exchange, type Served, sibling, token } from "./exchange.ts";
import {
	audioPlaceOf,
	authorization,
	type Place,
	type SipText,
	sdpOf,
	statusOf,
	uriOf,
	value,
	values,
} from "./sip-text.ts";
import { Tone } from "./tone.ts";

export interface PhoneOptions {
	/** "anna" */
	readonly user: string;
	readonly password: string;
	readonly domain: string;
	/** Where it registers and sends what has no other way. */
	readonly edge: Place;
	/** Loopback address of the phone itself. */
	readonly address: string;
	readonly onTrace?: (direction: "<" | ">", text: string) => void;
}

/** A promise that somebody else keeps. */
class Later<T> {
	readonly promise: Promise<T>;
	resolve: (value: T) => void = () => undefined;

	constructor() {
		this.promise = new Promise((resolve) => {
			this.resolve = resolve;
		});
	}
}

export class ScriptedPhone {
	readonly options: PhoneOptions;
	/** "sip:anna@home.example" */
	readonly uri: string;
	/** MESSAGEs received. */
	readonly inbox: { readonly from: string; readonly text: string }[] = [];
	readonly calls: Call[] = [];
	/** What to do with a call that rings. */
	onInvite: (call: Call) => void = (call) => call.answer();
	exchange!: Exchange;
	readonly #registration = token();
	#cseq = Math.floor(Math.random() * 1000) + 1;

	private constructor(options: PhoneOptions) {
		this.options = options;
		this.uri = `sip:${options.user}@${options.domain}`;
	}

	static async start(options: PhoneOptions): Promise<ScriptedPhone> {
		const phone = new ScriptedPhone(options);
		const { address, edge, onTrace } = options;
		const onRequest = (method: string, served: Served): void => phone.#serve(method, served);
		phone.exchange = await Exchange.open({ address, edge, onTrace, onRequest });
		return phone;
	}

	get contact(): readonly [string, string] {
		const { address, port } = this.exchange.place;
		return ["contact", `<sip:${this.options.user}@${address}:${port}>`];
	}

	/** Registers for `expiresS` (0 = unregisters); gives the final status. */
	async register(expiresS = 300): Promise<number> {
		const more = [this.contact, ["expires", String(expiresS)]] as const;
		return await this.#outside("REGISTER", `sip:${this.options.domain}`, this.uri, this.#registration, more);
	}

	/** Sends a MESSAGE; gives the final status. */
	async message(uri: string, text: string): Promise<number> {
		return await this.#outside("MESSAGE", uri, uri, token(), [["content-type", "text/plain"]], text);
	}

	/** Begins a call; `call.answered` gives the final status. */
	async call(uri: string): Promise<Call> {
		const call = new Call(this, await Tone.open(this.options.address), token());
		this.calls.push(call);
		call.invite(uri);
		return call;
	}

	/** Ends everything at once, without a word to anybody. */
	close(): void {
		this.exchange.close();
		for (const call of this.calls) call.tone.close();
	}

	/** Sends a request and gives its final response; answers one challenge. `onEvent`: requests sent, provisional responses. */
	async ask(draft: Draft, onEvent?: (message: SipText) => void): Promise<SipText> {
		const first = await this.#attempt(draft, onEvent);
		if (statusOf(first) !== 401 && statusOf(first) !== 407) return first;
		const proof = authorization(first, draft.method, draft.uri, this.options);
		if (proof === undefined) return first;
		return await this.#attempt({ ...draft, more: [...(draft.more ?? []), proof] }, onEvent);
	}

	#attempt(draft: Draft, onEvent?: (message: SipText) => void): Promise<SipText> {
		const request = this.exchange.compose(draft, ++this.#cseq);
		onEvent?.(request);
		const final = new Later<SipText>();
		this.exchange.send(request, (response) => {
			if (statusOf(response) < 200) onEvent?.(response);
			else final.resolve(response);
		});
		return final.promise;
	}

	async #outside(method: string, uri: string, to: string, callId: string, more: Draft["more"] = [], body = "") {
		const from = `<${this.uri}>;tag=${token()}`;
		return statusOf(await this.ask({ method, uri, from, to: `<${to}>`, callId, more, body }));
	}

	#serve(method: string, served: Served): void {
		const { request } = served;
		const call = this.calls.find((one) => one.callId === value(request, "call-id"));
		const { exchange } = this;
		switch (method) {
			case "INVITE":
				if (call === undefined) void this.#ring(served);
				else call.accept(served);
				return;
			case "MESSAGE":
				this.inbox.push({ from: uriOf(value(request, "from")), text: request.body });
				exchange.answer(served, "200 OK");
				return;
			case "OPTIONS":
				exchange.answer(served, "200 OK", [["allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE"]]);
				return;
			case "BYE":
			case "CANCEL":
				exchange.answer(served, call === undefined ? "481 Call Does Not Exist" : "200 OK");
				if (method === "BYE") call?.over("BYE");
				else call?.refuse(487, "Request Terminated");
				return;
			default:
				exchange.answer(served, "405 Method Not Allowed");
		}
	}

	async #ring(served: Served): Promise<void> {
		const call = new Call(this, await Tone.open(this.options.address), value(served.request, "call-id"), served);
		this.calls.push(call);
		this.exchange.answer(served, "180 Ringing", [this.contact]);
		this.onInvite(call);
	}
}

/** One call, from either end. */
export class Call {
	readonly callId: string;
	readonly tone: Tone;
	/** URI of the other side. */
	peer = "";
	state: "calling" | "ringing" | "talking" | "over" = "calling";
	readonly #phone: ScriptedPhone;
	readonly #served: Served | undefined;
	readonly #ringing = new Later<void>();
	readonly #answered = new Later<number>();
	readonly #ended = new Later<string>();
	/** The dialog (§12.1): both ends with their tags, where requests go, and the way there. */
	#dialog = { from: "", to: "", uri: "", routes: [] as string[] };
	#invite: SipText | undefined;
	#isCancelled = false;

	constructor(phone: ScriptedPhone, tone: Tone, callId: string, served?: Served) {
		this.#phone = phone;
		this.tone = tone;
		this.callId = callId;
		this.#served = served;
		if (served === undefined) return;
		const { request } = served;
		this.peer = uriOf(value(request, "from"));
		// §12.1.1: the callee takes the recorded route as it stands; the caller, below, reversed.
		this.#dialog = {
			from: `${value(request, "to")};tag=${served.tag}`,
			to: value(request, "from"),
			uri: uriOf(value(request, "contact")),
			routes: values(request, "record-route"),
		};
		this.#ring();
	}

	/** The other side rings (or it is over before that); for a call that rings here, at once. */
	get ringing(): Promise<void> {
		return this.#ringing.promise;
	}

	/** Final status of the INVITE; 0 when the call ended without one. */
	get answered(): Promise<number> {
		return this.#answered.promise;
	}

	/** Why it is over: "BYE" (of the other side), "hangup", "CANCEL", or a status. */
	get ended(): Promise<string> {
		return this.#ended.promise;
	}

	/** RTP packets of this phone and of the other side. */
	get rtp(): { readonly sent: number; readonly received: number } {
		return { sent: this.tone.sent, received: this.tone.received };
	}

	/** Calls `uri`. */
	invite(uri: string): void {
		this.peer = uri;
		const from = `<${this.#phone.uri}>;tag=${token()}`;
		const more = [this.#phone.contact, ["content-type", "application/sdp"]] as const;
		const body = sdpOf(this.tone.place);
		const draft = { method: "INVITE", uri, from, to: `<${uri}>`, callId: this.callId, more, body };
		const seen = (message: SipText): void => {
			if (statusOf(message) === 0) this.#invite = message;
			else if (statusOf(message) === 180) this.#ring();
		};
		void this.#phone.ask(draft, seen).then((response) => {
			if (statusOf(response) < 300) this.#established(response, from);
			else this.over(String(statusOf(response)), statusOf(response));
		});
	}

	/** Answers a call that rings here. */
	answer(): void {
		if (this.#served !== undefined && this.state === "ringing") this.accept(this.#served);
	}

	/** 200 with our audio, to the first INVITE of a call or a later one. */
	accept(served: Served): void {
		const more = [this.#phone.contact, ["content-type", "application/sdp"]] as const;
		this.#phone.exchange.answer(served, "200 OK", more, sdpOf(this.tone.place));
		this.#talk(served.request.body);
	}

	/** Refuses a call that rings here. */
	refuse(status: number, reason: string): void {
		if (this.#served === undefined || this.state !== "ringing") return;
		this.#phone.exchange.answer(this.#served, `${status} ${reason}`, [this.#phone.contact]);
		this.over(status === 487 ? "CANCEL" : String(status), status);
	}

	/** BYE when talking, CANCEL while the other side rings; gives the status of its answer. */
	async hangup(): Promise<number> {
		if (this.state === "over") return 0;
		if (this.state === "talking") {
			this.over("hangup");
			return statusOf(await this.#phone.ask(this.#inside("BYE")));
		}
		this.#isCancelled = true;
		const invite = this.#invite as SipText;
		const status = new Later<number>();
		this.#phone.exchange.send(sibling(invite, "CANCEL", value(invite, "to")), (response) =>
			status.resolve(statusOf(response)),
		);
		return await status.promise;
	}

	/** The call is over, whoever ended it. */
	over(why: string, status = 0): void {
		if (this.state === "over") return;
		this.state = "over";
		this.tone.close();
		this.#ringing.resolve();
		this.#answered.resolve(status);
		this.#ended.resolve(why);
	}

	#ring(): void {
		if (this.state === "calling") this.state = "ringing";
		this.#ringing.resolve();
	}

	#established(response: SipText, from: string): void {
		this.#dialog = {
			from,
			to: value(response, "to"),
			uri: uriOf(value(response, "contact")),
			routes: values(response, "record-route").reverse(),
		};
		const cseq = Number.parseInt(value(response, "cseq"), 10);
		this.#phone.exchange.send(this.#phone.exchange.compose(this.#inside("ACK"), cseq), () => undefined);
		this.#talk(response.body);
		// The 200 and our CANCEL have crossed (§9.1).
		if (this.#isCancelled) void this.hangup();
	}

	#talk(sdp: string): void {
		if (this.state === "over") return;
		this.state = "talking";
		const place = audioPlaceOf(sdp);
		if (place !== undefined) this.tone.play(place);
		this.#ringing.resolve();
		this.#answered.resolve(200);
	}

	#inside(method: string): Draft {
		return { method, callId: this.callId, ...this.#dialog };
	}
}
