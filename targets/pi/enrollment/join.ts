/** A peer joins a household by an invitation; what it makes and gets is in its state directory, so that a cut anywhere is no loss. */

import type { Crypto, PrivateKey } from "../../../hal/hal.ts";
import { type JoinUrl, readJoinUrl } from "../household/join-url.ts";
import { storedKeyPair } from "../household/key-pair.ts";
import { type Membership, membershipEntries, openMembership, writeCaFile } from "../household/membership.ts";
import { isPeerUserName, peerUserName } from "../household/names.ts";
import { UserError } from "../state/errors.ts";
import { StatePrefix } from "../state/keys.ts";
import type { PiState } from "../state/state.ts";
import type { EnrollmentClient } from "./client.ts";

interface Pending {
	readonly pkcs8: Uint8Array;
	readonly userName: string;
}

/**
 * Joins with an invitation URL. Rejects with a `UserError`: wrong household, code used up, not reachable, ... The key is on disk
 * before the request leaves: when the answer is lost, the same call again gets the certificate although the code is used up.
 */
export async function joinHousehold(
	state: PiState,
	client: EnrollmentClient,
	crypto: Crypto,
	url: string | JoinUrl,
): Promise<Membership> {
	if (openMembership(state, crypto) !== undefined)
		throw new UserError(
			`${state.directory.path}: belongs to a household already`,
			"choose a new directory with --state to join another",
		);
	const invitation = typeof url === "string" ? readJoinUrl(url) : url;
	if (invitation.name !== undefined)
		throw new UserError(`the invitation is for ${invitation.name}, not for a peer`, "ask for one by `ringlet invite`");
	const seen = await client.visit(invitation);
	const { overlayName, fingerprint, code } = invitation;
	const pendingKey = `${StatePrefix.pending}${fingerprint}`;
	const { key, userName } = await pendingIdentity(state, crypto, pendingKey, overlayName);
	const identity = await client.enroll(seen, key, userName, { username: userName, password: code });
	const entries = membershipEntries(state, {
		overlayName,
		root: seen.root.der,
		enrollment: invitation.addresses,
		document: seen.document,
		pair: storedKeyPair(identity.certificate.der, key),
	});
	await state.commit(entries, [pendingKey]);
	writeCaFile(state, seen.root.der);
	const membership = openMembership(state, crypto);
	if (membership === undefined) throw new Error("the membership was not kept");
	return membership;
}

/** The key and name of an attempt that was cut off, or new ones. */
async function pendingIdentity(
	state: PiState,
	crypto: Crypto,
	key: string,
	overlayName: string,
): Promise<{ key: PrivateKey; userName: string }> {
	const found = state.getSealed(key) as Pending | undefined;
	if (found !== undefined && isPeerUserName(found.userName, overlayName))
		return { key: crypto.importKey(found.pkcs8), userName: found.userName };
	const made = crypto.generateKey();
	const userName = peerUserName(crypto.random(8), overlayName);
	await state.commit([state.sealed(key, { pkcs8: made.exportPkcs8(), userName })]);
	return { key: made, userName };
}
