/**
 * The real device unit on a simulated wall, in a house of real peers: overlay, registrations, AppAttach, SIP, doorbell. The edges and
 * phones are modelled (`door-support.ts`), signatures are the simulator's stand-in (real ones where a test says so), a handshake takes the device 3 s. No
 * enrollment server is there, so nothing here needs one.
 */
import { describe, expect, test } from "vitest";
import { DoorHouse } from "./door-support.ts";

/** A house with the device online and both of its connections up. */
function house(options: Partial<ConstructorParameters<typeof DoorHouse>[0]> = {}): DoorHouse {
	const made = new DoorHouse({ seed: 1, ...options });
	made.online();
	const wanted = options.unit?.secondEdge === false ? 1 : 2;
	made.until(() => made.connected().length === wanted, 60_000, "its connections are up");
	made.advance(5000);
	return made;
}

describe("a device in a house of three peers", () => {
	test("comes online by itself, registers, takes the time from a peer, and a press rings at once", () => {
		const made = house();
		expect(made.device.isClockSet).toBe(true);
		expect(Math.abs(made.device.wallOffsetMs + made.world.time.now - made.world.time.wallMs())).toBeLessThan(1000);
		made.until(() => made.unit?.status().isRegistered === true, 60_000, "it is registered");
		expect(made.pressRings(3000)).toBeLessThan(100);
		made.until(() => made.door === "talking", 10_000, "a talk");
		made.rest();
		expect(made.talks).toBe(1);
		expect(made.device.strikes).toBe(1);
		expect(made.device.clicks).toBe(1);
	});

	test("a hundred calls leave nothing behind", () => {
		const made = house();
		made.phones.byeMs = 500;
		for (let i = 0; i < 100; i++) {
			made.pressRings(3000);
			made.rest();
		}
		expect(made.talks).toBe(100);
		expect(made.unit?.status().calls).toBe(0);
		expect(made.device.machine.datagrams.size).toBe(0);
	});

	test("the peer that serves it is killed: the next press rings within 3 s", () => {
		const made = house();
		made.connected()[0]!.member.kill();
		expect(made.pressRings(3000)).toBeLessThan(1000);
		made.rest();
	});

	test("the peer that serves it loses power without a word, in the instant of the press: rings within 3 s", () => {
		const made = house();
		made.connected()[0]!.member.powerOff();
		expect(made.pressRings(3000)).toBeLessThan(1500);
		made.rest();
	});

	test("a board with one connection: its peer is killed, the press waits for a handshake", () => {
		const made = house({ unit: { secondEdge: false } });
		made.connected()[0]!.member.kill();
		expect(made.pressRings(40_000)).toBeLessThan(20_000);
		expect(made.device.clicks).toBe(1);
		made.rest();
	});

	test("two of three peers die one after the other, and come back; every press rings", () => {
		const made = house();
		for (const edge of [...made.edges]) {
			edge.member.kill();
			made.pressRings(30_000);
			made.rest();
			made.restartPeer(edge);
			made.advance(30_000);
		}
		made.pressRings(3000);
	});
});

describe("Wi-Fi", () => {
	test("gone at the press and back within the ring time: chime at once, phones when it is back", () => {
		const made = house();
		made.device.setWifi(false);
		made.advance(60_000);
		expect(made.state).toBe("offline");
		made.device.finger();
		made.advance(1000);
		expect([made.device.clicks, made.device.strikes]).toEqual([1, 1]);
		made.advance(9000);
		made.device.setWifi(true);
		made.until(() => made.rings === 1, 45_000, "phones ring");
		made.rest();
	});

	test("gone in the middle of a ring", () => {
		const made = house();
		made.phones.answerMs = undefined;
		made.pressRings(3000);
		made.device.setWifi(false);
		made.advance(5000);
		made.device.setWifi(true);
		made.advance(90_000);
		expect(made.door).toBe("idle");
		made.phones.answerMs = 2000;
		made.pressRings(30_000);
		made.rest();
	});

	test("gone for two hours: back online by itself", () => {
		const made = house({ peers: 2 });
		made.device.setWifi(false);
		made.advance(2 * 3_600_000);
		made.device.setWifi(true);
		made.online();
		made.pressRings(30_000);
	});
});

describe("all peers gone", () => {
	test("the bell still clicks and chimes, says so, and rings when one is back", () => {
		const made = house();
		for (const { member } of made.edges) member.powerOff();
		made.advance(120_000);
		expect(made.state).toBe("offline");
		made.device.finger();
		made.advance(70_000);
		expect([made.device.clicks, made.device.strikes]).toEqual([1, 1]);
		expect(made.events.some((event) => event.type === "door" && event.event === "ring.failed")).toBe(true);
		made.restartPeer(made.edges[0]!);
		made.restartPeer(made.edges[1]!);
		made.online(180_000);
		made.pressRings(30_000);
	});

	test("for hours: the device starts anew now and then, and finds them again", () => {
		const made = house({ peers: 2 });
		for (const { member } of made.edges) member.powerOff();
		made.advance(3 * 3_600_000);
		expect(made.device.restarts.length).toBeGreaterThanOrEqual(2);
		for (const edge of made.edges) made.restartPeer(edge);
		made.online(180_000);
		made.pressRings(30_000);
	});
});

describe("power", () => {
	test("cut and back: a press clicks and chimes at once, and phones ring as soon as a peer is connected", () => {
		const made = house();
		made.device.powerCut();
		made.advance(10_000);
		made.device.powerOn();
		made.advance(3000);
		const took = made.pressRings(30_000);
		expect([made.device.clicks, made.device.strikes]).toEqual([1, 1]);
		expect(took).toBeLessThan(20_000);
		made.rest();
	});

	test("cut at any moment of a ring and a talk", () => {
		const made = house();
		for (let ms = 20; ms < 9000; ms += 777) {
			made.device.finger();
			made.advance(ms);
			made.device.powerCut();
			expect([made.device.relay, made.device.chime]).toEqual([false, false]);
			made.advance(1000);
			made.device.powerOn();
			made.advance(3000);
			made.online();
			made.pressRings(60_000);
			made.rest();
		}
	});
});

describe("the clock", () => {
	test("steps by years in both directions while connections are up: presses ring", () => {
		const made = house();
		for (const years of [20, -20]) {
			made.device.setClock(made.world.time.wallMs() + years * 365 * 86_400_000);
			made.unit?.setClock();
			made.advance(1000);
			made.pressRings(3000);
			made.rest();
		}
	});

	test("wrong by years at a reconnect: offline until it is right again, and then by itself", () => {
		const made = house();
		made.device.setClock(made.world.time.wallMs() + 20 * 365 * 86_400_000);
		made.unit?.setClock();
		made.device.setWifi(false);
		made.advance(60_000);
		made.device.setWifi(true);
		made.advance(60_000);
		made.device.setClock(made.world.time.wallMs());
		made.unit?.setClock();
		made.online(180_000);
		made.pressRings(30_000);
	});
});

describe("opening the door", () => {
	const openers = ["*"];
	const codes = [{ name: "family", code: "2580" }];

	test("settings come through the overlay; a code by INFO opens", () => {
		const made = house();
		made.edges[1]!.storeSettings({ codes, ringLimitS: 30 });
		made.unit?.refreshSettings();
		made.until(() => made.unit?.status().settingsRevision === 1, 30_000, "the settings are there");
		made.phones.byeMs = 20_000;
		made.onAnswer = (edge, call) => {
			for (const [i, digit] of [..."2580"].entries())
				made.world.time.after(1000 + 300 * i, () => edge.digit(call, digit));
		};
		made.pressRings(3000);
		made.until(() => made.device.releases === 1, 15_000, "the relay");
		made.until(() => !made.device.relay, 5000, "its end");
		made.rest();
		expect(made.device.releases).toBe(1);
	});

	test("a message of a resident opens once, also when it comes again after a power cut", () => {
		const made = house();
		made.edges[0]!.storeSettings({ openers });
		made.unit?.refreshSettings();
		made.until(() => made.unit?.status().settingsRevision === 1, 30_000, "the settings are there");
		const say = (): number | undefined => {
			const edge = made.connected()[0]!;
			const before = made.answers.length;
			for (const flow of edge.flows.slice(-1)) edge.message(flow, "open id=42");
			made.until(() => made.answers.length > before, 20_000, "an answer");
			return made.answers.at(-1)?.status;
		};
		expect(say()).toBe(200);
		expect(made.device.releases).toBe(1);
		made.advance(10_000);
		made.device.powerCut();
		made.events.length = 0;
		made.device.powerOn();
		made.advance(3000);
		made.online();
		expect(say()).toBe(200);
		expect(made.device.releases).toBe(1);
	});

	test("worn flash: messages are refused, codes open, presses ring", () => {
		const made = house();
		made.edges[0]!.storeSettings({ openers, codes });
		made.unit?.refreshSettings();
		made.until(() => made.unit?.status().settingsRevision === 1, 30_000, "the settings are there");
		made.device.flash.writesLeft = 0;
		const edge = made.connected()[0]!;
		edge.message(edge.flows.at(-1)!, "open");
		made.until(() => made.answers.length > 0, 20_000, "an answer");
		expect(made.answers.at(-1)?.status).toBe(500);
		expect(made.device.releases).toBe(0);
		made.onAnswer = (answering, call) => {
			for (const digit of "2580") answering.digit(call, digit);
		};
		made.pressRings(3000);
		made.until(() => made.device.releases === 1, 15_000, "the relay");
		made.rest();
	});

	test("settings sealed with another key, or of an older revision, are not taken", () => {
		const made = house();
		made.edges[0]!.storeSettings({ volume: 30, revision: 5 });
		made.unit?.refreshSettings();
		made.until(() => made.unit?.status().settingsRevision === 5, 30_000, "the settings are there");
		made.advance(2000);
		made.edges[0]!.storeSettings({ volume: 99, revision: 4 });
		made.unit?.refreshSettings();
		made.advance(30_000);
		expect(made.unit?.status().settingsRevision).toBe(5);
		made.edges[0]!.storeSettings({ volume: 99, revision: 9 }, new Uint8Array(32).fill(6));
		made.unit?.refreshSettings();
		made.advance(30_000);
		expect(made.unit?.status().settingsRevision).toBe(5);
		expect(made.warnings.get("unit.settings")).toBeGreaterThan(0);
	});
});

describe("calls to the door", () => {
	test("from a resident on the list are answered by themselves", () => {
		const made = house();
		made.edges[0]!.storeSettings({ autoAnswer: ["*"] });
		made.unit?.refreshSettings();
		made.until(() => made.unit?.status().settingsRevision === 1, 30_000, "the settings are there");
		const edge = made.connected()[0]!;
		const call = edge.callDevice(edge.flows.at(-1)!);
		made.until(() => made.door === "talking", 5000, "a talk");
		made.advance(3000);
		edge.hangUp(call!);
		made.rest();
	});

	test("from others are refused", () => {
		const made = house();
		const edge = made.connected()[0]!;
		for (let i = 0; i < 20; i++) edge.callDevice(edge.flows.at(-1)!);
		made.advance(5000);
		expect(made.door).toBe("idle");
		made.pressRings(3000);
		made.rest();
	});
});

test("a network that loses every tenth segment: slower, and every press rings", () => {
	const made = house({ path: { loss: 0.1, latencyMs: 20, jitterMs: 30 } });
	const took: number[] = [];
	for (let i = 0; i < 30; i++) {
		took.push(made.pressRings(10_000));
		made.rest();
	}
	took.sort((a, b) => a - b);
	expect(took[15]).toBeLessThan(500);
});

test("an edge that takes calls and never says a word: the other one rings after 700 ms", () => {
	const made = house();
	made.phones.isSilent = true;
	made.device.finger();
	made.advance(500);
	expect(made.rings).toBe(0);
	made.phones.isSilent = false;
	made.until(() => made.rings === 1, 1000, "phones ring");
	made.rest();
});

test("an edge that babbles is left, and the next press rings", () => {
	const made = house();
	for (const edge of made.connected()) edge.babble();
	made.advance(100);
	made.pressRings(40_000);
	made.rest();
});

test("no phone is registered: the ring waits for one until its time is over", () => {
	const made = house();
	made.phones.areThere = false;
	made.device.finger();
	made.advance(10_000);
	made.phones.areThere = true;
	made.until(() => made.rings === 1, 10_000, "phones ring");
	made.rest();
	made.phones.areThere = false;
	made.device.finger();
	made.advance(70_000);
	expect(made.door).toBe("idle");
	expect(made.events.some((event) => event.type === "door" && event.event === "ring.noAnswer")).toBe(true);
});

test("with real signatures: online, registered, settings, a press, a killed peer, a press", () => {
	const made = house({ crypto: "real" });
	made.until(() => made.unit?.status().isRegistered === true, 60_000, "it is registered");
	made.edges[0]!.storeSettings({ openers: ["*"] });
	made.unit?.refreshSettings();
	made.until(() => made.unit?.status().settingsRevision === 1, 30_000, "the settings are there");
	expect(made.pressRings(3000)).toBeLessThan(100);
	made.rest();
	made.connected()[0]!.member.kill();
	made.pressRings(3000);
	made.rest();
});

test("the same seed tells the same story", () => {
	const story = (): string => {
		const made = house();
		made.pressRings(3000);
		made.rest();
		made.connected()[0]!.member.kill();
		made.pressRings(3000);
		made.rest();
		return `${made.world.time.events} ${made.world.fingerprint()}`;
	};
	expect(story()).toBe(story());
});
