/** `ringlet status | lookup | ping | trace | capture | decode`: looking at a running peer and at what it sends. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { UserError } from "../../targets/pi/state/errors.ts";
import { decode, decodeText } from "../decode.ts";
import { ask, type CommonOptions } from "./daemon.ts";
import { bold, dim, ExitCode, green, print, red, table, yellow } from "./output.ts";

/** What the daemon says of itself. */
export interface StatusReport {
	readonly version: string;
	readonly pid: number;
	readonly domain: string;
	readonly nodeId: string;
	readonly userName: string;
	readonly founder: boolean;
	readonly inOverlay: boolean;
	readonly uptimeS: number;
	readonly sequence: number;
	readonly link: string;
	readonly http: string | undefined;
	readonly sip: readonly string[];
	readonly enrollment: "here" | "connected" | "not reachable";
	readonly accounts: number;
	readonly registrations: readonly { readonly aor: string; readonly contacts: readonly string[] }[];
	readonly calls: number;
	/** Devices connected here; other edges of the house, and to how many there is a connection. */
	readonly house: { readonly devices: readonly string[]; readonly edges: number; readonly connected: number };
	readonly connections: number;
	readonly links: readonly {
		readonly nodeId: string;
		readonly address: string;
		readonly state: string;
		readonly rttMs: number;
	}[];
	readonly topology: readonly (readonly [string, string])[];
	readonly stored: { readonly resources: number; readonly values: number };
	readonly responsiblePercent: number;
	readonly counters: Readonly<Record<string, number>>;
}

interface CaptureReport {
	readonly frames: number;
	readonly octets: number;
	readonly missing: number;
}

/** Where somebody is registered, and who says so. */
export interface LookupReport {
	readonly aor: string;
	readonly resourceId: string;
	readonly answeredBy: string;
	readonly hops: number | undefined;
	readonly tookMs: number;
	readonly ignored: number;
	readonly contacts: readonly {
		readonly signedBy: string;
		readonly nodeId: string;
		readonly route: readonly string[];
		readonly preferences: string;
		readonly storedMs: number;
		readonly lifetimeS: number;
		/** Whoever the route leads to answers a Ping. */
		readonly reachable: boolean;
	}[];
	readonly external: readonly string[];
}

const ms = (value: number): string => (value < 0 ? "?" : `${value.toFixed(value < 10 ? 1 : 0)} ms`);

function duration(seconds: number): string {
	if (seconds < 120) return `${Math.floor(seconds)} s`;
	if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
	return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} days`;
}

function describeStatus(status: StatusReport, counters: boolean): string[] {
	const lines = [
		`${bold(status.domain)}  ${status.inOverlay ? green("in the overlay") : red("not in the overlay")}  up ${duration(status.uptimeS)}  pid ${status.pid}`,
		...table([
			["this peer", `${status.nodeId}  ${status.userName}${status.founder ? "  (founder)" : ""}`],
			["overlay link", status.link],
			["SIP", status.sip.join("  ")],
			["enrollment", status.http ?? status.enrollment],
			["household", `${status.accounts} accounts, document ${status.sequence}`],
			[
				"stored here",
				`${status.stored.values} values of ${status.stored.resources} resources; in charge of ${status.responsiblePercent.toFixed(1)} %`,
			],
			["calls", `${status.calls} now; ${status.connections} warm connections to other identities`],
			[
				"the house",
				`rings phones here and at ${status.house.connected} of ${status.house.edges} other peers; devices here: ${status.house.devices.join("  ") || "none"}`,
			],
			...status.topology.map(([name, value]) => [name, value]),
		]).map((line) => `  ${line}`),
		bold(`links (${status.links.length})`),
		...table(status.links.map((link) => [link.nodeId, link.address, link.state, ms(link.rttMs)])).map(
			(line) => `  ${line}`,
		),
		bold(`registered here (${status.registrations.length})`),
		...status.registrations.map((one) => `  ${one.aor}  ${dim(one.contacts.join("  "))}`),
	];
	if (!counters) return lines;
	const entries = Object.entries(status.counters).filter(([, count]) => count > 0);
	return [
		...lines,
		bold("counters"),
		...table(entries.map(([name, count]) => [name, String(count)])).map((line) => `  ${line}`),
	];
}

function describeLookup(report: LookupReport): string[] {
	const lines = [
		`${bold(report.aor)}  at ${report.resourceId}`,
		dim(
			`  answered by ${report.answeredBy}${report.hops === undefined ? "" : `, ${report.hops} hop${report.hops === 1 ? "" : "s"}`}, ${ms(report.tookMs)}`,
		),
	];
	for (const one of report.contacts) {
		const state = one.reachable ? "" : `  ${red("not reachable")}`;
		lines.push(`  ${green("✓")} signed by ${bold(one.signedBy)} (node ${one.nodeId})${state}`);
		lines.push(`    route ${one.route.join(" > ")}  ${one.preferences}  ${dim(`${one.lifetimeS} s left`)}`);
	}
	for (const uri of report.external) lines.push(`  forwards to ${uri}`);
	if (report.ignored > 0) lines.push(yellow(`  ${report.ignored} values did not verify and were ignored`));
	if (report.contacts.length + report.external.length === 0) lines.push("  not registered");
	return lines;
}

function addQuestions(program: Command): void {
	program
		.command("status")
		.description("what the peer is, knows and does")
		.option("--counters", "everything that was counted")
		.action(async (_options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions & { counters?: boolean }>();
			const status = await ask<StatusReport>(options, "status");
			print(options.json, status, () => describeStatus(status, options.counters === true));
		});
	program
		.command("lookup <aor>")
		.description("where an AOR is registered, and who signed that")
		.action(async (aor: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const report = await ask<LookupReport>(options, "lookup", { aor });
			print(options.json, report, () => describeLookup(report));
			if (report.contacts.length + report.external.length === 0) process.exitCode = 1;
		});
	program
		.command("ping <node>")
		.description("RELOAD Ping: a Node-ID (32 hex digits) or, for whoever is in charge of it, resource:<32 hex digits>")
		.action(async (node: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const answer = await ask<{ from: string; userName: string; rttMs: number; hops?: number }>(options, "ping", {
				node,
			});
			print(options.json, answer, () => [
				`answer of ${bold(answer.from)} (${answer.userName}): ${ms(answer.rttMs)}${answer.hops === undefined ? "" : `, ${answer.hops} hops`}`,
			]);
		});
	program
		.command("trace <target>")
		.description("the path through the overlay to a Node-ID, an AOR or resource:<32 hex digits>")
		.action(async (target: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const report = await ask<{ hops: { nodeId: string; rttMs: number }[]; complete: boolean }>(options, "trace", {
				target,
			});
			print(options.json, report, () => [
				...report.hops.map(
					(hop, i) => `${String(i).padStart(2)}  ${hop.nodeId}  ${i === 0 ? dim("this peer") : ms(hop.rttMs)}`,
				),
				...(report.complete ? [] : [yellow("the path ends before its destination")]),
			]);
			if (!report.complete) process.exitCode = 1;
		});
}

function addOctets(program: Command): void {
	program
		.command("capture <file>")
		.description("write the decrypted overlay messages of this peer as pcapng, until interrupted")
		.option("--seconds <n>", "stop after this many seconds")
		.action(async (file: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions & { seconds?: string }>();
			const seconds = options.seconds === undefined ? undefined : Number(options.seconds);
			if (seconds !== undefined && !(seconds > 0))
				throw new UserError(`--seconds ${options.seconds}: not a number of seconds`, "write for instance --seconds 10");
			if (options.json !== true)
				process.stderr.write(`writing ${file}; stop with Ctrl-C. It holds signalling in the clear.\n`);
			// The daemon writes it, and its working directory is not ours.
			const path = resolve(file);
			const done = await ask<CaptureReport>(options, "capture", { file: path, seconds });
			const missing = done.missing > 0 ? yellow(`; ${done.missing} more are missing: the disk is too slow`) : "";
			print(options.json, { file, ...done }, () => [
				`${done.frames} frames, ${done.octets} octets in ${file}${missing}`,
			]);
		});
	program
		.command("decode [input]")
		.description(
			"every field of RELOAD messages, or why one is refused: hex text, a file of octets, a pcap or pcapng; - = standard input",
		)
		.option("--node-id-length <n>", "octets of a Node-ID", "16")
		.action((input: string | undefined, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions & { nodeIdLength: string }>();
			const nodeIdLength = Number(options.nodeIdLength);
			if (!(nodeIdLength >= 16 && nodeIdLength <= 20))
				throw new UserError(`--node-id-length ${options.nodeIdLength}: not 16 to 20`, "leave it out for the usual 16");
			const octets = readInput(input);
			process.stdout.write(decodeText(octets, { json: options.json === true, nodeIdLength }));
			const { items } = decode(octets, { nodeIdLength });
			const isGood = items.length > 0 && items.every((item) => item.description.refused === undefined);
			if (!isGood) process.exitCode = ExitCode.failed;
		});
}

/** A file; or, when there is none of that name and it looks like it, hex digits themselves. */
function readInput(input: string | undefined): Uint8Array | string {
	if (input === undefined || input === "-") return readFileSync(0);
	try {
		return readFileSync(input);
	} catch {
		if (/^[0-9a-fA-F\s]{16,}$/.test(input)) return input;
		throw new UserError(`${input}: neither a file nor hex digits`, "give a capture, a file of octets, or hex");
	}
}

export function addLookCommands(program: Command): void {
	addQuestions(program);
	addOctets(program);
}
