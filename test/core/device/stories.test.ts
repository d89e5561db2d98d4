/** Every behaviour of the doorbell, told untouched and then with everything going wrong once, one thing at a time. */
import { expect, test } from "vitest";
import { CommandIds, commandDigest } from "../../../core/device/release-log.ts";
import { type Story, tellEveryWay } from "./support/variants.ts";
import { ANNA, DOMAIN, DoorWorld } from "./support/world.ts";

const CODES = [{ name: "family", code: "2580" }];
const NOBODY = { tryingMs: 5, ringMs: 60 };
const talked = (world: DoorWorld): boolean => world.logged("call.started");
const ended = (world: DoorWorld): boolean => world.logged("call.ended");

const STORIES: Readonly<Record<string, Story>> = {
	"ring, talk, BYE from the phone": {
		tell(world) {
			world.phones = [{ tryingMs: 5, ringMs: 60, answerMs: 4000, byeMs: 20_000 }];
			world.press();
			world.advance(60_000);
		},
		hasSucceeded: (world) => talked(world) && ended(world),
	},
	"ring, nobody answers": {
		tell(world) {
			world.phones = [NOBODY];
			world.press();
			world.advance(90_000);
		},
		hasSucceeded: (world) => world.logged("ring.noAnswer"),
	},
	"talk until the limit": {
		settings: { callLimitS: 60 },
		tell(world) {
			world.press();
			world.advance(120_000);
		},
		hasSucceeded: (world) => world.logged("call.limit") && world.tones().includes("warning"),
	},
	"talk, prolonged": {
		settings: { callLimitS: 30 },
		tell(world) {
			world.onTalk = (call) => world.time.after(25_000, () => world.digit(call, "#"));
			world.press();
			world.advance(40_000);
		},
		hasSucceeded: (world) => world.door.state === "talking",
	},
	"code opens the door": {
		settings: { codes: CODES },
		tell(world) {
			world.onTalk = (call) => world.type(call, "2580");
			world.press();
			world.advance(30_000);
		},
		hasSucceeded: (world) => world.count("record") === 1,
	},
	"wrong codes end the call": {
		settings: { codes: CODES },
		tell(world) {
			world.onTalk = (call) => {
				for (const [i, digit] of [..."111122223333"].entries())
					world.time.after(300 * (i + 1), () => world.digit(call, digit));
			};
			world.press();
			world.advance(40_000);
		},
		hasSucceeded: (world) => world.logged("release.locked") && world.door.state === "idle",
	},
	"command opens the door": {
		settings: { openers: [ANNA] },
		tell(world) {
			world.command("open id=1", ANNA, "m1");
			world.advance(40_000);
		},
		hasSucceeded: (world) => world.count("record") === 1 && world.reply("m1")?.status === 200,
	},
	"command opens the door while it rings": {
		settings: { openers: [ANNA] },
		tell(world) {
			world.phones = [NOBODY];
			world.press();
			world.advance(3000);
			world.command("open id=1", ANNA, "m1");
			world.advance(40_000);
		},
		hasSucceeded: (world) => world.count("record") === 1 && world.logged("ring.doorOpened"),
	},
	"two commands, the second too soon": {
		settings: { openers: [ANNA] },
		tell(world) {
			world.command("open id=1", ANNA, "m1");
			world.advance(500);
			world.command("open id=2", ANNA, "m2");
			world.advance(40_000);
		},
		hasSucceeded: (world) => world.count("record") >= 1 && world.outputsOf("reply").length >= 2,
	},
	"a command from somebody who may not": {
		settings: { openers: [ANNA] },
		tell(world) {
			world.command("open", `mallory@${DOMAIN}`, "m1");
			world.advance(40_000);
		},
		hasSucceeded: (world) => world.count("record") === 0 && world.reply("m1")?.status === 403,
	},
	"second press, restart": {
		settings: { secondPress: "restart" },
		tell(world) {
			world.phones = [NOBODY];
			world.press();
			world.advance(10_000);
			world.phones = [{ tryingMs: 5, ringMs: 60, answerMs: 3000, byeMs: 5000 }];
			world.press();
			world.advance(60_000);
		},
		hasSucceeded: (world) => talked(world) && ended(world),
	},
	"second press, hang up": {
		settings: { secondPress: "hangUp" },
		tell(world) {
			world.phones = [NOBODY];
			world.press();
			world.advance(10_000);
			world.press();
			world.advance(5000);
		},
		hasSucceeded: (world) => world.logged("ring.cancelled") && world.calls.size === 0,
	},
	"second press, ignored": {
		tell(world) {
			world.phones = [{ tryingMs: 5, ringMs: 60, answerMs: 12_000, byeMs: 5000 }];
			world.press();
			world.advance(6000);
			world.press();
			world.advance(60_000);
		},
		hasSucceeded: (world) => talked(world) && world.count("call") === 1,
	},
	"another button": {
		settings: { buttons: ["", `attic@${DOMAIN}`] },
		tell(world) {
			world.phones = [NOBODY];
			world.press(0);
			world.advance(5000);
			world.phones = [{ tryingMs: 5, ringMs: 60, answerMs: 3000, byeMs: 5000 }];
			world.press(1);
			world.advance(60_000);
		},
		hasSucceeded: (world) => talked(world) && world.outputsOf("call").at(-1)?.target === `attic@${DOMAIN}`,
	},
	"answered elsewhere": {
		tell(world) {
			world.phones = [{ tryingMs: 5, ringMs: 60, refuseMs: 4000, cause: "answeredElsewhere", status: 200 }];
			world.press();
			world.advance(30_000);
		},
		hasSucceeded: (world) => world.logged("ring.answeredElsewhere"),
	},
	"the door contact ends the ring": {
		tell(world) {
			world.phones = [NOBODY];
			world.press();
			world.advance(5000);
			world.input({ type: "contact", isOpen: true });
			world.advance(10_000);
		},
		hasSucceeded: (world) => world.logged("ring.doorOpened") && world.calls.size === 0,
	},
	"pressed while offline, an edge comes back": {
		tell(world) {
			world.setEdge(false);
			world.press();
			world.advance(15_000);
			world.setEdge(true);
			world.phones = [{ tryingMs: 5, ringMs: 60, answerMs: 3000, byeMs: 5000 }];
			world.advance(60_000);
		},
		hasSucceeded: (world) => talked(world) && world.outputsOf("chime").some(({ isOn }) => isOn),
	},
	"pressed while offline, nobody comes back": {
		tell(world) {
			world.setEdge(false);
			world.press();
			world.advance(90_000);
		},
		hasSucceeded: (world) => world.logged("ring.failed") && world.outputsOf("chime").some(({ isOn }) => isOn),
	},
	"the edge goes while phones ring": {
		tell(world) {
			world.phones = [NOBODY];
			world.press();
			world.advance(5000);
			world.phones = [{ tryingMs: 5, ringMs: 60, answerMs: 3000, byeMs: 5000 }];
			world.setEdge(false);
			world.advance(3000);
			world.setEdge(true);
			world.advance(60_000);
		},
		hasSucceeded: talked,
	},
	"the edge goes in a talk": {
		tell(world) {
			world.press();
			world.advance(10_000);
			world.setEdge(false);
			world.advance(3000);
			world.setEdge(true);
			world.advance(10_000);
		},
		hasSucceeded: (world) => talked(world) && ended(world),
	},
	"the edge stays silent, the next one answers": {
		tell(world) {
			world.phones = [{}, { tryingMs: 5, ringMs: 60, answerMs: 3000, byeMs: 5000 }];
			world.press();
			world.advance(60_000);
		},
		hasSucceeded: talked,
	},
	"the edge fails (503), the next one answers": {
		tell(world) {
			world.phones = [
				{ refuseMs: 10, status: 503 },
				{ tryingMs: 5, ringMs: 60, answerMs: 3000, byeMs: 5000 },
			];
			world.press();
			world.advance(60_000);
		},
		hasSucceeded: talked,
	},
	"no phone is there (480), then one is": {
		tell(world) {
			world.phones = [
				{ tryingMs: 5, refuseMs: 10, status: 480 },
				{ tryingMs: 5, ringMs: 60, answerMs: 3000, byeMs: 5000 },
			];
			world.press();
			world.advance(60_000);
		},
		hasSucceeded: talked,
	},
	"busy (486)": {
		tell(world) {
			world.phones = [{ tryingMs: 5, refuseMs: 100, status: 486 }];
			world.press();
			world.advance(20_000);
		},
		hasSucceeded: (world) => world.logged("ring.noAnswer"),
	},
	"moved (302)": {
		tell(world) {
			world.phones = [{ tryingMs: 5, refuseMs: 100, status: 302 }];
			world.press();
			world.advance(20_000);
		},
		hasSucceeded: (world) => world.logged("ring.failed"),
	},
	"a call from inside, answered by itself": {
		settings: { autoAnswer: ["*"] },
		tell(world) {
			const call = world.callDoor(ANNA);
			world.advance(90_000);
			world.bye(call);
			world.advance(1000);
		},
		hasSucceeded: (world) => world.tones().filter((name) => name === "privacy").length === 2 && ended(world),
	},
	"a call from inside while it rings": {
		settings: { autoAnswer: ["*"] },
		tell(world) {
			world.phones = [NOBODY];
			world.press();
			world.advance(5000);
			const call = world.callDoor(ANNA);
			world.advance(5000);
			world.bye(call);
			world.advance(5000);
		},
		hasSucceeded: (world) => talked(world) && ended(world),
	},
	"a call from a stranger": {
		tell(world) {
			world.callDoor("spam@elsewhere.example");
			world.advance(5000);
		},
		hasSucceeded: (world) => world.logged("call.refused") && world.isMuted,
	},
	"a call that rings in the room, a press answers": {
		settings: { incoming: "ring" },
		tell(world) {
			const call = world.callDoor(ANNA);
			world.advance(4000);
			world.press();
			world.advance(6000);
			world.bye(call);
			world.advance(30_000);
		},
		hasSucceeded: (world) => talked(world) && ended(world),
	},
	"volume and mute by message": {
		settings: { openers: ["*"] },
		tell(world) {
			world.command("volume 20", ANNA, "m1");
			world.command("mute", ANNA, "m2");
			world.advance(30_000);
			world.press();
			world.advance(10_000);
		},
		hasSucceeded: (world) => world.reply("m1")?.status === 200 && world.isMuted,
	},
	"night, no chime": {
		settings: { isNightOn: true, nightFromMin: 0, nightToMin: 1439 },
		tell(world) {
			world.press();
			world.advance(30_000);
		},
		// With the time unknown it strikes: nobody is missed.
		hasSucceeded: talked,
	},
	"settings change while it rings": {
		tell(world) {
			world.press();
			world.advance(1000);
			world.input({ type: "settings", settings: { ...world.settings, volume: 11, codes: CODES } });
			world.onTalk = (call) => world.type(call, "2580");
			world.advance(60_000);
		},
		hasSucceeded: (world) => world.count("record") === 1,
	},
};

test.each(Object.keys(STORIES))("%s", (name) => {
	const counts = tellEveryWay(STORIES[name]!);
	expect(counts.outputs).toBeGreaterThan(0);
});

test("a command is carried out at most once, wherever the power goes, however often it is repeated", () => {
	for (let n = 1; n <= 40; n++) {
		const fault = { dropInput: 0, killOutput: n, failResource: 0 };
		const world = new DoorWorld({ openers: [ANNA] }, fault);
		world.command("open id=once", ANNA, "m1", 1);
		for (let i = 0; i < 5; i++) {
			world.advance(20_000);
			world.command("open id=once", ANNA, "m1", 1);
		}
		const pulses = world.outputsOf("relay").filter(({ isOn }) => isOn).length;
		expect(pulses, `cut before output ${n}`).toBeLessThanOrEqual(1);
		const ids = new CommandIds(world.flash.get("commands"));
		expect(ids.has(commandDigest(ANNA, "once"))).toBe(true);
		// Not carried out: the sender was told, by name.
		if (pulses === 0) expect(world.outputsOf("reply").at(-1)?.status, `cut before output ${n}`).toBe(500);
	}
});
