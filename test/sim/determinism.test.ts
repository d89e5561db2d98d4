/** The same seed tells the same story; and the story can be read by others. */
import { expect, test } from "vitest";
import { FrameSplitter } from "../../targets/pi/capture.ts";
import { measureIdle } from "../../targets/sim/measure.ts";
import { World } from "../../targets/sim/world.ts";
import { registerAll } from "./support.ts";

function story(seed: number, plugin: string): string {
	const world = new World({ seed, plugin, path: { jitterMs: 5, loss: 0.02 } });
	world.found(6);
	registerAll(world, world.members.slice(0, 2), 2);
	world.members[3]!.powerOff();
	world.advance(8_000);
	world.members[3]!.restart();
	world.members[4]!.leave();
	world.partition([world.members.slice(0, 2), world.members.slice(2)]);
	world.advance(10_000);
	world.heal();
	world.advance(10_000);
	return world.fingerprint();
}

test.each(["CHORD-RELOAD", "EXP-OVERLAY", "CHORD-SELF-TUNING"])("%s: same seed, same fingerprint", (plugin) => {
	expect(story(7, plugin)).toBe(story(7, plugin));
	expect(story(8, plugin)).not.toBe(story(7, plugin));
});

test("a capture has every message of the story, as pcapng", () => {
	const world = new World({ seed: 9, capture: true });
	world.found(3);
	const file = world.capture!.take();
	const view = new DataView(file.buffer, file.byteOffset);
	expect(view.getUint32(0, true)).toBe(0x0a0d0d0a);
	let frames = 0;
	const splitter = new FrameSplitter();
	for (let at = 0; at < file.length; at += view.getUint32(at + 4, true)) {
		if (view.getUint32(at, true) !== 6) continue;
		const length = view.getUint32(at + 20, true);
		// IPv4 and UDP headers before each frame.
		frames += splitter.push(file.subarray(at + 28 + 28, at + 28 + length)).length;
	}
	const { messages, acks } = world.traffic();
	expect(frames).toBe(messages + acks);
});

test("the idle mesh says nothing but Ping; the chord adds its Updates and partition checks", () => {
	const mesh = measureIdle({ peers: 4, plugin: "EXP-OVERLAY", warmUpMs: 60_000, measureMs: 300_000 });
	expect(Object.keys(mesh.messages)).toEqual(["ping_req", "ping_ans"]);
	const chord = measureIdle({ peers: 4, plugin: "CHORD-RELOAD", warmUpMs: 60_000, measureMs: 300_000 });
	expect(chord.messages.update_req).toBe(360);
	expect(chord.octetsPerHour).toBeGreaterThan(mesh.octetsPerHour * 0.9);
});
