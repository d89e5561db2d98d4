/** `npm start` on a fresh machine: a household with everything in it, whatever else runs there. */
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ScriptedPhone } from "../../tools/demo/phone.ts";
import { freePort, loopback, PeerProcess, runRinglet } from "../../tools/demo/processes.ts";
import { type Place, placeOf } from "../../tools/demo/sip-text.ts";
import { describeWith, RINGLET } from "./support/programs.ts";
import { waitFor } from "./support/wait.ts";

describeWith([], "npm start on a fresh machine", () => {
	let folder: string;
	let state: string;
	const cleanUp: (() => unknown)[] = [];

	beforeEach(() => {
		folder = mkdtempSync(join(tmpdir(), "ringlet-first-"));
		state = join(folder, "state");
	});

	afterEach(async () => {
		for (const one of cleanUp.splice(0).reverse()) await one();
		rmSync(folder, { recursive: true, force: true });
	});

	async function start(...flags: string[]): Promise<PeerProcess> {
		const peer = await PeerProcess.start(RINGLET, ["start", "--state", state, "--mdns", "false", ...flags]);
		cleanUp.push(() => peer.stop());
		return peer;
	}

	/** Flags for three free ports of a loopback address, so that nothing of this machine is in the way. */
	async function places(address: string): Promise<string[]> {
		const at = async (): Promise<string> => `${address}:${await freePort(address)}`;
		const sip = await at();
		return ["--link", await at(), "--http", await at(), "--sip", `udp://${sip}`, "--sip", `tcp://${sip}`];
	}

	const run = async (...args: string[]) => runRinglet(RINGLET, [...args, "--state", state]);

	test("founds a household; SIGTERM ends it with exit code 0; the next start is the same peer", async () => {
		const first = await start(...(await places(loopback(71))));
		expect(first.ready.domain).toBe("ringlet.home.arpa");
		const status = JSON.parse((await run("status", "--json")).stdout) as { founder: boolean; inOverlay: boolean };
		expect(status).toMatchObject({ founder: true, inOverlay: true });
		expect(await first.stop()).toBe(0);
		const second = await start(...(await places(loopback(71))));
		expect(second.ready.nodeId).toBe(first.ready.nodeId);
		expect(await second.stop()).toBe(0);
	});

	test("with no flags it listens on every address, on the usual ports or the next free ones", async () => {
		const peer = await start();
		for (const uri of peer.ready.sip) expect(Number(/:(\d+)(;|$)/.exec(uri)?.[1])).toBeGreaterThanOrEqual(5060);
		const places = peer.ready.sip.map((uri) => placeOf(uri)).filter((place) => place !== undefined);
		expect(places.length).toBeGreaterThan(0);
		expect(await peer.stop()).toBe(0);
	});

	test("takes the next free SIP port when its own is taken, also when only UDP or only TCP is", async () => {
		const address = loopback(72);
		for (const kind of ["udp", "tcp"] as const) {
			state = join(folder, kind);
			const flags = await places(address);
			const taken = Number(/(\d+)$/.exec(flags[5] ?? "")?.[1]);
			await occupy(kind, address, taken);
			const peer = await start(...flags);
			const ports = peer.ready.sip.map((uri) => (placeOf(uri) as Place).port);
			expect(ports).toHaveLength(2);
			// Both transports at one port: what a phone is told holds for both.
			expect(new Set(ports).size).toBe(1);
			expect(ports[0]).toBeGreaterThan(taken);
			expect(ports[0]).toBeLessThanOrEqual(taken + 20);
		}
	});

	/** `peer` was told where to listen: it says what is in the way instead. */
	test("a peer told to use a port that is taken says so in one line", async () => {
		const flags = await places(loopback(73));
		await occupy("tcp", loopback(73), Number(/(\d+)$/.exec(flags[1] ?? "")?.[1]));
		const done = await run("peer", "--found", "--domain", "home.example", "--mdns", "false", ...flags);
		expect(done.code).toBe(1);
		expect(done.stdout).toBe("");
		const lines = done.stderr.trimEnd().split("\n");
		expect(lines.at(-1)).toMatch(/^ringlet: /);
		expect(lines.at(-1)).toContain(flags[1]?.split(":")[1]);
	});

	test("says how to add a phone, and what it says works", async () => {
		const child = spawn(process.execPath, [
			RINGLET,
			"start",
			"--state",
			state,
			"--mdns",
			"false",
			...(await places(loopback(74))),
		]);
		cleanUp.push(() => end(child));
		let text = "";
		child.stdout.on("data", (data) => {
			text += data;
		});
		await waitFor("the hints", 20_000, () => text.includes("Ctrl-C"));
		expect(text).not.toContain("\u001b");
		expect(text).toContain("Add a phone");
		const [, name = "", rest = ""] = /account add (\w+) --password-file (.*)/.exec(text) ?? [];
		expect(rest).toContain(state);
		writeFileSync(join(folder, "pw"), "a good password\n");
		const added = await run("account", "add", name, "--password-file", join(folder, "pw"));
		expect(added.code).toBe(0);
		const [, domain = "", server = ""] = /domain (\S+), server \(outbound proxy\) (\S+)/.exec(text) ?? [];
		const edge = placeOf(`sip:${server}`) as Place;
		const phone = await ScriptedPhone.start({
			user: name,
			password: "a good password",
			domain,
			edge,
			address: loopback(75),
		});
		cleanUp.push(() => phone.close());
		expect(await phone.register()).toBe(200);
		child.kill("SIGINT");
		expect(await exitOf(child)).toBe(0);
	});

	test("a directory in which a first run was cut off, or that is empty, is no dead end", async () => {
		const refused = await run("peer", "--mdns", "false", ...(await places(loopback(76))));
		expect(refused.code).toBe(1);
		expect(refused.stderr).toContain("--found");
		const peer = await start(...(await places(loopback(76))));
		expect(peer.ready.ready).toBe(true);
	});

	async function occupy(kind: "udp" | "tcp", address: string, port: number): Promise<void> {
		const taker: Socket | Server = kind === "udp" ? createSocket("udp4") : createServer();
		await new Promise<void>((resolve) => {
			if ("bind" in taker) taker.bind(port, address, resolve);
			else taker.listen(port, address, resolve);
		});
		cleanUp.push(() => new Promise<void>((resolve) => taker.close(() => resolve())));
	}
});

function exitOf(child: ChildProcess): Promise<number | null> {
	if (child.exitCode !== null) return Promise.resolve(child.exitCode);
	return new Promise((resolve) => child.once("exit", (code) => resolve(code)));
}

async function end(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const gone = exitOf(child);
	child.kill("SIGKILL");
	await gone;
}
