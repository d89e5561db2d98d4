/**
 * Failure at every step: a story is told untouched, then once with each input lost, once with the power cut before each output, once with
 * each flash write and call refused. Whatever happens, it ends well or with an error that has a name; it never hangs, and the door
 * works afterwards.
 */
import { expect } from "vitest";
import type { DeviceSettings } from "../../../../core/usages/device-settings.ts";
import { ANSWERS, DoorWorld, type Fault, NO_FAULT } from "./world.ts";

export interface Story {
	readonly settings?: Partial<DeviceSettings>;
	/** Sets things going and lets time pass. */
	tell(world: DoorWorld): void;
	/** What the people in the story wanted. */
	hasSucceeded(world: DoorWorld): boolean;
}

export interface VariantCounts {
	readonly inputs: number;
	readonly outputs: number;
	readonly resources: number;
}

/** Tells the story in all variants. */
export function tellEveryWay(story: Story): VariantCounts {
	const plain = tell(story, NO_FAULT);
	expect(story.hasSucceeded(plain), `untouched: ${plain.events()}`).toBe(true);
	const { inputs, outputs, resources } = plain;
	for (let n = 1; n <= inputs; n++) check(story, { ...NO_FAULT, dropInput: n });
	for (let n = 1; n <= outputs; n++) check(story, { ...NO_FAULT, killOutput: n });
	for (let n = 1; n <= resources; n++) check(story, { ...NO_FAULT, failResource: n });
	return { inputs, outputs, resources };
}

function tell(story: Story, fault: Fault): DoorWorld {
	const world = new DoorWorld(story.settings, fault);
	story.tell(world);
	return world;
}

/** Names of ends that are not what was wanted. */
const NAMED: readonly string[] = [
	"ring.noAnswer",
	"ring.failed",
	"ring.cancelled",
	"call.limit",
	"call.refused",
	"release.wrongCode",
	"release.locked",
	"release.tooSoon",
	"release.notAllowed",
	"release.notSaved",
	"press.ignored",
];

function check(story: Story, fault: Fault): void {
	const world = tell(story, fault);
	const name = JSON.stringify(fault);
	const hasSucceeded = story.hasSucceeded(world);
	comesToRest(world, name);
	const hasName = world.restarts > 0 || world.events().some((event) => NAMED.includes(event));
	const isToldSo = world.outputsOf("reply").some(({ status }) => status >= 300) || world.callsTimedOut > 0;
	expect(hasSucceeded || hasName || isToldSo, `${name}: ${world.events()}`).toBe(true);
	keepsItsPromises(world, name);
	stillRings(world, name);
}

/** Longest that anything may last: a talk prolonged once, and a ring. */
const REST_MS = 2 * 3_600_000;

function comesToRest(world: DoorWorld, name: string): void {
	world.isEdgeUp = true;
	world.advance(REST_MS);
	expect(world.door.state, name).toBe("idle");
	expect(world.door.deadline(), name).toBe(Number.POSITIVE_INFINITY);
	expect({ relay: world.relay, chime: world.chime, isMuted: world.isMuted }, name).toEqual({
		relay: false,
		chime: false,
		isMuted: true,
	});
	expect([...world.calls.keys()], name).toEqual([]);
}

/** What holds in every story. */
export function keepsItsPromises(world: DoorWorld, name = ""): void {
	const { releaseSpacingMs, chimeMs } = world.settings;
	let relayAt = Number.NEGATIVE_INFINITY;
	let chimeAt = Number.NEGATIVE_INFINITY;
	const commands: string[] = [];
	for (const { at, output } of world.seen) {
		if (output.type === "relay" && output.isOn) {
			// A restart forgets when the last pulse was; its boot takes longer than the least spacing.
			if (world.restarts === 0) expect(at - relayAt, name).toBeGreaterThanOrEqual(releaseSpacingMs);
			relayAt = at;
		}
		if (output.type === "chime" && output.isOn) chimeAt = at;
		if (output.type === "chime" && !output.isOn && chimeAt > 0 && world.restarts === 0)
			expect(at - chimeAt, name).toBeLessThanOrEqual(chimeMs + 1);
		if (output.type === "record" && output.release.how === "message") commands.push(output.release.by);
	}
	expect(new Set(commands).size, `${name}: one release for each command`).toBe(commands.length);
}

function stillRings(world: DoorWorld, name: string): void {
	world.phones = [ANSWERS];
	world.onTalk = () => {};
	const started = world.outputsOf("log").filter(({ event }) => event === "call.started").length;
	world.input({ type: "online", isOnline: true });
	world.input({ type: "contact", isOpen: false });
	world.press();
	world.advance(20_000);
	const now = world.outputsOf("log").filter(({ event }) => event === "call.started").length;
	expect(now, `${name}: rings again`).toBe(started + 1);
}
