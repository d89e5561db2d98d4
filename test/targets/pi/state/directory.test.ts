import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { FileLock, lockHolder } from "../../../../targets/pi/state/lock.ts";
import { PiState } from "../../../../targets/pi/state/state.ts";
import { MemoryStore, scratch } from "../support.ts";

const mode = (path: string): number => statSync(path).mode & 0o777;

test("a new state directory is made for its owner only", async () => {
	const path = join(scratch(), "deep", "state");
	const state = PiState.open({ path });
	await state.commit([["pi/test", { hello: "world", octets: Uint8Array.of(1) }]]);
	expect(mode(path)).toBe(0o700);
	for (const file of ["secret.key", "ringlet-state.json", "daemon.lock"]) expect(mode(join(path, file))).toBe(0o600);
	await state.close();
	const again = PiState.open({ path, mustExist: true });
	expect(again.get("pi/test")).toEqual({ hello: "world", octets: Uint8Array.of(1) });
	await again.close();
	expect(existsSync(join(path, "daemon.lock"))).toBe(false);
});

test("two at once: the second is told who uses the directory", async () => {
	const path = scratch();
	const state = PiState.open({ path, what: "ringlet start" });
	expect(() => PiState.open({ path, what: "ringlet account add" })).toThrow(
		/daemon\.lock: ringlet start \(process \d+\) uses this state directory; stop it first/,
	);
	expect(lockHolder(join(path, "daemon.lock"))).toMatch(/^ringlet start/);
	await state.close();
	expect(lockHolder(join(path, "daemon.lock"))).toBeUndefined();
});

test("the lock of a process that is gone is taken over", async () => {
	const path = join(scratch(), "lock");
	const child = spawn(process.execPath, ["-e", "process.stdin.resume()"]);
	onTestFinished(() => void child.kill("SIGKILL"));
	const alive = { pid: child.pid, started: "", boot: "", what: "ringlet start", token: "1" };
	writeFileSync(path, JSON.stringify(alive));
	expect(() => FileLock.take(path, "me")).toThrow(/ringlet start/);
	// Another start time under the same number: that process is another one.
	writeFileSync(path, JSON.stringify({ ...alive, started: "1", boot: "" }));
	FileLock.take(path, "me").release();
	child.kill("SIGKILL");
	await new Promise((resolve) => child.on("exit", resolve));
	writeFileSync(path, JSON.stringify(alive));
	const lock = FileLock.take(path, "me");
	expect(lock.isHeld()).toBe(true);
	rmSync(path);
	expect(lock.isHeld()).toBe(false);
	lock.release();
});

test("a damaged lock file does not lock anybody out", () => {
	const path = join(scratch(), "lock");
	writeFileSync(path, "{ torn");
	const lock = FileLock.take(path, "me");
	expect(readFileSync(path, "utf8")).toContain('"what":"me"');
	lock.release();
});

test("a directory with other things in it is refused and left alone", () => {
	const path = scratch();
	writeFileSync(join(path, "holiday.jpg"), "");
	chmodSync(path, 0o755);
	expect(() => PiState.open({ path })).toThrow(/holds other things than a Ringlet state; choose/);
	expect(mode(path)).toBe(0o755);
	expect(existsSync(join(path, "secret.key"))).toBe(false);
});

test("settings may be there before the first start", async () => {
	const path = scratch();
	writeFileSync(join(path, "ringlet.toml"), "");
	await PiState.open({ path }).close();
});

test.each([
	[
		"a readable key",
		(p: string) => chmodSync(join(p, "secret.key"), 0o644),
		/secret\.key: other users may read it \(mode 644\); chmod 600/,
	],
	["a missing key", (p: string) => rmSync(join(p, "secret.key")), /secret\.key: missing.*restore it from a backup/],
	["a short key", (p: string) => writeFileSync(join(p, "secret.key"), "x"), /secret\.key: 1 octets instead of 32/],
	[
		"a newer schema",
		(p: string) => writeFileSync(join(p, "ringlet-state.json"), '{"format":"ringlet-state","schema":99}'),
		/newer Ringlet \(schema 99.*; update Ringlet/,
	],
	[
		"a damaged marker",
		(p: string) => writeFileSync(join(p, "ringlet-state.json"), "{"),
		/ringlet-state\.json: not readable/,
	],
	["a lost marker", (p: string) => rmSync(join(p, "ringlet-state.json")), /holds other things|missing beside a store/],
])("%s is an error that names the file and the fix, and frees the lock", async (_what, damage, message) => {
	const path = scratch();
	await PiState.open({ path }).close();
	damage(path);
	expect(() => PiState.open({ path })).toThrow(message);
	expect(existsSync(join(path, "daemon.lock"))).toBe(false);
});

test("a command that needs a state says so where there is none", () => {
	const path = join(scratch(), "none");
	expect(() => PiState.open({ path, mustExist: true })).toThrow(
		/none: no Ringlet state here; run `ringlet start` first/,
	);
	expect(existsSync(path)).toBe(false);
	mkdirSync(path);
	expect(() => PiState.open({ path: join(path, "x"), mustExist: true })).toThrow();
});

test("a commit that fails says where and why, and nothing is changed", async () => {
	const store = new MemoryStore();
	const state = PiState.open({ path: scratch(), openStore: () => store });
	store.failing = "disk full";
	await expect(state.commit([["pi/x", 1]])).rejects.toThrow(/store: cannot be written \(disk full\); check space/);
	expect(state.get("pi/x")).toBeUndefined();
	await state.close();
});

test("the store holds sealed values unreadably", async () => {
	const path = scratch();
	const state = PiState.open({ path });
	await state.commit([state.sealed("pi/account/alice", { secret: "correct horse battery staple" })]);
	expect(state.getSealed("pi/account/alice")).toEqual({ secret: "correct horse battery staple" });
	expect(state.listSealed("pi/account/")).toHaveLength(1);
	await state.close();
	expect(readFileSync(join(path, "store", "data.mdb")).includes("correct horse")).toBe(false);
});
