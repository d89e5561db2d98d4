/** Node-IDs of self-signed certificates. RFC 6940 §11.3.1. */
import type { Crypto } from "../../hal/hal.ts";
import { concatBytes } from "../wire/bytes.ts";

/**
 * The Node-IDs that follow from a key: the first octets of digest(SPKI) for one, of digest(uint32 index || SPKI), index from 1,
 * for several.
 */
export function selfSignedNodeIds(
	spki: Uint8Array,
	digest: "sha1" | "sha256",
	nodeIdLength: number,
	count: number,
	crypto: Crypto,
): Uint8Array[] {
	if (count === 1) return [crypto.hash(digest, spki).slice(0, nodeIdLength)];
	const nodeIds: Uint8Array[] = [];
	for (let index = 1; index <= count; index++)
		nodeIds.push(selfSignedNodeId(spki, digest, nodeIdLength, index, crypto));
	return nodeIds;
}

/** The Node-ID with this index, of several. */
export function selfSignedNodeId(
	spki: Uint8Array,
	digest: "sha1" | "sha256",
	nodeIdLength: number,
	index: number,
	crypto: Crypto,
): Uint8Array {
	const prefix = Uint8Array.of(index >>> 24, (index >> 16) & 0xff, (index >> 8) & 0xff, index & 0xff);
	return crypto.hash(digest, concatBytes(prefix, spki)).slice(0, nodeIdLength);
}
