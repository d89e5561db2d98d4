/**
 * The identities of hosted users on this peer: one key and one certificate per account, made ahead of time.
 *
 *     no record -> key made and on disk -> request sent -> certificate checked and on disk -> in use
 *
 * The key is on disk before the request leaves, so a cut at any point ends with the same request sent again.
 */
import { type Certificate, readCertificate } from "../../../core/identity/certificate.ts";
import { makeCertificationRequest } from "../../../core/identity/pkcs10.ts";
import type { LocalIdentity } from "../../../core/identity/signer.ts";
import type { Trust } from "../../../core/identity/trust.ts";
import { isRefused } from "../../../core/machine.ts";
import { equalBytes } from "../../../core/wire/bytes.ts";
import type { Crypto, Log, PrivateKey } from "../../../hal/hal.ts";
import { UserError } from "../state/errors.ts";
import { StatePrefix } from "../state/keys.ts";
import type { PiState } from "../state/state.ts";
import { localIdentity, wantsRenewal } from "./key-pair.ts";
import { MAX_HOSTED_BATCH } from "./limits.ts";
import type { HouseholdSource, IssueResult } from "./types.ts";

interface HostedRecord {
	readonly pkcs8: Uint8Array;
	/** Absent until it was issued. */
	readonly certificate?: Uint8Array | undefined;
}

interface Hosted {
	readonly key: PrivateKey;
	readonly identity: LocalIdentity | undefined;
}

/** What changed for the overlay node. */
export interface HostedChange {
	readonly added: LocalIdentity[];
	readonly removed: LocalIdentity[];
}

export class HostedUsers {
	readonly #state: PiState;
	readonly #crypto: Crypto;
	readonly #log: Log | undefined;
	readonly #byAor = new Map<string, Hosted>();

	constructor(state: PiState, crypto: Crypto, log?: Log) {
		this.#state = state;
		this.#crypto = crypto;
		this.#log = log;
		for (const [key, value] of state.listSealed(StatePrefix.hosted)) {
			const aor = key.slice(StatePrefix.hosted.length);
			this.#byAor.set(aor, this.#open(key, value as HostedRecord));
		}
	}

	get(aor: string): LocalIdentity | undefined {
		return this.#byAor.get(aor)?.identity;
	}

	/** Those that have a certificate. */
	all(): LocalIdentity[] {
		return [...this.#byAor.values()].map((hosted) => hosted.identity).filter((identity) => identity !== undefined);
	}

	/**
	 * Makes the set equal to `aors`: keys and certificates for new ones, away with the others. Node-IDs on the bad-node list
	 * that `trust` holds get a new key. Rejects when the source cannot be reached; what was done until then stays done, and is in `change`.
	 */
	async follow(
		aors: readonly string[],
		source: HouseholdSource,
		trust: Trust,
		wallMs: number,
		change: HostedChange,
	): Promise<void> {
		const wanted = new Set(aors);
		for (const [aor, hosted] of [...this.#byAor]) {
			const isBad = hosted.identity !== undefined && this.#isBad(hosted.identity, trust, wallMs);
			if (!wanted.has(aor) || isBad) await this.#forget(aor, hosted, change);
		}
		const missing = aors.filter((aor) => this.get(aor) === undefined);
		await this.#makeKeys(missing.filter((aor) => !this.#byAor.has(aor)));
		await this.#request(missing, source, trust, wallMs, change);
	}

	/** Renews certificates past two thirds of their life. */
	async renew(source: HouseholdSource, trust: Trust, wallMs: number, change: HostedChange): Promise<void> {
		const due = [...this.#byAor].filter(([, { identity }]) =>
			identity === undefined ? false : wantsRenewal(identity.certificate, wallMs),
		);
		await this.#request(
			due.map(([aor]) => aor),
			source,
			trust,
			wallMs,
			change,
		);
	}

	async #request(
		aors: readonly string[],
		source: HouseholdSource,
		trust: Trust,
		wallMs: number,
		change: HostedChange,
	): Promise<void> {
		for (let at = 0; at < aors.length; at += MAX_HOSTED_BATCH) {
			const batch = aors.slice(at, at + MAX_HOSTED_BATCH);
			const requests = batch.map((aor) => ({ aor, csr: makeCertificationRequest(this.#key(aor), aor) }));
			const results = await source.hosted(requests);
			for (const [index, aor] of batch.entries()) await this.#take(aor, results[index], trust, wallMs, change);
		}
	}

	async #take(
		aor: string,
		result: IssueResult | undefined,
		trust: Trust,
		wallMs: number,
		change: HostedChange,
	): Promise<void> {
		const hosted = this.#byAor.get(aor);
		if (hosted === undefined) return;
		if (result === undefined || "refused" in result) {
			const refused = result?.refused ?? "no answer";
			this.#log?.("warn", "hosted.refused", { aor, reason: refused });
			// A key that is refused for good (revoked while we were away) makes place for a new one the next time.
			if (refused === "bad_CSR" && hosted.identity === undefined) await this.#forget(aor, hosted, change);
			return;
		}
		const certificate = checkIssued(result.certificate, hosted.key, aor, trust, wallMs);
		if (typeof certificate === "string") {
			this.#log?.("error", "hosted.certificate", { aor, reason: certificate });
			return;
		}
		const record = { pkcs8: hosted.key.exportPkcs8(), certificate: certificate.der };
		const key = StatePrefix.hosted + aor;
		await this.#state.commit([this.#state.sealed(key, record)]);
		const identity = localIdentity({ certificate, key: hosted.key }, key);
		this.#byAor.set(aor, { key: hosted.key, identity });
		change.added.push(identity);
	}

	async #makeKeys(aors: readonly string[]): Promise<void> {
		if (aors.length === 0) return;
		const made = aors.map((aor) => ({ aor, key: this.#crypto.generateKey() }));
		await this.#state.commit(
			made.map(({ aor, key }) => this.#state.sealed(StatePrefix.hosted + aor, { pkcs8: key.exportPkcs8() })),
		);
		for (const { aor, key } of made) this.#byAor.set(aor, { key, identity: undefined });
	}

	async #forget(aor: string, hosted: Hosted, change: HostedChange): Promise<void> {
		await this.#state.commit([], [StatePrefix.hosted + aor]);
		this.#byAor.delete(aor);
		if (hosted.identity !== undefined) change.removed.push(hosted.identity);
	}

	/** Revoked, or from another household (the CA changed): not one that merely ran out, whose key may be renewed. */
	#isBad(identity: LocalIdentity, trust: Trust, wallMs: number): boolean {
		const { certificate, chain } = identity;
		const { notBeforeMs, notAfterMs, der } = certificate;
		const when = Math.min(Math.max(wallMs, notBeforeMs), notAfterMs);
		return isRefused(trust.check(der, chain, when));
	}

	#key(aor: string): PrivateKey {
		const hosted = this.#byAor.get(aor);
		if (hosted === undefined) throw new Error(`no key for ${aor}`);
		return hosted.key;
	}

	#open(key: string, record: HostedRecord): Hosted {
		const privateKey = this.#crypto.importKey(record.pkcs8);
		if (record.certificate === undefined) return { key: privateKey, identity: undefined };
		const certificate = readCertificate(record.certificate, this.#crypto);
		if (isRefused(certificate))
			throw new UserError(`record ${key}: ${certificate.refused}`, "restore the state directory from a backup");
		return { key: privateKey, identity: localIdentity({ certificate, key: privateKey }, key) };
	}
}

/** RFC 6940 §11.3 MUST: the chain of what the server returned leads to a root-cert; and it is for our key and name. */
export function checkIssued(
	der: Uint8Array,
	key: PrivateKey,
	userName: string,
	trust: Trust,
	wallMs: number,
): Certificate | string {
	const certificate = trust.check(der, [], wallMs);
	if (isRefused(certificate)) return certificate.refused;
	if (!equalBytes(certificate.spki, key.spki)) return "the certificate is for another key";
	if (certificate.userName !== userName) return `the certificate is for ${certificate.userName ?? "nobody"}`;
	return certificate;
}
