/** Which keys hold certificates of this household, and as whom. Builds changes; `Household` commits them. */
import { StatePrefix } from "../state/keys.ts";
import type { PiState } from "../state/state.ts";
import { FORGET_ISSUED_MS, MAX_BAD_NODES } from "./limits.ts";
import type { Issued, Role } from "./types.ts";

export class Registry {
	readonly #byKey = new Map<string, Issued>();
	readonly #byNodeId = new Map<string, Issued>();

	load(state: PiState): void {
		for (const [, value] of state.list(StatePrefix.issued)) this.apply(value as Issued);
	}

	get size(): number {
		return this.#byKey.size;
	}

	/** By SHA-256 of the key's SubjectPublicKeyInfo, hex. */
	ofKey(key: string): Issued | undefined {
		return this.#byKey.get(key);
	}

	ofNodeId(nodeId: Uint8Array): Issued | undefined {
		return this.#byNodeId.get(hex(nodeId));
	}

	/** All that match, revoked ones included. */
	find(matches: (issued: Issued) => boolean): Issued[] {
		return [...this.#byKey.values()].filter(matches);
	}

	/** Not revoked and not expired, of one role. */
	inForce(role: Role, wallMs: number): Issued[] {
		return this.find((one) => one.role === role && one.revokedMs === undefined && one.notAfterMs > wallMs);
	}

	/**
	 * RFC 6940 §11.1 bad-node: Node-IDs of revoked certificates that have not run out. Limit (MAX_BAD_NODES): keys that a peer in good
	 * standing holds for a removed account go first, then those revoked longest ago; `left` says how many did not fit.
	 * `pending`: records about to be committed.
	 */
	badNodes(wallMs: number, pending: readonly Issued[] = []): { nodeIds: Uint8Array[]; left: number } {
		const all = new Map(this.#byKey);
		for (const issued of pending) all.set(issued.key, issued);
		const revoked = [...all.values()].filter((one) => one.revokedMs !== undefined && one.notAfterMs > wallMs);
		const badHolders = new Set(revoked.flatMap((one) => one.nodeIds.map(hex)));
		const weight = ({ role, holder }: Issued): number =>
			role !== "hosted" || holder === undefined || badHolders.has(hex(holder)) ? 1 : 0;
		revoked.sort((a, b) => weight(b) - weight(a) || (b.revokedMs ?? 0) - (a.revokedMs ?? 0));
		const ids = revoked.flatMap((one) => one.nodeIds);
		const nodeIds = ids.slice(0, MAX_BAD_NODES).sort(Buffer.compare);
		return { nodeIds, left: ids.length - nodeIds.length };
	}

	/** Keys whose last certificate ran out so long ago that they may be forgotten. */
	forgettable(wallMs: number): Issued[] {
		return this.find((one) => one.notAfterMs + FORGET_ISSUED_MS < wallMs);
	}

	recordKey(issued: Issued): string {
		return StatePrefix.issued + issued.key;
	}

	/** After the commit. */
	apply(issued: Issued): void {
		this.#byKey.set(issued.key, issued);
		for (const nodeId of issued.nodeIds) this.#byNodeId.set(hex(nodeId), issued);
	}

	/** After the commit. */
	forget(issued: Issued): void {
		this.#byKey.delete(issued.key);
		for (const nodeId of issued.nodeIds) this.#byNodeId.delete(hex(nodeId));
	}
}

function hex(bytes: Uint8Array): string {
	return Buffer.from(bytes).toString("hex");
}
