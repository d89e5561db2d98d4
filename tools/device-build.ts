/**
 * Makes the device's bundles in dist/device: ECMAScript modules that manifest.json names for the Moddable SDK, and that the XS worker of
 * the tests links as they are.
 *
 * ```
 *   main.js --> core.js      DeviceUnit and all of core/ that a device needs; preloaded into flash
 *          '--> hal.js       hal/xs
 *                 '--> secure.js    TLS over ssl/*; the host's stands in its place on a PC
 *   boards/<board>.js, network-<platform>.js: chosen by the manifest
 * ```
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Metafile, type Plugin, transform } from "esbuild";
import { openPrivates } from "./open-privates.ts";

/** Modules of the SDK: they stay imports, and manifest.json says where each comes from. */
export const EXTERNAL: readonly string[] = Object.freeze([
	"embedded:*",
	"timer",
	"time",
	"net",
	"sntp",
	"system",
	"crypt",
	"curve",
	"ecdsa",
	"ecp",
	"rng",
	"x509",
	"mc/*",
	"ssl/*",
	"ringlet/*",
]);

/** The project's folder: this file lies in tools/, or in dist/ when it was bundled. */
export function projectFolder(): string {
	return join(dirname(fileURLToPath(import.meta.url)), import.meta.url.includes("/dist/tools/") ? "../.." : "..");
}

/** bundle -> entry */
export function deviceEntries(root: string): Record<string, string> {
	const entries: Record<string, string> = {
		core: "targets/esp32/core.ts",
		hal: "hal/xs/index.ts",
		secure: "hal/xs/secure.ts",
		main: "targets/esp32/main.ts",
		"network-esp32": "targets/esp32/network-esp32.ts",
		"network-lin": "targets/esp32/network-lin.ts",
	};
	for (const file of readdirSync(join(root, "targets/esp32/boards")).sort()) {
		entries[`boards/${file.replace(".ts", "")}`] = `targets/esp32/boards/${file}`;
	}
	return entries;
}

export interface DeviceBundle {
	readonly name: string;
	readonly text: string;
	/** What it imports of others. */
	readonly imports: readonly string[];
	/** file -> octets of it in the bundle */
	readonly inputs: ReadonlyMap<string, number>;
}

export interface DeviceBuildOptions {
	/** Default "es2022", which XS 17 reads. */
	readonly target?: string;
	readonly isMinified?: boolean;
	/** Only these. */
	readonly only?: readonly string[];
}

/** Each file's `#private` names become ordinary ones. */
function privates(): Plugin {
	let files = 0;
	return {
		name: "privates",
		setup(hooks) {
			hooks.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
				// Types first: behind a "!" of theirs a division would look like a regular expression.
				const { code } = await transform(readFileSync(path, "utf8"), { loader: "ts", target: "es2022" });
				return { contents: openPrivates(code, (files++).toString(36)), loader: "js" };
			});
		},
	};
}

/** What of cbor-x nobody uses stays out: its package does not say that its files are free of side effects, and they are. */
const decoderOnly: Plugin = {
	name: "decoder-only",
	setup(hooks) {
		hooks.onResolve({ filter: /^cbor-x|^\.\/(decode|encode|iterators)\.js$/ }, async (found) => {
			if (found.pluginData === decoderOnly || !/cbor-x/.test(found.path + found.importer)) return undefined;
			const { path, resolveDir, kind } = found;
			const resolved = await hooks.resolve(path, { resolveDir, kind, pluginData: decoderOnly });
			return { ...resolved, sideEffects: false };
		});
	},
};

/** Makes the bundles, in memory. */
export async function buildDevice(options: DeviceBuildOptions = {}): Promise<DeviceBundle[]> {
	const root = projectFolder();
	const bundles: DeviceBundle[] = [];
	for (const [name, entry] of Object.entries(deviceEntries(root))) {
		if (options.only !== undefined && !options.only.includes(name)) continue;
		// One by one: in one run esbuild would share chunks, and the preloaded core must not share with what is not.
		const result = await build({
			absWorkingDir: root,
			entryPoints: [entry],
			bundle: true,
			write: false,
			metafile: true,
			format: "esm",
			target: options.target ?? "es2022",
			minify: options.isMinified ?? false,
			external: [...EXTERNAL],
			legalComments: "none",
			plugins: [privates(), decoderOnly],
			logLevel: "warning",
			// cbor-x asks whether there is a Buffer, and so forth: on the device there is nothing of the kind.
			mainFields: ["module", "main"],
			conditions: ["module"],
		});
		bundles.push(describe(name, result.outputFiles[0]!.text, result.metafile));
	}
	return bundles;
}

function describe(name: string, text: string, metafile: Metafile): DeviceBundle {
	const output = Object.values(metafile.outputs)[0]!;
	const inputs = new Map(Object.entries(output.inputs).map(([file, part]) => [file, part.bytesInOutput]));
	const imports = output.imports.filter((one) => one.external === true).map((one) => one.path);
	return { name, text, imports: [...new Set(imports)].sort(), inputs };
}

/** Makes them as files. */
export async function writeDevice(outdir: string): Promise<DeviceBundle[]> {
	const bundles = await buildDevice();
	rmSync(outdir, { recursive: true, force: true });
	for (const bundle of bundles) {
		const file = join(outdir, `${bundle.name}.js`);
		mkdirSync(dirname(file), { recursive: true });
		writeFileSync(file, bundle.text);
	}
	return bundles;
}
