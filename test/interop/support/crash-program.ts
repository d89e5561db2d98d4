/** Builds a module of this directory into a program that can be started (and killed) many times. */
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

/** The program's file, in `folder`; npm packages stay outside because lmdb carries native code. */
export function buildProgram(module: string, folder: string): string {
	const outfile = join(folder, "program.mjs");
	buildSync({
		entryPoints: [fileURLToPath(new URL(module, import.meta.url))],
		outfile,
		bundle: true,
		platform: "node",
		target: "node20",
		format: "esm",
		packages: "external",
	});
	// Packages are looked for beside the program.
	symlinkSync(fileURLToPath(new URL("../../../node_modules", import.meta.url)), join(folder, "node_modules"), "dir");
	return outfile;
}
