/** The local identities: the node's own, which owns the links, and the hosted users it answers for (design: hosted user). */
import type { LocalIdentity } from "../identity/signer.ts";
import { equalBytes } from "../wire/bytes.ts";

export class Identities {
	#own: LocalIdentity;
	readonly #hosted: LocalIdentity[] = [];
	readonly #limit: number;

	constructor(own: LocalIdentity, limit: number) {
		this.#own = own;
		this.#limit = limit;
	}

	/** The identity that owns the links. */
	get own(): LocalIdentity {
		return this.#own;
	}

	/** Identities, the node's own included. */
	get count(): number {
		return 1 + this.#hosted.length;
	}

	/** False when the table is full. An identity of the same Node-ID is replaced (a renewed certificate), the node's own too. */
	add(identity: LocalIdentity): boolean {
		if (equalBytes(this.#own.nodeId, identity.nodeId)) {
			this.#own = identity;
			return true;
		}
		for (let i = 0; i < this.#hosted.length; i++) {
			if (!equalBytes(this.#hosted[i]!.nodeId, identity.nodeId)) continue;
			this.#hosted[i] = identity;
			return true;
		}
		if (this.#hosted.length >= this.#limit) return false;
		this.#hosted.push(identity);
		return true;
	}

	remove(nodeId: Uint8Array): void {
		for (let i = 0; i < this.#hosted.length; i++) {
			if (!equalBytes(this.#hosted[i]!.nodeId, nodeId)) continue;
			this.#hosted.splice(i, 1);
			return;
		}
	}

	/** The local identity with this Node-ID, the node's own included. */
	find(nodeId: Uint8Array): LocalIdentity | undefined {
		if (equalBytes(this.own.nodeId, nodeId)) return this.own;
		for (let i = 0; i < this.#hosted.length; i++) {
			if (equalBytes(this.#hosted[i]!.nodeId, nodeId)) return this.#hosted[i];
		}
		return undefined;
	}

	/** The node's own first. */
	all(): LocalIdentity[] {
		return [this.own, ...this.#hosted];
	}
}
