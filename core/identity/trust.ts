/** Whom this node believes: chains to root-certs, self-signed Node-IDs, bad-node. RFC 6940 §11.3, §11.3.1, §11.4; RFC 5280 §6. */
import type { Crypto } from "../../hal/hal.ts";
import { type Refused, refuse } from "../machine.ts";
import type { Certificate } from "./certificate.ts";

export interface TrustOptions {
	readonly crypto: Crypto;
	/** root-cert elements of the configuration. */
	readonly roots: readonly Certificate[];
	/** instance-name of the configuration. */
	readonly overlayName: string;
	/** Octets of a Node-ID, 16..20. */
	readonly nodeIdLength: number;
	/** Digest of self-signed-permitted; undefined when self-signed certificates are not allowed. */
	readonly selfSigned?: "sha1" | "sha256" | undefined;
	/** bad-node elements: revoked Node-IDs. */
	readonly badNodes?: readonly Uint8Array[];
}

export class Trust {
	constructor(_options: TrustOptions) {}

	/**
	 * Checks that `leafDer` is a certificate of this overlay now: chain, validity, contents, bad-node.
	 * `others`: DER certificates that may be intermediates, in any order. `wallMs`: milliseconds since 1970.
	 */
	check(_leafDer: Uint8Array, _others: readonly Uint8Array[], _wallMs: number): Certificate | Refused {
		return refuse("certificates cannot be checked yet");
	}

	/** Replaces the bad-node list; takes effect at once. */
	setBadNodes(_badNodes: readonly Uint8Array[]): void {}

	/** Replaces the trust anchors and forgets every chain checked before. */
	setRoots(_roots: readonly Certificate[]): void {}
}
