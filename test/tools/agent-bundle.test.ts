/** What a device carries of the SIP room, as esbuild sees it. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";

/** Octets, minified. Grows only with a reason. */
const MAX_OCTETS = 90_000;

/** Modules of a peer. */
const PEER_ONLY = [
	"edge",
	"proxy",
	"fork",
	"branch",
	"registrar",
	"bindings",
	"gate",
	"auth",
	"flows",
	"tokens",
	"server",
	"ua",
];

test("the user agent's bundle has nothing of the edge and stays small", async () => {
	const { metafile, outputFiles } = await build({
		entryPoints: [fileURLToPath(new URL("../../core/sip/agent/agent.ts", import.meta.url))],
		bundle: true,
		minify: true,
		write: false,
		format: "esm",
		target: "es2022",
		metafile: true,
	});
	const inputs = Object.keys(metafile.inputs).map((path) => path.slice(path.indexOf("core/")));
	for (const name of PEER_ONLY) expect(inputs).not.toContain(`core/sip/${name}.ts`);
	for (const path of inputs) expect(path).toMatch(/^core\/(sip|wire|config\/base64)/);
	expect(outputFiles[0]!.contents.length).toBeLessThan(MAX_OCTETS);
});
