/** `ringlet peer | start | demo`: running a peer. */
import { join, relative } from "node:path";
import { type Command, Option } from "commander";
import { nodeClock } from "../../hal/node/clock.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import { nodeLog } from "../../hal/node/log.ts";
import { readAddress, readEndpoint } from "../../targets/pi/addresses.ts";
import { readSipListen } from "../../targets/pi/edge-host.ts";
import { Peer, type PeerOptions, type ReadyReport } from "../../targets/pi/peer.ts";
import { describeSettings, loadSettings, type Settings } from "../../targets/pi/state/settings.ts";
import type { SettingKey } from "../../targets/pi/state/settings-table.ts";
import { runDemo } from "../demo/demo.ts";
import type { CommonOptions } from "./daemon.ts";
import { bold, dim, green, print } from "./output.ts";

interface PeerFlags extends CommonOptions {
	readonly config?: string;
	readonly found?: boolean;
	readonly join?: string;
}

/** What `start` may take instead, when a port of the defaults is in use. */
const NEXT_PORTS = 20;

function readOptions(settings: Settings, flags: PeerFlags): PeerOptions {
	const log = nodeLog({
		level: settings.get("log.level"),
		format: settings.get("log.format") === "json" ? "json" : process.stderr.isTTY === true ? "human" : "json",
		output: process.stderr,
	});
	for (const warning of settings.warnings) log("warn", "settings.unknown", { warning });
	const domain = settings.get("domain");
	const found = { domain, topology: settings.get("topology"), profile: settings.get("profile") };
	return {
		statePath: settings.statePath,
		...(flags.found === true ? { found } : {}),
		...(flags.join === undefined ? {} : { join: flags.join }),
		link: readEndpoint(settings.get("link"), settings.origin("link")),
		...(settings.get("calls") === "" ? {} : { calls: readEndpoint(settings.get("calls"), settings.origin("calls")) }),
		addresses: settings.get("addresses").map((address) => readAddress(address, settings.origin("addresses"))),
		http: readEndpoint(settings.get("http"), settings.origin("http")),
		sip: settings.get("sip").map((uri) => readSipListen(uri, settings.origin("sip"))),
		digest: settings
			.get("digest")
			.split(",")
			.map((name) => (name === "md5" ? "MD5" : "SHA-256")),
		mdns: settings.get("mdns"),
		crypto: nodeCrypto(),
		clock: nodeClock(),
		log,
	};
}

/** Starts, says so, and stops on SIGTERM or SIGINT. */
async function serve(options: PeerOptions, announce: (ready: ReadyReport) => void): Promise<void> {
	// Before anything is said: whoever reads it may send the signal at once.
	const asked = new Promise<void>((resolve) => {
		process.once("SIGTERM", () => resolve());
		process.once("SIGINT", () => resolve());
	});
	const peer = await Peer.start(options);
	announce(peer.ready);
	await asked;
	// A second signal ends at once: whoever sends it does not want to wait for goodbyes.
	process.once("SIGTERM", () => process.exit(1));
	process.once("SIGINT", () => process.exit(1));
	await peer.stop();
	process.exit(0);
}

/** "192.168.1.10:5060 (UDP, TCP)", one line for each address. */
function sipPlaces(sip: readonly string[]): string[] {
	const places = new Map<string, string[]>();
	for (const uri of sip) {
		const [place = "", transport = ""] = uri.replace(/^sip:/, "").split(";transport=");
		places.set(place, [...(places.get(place) ?? []), transport.toUpperCase()]);
	}
	return [...places].map(([place, transports]) => `${place} (${transports.join(", ")})`);
}

function describeReady(ready: ReadyReport): string[] {
	const [first = "", ...others] = sipPlaces(ready.sip);
	return [
		`${green("●")} ${bold(ready.domain)} is served by peer ${ready.nodeId} (pid ${ready.pid})`,
		`  phones (SIP)   ${first}`,
		...others.map((place) => `                 ${place}`),
		`  overlay link   ${ready.link}`,
		...(ready.http === undefined ? [] : [`  enrollment     ${ready.http}`]),
		`  state          ${ready.state}`,
	];
}

/** How this program was called: what people can type again. */
function self(): string {
	const script = process.argv[1] ?? "ringlet";
	const near = relative(process.cwd(), script);
	return script.endsWith(".js") ? `node ${near.startsWith("..") ? script : near}` : "ringlet";
}

function howToAddAPhone(ready: ReadyReport): string[] {
	const [server = ""] = (ready.sip[0] ?? "").replace(/^sip:/, "").split(";");
	const state = dim(`--state ${ready.state}`);
	return [
		"",
		bold("Add a phone"),
		`  1. echo 'a good password' > pw && ${self()} account add anna --password-file pw ${state}`,
		`  2. in the phone: user anna, the password, domain ${ready.domain}, server (outbound proxy) ${server}`,
		bold("Add another peer, so that no single box is needed"),
		`  ${self()} invite ${state}     and at the other machine:   ${self()} peer --join URL`,
		bold("Look"),
		`  ${self()} status ${state}`,
		"",
		dim("Ctrl-C stops this peer."),
	];
}

/** One flag for each setting, hidden from the short help unless it is one that people need. */
function addSettingFlags(command: Command, shown: readonly SettingKey[]): void {
	for (const setting of describeSettings()) {
		const isList = setting.key === "sip" || setting.key === "addresses";
		const option = new Option(
			`${setting.flag} <value>`,
			`${setting.help} (${setting.env}; ${setting.initial || "none"})`,
		);
		if (isList) option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
		command.addOption(shown.includes(setting.key) ? option : option.hideHelp());
	}
}

const SHOWN: readonly SettingKey[] = ["domain", "link", "sip", "http", "addresses", "topology", "mdns", "log.level"];

export function addPeerCommands(program: Command): void {
	const peer = program
		.command("peer")
		.description("run a peer: overlay node, SIP edge and, at the founder, the household's enrollment")
		.option("--found", "begin a new household when the state directory is new")
		.option("--join <url>", "join a household, by what `ringlet invite` printed, when the state directory is new")
		.option("--config <file>", "settings file (RINGLET_CONFIG; ringlet.toml in the state directory)");
	addSettingFlags(peer, SHOWN);
	peer.action(async (_options, command: Command) => {
		const flags = command.optsWithGlobals<PeerFlags>();
		const settings = loadSettings({ flags: settingFlags(flags), env: process.env });
		await serve(readOptions(settings, flags), (ready) => print(flags.json, ready, () => describeReady(ready)));
	});
	const start = program
		.command("start")
		.description(
			"run a peer with everything in it, founding a household the first time; takes free ports where its own are in use",
		)
		.option("--config <file>", "settings file");
	addSettingFlags(start, SHOWN);
	start.action(async (_options, command: Command) => {
		const flags = command.optsWithGlobals<PeerFlags>();
		const settings = loadSettings({ flags: settingFlags(flags), env: process.env });
		// Also where a first run was cut off: without a membership there is nothing to lose.
		const options = readOptions(settings, { ...flags, found: true });
		await serve({ ...options, otherPorts: NEXT_PORTS }, (ready) =>
			print(flags.json, ready, () => [...describeReady(ready), ...howToAddAPhone(ready)]),
		);
	});
	program
		.command("demo")
		.description("three peers and two phones on this machine: a call, a peer killed, another call")
		.action(async (_options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const ringlet = process.argv[1] ?? join("dist", "ringlet.js");
			process.exitCode = await runDemo({ json: options.json === true, ringlet, out: process.stdout });
		});
}

/** Flags that are settings: all but our own. */
function settingFlags(flags: PeerFlags): Record<string, unknown> {
	const { found: _found, join: _join, json: _json, ...settings } = flags;
	return settings;
}
