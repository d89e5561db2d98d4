/** The commands in this process, against a daemon that gives prepared answers: what is asked, what is printed, how it ends. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { type ControlHandler, ControlServer } from "../../targets/pi/state/control-socket.ts";
import { StateDirectory } from "../../targets/pi/state/directory.ts";
import { UserError } from "../../targets/pi/state/errors.ts";
import type { LookupReport, StatusReport } from "../../tools/cli/look.ts";
import { table } from "../../tools/cli/output.ts";
import { runProgram } from "../../tools/cli/program.ts";

const PING = JSON.parse(
	readFileSync(new URL("../vectors/15-signed-ping-req.json", import.meta.url), "utf8"),
) as unknown;
const NODE = "0123456789abcdef0123456789abcdef";

let out = "";
let err = "";

beforeEach(() => {
	out = "";
	err = "";
	vi.spyOn(process.stdout, "write").mockImplementation((text) => {
		out += String(text);
		return true;
	});
	vi.spyOn(process.stderr, "write").mockImplementation((text) => {
		err += String(text);
		return true;
	});
});

afterEach(() => {
	vi.restoreAllMocks();
	process.exitCode = undefined;
});

/** Runs `ringlet ARGS`; the exit code. */
async function ringlet(...args: string[]): Promise<number> {
	process.exitCode = undefined;
	await runProgram(args);
	return Number(process.exitCode ?? 0);
}

function scratch(): string {
	const folder = mkdtempSync(join(tmpdir(), "ringlet-cli-"));
	onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
	return folder;
}

/** A state directory whose daemon does not run. */
function directory(): StateDirectory {
	const state = new StateDirectory(join(scratch(), "state"));
	state.make();
	state.prepare();
	return state;
}

interface Daemon {
	/** --state PATH */
	readonly flags: string[];
	/** What it was asked. */
	readonly asked: { command: string; args: Readonly<Record<string, unknown>> }[];
}

/** A daemon that answers these commands. */
async function daemon(answers: Readonly<Record<string, unknown>>): Promise<Daemon> {
	const state = directory();
	const asked: Daemon["asked"] = [];
	const server = new ControlServer({ path: state.socketPath });
	for (const [command, answer] of Object.entries(answers)) {
		const handler: ControlHandler = (args) => {
			asked.push({ command, args });
			if (answer instanceof Error) throw answer;
			return answer;
		};
		server.register(command, handler);
	}
	await server.listen();
	onTestFinished(() => server.close());
	return { flags: ["--state", state.path], asked };
}

const STATUS: StatusReport = {
	version: "0.1.0",
	pid: 17,
	domain: "home.example",
	nodeId: NODE,
	userName: "peer-1@home.example",
	founder: true,
	inOverlay: true,
	uptimeS: 7_300,
	sequence: 4,
	link: "192.0.2.1:6084",
	http: "https://192.0.2.1:6085",
	sip: ["sip:192.0.2.1:5060;transport=udp"],
	enrollment: "here",
	accounts: 2,
	registrations: [{ aor: "anna@home.example", contacts: ["sip:anna@192.0.2.9"] }],
	calls: 1,
	house: { devices: ["frontdoor@home.example"], edges: 2, connected: 2 },
	connections: 3,
	links: [{ nodeId: "ff".repeat(16), address: "192.0.2.2:6084", state: "ok", rttMs: 1.25 }],
	topology: [["topology", "EXP-OVERLAY"]],
	stored: { resources: 5, values: 6 },
	responsiblePercent: 50,
	counters: { linksUp: 1, droppedHeader: 2, forwarded: 0, "sip.received": 9 },
};

const LOOKUP: LookupReport = {
	aor: "anna@home.example",
	resourceId: "ab".repeat(16),
	answeredBy: NODE,
	hops: 2,
	tookMs: 3.21,
	ignored: 1,
	contacts: [
		{
			signedBy: "anna@home.example",
			nodeId: "cd".repeat(16),
			route: [NODE, "cd".repeat(16)],
			preferences: "(sip.schemes=SIP)",
			storedMs: 1_772_366_400_000,
			lifetimeS: 599,
			reachable: false,
		},
	],
	external: ["sip:anna@elsewhere.example"],
};

describe("looking", () => {
	test("status: for people, and the same as one line of JSON", async () => {
		const { flags } = await daemon({ status: STATUS });
		expect(await ringlet("status", ...flags)).toBe(0);
		for (const text of [
			"home.example",
			"in the overlay",
			"up 2 h",
			NODE,
			"(founder)",
			"50.0 %",
			"1.3 ms",
			"anna@home.example",
		])
			expect(out).toContain(text);
		expect(out).not.toContain("droppedHeader");
		out = "";
		expect(await ringlet("status", "--json", ...flags)).toBe(0);
		expect(out.trimEnd().split("\n").length).toBe(1);
		expect(JSON.parse(out)).toEqual(STATUS);
	});

	test("status --counters: what was counted, without the zeros", async () => {
		const { flags } = await daemon({ status: { ...STATUS, inOverlay: false, uptimeS: 59, http: undefined } });
		expect(await ringlet("status", "--counters", ...flags)).toBe(0);
		expect(out).toMatch(/^ {2}droppedHeader +2$/m);
		expect(out).toMatch(/^ {2}sip\.received +9$/m);
		expect(out).not.toContain("forwarded");
		expect(out).toContain("not in the overlay");
		expect(out).toContain("up 59 s");
	});

	test("lookup: who signed, which way, how long; what did not verify is said", async () => {
		const { flags, asked } = await daemon({ lookup: LOOKUP });
		expect(await ringlet("lookup", "anna", ...flags)).toBe(0);
		expect(asked).toEqual([{ command: "lookup", args: { aor: "anna" } }]);
		for (const text of [
			"signed by anna@home.example",
			"not reachable",
			`route ${NODE} > `,
			"599 s left",
			", 2 hops, 3.2 ms",
			"forwards to sip:anna@elsewhere",
		])
			expect(out).toContain(text);
		expect(out).toContain("1 values did not verify");
	});

	test("lookup: nobody there is exit code 1", async () => {
		const { flags } = await daemon({ lookup: { ...LOOKUP, contacts: [], external: [], hops: undefined, ignored: 0 } });
		expect(await ringlet("lookup", "anna", ...flags)).toBe(1);
		expect(out).toContain("not registered");
		expect(await ringlet("lookup", "anna", "--json", ...flags)).toBe(1);
	});

	test("ping", async () => {
		const { flags, asked } = await daemon({
			ping: { from: NODE, userName: "peer-1@home.example", rttMs: 12.3, hops: 1 },
		});
		expect(await ringlet("ping", NODE, ...flags)).toBe(0);
		expect(asked[0]?.args).toEqual({ node: NODE });
		expect(out).toContain(`answer of ${NODE} (peer-1@home.example): 12 ms, 1 hops`);
	});

	test("trace: a path that ends early is exit code 1", async () => {
		const hops = [
			{ nodeId: NODE, rttMs: 0 },
			{ nodeId: "ff".repeat(16), rttMs: 2.5 },
		];
		const whole = await daemon({ trace: { hops, complete: true } });
		expect(await ringlet("trace", "anna", ...whole.flags)).toBe(0);
		expect(out).toMatch(/^ 0 {2}0123456789abcdef\w+ {2}this peer\n 1 {2}f{32} {2}2\.5 ms\n$/);
		const cut = await daemon({ trace: { hops, complete: false } });
		expect(await ringlet("trace", "anna", ...cut.flags)).toBe(1);
		expect(out).toContain("ends before its destination");
	});

	test("capture: the file is the caller's, whatever the daemon's directory; what is missing is said", async () => {
		const { flags, asked } = await daemon({ capture: { frames: 12, octets: 3456, missing: 7 } });
		expect(await ringlet("capture", "ring.pcapng", "--seconds", "2", ...flags)).toBe(0);
		expect(asked[0]?.args).toEqual({ file: resolve("ring.pcapng"), seconds: 2 });
		expect(err).toContain("signalling in the clear");
		expect(out).toContain("12 frames, 3456 octets in ring.pcapng; 7 more are missing");
		expect(await ringlet("capture", "x", "--seconds", "soon", ...flags)).toBe(1);
		expect(err).toContain("--seconds soon: not a number of seconds; write for instance --seconds 10");
	});
});

describe("decode", () => {
	function hexOf(vector: unknown): string {
		const text = JSON.stringify(vector);
		const found = /"([0-9a-f]{120,})"/.exec(text);
		return found?.[1] ?? "";
	}

	test("a good message, as an argument and as a file: exit code 0", async () => {
		const hex = hexOf(PING);
		expect(await ringlet("decode", hex)).toBe(0);
		expect(out).toContain("ping_req");
		const file = join(scratch(), "ping.bin");
		writeFileSync(file, Buffer.from(hex, "hex"));
		out = "";
		expect(await ringlet("decode", file, "--json")).toBe(0);
		expect(out).toContain("ping_req");
	});

	test("octets that are refused: the reason, and exit code 1", async () => {
		expect(await ringlet("decode", `${hexOf(PING).slice(0, 80)}ffff`)).toBe(1);
		expect(out).toMatch(/refused/);
	});

	test("neither a file nor hex", async () => {
		expect(await ringlet("decode", "/no/such/file")).toBe(1);
		expect(err).toBe(
			"ringlet: /no/such/file: neither a file nor hex digits; give a capture, a file of octets, or hex\n",
		);
		expect(await ringlet("decode", "00", "--node-id-length", "7")).toBe(1);
	});
});

describe("the household", () => {
	const APPLIED = { aor: "anna@home.example", confirmed: ["peer-1", "peer-2"], waiting: ["peer-3"] };

	function passwordFile(text: string): string {
		const file = join(scratch(), "password");
		writeFileSync(file, text);
		return file;
	}

	test("account add: the first line of the file is the password; who has it and who does not yet is said", async () => {
		const { flags, asked } = await daemon({ "account.add": APPLIED });
		const file = passwordFile("a good password\r\nnot this\n");
		expect(await ringlet("account", "add", "anna", "--password-file", file, ...flags)).toBe(0);
		expect(asked).toEqual([{ command: "account.add", args: { name: "anna", password: "a good password" } }]);
		expect(out).toContain("anna@home.example added");
		expect(out).toContain("in use at 2 running peers: peer-1, peer-2");
		expect(out).toContain("not confirmed yet by peer-3");
	});

	test("account add without a password, or with a file that is not there: one line, nothing asked", async () => {
		const { flags, asked } = await daemon({ "account.add": APPLIED });
		expect(await ringlet("account", "add", "anna", ...flags)).toBe(1);
		expect(await ringlet("account", "add", "anna", "--password-file", "/no/such", ...flags)).toBe(1);
		expect(err.trimEnd().split("\n")).toEqual([
			"ringlet: no password; give a file with --password-file (- for standard input)",
			"ringlet: /no/such: cannot be read; give a file that holds the password",
		]);
		expect(asked).toEqual([]);
	});

	test("account list, also when there is none", async () => {
		const listed = [
			{ name: "anna", aor: "anna@home.example", kind: "user", members: [] },
			{ name: "house", aor: "house@home.example", kind: "group", members: [] },
		];
		const some = await daemon({ "account.list": listed });
		expect(await ringlet("account", "list", ...some.flags)).toBe(0);
		expect(out).toMatch(/^anna@home\.example\nhouse@home\.example {2}rings all\n$/);
		const none = await daemon({ "account.list": [] });
		out = "";
		expect(await ringlet("account", "list", ...none.flags)).toBe(0);
		expect(out).toContain("no accounts yet");
	});

	test("account passwd and remove", async () => {
		const { flags, asked } = await daemon({
			"account.passwd": APPLIED,
			"account.remove": { ...APPLIED, confirmed: [] },
		});
		const file = passwordFile("another one");
		expect(await ringlet("account", "passwd", "anna", "--password-file", file, ...flags)).toBe(0);
		expect(await ringlet("account", "remove", "anna", "--json", ...flags)).toBe(0);
		expect(asked.map(({ command }) => command)).toEqual(["account.passwd", "account.remove"]);
		expect(out).toContain("has a new password");
	});

	test("invite, nodes, revoke, backup", async () => {
		const { flags, asked } = await daemon({
			invite: { code: "x", url: "ringlet://192.0.2.1:6085/home.example/x/y", expiresMs: 1_772_366_400_000 },
			"node.list": [
				{
					userName: "peer-1@home.example",
					role: "peer",
					nodeIds: [NODE],
					notAfterMs: 1_772_366_400_000,
					revoked: false,
				},
				{ userName: "old@home.example", role: "peer", nodeIds: ["00"], notAfterMs: 0, revoked: true },
			],
			revoke: { nodeIds: ["00", "01"], sequence: 9 },
			"household.backup": { records: 33 },
		});
		expect(await ringlet("invite", ...flags)).toBe(0);
		expect(out).toContain("ringlet://192.0.2.1:6085/home.example/x/y\n");
		expect(out).toContain("good once, until 2026-03-01T12:00:00.000Z");
		expect(await ringlet("nodes", ...flags)).toBe(0);
		expect(out).toMatch(/peer-1@home\.example {2}until 2026-03-01\n/);
		expect(out).toMatch(/old@home\.example {5}revoked\n/);
		expect(await ringlet("revoke", "old", ...flags)).toBe(0);
		expect(out).toContain("revoked: 00 01");
		expect(await ringlet("backup", "all.ringlet", ...flags)).toBe(0);
		expect(asked.at(-1)?.args).toEqual({ file: resolve("all.ringlet") });
	});

	test("enroll never writes over a file", async () => {
		const file = passwordFile("x");
		expect(await ringlet("enroll", "https://192.0.2.1:6085", "--user", "anna", "--out", file)).toBe(1);
		expect(err).toBe(`ringlet: ${file}: exists; choose another file\n`);
	});
});

describe("how it ends", () => {
	test("no state directory: 1", async () => {
		expect(await ringlet("status", "--state", join(scratch(), "nothing"))).toBe(1);
		expect(err).toMatch(/^ringlet: .*nothing: no Ringlet lives here; found one with .*--state\n$/);
	});

	test("the peer does not run: 3", async () => {
		const state = directory();
		expect(await ringlet("status", "--state", state.path)).toBe(3);
		expect(err).toBe(`ringlet: ${state.path}: its peer is not running; start it with \`ringlet peer\`\n`);
		expect(await ringlet("lookup", "anna", "--json", "--state", state.path)).toBe(3);
		expect(JSON.parse(out)).toEqual({
			error: `${state.path}: its peer is not running; start it with \`ringlet peer\``,
			fix: "start it with `ringlet peer`",
		});
	});

	test("the peer refuses: 1, its words once", async () => {
		const { flags } = await daemon({ ping: new UserError("Error_Not_Found", "see the links") });
		expect(await ringlet("ping", NODE, ...flags)).toBe(1);
		expect(err).toBe("ringlet: Error_Not_Found; see the links\n");
		expect(await ringlet("ping", NODE, "--json", ...flags)).toBe(1);
		expect(JSON.parse(out)).toEqual({ error: "Error_Not_Found; see the links", fix: "see the links" });
	});

	test.each([[["frobnicate"]], [["lookup"]], [["status", "--frob"]], [["peer", "extra"]]])(
		"wrong usage %j: 2",
		async (args) => {
			expect(await ringlet(...args)).toBe(2);
			expect(err).toMatch(/^error: /);
		},
	);

	test("help and version: 0", async () => {
		expect(await ringlet("--help")).toBe(0);
		expect(out).toContain("Exit codes");
		expect(await ringlet("--version")).toBe(0);
		expect(await ringlet("peer", "--help")).toBe(0);
		expect(out).toContain("--found");
	});

	test.each([
		[["--link", "here"], "--link: here is not ADDRESS:PORT"],
		[["--http", "6085"], "--http: 6085 is not ADDRESS:PORT"],
		[["--sip", "5060"], "--sip: 5060 is not udp://"],
		[["--addresses", "door.local"], "--addresses: door.local is not an IP address; write for instance 192.168.1.10"],
		[["--addresses", "0.0.0.0"], "--addresses: 0.0.0.0 is not an IP address"],
		[["--domain", "Home"], '--domain: "Home" must be a domain name'],
		[["--topology", "star"], '--topology: "star" must be one of mesh'],
	])("peer %j: refused before anything is made", async (flags, text) => {
		const state = join(scratch(), "new");
		expect(await ringlet("peer", "--found", "--state", state, ...flags)).toBe(1);
		expect(err).toContain(`ringlet: ${text}`);
		expect(err.trimEnd().split("\n").length).toBe(1);
		expect(new StateDirectory(state).exists()).toBe(false);
	});
});

test("tables: columns as wide as their widest cell, colours not counted, nothing trailing", () => {
	const red = (text: string): string => `\u001b[31m${text}\u001b[0m`;
	expect(table([["a", red("bb"), "c"], ["aaa", "b", ""], ["x"]])).toEqual([`a    ${red("bb")}  c`, "aaa  b", "x"]);
	expect(table([])).toEqual([]);
});
