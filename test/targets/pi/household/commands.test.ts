import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HOUSEHOLD_COMMANDS, householdCommands } from "../../../../targets/pi/household/commands.ts";
import { Household } from "../../../../targets/pi/household/household.ts";
import { runHouseholdCommand } from "../../../../targets/pi/household/run-command.ts";
import { restoreState } from "../../../../targets/pi/state/backup.ts";
import { ControlServer } from "../../../../targets/pi/state/control-socket.ts";
import { StateKey } from "../../../../targets/pi/state/keys.ts";
import { PiState } from "../../../../targets/pi/state/state.ts";
import { crypto, foundHouse, HOME, ManualClock, PASSWORD, scratch } from "../support.ts";

test("accounts are kept whether the daemon runs or not", async () => {
	const path = scratch();
	const clock = new ManualClock();
	const options = { path, crypto, clock };
	await expect(runHouseholdCommand("account.list", {}, options)).rejects.toThrow(
		/no Ringlet state here; run `ringlet start` first/,
	);
	const founding = PiState.open({ path });
	await (await Household.found({ state: founding, crypto, clock }, { overlayName: HOME })).close();
	await founding.close();
	expect(await runHouseholdCommand("account.add", { name: "alice", password: PASSWORD }, options)).toMatchObject({
		aor: `alice@${HOME}`,
	});

	const state = PiState.open({ path, what: "ringlet start" });
	const household = await Household.open({ state, crypto, clock });
	if (household === undefined) throw new Error("no household");
	const control = new ControlServer({ path: state.directory.socketPath });
	control.registerAll(householdCommands(household));
	await control.listen();
	expect(control.commands()).toEqual([...HOUSEHOLD_COMMANDS].sort());
	expect(household.accounts.get("alice")).toBeDefined();
	await runHouseholdCommand("account.add", { name: "bob", password: PASSWORD }, options);
	expect(household.accounts.get("bob")).toBeDefined();
	await expect(runHouseholdCommand("account.add", { name: "bob", password: PASSWORD }, options)).rejects.toThrow(
		"bob@home.example: exists already; choose another name",
	);
	await control.close();
	// The daemon holds the directory but does not answer: the lock says so.
	await expect(runHouseholdCommand("account.list", {}, options)).rejects.toThrow(
		/ringlet start \(process \d+\) uses this state directory/,
	);
	await household.close();
	await state.close();
	expect(await runHouseholdCommand("account.list", {}, options)).toMatchObject([{ name: "alice" }, { name: "bob" }]);

	// A backup becomes the same household on another machine, with a newer document.
	const before = household.config.sequence;
	const file = join(scratch(), "house.backup");
	await runHouseholdCommand("household.backup", { file }, options);
	const elsewhere = join(scratch(), "elsewhere");
	await restoreState(file, elsewhere);
	const there = { ...options, path: elsewhere };
	expect(await runHouseholdCommand("account.list", {}, there)).toMatchObject([{ name: "alice" }, { name: "bob" }]);
	expect(await runHouseholdCommand("household.status", {}, there)).toMatchObject({
		fingerprint: household.authority.fingerprint,
		configSequence: before + 1001,
	});
	expect(existsSync(join(elsewhere, "household-ca.pem"))).toBe(true);
});

test("a state of no household, and a stopped peer that only joined one, answer what they know and say where to go", async () => {
	const path = scratch();
	const clock = new ManualClock();
	const options = { path, crypto, clock };
	const state = PiState.open({ path });
	await state.close();
	await expect(runHouseholdCommand("account.list", {}, options)).rejects.toThrow(
		/belongs to no household yet; found or join/,
	);
	// A founder's state without the household's own records is what a joined peer has.
	const joined = PiState.open({ path });
	await (await Household.found({ state: joined, crypto, clock }, { overlayName: HOME })).close();
	await joined.commit([], [StateKey.household]);
	await joined.close();
	expect(await runHouseholdCommand("account.list", {}, options)).toEqual([]);
	await expect(runHouseholdCommand("account.add", { name: "alice", password: PASSWORD }, options)).rejects.toThrow(
		/this peer does not run the household; run this where/,
	);
});

test("every command", async () => {
	const { household } = await foundHouse();
	const commands = householdCommands(household);
	const context = { emit: () => undefined, signal: new AbortController().signal };
	const run = async (command: (typeof HOUSEHOLD_COMMANDS)[number], args = {}): Promise<unknown> =>
		commands[command](args, context);
	await run("account.add", { name: "alice", password: PASSWORD });
	await run("account.passwd", { name: "alice", password: "another one" });
	await run("group.add", { name: "everyone" });
	await run("group.members", { name: "everyone", members: ["alice"] });
	const addresses = ["192.0.2.1", "[2001:db8::1]:7000"];
	expect(await run("invite", { addresses })).toMatchObject({
		url: expect.stringMatching(/^ringlet:\/\/192\.0\.2\.1:6085,\[2001:db8::1\]:7000\/home\.example\//),
	});
	const device = (await run("device.add", { name: "frontdoor", addresses, lifetimeMs: 1000 })) as {
		code: string;
		expiresMs: number;
	};
	expect(device.expiresMs).toBe(household.clock.wallMs() + 1000);
	await run("account.code", { name: "alice", addresses });
	expect(await run("code.list")).toHaveLength(3);
	await run("code.cancel", { id: device.code.slice(0, 4) });
	expect(await run("code.list")).toHaveLength(2);
	expect(await run("node.list")).toHaveLength(2);
	expect(await run("household.status")).toMatchObject({
		overlayName: HOME,
		accounts: 2,
		peers: [{ connected: false }],
	});
	const file = join(scratch(), "x.backup");
	expect(await run("household.backup", { file })).toMatchObject({ records: expect.any(Number) });
	expect(existsSync(file)).toBe(true);
	await run("group.members", { name: "everyone" });
	await run("account.remove", { name: "alice" });
	await expect(run("revoke", { target: "alice" })).rejects.toThrow(/no certificate in force/);
	await expect(run("invite", { addresses: ["nowhere special"] })).rejects.toThrow(/not an address; write 192/);
	await expect(run("invite", { addresses: "192.0.2.1" })).rejects.toThrow(/not a list/);
	await expect(run("household.backup", {})).rejects.toThrow(/no file given/);
	expect(JSON.stringify(await run("account.list"))).not.toMatch(/ha1|hash/);
});
