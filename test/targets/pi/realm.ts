/** An overlay's authority in memory, with real keys and the machine's clock: identities of every kind, good and bad, and documents. */
import { type OverlayConfig, readConfigDocument, writeConfigDocument } from "../../../core/config/document.ts";
import { householdKinds } from "../../../core/config/kinds.ts";
import { overlayHash } from "../../../core/config/overlay-hash.ts";
import { readCertificate } from "../../../core/identity/certificate.ts";
import { type Issuer, makeCaCertificate, makeCertificate } from "../../../core/identity/certificate-writer.ts";
import { type LocalIdentity, makeLocalIdentity } from "../../../core/identity/signer.ts";
import { Trust } from "../../../core/identity/trust.ts";
import { isRefused, type Refused } from "../../../core/machine.ts";
import { nodeCrypto } from "../../../hal/node/crypto.ts";

export const crypto = nodeCrypto();
export const DOMAIN = "home.example";
export const DAY_MS = 86_400_000;

/** The result, or an error that says why it was refused. */
export function good<T extends object>(result: T | Refused): T {
	if (isRefused(result)) throw new Error(result.refused);
	return result;
}

export interface Member {
	/** Default: a name of its own. */
	readonly userName?: string;
	readonly nodeId?: Uint8Array;
	readonly notBeforeMs?: number;
	readonly notAfterMs?: number;
}

export class Realm {
	readonly issuer: Issuer;
	/** configuration-signer. */
	readonly signer: LocalIdentity;
	config: OverlayConfig;
	document: Uint8Array;
	#members = 0;

	constructor(change: Partial<OverlayConfig> = {}) {
		const key = crypto.generateKey();
		const validity = { notBeforeMs: Date.now() - 10 * DAY_MS, notAfterMs: Date.now() + 30 * DAY_MS };
		const root = makeCaCertificate({ ...validity, overlayName: DOMAIN, key }, crypto);
		this.issuer = { certificate: good(readCertificate(root, crypto)), key };
		this.signer = this.identity({ userName: `configuration@${DOMAIN}` });
		const config = { ...baseConfig(root, this.signer), ...change };
		this.document = writeConfigDocument(config, this.signer, crypto);
		this.config = good(readConfigDocument(this.document, crypto)).config;
	}

	/** A new key and its certificate. */
	identity(member: Member = {}): LocalIdentity {
		const key = crypto.generateKey();
		const der = makeCertificate(
			{
				notBeforeMs: member.notBeforeMs ?? Date.now() - 2 * DAY_MS,
				notAfterMs: member.notAfterMs ?? Date.now() + 20 * DAY_MS,
				spki: key.spki,
				nodeIds: [member.nodeId ?? crypto.random(16)],
				userName: member.userName ?? `peer${++this.#members}@${DOMAIN}`,
				overlayName: DOMAIN,
			},
			this.issuer,
			crypto,
		);
		return good(makeLocalIdentity({ chain: [der], key }, crypto));
	}

	/** A certificate of this overlay shown by somebody who has another key: TLS does not get anywhere, signatures do not hold. */
	stolen(identity: LocalIdentity): LocalIdentity {
		return { ...identity, key: crypto.generateKey() };
	}

	/** The next configuration document. */
	revise(change: Partial<OverlayConfig>): Uint8Array {
		const config = { ...this.config, ...change, sequence: this.config.sequence + 1 };
		this.document = writeConfigDocument(config, this.signer, crypto);
		this.config = good(readConfigDocument(this.document, crypto)).config;
		return this.document;
	}

	trust(): Trust {
		return new Trust({ crypto, roots: [this.issuer.certificate], overlayName: DOMAIN, nodeIdLength: 16 });
	}
}

function baseConfig(root: Uint8Array, signer: LocalIdentity): OverlayConfig {
	return {
		instanceName: DOMAIN,
		overlay: overlayHash(DOMAIN, crypto),
		sequence: 1,
		expirationMs: Date.now() + 10 * DAY_MS,
		topologyPlugin: "EXP-OVERLAY",
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
		overlayReliabilityTimerMs: 1_000,
		overlayLinkProtocols: ["TLS"],
		kindSigners: [signer.nodeId],
		configurationSigners: [signer.nodeId],
		badNodes: [],
		mandatoryExtensions: [],
		requiredKinds: householdKinds(),
		profile: "house",
	};
}
