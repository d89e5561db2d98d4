/** The fit gate's half that needs no peer: the device's code. test/interop/footprint.test.ts has the memory. */
import { expect, test } from "vitest";
import { codeSizes, deviceCode } from "../../tools/footprint/code.ts";
import { CEILING_CODE } from "../../tools/footprint/limits.ts";

test("the byte code of all bundles stays below the ceiling", async () => {
	const sizes = await codeSizes();
	expect(sizes.map(({ name }) => name).sort()).toEqual(["core", "hal", "main", "network-esp32", "secure"]);
	for (const { name, code } of sizes) expect(code, name).toBeGreaterThan(100);
	expect(deviceCode(sizes)).toBeLessThan(CEILING_CODE);
});
