// Builds the Node product: dist/ringlet.js, one file; npm packages stay outside because lmdb carries native code.
import { chmodSync, rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("dist", { recursive: true, force: true });
await build({
	entryPoints: { ringlet: "tools/ringlet.ts" },
	outdir: "dist",
	bundle: true,
	platform: "node",
	target: "node20",
	format: "esm",
	packages: "external",
	sourcemap: true,
	logLevel: "warning",
	banner: { js: "#!/usr/bin/env node" },
});
chmodSync("dist/ringlet.js", 0o755);
