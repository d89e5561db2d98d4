/** One household command, whether the daemon runs or not: through its control socket, or on the state directory itself. */
import type { Clock, Crypto } from "../../../hal/hal.ts";
import { ControlClient, type ControlRequestOptions } from "../state/control-client.ts";
import type { ControlArgs } from "../state/control-socket.ts";
import { StateDirectory } from "../state/directory.ts";
import { UserError } from "../state/errors.ts";
import { PiState } from "../state/state.ts";
import { type HouseholdCommand, householdCommands, memberCommands } from "./commands.ts";
import { Household } from "./household.ts";
import { openMembership } from "./membership.ts";
import { HouseholdSync } from "./sync.ts";

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
		if (household === undefined) return await asMember(state, command, args, options);
		const context = { emit: (event: unknown) => options.onEvent?.(event), signal: new AbortController().signal };
		const result = await householdCommands(household)[command](args, context);
		await household.close();
		return result ?? null;
	} finally {
		await state.close();
	}
}

/** On a peer that joined and does not run now: what it knows it answers, for the rest it says where to go. */
async function asMember(
	state: PiState,
	command: HouseholdCommand,
	args: ControlArgs,
	{ crypto, clock }: RunCommandOptions,
): Promise<unknown> {
	const membership = openMembership(state, crypto);
	if (membership === undefined)
		throw new UserError(
			`${state.directory.path}: belongs to no household yet`,
			"found or join one with `ringlet peer`",
		);
	const offline = (): Promise<never> => Promise.reject(new UserError("this peer is not running"));
	const source = { changes: offline, hosted: offline, announce: offline, renew: offline };
	// Never started: it only opens what the last run has kept.
	const sync = new HouseholdSync({ state, crypto, clock, membership, source, onApply: () => undefined });
	const context = { emit: () => undefined, signal: new AbortController().signal };
	return (await memberCommands(sync, state, clock)[command]?.(args, context)) ?? null;
}
