/** Bundles a vitest file for the engine: one program, with what is Node's replaced by test/xs/shims. */
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { build, type Plugin } from "esbuild";

const ROOT = new URL("../..", import.meta.url).pathname;
const SHIMS = `${ROOT}test/xs/shims/`;

/** import -> shim */
const REPLACED: Readonly<Record<string, string>> = Object.freeze({
	vitest: "vitest.ts",
	"fast-check": "fast-check.ts",
});
/** Node's modules of which there is a part; of all others there is nothing. */
const NODE_PARTS: readonly string[] = Object.freeze(["node:crypto", "node:fs"]);

/** files of the HAL that would be slow, or Node's */
const REPLACED_FILES: readonly (readonly [RegExp, string])[] = Object.freeze([
	[/\/hal\/noble\.ts$/, "noble.ts"],
	[/\/hal\/node\/crypto\.ts$/, "node-hal.ts"],
] as const);

/** Marks the shims' own imports of what they stand for. */
const REAL = "real";

const shims: Plugin = {
	name: "shims",
	setup(hooks) {
		hooks.onResolve({ filter: /^(vitest|fast-check)$/ }, (found) =>
			found.pluginData === REAL ? undefined : { path: SHIMS + REPLACED[found.path]! },
		);
		hooks.onResolve({ filter: /^node:/ }, (found) => ({ path: found.path, namespace: "node" }));
		hooks.onLoad({ filter: /.*/, namespace: "node" }, (module) => {
			const part = `${SHIMS}${module.path.replace(":", "-")}.ts`;
			const have = NODE_PARTS.includes(module.path) ? `require(${JSON.stringify(part)})` : "{}";
			return { contents: NODE_MODULE.replace("HAVE", have), loader: "js", resolveDir: SHIMS };
		});
		hooks.onResolve({ filter: /^ringlet-real:/ }, (found) =>
			hooks.resolve(found.path.slice("ringlet-real:".length), {
				kind: found.kind,
				resolveDir: ROOT,
				pluginData: REAL,
			}),
		);
		hooks.onResolve({ filter: /\/hal\/(noble|node\/crypto)\.ts$/ }, (found) => {
			const shim = REPLACED_FILES.find(([pattern]) => pattern.test(found.path));
			return shim === undefined ? undefined : { path: SHIMS + shim[1] };
		});
		// cbor-x would take the tests' Buffer for Node's.
		hooks.onLoad({ filter: /\/cbor-x\/.*\.js$/ }, (file) => ({
			contents: readFileSync(file.path, "utf8").replaceAll("globalThis.Buffer", "undefined"),
			loader: "js",
		}));
		// Files know where they are by `import.meta.url`: below the root, as the process around the engine reads them.
		hooks.onLoad({ filter: /\/test\/.*\.ts$/ }, (file) => ({
			contents: readFileSync(file.path, "utf8").replaceAll(
				"import.meta.url",
				JSON.stringify(`file:///${relative(ROOT, file.path)}`),
			),
			loader: "ts",
		}));
	},
};

/** A module whose missing names say so when they are used, not when they are imported: a suite may need one of them in one test. */
const NODE_MODULE = `
const have = HAVE;
module.exports = Object.create(new Proxy({}, {
	get: (_target, name) => name in have ? have[name] : name === "__esModule" ? true : function none() {
		throw new Error(String(name) + " is Node's");
	},
	has: () => true,
}));
`;

const ENTRY = `
import "./shims/globals.ts";
import { collected, run } from "./shims/vitest.ts";
import SUITE;
const coder = new TextEncoder();
const decoder = new TextDecoder();
const told = (value) => coder.encode(JSON.stringify(value)).buffer;
const failed = (error) => told({ error: error instanceof Error ? error.message + "\\n" + error.stack : String(error) });
globalThis.handleCommand = (command) => {
	const what = JSON.parse(decoder.decode(command));
	if (what === "collect") return told({ names: collected() });
	const reply = { result: undefined };
	try {
		const promise = run(what);
		if (promise === undefined) reply.result = told({});
		else promise.then(() => { reply.result = told({}); }, (error) => { reply.result = failed(error); });
	} catch (error) {
		reply.result = failed(error);
	}
	return reply;
};
`;

/** The program for `file` (a path from the project's root), to be evaluated in the engine. */
export async function bundleSuite(file: string): Promise<string> {
	const result = await build({
		stdin: {
			contents: ENTRY.replace("SUITE", JSON.stringify(`../../${file}`)),
			resolveDir: `${ROOT}test/xs`,
			sourcefile: "entry.js",
			loader: "js",
		},
		bundle: true,
		write: false,
		format: "iife",
		// XS 13.3 fails on static fields that name their own class.
		target: "es2020",
		define: { "process.memoryUsage": "undefined" },
		logLevel: "silent",
		plugins: [shims],
	});
	return `${result.outputFiles[0]!.text};0`;
}
