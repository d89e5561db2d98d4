/**
 * A doorbell, and an intercom: what the box on the wall does. One visitor, one talk at a time.
 *
 *          press                    answered
 *   idle ---------> ring (ring.ts) ----------> talk (talk.ts) ----+
 *    ^  \              | over, door opened                        | hung up, limit, wrong codes
 *    |   \ call comes in: allowed -> talk, "ring" -> incoming     |
 *    +----+------------+------------------------------------------+
 *
 * The feedback of a press (click, LED) leaves in the same `handle` as the debounced edge, before the chime and the call.
 */

import type { Machine } from "../machine.ts";
import { type DeviceSettings, defaultDeviceSettings } from "../usages/device-settings.ts";
import { houseAor } from "../usages/house.ts";
import { Button } from "./button.ts";
import { Chime } from "./chime.ts";
import { type Command, readCommand } from "./command.ts";
import { type DigitResult, DoorRelease } from "./door-release.ts";
import { OUTCOME_MS, PRESSED_MS, SECOND_PRESS_MS } from "./limits.ts";
import { isNight } from "./night.ts";
import { Outbox } from "./outbox.ts";
import { Ring, type RingEnd } from "./ring.ts";
import { Talk } from "./talk.ts";
import type { CallEndCause, DoorInput, DoorOutput, DoorTone, LedPattern, Release } from "./types.ts";

export interface DoorbellOptions {
	/** Buttons of the board. */
	readonly buttons: number;
	/** Of the household: a button without a target of its own rings house@domain. */
	readonly domain: string;
	readonly settings?: DeviceSettings;
	/** What the flash has under "releases" and "commands". */
	readonly releases?: Uint8Array | undefined;
	readonly commands?: Uint8Array | undefined;
}

const HASH = 35;

export class Doorbell implements Machine<DoorInput, DoorOutput> {
	readonly #out = new Outbox();
	readonly #buttons: Button[] = [];
	readonly #domain: string;
	readonly #ring: Ring;
	readonly #talk = new Talk();
	readonly #chime: Chime;
	readonly #release: DoorRelease;
	#settings: DeviceSettings;
	#isOnline = false;
	#isContactOpen = false;
	#isMuted: boolean;
	#volume: number;
	/** Wall clock minus monotonic clock; NaN while nobody has set it. */
	#wallOffset = Number.NaN;
	/** A call that waits for somebody to press, else 0. */
	#incoming = 0;
	#incomingFrom = "";
	#incomingEndsAt = Number.POSITIVE_INFINITY;
	#shown: LedPattern | "" = "";
	/** Over what the LED would show otherwise. */
	#notice: LedPattern = "off";
	#noticeEndsAt = Number.NEGATIVE_INFINITY;

	constructor(options: DoorbellOptions, now: number) {
		this.#domain = options.domain;
		this.#settings = options.settings ?? defaultDeviceSettings();
		this.#isMuted = this.#settings.isMuted;
		this.#volume = this.#settings.volume;
		for (let i = 0; i < options.buttons; i++) this.#buttons.push(new Button());
		this.#release = new DoorRelease(this.#out, this.#settings, options.releases, options.commands);
		this.#chime = new Chime(this.#out);
		this.#ring = new Ring(this.#out);
		this.#out.put({ type: "mute", isMuted: true });
		this.#out.put({ type: "volume", volume: this.#volume });
		this.#showLed(now);
	}

	/** The last releases of the door, the oldest first. */
	releases(): Release[] {
		return this.#release.releases.list();
	}

	/** In a word, for status pages: idle, waiting, calling, ringing, incoming, talking. */
	get state(): string {
		if (this.#talk.call !== 0) return "talking";
		if (this.#incoming !== 0) return "incoming";
		return this.#ring.phase === "none" ? "idle" : this.#ring.phase;
	}

	poll(): DoorOutput | undefined {
		return this.#out.poll();
	}

	deadline(): number {
		let at = Math.min(this.#ring.deadline(), this.#talk.deadline(), this.#chime.deadline(), this.#release.deadline());
		at = Math.min(at, this.#incomingEndsAt);
		for (let i = 0; i < this.#buttons.length; i++) at = Math.min(at, this.#buttons[i]!.deadline());
		return this.#noticeEndsAt > Number.NEGATIVE_INFINITY ? Math.min(at, this.#noticeEndsAt) : at;
	}

	handle(input: DoorInput, now: number): void {
		// What was due before comes before, however late the timer is.
		this.#expire(now);
		this.#dispatch(input, now);
		this.#showLed(now);
	}

	#dispatch(input: DoorInput, now: number): void {
		switch (input.type) {
			case "timeout":
				return;
			case "button":
				this.#buttons[input.button]?.edge(input.isDown, this.#settings.debounceMs, now);
				return;
			case "contact":
				this.#contact(input.isOpen, now);
				return;
			case "callProgress":
				this.#progress(input.call, input.status);
				return;
			case "callAnswered":
				this.#answered(input.call, input.from, now);
				return;
			case "callEnded":
				this.#ended(input.call, input.cause, input.status, now);
				return;
			case "callIncoming":
				this.#callIncoming(input.call, input.from, now);
				return;
			case "digit":
				if (input.call === 0 || input.call !== this.#talk.call || !this.#talk.hears(input.way)) return;
				this.#digit(input.digit.charCodeAt(0), now);
				return;
			case "command":
				this.#command(input.id, input.from, input.text, now);
				return;
			case "online":
				this.#isOnline = input.isOnline;
				if (input.isOnline) this.#ring.online(now);
				return;
			case "settings":
				this.#newSettings(input.settings);
				return;
			case "clock":
				this.#wallOffset = input.wallMs - now;
				return;
			case "saved":
				if (input.key === "commands" && this.#release.saved(input.isSaved, this.#wallMs(now), now)) this.#opened(now);
		}
	}

	// Times

	#expire(now: number): void {
		for (let i = 0; i < this.#buttons.length; i++) this.#expireButton(i, now);
		const end = this.#ring.expire(now);
		if (end !== undefined) this.#ringOver(end, now);
		this.#expireTalk(now);
		if (now >= this.#incomingEndsAt) this.#endIncoming(480);
		this.#chime.expire(now);
		this.#digitResult(this.#release.expire(this.#talk.who, this.#wallMs(now), now), now);
		if (now >= this.#noticeEndsAt) this.#noticeEndsAt = Number.NEGATIVE_INFINITY;
	}

	#expireButton(button: number, now: number): void {
		const news = this.#buttons[button]!.expire(now);
		if (news === "pressed") this.#pressed(button, now);
		else if (news === "stuck") this.#out.warn("button.stuck", `${button}`);
	}

	#expireTalk(now: number): void {
		for (let news = this.#talk.expire(now); news !== "none"; news = this.#talk.expire(now)) {
			if (news === "limit") {
				this.#out.log("call.limit");
				this.#hangUp("time limit");
			} else {
				if (news === "warning") this.#out.log("call.warning");
				this.#tone(this.#talk.call, news);
			}
		}
	}

	/** 0 when the clock is not set. */
	#wallMs(now: number): number {
		return Number.isNaN(this.#wallOffset) ? 0 : Math.floor(this.#wallOffset + now);
	}

	// A press

	#pressed(button: number, now: number): void {
		this.#out.put({ type: "click" });
		this.#notify("pressed", PRESSED_MS, now);
		// Before anything slower is begun.
		this.#showLed(now);
		this.#out.log("press", `${button}`);
		if (this.#incoming !== 0) this.#answerIncoming(now);
		else if (this.#talk.call !== 0) this.#pressInTalk();
		else if (this.#ring.phase === "none") this.#startRing(button, now);
		else this.#pressInRing(button, now);
	}

	#startRing(button: number, now: number): void {
		// At night a press is felt and seen at the door and rings the phones, which have nights of their own.
		if (this.#settings.isChimeOn && !this.#isNight(now)) this.#chime.ring(this.#settings, now);
		const own = this.#settings.buttons[button] ?? "";
		const target = own === "" ? houseAor(this.#domain) : own;
		this.#ring.start(button, target, this.#settings.ringLimitS * 1000, this.#isOnline, now);
	}

	#isNight(now: number): boolean {
		const wallMs = this.#wallMs(now);
		return wallMs > 0 && isNight(this.#settings, wallMs);
	}

	/** The same finger, the same visitor with less patience, or one who has found the right name. */
	#pressInRing(button: number, now: number): void {
		const isOther = button !== this.#ring.button;
		const policy = this.#settings.secondPress;
		const isTooSoon = now - this.#ring.startedAt < SECOND_PRESS_MS;
		if (!isOther && (isTooSoon || policy === "ignore")) {
			this.#out.log("press.ignored", `${button}`);
			return;
		}
		this.#stopRing("pressed again");
		if (isOther || policy === "restart") this.#startRing(button, now);
		else this.#out.log("ring.cancelled");
	}

	#pressInTalk(): void {
		if (this.#settings.secondPress === "hangUp") this.#hangUp("pressed again");
		else this.#out.log("press.ignored");
	}

	// The ring

	/** The call that is out, if any, is hung up, and the visitor hears no more ringing. */
	#stopRing(reason: string): void {
		if (this.#ring.phase === "none") return;
		if (this.#ring.phase === "ringing") this.#tone(this.#ring.call, "none");
		this.#ring.stop(reason);
	}

	#ringOver(end: RingEnd, now: number): void {
		this.#tone(0, "none");
		if (end === "elsewhere") {
			this.#out.log("ring.answeredElsewhere");
			return;
		}
		const isNobody = end === "noAnswer" || end === "declined";
		if (isNobody) this.#out.log("ring.noAnswer", end);
		else this.#out.warn("ring.failed", end);
		this.#tone(0, "busy");
		this.#notify(isNobody ? "noAnswer" : "error", OUTCOME_MS, now);
	}

	#contact(isOpen: boolean, now: number): void {
		if (isOpen === this.#isContactOpen) return;
		this.#isContactOpen = isOpen;
		this.#out.log(isOpen ? "contact.opened" : "contact.closed");
		if (isOpen) this.#doorIsOpen(now);
	}

	/** Somebody is at the door or inside: nobody needs to come any more. A talk goes on. */
	#doorIsOpen(now: number): void {
		if (this.#ring.phase === "none") return;
		this.#stopRing("the door was opened");
		this.#chime.stop();
		this.#out.log("ring.doorOpened");
		this.#notify("opened", OUTCOME_MS, now);
	}

	// Calls

	#progress(call: number, status: number): void {
		if (call === 0 || call !== this.#ring.call) return;
		if (this.#ring.progress(status)) this.#tone(call, "ringback");
	}

	#answered(call: number, from: string, now: number): void {
		if (call === this.#talk.call) return;
		if (call !== this.#ring.call || this.#ring.phase === "none") {
			// It was called off, and the answer crossed that on the way.
			this.#out.put({ type: "hangUp", call, reason: "too late" });
			return;
		}
		if (this.#ring.phase === "ringing") this.#tone(call, "none");
		// Whoever it is, he is behind the address that was rung.
		const who = from === "" ? this.#ring.target : from;
		this.#ring.take();
		this.#chime.stop();
		this.#out.log("ring.answered", who);
		this.#startTalk(call, who, false, now);
	}

	#startTalk(call: number, who: string, isFromInside: boolean, now: number): void {
		this.#noticeEndsAt = Number.NEGATIVE_INFINITY;
		this.#release.clearEntry();
		this.#talk.start(call, who, isFromInside, this.#settings.callLimitS * 1000, now);
		this.#out.log("call.started", who);
		// The privacy tone goes first: the room hears it before it is heard.
		this.#expireTalk(now);
		this.#out.put({ type: "mute", isMuted: this.#isMuted });
	}

	#ended(call: number, cause: CallEndCause, status: number, now: number): void {
		if (call === 0) return;
		if (call === this.#talk.call) this.#endTalk(cause);
		else if (call === this.#incoming) this.#endIncoming(0);
		else if (call === this.#ring.call) {
			const wasRinging = this.#ring.phase === "ringing";
			const end = this.#ring.ended(cause, status, now);
			if (end !== undefined) this.#ringOver(end, now);
			else if (wasRinging) this.#tone(0, "none");
		}
	}

	#hangUp(reason: string): void {
		this.#out.put({ type: "hangUp", call: this.#talk.call, reason });
		this.#endTalk("local");
	}

	#endTalk(cause: CallEndCause): void {
		this.#talk.end();
		this.#release.clearEntry();
		this.#out.put({ type: "mute", isMuted: true });
		this.#out.log("call.ended", cause);
	}

	// Calls to us

	#callIncoming(call: number, from: string, now: number): void {
		const isAllowed = this.#isIn(this.#settings.autoAnswer, from);
		const isRingAllowed = this.#settings.incoming === "ring" && this.#ring.phase === "none";
		if (this.#talk.call !== 0 || this.#incoming !== 0) this.#refuse(call, from, 486);
		else if (isAllowed) {
			// Whoever calls the door while it rings has found another way to answer.
			this.#stopRing("answered by a call to the door");
			this.#out.put({ type: "answer", call });
			this.#startTalk(call, from, true, now);
		} else if (isRingAllowed) {
			this.#incoming = call;
			this.#incomingFrom = from;
			this.#incomingEndsAt = now + this.#settings.ringLimitS * 1000;
			this.#out.put({ type: "ring", call });
			this.#out.log("call.incoming", from);
			this.#tone(0, "incoming");
		} else this.#refuse(call, from, this.#ring.phase === "none" ? 403 : 486);
	}

	#refuse(call: number, from: string, status: number): void {
		this.#out.log("call.refused", `${status} ${from}`);
		this.#out.put({ type: "reject", call, status });
	}

	#answerIncoming(now: number): void {
		const call = this.#incoming;
		const from = this.#incomingFrom;
		this.#endIncoming(0);
		this.#out.put({ type: "answer", call });
		// Somebody in the room opened this microphone: no privacy tone.
		this.#startTalk(call, from, false, now);
	}

	/** `status` 0: without an answer to the caller. */
	#endIncoming(status: number): void {
		if (status !== 0) this.#refuse(this.#incoming, this.#incomingFrom, status);
		this.#incoming = 0;
		this.#incomingFrom = "";
		this.#incomingEndsAt = Number.POSITIVE_INFINITY;
		this.#tone(0, "none");
	}

	/** In a list of AORs; "*" is everybody of the household. Nobody is in it without a name. */
	#isIn(list: readonly string[], aor: string): boolean {
		if (aor === "") return false;
		for (let i = 0; i < list.length; i++) {
			if (list[i] === aor || (list[i] === "*" && aor.endsWith(`@${this.#domain}`))) return true;
		}
		return false;
	}

	// Digits and commands

	#digit(code: number, now: number): void {
		if (code === HASH && this.#release.isEntryEmpty) {
			this.#talk.prolong(this.#settings.callLimitS * 1000, now);
			this.#out.log("call.prolonged");
			return;
		}
		this.#digitResult(this.#release.digit(code, this.#talk.who, this.#wallMs(now), now), now);
	}

	#digitResult(result: DigitResult, now: number): void {
		if (result === "opened") this.#opened(now);
		if (result === "refused" || result === "hangUp") {
			this.#tone(this.#talk.call, "refused");
			this.#notify("error", OUTCOME_MS, now);
		}
		if (result === "hangUp" && this.#talk.call !== 0) this.#hangUp("wrong codes");
	}

	#opened(now: number): void {
		this.#tone(this.#talk.call, "opened");
		this.#doorIsOpen(now);
		this.#notify("opened", Math.max(this.#settings.releaseMs, OUTCOME_MS), now);
	}

	#command(id: string, from: string, text: string, now: number): void {
		const command = readCommand(text, from, id);
		if (command === undefined) {
			this.#out.log("command.unknown", from);
			this.#reply(id, 400, "commands: open, status, hangup, mute, unmute, volume 0..100");
			return;
		}
		const isAllowed = this.#isIn(this.#settings.openers, from);
		if (command.verb === "open") this.#release.command(command, id, isAllowed, this.#wallMs(now), now);
		else if (!isAllowed) this.#reply(id, 403, "you may not command this door");
		else this.#carryOut(command, id);
	}

	#carryOut(command: Command, id: string): void {
		switch (command.verb) {
			case "status":
				this.#reply(id, 200, this.#statusText());
				return;
			case "hangup":
				if (this.#talk.call !== 0) this.#hangUp("command");
				this.#stopRing("command");
				break;
			case "volume":
				this.#setVolume(command.volume);
				break;
			default:
				this.#setMuted(command.verb === "mute");
		}
		this.#reply(id, 200, "done");
	}

	#statusText(): string {
		const door = this.#isContactOpen ? "open" : this.#release.isOpen ? "released" : "shut";
		return `${this.state}, ${this.#isOnline ? "online" : "offline"}, door ${door}, volume ${this.#volume}`;
	}

	#reply(id: string, status: number, text: string): void {
		this.#out.put({ type: "reply", id, status, text });
	}

	// Settings

	#newSettings(settings: DeviceSettings): void {
		const before = this.#settings;
		this.#settings = settings;
		this.#release.settings = settings;
		// What was set by a command stays until somebody changes the setting.
		if (settings.volume !== before.volume) this.#setVolume(settings.volume);
		if (settings.isMuted !== before.isMuted) this.#setMuted(settings.isMuted);
	}

	#setVolume(volume: number): void {
		if (volume === this.#volume) return;
		this.#volume = volume;
		this.#out.put({ type: "volume", volume });
	}

	#setMuted(isMuted: boolean): void {
		if (isMuted === this.#isMuted) return;
		this.#isMuted = isMuted;
		if (this.#talk.call !== 0) this.#out.put({ type: "mute", isMuted });
	}

	// What is shown and heard

	#tone(call: number, name: DoorTone): void {
		this.#out.put({ type: "tone", call, name });
	}

	#notify(pattern: LedPattern, ms: number, now: number): void {
		this.#notice = pattern;
		this.#noticeEndsAt = now + ms;
	}

	#showLed(now: number): void {
		const pattern = now < this.#noticeEndsAt ? this.#notice : this.#basePattern();
		if (pattern === this.#shown) return;
		this.#shown = pattern;
		this.#out.put({ type: "led", pattern });
	}

	#basePattern(): LedPattern {
		if (this.#talk.call !== 0) return "talking";
		if (this.#incoming !== 0) return "incoming";
		if (this.#ring.phase === "ringing") return "ringing";
		if (this.#ring.phase !== "none") return this.#ring.isSearching ? "searching" : "calling";
		return this.#isOnline ? "idle" : "offline";
	}
}
