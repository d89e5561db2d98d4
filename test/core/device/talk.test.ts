import { describe, expect, test } from "vitest";
import { PRIVACY_MS, WARNING_MS } from "../../../core/device/limits.ts";
import { defaultDeviceSettings } from "../../../core/usages/device-settings.ts";
import { ANNA, ANSWERS, DOMAIN, DoorWorld } from "./support/world.ts";

const STRANGER = "spam@elsewhere.example";

/** A world in which a talk has begun just now. */
function talking(settings: Parameters<typeof make>[0] = {}): { world: DoorWorld; call: number } {
	const world = make(settings);
	world.press();
	world.until(() => world.door.state === "talking");
	return { world, call: 1 };
}

function make(settings: ConstructorParameters<typeof DoorWorld>[0]): DoorWorld {
	return new DoorWorld(settings);
}

describe("a talk", () => {
	test("ends when the far end hangs up, and the microphone is shut", () => {
		const { world, call } = talking();
		world.bye(call, 5000);
		world.advance(6000);
		expect([world.door.state, world.isMuted, world.led]).toEqual(["idle", true, "idle"]);
		expect(world.count("hangUp")).toBe(0);
	});

	test("ends at its limit, with a warning ten seconds before", () => {
		const { world } = talking({ callLimitS: 60 });
		world.advance(60_000 - WARNING_MS - 1);
		expect(world.tones()).not.toContain("warning");
		world.advance(1);
		expect(world.tones().at(-1)).toBe("warning");
		world.advance(WARNING_MS - 1);
		expect(world.door.state).toBe("talking");
		world.advance(1);
		expect(world.outputsOf("hangUp").map(({ reason }) => reason)).toEqual(["time limit"]);
		expect(world.door.state).toBe("idle");
	});

	test('"#" gives the whole time again, also after the warning', () => {
		const { world, call } = talking({ callLimitS: 60 });
		world.advance(55_000);
		world.digit(call, "#");
		expect(world.logged("call.prolonged")).toBe(true);
		world.advance(59_999);
		expect(world.door.state).toBe("talking");
		expect(world.tones().filter((name) => name === "warning")).toHaveLength(2);
		world.advance(1);
		expect(world.door.state).toBe("idle");
	});

	test("has no privacy tone when the visitor began it", () => {
		const { world } = talking();
		world.advance(150_000);
		expect(world.tones()).not.toContain("privacy");
	});

	test("a press during it is felt, and ends it only where that is set", () => {
		const ignoring = talking().world;
		ignoring.press();
		ignoring.advance(1000);
		expect(ignoring.count("click")).toBe(2);
		expect(ignoring.door.state).toBe("talking");
		const ending = talking({ secondPress: "hangUp" }).world;
		ending.press();
		ending.advance(1000);
		expect(ending.door.state).toBe("idle");
	});

	test("an answer without ringing is an answer", () => {
		const world = new DoorWorld();
		world.phones = [{ answerMs: 20 }];
		world.press();
		world.advance(500);
		expect(world.door.state).toBe("talking");
	});
});

describe("volume and mute", () => {
	test("are told at the start and when the settings change", () => {
		const { world } = talking({ volume: 30, isMuted: true });
		expect(world.outputsOf("volume").map(({ volume }) => volume)).toEqual([30]);
		expect(world.isMuted).toBe(true);
		world.input({ type: "settings", settings: { ...world.settings, volume: 80, isMuted: false } });
		expect(world.outputsOf("volume").at(-1)?.volume).toBe(80);
		expect(world.isMuted).toBe(false);
	});

	test("settings between talks do not open the microphone", () => {
		const world = new DoorWorld({ isMuted: true });
		world.input({ type: "settings", settings: { ...world.settings, isMuted: false } });
		expect(world.isMuted).toBe(true);
	});

	test("commands of those who may change them", () => {
		const { world } = talking({ openers: [ANNA] });
		world.command("mute", ANNA, "1");
		expect(world.isMuted).toBe(true);
		world.command("unmute", ANNA, "2");
		world.command("Volume 5", ANNA, "3");
		expect(world.isMuted).toBe(false);
		expect(world.outputsOf("volume").at(-1)?.volume).toBe(5);
		world.command("mute", STRANGER, "4");
		expect(world.reply("4")?.status).toBe(403);
		expect(world.isMuted).toBe(false);
	});

	test("new settings of something else leave what a command has set", () => {
		const { world } = talking({ openers: [ANNA] });
		world.command("volume 5", ANNA, "1");
		world.input({ type: "settings", settings: { ...world.settings, ringLimitS: 20 } });
		expect(world.outputsOf("volume").at(-1)?.volume).toBe(5);
	});
});

describe("a call to the door", () => {
	test("from the list is answered at once: privacy tone first, then the microphone", () => {
		const world = new DoorWorld({ autoAnswer: [ANNA] });
		const before = world.seen.length;
		const call = world.callDoor(ANNA);
		const types = world.seen.slice(before).map(({ output }) => output.type);
		expect(types).toEqual(["answer", "log", "tone", "mute", "led"]);
		expect(world.outputsOf("tone").at(-1)).toEqual({ type: "tone", call, name: "privacy" });
		expect(world.isMuted).toBe(false);
	});

	test("sounds the privacy tone again every 60 s", () => {
		const world = new DoorWorld({ autoAnswer: ["*"], callLimitS: 300 });
		world.callDoor(ANNA);
		world.advance(PRIVACY_MS - 1);
		expect(world.tones()).toEqual(["privacy"]);
		world.advance(1);
		expect(world.tones()).toEqual(["privacy", "privacy"]);
		world.advance(2 * PRIVACY_MS);
		expect(world.tones()).toEqual(["privacy", "privacy", "privacy", "privacy"]);
	});

	test.each([
		[["*"], ANNA, true],
		[["*"], STRANGER, false],
		[["*"], `x@not-${DOMAIN}`, false],
		[["*"], "", false],
		[[], ANNA, false],
		[[`bert@${DOMAIN}`], ANNA, false],
	] as const)("list %j, from %s: %s", (autoAnswer, from, isAnswered) => {
		const world = new DoorWorld({ autoAnswer });
		world.callDoor(from);
		expect(world.count("answer")).toBe(isAnswered ? 1 : 0);
		if (!isAnswered) expect(world.outputsOf("reject").map(({ status }) => status)).toEqual([403]);
		expect(world.isMuted).toBe(!isAnswered);
	});

	test("while somebody talks is busy", () => {
		const { world } = talking({ autoAnswer: ["*"], incoming: "ring" });
		world.callDoor(ANNA);
		expect(world.outputsOf("reject").map(({ status }) => status)).toEqual([486]);
		expect(world.door.state).toBe("talking");
	});

	test("while it rings the house: from the list it is the answer, from others it is busy", () => {
		const world = new DoorWorld({ autoAnswer: [ANNA], incoming: "ring" });
		world.phones = [{ tryingMs: 5, ringMs: 60 }];
		world.press();
		world.advance(2000);
		world.callDoor(STRANGER);
		expect(world.outputsOf("reject").map(({ status }) => status)).toEqual([486]);
		world.callDoor(ANNA);
		expect(world.outputsOf("hangUp").map(({ call }) => call)).toEqual([1]);
		expect(world.door.state).toBe("talking");
		expect(world.tones()).toEqual(["ringback", "none", "privacy"]);
	});

	test("where calls ring: a press answers, without a privacy tone", () => {
		const world = new DoorWorld({ incoming: "ring" });
		const call = world.callDoor(STRANGER);
		expect(world.outputsOf("ring")).toEqual([{ type: "ring", call }]);
		expect([world.led, world.tones()]).toEqual(["incoming", ["incoming"]]);
		world.advance(5000);
		world.press();
		world.advance(1000);
		expect(world.outputsOf("answer")).toEqual([{ type: "answer", call }]);
		expect(world.tones()).toEqual(["incoming", "none"]);
		expect([world.led, world.isMuted]).toEqual(["talking", false]);
		expect(world.count("call")).toBe(0);
	});

	test("where calls ring: nobody presses, or the caller gives up, or somebody else took it", () => {
		const world = new DoorWorld({ incoming: "ring", ringLimitS: 20 });
		world.callDoor(STRANGER);
		world.advance(19_999);
		expect(world.door.state).toBe("incoming");
		world.advance(1);
		expect(world.outputsOf("reject").map(({ status }) => status)).toEqual([480]);
		for (const cause of ["remote", "answeredElsewhere"] as const) {
			world.advance(1000);
			const call = world.callDoor(STRANGER);
			world.input({ type: "callEnded", call, cause, status: 0 });
			expect([world.door.state, world.led]).toEqual(["idle", "idle"]);
		}
		expect(world.count("reject")).toBe(1);
	});

	test("ends at its limit like any other", () => {
		const world = new DoorWorld({ autoAnswer: [ANNA], callLimitS: 30 });
		world.callDoor(ANNA);
		world.advance(30_000);
		expect([world.door.state, world.isMuted]).toEqual(["idle", true]);
	});
});

describe("commands", () => {
	test("status and hangup", () => {
		const { world } = talking({ openers: ["*"] });
		world.command("status", ANNA, "1");
		expect(world.reply("1")).toMatchObject({ status: 200, text: "talking, online, door shut, volume 70" });
		world.command("hangup", ANNA, "2");
		expect(world.door.state).toBe("idle");
		world.phones = [{ tryingMs: 5, ringMs: 50 }];
		world.press();
		world.advance(1000);
		world.command("hangup", ANNA, "3");
		expect([world.door.state, world.reply("3")?.status]).toEqual(["idle", 200]);
	});

	test.each([
		"",
		"opn",
		"volume",
		"volume 101",
		"volume -1",
		"volume 1e1",
		"status now",
		"open at=x",
		"open at=",
		"x".repeat(161),
		"\u{1F6AA}".repeat(50),
	])("%j is unknown", (text) => {
		const world = new DoorWorld({ openers: ["*"] });
		world.command(text, ANNA, "1");
		expect(world.reply("1")?.status).toBe(400);
		expect(world.logged("command.unknown")).toBe(true);
	});
});

test("a hundred calls leave nothing behind", () => {
	const world = new DoorWorld();
	world.phones = [{ ...ANSWERS, byeMs: 2000 }];
	for (let i = 0; i < 100; i++) {
		world.press();
		world.advance(10_000);
	}
	expect(world.events().filter((event) => event === "call.started")).toHaveLength(100);
	expect([...world.calls.keys()]).toEqual([]);
	expect(world.door.deadline()).toBe(Number.POSITIVE_INFINITY);
});

test("settings are applied at once, and what is unset is as the table says", () => {
	const world = new DoorWorld();
	expect(world.settings).toEqual(defaultDeviceSettings());
	world.input({ type: "settings", settings: { ...world.settings, buttons: [`attic@${DOMAIN}`] } });
	world.press();
	world.advance(1000);
	expect(world.outputsOf("call")[0]?.target).toBe(`attic@${DOMAIN}`);
});
