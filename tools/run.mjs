// Runs a TypeScript tool: node tools/run.mjs tools/footprint.ts [arguments].
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const [tool, ...rest] = process.argv.slice(2);
const root = new URL("..", import.meta.url).pathname;
const outfile = `${root}dist/tools/${tool.split("/").pop().replace(".ts", ".js")}`;
await build({
	absWorkingDir: root,
	entryPoints: [tool],
	outfile,
	bundle: true,
	platform: "node",
	target: "node20",
	format: "esm",
	packages: "external",
	logLevel: "warning",
});
process.argv = [process.argv[0], outfile, ...rest];
await import(pathToFileURL(outfile).href);
