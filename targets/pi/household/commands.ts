/** The household's commands on the control socket. The same table serves a state directory whose daemon does not run. */
import { backupState } from "../state/backup.ts";
import type { ControlArgs, ControlHandler } from "../state/control-socket.ts";
import { UserError } from "../state/errors.ts";
import { HouseholdAdmin } from "./admin.ts";
import type { Household } from "./household.ts";
import { hexOf } from "./household.ts";
import { readHostPort } from "./join-url.ts";
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
		"household.backup": ({ file, passphrase }) => {
			if (typeof file !== "string" || file === "") throw new UserError("no file given", "name the file to write");
			const options = typeof passphrase === "string" && passphrase !== "" ? { passphrase } : {};
			return { records: backupState(household.state, file, household.clock.wallMs(), options) };
		},
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
