import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CodeEntry, EntryResult } from "../../../core/device/code-entry.ts";
import { Doorbell } from "../../../core/device/doorbell.ts";
import {
	COMMAND_AGE_MS,
	DIGIT_PAUSE_MS,
	MAX_CODE_DIGITS,
	MAX_COMMAND_IDS,
	MAX_RELEASE_LOG_OCTETS,
	MAX_RELEASE_TEXT_OCTETS,
	SAVE_MS,
} from "../../../core/device/limits.ts";
import { CommandIds, commandDigest, ReleaseLog } from "../../../core/device/release-log.ts";
import type { DoorOutput } from "../../../core/device/types.ts";
import type { DeviceSettings } from "../../../core/usages/device-settings.ts";
import { utf8ToBytes } from "../../../core/wire/bytes.ts";
import { ANNA, DOMAIN, DoorWorld } from "./support/world.ts";

const CODES = [
	{ name: "family", code: "2580" },
	{ name: "gardener", code: "77" },
];
const BERT = `bert@${DOMAIN}`;

function talking(settings: Partial<DeviceSettings> = {}): DoorWorld {
	const world = new DoorWorld({ codes: CODES, ...settings });
	world.press();
	world.until(() => world.door.state === "talking");
	return world;
}

function typeNow(world: DoorWorld, digits: string, way: "rtp" | "info" = "rtp", call = 1): void {
	for (const digit of digits) world.digit(call, digit, way);
}

function relays(world: DoorWorld): [number, boolean][] {
	const pulses = world.seen.filter(({ output }) => output.type === "relay").slice(1);
	return pulses.map(({ at, output }) => [at, (output as { isOn: boolean }).isOn]);
}

describe("a code in a talk", () => {
	test.each(["rtp", "info"] as const)("releases the door for its time, by %s", (way) => {
		const world = talking({ releaseMs: 2500 });
		const start = world.time.now;
		typeNow(world, "2580", way);
		world.advance(20_000);
		expect(relays(world)).toEqual([
			[start, true],
			[start + 2500, false],
		]);
		expect(world.door.state).toBe("talking");
		expect(world.tones().at(-1)).toBe("opened");
	});

	test("is recorded: who, when, how, whose code, which door", () => {
		const world = talking({ doorName: "garden gate" });
		const wallMs = world.time.wallMs();
		typeNow(world, "77");
		const release = { who: ANNA, wallMs, how: "dtmf", by: "gardener", door: "garden gate" };
		expect(world.outputsOf("record")).toEqual([{ type: "record", release }]);
		expect(new ReleaseLog(world.flash.get("releases")).list()).toEqual([release]);
		expect(world.door.releases()).toEqual([release]);
	});

	test("without a clock is recorded without a time", () => {
		const world = new DoorWorld({ codes: CODES });
		const door = new Doorbell({ buttons: 1, domain: DOMAIN, settings: world.settings }, 0);
		door.handle({ type: "callIncoming", call: 0x100000, from: ANNA }, 5);
		door.handle({ type: "settings", settings: { ...world.settings, autoAnswer: ["*"] } }, 6);
		door.handle({ type: "callIncoming", call: 0x100001, from: ANNA }, 7);
		for (const digit of "77") door.handle({ type: "digit", call: 0x100001, digit, way: "rtp" }, 8);
		expect(door.releases()).toEqual([{ who: ANNA, wallMs: 0, how: "dtmf", by: "gardener", door: "door" }]);
	});

	test("sent both ways by one phone counts once", () => {
		const world = talking();
		for (const digit of "2580") {
			world.digit(1, digit, "rtp");
			world.digit(1, digit, "info");
		}
		expect(world.count("record")).toBe(1);
		expect(world.logged("release.wrongCode")).toBe(false);
	});

	test("of two that follow at once the second comes too soon; after the spacing it counts", () => {
		const world = talking({ releaseMs: 1000, releaseSpacingMs: 5000 });
		typeNow(world, "77");
		world.advance(4999);
		typeNow(world, "77");
		expect(world.logged("release.tooSoon")).toBe(true);
		expect(world.count("record")).toBe(1);
		world.advance(1);
		typeNow(world, "77");
		expect(world.count("record")).toBe(2);
	});

	test("a pulse longer than the spacing is not cut nor prolonged by the next one", () => {
		const world = talking({ releaseMs: 8000, releaseSpacingMs: 2000 });
		typeNow(world, "77");
		world.advance(7999);
		typeNow(world, "77");
		expect(world.count("record")).toBe(1);
		world.advance(1);
		expect(relays(world).at(-1)?.[1]).toBe(false);
	});

	test("before the talk, or without one, is not heard", () => {
		const world = new DoorWorld({ codes: CODES });
		world.phones = [{ tryingMs: 5, ringMs: 50 }];
		world.press();
		world.advance(1000);
		typeNow(world, "77");
		typeNow(world, "77", "rtp", 0);
		expect(world.count("record")).toBe(0);
	});

	test("half of one in a talk does not count in the next talk", () => {
		const world = talking();
		typeNow(world, "7");
		world.bye(1, 10);
		world.advance(1000);
		world.press();
		world.until(() => world.door.state === "talking");
		world.digit(2, "7");
		expect(world.count("record")).toBe(0);
	});

	test("after a pause too long begins anew", () => {
		const world = talking();
		typeNow(world, "7");
		world.advance(DIGIT_PAUSE_MS);
		typeNow(world, "7");
		expect(world.count("record")).toBe(0);
		world.advance(DIGIT_PAUSE_MS - 1);
		typeNow(world, "7");
		expect(world.count("record")).toBe(1);
		expect(world.logged("release.wrongCode")).toBe(false);
	});

	test("A to D, and digits where there are no codes, are nothing", () => {
		const world = talking();
		typeNow(world, "A7B7");
		expect(world.count("record")).toBe(1);
		const none = talking({ codes: [] });
		typeNow(none, "123456789012345");
		expect(none.logged("release.wrongCode")).toBe(false);
	});
});

describe("wrong codes", () => {
	test("after three the call ends and no code counts for five minutes, in no call", () => {
		const world = talking();
		for (let i = 0; i < 2; i++) typeNow(world, "1234");
		expect(world.tones().slice(-2)).toEqual(["refused", "refused"]);
		expect(world.door.state).toBe("talking");
		typeNow(world, "9999");
		expect(world.outputsOf("hangUp").map(({ reason }) => reason)).toEqual(["wrong codes"]);
		const lockedAt = world.time.now;
		world.advance(10_000);
		world.press();
		world.until(() => world.door.state === "talking");
		typeNow(world, "2580", "rtp", 2);
		expect(world.count("record")).toBe(0);
		expect(world.logged("release.locked")).toBe(true);
		while (world.time.now < lockedAt + 299_000) {
			world.advance(1000);
			world.digit(2, "#");
		}
		world.advance(lockedAt + 299_999 - world.time.now);
		typeNow(world, "2580", "rtp", 2);
		expect(world.count("record")).toBe(0);
		world.advance(1);
		typeNow(world, "2580", "rtp", 2);
		expect(world.count("record")).toBe(1);
	});

	test("are counted over calls, and forgotten after the lock's time", () => {
		const world = talking();
		for (let i = 0; i < 2; i++) typeNow(world, "1234");
		world.bye(1);
		world.advance(299_000);
		world.press();
		world.until(() => world.door.state === "talking");
		world.advance(1000);
		typeNow(world, "1234", "rtp", 2);
		expect(world.door.state).toBe("talking");
	});

	test('"*", "#" and pauses give no free tries', () => {
		for (const end of ["*", "#", ""]) {
			const world = talking();
			for (let i = 0; i < 3; i++) {
				typeNow(world, `12${end}`);
				if (end === "") world.advance(DIGIT_PAUSE_MS);
			}
			expect(world.door.state, end).toBe("idle");
		}
	});

	test("a command still opens while codes are locked", () => {
		const world = talking({ openers: [ANNA] });
		for (let i = 0; i < 3; i++) typeNow(world, "1234");
		world.command("open", ANNA, "1");
		world.advance(100);
		expect(world.reply("1")?.status).toBe(200);
	});
});

describe("the comparison", () => {
	const codes = fc.uniqueArray(fc.stringMatching(/^[0-9]{2,12}$/), { maxLength: 8 });

	test("finds exactly the code that was typed", () => {
		fc.assert(
			fc.property(codes, fc.stringMatching(/^[0-9]{1,12}$/), (all, typed) => {
				const free = all.filter((one) => !all.some((other) => other !== one && one.startsWith(other)));
				const list = free.map((code) => ({ name: code, code }));
				const entry = new CodeEntry();
				let found: string | undefined;
				let length = 0;
				for (const digit of typed) {
					length++;
					const result = entry.digit(digit.charCodeAt(0), list, 0);
					if (result >= 0) found = list[result]!.code;
					if (result !== EntryResult.more) break;
				}
				const wanted = free.find((one) => typed.startsWith(one));
				expect(found).toBe(wanted);
				if (found === undefined) expect(length).toBeLessThanOrEqual(MAX_CODE_DIGITS);
			}),
		);
	});

	test("reads every digit of every code, whatever was typed", () => {
		const reads: string[] = [];
		const code = (value: string): string =>
			new Proxy(Object(value) as object, {
				get: (target, key) => {
					if (key === "charCodeAt") {
						return (i: number) => {
							reads.push(`${value}[${i}]`);
							return value.charCodeAt(i);
						};
					}
					return Reflect.get(target, key) as unknown;
				},
			}) as unknown as string;
		const list = [
			{ name: "", code: code("1234") },
			{ name: "", code: code("9876") },
		];
		const count = (typed: string): string => {
			reads.length = 0;
			const entry = new CodeEntry();
			for (const digit of typed) entry.digit(digit.charCodeAt(0), list, 0);
			return reads.join(" ");
		};
		expect(count("1230")).toBe(count("5555"));
		expect(count("1230")).toBe(count("1234"));
		expect(count("1230")).toBe(count("9870"));
	});
});

describe("a command", () => {
	const openers = [ANNA];

	test("from the list opens: id in flash, relay, record, reply, in this order", () => {
		const world = new DoorWorld({ openers });
		const before = world.seen.length;
		world.command("open", ANNA, "call-1 1 MESSAGE");
		const outputs = world.seen.slice(before).map(({ output }) => output);
		expect(outputs.map(({ type }) => type)).toEqual(["save", "relay", "record", "log", "save", "reply", "tone", "led"]);
		expect(outputs[0]).toMatchObject({ key: "commands" });
		expect(outputs[4]).toMatchObject({ key: "releases" });
		expect(world.reply("call-1 1 MESSAGE")).toMatchObject({ status: 200, text: "open" });
		expect(world.door.releases()[0]).toMatchObject({ who: ANNA, how: "message", by: "call-1 1 MESSAGE" });
	});

	test.each([
		["nobody in particular", "", 403],
		["a resident who is not on the list", BERT, 403],
		["a stranger", "anna@elsewhere.example", 403],
	])("from %s is refused", (_, from, status) => {
		const world = new DoorWorld({ openers });
		world.command("open", from, "1");
		world.advance(100);
		expect(world.reply("1")?.status).toBe(status);
		expect(world.count("record")).toBe(0);
		expect(world.logged("release.notAllowed")).toBe(true);
	});

	test("may name the door, and another door is not this one", () => {
		const world = new DoorWorld({ openers, doorName: "garden gate" });
		world.command("open garage", ANNA, "1");
		expect(world.reply("1")?.status).toBe(404);
		world.command("  OPEN garden gate ", ANNA, "2");
		expect(world.reply("2")?.status).toBe(200);
	});

	test("repeated is done once, also under a new request when its own id is the same", () => {
		const world = new DoorWorld({ openers });
		world.command("open id=42", ANNA, "1", 1);
		world.command("open id=42", ANNA, "1", 1);
		world.advance(60_000);
		world.command("open id=42", ANNA, "2", 1);
		expect(world.count("record")).toBe(1);
		expect(world.reply("2")).toMatchObject({ status: 200, text: "done before" });
		expect(world.logged("release.repeated")).toBe(true);
	});

	test("of another sender with the same id is another one", () => {
		const world = new DoorWorld({ openers: [ANNA, BERT] });
		world.command("open id=42", ANNA, "1");
		world.advance(60_000);
		world.command("open id=42", BERT, "2");
		expect(world.count("record")).toBe(2);
	});

	test("repeated after a restart is known from flash", () => {
		const world = new DoorWorld({ openers });
		world.command("open", ANNA, "1", 1);
		world.powerCut();
		world.advance(60_000);
		world.input({ type: "command", id: "1", from: ANNA, text: "open" });
		expect(world.count("record")).toBe(1);
		expect(world.outputsOf("reply").at(-1)).toMatchObject({ status: 200, text: "done before" });
	});

	test("cut off between its id and the relay says so when it is repeated", () => {
		const world = new DoorWorld({ openers });
		const ids = new CommandIds(undefined);
		ids.add(commandDigest(ANNA, "1"));
		world.flash.set("commands", ids.bytes);
		world.powerCut();
		world.advance(60_000);
		world.command("open", ANNA, "1", 1);
		expect(world.reply("1")).toMatchObject({ status: 500 });
		expect(world.count("record")).toBe(0);
		world.command("open", ANNA, "2", 1);
		expect(world.reply("2")?.status).toBe(200);
	});

	test("while the flash takes nothing is refused; a code in a call still opens", () => {
		const world = talking({ openers });
		const door = world.door;
		const now = world.time.now;
		door.handle({ type: "command", id: "1", from: ANNA, text: "open" }, now);
		expect(drain(door).map(({ type }) => type)).toEqual(["save"]);
		door.handle({ type: "saved", key: "commands", isSaved: false }, now);
		const outputs = drain(door);
		expect(outputs.find(({ type }) => type === "reply")).toMatchObject({ status: 500 });
		expect(outputs.some(({ type }) => type === "relay")).toBe(false);
		for (const digit of "77") door.handle({ type: "digit", call: 1, digit, way: "rtp" }, now);
		expect(drain(door).find(({ type }) => type === "relay")).toEqual({ type: "relay", isOn: true });
	});

	test("whose flash never answers is refused in time", () => {
		const door = new Doorbell({ buttons: 1, domain: DOMAIN, settings: new DoorWorld({ openers }).settings }, 0);
		drain(door);
		door.handle({ type: "command", id: "1", from: ANNA, text: "open" }, 10);
		expect(drain(door).map(({ type }) => type)).toEqual(["save"]);
		expect(door.deadline()).toBe(10 + SAVE_MS);
		door.handle({ type: "timeout" }, 10 + SAVE_MS);
		expect(drain(door).find(({ type }) => type === "reply")).toMatchObject({ status: 500 });
		door.handle({ type: "saved", key: "commands", isSaved: true }, 10 + SAVE_MS + 1);
		expect(drain(door)).toEqual([]);
	});

	test("that says when it was made counts for a minute", () => {
		const world = new DoorWorld({ openers });
		const seconds = Math.floor(world.time.wallMs() / 1000);
		const late = seconds - COMMAND_AGE_MS / 1000 - 1;
		world.command(`open at=${late}`, ANNA, "1");
		expect(world.reply("1")?.status).toBe(403);
		world.command(`open at=${seconds + COMMAND_AGE_MS / 1000 + 2}`, ANNA, "2");
		expect(world.reply("2")?.status).toBe(403);
		world.command(`open at=${seconds - 30}`, ANNA, "3");
		expect(world.reply("3")?.status).toBe(200);
	});

	test("that says when it was made needs a clock", () => {
		const door = new Doorbell({ buttons: 1, domain: DOMAIN, settings: new DoorWorld({ openers }).settings }, 0);
		drain(door);
		door.handle({ type: "command", id: "1", from: ANNA, text: "open at=1790000000" }, 10);
		expect(drain(door)).toEqual([{ type: "reply", id: "1", status: 503, text: "the clock is not set" }]);
	});

	test("while the house rings ends the ring", () => {
		const world = new DoorWorld({ openers });
		world.phones = [{ tryingMs: 5, ringMs: 50 }];
		world.press();
		world.advance(2000);
		world.command("open", ANNA, "1");
		world.advance(100);
		expect(world.outputsOf("hangUp").map(({ reason }) => reason)).toEqual(["the door was opened"]);
		expect([world.door.state, world.led]).toEqual(["idle", "opened"]);
	});

	test("too soon after another one is refused and may be repeated", () => {
		const world = new DoorWorld({ openers });
		world.command("open", ANNA, "1", 1);
		world.advance(1000);
		world.command("open", ANNA, "2", 1);
		expect(world.reply("2")?.status).toBe(503);
		world.advance(5000);
		world.input({ type: "command", id: "2", from: ANNA, text: "open" });
		expect(world.count("record")).toBe(2);
	});
});

function drain(door: Doorbell): DoorOutput[] {
	const outputs: DoorOutput[] = [];
	for (let output = door.poll(); output !== undefined; output = door.poll()) outputs.push(output);
	return outputs;
}

describe("what the flash keeps", () => {
	const release = { who: ANNA, wallMs: 1_790_000_000_000, how: "dtmf", by: "family", door: "door" } as const;
	const none = new Uint8Array(0);

	test("the last releases, the oldest first, within its octets", () => {
		const log = new ReleaseLog(undefined);
		for (let i = 0; i < 200; i++) {
			log.add({ ...release, wallMs: i }, none);
			expect(log.bytes.length).toBeLessThanOrEqual(MAX_RELEASE_LOG_OCTETS);
		}
		const kept = new ReleaseLog(log.bytes).list();
		expect(kept.length).toBeGreaterThan(15);
		expect(kept.map(({ wallMs }) => wallMs)).toEqual(kept.map((_, i) => 200 - kept.length + i));
	});

	test("texts that are too long are cut between two characters", () => {
		const log = new ReleaseLog(undefined);
		log.add({ ...release, who: "ü".repeat(200) }, none);
		expect(log.list()[0]?.who).toBe("ü".repeat(MAX_RELEASE_TEXT_OCTETS / 2));
		log.add({ ...release, by: `${"x".repeat(MAX_RELEASE_TEXT_OCTETS - 1)}ü` }, none);
		expect(log.list()[1]?.by).toBe("x".repeat(MAX_RELEASE_TEXT_OCTETS - 1));
	});

	test("the largest releases fit", () => {
		const long = "x".repeat(300);
		const log = new ReleaseLog(undefined);
		for (let i = 0; i < 20; i++)
			log.add({ wallMs: i, how: "message", who: long, by: long, door: long }, new Uint8Array(8));
		expect(log.list().length).toBeGreaterThanOrEqual(4);
	});

	test("garbage is forgotten, and never more", () => {
		const log = new ReleaseLog(undefined);
		for (let i = 0; i < 5; i++) log.add(release, none);
		for (let i = 0; i < log.bytes.length; i++) {
			const cut = new ReleaseLog(log.bytes.subarray(0, i));
			cut.add(release, none);
			expect(cut.list().length).toBeGreaterThanOrEqual(1);
		}
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
				const door = new Doorbell({ buttons: 1, domain: DOMAIN, releases: bytes, commands: bytes }, 0);
				door.releases();
			}),
		);
		expect(new ReleaseLog(new Uint8Array(MAX_RELEASE_LOG_OCTETS + 1)).list()).toEqual([]);
	});

	test("the ids of the last commands; the oldest goes", () => {
		const ids = new CommandIds(undefined);
		for (let i = 0; i <= MAX_COMMAND_IDS; i++) ids.add(commandDigest(ANNA, `${i}`));
		const kept = new CommandIds(ids.bytes);
		expect(kept.has(commandDigest(ANNA, "0"))).toBe(false);
		for (let i = 1; i <= MAX_COMMAND_IDS; i++) expect(kept.has(commandDigest(ANNA, `${i}`))).toBe(true);
		expect(new CommandIds(utf8ToBytes("garbage")).bytes.length).toBe(0);
	});

	test("ids that differ are remembered differently", () => {
		const seen = new Set<string>();
		for (let i = 0; i < 20_000; i++) seen.add(commandDigest(ANNA, `a84b4c76e66710@${DOMAIN} ${i}`).join());
		expect(seen.size).toBe(20_000);
	});
});
