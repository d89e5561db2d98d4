/**
 * Who may: digest authentication of requests from phones. RFC 3261 §22, RFC 7616, RFC 8760.
 *
 *   request -> no credentials of ours   -> challenge            nothing is remembered
 *           -> nonce not good           -> challenge, stale     no matter whether the password was right
 *           -> wrong, or unknown user   -> challenge; after n times 403 for a while, for this source
 *           -> right                    -> the account
 */
import type { Crypto } from "../../hal/hal.ts";
import {
	algorithmOf,
	type Credentials,
	challengeValue,
	type DigestAlgorithm,
	type DigestFields,
	digestHash,
	digestResponse,
	readDigest,
} from "./digest.ts";
import { Header } from "./header-names.ts";
import type { IdSource } from "./ids.ts";
import { FAILURES_BEFORE_BLOCK, type SipLimits, type SipTimers } from "./limits.ts";
import { LINE, type SipMessage } from "./message.ts";
import { Nonces } from "./nonces.ts";
import { asciiLower } from "./syntax.ts";
import { equalSecrets } from "./tokens.ts";
import { parseUri, type Uri } from "./uri.ts";

/**
 * What the host knows of an account; `undefined` for one it does not have. `aor` is the digest's username with the domain of the
 * request's From (or To of a REGISTER); `username` is as the phone wrote it and as its HA1 was made with.
 */
export type Verifier = (aor: string, username: string) => Credentials | undefined;

/** What came of a request's credentials. */
export type AuthResult =
	/** `aor`: whose they are; `line`: the header line that held them. */
	| { readonly type: "accepted"; readonly aor: string; readonly line: number }
	/** Header lines of the challenge; `wrongAor`: whose password was wrong (or that has no account), "" when none was given. */
	| { readonly type: "challenge"; readonly headers: string; readonly wrongAor: string }
	| { readonly type: "blocked" };

interface Failures {
	count: number;
	/** When counting began, or the block did. */
	since: number;
}

export interface AuthOptions {
	readonly crypto: Crypto;
	readonly ids: IdSource;
	readonly realm: string;
	readonly key: Uint8Array;
	readonly algorithms: readonly DigestAlgorithm[];
	readonly verifier: Verifier;
	readonly limits: SipLimits;
	readonly times: SipTimers;
}

export class Authenticator {
	readonly #options: AuthOptions;
	readonly #nonces: Nonces;
	readonly #failures = new Map<string, Failures>();

	constructor(options: AuthOptions) {
		this.#options = options;
		this.#nonces = new Nonces(options.crypto, options.ids, {
			key: options.key,
			realm: options.realm,
			lifetimeMs: options.times.nonce,
			limit: options.limits.nonceRecords,
		});
	}

	/** Who sent this request? `domain`: where its username lives. `isProxy`: Proxy-Authorization and 407, else Authorization and 401. */
	check(request: SipMessage, domain: string, source: string, isProxy: boolean, now: number): AuthResult {
		if (this.#isBlocked(source, now)) return { type: "blocked" };
		const line = this.#findCredentials(request, isProxy);
		if (line < 0) return this.#challenge(source, isProxy, false, "", now);
		const fields = readDigest(request, request.valueStart(line), request.valueEnd(line))!;
		const algorithm = algorithmOf(fields);
		const isUsable =
			algorithm !== undefined &&
			this.#options.algorithms.includes(algorithm) &&
			fields.qop.toLowerCase() === "auth" &&
			isMeantFor(request, fields);
		if (!isUsable) return this.#challenge(source, isProxy, false, "", now);
		const state = this.#nonces.check(fields.nonce, source, now);
		// RFC 7616 §3.3: stale says "same password, new nonce", so a phone asks nobody again after a restart of ours.
		if (state !== "good") return this.#challenge(source, isProxy, true, "", now);
		const aor = accountOf(fields.username, domain);
		if (!this.#isRight(request, fields, algorithm, aor)) {
			this.#fail(source, now);
			return this.#challenge(source, isProxy, false, aor, now);
		}
		// RFC 7616 §3.4: each count once. A replay gets a fresh nonce like anybody, but not in.
		if (!this.#nonces.use(fields.nonce, fields.nc)) return this.#challenge(source, isProxy, true, "", now);
		this.#failures.delete(source);
		return { type: "accepted", aor, line };
	}

	/** The line with credentials for our realm; -1 when there is none. */
	#findCredentials(request: SipMessage, isProxy: boolean): number {
		const header = isProxy ? Header.proxyAuthorization : Header.authorization;
		for (let line = request.find(header); line >= 0; line = request.find(header, line + LINE)) {
			const fields = readDigest(request, request.valueStart(line), request.valueEnd(line));
			if (fields?.realm === this.#options.realm) return line;
		}
		return -1;
	}

	#isRight(request: SipMessage, fields: DigestFields, algorithm: DigestAlgorithm, aor: string): boolean {
		const { crypto, verifier } = this.#options;
		const known = verifier(aor, fields.username);
		const ha1 = algorithm === "MD5" ? known?.ha1Md5 : known?.ha1Sha256;
		// An account we do not have takes the same way and the same time: its verifier is one nobody can know.
		const secret = ha1 ?? digestHash(crypto, algorithm, `no ${aor}`);
		const { nonce, nc, cnonce, uri } = fields;
		const expected = digestResponse(crypto, algorithm, secret, request.method, uri, nonce, nc, cnonce);
		return equalSecrets(expected, fields.response.toLowerCase()) && ha1 !== undefined;
	}

	#challenge(source: string, isProxy: boolean, isStale: boolean, wrongAor: string, now: number): AuthResult {
		const { realm, algorithms } = this.#options;
		const name = isProxy ? "Proxy-Authenticate" : "WWW-Authenticate";
		const nonce = this.#nonces.issue(source, now);
		let headers = "";
		// RFC 8760 §2.4: one line for each algorithm, the preferred one first.
		for (let i = 0; i < algorithms.length; i++) {
			headers += `${name}: ${challengeValue(realm, nonce, algorithms[i]!, isStale)}\r\n`;
		}
		return { type: "challenge", headers, wrongAor };
	}

	#isBlocked(source: string, now: number): boolean {
		const failures = this.#failures.get(source);
		if (failures === undefined) return false;
		if (now - failures.since >= this.#options.times.block) {
			this.#failures.delete(source);
			return false;
		}
		return failures.count >= FAILURES_BEFORE_BLOCK;
	}

	#fail(source: string, now: number): void {
		const failures = this.#failures.get(source);
		if (failures !== undefined) {
			failures.count++;
			// The block's time runs from the last failure that counted.
			if (failures.count >= FAILURES_BEFORE_BLOCK) failures.since = now;
			return;
		}
		if (this.#failures.size >= this.#options.limits.failureSources) {
			this.#failures.delete(this.#failures.keys().next().value!);
		}
		this.#failures.set(source, { count: 1, since: now });
	}
}

/** The AOR of a digest username: phones write "alice" or "alice@domain". */
function accountOf(username: string, domain: string): string {
	const at = username.lastIndexOf("@");
	if (at < 0) return `${username}@${domain}`;
	return `${username.slice(0, at)}@${asciiLower(username.slice(at + 1))}`;
}

/**
 * RFC 3261 §22.4, RFC 7616 §3.4.6: `uri` is the Request-URI; proxies on the way may have changed it.
 * Choice (§22.4): user and host must agree (or its host be left to name the realm's server); ports and parameters may differ.
 */
function isMeantFor(request: SipMessage, fields: DigestFields): boolean {
	const claimed = parseUri(fields.uri);
	const actual = parseUri(request.requestUri());
	return claimed !== undefined && actual !== undefined && isSameResource(claimed, actual);
}

function isSameResource(a: Uri, b: Uri): boolean {
	return a.host === b.host && a.user === b.user;
}
