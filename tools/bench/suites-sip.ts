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

/** Calls of the long run that shows whether memory stays flat, and how many come in a second. */
const MANY_CALLS = 50_000;
const LONG_RATE = 400;
/** Where memory is looked at on the way: early, and when the tables have their size (transactions are kept for 32 s). */
const EARLY_CALLS = 5_000;
const SETTLED_CALLS = 15_000;

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
	const tables = [proxyTable(runs)];
	if (!quick) {
		say(`sip-proxy: ${MANY_CALLS} calls`);
		const seconds = Math.ceil(MANY_CALLS / LONG_RATE);
		const text = await ours("sip-proxy", [seconds, LONG_RATE, "ringlet", `${EARLY_CALLS},${SETTLED_CALLS}`]);
		const memory = readMemory(text);
		tables.push(memoryTable(memory));
		figures.push({
			what: `SIP proxy: RSS after ${count(MANY_CALLS)} calls / after ${count(SETTLED_CALLS)}`,
			ours: memory.end,
			theirs: memory.settled,
			unit: "MB",
			value: memory.end / memory.settled,
			required: 1.1,
			bound: "most",
		});
	}
	return { tables, figures, missing: [] };
}

interface Memory {
	readonly done: string;
	readonly early: number;
	readonly settled: number;
	readonly end: number;
}

function count(calls: number): string {
	return calls.toLocaleString("en");
}

function readMemory(text: string): Memory {
	const after = (calls: number): number =>
		Number(new RegExp(`^rss ringlet after ${calls} ([\\d.]+)$`, "m").exec(text)?.[1] ?? Number.NaN);
	const [run] = readProxyRuns(text);
	return {
		done: run?.done ?? "-",
		early: after(EARLY_CALLS),
		settled: after(SETTLED_CALLS),
		end: run?.rssMb ?? Number.NaN,
	};
}

function memoryTable({ done, early, settled, end }: Memory): Table {
	const percent = (from: number): string => `${short((end / from - 1) * 100)} %`;
	return {
		title: `SIP proxy: memory of our edge over ${count(MANY_CALLS)} calls, ${LONG_RATE} a second, a process of its own, over sockets`,
		columns: ["RSS", "MB", `growth to ${count(MANY_CALLS)}`],
		rows: [
			[`after ${count(EARLY_CALLS)} calls (tables still filling)`, short(early), percent(early)],
			[`after ${count(SETTLED_CALLS)} calls (tables at their size)`, short(settled), percent(settled)],
			[`after ${count(MANY_CALLS)} calls (${done} went through)`, short(end), ""],
		],
		note: "RFC 3261 keeps the transactions of a call for 32 s after it: at this rate the tables have their size after 12,800 calls.",
	};
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
