/** The device's own calendar against the machine's: apart from the room's tests, because the device's engine has no time zones. */
import { expect, test } from "vitest";
import { localMinute } from "../../core/device/night.ts";

test("agrees with the time zone database for Berlin and New York over forty years", () => {
	for (const [zone, offset, rule] of [
		["Europe/Berlin", 60, "eu"],
		["America/New_York", -300, "us"],
	] as const) {
		const format = new Intl.DateTimeFormat("en", {
			timeZone: zone,
			hour: "2-digit",
			minute: "2-digit",
			hourCycle: "h23",
		});
		for (let t = Date.UTC(2010, 0, 1); t < Date.UTC(2050, 0, 1); t += 53 * 3_600_000 + 7 * 60_000) {
			const [hour, minute] = format.format(t).split(":").map(Number);
			expect(localMinute(t, offset, rule), new Date(t).toISOString()).toBe(hour! * 60 + minute!);
		}
	}
});
