/** Any inputs in any order at any time: nothing throws, promises hold, and it comes to rest. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Doorbell } from "../../../core/device/doorbell.ts";
import { type DoorInput, type DoorOutput, FIRST_INCOMING_CALL } from "../../../core/device/types.ts";
import { type DeviceSettings, defaultDeviceSettings } from "../../../core/usages/device-settings.ts";

const ANNA = "anna@home.example";
const call = fc.oneof(
	fc.integer({ min: 0, max: 6 }),
	fc.integer({ min: FIRST_INCOMING_CALL, max: FIRST_INCOMING_CALL + 4 }),
);
const from = fc.constantFrom(ANNA, "", "spam@elsewhere.example");
const causes = ["local", "remote", "refused", "timeout", "transport", "answeredElsewhere", "limit"] as const;

const input: fc.Arbitrary<DoorInput> = fc.oneof(
	fc.record({ type: fc.constant("button" as const), button: fc.integer({ min: -1, max: 3 }), isDown: fc.boolean() }),
	fc.record({ type: fc.constant("button" as const), button: fc.constant(0), isDown: fc.boolean() }),
	fc.record({ type: fc.constant("contact" as const), isOpen: fc.boolean() }),
	fc.record({ type: fc.constant("callProgress" as const), call, status: fc.integer({ min: 100, max: 199 }) }),
	fc.record({ type: fc.constant("callAnswered" as const), call, from }),
	fc.record({
		type: fc.constant("callEnded" as const),
		call,
		cause: fc.constantFrom(...causes),
		status: fc.integer({ min: 0, max: 699 }),
	}),
	fc.record({
		type: fc.constant("callIncoming" as const),
		call: fc.integer({ min: FIRST_INCOMING_CALL, max: FIRST_INCOMING_CALL + 4 }),
		from,
	}),
	fc.record({
		type: fc.constant("digit" as const),
		call,
		digit: fc.constantFrom(..."0123456789*#ABCD", ""),
		way: fc.constantFrom("rtp" as const, "info" as const),
	}),
	fc.record({
		type: fc.constant("command" as const),
		id: fc.constantFrom("1", "2", "3", ""),
		from,
		text: fc.oneof(fc.constantFrom("open", "open id=7", "status", "hangup", "mute", "volume 7", ""), fc.string()),
	}),
	fc.record({ type: fc.constant("online" as const), isOnline: fc.boolean() }),
	fc.record({ type: fc.constant("clock" as const), wallMs: fc.integer({ min: 0, max: 4e12 }) }),
	fc.record({
		type: fc.constant("saved" as const),
		key: fc.constantFrom("releases" as const, "commands" as const),
		isSaved: fc.boolean(),
	}),
	fc.constant({ type: "timeout" as const }),
);

const settings: fc.Arbitrary<DeviceSettings> = fc
	.record({
		secondPress: fc.constantFrom("ignore" as const, "restart" as const, "hangUp" as const),
		incoming: fc.constantFrom("refuse" as const, "ring" as const),
		autoAnswer: fc.constantFrom([], ["*"]),
		openers: fc.constantFrom([], ["*"]),
		codes: fc.constantFrom([], [{ name: "a", code: "12" }]),
		isNightOn: fc.boolean(),
		releaseMs: fc.constantFrom(200, 15_000),
		callLimitS: fc.constantFrom(30, 3600),
	})
	.map((some) => ({ ...defaultDeviceSettings(), ...some }));

/** Holds outputs against each other as they come. */
class Watch {
	relayAt = Number.NEGATIVE_INFINITY;
	isRelayOn = false;
	isChimeOn = false;
	isMuted = true;
	readonly #spacingMs: number;

	constructor(spacingMs: number) {
		this.#spacingMs = spacingMs;
	}

	see(output: DoorOutput, now: number): void {
		if (output.type === "relay") {
			if (output.isOn) {
				expect(now - this.relayAt).toBeGreaterThanOrEqual(this.#spacingMs);
				this.relayAt = now;
			}
			this.isRelayOn = output.isOn;
		} else if (output.type === "chime") this.isChimeOn = output.isOn;
		else if (output.type === "mute") this.isMuted = output.isMuted;
	}
}

test("nothing throws, the relay keeps its spacing, the microphone is open in talks only, and all comes to rest", () => {
	const story = fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), input), { maxLength: 60 });
	fc.assert(
		fc.property(settings, story, (chosen, steps) => {
			const door = new Doorbell({ buttons: 2, domain: "home.example", settings: chosen }, 0);
			const watch = new Watch(chosen.releaseSpacingMs);
			let now = 0;
			const drain = (): void => {
				let outputs = 0;
				for (let output = door.poll(); output !== undefined; output = door.poll()) {
					watch.see(output, now);
					expect(++outputs).toBeLessThan(60);
				}
				if (!watch.isMuted) expect(door.state).toBe("talking");
			};
			const runTo = (time: number): void => {
				for (let rounds = 0; door.deadline() <= time; rounds++) {
					expect(rounds).toBeLessThan(5000);
					now = Math.max(now, door.deadline());
					door.handle({ type: "timeout" }, now);
					drain();
				}
				now = time;
			};
			drain();
			for (const [ms, one] of steps) {
				// Half of the timers come late.
				if (ms % 2 === 0) runTo(now + ms);
				else now += ms;
				door.handle(one, now);
				drain();
			}
			// Fingers let go, and time passes.
			for (const button of [0, 1]) door.handle({ type: "button", button, isDown: false }, now);
			drain();
			runTo(now + 3 * 3_600_000);
			expect(door.state).toBe("idle");
			expect(door.deadline()).toBe(Number.POSITIVE_INFINITY);
			expect([watch.isRelayOn, watch.isChimeOn, watch.isMuted]).toEqual([false, false, true]);
		}),
		{ numRuns: 400 },
	);
});
