/** Accounts and ring groups of a household, as its enrollment server keeps them. Builds changes; `Household` commits them. */
import { UserError } from "../state/errors.ts";
import { StatePrefix } from "../state/keys.ts";
import type { PiState } from "../state/state.ts";
import { MAX_ACCOUNTS, MAX_GROUP_MEMBERS } from "./limits.ts";
import { type Name, readName } from "./names.ts";
import { checkPassword, digestVerifiers, hashPassword, type PasswordHash } from "./passwords.ts";
import type { HouseholdAccount } from "./types.ts";

/** A record `pi/account/<name>` (sealed). */
export interface Account extends HouseholdAccount {
	readonly createdMs: number;
	/** Of users only. */
	readonly password: PasswordHash | undefined;
}

export class Accounts {
	readonly #domain: string;
	readonly #byName = new Map<string, Account>();

	constructor(domain: string) {
		this.#domain = domain;
	}

	load(state: PiState): void {
		for (const [, value] of state.listSealed(StatePrefix.account)) this.apply(value as Account);
	}

	get(name: string): Account | undefined {
		return this.#byName.get(name);
	}

	/** By name, with or without domain. Throws a `UserError` when there is none. */
	need(text: unknown): Account {
		const { name, aor } = readName(text, this.#domain);
		const account = this.#byName.get(name);
		if (account === undefined) throw new UserError(`${aor}: no such account`, "see `ringlet account list`");
		return account;
	}

	/** All, sorted by name. */
	list(): Account[] {
		return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
	}

	/** A free name, or a `UserError`. */
	needFree(text: unknown): Name {
		const name = readName(text, this.#domain);
		if (this.#byName.has(name.name)) throw new UserError(`${name.aor}: exists already`, "choose another name");
		if (this.#byName.size >= MAX_ACCOUNTS)
			throw new UserError(`the household has ${MAX_ACCOUNTS} accounts already`, "remove one first");
		return name;
	}

	async newUser({ name, aor }: Name, password: string, createdMs: number): Promise<Account> {
		const verifiers = digestVerifiers(name, this.#domain, password);
		return { name, aor, kind: "user", ...verifiers, members: [], createdMs, password: await hashPassword(password) };
	}

	newGroup({ name, aor }: Name, members: readonly unknown[], createdMs: number): Account {
		if (members.length > MAX_GROUP_MEMBERS)
			throw new UserError(`${aor}: more than ${MAX_GROUP_MEMBERS} members`, "an empty list means all users");
		const names = members.map((member) => {
			const account = this.need(member);
			if (account.kind !== "user")
				throw new UserError(`${account.aor}: a group cannot be in a group`, "name its users");
			return account.name;
		});
		return { name, aor, kind: "group", ha1Sha256: "", ha1Md5: "", members: names, createdMs, password: undefined };
	}

	async withPassword(account: Account, password: string): Promise<Account> {
		const verifiers = digestVerifiers(account.name, this.#domain, password);
		return { ...account, ...verifiers, password: await hashPassword(password) };
	}

	/** True when `password` is that of the user `name`; takes as long when there is no such user. */
	async authenticates(name: string, password: string): Promise<boolean> {
		const account = this.#byName.get(name);
		return (await checkPassword(password, account?.password)) && this.#byName.get(name) === account;
	}

	/** The groups that name this user, without it: what must change along with its removal. A group never becomes "all" by that. */
	groupsWithout(name: string): { changed: Account[]; emptied: Account[] } {
		const changed: Account[] = [];
		const emptied: Account[] = [];
		for (const group of this.#byName.values()) {
			if (!group.members.includes(name)) continue;
			const members = group.members.filter((member) => member !== name);
			if (members.length === 0) emptied.push(group);
			else changed.push({ ...group, members });
		}
		return { changed, emptied };
	}

	/** What peers are told. */
	published(): HouseholdAccount[] {
		return this.list().map(({ name, aor, kind, ha1Sha256, ha1Md5, members }) => ({
			name,
			aor,
			kind,
			ha1Sha256,
			ha1Md5,
			members,
		}));
	}

	key(name: string): string {
		return StatePrefix.account + name;
	}

	/** After the commit. */
	apply(account: Account): void {
		this.#byName.set(account.name, account);
	}

	/** After the commit. */
	forget(name: string): void {
		this.#byName.delete(name);
	}
}
