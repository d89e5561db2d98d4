/** Loaded into a peer before anything else: notes when it signs or verifies, and writes the times down at its end. */
import crypto from "node:crypto";
import { writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const times: number[] = [];
const target = process.env.PRESS_COUNTS ?? "";

for (const name of ["sign", "verify"] as const) {
	const original = crypto[name] as (...args: unknown[]) => unknown;
	const noted = (...args: unknown[]): unknown => {
		times.push(performance.timeOrigin + performance.now());
		return original(...args);
	};
	Object.defineProperty(crypto, name, { value: noted });
}
syncBuiltinESMExports();
process.once("exit", () => writeFileSync(target, JSON.stringify(times)));
