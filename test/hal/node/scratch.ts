/** Directories that are gone after the test file, and modules run in a process of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { afterAll } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const made: string[] = [];

afterAll(() => {
	for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** A new empty directory, removed after the tests of the calling file. */
export function scratch(): string {
	const directory = mkdtempSync(join(tmpdir(), "ringlet-test-"));
	made.push(directory);
	return directory;
}

const bundles = new Map<string, string>();

/** Starts a module of this directory as a program; `prefix` may hold a shell's set-up ("ulimit -f 100;"). */
export function run(module: string, args: readonly string[], prefix = ""): ChildProcess {
	let code = bundles.get(module);
	if (code === undefined) {
		const built = buildSync({
			entryPoints: [fileURLToPath(new URL(module, import.meta.url))],
			bundle: true,
			write: false,
			platform: "node",
			format: "esm",
			packages: "external",
		});
		code = built.outputFiles[0]!.text;
		bundles.set(module, code);
	}
	// A module given by --eval resolves packages from the working directory.
	const node = ["--input-type=module", "--eval", code, "--", ...args];
	if (prefix === "") return spawn(process.execPath, node, { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
	// Set up to fail: what lmdb itself says about it on stderr is not of interest.
	const shell = ["-c", `${prefix} exec "$0" "$@"`, process.execPath, ...node];
	return spawn("sh", shell, { cwd: ROOT, stdio: ["pipe", "pipe", "ignore"] });
}

/** Calls back for each line a program prints. */
export function onLines(child: ChildProcess, onLine: (line: string) => void): void {
	let rest = "";
	child.stdout!.setEncoding("utf8");
	child.stdout!.on("data", (text: string) => {
		const lines = (rest + text).split("\n");
		rest = lines.pop()!;
		for (const line of lines) onLine(line);
	});
}

/** How a program ended: its exit code, or the signal that killed it. */
export function ended(child: ChildProcess): Promise<number | NodeJS.Signals> {
	return new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal!)));
}
