/** The `ringlet` command put together: its commands, its help, its exit codes. */
import { Command, CommanderError, Option } from "commander";
import pkg from "../../package.json" with { type: "json" };
import { addDeviceCommands } from "./device.ts";
import { addDoorbellCommand } from "./doorbell.ts";
import { addHouseholdCommands } from "./household.ts";
import { addLookCommands } from "./look.ts";
import { ExitCode, fail } from "./output.ts";
import { addPeerCommands } from "./peer.ts";

/** A new command line; nothing runs yet. */
export function makeProgram(): Command {
	const program = new Command("ringlet")
		.description("Peer-to-peer SIP for doors and rooms: phones that find each other without a telephone exchange.")
		.version(pkg.version)
		.addOption(new Option("--state <dir>", "state directory (RINGLET_STATE; ~/.ringlet)"))
		.addOption(new Option("--json", "one line of JSON in place of text"))
		.configureHelp({ showGlobalOptions: true, sortSubcommands: false })
		.addHelpText(
			"after",
			`
Settings come from flags, then RINGLET_* variables, then the settings file, then defaults: the first that says something wins.
Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the peer of the state directory is not running.
`,
		)
		.exitOverride();
	addPeerCommands(program);
	addHouseholdCommands(program);
	addDeviceCommands(program);
	addLookCommands(program);
	addDoorbellCommand(program);
	return program;
}

/** Carries out one command line (without program names); what went wrong is printed, and in `process.exitCode`. */
export async function runProgram(args: readonly string[]): Promise<void> {
	const program = makeProgram();
	try {
		await program.parseAsync([...args], { from: "user" });
	} catch (error) {
		if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
		else fail(error, program.opts().json === true);
	}
}
