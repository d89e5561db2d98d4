/**
 * Certificates on request: for whoever has a code or password, again for whoever had one before, and for hosted users.
 *
 * A key that is on record gets a certificate again for the same name and the same Node-IDs, without a code: the request itself
 * proves the key. So a client that lost the answer (power cut, broken connection) sends the same request again; and so
 * certificates are renewed, even late. A revoked key gets nothing more.
 */
import { type CertificationRequest, readCertificationRequest } from "../../../core/identity/pkcs10.ts";
import { isRefused } from "../../../core/machine.ts";
import { houseAor } from "../../../core/usages/house.ts";
import { StatePrefix } from "../state/keys.ts";
import { keyHash } from "./authority.ts";
import type { DeviceRecord } from "./devices.ts";
import { type Change, type Household, hexOf } from "./household.ts";
import {
	MAX_DEVICES,
	MAX_HOSTED_BATCH,
	MAX_ISSUED,
	MAX_NODE_IDS,
	MAX_NODES_PER_ACCOUNT,
	MAX_PEERS,
	PAIRING_AGAIN_MS,
} from "./limits.ts";
import { isPeerUserName, readNameQuietly } from "./names.ts";
import type { HostedRequest, Issued, IssueResult, Role } from "./types.ts";

/** RFC 6940 §11.3: failure tokens, and two of our own (unknown tokens mean an unspecified failure). */
export const Token = Object.freeze({
	failedAuthentication: "failed_authentication",
	usernameNotAvailable: "username_not_available",
	nodeIdsNotAvailable: "Node-IDs_not_available",
	badCsr: "bad_CSR",
	tooManyAttempts: "too_many_attempts",
	unavailable: "temporarily_unavailable",
});

export interface EnrollmentForm {
	/** Octets of the parts; undefined when a part is absent. */
	readonly username: string | undefined;
	readonly password: string | undefined;
	/** Node-IDs wanted; 1 when the part is absent, NaN when it is no number. */
	readonly nodeIds: number;
	/** DER PKCS#10. */
	readonly csr: Uint8Array;
}

/** Who was authenticated, and as what. */
interface Grant {
	readonly role: Role;
	readonly userName: string;
	/** Id of the code that is used up. */
	readonly code?: string;
	/** Devices: another key of this name is revoked. */
	readonly replaces?: boolean;
	/** Hosted users: the peer. */
	readonly holder?: Uint8Array;
}

type Ready = { readonly change: Change<IssueResult> } | { readonly refused: string };

export class Issuing {
	readonly #household: Household;

	constructor(household: Household) {
		this.#household = household;
	}

	/** The household CA (DER) and the signed document, for whoever gets everything in one answer. */
	household(): { readonly root: Uint8Array; readonly document: Uint8Array } {
		return { root: this.#household.authority.root.der, document: this.#household.document };
	}

	/** RFC 6940 §11.3: one enrollment. Never throws because of what the form says. */
	async enroll(form: EnrollmentForm): Promise<IssueResult> {
		const request = readCertificationRequest(form.csr, this.#household.crypto);
		if (isRefused(request)) return { refused: Token.badCsr };
		const again = this.#household.registry.ofKey(keyHash(request.spki, this.#household.crypto));
		if (again !== undefined) return this.#again(request, form);
		// RFC 6940 §11.3: username and password are required for whoever is not known.
		const { username, password } = form;
		if (username === undefined || password === undefined) return { refused: Token.failedAuthentication };
		if (this.#household.codes.knows(password)) return this.#byCode(request, form, username, password);
		return this.#byPassword(request, form, username, password);
	}

	/** Certificates for users hosted on a peer (its Node-ID), one result per request. */
	async hosted(peer: Uint8Array, requests: readonly HostedRequest[]): Promise<IssueResult[]> {
		const results: IssueResult[] = [];
		for (const { aor, csr } of requests.slice(0, MAX_HOSTED_BATCH)) results.push(await this.#hostedOne(peer, aor, csr));
		return results;
	}

	#again(request: CertificationRequest, form: EnrollmentForm): Promise<IssueResult> {
		return this.#issue(() => {
			const record = this.#household.registry.ofKey(keyHash(request.spki, this.#household.crypto));
			if (record === undefined || record.revokedMs !== undefined || record.role === "signer")
				return { refused: Token.failedAuthentication };
			if (request.userName !== undefined && request.userName !== record.userName)
				return { refused: Token.usernameNotAvailable };
			// RFC 6940 §11.3: the same user SHOULD get the same Node-IDs again.
			if (form.nodeIds !== 1 && form.nodeIds !== record.nodeIds.length) return { refused: Token.nodeIdsNotAvailable };
			return { change: this.#certificate(request.spki, record, []) };
		});
	}

	async #byCode(
		request: CertificationRequest,
		form: EnrollmentForm,
		username: string,
		text: string,
	): Promise<IssueResult> {
		return this.#issue(async () => {
			const { codes, overlayName, clock } = this.#household;
			const check = await codes.check(text, clock.wallMs());
			if ("refused" in check) return { refused: Token.failedAuthentication };
			const { id, role, replaces } = check.code;
			const userName = check.code.userName ?? request.userName;
			if (userName === undefined) return { refused: Token.badCsr };
			const named = username.includes("@") ? username : `${username}@${overlayName}`;
			if (named !== userName || (request.userName ?? userName) !== userName)
				return { refused: Token.usernameNotAvailable };
			return this.#grant(request, form.nodeIds, { role, userName, code: id, replaces });
		});
	}

	async #byPassword(
		request: CertificationRequest,
		form: EnrollmentForm,
		username: string,
		password: string,
	): Promise<IssueResult> {
		const { accounts, overlayName } = this.#household;
		const known = readNameQuietly(username, overlayName);
		// The password is checked outside of the queue of changes: it takes a while, and others need not wait.
		const isRight = await accounts.authenticates(known?.name ?? "", password);
		if (known === undefined || !isRight) return { refused: Token.failedAuthentication };
		// RFC 6940 §11.3: the name in the request must be one this account may use; here it is the account's own.
		if ((request.userName ?? known.aor) !== known.aor) return { refused: Token.usernameNotAvailable };
		return this.#issue(() => {
			if (accounts.get(known.name)?.kind !== "user") return { refused: Token.failedAuthentication };
			return this.#grant(request, form.nodeIds, { role: "account", userName: known.aor });
		});
	}

	#hostedOne(holder: Uint8Array, aor: string, csr: Uint8Array): Promise<IssueResult> {
		return this.#issue(() => {
			const { crypto, registry, accounts, overlayName } = this.#household;
			const request = readCertificationRequest(csr, crypto);
			if (isRefused(request)) return { refused: Token.badCsr };
			const name = readNameQuietly(aor, overlayName);
			const isAccount = name !== undefined && name.aor === aor && accounts.get(name.name) !== undefined;
			// The house is served by every peer, whatever accounts there are.
			const isServed = isAccount || aor === houseAor(overlayName);
			if (!isServed || (request.userName ?? aor) !== aor) return { refused: Token.usernameNotAvailable };
			const record = registry.ofKey(keyHash(request.spki, crypto));
			if (record === undefined) return this.#grant(request, 1, { role: "hosted", userName: aor, holder });
			const isSame = record.role === "hosted" && record.userName === aor && record.revokedMs === undefined;
			if (!isSame || record.holder === undefined || hexOf(record.holder) !== hexOf(holder))
				return { refused: Token.badCsr };
			return { change: this.#certificate(request.spki, record, []) };
		});
	}

	/** A new key: room for it, its Node-IDs, its record. */
	#grant(request: CertificationRequest, count: number, grant: Grant): Ready {
		const { registry, crypto, authority, clock } = this.#household;
		const { role, userName } = grant;
		const most = role === "account" ? MAX_NODE_IDS : 1;
		if (!Number.isInteger(count) || count < 1 || count > most) return { refused: Token.nodeIdsNotAvailable };
		const others = registry.find((one) => one.userName === userName && one.revokedMs === undefined);
		const refused = this.#noRoom(grant, others);
		if (refused !== undefined) return { refused };
		const wallMs = clock.wallMs();
		const record: Issued = {
			key: keyHash(request.spki, crypto),
			userName,
			role,
			nodeIds: authority.newNodeIds(count, (nodeId) => registry.ofNodeId(nodeId) !== undefined),
			holder: grant.holder,
			issuedMs: wallMs,
			notAfterMs: 0,
			revokedMs: undefined,
		};
		// A peer has one key per hosted user: an earlier one (its state was lost) is not used any more.
		const superseded = others.filter((one) =>
			role === "hosted"
				? one.holder !== undefined && hexOf(one.holder) === hexOf(grant.holder ?? new Uint8Array())
				: grant.replaces,
		);
		const revoked = role === "account" ? [] : superseded.map((one) => ({ ...one, revokedMs: wallMs }));
		return { change: this.#certificate(request.spki, record, revoked, grant.code) };
	}

	/** Limits and names: why this grant cannot be given, if so. */
	#noRoom(grant: Grant, others: readonly Issued[]): string | undefined {
		const { registry, overlayName, accounts, clock } = this.#household;
		const { role, userName } = grant;
		// Limit (MAX_ISSUED): no new keys; those on record are renewed all the same.
		if (registry.size >= MAX_ISSUED) return Token.nodeIdsNotAvailable;
		const wallMs = clock.wallMs();
		if (role === "peer") {
			if (!isPeerUserName(userName, overlayName) || others.length > 0) return Token.usernameNotAvailable;
			return registry.inForce("peer", wallMs).length >= MAX_PEERS ? Token.nodeIdsNotAvailable : undefined;
		}
		if (role === "hosted") return undefined;
		const name = readNameQuietly(userName, overlayName);
		if (name === undefined) return Token.usernameNotAvailable;
		if (role === "device") {
			const isTaken = accounts.get(name.name) !== undefined || others.some((one) => one.role !== "device");
			const count = registry.inForce("device", wallMs).length;
			if (others.length === 0 && count >= MAX_DEVICES) return Token.nodeIdsNotAvailable;
			return isTaken || (others.length > 0 && grant.replaces !== true) ? Token.usernameNotAvailable : undefined;
		}
		if (role === "account") {
			const own = others.filter((one) => one.role === "account" && one.notAfterMs > wallMs);
			return own.length >= MAX_NODES_PER_ACCOUNT ? Token.nodeIdsNotAvailable : undefined;
		}
		return undefined;
	}

	/** The certificate, its record, the records revoked with it and the code used up: one commit. */
	#certificate(spki: Uint8Array, known: Issued, revoked: readonly Issued[], code?: string): Change<IssueResult> {
		const { authority, registry, codes, devices } = this.#household;
		const validity = authority.validity(this.#household.needClock());
		const { userName, nodeIds, role } = known;
		const certificate = authority.issue({ spki, nodeIds, userName }, validity);
		const record: Issued = { ...known, notAfterMs: validity.notAfterMs };
		const records = [record, ...revoked];
		const isNew = registry.ofKey(record.key) === undefined;
		const device = role === "device" ? this.#device(record, isNew) : undefined;
		return {
			put: [
				...records.map((one) => [StatePrefix.issued + one.key, one] as const),
				...(device?.put === undefined ? [] : [this.#household.state.sealed(devices.key(userName), device.put)]),
			],
			remove: code === undefined ? [] : [codes.key(code)],
			issued: records,
			document: revoked.length > 0,
			publish: isNew && (role === "peer" || role === "device"),
			apply: () => {
				for (const one of records) registry.apply(one);
				if (code !== undefined) codes.forget(code);
				if (device?.put !== undefined) devices.apply(device.put);
			},
			result: {
				certificate,
				userName,
				...(device?.settingsKey === undefined ? {} : { settingsKey: device.settingsKey }),
			},
		};
	}

	/** A key that is new has a settings key of its own; one that asks again hears it only if it may not have got the answer. */
	#device(record: Issued, isNew: boolean): { put?: DeviceRecord; settingsKey?: Uint8Array } {
		const { devices, clock } = this.#household;
		const wallMs = clock.wallMs();
		if (isNew) {
			const put = devices.paired(record.userName, wallMs);
			return { put, settingsKey: put.settingsKey };
		}
		const known = devices.get(record.userName);
		const isLate = wallMs > record.issuedMs + PAIRING_AGAIN_MS;
		return known === undefined || isLate ? {} : { settingsKey: known.settingsKey };
	}

	#issue(build: () => Promise<Ready> | Ready): Promise<IssueResult> {
		return this.#household.change(async () => {
			const ready = await build();
			return "change" in ready ? ready.change : { result: { refused: ready.refused } };
		});
	}
}
