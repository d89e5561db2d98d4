/** Suites of the SIP edge: parser and proxy beside the npm package `sip`. */
import { type Figure, type Section, short, type Table } from "./figures.ts";
import { hasProgram, ours } from "./programs.ts";
import type { SuiteOptions } from "./suites-overlay.ts";

/** `INVITE with SDP (650 B), route   412345   81700   5.05 (wanted: 5)` */
const PARSE_LINE = /^(.+\)), (\w+)\s+(\d+)\s+(\d+)\s+([\d.]+) \(wanted: ([\d.]+)\)$/;

const DEPTHS: Readonly<Record<string, string>> = {
	route: "what a proxy needs to route",
	full: "everything parsed, written again",
	proxy: "passed on with a Via",
};

export async function sipParse({ quick, say }: SuiteOptions): Promise<Section> {
	say("sip-parse");
	const text = await ours("sip-parse", [quick ? 3 : 9]);
	const rows: string[][] = [];
	const figures: Figure[] = [];
	for (const line of text.split("\n")) {
		const [, message, depth, mine, theirs, ratio, wanted] = PARSE_LINE.exec(line) ?? [];
		if (message === undefined || depth === undefined) continue;
		const what = `SIP ${message}, ${DEPTHS[depth] ?? depth}`;
		rows.push([what, ...[mine, theirs, ratio].map((cell) => short(Number(cell)))]);
		// What is passed on is no requirement of its own.
		if (depth === "proxy") continue;
		const [own, other, value, required] = [Number(mine), Number(theirs), Number(ratio), Number(wanted)];
		figures.push({
			what: `${what}, ours / sip`,
			ours: own,
			theirs: other,
			unit: "/s",
			value,
			required,
			bound: "least",
		});
	}
	const table: Table = {
		title: "SIP parser: messages per second of CPU time",
		columns: ["message", "core/sip", "npm sip 0.0.6", "ratio"],
		rows,
	};
	return {
		tables: [table],
		figures,
		missing: rows.length === 0 ? [`sip-parse printed nothing that fits:\n${text}`] : [],
	};
}

interface ProxyRun {
	readonly middle: string;
	readonly rate: number;
	readonly done: string;
	readonly retransmissions: number;
	readonly cpuPer1000: number;
	readonly rssMb: number;
	readonly clean: boolean;
}

function readProxyRuns(text: string): ProxyRun[] {
	const runs: ProxyRun[] = [];
	for (const line of text.split("\n")) {
		const [middle = "", rate, done = "", retransmissions, cpu, rss, clean] = line.trim().split(/\s+/);
		if (!done.includes("/")) continue;
		runs.push({
			middle,
			rate: Number(rate),
			done,
			retransmissions: Number(retransmissions),
			cpuPer1000: Number(cpu),
			rssMb: Number(rss),
			clean: clean === "clean",
		});
	}
	return runs;
}

/** Calls of the long run that shows whether memory stays flat. */
const MANY_CALLS = 50_000;

export async function sipProxy({ quick, say }: SuiteOptions): Promise<Section> {
	if (!hasProgram("sipp")) {
		return { tables: [], figures: [], missing: ["sip-proxy is left out: sudo apt-get install sip-tester"] };
	}
	say("sip-proxy");
	const [seconds, rates] = quick ? [5, "400,800,1600"] : [8, "400,600,800,1000,1200,1600,2000"];
	const runs = readProxyRuns(await ours("sip-proxy", [seconds, rates]));
	const best = (middle: string): ProxyRun | undefined =>
		runs.filter((run) => run.middle === middle && run.clean).sort((a, b) => b.rate - a.rate)[0];
	const own = best("ringlet");
	const other = best("sip");
	const figures: Figure[] = [];
	if (own !== undefined) {
		const theirs = other?.rate ?? 0;
		figures.push(
			{
				what: "SIP proxy: highest clean rate, ours / sip",
				ours: own.rate,
				theirs,
				unit: "calls/s",
				value: own.rate / theirs,
				required: 2,
				bound: "least",
			},
			{
				what: `SIP proxy: CPU of 1,000 calls, at ${own.rate} calls/s`,
				ours: own.cpuPer1000,
				unit: "s",
				value: own.cpuPer1000,
				required: 0.8,
				bound: "most",
			},
		);
	}
	if (own !== undefined && !quick) {
		say(`sip-proxy: ${MANY_CALLS} calls`);
		// At a rate that it carries cleanly: what is measured is memory.
		const rate = Math.min(800, own.rate);
		const long = readProxyRuns(await ours("sip-proxy", [Math.ceil(MANY_CALLS / rate), rate, "ringlet"]));
		const short = runs.find((run) => run.middle === "ringlet" && run.rate === rate) ?? own;
		runs.push(...long);
		const end = long[0]?.rssMb ?? Number.NaN;
		figures.push({
			what: `SIP proxy: RSS after ${MANY_CALLS.toLocaleString("en")} calls / after ${short.done.split("/")[1]}`,
			ours: end,
			theirs: short.rssMb,
			unit: "MB",
			value: end / short.rssMb,
			required: 1.25,
			bound: "most",
		});
	}
	return { tables: [proxyTable(runs)], figures, missing: [] };
}

function proxyTable(runs: readonly ProxyRun[]): Table {
	return {
		title: "SIP proxy: calls through one UDP proxy with Record-Route, sipp to sipp",
		columns: ["proxy", "calls/s offered", "calls done", "retransmissions", "CPU s / 1,000 calls", "RSS MB", ""],
		rows: runs.map((run) => [
			run.middle === "ringlet" ? "our edge" : "npm sip 0.0.6",
			String(run.rate),
			run.done,
			run.retransmissions.toLocaleString("en"),
			short(run.cpuPer1000),
			short(run.rssMb),
			run.clean ? "clean" : "",
		]),
		note: "Clean: every call went through and nothing was sent twice. The callers, the callees and the proxy share the machine.",
	};
}
