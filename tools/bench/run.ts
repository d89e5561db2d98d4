/**
 * All benches, ours and what they are held against by turns, in one run:
 *
 *   npm run bench [-- SUITE...] [--quick] [--rounds N] [--json | --markdown]
 *
 * Suites: codec forward dht sip-parse sip-proxy press; all when none is named. `--markdown` is what docs/bench.md holds. Exit code 1 when a
 * required figure is short.
 */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { asMarkdown, asText, type Figure, passes, type Section, type Table, verdicts } from "./figures.ts";
import { codec, dht, forward, type SuiteOptions } from "./suites-overlay.ts";
import { press } from "./suites-press.ts";
import { sipParse, sipProxy } from "./suites-sip.ts";

const SUITES: Readonly<Record<string, (options: SuiteOptions) => Promise<Section>>> = {
	codec,
	forward,
	dht,
	"sip-parse": sipParse,
	"sip-proxy": sipProxy,
	press,
};

function usage(complaint: string): never {
	console.error(
		`${complaint}\nnpm run bench [-- ${Object.keys(SUITES).join(" ")}] [--quick] [--rounds N] [--json | --markdown]`,
	);
	process.exit(2);
}

function readArguments() {
	try {
		return parseArgs({
			allowPositionals: true,
			options: {
				quick: { type: "boolean", default: false },
				rounds: { type: "string" },
				json: { type: "boolean", default: false },
				markdown: { type: "boolean", default: false },
			},
		});
	} catch (error) {
		return usage((error as Error).message);
	}
}

const { values, positionals } = readArguments();
const names = positionals.length > 0 ? positionals : Object.keys(SUITES);
for (const name of names) if (!(name in SUITES)) usage(`there is no suite ${name}`);
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
if (!Number.isInteger(rounds) || rounds < 1) usage(`--rounds ${values.rounds}: a whole number from 1 on`);

/** How busy the machine was, at the beginning and at the end: other programs disturb every figure but the ratios. */
const load = (): string => loadavg()[0]!.toFixed(1);
const before = load();

const tables: Table[] = [];
const figures: Figure[] = [];
const missing: string[] = [];
for (const name of names) {
	const say = (text: string): void => console.error(`bench: ${text}`);
	const section = await SUITES[name]!({ quick: values.quick, rounds, say });
	tables.push(...section.tables);
	figures.push(...section.figures);
	missing.push(...section.missing);
}

const cores = cpus();
const machine = `${cores.length} x ${cores[0]?.model ?? "unknown CPU"}, Node ${process.version}, load ${before} before and ${load()} after`;
const short = figures.filter((figure) => !passes(figure));
if (figures.length > 0) tables.unshift(verdicts(figures));

if (values.json) {
	console.log(JSON.stringify({ machine, figures: figures.map((f) => ({ ...f, pass: passes(f) })), tables, missing }));
} else {
	const write = values.markdown ? asMarkdown : asText;
	console.log(values.markdown ? `Machine: ${machine}.\n` : `${machine}\n`);
	for (const table of tables) console.log(write(table));
	for (const words of missing) console.log(`${words}\n`);
	console.log(`${figures.length - short.length} of ${figures.length} required figures are met.`);
}
process.exit(short.length > 0 ? 1 : 0);
