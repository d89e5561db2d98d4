// Builds the benches into dist/bench; npm packages stay outside, as in the product. Nothing else of dist/ is touched.
import { readdirSync } from "node:fs";
import { build } from "esbuild";

await build({
	entryPoints: readdirSync("tools/bench")
		.filter((name) => name.endsWith(".ts"))
		.map((name) => `tools/bench/${name}`),
	outdir: "dist/bench",
	bundle: true,
	platform: "node",
	target: "node20",
	format: "esm",
	packages: "external",
	logLevel: "warning",
});
