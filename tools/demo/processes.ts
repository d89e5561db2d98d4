/** Peers as processes of their own, as a household runs them: start, ask, stop, kill. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";

/** What `ringlet peer --json` prints when it serves. */
export interface Ready {
	readonly ready: true;
	readonly pid: number;
	readonly domain: string;
	readonly nodeId: string;
	readonly state: string;
	readonly link: string;
	readonly http?: string;
	readonly sip: readonly string[];
}

export interface Finished {
	/** Exit code; -1 when a signal ended it. */
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

/** Longest log of one peer that is kept, characters. */
const MAX_LOG = 1_000_000;
const START_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 10_000;

/** Nothing of the caller's settings reaches the peers of a test or demo. */
function cleanEnvironment(): NodeJS.ProcessEnv {
	const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("RINGLET_") && name !== "NODE_OPTIONS");
	return { ...Object.fromEntries(kept), NO_COLOR: "1" };
}

/** Runs one `ringlet` command to its end. Never rejects: the exit code says how it went. */
export function runRinglet(ringlet: string, args: readonly string[], input = "", withinMs = 60_000): Promise<Finished> {
	return new Promise((resolve) => {
		const options = { env: cleanEnvironment(), timeout: withinMs, maxBuffer: 64 * 1024 * 1024 };
		const child = execFile(process.execPath, [ringlet, ...args], options, (error, stdout, stderr) => {
			const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
			resolve({ code, stdout, stderr });
		});
		child.stdin?.on("error", () => undefined);
		child.stdin?.end(input);
	});
}

export class PeerProcess {
	readonly ready: Ready;
	readonly #process: ChildProcess;
	readonly #gone: Promise<number | NodeJS.Signals>;
	readonly #log: { text: string };

	private constructor(
		process: ChildProcess,
		gone: Promise<number | NodeJS.Signals>,
		log: { text: string },
		ready: Ready,
	) {
		this.#process = process;
		this.#gone = gone;
		this.#log = log;
		this.ready = ready;
	}

	/** Starts `ringlet ARGS --json`; resolves when it serves, rejects with the end of its log when it does not. */
	static async start(ringlet: string, args: readonly string[]): Promise<PeerProcess> {
		const child = spawn(process.execPath, [ringlet, ...args, "--json"], {
			env: cleanEnvironment(),
			stdio: ["ignore", "pipe", "pipe"],
		});
		// Whatever ends us, no peer is left behind.
		const lastDitch = (): void => void child.kill("SIGKILL");
		process.once("exit", lastDitch);
		child.once("exit", () => process.off("exit", lastDitch));
		const log = { text: "" };
		child.stderr?.on("data", (data) => {
			log.text = (log.text + data).slice(-MAX_LOG);
		});
		const gone = new Promise<number | NodeJS.Signals>((resolve) => {
			child.once("exit", (code, signal) => resolve(code ?? signal ?? -1));
		});
		try {
			const line = JSON.parse(await firstLine(child, gone)) as Ready | { ready?: undefined; error: string };
			if (line.ready !== true) throw new Error(line.error);
			return new PeerProcess(child, gone, log, line);
		} catch (error) {
			child.kill("SIGKILL");
			throw new Error(
				`a peer did not start: ${error instanceof Error ? error.message : ""}\n${log.text.slice(-4_000)}`,
			);
		}
	}

	/** What it has logged so far. */
	get log(): string {
		return this.#log.text;
	}

	get isRunning(): boolean {
		return this.#process.exitCode === null && this.#process.signalCode === null;
	}

	/** SIGTERM; gives the exit code, or the signal that was needed. */
	async stop(): Promise<number | NodeJS.Signals> {
		if (this.isRunning) this.#process.kill("SIGTERM");
		const timer = setTimeout(() => this.#process.kill("SIGKILL"), STOP_WITHIN_MS);
		const how = await this.#gone;
		clearTimeout(timer);
		return how;
	}

	/** As a power cut: SIGKILL. */
	async kill(): Promise<void> {
		if (this.isRunning) this.#process.kill("SIGKILL");
		await this.#gone;
	}
}

function firstLine(child: ChildProcess, gone: Promise<number | NodeJS.Signals>): Promise<string> {
	return new Promise((resolve, reject) => {
		let text = "";
		const timer = setTimeout(() => reject(new Error(`not ready within ${START_WITHIN_MS} ms`)), START_WITHIN_MS);
		child.stdout?.on("data", (data) => {
			text += data;
			const end = text.indexOf("\n");
			if (end < 0) return;
			clearTimeout(timer);
			resolve(text.slice(0, end));
		});
		void gone.then((how) => {
			clearTimeout(timer);
			reject(new Error(`it ended with ${how}: ${text}`));
		});
	});
}

/** The n-th loopback address of this machine; where there is one only (not Linux), that. */
export function loopback(n: number): string {
	const loopbacks = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
	const wide = loopbacks.some((one) => one.internal && one.family === "IPv4" && one.netmask === "255.0.0.0");
	return wide && process.platform === "linux" ? `127.0.0.${n}` : "127.0.0.1";
}

/** A port of `address` that is free for TCP and UDP at the moment of asking. */
export async function freePort(address: string): Promise<number> {
	for (;;) {
		const port = await new Promise<number>((resolve, reject) => {
			const server = createServer();
			server.once("error", reject);
			server.listen(0, address, () => {
				const at = server.address();
				server.close(() => resolve(typeof at === "object" && at !== null ? at.port : 0));
			});
		});
		if (await isFreeForUdp(address, port)) return port;
	}
}

/** True when a UDP socket can be bound there now. */
export function isFreeForUdp(address: string, port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
		socket.once("error", () => resolve(false));
		socket.bind(port, address, () => socket.close(() => resolve(true)));
	});
}

/**
 * Which of the nodes is responsible for an AOR: the first at or after the Resource-ID, clockwise (RFC 6940 §10.3, §10.5; Resource-ID =
 * the first 16 octets of SHA-1). Hex in and out.
 */
export function responsibleFor(aor: string, nodeIds: readonly string[]): string {
	const resourceId = createHash("sha1").update(aor).digest("hex").slice(0, 32);
	const ring = [...nodeIds].sort();
	return ring.find((nodeId) => nodeId >= resourceId) ?? ring[0] ?? "";
}

/** The first of `names` (then of names with numbers) whose registration is kept at `nodeId`. */
export function nameKeptAt(
	nodeId: string,
	nodeIds: readonly string[],
	domain: string,
	names: readonly string[],
): string {
	for (let round = 0; round < 10_000; round++) {
		for (const name of names) {
			const numbered = round === 0 ? name : `${name}${round}`;
			if (responsibleFor(`${numbered}@${domain}`, nodeIds) === nodeId) return numbered;
		}
	}
	return names[0] ?? "";
}
