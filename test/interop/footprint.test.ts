/** The fit gate: slots of the device in the XS engine, with a real peer and calls. `npm run footprint` shows the table. */
import { expect, test } from "vitest";
import { CEILING_SLOTS_IN_CALL, CEILING_SLOTS_REGISTERED, MAX_GROWTH } from "../../tools/footprint/limits.ts";
import { liveSizes } from "../../tools/footprint/live.ts";

test("slots registered and in a call stay below the ceiling, and calls leave nothing behind", {
	timeout: 600_000,
}, async () => {
	const live = await liveSizes([10, 40]);
	expect(live.stderr).toBe("");
	expect(live.registered).toBeLessThan(CEILING_SLOTS_REGISTERED);
	expect(live.inCall).toBeLessThan(CEILING_SLOTS_IN_CALL);
	const [first, last] = live.after;
	expect(last!.slots - first!.slots).toBeLessThan(MAX_GROWTH);
});
