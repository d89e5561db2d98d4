/** The doorbell on its board: pins, LED and flash. Binds core/device to the device. */
import { Doorbell } from "../../../core/device/doorbell.ts";
import { LedPlayer } from "../../../core/device/led.ts";
import type { DoorInput, DoorOutput, LedPattern } from "../../../core/device/types.ts";
import type { DeviceSettings } from "../../../core/usages/device-settings.ts";
import { FlashKey } from "./flash-state.ts";
import type { UnitContext, UnitPart } from "./types.ts";

/** Calls, sounds and answers that the doorbell wants of the others. */
export interface DoorListener {
	call(call: number, target: string): void;
	hangUpCall(call: number): void;
	answer(call: number): void;
	ring(call: number): void;
	reject(call: number, status: number): void;
	tone(name: Extract<DoorOutput, { type: "tone" }>["name"]): void;
	mute(isMuted: boolean): void;
	volume(volume: number): void;
	reply(id: string, status: number): void;
}

export class DoorPart implements UnitPart {
	readonly #context: UnitContext;
	readonly #listener: DoorListener;
	readonly #door: Doorbell;
	readonly #led = new LedPlayer();
	#level = -1;

	constructor(context: UnitContext, listener: DoorListener, domain: string, settings: DeviceSettings | undefined) {
		const { hal } = context;
		const now = context.now();
		this.#context = context;
		this.#listener = listener;
		this.#door = new Doorbell(
			{
				buttons: hal.pins.buttons,
				domain,
				...(settings === undefined ? {} : { settings }),
				releases: hal.flash.get(FlashKey.releases),
				commands: hal.flash.get(FlashKey.commands),
			},
			now,
		);
		hal.pins.relay(false);
		hal.pins.chime(false);
		if (hal.isClockSet) this.handle({ type: "clock", wallMs: hal.clock.wallMs() });
	}

	get state(): string {
		return this.#door.state;
	}

	handle(input: DoorInput): void {
		this.#door.handle(input, this.#context.now());
	}

	/** What the LED shows while there is no doorbell to say so, and over what it says. */
	show(pattern: LedPattern, now: number): void {
		this.#led.show(pattern, now);
		this.#context.event({ type: "led", pattern });
		this.#light();
	}

	deadline(): number {
		return Math.min(this.#door.deadline(), this.#led.deadline());
	}

	timeout(now: number): void {
		if (this.#door.deadline() <= now) this.#door.handle({ type: "timeout" }, now);
		this.#led.advance(now);
		this.#light();
	}

	#light(): void {
		const { level } = this.#led;
		if (level === this.#level) return;
		this.#level = level;
		this.#context.hal.pins.led(0, level);
	}

	drain(now: number): boolean {
		let output = this.#door.poll();
		if (output === undefined) return false;
		const saved: Extract<DoorInput, { type: "saved" }>[] = [];
		for (; output !== undefined; output = this.#door.poll()) {
			if (output.type !== "save") this.#carryOut(output, now);
			else {
				const { key, bytes } = output;
				saved.push({ type: "saved", key, isSaved: this.#context.hal.flash.set(key, bytes) });
			}
		}
		// Each `save` is answered, in their order, once everything is drained.
		for (let i = 0; i < saved.length; i++) this.#door.handle(saved[i]!, now);
		return true;
	}

	#carryOut(output: Exclude<DoorOutput, { type: "save" }>, now: number): void {
		const { pins, log } = this.#context.hal;
		const listener = this.#listener;
		switch (output.type) {
			case "led":
				this.show(output.pattern, now);
				return;
			case "click":
				pins.click();
				return;
			case "chime":
				pins.chime(output.isOn);
				this.#context.event(output);
				return;
			case "relay":
				pins.relay(output.isOn);
				this.#context.event(output);
				return;
			case "call":
				this.#context.event({ type: "call", call: output.call, state: "calling", status: 0 });
				listener.call(output.call, output.target);
				return;
			case "hangUp":
				listener.hangUpCall(output.call);
				return;
			case "answer":
				listener.answer(output.call);
				return;
			case "ring":
				listener.ring(output.call);
				return;
			case "reject":
				listener.reject(output.call, output.status);
				return;
			case "tone":
				listener.tone(output.name);
				return;
			case "mute":
				listener.mute(output.isMuted);
				return;
			case "volume":
				listener.volume(output.volume);
				return;
			case "reply":
				listener.reply(output.id, output.status);
				return;
			case "record":
				this.#context.event({ type: "release", release: output.release });
				return;
			case "log":
				log(output.level, `door.${output.event}`, { detail: output.detail });
				this.#context.event({ type: "door", event: output.event, detail: output.detail });
		}
	}
}
