/** `ringlet account | invite | code | node | revoke | enroll | backup | restore`: the household and who belongs to it. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { nodeClock } from "../../hal/node/clock.ts";
import { nodeCrypto } from "../../hal/node/crypto.ts";
import { EnrollmentClient } from "../../targets/pi/enrollment/client.ts";
import type { Applied, Invitation, NodeListing } from "../../targets/pi/household/admin.ts";
import type { HouseholdCommand } from "../../targets/pi/household/commands.ts";
import { readJoinUrl } from "../../targets/pi/household/join-url.ts";
import { pem } from "../../targets/pi/household/key-pair.ts";
import { runHouseholdCommand } from "../../targets/pi/household/run-command.ts";
import { restoreState } from "../../targets/pi/state/backup.ts";
import type { ControlArgs } from "../../targets/pi/state/control-socket.ts";
import { UserError } from "../../targets/pi/state/errors.ts";
import { loadSettings } from "../../targets/pi/state/settings.ts";
import { type CommonOptions, stateDirectory } from "./daemon.ts";
import { bold, dim, green, print, table, yellow } from "./output.ts";

type Listed = {
	readonly name: string;
	readonly aor: string;
	readonly kind: string;
	readonly members: readonly string[];
};

/** Runs a household command in the daemon, or on the state directory when no daemon runs. */
export async function run<T>(options: CommonOptions, command: HouseholdCommand, args: ControlArgs = {}): Promise<T> {
	const { path } = stateDirectory(options);
	return (await runHouseholdCommand(command, args, { path, crypto: nodeCrypto(), clock: nodeClock() })) as T;
}

/** A password from a file (its first line), or from the terminal. */
function password(file: string | undefined): string {
	if (file === undefined) throw new UserError("no password", "give a file with --password-file (- for standard input)");
	let text: string;
	try {
		text = readFileSync(file === "-" ? 0 : file, "utf8");
	} catch {
		throw new UserError(`${file}: cannot be read`, "give a file that holds the password");
	}
	return text.split(/\r?\n/)[0] ?? "";
}

function describeApplied(what: string, applied: Applied): string[] {
	const lines = [`${green("✓")} ${bold(applied.aor)} ${what}`];
	const count = applied.confirmed.length;
	if (count > 0)
		lines.push(dim(`  in use at ${count} running peer${count === 1 ? "" : "s"}: ${applied.confirmed.join(", ")}`));
	if (applied.waiting.length > 0) lines.push(yellow(`  not confirmed yet by ${applied.waiting.join(", ")}`));
	return lines;
}

function addAccounts(program: Command): void {
	const account = program.command("account").description("phones' accounts of the household");
	const passwordFile = new Option(
		"--password-file <file>",
		"file whose first line is the password; - = standard input",
	);
	account
		.command("add <name>")
		.description("add an account; usable at every peer at once")
		.addOption(passwordFile)
		.action(async (name: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions & { passwordFile?: string }>();
			const secret = password(options.passwordFile);
			const applied = await run<Applied>(options, "account.add", { name, password: secret });
			print(options.json, applied, () => describeApplied("added", applied));
		});
	account
		.command("passwd <name>")
		.description("change the password of an account")
		.addOption(passwordFile)
		.action(async (name: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions & { passwordFile?: string }>();
			const secret = password(options.passwordFile);
			const applied = await run<Applied>(options, "account.passwd", { name, password: secret });
			print(options.json, applied, () => describeApplied("has a new password", applied));
		});
	account
		.command("remove <name>")
		.description("remove an account and revoke its certificates")
		.action(async (name: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const applied = await run<Applied>(options, "account.remove", { name });
			print(options.json, applied, () => describeApplied("removed", applied));
		});
	account
		.command("list")
		.description("list the accounts")
		.action(async (_options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const listed = await run<Listed[]>(options, "account.list", {});
			print(options.json, listed, () =>
				listed.length === 0
					? ["no accounts yet: ringlet account add NAME --password-file FILE"]
					: table(
							listed.map((one) => [
								bold(one.aor),
								one.kind === "group" ? `rings ${one.members.join(", ") || "all"}` : "",
							]),
						),
			);
		});
}

function addInvitations(program: Command): void {
	program
		.command("invite")
		.description("print a one-time URL with which another peer joins: ringlet peer --join URL")
		.action(async (_options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const made = await run<Invitation>(options, "invite", {});
			print(options.json, made, () => [
				made.url,
				dim(
					`good once, until ${new Date(made.expiresMs).toISOString()}; at the new peer: ringlet peer --join '${made.url}'`,
				),
			]);
		});
	program
		.command("nodes")
		.description("list every certificate of the household")
		.action(async (_options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const nodes = await run<NodeListing[]>(options, "node.list", {});
			print(options.json, nodes, () =>
				table(
					nodes.map((one) => [
						one.nodeIds.join(" "),
						one.role,
						one.userName,
						one.revoked ? yellow("revoked") : `until ${new Date(one.notAfterMs).toISOString().slice(0, 10)}`,
					]),
				),
			);
		});
	program
		.command("revoke <who>")
		.description("revoke a Node-ID, a peer, a device or an account's certificates; reaches running peers at once")
		.action(async (who: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions>();
			const done = await run<{ nodeIds: string[]; sequence: number }>(options, "revoke", { target: who });
			print(options.json, done, () => [`revoked: ${done.nodeIds.join(" ")}`]);
		});
}

function addEnroll(program: Command): void {
	program
		.command("enroll <url>")
		.description("get a certificate for an account (RFC 6940 §11.3); the URL is as `ringlet invite` prints it")
		.requiredOption("--user <name>", "account name")
		.option("--password-file <file>", "file whose first line is the password; - = standard input")
		.requiredOption("--out <file>", "where key and certificate go (PEM, 0600)")
		.action(async (url: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions & { user: string; passwordFile?: string; out: string }>();
			if (existsSync(options.out)) throw new UserError(`${options.out}: exists`, "choose another file");
			const crypto = nodeCrypto();
			const invitation = readJoinUrl(url);
			const client = new EnrollmentClient({ crypto, clock: nodeClock() });
			const seen = await client.visit(invitation);
			const aor = options.user.includes("@") ? options.user : `${options.user}@${invitation.overlayName}`;
			const key = crypto.generateKey();
			const identity = await client.enroll(seen, key, aor, { username: aor, password: password(options.passwordFile) });
			const text =
				pem("PRIVATE KEY", key.exportPkcs8()) + identity.chain.map((der) => pem("CERTIFICATE", der)).join("");
			writeFileSync(options.out, text, { mode: 0o600, flag: "wx" });
			const nodeId = Buffer.from(identity.nodeId).toString("hex");
			print(options.json, { user: identity.userName, nodeId, file: options.out }, () => [
				`${green("✓")} ${bold(identity.userName)} is node ${nodeId}; key and certificate in ${options.out}`,
			]);
		});
}

function addBackup(program: Command): void {
	const passphrase = new Option(
		"--passphrase-file <file>",
		"encrypts the file; without it the file holds every secret in the clear",
	);
	program
		.command("backup <file>")
		.description("write a backup of the state directory, also while its peer runs")
		.addOption(passphrase)
		.action(async (file: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions & { passphraseFile?: string }>();
			const secret = options.passphraseFile === undefined ? {} : { passphrase: password(options.passphraseFile) };
			const { records } = await run<{ records: number }>(options, "household.backup", {
				file: resolve(file),
				...secret,
			});
			print(options.json, { file, records }, () => [`${green("✓")} ${records} records in ${file}`]);
		});
	program
		.command("restore <file>")
		.description("make a new state directory from a backup")
		.addOption(passphrase)
		.action(async (file: string, _options, command: Command) => {
			const options = command.optsWithGlobals<CommonOptions & { passphraseFile?: string }>();
			const flags = options.state === undefined ? {} : { state: options.state };
			const { statePath } = loadSettings({ flags, env: process.env });
			const secret = options.passphraseFile === undefined ? {} : { passphrase: password(options.passphraseFile) };
			const records = await restoreState(file, statePath, secret);
			print(options.json, { state: statePath, records }, () => [`${green("✓")} ${records} records in ${statePath}`]);
		});
}

export function addHouseholdCommands(program: Command): void {
	addAccounts(program);
	addInvitations(program);
	addEnroll(program);
	addBackup(program);
}
