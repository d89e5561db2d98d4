/**
 * What a reader does with a FetchAns: nothing is believed because a storing peer says so. RFC 6940 §7.4.2.2 MUST: every signature is
 * verified, bad values are discarded, and the reader is told how many. The access policy is checked again as well (RFC 6940 §7.3).
 */
import type { KindDefinition } from "../config/kinds.ts";
import type { VerifiedSigner, Verifier } from "../identity/verify.ts";
import { isRefused } from "../machine.ts";
import type { FetchKindResponse } from "../wire/fetch.ts";
import type { StoredData } from "../wire/store.ts";
import { type AccessOverlay, isUnsigned, isWriteAllowed, keyOf } from "./access.ts";

/** A verified value, or a synthesized one (`signer` undefined): the peer says that nothing is there. */
export interface ReadValue {
	readonly stored: StoredData;
	readonly signer: VerifiedSigner | undefined;
}

export interface ReadKind {
	readonly kind: number;
	readonly generation: number;
	readonly values: readonly ReadValue[];
	readonly discarded: number;
}

/** Verifies one FetchKindResponse. `certificates`: DER, from the SecurityBlock of the answer. */
export function verifyFetched(
	verifier: Pick<Verifier, "verifyStored">,
	overlay: AccessOverlay,
	resourceId: Uint8Array,
	kind: KindDefinition,
	response: FetchKindResponse,
	certificates: readonly Uint8Array[],
	wallMs: number,
): ReadKind {
	const values: ReadValue[] = [];
	let discarded = 0;
	for (const stored of response.values) {
		if (isUnsigned(stored.signature)) {
			// Without a signature nothing can be said to exist.
			if (stored.value.value.exists) discarded++;
			else values.push({ stored, signer: undefined });
			continue;
		}
		const signer = verifier.verifyStored(resourceId, kind.id, stored, certificates, wallMs);
		if (isRefused(signer)) {
			discarded++;
			continue;
		}
		const input = { resourceId, kind, key: keyOf(stored.value), value: stored.value.value, signer };
		if (isWriteAllowed(input, overlay)) values.push({ stored, signer });
		else discarded++;
	}
	return { kind: response.kind, generation: response.generation, values, discarded };
}
