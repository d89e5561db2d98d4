/** Commands that talk to the daemon of a state directory, or work on the directory itself when none runs. */
import { ControlClient } from "../../targets/pi/state/control-client.ts";
import { StateDirectory } from "../../targets/pi/state/directory.ts";
import { UserError } from "../../targets/pi/state/errors.ts";
import { loadSettings } from "../../targets/pi/state/settings.ts";
import { NoDaemon } from "./output.ts";

/** Options every command has. */
export interface CommonOptions {
	readonly state?: string;
	readonly json?: boolean;
}

/** The state directory that flags and environment name. */
export function stateDirectory(options: CommonOptions): StateDirectory {
	const flags = options.state === undefined ? {} : { state: options.state };
	const directory = new StateDirectory(loadSettings({ flags, env: process.env }).statePath);
	if (!directory.exists())
		throw new UserError(
			`${directory.path}: no Ringlet lives here`,
			"found one with `ringlet peer --found`, join one with `ringlet peer --join URL`, or name its directory with --state",
		);
	return directory;
}

/** Runs `command` in the daemon. Throws `NoDaemon` when none runs. */
export async function ask<T>(
	options: CommonOptions,
	command: string,
	args: Readonly<Record<string, unknown>> = {},
	more: { readonly timeoutMs?: number; readonly onEvent?: (event: unknown) => void } = {},
): Promise<T> {
	const directory = stateDirectory(options);
	const client = await ControlClient.connect(directory.socketPath);
	if (client === undefined)
		throw new NoDaemon(`${directory.path}: its peer is not running`, "start it with `ringlet peer`");
	try {
		return (await client.request(command, args, more)) as T;
	} finally {
		client.close();
	}
}
