/** `npm run footprint`: what the device weighs, beside its budget. `--code`: only the code, which needs no peer. */
import { codeSizes, deviceCode } from "./footprint/code.ts";
import { BUDGET_CODE, BUDGET_SLOTS_IN_CALL, BUDGET_SLOTS_REGISTERED } from "./footprint/limits.ts";
import { liveSizes } from "./footprint/live.ts";
import { NO_ENGINE, workerProgram } from "./xs-host/worker.ts";

const CALLS = [10, 100];
/** Owners that are listed. */
const SHOWN = 12;

function number(value: number): string {
	return Math.round(value).toLocaleString("en");
}

if (workerProgram() === undefined) {
	console.error(NO_ENGINE);
	process.exit(2);
}

const sizes = await codeSizes();
console.log("| code | minified | byte code |\n| --- | ---: | ---: |");
for (const { name, minified, code, folders } of sizes) {
	console.log(`| ${name} | ${number(minified)} | ${number(code)} |`);
	if (folders.size < 2 || name !== "core") continue;
	for (const [folder, octets] of [...folders].sort((a, b) => b[1] - a[1])) {
		console.log(`| - ${folder.replace("node_modules/", "")} | | ${number(octets)} |`);
	}
}
console.log(`| all (budget ${number(BUDGET_CODE)}) | | ${number(deviceCode(sizes))} |`);

if (!process.argv.includes("--code")) {
	const live = await liveSizes(CALLS);
	console.log("\n| memory above the bare engine | slots | octets | budget |\n| --- | ---: | ---: | ---: |");
	const row = (what: string, slots: number, budget: number | string): void =>
		console.log(
			`| ${what} | ${number(slots)} | ${number(16 * slots)} | ${typeof budget === "number" ? number(budget) : budget} |`,
		);
	row("registered", live.registered, BUDGET_SLOTS_REGISTERED);
	row("in a call", live.inCall, BUDGET_SLOTS_IN_CALL);
	for (const { calls, slots } of live.after) row(`after ${calls} calls`, slots, "");
	console.log("\nslots by owner, registered (fields of the unit)");
	for (const [owner, { objects, slots }] of live.holders.byOwner.slice(0, SHOWN)) {
		console.log(`  ${number(slots).padStart(6)}  ${owner} (${objects})`);
	}
	console.log(
		`\nchunks in the engine of the tests: registered ${number(live.chunksRegistered)}, in a call ${number(live.chunksInCall)}`,
	);
}
