/** The real device unit on a simulated wall, in a house of real peers. */
import { expect, test } from "vitest";
import { DoorHouse } from "./door-support.ts";

test("a device with a certificate in flash comes online by itself, and a press rings", () => {
	const house = new DoorHouse({ seed: 1 });
	const took = house.online();
	expect(took).toBeLessThan(60_000);
	house.device.finger();
	const pressedAt = house.world.time.now;
	house.until(() => house.rings > 0, 3000, "phones ring");
	expect(house.rangAt - pressedAt).toBeLessThan(200);
	house.until(() => house.door === "talking", 10_000, "a talk");
	house.until(() => house.door === "idle", 10_000, "its end");
	expect(house.talks).toBe(1);
});
