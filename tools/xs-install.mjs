// Installs the XS engine of the tests (test/xs, a package of its own) once: it compiles for about a minute, with make and a C compiler.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const FOLDER = new URL("../test/xs/", import.meta.url);
const PACKAGE = new URL("node_modules/@agoric/xsnap/", FOLDER);
const WORKER = `xsnap-native/xsnap/build/bin/${process.platform === "darwin" ? "mac" : "lin"}/release/xsnap-worker`;

function isInstalled() {
	if (!existsSync(new URL(WORKER, PACKAGE))) return false;
	const wanted = JSON.parse(readFileSync(new URL("package.json", FOLDER), "utf8")).dependencies["@agoric/xsnap"];
	return JSON.parse(readFileSync(new URL("package.json", PACKAGE), "utf8")).version === wanted;
}

if (!isInstalled() && (process.env.XSNAP_WORKER ?? "") === "") {
	console.log("installing the XS engine for the tests (once, about a minute)");
	const result = spawnSync("npm", ["ci", "--prefix", FOLDER.pathname, "--ignore-scripts=false", "--loglevel=error"], {
		encoding: "utf8",
	});
	if (!isInstalled()) {
		// The tests that need it fail and say so, in a line each; here is why.
		const last = `${result.stdout ?? ""}${result.stderr ?? ""}`.trim().split("\n").slice(-5).join("\n");
		console.log(
			`the XS engine could not be installed (npm ci --prefix test/xs; needs make and a C compiler):\n${last}`,
		);
	}
}
