/** The `ringlet` command: a peer and everything one does to it. */
import { Command, CommanderError, Option } from "commander";
import pkg from "../package.json" with { type: "json" };
import { addHouseholdCommands } from "./cli/household.ts";
import { addLookCommands } from "./cli/look.ts";
import { ExitCode, fail } from "./cli/output.ts";
import { addPeerCommands } from "./cli/peer.ts";

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

// Whoever reads may have had enough: `ringlet decode FILE | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

addPeerCommands(program);
addHouseholdCommands(program);
addLookCommands(program);

try {
	await program.parseAsync();
} catch (error) {
	if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
	else fail(error, program.opts().json === true);
}
