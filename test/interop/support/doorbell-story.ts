/**
 * The story of a doorbell on real programs: paired with a code, pressed, answered, heard, opened, hung up; then its peer is killed.
 *
 *     frontdoor (the device's code) -- peer 1, 2 or 3 -- anna (baresip, peer 2), ben (baresip, peer 3)
 */
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { readWav } from "../../../hal/node/device/wav.ts";
import { loopback } from "../../../tools/demo/processes.ts";
import { goertzel, toneMs } from "../../support/tone.ts";
import { Phone } from "./baresip.ts";
import { DoorbellProcess } from "./doorbell.ts";
import { DOMAIN, TestHousehold } from "./household.ts";
import { waitFor } from "./wait.ts";

const TONE_HZ = 1_000;
/** Share of the energy at 1 kHz that is a tone: silence has none, noise a hundredth. */
const A_TONE = 0.5;
const TALK_MS = 2_000;
const CODE = "4711";

/** Tells it to vitest. `flags`: how the doorbell is run. */
export function tellDoorbellStory(flags: readonly string[]): void {
	let house: TestHousehold;
	let anna: Phone;
	let ben: Phone;
	let door: DoorbellProcess;
	let speaker: string;

	beforeAll(async () => {
		house = await TestHousehold.start({ peers: 3 });
		await house.telling(async () => {
			for (const name of ["anna", "ben"]) await house.account(name);
			anna = await phone("anna", 1);
			ben = await phone("ben", 2);
			await anna.registered();
			await ben.registered();
			// A device without mDNS knows the peers that its document names.
			await house.named();
		});
	});

	afterAll(async () => {
		await door?.stop();
		await anna?.stop();
		await ben?.stop();
		await house?.close();
	});

	beforeEach((context) => {
		house.watch(context);
		context.onTestFailed(() => console.log(door?.log, door?.lines.map((line) => JSON.stringify(line)).join("\n")));
	});

	async function phone(user: string, i: number): Promise<Phone> {
		// Baresip sends RTP from the system's own loopback address, whatever it is told; the door listens to nobody else than was agreed.
		const place = { edge: house.edge(i), address: "127.0.0.1" };
		return await Phone.start({ aor: `${user}@${DOMAIN}`, password: house.password(user), toneHz: TONE_HZ, ...place });
	}

	/** Presses and lets `who` answer; gives the time from the press to the ring. */
	async function pressed(who: Phone): Promise<number> {
		const [from, mark] = [who.mark, door.mark];
		const began = performance.now();
		door.send("press 0");
		await who.event("CALL_INCOMING", 20_000, from);
		const ms = performance.now() - began;
		await who.answer();
		await door.line({ event: "call", state: "answered" }, 10_000, mark);
		return ms;
	}

	/** The tone in a WAV file's last seconds. */
	const toneIn = (file: string | undefined): number => {
		if (file === undefined) return 0;
		const { samples, sampleRate } = readWav(file);
		return goertzel(samples.slice(-TALK_MS * (sampleRate / 1_000)), TONE_HZ, sampleRate);
	};

	test("pairs with a code, joins, registers, opens two connections ahead", async () => {
		const made = await house.json<{ url: string }>(0, "device", "add", "frontdoor");
		const set = ["--set", `codes=anna:${CODE}`, "--set", "releaseMs=500"];
		speaker = join(house.folder, "door.wav");
		const places = ["--state", join(house.folder, "door"), "--address", loopback(60), "--log", "info"];
		door = new DoorbellProcess([...places, "--mic", "tone", "--speaker", speaker, "--pair", made.url, ...flags]);
		await door.line({ event: "paired", user: `frontdoor@${DOMAIN}` }, 60_000);
		await door.ready(2);
		await house.json(0, "device", "settings", "frontdoor", ...set);
		await waitFor(
			"the settings",
			60_000,
			async () => {
				door.send("settings");
				return Number((await door.status()).settingsRevision) > 0;
			},
			500,
		);
		const devices = await house.json<readonly { name: string }[]>(0, "device", "list");
		expect(devices.map(({ name }) => name)).toContain("frontdoor");
	});

	test("a press rings every phone; one answers, both hear a tone of 1 kHz, the phone hangs up", async () => {
		const [benFrom, mark] = [ben.mark, door.mark];
		await pressed(anna);
		// The other phone rang, too, and is told that the call was taken.
		await ben.event("CALL_INCOMING", 5_000, benFrom);
		await ben.event("CALL_CLOSED", 5_000, benFrom);
		await new Promise((resolve) => setTimeout(resolve, TALK_MS + 500));
		await anna.hangup();
		await door.line({ event: "call", state: "ended remote" }, 10_000, mark);
		await waitFor("what anna heard", 5_000, () => toneIn(anna.heardFile) > A_TONE);
	});

	test("digits open the door; the doorbell hangs up", async () => {
		const mark = door.mark;
		const from = anna.mark;
		await pressed(anna);
		for (const digit of `${CODE}#`) {
			await anna.command("sndcode", digit);
			await new Promise((resolve) => setTimeout(resolve, 250));
		}
		await door.line({ pin: "relay", isOn: true }, 10_000, mark);
		await door.line({ event: "release" }, 10_000, mark);
		await door.line({ pin: "relay", isOn: false }, 10_000, door.mark - 1);
		door.send("hangup");
		await anna.event("CALL_CLOSED", 10_000, from);
		await door.line({ event: "call", state: "ended local" }, 10_000, mark);
	});

	test("the peer that serves it is killed: the next press rings within 3 s", async () => {
		const serving = house.numberOf(String((await door.status()).peer));
		expect(serving).toBeGreaterThanOrEqual(0);
		// Whoever has a phone at a living peer rings.
		const phoneLeft = serving === 1 ? ben : anna;
		house.peers[serving]?.kill();
		const mark = door.mark;
		expect(await pressed(phoneLeft)).toBeLessThan(3_000);
		await phoneLeft.hangup();
		await door.line({ event: "call", state: "ended remote" }, 10_000, mark);
		// It is at home elsewhere, with all that belongs to it.
		await waitFor("another peer", 30_000, async () => {
			const status = await door.status();
			return status.peer !== "" && house.numberOf(String(status.peer)) !== serving;
		});
		await door.ready(2);
	});

	test("what it played was the phones' tone; nothing complained", async () => {
		await door.stop();
		const { samples, sampleRate } = readWav(speaker);
		// Half a second of it at least, in one piece; the rest is ringing, silence and the tone of the open door.
		expect(toneMs(samples, TONE_HZ, sampleRate)).toBeGreaterThan(500);
		expect(door.log).not.toContain("Unhandled");
	});
}
