import { describe, expect, test } from "vitest";
import {
	MOST_RETRY_MS,
	NO_PROGRESS_MS,
	OUTCOME_MS,
	PRESSED_MS,
	RETRY_MS,
	SECOND_PRESS_MS,
	TRYING_MS,
} from "../../../core/device/limits.ts";
import { judge } from "../../../core/device/ring.ts";
import { ANNA, ANSWERS, DOMAIN, DoorWorld } from "./support/world.ts";

const NOBODY = { tryingMs: 5, ringMs: 60 };

describe("a press", () => {
	test("click, LED, chime, call: in this order, in one instant, within 50 ms of the finger", () => {
		const world = new DoorWorld();
		const start = world.time.now;
		world.finger();
		world.advance(50);
		const first = world.seen.filter(({ at }) => at > start).map(({ output }) => output);
		expect(first.map(({ type }) => type)).toEqual(["click", "led", "log", "chime", "log", "call"]);
		expect(first[1]).toEqual({ type: "led", pattern: "pressed" });
		expect(new Set(world.seen.filter(({ at }) => at > start).map(({ at }) => at)).size).toBe(1);
	});

	test("is felt and seen also when it changes nothing", () => {
		const world = new DoorWorld();
		world.phones = [NOBODY];
		world.finger();
		world.advance(5000);
		world.finger();
		world.advance(100);
		expect(world.count("click")).toBe(2);
		expect(world.outputsOf("led").at(-1)?.pattern).toBe("pressed");
		expect(world.count("call")).toBe(1);
	});

	test("one call to the house, and the talk begins", () => {
		const world = new DoorWorld();
		world.press();
		world.advance(3000);
		expect(world.led).toBe("ringing");
		expect(world.tones()).toEqual(["ringback"]);
		expect(world.isMuted).toBe(true);
		world.advance(2000);
		expect(world.outputsOf("call")).toEqual([
			{ type: "call", call: 1, button: 0, target: `house@${DOMAIN}`, attempt: 1 },
		]);
		expect(world.tones()).toEqual(["ringback", "none"]);
		expect(world.led).toBe("talking");
		expect(world.isMuted).toBe(false);
	});

	test("each button rings its own AOR, one without a target the house", () => {
		const world = new DoorWorld({ buttons: ["", `attic@${DOMAIN}`] });
		world.phones = [{ tryingMs: 5, refuseMs: 20, status: 486 }];
		for (const button of [0, 1, 2]) {
			world.press(button);
			world.advance(10_000);
		}
		const targets = world.outputsOf("call").map(({ target }) => target);
		expect(targets).toEqual([`house@${DOMAIN}`, `attic@${DOMAIN}`, `house@${DOMAIN}`]);
	});

	test("of a button that the board has not is nothing", () => {
		const world = new DoorWorld();
		world.press(7, 1);
		world.advance(1000);
		expect(world.count("click")).toBe(0);
	});
});

describe("the ring time", () => {
	test("ends at its millisecond", () => {
		const world = new DoorWorld({ ringLimitS: 30 });
		world.phones = [NOBODY];
		world.finger();
		world.until(() => world.count("call") === 1);
		world.advance(29_999);
		expect(world.count("hangUp")).toBe(0);
		expect(world.led).toBe("ringing");
		world.advance(1);
		expect(world.count("hangUp")).toBe(1);
		expect(world.logged("ring.noAnswer")).toBe(true);
		expect(world.led).toBe("noAnswer");
		expect(world.tones().slice(-2)).toEqual(["none", "busy"]);
		world.advance(OUTCOME_MS - 1);
		expect(world.led).toBe("noAnswer");
		world.advance(1);
		expect(world.led).toBe("idle");
	});

	test("an answer that crosses the end on its way is hung up", () => {
		const world = new DoorWorld({ ringLimitS: 10 });
		world.phones = [{ tryingMs: 5, ringMs: 60, answerMs: 10_000 }];
		world.press();
		world.advance(20_000);
		expect(world.count("hangUp")).toBeGreaterThan(0);
		expect(world.door.state).toBe("idle");
		expect(world.isMuted).toBe(true);
	});
});

describe("a second press while it rings", () => {
	test.each(["ignore", "restart", "hangUp"] as const)("%s", (secondPress) => {
		const world = new DoorWorld({ secondPress, ringLimitS: 30 });
		world.phones = [NOBODY];
		world.press();
		world.advance(10_000);
		world.press();
		world.advance(1000);
		if (secondPress === "ignore") {
			expect(world.count("call")).toBe(1);
			expect(world.logged("press.ignored")).toBe(true);
		} else if (secondPress === "restart") {
			expect(world.count("call")).toBe(2);
			expect(world.outputsOf("hangUp").map(({ call }) => call)).toEqual([1]);
			world.advance(28_000);
			expect(world.door.state).toBe("ringing");
		} else {
			expect(world.outputsOf("hangUp").map(({ call }) => call)).toEqual([1]);
			expect(world.logged("ring.cancelled")).toBe(true);
			expect(world.door.state).toBe("idle");
		}
	});

	test.each(["restart", "hangUp"] as const)("of an impatient finger does not %s", (secondPress) => {
		const world = new DoorWorld({ secondPress });
		world.phones = [NOBODY];
		world.finger();
		world.advance(SECOND_PRESS_MS - 100);
		world.finger();
		world.advance(1000);
		expect(world.count("call")).toBe(1);
		expect(world.count("hangUp")).toBe(0);
	});

	test("of another button rings there instead, whatever is set", () => {
		const world = new DoorWorld({ buttons: ["", `attic@${DOMAIN}`] });
		world.phones = [NOBODY];
		world.press(0);
		world.advance(1000);
		world.press(1);
		world.advance(1000);
		expect(world.outputsOf("call").map(({ target }) => target)).toEqual([`house@${DOMAIN}`, `attic@${DOMAIN}`]);
		expect([...world.calls.keys()]).toEqual([2]);
	});
});

describe("offline", () => {
	test("the chime rings, the LED searches, and the call goes out in the instant an edge is there", () => {
		const world = new DoorWorld();
		world.setEdge(false);
		world.press();
		world.advance(1000);
		expect(world.led).toBe("searching");
		expect(world.count("chime")).toBeGreaterThan(1);
		expect(world.logged("ring.offline")).toBe(true);
		world.advance(20_000);
		world.setEdge(true);
		expect(world.outputsOf("call").at(-1)?.target).toBe(`house@${DOMAIN}`);
		world.advance(5000);
		expect(world.led).toBe("talking");
	});

	test("nothing within the ring time: an error, and no call afterwards", () => {
		const world = new DoorWorld({ ringLimitS: 10 });
		world.setEdge(false);
		world.press();
		world.advance(10_100);
		expect(world.led).toBe("error");
		expect(world.events()).toContain("ring.failed");
		const calls = world.count("call");
		world.setEdge(true);
		world.advance(10_000);
		expect(world.count("call")).toBe(calls);
		expect(world.led).toBe("idle");
	});

	test("the LED at rest tells it", () => {
		const world = new DoorWorld();
		world.setEdge(false);
		expect(world.led).toBe("offline");
		world.setEdge(true);
		expect(world.led).toBe("idle");
	});

	test("a call is tried now and then, should nobody have told that an edge is there", () => {
		const world = new DoorWorld();
		world.setEdge(false);
		world.isEdgeUp = true;
		world.press();
		world.advance(MOST_RETRY_MS + 5000);
		expect(world.door.state).toBe("talking");
	});
});

describe("no 100 Trying", () => {
	test("after 700 ms the LED says so, until something comes", () => {
		const world = new DoorWorld();
		world.phones = [{ tryingMs: 2000, ringMs: 3000 }];
		world.finger();
		world.until(() => world.count("call") === 1);
		world.advance(TRYING_MS - 1);
		expect(world.led).toBe("calling");
		world.advance(1);
		expect(world.led).toBe("searching");
		world.advance(2000 - TRYING_MS);
		expect(world.led).toBe("calling");
	});

	test("an edge that stays silent is given up, and the call is made anew at once", () => {
		const world = new DoorWorld();
		world.phones = [{}, ANSWERS];
		world.finger();
		world.until(() => world.count("call") === 1);
		world.advance(NO_PROGRESS_MS - 1);
		expect(world.count("call")).toBe(1);
		world.advance(1);
		expect(world.outputsOf("hangUp").map(({ call }) => call)).toEqual([1]);
		expect(world.outputsOf("call").map(({ call, attempt }) => [call, attempt])).toEqual([
			[1, 1],
			[2, 2],
		]);
		world.advance(5000);
		expect(world.door.state).toBe("talking");
	});
});

describe("a call that fails", () => {
	test.each([
		["refused", 300, "failed"],
		["refused", 302, "failed"],
		["refused", 380, "failed"],
		["refused", 400, "failed"],
		["refused", 401, "failed"],
		["refused", 403, "failed"],
		["refused", 404, "failed"],
		["refused", 407, "failed"],
		["refused", 408, "againLater"],
		["refused", 410, "failed"],
		["refused", 430, "againLater"],
		["refused", 480, "againLater"],
		["refused", 486, "declined"],
		["refused", 487, "againLater"],
		["refused", 488, "failed"],
		["refused", 500, "again"],
		["refused", 503, "again"],
		["refused", 504, "again"],
		["refused", 600, "declined"],
		["refused", 603, "declined"],
		["refused", 604, "failed"],
		["refused", 606, "failed"],
		["timeout", 0, "again"],
		["timeout", 408, "again"],
		["transport", 0, "again"],
		["limit", 0, "againLater"],
		["remote", 0, "noAnswer"],
		["local", 0, "noAnswer"],
		["answeredElsewhere", 200, "elsewhere"],
	] as const)("%s %i: %s", (cause, status, verdict) => {
		expect(judge(cause, status)).toBe(verdict);
	});

	test("every final status has a verdict", () => {
		for (let status = 300; status < 700; status++) expect(judge("refused", status)).toBeTypeOf("string");
	});

	test("for now is made again: at once, then after 2, 4, 5, 5 s", () => {
		const world = new DoorWorld({ ringLimitS: 20 });
		world.phones = [{ refuseMs: 0, status: 503 }];
		world.finger();
		world.advance(25_000);
		const times = world.times("call");
		const pauses = times.slice(1).map((at, i) => Math.round((at - times[i]!) / 100) * 100);
		expect(pauses).toEqual([0, 2 * RETRY_MS, 4 * RETRY_MS, MOST_RETRY_MS, MOST_RETRY_MS]);
		expect(world.events().at(-1)).toBe("ring.failed");
	});

	test("with no phone there (480) waits, and finds one that came back", () => {
		const world = new DoorWorld();
		world.phones = [{ tryingMs: 5, refuseMs: 20, status: 480 }, { tryingMs: 5, refuseMs: 20, status: 480 }, ANSWERS];
		world.press();
		world.advance(12_000);
		expect(world.outputsOf("call").map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
		expect(world.door.state).toBe("talking");
	});

	test.each([486, 603])("because of people (%i) is not made again", (status) => {
		const world = new DoorWorld();
		world.phones = [{ tryingMs: 5, ringMs: 50, refuseMs: 3000, status }];
		world.press();
		world.advance(4000);
		expect(world.count("call")).toBe(1);
		expect(world.led).toBe("noAnswer");
		expect(world.logged("ring.noAnswer")).toBe(true);
	});

	test.each([302, 404, 403, 606])("for good (%i) is an error by name", (status) => {
		const world = new DoorWorld();
		world.phones = [{ tryingMs: 5, refuseMs: 20, status }];
		world.press();
		world.advance(1000);
		expect(world.count("call")).toBe(1);
		expect(world.led).toBe("error");
		expect(world.logged("ring.failed")).toBe(true);
	});

	test("when its edge goes while phones ring, another edge rings them at once", () => {
		const world = new DoorWorld();
		world.phones = [{ tryingMs: 5, ringMs: 60, refuseMs: 2000, cause: "transport" }, ANSWERS];
		world.press();
		world.advance(2100);
		expect(world.count("call")).toBe(2);
		world.advance(5000);
		expect(world.door.state).toBe("talking");
	});

	test("answered elsewhere: quiet, no error", () => {
		const world = new DoorWorld();
		world.phones = [{ tryingMs: 5, ringMs: 50, refuseMs: 3000, cause: "answeredElsewhere", status: 200 }];
		world.press();
		world.advance(4000);
		expect(world.logged("ring.answeredElsewhere")).toBe(true);
		expect(world.led).toBe("idle");
		expect(world.tones()).toEqual(["ringback", "none"]);
	});
});

describe("the door contact", () => {
	test("ends the ring", () => {
		const world = new DoorWorld();
		world.phones = [NOBODY];
		world.press();
		world.advance(3000);
		world.input({ type: "contact", isOpen: true });
		expect(world.outputsOf("hangUp")[0]?.reason).toBe("the door was opened");
		expect(world.led).toBe("opened");
		world.advance(5000);
		expect([world.door.state, world.led]).toEqual(["idle", "idle"]);
	});

	test("ends a ring that waits for an edge", () => {
		const world = new DoorWorld();
		world.setEdge(false);
		world.press();
		world.advance(1000);
		world.input({ type: "contact", isOpen: true });
		world.setEdge(true);
		world.advance(10_000);
		expect(world.door.state).toBe("idle");
	});

	test("does not end a talk, and says nothing at rest", () => {
		const world = new DoorWorld();
		world.press();
		world.advance(5000);
		world.input({ type: "contact", isOpen: true });
		expect(world.door.state).toBe("talking");
		world.bye(1);
		world.advance(100);
		world.input({ type: "contact", isOpen: false });
		world.input({ type: "contact", isOpen: true });
		expect(world.count("hangUp")).toBe(0);
		expect(world.events().filter((event) => event === "contact.opened")).toHaveLength(2);
	});
});

test("call numbers that nobody knows change nothing", () => {
	const world = new DoorWorld();
	world.press();
	world.advance(1000);
	for (const call of [0, 99, -1, 0x100007]) {
		world.input({ type: "callProgress", call, status: 180 });
		world.input({ type: "callEnded", call, cause: "remote", status: 0 });
		world.input({ type: "digit", call, digit: "1", way: "rtp" });
	}
	expect(world.door.state).toBe("ringing");
	world.input({ type: "callAnswered", call: 99, from: ANNA });
	expect(world.outputsOf("hangUp")).toEqual([{ type: "hangUp", call: 99, reason: "too late" }]);
	world.advance(5000);
	expect(world.door.state).toBe("talking");
});

test("the LED shows the press for its time, then what happens", () => {
	const world = new DoorWorld();
	world.finger();
	world.until(() => world.led === "pressed");
	world.advance(PRESSED_MS - 1);
	expect(world.led).toBe("pressed");
	world.advance(1);
	expect(world.led).toBe("ringing");
});
