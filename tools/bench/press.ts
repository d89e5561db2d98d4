/**
 * From the press to the ring: a doorbell (the device's own code), three peer processes, a phone at each; against the bare chain of the
 * same hops, two TLS connections through two processes and UDP to a phone, there and back.
 *
 *   node dist/bench/press.js [presses]        after `npm run build`; prints one line of JSON
 *
 * Also counted: signatures made and verified, and handshakes begun, between each press and its ring; by the device, and by the peers
 * (whose keep-alives sign now and then all the same: the median says what a press costs).
 */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import type { Crypto } from "../../hal/hal.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import { NodeDevice } from "../../hal/node/device/device.ts";
import { FileFlash } from "../../hal/node/device/flash.ts";
import { nodeMediaCrypto } from "../../hal/node/media-crypto.ts";
import { secureContextOptions } from "../../hal/node/secure.ts";
import { DeviceUnit } from "../../targets/esp32/unit/device-unit.ts";
import type { UnitEvent } from "../../targets/esp32/unit/types.ts";
import { ScriptedPhone } from "../demo/phone.ts";
import { freePort, loopback, type Ready, runRinglet } from "../demo/processes.ts";
import { BenchHousehold } from "./household.ts";

const RINGLET = fileURLToPath(new URL("../ringlet.js", import.meta.url));
const COUNTER = new URL("press-counter.js", import.meta.url).href;
const CHAIN = fileURLToPath(new URL("press-chain.js", import.meta.url));
const DOMAIN = "bench.example";
const PEERS = 3;
const INVITE_OCTETS = 650;
const WITHIN_MS = 60_000;
const presses = Number(process.argv[2] ?? 60);
const folder = mkdtempSync(join(tmpdir(), "ringlet-press-"));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
	const began = performance.now();
	while (!(await check())) {
		if (performance.now() - began > WITHIN_MS) throw new Error(`not within ${WITHIN_MS} ms: ${what}`);
		await pause(5);
	}
}

interface Peer {
	readonly process: ChildProcess;
	readonly state: string;
	readonly sip: string;
	readonly counts: string;
}

async function startPeer(i: number, join_: readonly string[]): Promise<Peer> {
	const address = loopback(81 + i);
	const at = async (): Promise<string> => `${address}:${await freePort(address)}`;
	const [state, sip, counts] = [join(folder, `peer${i}`), await at(), join(folder, `counts${i}`)];
	const places = ["--state", state, "--link", await at(), "--calls", await at(), "--http", await at()];
	const args = ["peer", ...places, "--sip", `udp://${sip}`, "--mdns", "false", "--json", ...join_];
	const child = spawn(process.execPath, ["--import", COUNTER, RINGLET, ...args], {
		env: { ...process.env, PRESS_COUNTS: counts },
		stdio: ["ignore", "pipe", "ignore"],
	});
	process.once("exit", () => child.kill("SIGKILL"));
	let text = "";
	child.stdout?.on("data", (data) => {
		text += data;
	});
	await until(`peer ${i + 1} serves`, () => text.includes("\n"));
	if (!(JSON.parse(text) as Ready).ready) throw new Error(text);
	return { process: child, state, sip, counts };
}

async function ask<T>(peer: Peer, ...args: string[]): Promise<T> {
	const done = await runRinglet(RINGLET, [...args, "--state", peer.state, "--json"]);
	if (done.code !== 0) throw new Error(`${args.join(" ")}: ${done.stdout}${done.stderr}`);
	return JSON.parse(done.stdout) as T;
}

/** Counts what the device signs and verifies. */
function counted(crypto: Crypto, count: () => void): Crypto {
	const key = (made: ReturnType<Crypto["generateKey"]>): typeof made => ({
		spki: made.spki,
		algorithm: made.algorithm,
		exportPkcs8: () => made.exportPkcs8(),
		sign: (data) => {
			count();
			return made.sign(data);
		},
	});
	return {
		...crypto,
		generateKey: () => key(crypto.generateKey()),
		importKey: (pkcs8) => key(crypto.importKey(pkcs8)),
		verify: (...args) => {
			count();
			return crypto.verify(...args);
		},
	};
}

interface Press {
	readonly from: number;
	readonly to: number;
	/** Every phone rings; the door knows that one does. */
	readonly ringMs: number;
	readonly backMs: number;
	readonly signatures: number;
	readonly handshakes: number;
}

async function measurePresses(peers: readonly Peer[]): Promise<Press[]> {
	const phones: ScriptedPhone[] = [];
	for (const [i, peer] of peers.entries()) {
		const user = `phone${i}`;
		const [address = "", port = ""] = peer.sip.split(":");
		const edge = { address, port: Number(port) };
		const phone = await ScriptedPhone.start({
			user,
			password: "secret-of-a-phone",
			domain: DOMAIN,
			edge,
			address: loopback(91 + i),
		});
		await until(`${user} registers`, async () => (await phone.register()) === 200);
		phones.push(phone);
	}
	const { url } = await ask<{ url: string }>(peers[0]!, "device", "add", "frontdoor");
	let signatures = 0;
	let clickedAt = 0;
	let backAt = 0;
	const device = new NodeDevice({
		crypto: { ...counted(nodeCrypto(), () => signatures++), ...nodeMediaCrypto() },
		flash: new FileFlash(join(folder, "flash")),
		log: () => undefined,
		onPin: ({ type }) => {
			if (type === "click") clickedAt = performance.now();
		},
		onRestart: () => undefined,
		network: { address: loopback(80), mdnsPort: 0 },
	});
	const unit = new DeviceUnit(device, {
		pairing: url,
		onEvent: (event: UnitEvent) => {
			if (event.type === "call" && event.status === 180 && backAt === 0) backAt = performance.now();
		},
	});
	unit.start();
	await until("the door has two edges", () => unit.status().edges === 2 && unit.status().isRegistered);
	const rang: number[] = [];
	for (const phone of phones) phone.onInvite = () => rang.push(performance.now());
	const made: Press[] = [];
	// The first ones warm everybody up.
	for (let i = -20; i < presses; i++) {
		rang.length = 0;
		clickedAt = 0;
		backAt = 0;
		device.pins.press(0, 60);
		await until("the press", () => clickedAt > 0);
		const before = { signatures, handshakes: device.handshakes };
		await until("every phone rings", () => rang.length >= phones.length && backAt > 0);
		const to = Math.max(...rang);
		const press = {
			from: performance.timeOrigin + clickedAt,
			to: performance.timeOrigin + to,
			ringMs: to - clickedAt,
			backMs: backAt - clickedAt,
			signatures: signatures - before.signatures,
			handshakes: device.handshakes - before.handshakes,
		};
		if (i >= 0) made.push(press);
		unit.hangUp();
		await until("the call ends", () => unit.status().calls === 0 && unit.status().door === "idle");
		await pause(120);
	}
	unit.stop();
	device.close();
	for (const phone of phones) phone.close();
	return made;
}

function middle(next: string, port: number): Promise<{ child: ChildProcess; port: number }> {
	const child = fork(CHAIN, [next, String(port)]);
	process.once("exit", () => child.kill("SIGKILL"));
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("message", (message) => resolve({ child, port: (message as { port: number }).port }));
	});
}

/** The same octets over the same hops, and nothing else. */
async function measureChain(): Promise<number[]> {
	const phone = createSocket("udp4");
	await new Promise<void>((resolve) => phone.bind(0, "127.0.0.1", resolve));
	phone.on("message", (bytes, from) => phone.send(bytes, from.port, from.address));
	const last = await middle("udp", phone.address().port);
	const first = await middle("tls", last.port);
	const identity = new BenchHousehold(nodeCrypto(), "EXP-OVERLAY").identity("door@bench.example");
	const versions = { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } as const;
	const socket = connect({
		host: "127.0.0.1",
		port: first.port,
		...secureContextOptions(identity, versions),
		rejectUnauthorized: false,
	});
	socket.setNoDelay(true);
	await new Promise<void>((resolve) => socket.once("secureConnect", () => resolve()));
	const times: number[] = [];
	for (let i = -20; i < presses; i++) {
		const began = performance.now();
		const back = new Promise<void>((resolve) => socket.once("data", () => resolve()));
		socket.write(Buffer.alloc(INVITE_OCTETS));
		await back;
		if (i >= 0) times.push(performance.now() - began);
		// As idle in between as the presses are, or caches would be warmer than theirs.
		await pause(20);
	}
	socket.destroy();
	phone.close();
	first.child.disconnect();
	last.child.disconnect();
	return times;
}

const quantile = (values: readonly number[], share: number): number => {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
};
const both = (values: readonly number[]): { p50: number; p95: number } => ({
	p50: quantile(values, 0.5),
	p95: quantile(values, 0.95),
});

async function run(): Promise<void> {
	const founder = await startPeer(0, ["--found", "--domain", DOMAIN]);
	const peers = [founder];
	for (let i = 1; i < PEERS; i++) {
		const { url } = await ask<{ url: string }>(founder, "invite");
		peers.push(await startPeer(i, ["--join", url]));
	}
	const password = join(folder, "password");
	writeFileSync(password, "secret-of-a-phone\n", { mode: 0o600 });
	for (let i = 0; i < PEERS; i++) await ask(founder, "account", "add", `phone${i}`, "--password-file", password);
	const made = await measurePresses(peers);
	const chain = await measureChain();
	for (const peer of peers) {
		const gone = new Promise((resolve) => peer.process.once("exit", resolve));
		peer.process.kill("SIGTERM");
		await gone;
	}
	const calls = peers.flatMap(({ counts }) => JSON.parse(readFileSync(counts, "utf8")) as number[]);
	const perPress = made.map(({ from, to }) => calls.filter((at) => at >= from && at <= to).length);
	const result = {
		presses: made.length,
		ring: both(made.map(({ ringMs }) => ringMs)),
		back: both(made.map(({ backMs }) => backMs)),
		chain: both(chain),
		deviceSignatures: made.reduce((sum, { signatures }) => sum + signatures, 0),
		deviceHandshakes: made.reduce((sum, { handshakes }) => sum + handshakes, 0),
		peerSignatures: { p50: quantile(perPress, 0.5), mean: perPress.reduce((a, b) => a + b, 0) / perPress.length },
	};
	console.log(JSON.stringify(result));
}

try {
	await run();
} finally {
	rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
