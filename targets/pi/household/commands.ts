/** The household's commands on the control socket. The same table serves a state directory whose daemon does not run. */
import type { Clock } from "../../../hal/hal.ts";
import { backupState } from "../state/backup.ts";
import type { ControlArgs, ControlHandler } from "../state/control-socket.ts";
import { UserError } from "../state/errors.ts";
import type { PiState } from "../state/state.ts";
import { HouseholdAdmin } from "./admin.ts";
import { DeviceAdmin } from "./device-admin.ts";
import { type Household, hexOf } from "./household.ts";
import { readHostPort } from "./join-url.ts";
import type { HouseholdSync } from "./sync.ts";
import type { Address } from "./types.ts";

/** Names of the commands below, for help and for telling that a peer cannot serve them. */
export const HOUSEHOLD_COMMANDS = Object.freeze([
	"account.add",
	"account.list",
	"account.passwd",
	"account.remove",
	"group.add",
	"group.members",
	"invite",
	"device.add",
	"device.list",
	"device.revoke",
	"device.reset",
	"device.settings",
	"account.code",
	"code.list",
	"code.cancel",
	"node.list",
	"revoke",
	"household.status",
	"household.backup",
] as const);
export type HouseholdCommand = (typeof HOUSEHOLD_COMMANDS)[number];

/** Handlers for `ControlServer.registerAll`. Arguments are in the comments; results are plain JSON. */
export function householdCommands(household: Household): Readonly<Record<HouseholdCommand, ControlHandler>> {
	const admin = new HouseholdAdmin(household);
	const devices = new DeviceAdmin(household, admin);
	return {
		/** name, password -> Applied */
		"account.add": ({ name, password }) => admin.addAccount(name, password),
		/** -> [{name, aor, kind, members}] */
		"account.list": () => admin.listAccounts(),
		/** name, password -> Applied */
		"account.passwd": ({ name, password }) => admin.changePassword(name, password),
		/** name -> Applied */
		"account.remove": ({ name }) => admin.removeAccount(name),
		/** name, members -> Applied */
		"group.add": ({ name, members }) => admin.addGroup(name, listOf(members)),
		/** name, members -> Applied */
		"group.members": ({ name, members }) => admin.setMembers(name, listOf(members)),
		/** addresses?, lifetimeMs? -> {code, url, expiresMs} */
		invite: (args) => admin.invite({ role: "peer", ...common(args) }),
		/** name, replace?, addresses?, lifetimeMs? -> {code, url, expiresMs} */
		"device.add": (args) =>
			admin.invite({ role: "device", name: args.name, replace: args.replace === true, ...common(args) }),
		/** -> [{name, aor, state, nodeId, pairedMs, notAfterMs, codeUntilMs, revision}] */
		"device.list": () => devices.list(),
		/** name -> {nodeIds, sequence} */
		"device.revoke": ({ name }) => devices.revoke(name),
		/** name, addresses?, lifetimeMs? -> {code, url, expiresMs} */
		"device.reset": (args) => devices.reset(args.name, common(args)),
		/** name, set? (texts by name) -> the settings */
		"device.settings": ({ name, set }) => devices.settings(name, setOf(set)),
		/** name, addresses?, lifetimeMs? -> {code, url, expiresMs} */
		"account.code": (args) => admin.invite({ role: "account", name: args.name, ...common(args) }),
		/** -> [{id, role, userName, replaces, expiresMs, tries}] */
		"code.list": () => admin.listCodes(),
		/** id */
		"code.cancel": ({ id }) => admin.cancelCode(id),
		/** -> [{userName, role, nodeIds, holder, issuedMs, notAfterMs, revoked}] */
		"node.list": () => admin.listNodes(),
		/** target -> {nodeIds, sequence} */
		revoke: ({ target }) => admin.revoke(target),
		"household.status": () => statusOf(household),
		/** file, passphrase? -> {records} */
		"household.backup": (args) => backup(household.state, household.clock, args),
	};
}

/** Plain data for `ringlet status`. */
function statusOf(household: Household): Record<string, unknown> {
	const { overlayName, config, version, founder, authority } = household;
	return {
		overlayName,
		founder: hexOf(founder),
		fingerprint: authority.fingerprint,
		topologyPlugin: config.topologyPlugin,
		configSequence: config.sequence,
		expirationMs: config.expirationMs,
		sequence: version.sequence,
		accounts: household.accounts.list().length,
		badNodes: config.badNodes.length,
		peers: household.snapshot().peers.map((peer) => ({
			nodeId: hexOf(peer.nodeId),
			userName: peer.userName,
			link: peer.link,
			connected: household.connected().includes(hexOf(peer.nodeId)),
		})),
	};
}

function common(args: ControlArgs): { addresses?: readonly Address[]; lifetimeMs?: number } {
	const addresses = listOf(args.addresses).map((text) => {
		const address = typeof text === "string" ? readHostPort(text) : undefined;
		if (address === undefined) throw new UserError(`${String(text)}: not an address`, "write 192.168.1.10:6085");
		return address;
	});
	const { lifetimeMs } = args;
	return { addresses, ...(typeof lifetimeMs === "number" ? { lifetimeMs } : {}) };
}

function listOf(value: unknown): readonly unknown[] {
	if (value === undefined || value === null) return [];
	if (!Array.isArray(value)) throw new UserError(`${String(value)}: not a list`, "give a list of names");
	return value;
}

function setOf(value: unknown): Readonly<Record<string, unknown>> {
	if (value === undefined || value === null) return {};
	if (typeof value !== "object" || Array.isArray(value))
		throw new UserError("the settings are no list of names and values", "write --set volume=50");
	return value as Readonly<Record<string, unknown>>;
}

/** The same commands on a peer that joined: what it knows it answers, for the rest it says where to go. */
export function memberCommands(
	sync: HouseholdSync,
	state: PiState,
	clock: Clock,
): Readonly<Record<string, ControlHandler>> {
	const handlers: Record<string, ControlHandler> = {};
	for (const command of HOUSEHOLD_COMMANDS)
		handlers[command] = () => {
			const servers = sync.config.enrollmentServers.map((url) => new URL(url).host).join(" or ");
			const where = servers === "" ? "where the household was founded" : `on the peer at ${servers}`;
			throw new UserError("this peer does not run the household", `run this ${where}`);
		};
	handlers["account.list"] = () => sync.accounts.map(({ name, aor, kind, members }) => ({ name, aor, kind, members }));
	handlers["household.status"] = () => ({
		overlayName: sync.config.instanceName,
		topologyPlugin: sync.config.topologyPlugin,
		configSequence: sync.config.sequence,
		expirationMs: sync.config.expirationMs,
		accounts: sync.accounts.length,
		badNodes: sync.config.badNodes.length,
		connected: sync.isConnected,
		peers: sync.peers.map(({ nodeId, userName, link }) => ({ nodeId: hexOf(nodeId), userName, link })),
	});
	handlers["household.backup"] = (args) => backup(state, clock, args);
	return handlers;
}

function backup(state: PiState, clock: Clock, { file, passphrase }: ControlArgs): { records: number } {
	if (typeof file !== "string" || file === "") throw new UserError("no file given", "name the file to write");
	const options = typeof passphrase === "string" && passphrase !== "" ? { passphrase } : {};
	return { records: backupState(state, file, clock.wallMs(), options) };
}
