/** The `ringlet` command as people and scripts meet it: help, exit codes, one line of JSON, one line for each error. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { freePort, loopback, PeerProcess, runRinglet } from "../../tools/demo/processes.ts";
import { DOMAIN, TestHousehold } from "./support/household.ts";
import { describeWith, RINGLET } from "./support/programs.ts";
import { waitFor } from "./support/wait.ts";

const HEX_ID = /^[0-9a-f]{32}$/;

describeWith([], "the ringlet command", () => {
	let house: TestHousehold;

	beforeAll(async () => {
		house = await TestHousehold.start({ peers: 3 });
		await house.account("anna");
	});

	afterAll(async () => house?.close());

	beforeEach((context) => house.watch(context));

	const run = async (...args: string[]) => runRinglet(RINGLET, args);
	const scratch = (name: string): string => join(house.folder, name);

	/** One line on standard error, nothing on standard output. */
	function isOneLine(done: { readonly stdout: string; readonly stderr: string }): void {
		expect(done.stdout).toBe("");
		expect(done.stderr.trimEnd().split("\n")).toHaveLength(1);
	}

	describe("help and usage", () => {
		test("help of all and of each command: exit code 0, on standard output", async () => {
			const help = await run("--help");
			expect(help.code).toBe(0);
			const commands = [...help.stdout.matchAll(/^ {2}([a-z]+) /gm)].map((found) => found[1] ?? "");
			for (const name of [
				"peer",
				"start",
				"account",
				"invite",
				"enroll",
				"lookup",
				"ping",
				"trace",
				"status",
				"decode",
				"capture",
				"demo",
			])
				expect(commands).toContain(name);
			expect(help.stdout).toContain("Exit codes");
			for (const command of ["peer", "account", "lookup"]) {
				const one = await run(command, "--help");
				expect(one.code).toBe(0);
				expect(one.stdout).toContain(`ringlet ${command}`);
			}
			expect((await run("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
		});

		test("wrong usage: exit code 2 and a line that says what", async () => {
			for (const args of [["frobnicate"], ["lookup"], ["status", "--frob"], ["account", "add"]]) {
				const done = await run(...args);
				expect(done.code).toBe(2);
				expect(done.stderr).toMatch(/^error: /);
			}
		});

		test("refused or failed: exit code 1, one line; with --json an object with the error and the fix", async () => {
			const done = await run("status", "--state", scratch("nowhere"));
			expect(done.code).toBe(1);
			isOneLine(done);
			expect(done.stderr).toContain("no Ringlet lives here");
			const json = await run("status", "--state", scratch("nowhere"), "--json");
			expect(json.code).toBe(1);
			const report = JSON.parse(json.stdout) as { error: string; fix: string };
			expect(report.error).toContain("no Ringlet lives here");
			expect(report.fix).toContain("ringlet peer --found");
		});

		test("no colours on a pipe", async () => {
			for (const args of [["status"], ["lookup", "anna"], ["account", "list"], ["nodes"]])
				expect((await house.ringlet(0, ...args)).stdout).not.toContain("\u001b");
		});
	});

	describe("settings that are wrong: one line that names the place, the key and the fix", () => {
		const cases: readonly [string, string[], NodeJS.ProcessEnv | string, RegExp][] = [
			["a flag", ["--link", "here"], "", /^ringlet: --link: here is not ADDRESS:PORT; write for instance /],
			["a list", ["--sip", "5060"], "", /^ringlet: --sip: 5060 is not udp:\/\/.*; write for instance /],
			[
				"a choice",
				["--log-level", "loud"],
				"",
				/^ringlet: --log-level: "loud" must be one of debug, .*; write for instance /,
			],
			[
				"the file",
				[],
				'domain = "Home"\n',
				/^ringlet: .*ringlet\.toml, domain: "Home" must be .*; write for instance domain = /,
			],
			[
				"a type in the file",
				[],
				"mdns = 5\n",
				/^ringlet: .*ringlet\.toml, mdns: 5 must be true or false; write for instance /,
			],
			["an unknown key", [], "[sipp]\nudp = 1\n", /^ringlet: .*ringlet\.toml: unknown key sipp\.udp; /],
			["no TOML", [], "domain = \n", /^ringlet: .*ringlet\.toml: not TOML .*; /],
		];
		for (const [name, flags, file, expected] of cases) {
			test(name, async () => {
				const config = scratch("ringlet.toml");
				writeFileSync(config, file === "" ? "" : String(file));
				const done = await run("peer", "--found", "--state", scratch("unused"), "--config", config, ...flags);
				expect(done.code).toBe(1);
				isOneLine(done);
				expect(done.stderr).toMatch(expected);
				expect(() => statSync(scratch("unused"))).toThrow();
			});
		}
	});

	describe("looking at a running peer", () => {
		test("status", async () => {
			const status = await house.status(0);
			expect(status.nodeId).toMatch(HEX_ID);
			expect(status).toMatchObject({ domain: DOMAIN, founder: true, inOverlay: true, enrollment: "here", accounts: 1 });
			expect(status.links.map((link) => link.nodeId).sort()).toEqual([house.nodeId(1), house.nodeId(2)].sort());
			const told = await house.ringlet(0, "status", "--counters");
			expect(told.stdout).toContain(`links (${status.links.length})`);
			expect(told.stdout).toContain(house.nodeId(1));
			expect(told.stdout).toContain("counters");
		});

		test("lookup: exit code 1 for somebody who is not registered", async () => {
			const nobody = await house.ringlet(1, "lookup", "anna");
			expect(nobody.code).toBe(1);
			expect(nobody.stdout).toContain("not registered");
			const phone = await house.phone("anna", 1);
			expect(await phone.register()).toBe(200);
			await waitFor("the registration", 5_000, async () => (await house.ringlet(2, "lookup", "anna")).code === 0);
			const told = await house.ringlet(2, "lookup", `anna@${DOMAIN}`);
			expect(told.stdout).toContain(`signed by anna@${DOMAIN}`);
			const report = await house.lookup(2, "anna");
			expect(report.resourceId).toMatch(HEX_ID);
			expect(house.numberOf(report.answeredBy)).toBeGreaterThanOrEqual(0);
			expect(report.contacts[0]).toMatchObject({
				signedBy: `anna@${DOMAIN}`,
				route: [house.nodeId(1), report.contacts[0]?.nodeId],
				reachable: true,
			});
			expect(report.contacts[0]?.lifetimeS).toBeGreaterThan(0);
		});

		test("ping: a node, who is in charge of a resource, nobody", async () => {
			const answer = await house.json<{ from: string; rttMs: number }>(0, "ping", house.nodeId(2));
			expect(answer.from).toBe(house.nodeId(2));
			expect(answer.rttMs).toBeGreaterThan(0);
			const { resourceId, answeredBy } = await house.lookup(0, "anna");
			expect((await house.json<{ from: string }>(0, "ping", `resource:${resourceId}`)).from).toBe(answeredBy);
			const nobody = await house.ringlet(0, "ping", "0123456789abcdef0123456789abcdef");
			expect(nobody.code).toBe(1);
			isOneLine(nobody);
			for (const mistyped of ["no such thing!", "resource:12", house.nodeId(2).slice(1)]) {
				const nonsense = await house.ringlet(0, "ping", mistyped);
				expect(nonsense.code).toBe(1);
				expect(nonsense.stderr).toContain("neither a Node-ID nor an AOR");
			}
		});

		test("trace: the path, hop by hop", async () => {
			const report = await house.json<{ hops: { nodeId: string }[]; complete: boolean }>(0, "trace", house.nodeId(2));
			expect(report.complete).toBe(true);
			expect(report.hops[0]?.nodeId).toBe(house.nodeId(0));
			expect(report.hops.at(-1)?.nodeId).toBe(house.nodeId(2));
			const aor = await house.json<{ hops: { nodeId: string }[] }>(1, "trace", "anna");
			expect(aor.hops.at(-1)?.nodeId).toBe((await house.lookup(1, "anna")).answeredBy);
		});

		test("capture and decode: every message of the capture is read", async () => {
			const file = scratch("live.pcapng");
			const capturing = house.json<{ frames: number }>(0, "capture", file, "--seconds", "2");
			await waitFor("the file", 5_000, () => {
				try {
					return statSync(file).size > 0;
				} catch {
					return false;
				}
			});
			await house.ringlet(0, "ping", house.nodeId(1));
			expect((await capturing).frames).toBeGreaterThan(0);
			const told = await run("decode", file);
			expect(told.code).toBe(0);
			expect(told.stdout).toContain("ping");
		});
	});

	describe("decode", () => {
		const vector = JSON.parse(readFileSync(new URL("../vectors/01-ping-req.json", import.meta.url), "utf8")) as {
			hex: string;
		};

		test("hex on the command line, on standard input, in a file", async () => {
			const told = await run("decode", vector.hex);
			expect(told.code).toBe(0);
			expect(told.stdout).toMatch(/pingReq|ping_req/i);
			expect((await runRinglet(RINGLET, ["decode", "-"], vector.hex)).stdout).toBe(told.stdout);
			const file = scratch("ping.bin");
			writeFileSync(file, Buffer.from(vector.hex, "hex"));
			expect((await run("decode", file)).code).toBe(0);
			const json = await run("decode", vector.hex, "--json");
			expect(json.code).toBe(0);
			expect(() => JSON.parse(json.stdout)).not.toThrow();
		});

		test("a message that is refused: the reason, and exit code 1", async () => {
			const done = await run("decode", vector.hex.slice(0, -8));
			expect(done.stdout).toMatch(/refused/);
			expect(done.code).toBe(1);
		});

		test("neither a file nor hex", async () => {
			const done = await run("decode", "nonsense");
			expect(done.code).toBe(1);
			isOneLine(done);
		});
	});

	describe("accounts", () => {
		test("added while the peer runs: usable at every peer at once", async () => {
			const applied = await house.json<{ aor: string; waiting: string[] }>(
				...([0, "account", "add", "ben", "--password-file", house.passwordFile("ben")] as const),
			);
			expect(applied).toMatchObject({ aor: `ben@${DOMAIN}`, waiting: [] });
			for (const i of [0, 1, 2]) expect(await (await house.phone("ben", i)).register()).toBe(200);
		});

		test("a wrong name, a name that is taken, a password that is too short", async () => {
			const add = (name: string, file: string) => house.ringlet(0, "account", "add", name, "--password-file", file);
			const short = scratch("short");
			writeFileSync(short, "abc\n");
			for (const [done, text] of [
				[await add("ben", house.passwordFile("ben")), "ben"],
				[await add("no spaces", house.passwordFile("x")), "no spaces"],
				[await add("carl", short), "password"],
				[await add("carl", scratch("missing")), "missing"],
			] as const) {
				expect(done.code).toBe(1);
				isOneLine(done);
				expect(done.stderr).toContain(text);
			}
		});

		test("a changed password holds everywhere; a removed account is gone", async () => {
			const file = scratch("new-password");
			writeFileSync(file, "quite-another-one\n");
			await house.json(0, "account", "passwd", "ben", "--password-file", file);
			expect([401, 403]).toContain(await (await house.phone("ben", 1)).register());
			const changed = await house.phone("ben", 2, undefined, "quite-another-one");
			expect(await changed.register()).toBe(200);
			await house.json(0, "account", "remove", "ben");
			const removed = await house.phone("ben", 2, undefined, "quite-another-one");
			expect([401, 403]).toContain(await removed.register());
			const list = await house.json<{ name: string }[]>(0, "account", "list");
			expect(list.map((one) => one.name)).toEqual(["anna"]);
		});

		test("added while the peer is stopped: there when it runs again; asking a stopped peer: exit code 3", async () => {
			expect(await house.peers[0]?.stop()).toBe(0);
			const status = await house.ringlet(0, "status");
			expect(status.code).toBe(3);
			isOneLine(status);
			expect(
				(await house.ringlet(0, "account", "add", "dora", "--password-file", house.passwordFile("dora"))).code,
			).toBe(0);
			await house.restart(0);
			expect(await (await house.phone("dora", 0)).register()).toBe(200);
		});
	});

	test("a second peer on one state directory is refused, and the first is not disturbed", async () => {
		const state = house.peers[1]?.ready.state ?? "";
		const other = loopback(29);
		const place = (port: number): string => `${other}:${port}`;
		const done = await run(
			...[
				"peer",
				"--state",
				state,
				"--link",
				place(await freePort(other)),
				"--sip",
				`udp://${place(await freePort(other))}`,
			],
			...["--http", place(await freePort(other)), "--mdns", "false"],
		);
		expect(done.code).toBe(1);
		expect(done.stderr).toContain(String(house.peers[1]?.ready.pid));
		expect((await house.status(1)).pid).toBe(house.peers[1]?.ready.pid);
	});

	test("backup while it runs, restore into a new directory: the same peer with the same accounts", async () => {
		const [file, state] = [scratch("backup"), scratch("restored")];
		await house.json(0, "backup", file);
		expect(statSync(file).mode & 0o077).toBe(0);
		expect(await house.peers[0]?.stop()).toBe(0);
		expect((await run("restore", file, "--state", state)).code).toBe(0);
		const address = loopback(28);
		const at = async (): Promise<string> => `${address}:${await freePort(address)}`;
		const places = ["--link", await at(), "--http", await at(), "--sip", `udp://${await at()}`, "--mdns", "false"];
		const peer = await PeerProcess.start(RINGLET, ["peer", "--state", state, ...places]);
		try {
			expect(peer.ready.nodeId).toBe(house.nodeId(0));
			const list = await run("account", "list", "--state", state, "--json");
			expect((JSON.parse(list.stdout) as { name: string }[]).map((one) => one.name).sort()).toEqual(["anna", "dora"]);
		} finally {
			expect(await peer.stop()).toBe(0);
		}
		mkdirSync(scratch("full"));
		writeFileSync(join(scratch("full"), "diary.txt"), "dear diary");
		const refused = await run("restore", file, "--state", scratch("full"));
		expect(refused.code).toBe(1);
		isOneLine(refused);
	});
});
