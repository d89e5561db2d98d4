/**
 * How many calls a second a proxy carries cleanly, and what a call costs it: our edge against the npm package `sip`, each as a plain
 * UDP proxy with Record-Route between two sipp.
 *
 *   npx esbuild tools/bench/sip-proxy.ts tools/bench/sip-proxy-middle.ts --bundle --platform=node --format=esm --packages=external \
 *     --outdir=dist/bench && node dist/bench/sip-proxy.js [seconds] [rates] [middles] [marks]
 *
 * Caller, callee and proxy share the machine. Clean: every call went through and no message was sent twice. CPU is that of the proxy
 * process alone (user and system). Example: `8 400,800,1600 ringlet,sip`. Marks are numbers of calls: the memory of the proxy is looked
 * at when so many have been offered, `125 400 ringlet 5000,15000`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROXY = "127.0.0.11";
const CALLEE = "127.0.0.12";
const CALLER = "127.0.0.13";
const SCENARIOS = fileURLToPath(new URL("../../tools/bench/sipp/", import.meta.url));
const MIDDLE = fileURLToPath(new URL("./sip-proxy-middle.js", import.meta.url));
const TICKS_PER_S = 100;

interface Run {
	readonly middle: string;
	readonly rate: number;
	readonly calls: number;
	readonly succeeded: number;
	readonly retransmissions: number;
	readonly cpuPer1000: number;
	readonly rssMb: number;
	/** RSS in MB after each of the numbers of calls asked for. */
	readonly marks: ReadonlyMap<number, number>;
}

function freePort(address: string): Promise<number> {
	return new Promise((resolve, reject) => {
		const socket = createSocket("udp4");
		socket.once("error", reject);
		socket.bind(0, address, () => {
			const { port } = socket.address();
			socket.close(() => resolve(port));
		});
	});
}

/** CPU seconds a process has used so far. */
function cpuOf(pid: number): number {
	const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

function rssOf(pid: number): number {
	return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function ended(child: ChildProcess): Promise<void> {
	return new Promise((resolve) => {
		if (child.exitCode !== null || child.signalCode !== null) resolve();
		else child.once("exit", () => resolve());
	});
}

function sipp(folder: string, args: string[]): ChildProcess {
	return spawn("sipp", [...args, "-nostdin", "-default_behaviors", "all"], { cwd: folder, stdio: "ignore" });
}

/** Last row of sipp's statistics file, by column. */
function lastRow(file: string): Record<string, string> {
	const rows = readFileSync(file, "latin1").trim().split("\n");
	const names = rows[0]!.split(";");
	const values = rows.at(-1)!.split(";");
	return Object.fromEntries(names.map((name, i) => [name, values[i] ?? ""]));
}

async function run(middle: string, rate: number, seconds: number, marksAt: readonly number[]): Promise<Run> {
	const folder = mkdtempSync(join(tmpdir(), "sip-proxy-"));
	const proxyPort = await freePort(PROXY);
	const calleePort = await freePort(CALLEE);
	const callerPort = await freePort(CALLER);
	const calls = rate * seconds;
	const proxy = spawn(process.execPath, [MIDDLE, PROXY, String(proxyPort), CALLEE, String(calleePort)], {
		env: { ...process.env, MIDDLE: middle },
		stdio: ["ignore", "ignore", "inherit"],
	});
	const common = ["-buff_size", "4194304", "-l", "100000"];
	const callee = sipp(folder, ["-sf", `${SCENARIOS}uas.xml`, "-i", CALLEE, "-p", String(calleePort), ...common]);
	await sleep(700);
	const before = cpuOf(proxy.pid!);
	const caller = sipp(folder, [
		...["-sf", `${SCENARIOS}uac.xml`, "-i", CALLER, "-p", String(callerPort), `${PROXY}:${proxyPort}`, "-s", "service"],
		...["-r", String(rate), "-m", String(calls), "-trace_stat", "-stf", "stat.csv", "-fd", "1"],
		...common,
	]);
	const marks = new Map<number, number>();
	const looks = marksAt.map((mark) => setTimeout(() => marks.set(mark, rssOf(proxy.pid!)), (mark / rate) * 1000));
	// A caller that is still waiting for answers then has lost: what it has counted so far is the result.
	const patience = setTimeout(() => caller.kill("SIGUSR1"), (seconds + 12) * 1000);
	const end = setTimeout(() => caller.kill("SIGKILL"), (seconds + 15) * 1000);
	await ended(caller);
	clearTimeout(patience);
	clearTimeout(end);
	for (const look of looks) clearTimeout(look);
	const cpu = cpuOf(proxy.pid!) - before;
	const rssMb = rssOf(proxy.pid!);
	const row = lastRow(join(folder, "stat.csv"));
	callee.kill("SIGKILL");
	proxy.kill("SIGKILL");
	await Promise.all([ended(callee), ended(proxy)]);
	rmSync(folder, { recursive: true, force: true });
	return {
		middle,
		rate,
		calls,
		succeeded: Number(row["SuccessfulCall(C)"]),
		retransmissions: Number(row["Retransmissions(C)"]),
		cpuPer1000: (cpu * 1000) / calls,
		rssMb,
		marks,
	};
}

const [seconds = "8", rates = "400,800,1200,1600,2000", middles = "ringlet,sip", marks = ""] = process.argv.slice(2);
const marksAt = marks === "" ? [] : marks.split(",").map(Number);
const best = new Map<string, number>();
console.log("middle    rate  succeeded        retrans  cpu-s/1000  RSS MB");
for (const rate of rates.split(",").map(Number)) {
	for (const middle of middles.split(",")) {
		const result = await run(middle, rate, Number(seconds), marksAt);
		const isClean = result.succeeded === result.calls && result.retransmissions === 0;
		if (isClean && rate > (best.get(middle) ?? 0)) best.set(middle, rate);
		const done = `${result.succeeded}/${result.calls}`;
		console.log(
			`${middle.padEnd(8)} ${String(rate).padStart(5)}  ${done.padEnd(14)} ${String(result.retransmissions).padStart(8)}` +
				`  ${result.cpuPer1000.toFixed(3).padStart(10)}  ${result.rssMb.toFixed(0).padStart(6)}${isClean ? "  clean" : ""}`,
		);
		for (const [mark, rssMb] of result.marks) console.log(`rss ${middle} after ${mark} ${rssMb.toFixed(1)}`);
	}
}
for (const [middle, rate] of best) console.log(`highest clean rate of ${middle}: ${rate} calls/s`);
const ours = best.get("ringlet");
const theirs = best.get("sip");
if (ours !== undefined && theirs !== undefined) console.log(`ratio: ${(ours / theirs).toFixed(1)}`);
