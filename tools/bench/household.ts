/** A household made in memory, for benches: CA, document, as many identities as wanted. Every key and signature is real. */

import { type OverlayConfig, readConfigDocument, writeConfigDocument } from "../../core/config/document.ts";
import { householdKinds } from "../../core/config/kinds.ts";
import { overlayHash } from "../../core/config/overlay-hash.ts";
import { readCertificate } from "../../core/identity/certificate.ts";
import { type Issuer, makeCaCertificate, makeCertificate } from "../../core/identity/certificate-writer.ts";
import { type LocalIdentity, makeLocalIdentity } from "../../core/identity/signer.ts";
import { isRefused, type Refused } from "../../core/machine.ts";
import type { Crypto } from "../../hal/hal.ts";

const DAY = 86_400_000;

export function must<T extends object>(result: T | Refused): T {
	if (isRefused(result)) throw new Error(result.refused);
	return result;
}

export class BenchHousehold {
	readonly config: OverlayConfig;
	readonly document: Uint8Array;
	readonly #issuer: Issuer;
	readonly #crypto: Crypto;
	readonly #name = "bench.example";

	constructor(crypto: Crypto, topologyPlugin: string) {
		this.#crypto = crypto;
		const key = crypto.generateKey();
		const validity = { notBeforeMs: Date.now() - DAY, notAfterMs: Date.now() + 30 * DAY };
		const root = makeCaCertificate({ ...validity, overlayName: this.#name, key }, crypto);
		this.#issuer = { certificate: must(readCertificate(root, crypto)), key };
		const signer = this.identity(`configuration@${this.#name}`);
		const config: OverlayConfig = {
			instanceName: this.#name,
			overlay: overlayHash(this.#name, crypto),
			sequence: 1,
			expirationMs: Date.now() + 10 * DAY,
			topologyPlugin,
			nodeIdLength: 16,
			rootCerts: [root],
			enrollmentServers: [],
			selfSignedPermitted: undefined,
			bootstrapNodes: [],
			turnDensity: 0,
			clientsPermitted: true,
			noIce: true,
			chordUpdateIntervalS: 30,
			chordPingIntervalS: 60,
			chordReactive: true,
			sharedSecret: undefined,
			maxMessageSize: 16_384,
			initialTtl: 20,
			overlayReliabilityTimerMs: 3000,
			overlayLinkProtocols: ["TLS"],
			kindSigners: [signer.nodeId],
			configurationSigners: [signer.nodeId],
			badNodes: [],
			mandatoryExtensions: [],
			requiredKinds: householdKinds(),
			profile: "house",
		};
		this.document = writeConfigDocument(config, signer, crypto);
		this.config = must(readConfigDocument(this.document, crypto)).config;
	}

	/** A new key and certificate with a random Node-ID. */
	identity(userName: string): LocalIdentity {
		const crypto = this.#crypto;
		const key = crypto.generateKey();
		const der = makeCertificate(
			{
				notBeforeMs: Date.now() - DAY,
				notAfterMs: Date.now() + 30 * DAY,
				spki: key.spki,
				nodeIds: [crypto.random(16)],
				userName,
				overlayName: this.#name,
			},
			this.#issuer,
			crypto,
		);
		return must(makeLocalIdentity({ chain: [der], key }, crypto));
	}

	userIdentity(name: string): LocalIdentity {
		return this.identity(`${name}@${this.#name}`);
	}
}
