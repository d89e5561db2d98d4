/** Tests that need programs of the machine: skipped with a word where one is missing, failing where that must not be (CI=true). */
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, test } from "vitest";

/** What is tested: the built product. */
export const RINGLET: string =
	process.env.TESTED_RINGLET ?? new URL("../../../dist/ringlet.js", import.meta.url).pathname;

export function isInstalled(program: string): boolean {
	return (process.env.PATH ?? "").split(delimiter).some((folder) => {
		try {
			accessSync(join(folder, program), constants.X_OK);
			return true;
		} catch {
			return false;
		}
	});
}

/** `describe`, sequential, for tests that need the built product and these programs. `lacking`: what else is not there, with the fix. */
export function describeWith(
	programs: readonly string[],
	name: string,
	body: () => void,
	lacking: readonly string[] = [],
): void {
	const missing = [...programs.filter((program) => !isInstalled(program)), ...lacking];
	if (!existsSync(RINGLET)) missing.push(`${RINGLET} (npm run build)`);
	if (missing.length === 0) describe.sequential(name, body);
	else if (process.env.CI !== undefined && process.env.CI !== "") {
		test(name, () => {
			throw new Error(`not installed: ${missing.join(", ")} (node tools/system-packages.mjs)`);
		});
	} else describe.skip(`${name} (not installed: ${missing.join(", ")})`, body);
}
