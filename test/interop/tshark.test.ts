/**
 * A second opinion on every message: what three live peers say to each other while a third joins, phones register, call and leave is
 * captured and read by Wireshark's own dissector.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { MessageCode } from "../../core/wire/codes.ts";
import { freePort, runRinglet } from "../../tools/demo/processes.ts";
import { type Seat, TestHousehold } from "./support/household.ts";
import { describeWith, RINGLET } from "./support/programs.ts";
import { waitFor } from "./support/wait.ts";

/**
 * Errors of tshark 4.0's dissector, not of the message: text of its expert item, and why it is wrong. (Others that it has, like
 * exchanged extension codes, raise no expert item.)
 */
const DISSECTOR_ERRORS: ReadonlyMap<string, string> = new Map([
	["Unknown identity type", "SignerIdentityType none (RFC 6940 §6.3.4) of values that a Fetch synthesizes is no error"],
]);

/** What such a session has to show. */
const EXPECTED = [
	...[MessageCode.attachReq, MessageCode.storeReq, MessageCode.fetchReq, MessageCode.joinReq, MessageCode.leaveReq],
	...[MessageCode.updateReq, MessageCode.routeQueryReq, MessageCode.pingReq, MessageCode.appAttachReq],
	MessageCode.configUpdateReq,
];

const run = promisify(execFile);

/** `ringlet capture FILE`, until it is interrupted. */
class Capture {
	readonly file: string;
	readonly #process: ChildProcess;

	constructor(file: string, state: string) {
		this.file = file;
		this.#process = spawn(process.execPath, [RINGLET, "capture", file, "--state", state], { stdio: "ignore" });
	}

	get size(): number {
		return statSync(this.file, { throwIfNoEntry: false })?.size ?? 0;
	}

	/** Ctrl-C, as a person ends it; resolves when the file does not grow any more. */
	async end(): Promise<void> {
		if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
		const gone = new Promise((resolve) => this.#process.once("exit", resolve));
		this.#process.kill("SIGINT");
		await gone;
		let before = -1;
		const hasSettled = (): boolean => {
			const isSame = this.size === before;
			before = this.size;
			return isSame;
		};
		await waitFor("the end of the capture", 5_000, hasSettled, 200);
	}
}

async function tshark(file: string, filter: string, ...fields: string[]): Promise<string[][]> {
	const named = fields.flatMap((field) => ["-e", field]);
	const args = ["-r", file, "-Y", filter, "-T", "fields", "-E", "aggregator=|", ...named];
	const { stdout, stderr } = await run("tshark", args, { maxBuffer: 64 * 1024 * 1024 });
	expect(stderr).not.toContain("cut short");
	const lines = stdout.split("\n").filter((line) => line !== "");
	return lines.map((line) => line.split("\t"));
}

describeWith(["tshark"], "a live session under tshark", () => {
	let house: TestHousehold;
	const captures: Capture[] = [];

	beforeAll(async () => {
		house = await TestHousehold.start({ peers: 2 });
		await house.account("anna");
		await house.account("ben");
		for (const i of [0, 1])
			captures.push(new Capture(join(house.folder, `peer${i + 1}.pcapng`), house.seats[i]?.state ?? ""));
		await waitFor("both captures to begin", 10_000, () => captures.every((capture) => capture.size > 0));
		await house.telling(async () => {
			await session();
			await captures[0]?.end();
			await moveEnrollment();
			await captures[1]?.end();
		});
	});

	afterAll(async () => {
		for (const capture of captures) await capture.end();
		await house?.close();
	});

	beforeEach((context) => house.watch(context));

	/** A third peer joins; registrations, a lookup, a call, ping, trace; the third peer leaves. */
	async function session(): Promise<void> {
		await house.addPeer();
		await house.connected();
		const [anna, ben] = [await house.phone("anna", 0), await house.phone("ben", 2)];
		expect(await anna.register()).toBe(200);
		expect(await ben.register()).toBe(200);
		await waitFor("ben's registration", 5_000, async () => (await house.lookup(1, "ben")).contacts.length === 1);
		const call = await anna.call(ben.uri);
		expect(await call.answered).toBe(200);
		await call.hangup();
		await house.json(0, "ping", house.nodeId(1));
		await house.json(0, "trace", house.nodeId(1));
		await house.json(1, "trace", "ben");
		expect(await house.peers[2]?.stop()).toBe(0);
		await waitFor("the goodbye", 10_000, async () => (await house.status(0)).links.length === 1);
	}

	/** The enrollment server comes back elsewhere: only the overlay can bring the document that says where (ConfigUpdate). */
	async function moveEnrollment(): Promise<void> {
		expect(await house.peers[0]?.stop()).toBe(0);
		await waitFor("its absence", 20_000, async () => (await house.status(1)).enrollment === "not reachable", 250);
		const seat = house.seats[0] as Seat;
		house.seats[0] = { ...seat, http: `${seat.address}:${await freePort(seat.address)}` };
		await house.restart(0);
		await waitFor("the new place", 60_000, async () => (await house.status(1)).enrollment === "connected", 250);
	}

	test("no malformed message and no expert item, but for the dissector's own errors", async () => {
		for (const { file } of captures) {
			const items = await tshark(
				file,
				"_ws.malformed or _ws.expert",
				"frame.number",
				"_ws.expert.message",
				"_ws.malformed",
			);
			const complaints = items.filter(
				([, messages = "", malformed = ""]) =>
					malformed !== "" || messages.split("|").some((message) => !DISSECTOR_ERRORS.has(message)),
			);
			expect(complaints).toEqual([]);
		}
	});

	test("every data frame is dissected as RELOAD", async () => {
		for (const { file } of captures) {
			expect((await tshark(file, "reload", "frame.number")).length).toBeGreaterThan(50);
			// 0x80 begins a data frame (§6.6.2). An ack before the first data frame of its conversation stays unknown to tshark.
			expect(await tshark(file, "data.data[0:1] == 80", "frame.number")).toEqual([]);
		}
	});

	test("the messages of such a session are all there, requests with their answers", async () => {
		const seen = new Set<number>();
		for (const { file } of captures)
			for (const [code = ""] of await tshark(file, "reload", "reload.message.code")) seen.add(Number(code));
		for (const request of EXPECTED) {
			expect(seen, `request ${request}`).toContain(request);
			expect(seen, `answer ${request + 1}`).toContain(request + 1);
		}
	});

	test("`ringlet decode` reads the same messages in the same order", async () => {
		for (const { file } of captures) {
			const theirs = (await tshark(file, "reload", "reload.forwarding.trans_id")).map(([id = ""]) => id);
			const done = await runRinglet(RINGLET, ["decode", file]);
			expect(done.code).toBe(0);
			const ours = [...done.stdout.matchAll(/transaction_?id\W+(?:0x)?([0-9a-f]{16})/gi)].map(
				(found) => `0x${found[1]}`,
			);
			expect(ours).toEqual(theirs);
		}
	});
});
