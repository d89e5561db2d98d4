/** Runs the programs of the benches: ours, and those we compare with, which are fetched and compiled here. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const BASELINE = fileURLToPath(new URL("../../tools/bench/baseline/", import.meta.url));
const OPENDHT = join(HERE, "opendht");

/** How our own benches run: the young generation of V8's heap at most 2 x 4 MiB, as the unit for a Raspberry Pi has it. */
const OUR_NODE = "--max-semi-space-size=4";

/** True when a program of this name can be run. */
export function hasProgram(name: string): boolean {
	return (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, name)));
}

/** Runs a program and gives what it printed. Rejects with its last words when it fails. */
function output(program: string, args: readonly string[], cwd: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
		let text = "";
		let complaint = "";
		child.stdout.on("data", (chunk: Buffer) => {
			text += chunk.toString();
		});
		child.stderr.on("data", (chunk: Buffer) => {
			complaint = `${complaint}${chunk}`.slice(-2_000);
		});
		child.once("error", reject);
		child.once("close", (code) => {
			if (code === 0) resolve(text);
			else reject(new Error(`${program} ${args.join(" ")} ended with ${code}\n${complaint}`));
		});
	});
}

/** One of our benches, by the name of its file; what it prints. */
export function ours(bench: string, args: readonly (string | number)[]): Promise<string> {
	return output(process.execPath, [OUR_NODE, join(HERE, `${bench}.js`), ...args.map(String)], HERE);
}

/** js-libp2p of `tools/bench/baseline`, with Node's own defaults; what it prints. */
export function libp2p(args: readonly number[]): Promise<string> {
	return output(process.execPath, ["libp2p.mjs", ...args.map(String)], BASELINE);
}

export function opendht(args: readonly number[]): Promise<string> {
	return output(OPENDHT, args.map(String), HERE);
}

/** Installs the baseline's packages into its own folder; why not, in words, when that fails. */
export function installLibp2p(): string | undefined {
	if (existsSync(join(BASELINE, "node_modules", "libp2p"))) return undefined;
	try {
		execFileSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: BASELINE, stdio: ["ignore", "ignore", "pipe"] });
		return undefined;
	} catch (error) {
		return `js-libp2p cannot be installed (npm ci in tools/bench/baseline): ${(error as Error).message.split("\n")[0]}`;
	}
}

/** Compiles `baseline/opendht.cpp`; how to get what it needs, when that is not there. */
export function compileOpendht(): string | undefined {
	if (existsSync(OPENDHT)) return undefined;
	if (!hasProgram("g++") || !existsSync("/usr/include/opendht.h"))
		return "OpenDHT is left out: sudo apt-get install g++ libopendht-dev libfmt-dev";
	const args = ["-O2", "-std=c++17", "-o", OPENDHT, join(BASELINE, "opendht.cpp"), "-lopendht", "-lfmt", "-lpthread"];
	try {
		execFileSync("g++", args, { stdio: ["ignore", "ignore", "pipe"] });
		return undefined;
	} catch (error) {
		return `OpenDHT is left out, it does not compile: ${(error as Error).message.split("\n")[1] ?? ""}`;
	}
}
