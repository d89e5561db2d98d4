/** `ringlet doorbell`: a device on a PC. */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Microphone } from "../../hal/node/device/audio.ts";
import { type DoorbellOptions, runDoorbell } from "../doorbell/run.ts";
import { serveDoorbell } from "../doorbell/serve.ts";

interface Flags {
	readonly state?: string;
	readonly json?: boolean;
	readonly pair?: string;
	readonly mic: Microphone;
	readonly speaker?: string;
	readonly address?: string;
	readonly oneEdge?: boolean;
	readonly xs?: boolean;
	readonly log: "debug" | "info" | "warn" | "error";
}

/** Adds the command. */
export function addDoorbellCommand(program: Command): void {
	program
		.command("doorbell")
		.description("run a doorbell on this machine: the code of the device, with keys for buttons")
		.option("--pair <code>", "pair with the code or URL that `ringlet device add` printed")
		.addOption(
			new Option("--mic <source>", "microphone: tone (1 kHz), silence, or a WAV file (8 kHz, mono, 16 bit)")
				.argParser(readMicrophone)
				.default({ silence: true }, "silence"),
		)
		.option("--speaker <file>", "write what the loudspeaker plays to a WAV file")
		.option("--address <ip>", "IPv4 address of this machine that phones can reach")
		.option("--one-edge", "keep one SIP connection only, as a board with little memory does")
		.option("--xs", "run it in the engine of the device (needs the package in test/xs)")
		.addOption(
			new Option("--log <level>", "what is logged on stderr")
				.choices(["debug", "info", "warn", "error"])
				.default("warn"),
		)
		.action(async (_options: unknown, command: Command) => {
			await run(command.optsWithGlobals<Flags>());
		});
}

function readMicrophone(text: string): Microphone {
	if (text === "tone") return { tone: 1000 };
	if (text === "silence") return { silence: true };
	if (text === "") throw new InvalidArgumentError("tone, silence, or a WAV file");
	return { wav: text };
}

async function run(flags: Flags): Promise<void> {
	const state = resolve(flags.state ?? process.env.RINGLET_STATE ?? join(homedir(), ".ringlet-doorbell"));
	mkdirSync(state, { recursive: true, mode: 0o700 });
	const { pair, speaker, address } = flags;
	const options: DoorbellOptions = {
		state,
		...(pair === undefined ? {} : { pairing: pair }),
		microphone: flags.mic,
		...(speaker === undefined ? {} : { speaker }),
		...(address === undefined ? {} : { address }),
		secondEdge: flags.oneEdge !== true,
		logLevel: flags.log,
	};
	if (flags.xs === true) await runInXs(options, flags.json === true);
	else await serveDoorbell((events) => runDoorbell(options, events), flags.json === true);
}

/** The engine and what builds its bundles are for development: they have a process of their own, and the command starts without them. */
async function runInXs(options: DoorbellOptions, isJson: boolean): Promise<void> {
	const root = join(dirname(fileURLToPath(import.meta.url)), import.meta.url.includes("/dist/") ? ".." : "../..");
	const args = [
		join(root, "tools/run.mjs"),
		join(root, "tools/doorbell/xs.ts"),
		JSON.stringify({ ...options, isJson }),
	];
	const child = spawn(process.execPath, args, { stdio: "inherit", cwd: root });
	const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
	process.on("SIGINT", pass);
	process.on("SIGTERM", pass);
	const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
	process.off("SIGINT", pass);
	process.off("SIGTERM", pass);
	process.exitCode = code ?? 1;
}
