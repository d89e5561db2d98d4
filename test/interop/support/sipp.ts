/** sipp as a phone with a script (test/interop/sipp/*.xml): exact status codes, and moments that a real phone does not hit. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, isFreeForUdp } from "../../../tools/demo/processes.ts";
import { DOMAIN } from "./household.ts";
import { waitFor } from "./wait.ts";

export interface SippOptions {
	/** File of test/interop/sipp without .xml. */
	readonly scenario: string;
	/** Edge: host:port. */
	readonly edge: string;
	/** Loopback address of sipp itself. */
	readonly address: string;
	/** Port of sipp itself: so that what one scenario registers, another answers. */
	readonly port?: number;
	readonly transport?: "udp" | "tcp";
	/** The account: [user] in the scenario, and its digest. */
	readonly user: string;
	readonly password: string;
	/** [to] in the scenario. */
	readonly to?: string;
	/** More keys of the scenario. */
	readonly keys?: Readonly<Record<string, string>>;
	readonly withinMs?: number;
}

const FOLDER = new URL("../sipp/", import.meta.url).pathname;

/** One run of a scenario. */
export class Sipp {
	readonly port: number;
	/** Resolves when the scenario has gone through as written; rejects with sipp's own log when it has not. */
	readonly done: Promise<void>;
	readonly #process: ChildProcess;
	#output = "";

	private constructor(process: ChildProcess, folder: string, options: SippOptions, port: number) {
		this.port = port;
		this.#process = process;
		for (const stream of [process.stdout, process.stderr])
			stream?.on("data", (data) => {
				this.#output = (this.#output + data).slice(-20_000);
			});
		this.done = new Promise((resolve, reject) => {
			process.once("error", reject);
			process.once("exit", (code) => {
				const logs = code === 0 ? "" : logsOf(folder);
				rmSync(folder, { recursive: true, force: true });
				if (code === 0) resolve();
				else reject(new Error(`sipp ${options.scenario} ended with ${code}\n${logs || this.#output}`));
			});
		});
		// Whoever waits later still sees it; nobody waiting yet is no crash.
		this.done.catch(() => undefined);
	}

	static async start(options: SippOptions): Promise<Sipp> {
		const folder = mkdtempSync(join(tmpdir(), "ringlet-sipp-"));
		const port = options.port ?? (await freePort(options.address));
		const keys = { user: options.user, domain: DOMAIN, to: options.to ?? options.user, ...options.keys };
		const isRegister = options.scenario.startsWith("register");
		const args = [
			...[options.edge, "-sf", join(FOLDER, `${options.scenario}.xml`), "-m", "1", "-l", "1"],
			...["-i", options.address, "-p", String(port), "-t", options.transport === "tcp" ? "t1" : "u1"],
			// sipp would write its own idea of the Request-URI into the digest.
			...["-auth_uri", isRegister ? DOMAIN : `${keys.to}@${DOMAIN}`],
			...["-au", options.user, "-ap", options.password, "-nostdin", "-timeout_error"],
			...["-timeout", `${Math.ceil((options.withinMs ?? 20_000) / 1000)}s`],
			...["-trace_err", "-error_file", join(folder, "errors"), "-trace_msg", "-message_file", join(folder, "messages")],
			...Object.entries(keys).flatMap(([key, value]) => ["-key", key, value]),
		];
		const run = new Sipp(
			spawn("sipp", args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] }),
			folder,
			options,
			port,
		);
		await run.#listening(options);
		return run;
	}

	/** A script that waits to be called must not be called before it listens. */
	async #listening({ address, transport }: SippOptions): Promise<void> {
		const ended = this.done.then(
			() => true,
			() => true,
		);
		await waitFor(`sipp at port ${this.port}`, 5_000, async () => {
			if (await Promise.race([ended, Promise.resolve(false)])) return true;
			return transport === "tcp" || !(await isFreeForUdp(address, this.port));
		});
	}

	stop(): void {
		this.#process.kill("SIGKILL");
	}
}

/** Runs a scenario to its end. */
export async function sipp(options: SippOptions): Promise<void> {
	await (await Sipp.start(options)).done;
}

function logsOf(folder: string): string {
	return readdirSync(folder)
		.map((name) => `--- ${name}\n${readFileSync(join(folder, name), "utf8").slice(-12_000)}`)
		.join("\n");
}
