/** What people do to a household: accounts, groups, invitations, revocation. Every refusal is a `UserError`. */
import { UserError } from "../state/errors.ts";
import type { Account } from "./accounts.ts";
import type { Code, CodeRole } from "./codes.ts";
import { type Change, type Household, hexOf } from "./household.ts";
import { writeJoinUrl } from "./join-url.ts";
import { INVITE_LIFETIME_MS, MAX_DEVICES, MAX_PEERS, PAIRING_LIFETIME_MS } from "./limits.ts";
import { isPeerUserName, readName } from "./names.ts";
import { checkNewPassword } from "./passwords.ts";
import type { Address, HouseholdAccount, Issued } from "./types.ts";

/** The outcome of a change that peers have to follow. */
export interface Applied {
	readonly aor: string;
	/** Household sequence from which on it holds. */
	readonly sequence: number;
	/** User names of connected peers that have it in use, and of those that did not say so in time. */
	readonly confirmed: readonly string[];
	readonly waiting: readonly string[];
}

export interface Invitation {
	/** "K7QF-3M9X-2TPD" */
	readonly code: string;
	/** What the other side is given: `ringlet://...` */
	readonly url: string;
	readonly expiresMs: number;
}

/** One key with a certificate, as it is shown. */
export interface NodeListing {
	readonly userName: string;
	readonly role: string;
	readonly nodeIds: readonly string[];
	readonly holder: string | undefined;
	readonly issuedMs: number;
	readonly notAfterMs: number;
	readonly revoked: boolean;
}

export class HouseholdAdmin {
	readonly #household: Household;

	constructor(household: Household) {
		this.#household = household;
	}

	/** A user with a password. Usable on every connected peer when this resolves, or within moments (`waiting`). */
	async addAccount(name: unknown, password: unknown): Promise<Applied> {
		const { accounts, clock } = this.#household;
		const checked = checkNewPassword(password);
		const wanted = accounts.needFree(name);
		const account = await accounts.newUser(wanted, checked, clock.wallMs());
		return this.#save(account, () => this.#needUnused(name));
	}

	/** A ring group: an AOR that every peer serves. No members = all users. */
	async addGroup(name: unknown, members: readonly unknown[] = []): Promise<Applied> {
		const { accounts, clock } = this.#household;
		const group = accounts.newGroup(accounts.needFree(name), members, clock.wallMs());
		return this.#save(group, () => this.#needUnused(name));
	}

	/** Changes whom a group rings. */
	async setMembers(name: unknown, members: readonly unknown[]): Promise<Applied> {
		const { accounts } = this.#household;
		const group = accounts.need(name);
		if (group.kind !== "group") throw new UserError(`${group.aor}: not a group`, "name a group");
		const changed = { ...group, members: accounts.newGroup(group, members, group.createdMs).members };
		return this.#save(changed, () => void accounts.need(name));
	}

	/** A new password. Certificates stay good: they are the account's, not the password's. */
	async changePassword(name: unknown, password: unknown): Promise<Applied> {
		const { accounts } = this.#household;
		const checked = checkNewPassword(password);
		const account = accounts.need(name);
		if (account.kind !== "user") throw new UserError(`${account.aor}: a group has no password`, "name a user");
		return this.#save(await accounts.withPassword(account, checked), () => void accounts.need(name));
	}

	/** Removes an account or group, revokes every certificate in its name, and takes it out of groups. */
	async removeAccount(name: unknown): Promise<Applied> {
		const { accounts, clock } = this.#household;
		return this.#followed(() => {
			const account = accounts.need(name);
			const { changed, emptied } = accounts.groupsWithout(account.name);
			if (emptied[0] !== undefined)
				throw new UserError(
					`${account.aor} is the only member of ${emptied[0].aor}`,
					`change or remove ${emptied[0].name} first`,
				);
			const revoked = this.#revoked((one) => one.userName === account.aor && one.role !== "device", clock.wallMs());
			return {
				put: [...changed.map((group) => this.#entry(group)), ...revoked.map((one) => this.#issuedEntry(one))],
				remove: [accounts.key(account.name)],
				issued: revoked,
				document: revoked.length > 0,
				publish: true,
				apply: () => {
					accounts.forget(account.name);
					for (const group of changed) accounts.apply(group);
					for (const one of revoked) this.#household.registry.apply(one);
				},
				result: account.aor,
			};
		});
	}

	/** All accounts and groups, without verifiers. */
	listAccounts(): Omit<HouseholdAccount, "ha1Sha256" | "ha1Md5">[] {
		return this.#household.accounts.list().map(({ name, aor, kind, members }) => ({ name, aor, kind, members }));
	}

	/**
	 * An invitation: for a peer (no name), for a device (its name; `replace` lets it take the place of the device that has the
	 * name now), or for an account's owner. `addresses`: where the enrollment server is reached; those announced when empty.
	 */
	async invite(options: {
		readonly role: CodeRole;
		readonly name?: unknown;
		readonly replace?: boolean;
		readonly lifetimeMs?: number;
		readonly addresses?: readonly Address[];
	}): Promise<Invitation> {
		const { codes, authority, overlayName, clock, registry } = this.#household;
		const wallMs = this.#household.needClock();
		if (options.role === "peer" && registry.inForce("peer", wallMs).length >= MAX_PEERS)
			throw new UserError(`the household has ${MAX_PEERS} peers already`, "revoke one first");
		const isFull = registry.inForce("device", wallMs).length >= MAX_DEVICES;
		if (options.role === "device" && isFull && options.replace !== true)
			throw new UserError(`the household has ${MAX_DEVICES} devices already`, "revoke one first");
		const bound = options.role === "peer" ? undefined : this.#boundName(options.role, options.name, options.replace);
		const initial = options.role === "device" ? PAIRING_LIFETIME_MS : INVITE_LIFETIME_MS;
		const addresses = this.#invitedTo(options.addresses);
		const { text, code } = await codes.create(
			{ role: options.role, userName: bound?.aor, replaces: options.replace === true },
			options.lifetimeMs ?? initial,
			clock.wallMs(),
		);
		const { fingerprint } = authority;
		const url = writeJoinUrl({ addresses, overlayName, code: text, fingerprint, name: bound?.name });
		return { code: text, url, expiresMs: code.expiresMs };
	}

	/** Codes that wait to be used, without their secret. */
	listCodes(): Omit<Code, "mac">[] {
		return this.#household.codes.list(this.#household.clock.wallMs());
	}

	async cancelCode(id: unknown): Promise<void> {
		if (typeof id !== "string" || !(await this.#household.codes.cancel(id)))
			throw new UserError(`${String(id)}: no such code`, "give the first four letters of a waiting code");
	}

	/** Every key that has or had a certificate. */
	listNodes(): NodeListing[] {
		return this.#household.registry
			.find(() => true)
			.map((one) => ({
				userName: one.userName,
				role: one.role,
				nodeIds: one.nodeIds.map(hexOf),
				holder: one.holder === undefined ? undefined : hexOf(one.holder),
				issuedMs: one.issuedMs,
				notAfterMs: one.notAfterMs,
				revoked: one.revokedMs !== undefined,
			}));
	}

	/**
	 * Revokes a Node-ID (hex), a peer (its user name), a device or an account's certificates: all Node-IDs concerned become
	 * bad-node of a new document. A revoked peer takes along everything it holds for hosted users. Gives the Node-IDs.
	 */
	async revoke(target: unknown): Promise<{ nodeIds: string[]; sequence: number }> {
		const { registry, addresses, clock } = this.#household;
		const revokedPeers: Uint8Array[] = [];
		const nodeIds = await this.#household.change(() => {
			const concerned = this.#concerned(target);
			const peers = concerned.filter((one) => one.role === "peer").flatMap((one) => one.nodeIds);
			const held = new Set(peers.map(hexOf));
			const all = this.#revoked(
				(one) => concerned.includes(one) || (one.holder !== undefined && held.has(hexOf(one.holder))),
				clock.wallMs(),
			);
			const removals = peers.map((peer) => addresses.removal(peer));
			revokedPeers.push(...peers);
			return {
				put: all.map((one) => this.#issuedEntry(one)),
				remove: removals.map((removal) => removal.key),
				issued: all,
				addresses: addresses.latestFirst(peers),
				document: true,
				apply: () => {
					for (const one of all) registry.apply(one);
					for (const removal of removals) removal.apply();
				},
				result: all.flatMap((one) => one.nodeIds.map(hexOf)),
			};
		});
		for (const peer of revokedPeers) this.#household.forgetReader(peer);
		return { nodeIds, sequence: this.#household.version.sequence };
	}

	/** The records meant by a Node-ID or a name; never the founder or the configuration-signer. */
	#concerned(target: unknown): Issued[] {
		const { registry, overlayName, founder } = this.#household;
		const text = typeof target === "string" ? target : "";
		const named = text.includes("@") ? text : `${text}@${overlayName}`;
		const byNodeId = /^[0-9a-fA-F]{32}$/.test(text) ? registry.ofNodeId(Buffer.from(text, "hex")) : undefined;
		const found = byNodeId === undefined ? registry.find((one) => one.userName === named) : [byNodeId];
		const good = found.filter((one) => one.revokedMs === undefined);
		if (good.some((one) => one.role === "signer" || one.nodeIds.some((nodeId) => hexOf(nodeId) === hexOf(founder))))
			throw new UserError(`${text}: the household itself`, "found a new household instead");
		if (good.length === 0)
			throw new UserError(`${text}: no certificate in force`, "give a Node-ID, a peer, a device or an account");
		return good;
	}

	#revoked(matches: (one: Issued) => boolean, wallMs: number): Issued[] {
		return this.#household.registry
			.find((one) => one.revokedMs === undefined && matches(one))
			.map((one) => ({ ...one, revokedMs: wallMs }));
	}

	#boundName(role: CodeRole, text: unknown, replace: boolean | undefined): { name: string; aor: string } {
		const { accounts, registry, overlayName, clock } = this.#household;
		const name = readName(text, overlayName);
		const account = accounts.get(name.name);
		if (role === "account") {
			if (accounts.need(text).kind !== "user") throw new UserError(`${name.aor}: a group cannot enroll`, "name a user");
			return name;
		}
		if (account !== undefined) throw new UserError(`${name.aor}: is an account`, "choose another name for the device");
		const isTaken = registry.inForce("device", clock.wallMs()).some((one) => one.userName === name.aor);
		if (isTaken && replace !== true)
			throw new UserError(`${name.aor}: a device has this name`, "choose another name, or replace it with --replace");
		return name;
	}

	#invitedTo(given: readonly Address[] | undefined): readonly Address[] {
		const announced = this.#household.addresses.get(this.#household.founder)?.enrollment ?? [];
		const addresses = given !== undefined && given.length > 0 ? given : announced;
		if (addresses.length === 0)
			throw new UserError("nobody knows yet where this enrollment server is reached", "start the daemon first");
		return addresses;
	}

	/** A name that no account and no device has. Checked again inside of the change. */
	#needUnused(text: unknown): void {
		const { accounts, registry, overlayName, clock } = this.#household;
		accounts.needFree(text);
		const { aor } = readName(text, overlayName);
		if (isPeerUserName(aor, overlayName)) throw new UserError(`${aor}: reserved`, "choose another name");
		if (registry.inForce("device", clock.wallMs()).some((one) => one.userName === aor))
			throw new UserError(`${aor}: a device has this name`, "choose another name");
	}

	#save(account: Account, check: () => void): Promise<Applied> {
		return this.#followed(() => {
			check();
			return {
				put: [this.#entry(account)],
				publish: true,
				apply: () => this.#household.accounts.apply(account),
				result: account.aor,
			};
		});
	}

	async #followed(build: () => Change<string>): Promise<Applied> {
		const aor = await this.#household.change(build);
		const { sequence } = this.#household.version;
		const { confirmed, waiting } = await this.#household.confirmation(sequence);
		return { aor, sequence, confirmed: confirmed.map(this.#peerName), waiting: waiting.map(this.#peerName) };
	}

	readonly #peerName = (nodeId: string): string =>
		this.#household.registry.ofNodeId(Buffer.from(nodeId, "hex"))?.userName ?? nodeId;

	#entry(account: Account): readonly [string, unknown] {
		return this.#household.state.sealed(this.#household.accounts.key(account.name), account);
	}

	#issuedEntry(one: Issued): readonly [string, unknown] {
		return [this.#household.registry.recordKey(one), one];
	}
}
