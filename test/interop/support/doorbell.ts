/** A doorbell as a process of its own: `ringlet doorbell --json`, driven by lines. */
import { type ChildProcess, spawn } from "node:child_process";
import { RINGLET } from "./programs.ts";
import { waitFor } from "./wait.ts";

/** One line it printed. */
export type DoorbellLine = Readonly<Record<string, unknown>> & { readonly at: number; readonly event?: string };

export class DoorbellProcess {
	readonly lines: DoorbellLine[] = [];
	/** What it wrote on stderr. */
	log = "";
	readonly #process: ChildProcess;
	readonly #gone: Promise<void>;
	#rest = "";

	constructor(flags: readonly string[]) {
		this.#process = spawn(process.execPath, [RINGLET, "doorbell", "--json", ...flags], {
			env: { ...process.env, NO_COLOR: "1", RINGLET_STATE: "" },
			stdio: ["pipe", "pipe", "pipe"],
		});
		const lastDitch = (): void => void this.#process.kill("SIGKILL");
		process.once("exit", lastDitch);
		this.#gone = new Promise((resolve) => {
			this.#process.once("exit", () => {
				process.off("exit", lastDitch);
				resolve();
			});
		});
		this.#process.stdin?.on("error", () => undefined);
		this.#process.stderr?.on("data", (data) => {
			this.log += data;
		});
		this.#process.stdout?.on("data", (data) => this.#read(String(data)));
	}

	#read(data: string): void {
		const parts = (this.#rest + data).split("\n");
		this.#rest = parts.pop() ?? "";
		for (const part of parts) this.lines.push(JSON.parse(part) as DoorbellLine);
	}

	send(line: string): void {
		this.#process.stdin?.write(`${line}\n`);
	}

	get mark(): number {
		return this.lines.length;
	}

	/** Waits for a line with these fields (a text ending in "…" is a beginning), after `from`. */
	async line(wanted: Readonly<Record<string, unknown>>, withinMs = 20_000, from = 0): Promise<DoorbellLine> {
		let found: DoorbellLine | undefined;
		try {
			await waitFor(`doorbell: ${JSON.stringify(wanted)}`, withinMs, () => {
				found = this.lines.slice(from).find((line) => matches(line, wanted));
				return found !== undefined;
			});
		} catch (error) {
			const seen = this.lines.slice(from).map((line) => JSON.stringify(line));
			throw new Error(`${String(error)}; it said\n${seen.join("\n")}\n${this.log}`);
		}
		return found as DoorbellLine;
	}

	async status(): Promise<Readonly<Record<string, unknown>>> {
		const from = this.mark;
		this.send("status");
		await waitFor("doorbell: status", 20_000, () => this.lines.slice(from).some((line) => "status" in line));
		return this.lines.slice(from).find((line) => "status" in line)?.status as Readonly<Record<string, unknown>>;
	}

	/** Waits until it has this many SIP connections and is registered. */
	async ready(edges: number, withinMs = 60_000): Promise<void> {
		await waitFor(
			`doorbell: ${edges} edges`,
			withinMs,
			async () => {
				const status = await this.status();
				return status.edges === edges && status.isRegistered === true;
			},
			250,
		);
	}

	async stop(): Promise<void> {
		if (this.#process.exitCode === null && this.#process.signalCode === null) {
			this.send("quit");
			const patience = setTimeout(() => this.#process.kill("SIGKILL"), 10_000);
			await this.#gone;
			clearTimeout(patience);
		}
	}
}

function matches(line: DoorbellLine, wanted: Readonly<Record<string, unknown>>): boolean {
	return Object.entries(wanted).every(([name, value]) => {
		const is = line[name];
		if (typeof value === "string" && value.endsWith("…")) return String(is).startsWith(value.slice(0, -1));
		return is === value;
	});
}
