/** One household command, whether the daemon runs or not: through its control socket, or on the state directory itself. */
import type { Clock, Crypto } from "../../../hal/hal.ts";
import { ControlClient, type ControlRequestOptions } from "../state/control-client.ts";
import type { ControlArgs } from "../state/control-socket.ts";
import { StateDirectory } from "../state/directory.ts";
import { UserError } from "../state/errors.ts";
import { PiState } from "../state/state.ts";
import { type HouseholdCommand, householdCommands } from "./commands.ts";
import { Household } from "./household.ts";

export interface RunCommandOptions extends ControlRequestOptions {
	/** Path of the state directory. */
	readonly path: string;
	readonly crypto: Crypto;
	readonly clock: Clock;
}

/** Rejects with a `UserError` that says what is wrong and what to do. */
export async function runHouseholdCommand(
	command: HouseholdCommand,
	args: ControlArgs,
	options: RunCommandOptions,
): Promise<unknown> {
	const directory = new StateDirectory(options.path);
	const daemon = await ControlClient.connect(directory.socketPath);
	if (daemon !== undefined)
		try {
			return await daemon.request(command, args, options);
		} finally {
			daemon.close();
		}
	const { path, crypto, clock } = options;
	const state = PiState.open({ path, mustExist: true, what: `ringlet ${command.replaceAll(".", " ")}` });
	try {
		const household = await Household.open({ state, crypto, clock });
		if (household === undefined)
			throw new UserError(
				`${directory.path}: this peer does not run the household`,
				"run this where the household was founded",
			);
		const context = { emit: (event: unknown) => options.onEvent?.(event), signal: new AbortController().signal };
		const result = await householdCommands(household)[command](args, context);
		await household.close();
		return result ?? null;
	} finally {
		await state.close();
	}
}
