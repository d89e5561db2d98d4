/** The whole daemon in this process: a founder and a peer that joins it over HTTPS, asked over their control sockets. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeClock } from "../../../hal/node/clock.ts";
import { Peer, type PeerOptions } from "../../../targets/pi/peer.ts";
import { ControlClient } from "../../../targets/pi/state/control-client.ts";
import { UserError } from "../../../targets/pi/state/errors.ts";
import type { LookupReport, StatusReport } from "../../../tools/cli/look.ts";
import { ScriptedPhone } from "../../../tools/demo/phone.ts";
import { type Place, placeOf } from "../../../tools/demo/sip-text.ts";
import { scratch as scratchOfFile } from "../../hal/node/scratch.ts";
import { TestLog, until } from "./composed.ts";
import { crypto, DOMAIN } from "./realm.ts";
import { PASSWORD } from "./support.ts";

const PLACE = { address: "127.0.0.1", port: 0 };

function optionsOf(statePath: string, more: Partial<PeerOptions> = {}): PeerOptions & { lines: TestLog } {
	const lines = new TestLog();
	return {
		statePath,
		link: PLACE,
		addresses: ["127.0.0.1"],
		http: PLACE,
		sip: [
			{ transport: "udp", ...PLACE },
			{ transport: "tcp", ...PLACE },
		],
		digest: ["MD5", "SHA-256"],
		mdns: false,
		crypto,
		clock: nodeClock(),
		log: lines.log,
		lines,
		...more,
	};
}

const FOUND = { found: { domain: DOMAIN, topology: "mesh", profile: "house" } } as const;

/** Runs a command as the command line does. */
async function ask<T>(peer: Peer, command: string, args: Record<string, unknown> = {}): Promise<T> {
	const client = await ControlClient.connect(peer.state.directory.socketPath);
	if (client === undefined) throw new Error("no daemon");
	try {
		return (await client.request(command, args)) as T;
	} finally {
		client.close();
	}
}

describe("a founder and a peer that joins", () => {
	let founder: Peer;
	let second: Peer;
	const phones: ScriptedPhone[] = [];

	beforeAll(async () => {
		const folder = scratchOfFile();
		founder = await Peer.start(optionsOf(join(folder, "one"), FOUND));
		const { url } = await ask<{ url: string }>(founder, "invite");
		second = await Peer.start(optionsOf(join(folder, "two"), { join: url }));
		await ask(founder, "account.add", { name: "anna", password: PASSWORD });
		await until(() => founder.host.node.connections.size > 0 && second.host.node.connections.size > 0);
	});

	afterAll(async () => {
		for (const phone of phones) phone.close();
		await second?.stop();
		await founder?.stop();
	});

	async function phone(peer: Peer, user: string): Promise<ScriptedPhone> {
		const edge = placeOf(peer.ready.sip.find((uri) => uri.endsWith("udp")) ?? "") as Place;
		const one = await ScriptedPhone.start({ user, password: PASSWORD, domain: DOMAIN, edge, address: "127.0.0.1" });
		phones.push(one);
		return one;
	}

	test("what a peer says when it serves", () => {
		expect(founder.ready).toMatchObject({ ready: true, pid: process.pid, domain: DOMAIN });
		expect(founder.ready.nodeId).toMatch(/^[0-9a-f]{32}$/);
		expect(founder.ready.http).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
		expect(second.ready.http).toBeUndefined();
		expect(founder.ready.link).toMatch(/^127\.0\.0\.1:\d+$/);
		expect(founder.ready.sip.length).toBe(2);
	});

	test("the control socket is the owner's only", () => {
		expect(statSync(founder.state.directory.socketPath).mode & 0o777).toBe(0o600);
	});

	test("status of both", async () => {
		const [one, two] = [await ask<StatusReport>(founder, "status"), await ask<StatusReport>(second, "status")];
		expect(one).toMatchObject({ domain: DOMAIN, founder: true, inOverlay: true, enrollment: "here", accounts: 1 });
		await until(() => second.sync.isConnected && second.sync.accounts.length === 1);
		expect(two).toMatchObject({ domain: DOMAIN, founder: false, nodeId: second.ready.nodeId });
		expect(one.links).toMatchObject([{ nodeId: second.ready.nodeId, state: "ok" }]);
		expect(one.counters.linksUp).toBeGreaterThan(0);
	});

	test("lookup: not registered, registered at the other peer, no such name, no name at all", async () => {
		expect(await ask<LookupReport>(second, "lookup", { aor: "anna" })).toMatchObject({ contacts: [], external: [] });
		const anna = await phone(founder, "anna");
		expect(await anna.register()).toBe(200);
		await expect.poll(async () => (await ask<LookupReport>(second, "lookup", { aor: "anna" })).contacts.length).toBe(1);
		const report = await ask<LookupReport>(second, "lookup", { aor: `anna@${DOMAIN}` });
		const [contact] = report.contacts;
		expect(contact).toMatchObject({ signedBy: `anna@${DOMAIN}`, route: [founder.ready.nodeId, contact?.nodeId] });
		expect(contact?.lifetimeS).toBeGreaterThan(500);
		expect(report.hops).toBeLessThanOrEqual(2);
		await expect(ask(second, "lookup", { aor: "@" })).rejects.toThrow("not an AOR; write it like");
		await expect(ask(second, "lookup")).rejects.toThrow("aor is missing; see `ringlet help`");
		await expect(ask(second, "lookup", { aor: "x@elsewhere.example" })).rejects.toThrow("not an AOR of this overlay");
	});

	test("ping: a node, whoever is in charge of a resource or a name, nobody", async () => {
		const answer = await ask<{ from: string; rttMs: number }>(founder, "ping", { node: second.ready.nodeId });
		expect(answer.from).toBe(second.ready.nodeId);
		const ids = [founder.ready.nodeId, second.ready.nodeId];
		for (const node of [`resource:${"00".repeat(16)}`, "anna", `anna@${DOMAIN}`])
			expect(ids).toContain((await ask<{ from: string }>(founder, "ping", { node })).from);
		await expect(ask(founder, "ping", { node: founder.ready.nodeId.slice(0, 30) })).rejects.toThrow(
			"neither a Node-ID",
		);
		await expect(ask(founder, "ping", { node: "?" })).rejects.toThrow(
			"neither a Node-ID nor an AOR; give 32 hex digits",
		);
	});

	test("ping to a node that is not there: the overlay's error, and what to do", async () => {
		await expect(ask(founder, "ping", { node: "0123456789abcdef0123456789abcdef" })).rejects.toThrow(
			/^Error_[A-Za-z_]+.*; (nobody answers: see the links in `ringlet status`|the ring is changing.*|see `ringlet status`.*)$/,
		);
	});

	test("trace begins here", async () => {
		const report = await ask<{ hops: { nodeId: string }[]; complete: boolean }>(founder, "trace", {
			target: second.ready.nodeId,
		});
		expect(report.hops.map(({ nodeId }) => nodeId)).toEqual([founder.ready.nodeId, second.ready.nodeId]);
		expect(report.complete).toBe(true);
	});

	test("capture writes a file of the links; its end is the client's", async () => {
		const file = join(scratchOfFile(), "ring.pcapng");
		const done = await ask<{ frames: number }>(founder, "capture", { file, seconds: 0.3 });
		expect(readFileSync(file).readUInt32LE(0)).toBe(0x0a0d0d0a);
		expect(done.frames).toBeGreaterThanOrEqual(0);
		await expect(ask(founder, "capture", { file: "/no/such/folder/x" })).rejects.toThrow("choose another file");
	});

	test("commands of the household at a peer that does not run it are refused with where to run them", async () => {
		await expect(ask(second, "account.add", { name: "bert", password: PASSWORD })).rejects.toThrow(
			/^this peer does not run the household; run this on the peer at 127\.0\.0\.1:\d+$/,
		);
		await expect(ask(second, "no.such")).rejects.toThrow("unknown command no.such");
	});

	test("an account that is removed: its phone cannot register any more, at no peer; its certificates are revoked", async () => {
		await ask(founder, "account.add", { name: "carla", password: PASSWORD });
		await until(() => second.sync.account("carla") !== undefined);
		const carla = await phone(second, "carla");
		expect(await carla.register()).toBe(200);
		await expect
			.poll(async () => (await ask<LookupReport>(founder, "lookup", { aor: "carla" })).contacts.length)
			.toBe(1);
		await ask(founder, "account.remove", { name: "carla" });
		await until(() => second.sync.account("carla") === undefined);
		expect(await carla.register()).not.toBe(200);
		await expect
			.poll(async () => (await ask<LookupReport>(founder, "lookup", { aor: "carla" })).contacts.length)
			.toBe(0);
	});
});

describe("starting and stopping", () => {
	test("an empty state directory without --found or --join: what to do, and nothing stays behind", async () => {
		const options = optionsOf(join(scratchOfFile(), "new"));
		await expect(Peer.start(options)).rejects.toThrow(
			/belongs to no household yet; give --found to begin one, or --join/,
		);
		// The lock is gone.
		const peer = await Peer.start({ ...options, ...FOUND });
		await peer.stop();
	});

	test("both --found and --join", async () => {
		const options = optionsOf(join(scratchOfFile(), "new"), {
			...FOUND,
			join: "ringlet://127.0.0.1:1/home.example/x/y",
		});
		await expect(Peer.start(options)).rejects.toThrow("both --found and --join; give one of them");
	});

	test("a second daemon on the same directory", async () => {
		const options = optionsOf(join(scratchOfFile(), "one"), FOUND);
		const peer = await Peer.start(options);
		await expect(Peer.start(options)).rejects.toThrow(UserError);
		expect((await ask<StatusReport>(peer, "status")).inOverlay).toBe(true);
		await peer.stop();
	});

	test.each(["link", "http", "sip"] as const)(
		"the port of %s is taken: one line with the fix, soon, and the next start works",
		async (what) => {
			const folder = scratchOfFile();
			const other = await Peer.start(optionsOf(join(folder, "other"), FOUND));
			const [udp = ""] = other.ready.sip;
			const taken = {
				link: { link: placeOf(`sip:${other.ready.link}`) as Place },
				http: { http: placeOf(`sip:${(other.ready.http ?? "").slice("https://".length)}`) as Place },
				sip: { sip: [{ transport: "udp" as const, ...(placeOf(udp) as Place) }] },
			}[what];
			const options = optionsOf(join(folder, "one"), FOUND);
			const began = performance.now();
			await expect(Peer.start({ ...options, ...taken })).rejects.toThrow(new RegExp(`EADDRINUSE.*;.*--${what}`));
			expect(performance.now() - began).toBeLessThan(4_000);
			const peer = await Peer.start(options);
			await peer.stop();
			await other.stop();
		},
	);

	test("stopping twice is one stop; afterwards the directory is free and everything is remembered", async () => {
		const options = optionsOf(join(scratchOfFile(), "one"), FOUND);
		const first = await Peer.start(options);
		await ask(first, "account.add", { name: "anna", password: PASSWORD });
		await Promise.all([first.stop(), first.stop()]);
		const again = await Peer.start(optionsOf(options.statePath));
		expect(again.ready.nodeId).toBe(first.ready.nodeId);
		expect((await ask<StatusReport>(again, "status")).accounts).toBe(1);
		await again.stop();
	});
});
