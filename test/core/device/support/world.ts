/**
 * A doorbell at a wall, in virtual time: a finger, an edge with phones behind it, a flash, and whatever can fail between them. The UA is
 * a model (it keeps the promises of `DoorInput`), the doorbell is the real one.
 */
import { Doorbell } from "../../../../core/device/doorbell.ts";
import {
	type CallEndCause,
	type DoorInput,
	type DoorOutput,
	FIRST_INCOMING_CALL,
	type LedPattern,
} from "../../../../core/device/types.ts";
import { type DeviceSettings, defaultDeviceSettings } from "../../../../core/usages/device-settings.ts";
import { VirtualTime } from "../../../../hal/sim/time.ts";

export const DOMAIN = "home.example";
export const ANNA = `anna@${DOMAIN}`;
const UA_MS = 1;
const BOOT_MS = 3000;
const CONNECT_MS = 2000;
const INCOMING_MS = 200_000;

/** One thing that goes wrong. Counted from 1; 0 = nothing does. */
export interface Fault {
	/** This input (timeouts aside, which come again) is lost. */
	readonly dropInput: number;
	/** Power goes before this output is carried out. */
	readonly killOutput: number;
	/** This flash write or call is refused. */
	readonly failResource: number;
}

export const NO_FAULT: Fault = Object.freeze({ dropInput: 0, killOutput: 0, failResource: 0 });

/** How the phones behind the edge behave, milliseconds after the call; `undefined`: never. */
export interface PhoneScript {
	readonly tryingMs?: number | undefined;
	readonly ringMs?: number | undefined;
	readonly answerMs?: number | undefined;
	/** A final answer other than 200. */
	readonly refuseMs?: number | undefined;
	readonly status?: number | undefined;
	readonly cause?: CallEndCause | undefined;
	/** After it was answered. */
	readonly byeMs?: number | undefined;
}

export const ANSWERS: PhoneScript = Object.freeze({ tryingMs: 5, ringMs: 60, answerMs: 4000 });

export interface Seen {
	readonly at: number;
	readonly output: DoorOutput;
}

export class DoorWorld {
	readonly time = new VirtualTime();
	settings: DeviceSettings;
	readonly flash = new Map<string, Uint8Array>();
	/** What calls meet, by attempt; the last one stays. */
	phones: PhoneScript[] = [ANSWERS];
	/** What a talk brings: called for each one that begins. */
	onTalk: (call: number) => void = () => {};
	isEdgeUp = true;
	isClockSet = true;
	door: Doorbell;
	readonly seen: Seen[] = [];
	isRunning = true;
	restarts = 0;
	inputs = 0;
	outputs = 0;
	resources = 0;
	/** Calls that nobody took up: the UA answers 480, or the caller gave up. */
	callsTimedOut = 0;
	relay = false;
	chime = false;
	isMuted = true;
	led: LedPattern = "off";
	readonly #fault: Fault;
	/** Calls that live in the UA. */
	readonly calls = new Map<number, { isAnswered: boolean }>();
	#dialled = 0;
	#nextIncoming = FIRST_INCOMING_CALL;
	#timerAt = Number.POSITIVE_INFINITY;
	#life = 0;

	constructor(settings: Partial<DeviceSettings> = {}, fault: Fault = NO_FAULT) {
		this.settings = { ...defaultDeviceSettings(), ...settings };
		this.#fault = fault;
		this.door = this.#boot();
		this.#carryOut();
		this.#connected();
		this.time.advance(10);
	}

	#boot(): Doorbell {
		const options = { buttons: 3, domain: DOMAIN, settings: this.settings };
		const stored = { releases: this.flash.get("releases"), commands: this.flash.get("commands") };
		this.door = new Doorbell({ ...options, ...stored }, this.time.now);
		return this.door;
	}

	#connected(): void {
		if (this.isClockSet) this.input({ type: "clock", wallMs: this.time.wallMs() });
		if (this.isEdgeUp) this.input({ type: "online", isOnline: true });
	}

	/** An input that may be lost on its way. */
	input(input: DoorInput): void {
		if (!this.isRunning) return;
		this.inputs++;
		if (this.inputs === this.#fault.dropInput) return;
		this.#handle(input);
	}

	#handle(input: DoorInput): void {
		this.door.handle(input, this.time.now);
		this.#carryOut();
	}

	#carryOut(): void {
		const answers: DoorInput[] = [];
		for (let output = this.door.poll(); output !== undefined; output = this.door.poll()) {
			this.outputs++;
			if (this.outputs === this.#fault.killOutput) {
				this.powerCut();
				return;
			}
			this.seen.push({ at: this.time.now, output });
			const answer = this.#one(output);
			if (answer !== undefined) answers.push(answer);
		}
		for (const answer of answers) this.input(answer);
		this.#setTimer();
	}

	#setTimer(): void {
		if (!this.isRunning) return;
		const at = this.door.deadline();
		if (at === Number.POSITIVE_INFINITY || at >= this.#timerAt) return;
		this.#timerAt = at;
		const life = this.#life;
		this.time.at(at, () => {
			if (life !== this.#life || this.#timerAt !== at) return;
			this.#timerAt = Number.POSITIVE_INFINITY;
			this.#handle({ type: "timeout" });
		});
	}

	#one(output: DoorOutput): DoorInput | undefined {
		switch (output.type) {
			case "save":
				return this.#save(output.key, output.bytes);
			case "call":
				this.#call(output.call);
				return undefined;
			case "answer":
				this.calls.set(output.call, { isAnswered: true });
				this.onTalk(output.call);
				return undefined;
			case "hangUp":
			case "reject":
				this.#end(output.call, "local", 0, UA_MS);
				return undefined;
			case "relay":
				this.relay = output.isOn;
				return undefined;
			case "chime":
				this.chime = output.isOn;
				return undefined;
			case "mute":
				this.isMuted = output.isMuted;
				return undefined;
			case "led":
				this.led = output.pattern;
				return undefined;
			default:
				return undefined;
		}
	}

	#isRefused(): boolean {
		this.resources++;
		return this.resources === this.#fault.failResource;
	}

	#save(key: "releases" | "commands", bytes: Uint8Array): DoorInput {
		const isSaved = !this.#isRefused();
		if (isSaved) this.flash.set(key, bytes.slice());
		return { type: "saved", key, isSaved };
	}

	#call(call: number): void {
		this.calls.set(call, { isAnswered: false });
		if (this.#isRefused()) this.#end(call, "limit", 0, 0);
		else if (!this.isEdgeUp) this.#end(call, "transport", 0, UA_MS);
		else this.#play(call);
	}

	#play(call: number): void {
		const script = this.phones[Math.min(this.#dialled++, this.phones.length - 1)]!;
		const progress = (status: number) => () => this.input({ type: "callProgress", call, status });
		this.#later(call, script.tryingMs, progress(100));
		this.#later(call, script.ringMs, progress(180));
		this.#later(call, script.answerMs, () => {
			this.calls.set(call, { isAnswered: true });
			this.input({ type: "callAnswered", call, from: ANNA });
			if (this.isTalking(call)) this.onTalk(call);
			if (script.byeMs !== undefined) this.bye(call, script.byeMs);
		});
		if (script.refuseMs !== undefined) this.#end(call, script.cause ?? "refused", script.status ?? 0, script.refuseMs);
	}

	/** While the call lives. */
	#later(call: number, ms: number | undefined, what: () => void): void {
		if (ms === undefined) return;
		const life = this.#life;
		this.time.after(ms, () => {
			if (life === this.#life && this.calls.has(call)) what();
		});
	}

	#end(call: number, cause: CallEndCause, status: number, ms: number): void {
		this.#later(call, ms, () => {
			this.calls.delete(call);
			this.input({ type: "callEnded", call, cause, status });
		});
	}

	isTalking(call: number): boolean {
		return this.door.state === "talking" && this.calls.has(call);
	}

	/** The far end hangs up. */
	bye(call: number, afterMs = 0): void {
		if (this.calls.get(call)?.isAnswered === false) this.callsTimedOut++;
		this.#end(call, "remote", 200, afterMs);
	}

	/** Somebody calls the door. */
	callDoor(from: string): number {
		const call = this.#nextIncoming++;
		this.calls.set(call, { isAnswered: false });
		this.#later(call, INCOMING_MS, () => {
			if (this.calls.get(call)?.isAnswered !== false) return;
			this.callsTimedOut++;
			this.#end(call, "timeout", 0, 0);
		});
		this.input({ type: "callIncoming", call, from });
		return call;
	}

	/** Everything in memory is gone; back after the boot. */
	powerCut(): void {
		this.isRunning = false;
		this.#life++;
		this.restarts++;
		this.calls.clear();
		this.relay = false;
		this.chime = false;
		this.isMuted = true;
		this.#timerAt = Number.POSITIVE_INFINITY;
		this.time.after(BOOT_MS, () => {
			this.isRunning = true;
			this.#boot();
			this.#carryOut();
			this.time.after(CONNECT_MS, () => this.#connected());
		});
	}

	setEdge(isUp: boolean): void {
		this.isEdgeUp = isUp;
		if (!isUp) for (const call of [...this.calls.keys()]) this.#end(call, "transport", 0, UA_MS);
		this.input({ type: "online", isOnline: isUp });
	}

	/** A finger: the contact bounces on its way down and up. */
	finger(button = 0, heldMs = 250): void {
		for (const [at, isDown] of [
			[0, true],
			[1, false],
			[2, true],
			[heldMs, false],
			[heldMs + 1, true],
			[heldMs + 3, false],
		] as const)
			this.time.after(at, () => this.input({ type: "button", button, isDown }));
	}

	/** A visitor: presses, and again when nothing clicks. */
	press(button = 0, tries = 3): void {
		const clicks = this.count("click");
		this.finger(button);
		this.time.after(800, () => {
			if (this.count("click") === clicks && tries > 1) this.press(button, tries - 1);
		});
	}

	/** A resident types a code, and again when the door stays shut. */
	type(call: number, digits: string, tries = 2): void {
		const opened = this.count("record");
		[...digits].forEach((digit, i) => {
			this.time.after(200 * (i + 1), () => this.digit(call, digit));
		});
		this.time.after(200 * digits.length + 6000, () => {
			if (this.count("record") === opened && tries > 1 && this.calls.has(call)) this.type(call, digits, tries - 1);
		});
	}

	digit(call: number, digit: string, way: "rtp" | "info" = "rtp"): void {
		this.input({ type: "digit", call, digit, way });
	}

	/** A sender that repeats its command until it is answered. */
	command(text: string, from = ANNA, id = `${text} ${this.time.now}`, tries = 3): void {
		this.input({ type: "command", id, from, text });
		this.time.after(8000, () => {
			if (this.reply(id) === undefined && tries > 1) this.command(text, from, id, tries - 1);
		});
	}

	reply(id: string): { status: number; text: string } | undefined {
		for (const { output } of this.seen) if (output.type === "reply" && output.id === id) return output;
		return undefined;
	}

	outputsOf<T extends DoorOutput["type"]>(type: T): Extract<DoorOutput, { type: T }>[] {
		const found: Extract<DoorOutput, { type: T }>[] = [];
		for (const { output } of this.seen)
			if (output.type === type) found.push(output as Extract<DoorOutput, { type: T }>);
		return found;
	}

	count(type: DoorOutput["type"]): number {
		return this.outputsOf(type).length;
	}

	/** When outputs of a type came. */
	times(type: DoorOutput["type"]): number[] {
		return this.seen.filter(({ output }) => output.type === type).map(({ at }) => at);
	}

	logged(event: string): boolean {
		return this.outputsOf("log").some((one) => one.event === event);
	}

	events(): string[] {
		return this.outputsOf("log").map((one) => one.event);
	}

	tones(): string[] {
		return this.outputsOf("tone").map((one) => one.name);
	}

	advance(ms: number): void {
		this.time.advance(ms);
	}

	until(condition: () => boolean, withinMs = 60_000): boolean {
		return this.time.until(condition, withinMs);
	}
}
