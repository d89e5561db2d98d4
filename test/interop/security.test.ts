/** What must not happen: strangers that join or link, members that shout, and messages that were never meant to be read. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fromHex } from "../../core/wire/bytes.ts";
import { nodeDestination } from "../../core/wire/destination.ts";
import { forwardingHeader, writeForwardingHeader } from "../../core/wire/forwarding.ts";
import { encode } from "../../core/wire/writer.ts";
import { ControlClient } from "../../targets/pi/state/control-client.ts";
import { StateDirectory } from "../../targets/pi/state/directory.ts";
import { type Finished, freePort, loopback, PeerProcess, runRinglet } from "../../tools/demo/processes.ts";
import { type Place, placeOf } from "../../tools/demo/sip-text.ts";
import { DOMAIN, TestHousehold } from "./support/household.ts";
import {
	certificateOf,
	closesWithin,
	connectAs,
	type Pair,
	stolen,
	throwAt,
	visit,
	writePair,
} from "./support/link-attacker.ts";
import { describeWith, RINGLET } from "./support/programs.ts";
import { waitFor } from "./support/wait.ts";

/** How long a link may stand before its certificate has been judged. */
const JUDGED_WITHIN_MS = 3_000;

describeWith(["openssl"], "strangers, liars and noise", () => {
	let house: TestHousehold;
	let other: TestHousehold;
	/** Anna's own certificate with its key, by `ringlet enroll`. */
	let anna: Pair;
	let annaPem: string;

	beforeAll(async () => {
		house = await TestHousehold.start({ peers: 3 });
		await house.account("anna");
		const file = join(house.folder, "anna.pem");
		annaPem = await enroll(house, file);
		anna = { certificate: file, key: file };
		// Another household of the very same name.
		other = await TestHousehold.start({ peers: 1 });
		await other.account("anna");
	});

	afterAll(async () => {
		await house?.close();
		await other?.close();
	});

	beforeEach((context) => house.watch(context));

	async function enroll(at: TestHousehold, file: string): Promise<string> {
		const { url } = await at.json<{ url: string }>(0, "invite");
		await at.json(0, "enroll", url, "--user", "anna", "--password-file", at.passwordFile("anna"), "--out", file);
		return readFileSync(file, "utf8");
	}

	const placed = (text = ""): Place => placeOf(`sip:${text}`) as Place;
	const link = (i: number): Place => placed(house.seats[i]?.link);
	const calls = (i: number): Place => placed(house.seats[i]?.calls);

	/** Flags of one more peer, in a state directory of its own. */
	async function joiner(): Promise<string[]> {
		const state = join(house.folder, `joiner-${performance.now()}`);
		const address = loopback(61);
		const at = async (): Promise<string> => `${address}:${await freePort(address)}`;
		return [
			"--state",
			state,
			"--link",
			await at(),
			"--http",
			await at(),
			"--sip",
			`udp://${await at()}`,
			"--mdns",
			"false",
		];
	}

	/** Tries to join with an invitation that is no good: one line that says so, and nothing kept of a household. */
	async function tryToJoin(url: string): Promise<Finished> {
		const flags = await joiner();
		const done = await runRinglet(RINGLET, ["peer", "--join", url, "--log-level", "error", ...flags]);
		expect(done.code).toBe(1);
		expect(done.stdout).toBe("");
		expect(done.stderr.trimEnd().split("\n")).toHaveLength(1);
		expect(existsSync(join(flags[1] ?? "", "household-ca.pem"))).toBe(false);
		return done;
	}

	/** The peers all serve, with the same links as at the beginning. */
	async function isUnharmed(): Promise<void> {
		for (const [i, peer] of house.peers.entries()) {
			expect(peer.isRunning, `peer ${i + 1}`).toBe(true);
			const { links, inOverlay } = await house.status(i);
			expect(inOverlay).toBe(true);
			const others = house.peers.filter((one) => one !== peer).map((one) => one.ready.nodeId);
			expect(links.map((one) => one.nodeId).sort()).toEqual(others.sort());
		}
	}

	describe("joining", () => {
		const invite = async (): Promise<string> => (await house.json<{ url: string }>(0, "invite")).url;

		test("with a wrong code", async () => {
			const url = (await invite()).replace(
				/-(....)\/(?=[\w-]{43}$)/,
				(_, end: string) => `-${end === "0000" ? "1111" : "0000"}/`,
			);
			expect((await tryToJoin(url)).stderr).toMatch(/code|invitation/);
		});

		test("with a code that was used", async () => {
			const url = await invite();
			const peer = await PeerProcess.start(RINGLET, ["peer", "--join", url, ...(await joiner())]);
			expect(await peer.stop()).toBe(0);
			expect((await tryToJoin(url)).stderr).toMatch(/code|invitation/);
		});

		test("with a code that has expired", async () => {
			const directory = new StateDirectory(house.seats[0]?.state ?? "");
			const client = await ControlClient.connect(directory.socketPath);
			const made = (await client?.request("invite", { lifetimeMs: 1 })) as { url: string };
			client?.close();
			expect((await tryToJoin(made.url)).stderr).toMatch(/code|invitation/);
		});

		test("at a household that is not the one of the fingerprint", async () => {
			const [ours, theirs] = [await invite(), (await other.json<{ url: string }>(0, "invite")).url];
			const fingerprint = ours.slice(-43);
			const mixed = theirs.slice(0, -43) + fingerprint;
			expect((await tryToJoin(mixed)).stderr).toMatch(/fingerprint|another household|not the household/);
		});
	});

	test("an overlay link stands for a member (so that the refusals below mean something)", async () => {
		expect((await visit(link(0), 1_500, anna)).stayed).toBe(true);
	});

	test("a connection for calls that no AppAttach has announced is refused, a member's as well", async () => {
		expect((await visit(calls(0), JUDGED_WITHIN_MS, anna)).stayed).toBe(false);
	});

	describe.each([
		["an overlay link", link],
		["a connection for calls between peers", calls],
	])("%s", (_what, port) => {
		test("is refused without a certificate", async () => {
			expect((await visit(port(0), JUDGED_WITHIN_MS)).stayed).toBe(false);
		});

		test("is refused with the right certificate and the wrong key", async () => {
			const pair = stolen(await certificateOf(link(1)), house.folder);
			const { stayed, output } = await visit(port(0), JUDGED_WITHIN_MS, pair);
			expect(output).not.toContain("key values mismatch");
			expect(stayed).toBe(false);
		});

		test("is refused with a certificate of another household, also of the same name and for the same user", async () => {
			const file = join(other.folder, `anna-${performance.now()}.pem`);
			await enroll(other, file);
			expect((await visit(port(0), JUDGED_WITHIN_MS, { certificate: file, key: file })).stayed).toBe(false);
		});

		test("is refused with a certificate one signed oneself", async () => {
			const pair = writePair(house.folder, "self", "", "");
			const subject = ["-subj", "/", "-addext", `subjectAltName=critical,email:anna@${DOMAIN}`];
			execFileSync(
				"openssl",
				[
					...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
					...["-keyout", pair.key, "-out", pair.certificate, ...subject],
				],
				{ stdio: "ignore" },
			);
			expect((await visit(port(0), JUDGED_WITHIN_MS, pair)).stayed).toBe(false);
		});

		test("none of them left anything behind, but for a line in the log", async () => {
			await isUnharmed();
			for (const event of [/"event":"(link|app)\.refused"/, /"event":"(overlay|app)\.refused"/])
				await waitFor(`a line in the log: ${event}`, 5_000, () => event.test(house.peers[0]?.log ?? ""));
		});
	});

	describe("frames of a member", () => {
		const frame = (type: number, octets: Uint8Array, length = octets.length, sequence = 0): Buffer => {
			const head = Buffer.alloc(8);
			head[0] = type;
			head.writeUInt32BE(sequence, 1);
			head.writeUIntBE(length, 5, 3);
			return Buffer.concat([head, octets]);
		};

		test("a frame that announces 16 MB ends the link", async () => {
			const socket = await connectAs(link(0), annaPem);
			socket.write(frame(128, Buffer.alloc(64, 0x41), 0xffffff));
			expect(await closesWithin(socket, JUDGED_WITHIN_MS)).toBe(true);
		});

		test("what is no frame ends the link", async () => {
			const socket = await connectAs(link(0), annaPem);
			socket.write(frame(7, Buffer.alloc(100, 0xff)));
			expect(await closesWithin(socket, JUDGED_WITHIN_MS)).toBe(true);
		});

		test("a message over the limit of the household is refused, and the link ends", async () => {
			const socket = await connectAs(link(0), annaPem);
			const header = forwardingHeader({
				overlay: createHash("sha1").update(DOMAIN).digest().readUInt32BE(16),
				configurationSequence: (await house.status(0)).sequence,
				ttl: 20,
				transactionIdHigh: 1,
				transactionIdLow: 2,
				destinationList: [nodeDestination(fromHex(house.nodeId(0)) as Uint8Array)],
			});
			const message = new Uint8Array(60_000);
			const head = encode(writeForwardingHeader, { ...header, length: message.length });
			message.set(head);
			socket.write(frame(128, message));
			expect(await closesWithin(socket, JUDGED_WITHIN_MS)).toBe(true);
		});

		test("garbage in a frame is dropped and counted; the link stays", async () => {
			const before = (await house.status(0)).counters;
			const socket = await connectAs(link(0), annaPem);
			for (let i = 1; i <= 50; i++) socket.write(frame(128, noise(i, 38 + i), 38 + i, i - 1));
			expect(await closesWithin(socket, 500)).toBe(false);
			socket.destroy();
			const dropped = (counters: Readonly<Record<string, number>>): number => counters.droppedHeader ?? 0;
			expect(dropped((await house.status(0)).counters) - dropped(before)).toBe(50);
		});

		test("the house goes on", async () => {
			await waitFor("only the peers' links", 10_000, async () => (await house.status(0)).links.length === 2);
			await isUnharmed();
		});
	});

	describe("noise at every port", () => {
		test("malformed SIP: 400 with a reason where there is somebody to answer", async () => {
			const request = (lines: readonly string[]): string =>
				[
					"OPTIONS sip:home.example SIP/2.0",
					"Via: SIP/2.0/UDP 127.0.0.62:9;branch=z9hG4bKx;rport",
					"From: <sip:anna@home.example>;tag=1",
					"To: <sip:home.example>",
					`Call-ID: ${lines.join("").length}`,
					"CSeq: 1 OPTIONS",
					"Max-Forwards: 70",
					"Content-Length: 0",
				]
					.map((line) => lines.find((other) => other.split(":")[0] === line.split(":")[0]) ?? line)
					.concat("", "")
					.join("\r\n");
			for (const broken of [
				["CSeq: 1 INVITE"],
				["CSeq: many OPTIONS"],
				["From: ;;;"],
				["To: <sip:"],
				["Content-Length: -5"],
			]) {
				const answer = await askUdp(placeOf(`sip:${house.edge(0)}`) as Place, request(broken));
				expect(answer, broken[0]).toMatch(/^SIP\/2\.0 400 \S+/);
			}
		});

		test("octets of all kinds to SIP (UDP, TCP), link and enrollment of every peer: nobody falls", async () => {
			const sips = [
				"INVITE",
				"INVITE sip:a@home.example SIP/2.0\r\n",
				`X ${"y".repeat(70_000)}`,
				"\r\n\r\n\r\n\r\n",
				"SIP/2.0 200 OK\r\n\r\n",
			];
			sips.push(
				`INVITE sip:a SIP/2.0\r\nContent-Length: 999999999\r\n\r\n`,
				`REGISTER sip:a SIP/2.0\r\n${"Via: x\r\n".repeat(2000)}\r\n`,
			);
			const texts = sips.map((text) => Buffer.from(text));
			const noises = Array.from({ length: 12 }, (_, i) => noise(i + 1, 1 << i));
			for (const [i, peer] of house.peers.entries()) {
				const sip = placeOf(`sip:${house.edge(i)}`) as Place;
				const tls = [link(i), calls(i), ...(peer.ready.http === undefined ? [] : [placed(house.seats[i]?.http)])];
				for (const octets of [...texts, ...noises]) {
					await sendUdp(sip, octets.subarray(0, 60_000));
					await Promise.all([sip, ...tls].map((place) => throwAt(place, octets)));
				}
			}
			await isUnharmed();
			for (const i of [0, 1, 2]) expect(await (await house.phone("anna", i)).register()).toBe(200);
		});
	});

	test("a peer that is revoked loses its links within 5 s, and gets none again", async () => {
		const revoked = house.nodeId(2);
		const began = performance.now();
		await house.json(0, "revoke", revoked);
		const hasLink = async (i: number): Promise<boolean> =>
			(await house.status(i)).links.some((one) => one.nodeId === revoked);
		for (const i of [0, 1]) await waitFor(`peer ${i + 1} to drop it`, 5_000, async () => !(await hasLink(i)));
		expect(performance.now() - began).toBeLessThan(6_000);
		const pair = stolen(await certificateOf(link(2)), house.folder);
		expect((await visit(link(0), JUDGED_WITHIN_MS, pair)).stayed).toBe(false);
		for (const i of [0, 1]) expect(await hasLink(i)).toBe(false);
		// The two that are left are a household still.
		expect(await (await house.phone("anna", 1)).register()).toBe(200);
		expect((await house.lookup(0, "anna")).answeredBy).not.toBe(revoked);
	});
});

/** Octets that look like nothing, the same in every run. */
function noise(seed: number, length: number): Buffer {
	const octets = Buffer.alloc(length);
	let state = seed;
	for (let i = 0; i < length; i++) {
		state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
		octets[i] = state >>> 16;
	}
	return octets;
}

function sendUdp({ address, port }: Place, octets: Uint8Array): Promise<void> {
	const socket = createSocket("udp4");
	return new Promise((resolve) => socket.send(octets, port, address, () => socket.close(() => resolve())));
}

/** The first answer to a datagram; "" when there is none within 2 s. */
function askUdp({ address, port }: Place, text: string): Promise<string> {
	const socket = createSocket("udp4");
	return new Promise((resolve) => {
		const timer = setTimeout(() => socket.close(() => resolve("")), 2_000);
		socket.once("message", (data) => {
			clearTimeout(timer);
			socket.close(() => resolve(data.toString()));
		});
		socket.bind(0, loopback(62), () => socket.send(text, port, address));
	});
}
