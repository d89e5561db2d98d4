import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { backupState, restoreState } from "../../../../targets/pi/state/backup.ts";
import { PiState } from "../../../../targets/pi/state/state.ts";
import { NEW_YEAR, scratch } from "../support.ts";

async function stateWithThings(): Promise<PiState> {
	const path = join(scratch(), "state");
	const state = PiState.open({ path });
	writeFileSync(state.directory.settingsPath, 'domain = "home.example"\n');
	await state.commit([
		["pi/household", { overlayName: "home.example", configSequence: 65_000, epoch: "e" }],
		["stored/x", { value: Uint8Array.of(1, 2) }],
		state.sealed("pi/account/alice", { secret: "open sesame" }),
	]);
	return state;
}

test.each([[undefined], ["a long passphrase"]])(
	"a state comes back from its backup (passphrase: %s)",
	async (passphrase) => {
		const state = await stateWithThings();
		const file = join(scratch(), "house.backup");
		const options = passphrase === undefined ? {} : { passphrase };
		// The state is in use all the while.
		expect(backupState(state, file, NEW_YEAR, options)).toBe(3);
		await state.close();
		expect(statSync(file).mode & 0o777).toBe(0o600);
		const target = join(scratch(), "restored");
		expect(await restoreState(file, target, options)).toBe(3);
		const restored = PiState.open({ path: target, mustExist: true });
		expect(restored.getSealed("pi/account/alice")).toEqual({ secret: "open sesame" });
		expect(restored.get("stored/x")).toEqual({ value: Uint8Array.of(1, 2) });
		// The sequence is stepped on modulo 65535, and the household is told that it was restored.
		expect(restored.get("pi/household")).toMatchObject({ configSequence: 465, restored: true });
		expect(readFileSync(restored.directory.settingsPath, "utf8")).toContain("home.example");
		await restored.close();
		expect(existsSync(`${target}.restoring`)).toBe(false);
		if (passphrase !== undefined) {
			expect(readFileSync(file).includes("home.example")).toBe(false);
			await expect(restoreState(file, join(scratch(), "x"))).rejects.toThrow(/needs its passphrase/);
			await expect(restoreState(file, join(scratch(), "x"), { passphrase: "wrong" })).rejects.toThrow(
				/wrong passphrase; check/,
			);
		}
	},
);

test("files that are no backup, and places that are taken, are refused", async () => {
	const state = await stateWithThings();
	const directory = scratch();
	const file = join(directory, "house.backup");
	backupState(state, file, NEW_YEAR);
	expect(() => backupState(state, join(directory, "no", "such", "place"), NEW_YEAR)).toThrow(
		/cannot be written \(ENOENT\)/,
	);
	await expect(restoreState(file, state.directory.path)).rejects.toThrow(
		/exists and is not empty; choose a new directory/,
	);
	await state.close();
	const target = join(directory, "target");
	await expect(restoreState(join(directory, "nothing"), target)).rejects.toThrow(/cannot be read \(ENOENT\)/);
	writeFileSync(join(directory, "text"), "hello");
	await expect(restoreState(join(directory, "text"), target)).rejects.toThrow(/not a Ringlet backup/);
	writeFileSync(join(directory, "torn"), readFileSync(file).subarray(0, 60));
	await expect(restoreState(join(directory, "torn"), target)).rejects.toThrow(/damaged|not a Ringlet backup/);
	expect(existsSync(target)).toBe(false);
});
