/** Starting and ending peers, on stand-ins for the product; and who keeps what, against the core's own ring. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { compareClockwise } from "../../../core/overlay/topology/ring.ts";
import { toHex } from "../../../core/wire/bytes.ts";
import { nodeCrypto } from "../../../hal/node/crypto.ts";
import { nameKeptAt, PeerProcess, responsibleFor, runRinglet } from "../../../tools/demo/processes.ts";

const folder = mkdtempSync(join(tmpdir(), "ringlet-processes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A program in place of dist/ringlet.js. */
function program(name: string, text: string): string {
	const file = join(folder, `${name}.mjs`);
	writeFileSync(file, text);
	return file;
}

const READY = `console.log(JSON.stringify({ ready: true, pid: process.pid, nodeId: "00" }));`;

describe("a peer", () => {
	test("is there when it has printed its line; SIGTERM gives its exit code; its log is kept", async () => {
		const text = `console.error("hello"); process.once("SIGTERM", () => process.exit(0)); ${READY} setInterval(() => {}, 1000);`;
		const peer = await PeerProcess.start(program("good", text), ["peer"]);
		expect(peer.ready.pid).toBeGreaterThan(0);
		expect(peer.isRunning).toBe(true);
		expect(await peer.stop()).toBe(0);
		expect(peer.isRunning).toBe(false);
		expect(peer.log).toContain("hello");
		expect(await peer.stop()).toBe(0);
	});

	test("may be killed, and killed again", async () => {
		const peer = await PeerProcess.start(program("stays", `${READY} setInterval(() => {}, 1000);`), []);
		await peer.kill();
		await peer.kill();
		expect(peer.isRunning).toBe(false);
		expect(await peer.stop()).toBe("SIGKILL");
	});

	test.each([
		[
			"says why not",
			`console.log(JSON.stringify({ error: "the port is taken" })); process.exitCode = 1;`,
			"the port is taken",
		],
		["ends without a word", "process.exit(3);", "ended with 3"],
		["prints something else", `console.log("hello"); setInterval(() => {}, 1000);`, "hello"],
	])("that does not start: it %s", async (name, text, expected) => {
		await expect(PeerProcess.start(program(name.replaceAll(" ", "-"), text), [])).rejects.toThrow(expected);
	});

	test("sees nothing of the settings of whoever runs the demo", async () => {
		process.env.RINGLET_DOMAIN = "elsewhere.example";
		try {
			const done = await runRinglet(
				program("env", "console.log(process.env.RINGLET_DOMAIN, process.argv.slice(2).join());"),
				["a", "b"],
			);
			expect(done).toEqual({ code: 0, stdout: "undefined a,b\n", stderr: "" });
		} finally {
			delete process.env.RINGLET_DOMAIN;
		}
	});

	test("a command's exit code, its input and what it prints", async () => {
		const text = `process.stdin.on("data", (data) => { console.error(String(data)); process.exitCode = 3; });`;
		expect(await runRinglet(program("echo", text), [], "in")).toEqual({ code: 3, stdout: "", stderr: "in\n" });
	});
});

describe("who keeps what", () => {
	test("as the ring of the core has it", () => {
		const crypto = nodeCrypto();
		const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
		fc.assert(
			fc.property(fc.uniqueArray(id, { minLength: 1, maxLength: 8, selector: toHex }), fc.string(), (nodes, name) => {
				const resource = crypto.hash("sha1", Buffer.from(`${name}@home.example`)).slice(0, 16);
				const nearest = nodes.reduce((best, node) => (compareClockwise(resource, node, best) < 0 ? node : best));
				expect(responsibleFor(`${name}@home.example`, nodes.map(toHex))).toBe(toHex(nearest));
			}),
		);
	});

	test("a name can be found for every peer, also for one with a small part of the ring", () => {
		const nodes = ["80000000000000000000000000000000", "81000000000000000000000000000000"];
		const name = nameKeptAt(nodes[1] ?? "", nodes, "home.example", ["ben"]);
		expect(responsibleFor(`${name}@home.example`, nodes)).toBe(nodes[1]);
		const easy = nameKeptAt(nodes[0] ?? "", nodes, "home.example", ["ben", "carl"]);
		expect(["ben", "carl"]).toContain(easy);
	});
});
