/** The device's bundles: what they import is provided, what is a peer's is not in them, and they can be preloaded into flash. */
import { readFileSync } from "node:fs";
import { transform } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import { buildDevice, type DeviceBundle, EXTERNAL } from "../../tools/device-build.ts";
import { openPrivates } from "../../tools/open-privates.ts";

interface Manifest {
	readonly include?: readonly string[];
	readonly modules?: Readonly<Record<string, string>>;
	readonly preload?: readonly string[];
	readonly config?: Readonly<Record<string, unknown>>;
	readonly creation?: { readonly chunk: { readonly initial: number }; readonly heap: { readonly initial: number } };
	readonly platforms?: Readonly<Record<string, Manifest>>;
}

const ROOT = new URL("../..", import.meta.url).pathname;
const manifest = JSON.parse(readFileSync(`${ROOT}manifest.json`, "utf8")) as Manifest;
const BOARDS = ["esp32", "esp32/esp32s3", "esp32/m5atom_s3_echo_base"];

/** module of the SDK -> the manifest that brings it (8.2.3) */
const IO = "$(MODDABLE)/modules/io/manifest.json";
const NET = "$(MODDABLE)/examples/manifest_net.json";
const TLS = "$(MODDABLE)/modules/crypt/tls_419.json";
const BASE = "$(MODDABLE)/examples/manifest_base.json";
const PROVIDED: Readonly<Record<string, string>> = Object.freeze({
	timer: BASE,
	time: BASE,
	"mc/config": BASE,
	system: IO,
	"embedded:io/socket/tcp": IO,
	"embedded:io/socket/udp": IO,
	net: NET,
	sntp: NET,
	crypt: TLS,
	curve: TLS,
	ecdsa: TLS,
	ecp: TLS,
	rng: TLS,
	x509: TLS,
	"ssl/session": TLS,
	"ssl/handshake": TLS,
	"ssl/stream": TLS,
	"embedded:io/digital": "$(MODULES)/io/digital/manifest.json",
	"embedded:io/audio/in": "$(MODULES)/io/audioin/manifest.json",
	"embedded:io/audio/out": "$(MODULES)/io/audioout/manifest.json",
	"embedded:storage/key-value": "$(MODULES)/io/storage/manifest.json",
	"embedded:network/interface/wifi": "$(MODULES)/io/wifi/manifest.json",
});

/** What a device has no use for. The three files of core/storage check what was fetched, and are the reader's as well. */
const FORBIDDEN: readonly RegExp[] = [
	/^targets\/(pi|sim)\//,
	/^tools\//,
	/^core\/overlay\/topology\//,
	/^core\/overlay\/(peer|topology-driver|storage-glue|maintenance|persistence)\.ts$/,
	/^core\/storage\/(?!access|redir-tree|verify-fetched|types|limits)/,
	/^core\/config\/write\.ts$/,
	/^core\/sip\/(proxy|fork|registrar|edge[a-z-]*|bindings|auth|nonces|flows|route|gate|server)\.ts$/,
	/^core\/usages\/device-settings-seal\.ts$/,
	/@noble|lmdb|valibot|commander/,
];

let bundles: DeviceBundle[];
const bundle = (name: string): DeviceBundle => bundles.find((one) => one.name === name)!;

beforeAll(async () => {
	bundles = await buildDevice();
});

/** The manifest as mcconfig sees it for a board: top level, then platform, then board. */
function resolved(board: string): { include: string[]; modules: Record<string, string> } {
	const parts = [
		manifest,
		...(board.includes("/") ? [manifest.platforms![board.split("/")[0]!]!] : []),
		manifest.platforms![board]!,
	];
	return {
		include: parts.flatMap((part) => part?.include ?? []),
		modules: Object.assign({}, ...parts.map((part) => part?.modules ?? {})),
	};
}

describe("imports", () => {
	test.each(BOARDS)("%s: each is a module of ours, or one that an included manifest brings", (board) => {
		const { include, modules } = resolved(board);
		const names = new Set(Object.values(modules).map((path) => path.replace("./dist/device/", "")));
		const used = bundles.filter(({ name }) => names.has(name));
		expect(used.map(({ name }) => name).sort()).toEqual([...names].sort());
		for (const { name, imports } of used) {
			for (const one of imports) {
				if (one.startsWith("ringlet/")) expect(modules, `${name} imports ${one}`).toHaveProperty([one]);
				else expect(include, `${name} imports ${one}`).toContain(PROVIDED[one]);
			}
		}
	});

	test("only one file knows ssl/*, and it is not in the bundle hal", () => {
		const knows = bundles.filter(({ imports }) => imports.some((one) => one.startsWith("ssl/")));
		expect(knows.map(({ name }) => name)).toEqual(["secure"]);
		expect(bundle("core").imports).toEqual([]);
	});

	test("nothing of Node", () => {
		for (const { name, imports } of bundles) {
			for (const one of imports) {
				const isKnown = EXTERNAL.some((known) =>
					known.endsWith("*") ? one.startsWith(known.slice(0, -1)) : one === known,
				);
				expect(isKnown, `${name} imports ${one}`).toBe(true);
			}
		}
	});
});

test("nothing of a peer is in the bundles", () => {
	for (const { name, inputs } of bundles) {
		for (const [file, octets] of inputs) {
			const isForbidden = octets > 0 && FORBIDDEN.some((pattern) => pattern.test(file));
			expect(isForbidden, `${name} has ${file}`).toBe(false);
		}
	}
});

describe("core can be preloaded", () => {
	test("no private name is left", () => {
		expect(bundle("core").text).not.toMatch(/[.\s(]#[A-Za-z_]/);
	});

	test("no Map, Set, buffer or expression of g or y at module level that something could write to", async () => {
		// At the left edge of the bundle stands what runs when the module is loaded; classes and functions are indented below theirs.
		const lines = bundle("core").text.split("\n");
		const ours = lines.findIndex((line) => line.startsWith("// node_modules/"));
		expect(ours).toBeGreaterThanOrEqual(-1);
		let file = "";
		for (const line of lines) {
			if (line.startsWith("// ")) file = line.slice(3);
			// cbor-x: measured on the device's engine, in flash (docs/device.md).
			if (file.startsWith("node_modules/cbor-x")) continue;
			expect(line, file).not.toMatch(/^(var|let|const) \S+ = new (Map|Set|WeakMap|WeakSet)\b/);
			expect(line, file).not.toMatch(/^let \S+ = /);
			expect(line, file).not.toMatch(/^var \S+ = \/.*\/[a-z]*[gy]/);
		}
	});
});

describe("boards", () => {
	test("the fixed heap of lin is that of a plain ESP32; PSRAM has more", () => {
		const { lin, esp32 } = manifest.platforms!;
		expect(lin!.creation).toEqual(esp32!.creation);
		expect(manifest.platforms!["esp32/esp32s3"]!.creation!.heap.initial).toBeGreaterThan(10_000);
	});

	test("the SDK's own setup does not wait for Wi-Fi or time before the doorbell runs", () => {
		expect(manifest.config).not.toHaveProperty("ssid");
		expect(manifest.config!.sntp).toBe("");
	});
});

describe("private names become ordinary ones", () => {
	test("each class has names of its own; strings, comments, templates and expressions stay", async () => {
		const source = `
class A { #x = 1; get() { return this.#x + "#x".length; } has(o) { return #x in o; } }
class B extends A { #x = 2; own() { return \`#x \${this.#x} \${\`\${this.#x}\`} #\`; } hash() { return /[#x/]#y/.test("x#y") ? 8 / 2 / this.#x : 0; } }
// #comment
export const b = new B();`;
		const opened = openPrivates(source, "q");
		expect(opened).not.toMatch(/this\.#/);
		expect(opened).toContain("// #comment");
		const { code } = await transform(opened, { format: "cjs" });
		const exported = { exports: {} as Record<string, { get(): number; own(): string; hash(): number }> };
		new Function("module", "exports", code)(exported, exported.exports);
		const b = exported.exports.b!;
		expect(b.get()).toBe(3);
		expect(b.own()).toBe("#x 2 2 #");
		expect(b.hash()).toBe(2);
	});
});
