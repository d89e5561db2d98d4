/**
 * The promise of a peer: a Store that was answered is on disk, whatever happens next, and a peer that was killed starts again.
 * `RINGLET_CRASH_ROUNDS` (default 200) and `RINGLET_CRASH_SEED` change the run.
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { LocalIdentity } from "../../core/identity/signer.ts";
import { seededRandom } from "../../hal/sim/random.ts";
import { freePort, PeerProcess, runRinglet } from "../../tools/demo/processes.ts";
import { ended, onLines, scratch } from "../hal/node/scratch.ts";
import { DOMAIN, Realm } from "../targets/pi/realm.ts";
import { Ledger } from "./support/crash-ledger.ts";
import { buildProgram } from "./support/crash-program.ts";
import { TestHousehold } from "./support/household.ts";
import { describeWith, RINGLET } from "./support/programs.ts";
import { waitFor } from "./support/wait.ts";

const ROUNDS = Number(process.env.RINGLET_CRASH_ROUNDS ?? 200);
const SEED = Number(process.env.RINGLET_CRASH_SEED ?? 20);

/** A folder with all that the program needs to be a peer. */
function prepare(): string {
	const folder = join(scratch(), "peer");
	mkdirSync(folder);
	const realm = new Realm();
	writeFileSync(join(folder, "document.xml"), realm.document);
	const write = (name: string, identity: LocalIdentity): void => {
		writeFileSync(join(folder, `${name}.key`), identity.key.exportPkcs8());
		writeFileSync(join(folder, `${name}.cer`), identity.chain[0] ?? new Uint8Array(0));
	};
	write("peer", realm.identity());
	for (let i = 0; i < 4; i++) write(`user${i}`, realm.identity({ userName: `user${i}@${DOMAIN}` }));
	return folder;
}

interface Round {
	readonly isReady: boolean;
	readonly end: number | NodeJS.Signals;
}

/** Runs the program, kills it `delayMs` after `lines` lines of its Stores. */
async function killAfter(
	program: string,
	folder: string,
	lines: number,
	delayMs: number,
	ledger: Ledger,
): Promise<Round> {
	const child = spawn(process.execPath, [program, folder], { stdio: ["ignore", "pipe", "inherit"] });
	let isReady = false;
	let left = lines;
	onLines(child, (line) => {
		ledger.line(line);
		if (line === "ready") isReady = true;
		else if (isReady) left--;
		if (isReady && left === 0) setTimeout(() => child.kill("SIGKILL"), delayMs);
	});
	return { end: await ended(child), isReady };
}

/** Kills one peer again and again; its share of the rounds. */
async function killing(program: string, rounds: number, seed: number): Promise<Ledger> {
	const random = seededRandom(seed);
	const folder = prepare();
	const ledger = new Ledger();
	for (let round = 0; round < rounds; round++) {
		const { end, isReady } = await killAfter(program, folder, 1 + random.below(120), random.below(12), ledger);
		const seen = { seed, round, end, isReady, faults: ledger.faults };
		expect(seen).toEqual({ seed, round, end: "SIGKILL", isReady: true, faults: [] });
	}
	// And once more, to see what the last one left.
	await killAfter(program, folder, 1, 0, ledger);
	expect(ledger.faults).toEqual([]);
	return ledger;
}

test(
	`nothing that was acknowledged is lost, and every start succeeds: ${ROUNDS} kills while storing, seed ${SEED}`,
	async () => {
		const program = buildProgram("./crash-peer.ts", scratch());
		// Two peers side by side: one starts while the other one waits for its disk.
		const half = Math.ceil(ROUNDS / 2);
		const ledgers = await Promise.all([killing(program, half, SEED), killing(program, ROUNDS - half, SEED + 1)]);
		expect(ledgers[0].acknowledged + ledgers[1].acknowledged).toBeGreaterThan(ROUNDS * 10);
	},
	60_000 + ROUNDS * 3_000,
);

describeWith([], "a power cut", () => {
	test("of the whole house, and the founder does not come back: the others find each other and carry a call", async (context) => {
		const house = await TestHousehold.start({ peers: 3 });
		house.watch(context);
		try {
			for (const name of ["anna", "bert"]) await house.account(name);
			// The accounts have come to every peer; nothing else can tell them from now on.
			for (const i of [1, 2])
				await waitFor("the accounts", 20_000, async () => (await house.status(i)).accounts === 2, 200);
			await Promise.all(house.peers.map((peer) => peer.kill()));
			await Promise.all([house.restart(1), house.restart(2)]);
			await house.connected(60_000);
			const [anna, bert] = [await house.phone("anna", 1), await house.phone("bert", 2)];
			expect([await anna.register(), await bert.register()]).toEqual([200, 200]);
			await waitFor("the registration", 20_000, async () => (await house.lookup(1, "bert")).contacts.length === 1, 200);
			const call = await anna.call(bert.uri);
			expect(await call.answered).toBe(200);
			await call.hangup();
		} finally {
			await house.close();
		}
	});
});

describeWith([], "the first start is cut short", () => {
	const rounds = Math.max(1, Math.round(ROUNDS / 25));

	/** Flags of a peer on free ports. */
	async function flags(state: string, ...more: string[]): Promise<string[]> {
		const address = "127.0.0.1";
		const at = async (): Promise<string> => `${address}:${await freePort(address)}`;
		const places = ["--link", await at(), "--http", await at(), "--sip", `udp://${await at()}`];
		return ["peer", "--state", state, ...places, "--mdns", "false", ...more];
	}

	/** Starts `ringlet` and kills it after a while, ready or not. */
	async function cutShort(args: readonly string[], afterMs: number): Promise<void> {
		const child = spawn(process.execPath, [RINGLET, ...args], { stdio: "ignore" });
		const end = ended(child);
		const timer = setTimeout(() => child.kill("SIGKILL"), afterMs);
		expect(await end).toBe("SIGKILL");
		clearTimeout(timer);
	}

	/** Runs something that has a whole start in it; gives its time. */
	async function timed(run: () => Promise<unknown>): Promise<number> {
		const began = performance.now();
		await run();
		return performance.now() - began;
	}

	test(`founding, ${rounds} times: the same command works afterwards`, async () => {
		const random = seededRandom(SEED);
		const folder = scratch();
		const found = ["--found", "--domain", "home.example"];
		const whole = await timed(async () => {
			const peer = await PeerProcess.start(RINGLET, await flags(join(folder, "whole"), ...found));
			await peer.stop();
		});
		for (let round = 0; round < rounds; round++) {
			const args = await flags(join(folder, `cut${round}`), ...found);
			await cutShort(args, whole * (0.1 + (random.below(1000) / 1000) * 0.7));
			const peer = await PeerProcess.start(RINGLET, args);
			expect(peer.ready.domain).toBe("home.example");
			expect(await peer.stop()).toBe(0);
		}
	});

	test(`joining, ${rounds} times: the same command with the same invitation works afterwards`, async () => {
		const random = seededRandom(SEED);
		const folder = scratch();
		const home = join(folder, "founder");
		const founder = await PeerProcess.start(RINGLET, await flags(home, "--found", "--domain", "home.example"));
		try {
			const invitation = async (): Promise<string> => {
				const { stdout } = await runRinglet(RINGLET, ["invite", "--state", home, "--json"]);
				return (JSON.parse(stdout) as { url: string }).url;
			};
			const first = await flags(join(folder, "whole"), "--join", await invitation());
			const whole = await timed(async () => await (await PeerProcess.start(RINGLET, first)).stop());
			for (let round = 0; round < rounds; round++) {
				const args = await flags(join(folder, `cut${round}`), "--join", await invitation());
				await cutShort(args, whole * (0.1 + (random.below(1000) / 1000) * 0.7));
				const peer = await PeerProcess.start(RINGLET, args);
				expect(peer.ready.nodeId).toMatch(/^[0-9a-f]{32}$/);
				expect(await peer.stop()).toBe(0);
			}
			expect(founder.isRunning).toBe(true);
		} finally {
			await founder.stop();
		}
	});
});
