/** The household of a simulated world: its CA, its configuration document, certificates for whoever joins. All of it from the seed. */
import { type OverlayConfig, readConfigDocument, writeConfigDocument } from "../../core/config/document.ts";
import { householdKinds } from "../../core/config/kinds.ts";
import { readCertificate } from "../../core/identity/certificate.ts";
import { type Issuer, makeCaCertificate, makeCertificate } from "../../core/identity/certificate-writer.ts";
import { type LocalIdentity, makeLocalIdentity } from "../../core/identity/signer.ts";
import { isRefused, type Refused } from "../../core/machine.ts";
import type { TimerProfile } from "../../core/overlay/profile.ts";
import { overlayHash } from "../../core/wire/overlay-hash.ts";
import type { Crypto } from "../../hal/hal.ts";

const DAY_MS = 86_400_000;
const VALID_DAYS = 3650;

export interface HouseholdOptions {
	readonly crypto: Crypto;
	readonly overlayName: string;
	/** Name of the topology plug-in. */
	readonly plugin: string;
	readonly profile: TimerProfile;
	readonly wallMs: number;
	/** Elements of the configuration that shall be otherwise. */
	readonly config?: Partial<OverlayConfig>;
}

export class Household {
	readonly crypto: Crypto;
	readonly overlayName: string;
	readonly issuer: Issuer;
	/** configuration-signer. */
	readonly admin: LocalIdentity;
	readonly config: OverlayConfig;
	/** The signed document `config` was read from. */
	readonly document: Uint8Array;
	readonly #validity: { readonly notBeforeMs: number; readonly notAfterMs: number };

	constructor(options: HouseholdOptions) {
		const { crypto, overlayName, wallMs } = options;
		this.crypto = crypto;
		this.overlayName = overlayName;
		this.#validity = { notBeforeMs: wallMs - DAY_MS, notAfterMs: wallMs + VALID_DAYS * DAY_MS };
		const key = crypto.generateKey();
		const ca = makeCaCertificate({ ...this.#validity, overlayName, key }, crypto);
		this.issuer = { certificate: accepted(readCertificate(ca, crypto)), key };
		this.admin = this.enroll(`admin@${overlayName}`);
		this.document = writeConfigDocument(this.#config(options), this.admin, crypto);
		this.config = accepted(readConfigDocument(this.document, crypto)).config;
	}

	/** A certificate with a new key and a Node-ID chosen at random, as the enrollment server issues them. */
	enroll(userName: string, nodeId = this.crypto.random(16)): LocalIdentity {
		const key = this.crypto.generateKey();
		const { overlayName } = this;
		const template = { ...this.#validity, spki: key.spki, nodeIds: [nodeId], userName, overlayName };
		const chain = [makeCertificate(template, this.issuer, this.crypto)];
		return accepted(makeLocalIdentity({ chain, key, nodeId }, this.crypto));
	}

	#config(options: HouseholdOptions): OverlayConfig {
		const { crypto, overlayName, plugin, profile } = options;
		return {
			instanceName: overlayName,
			overlay: overlayHash(overlayName, (data) => crypto.hash("sha1", data)),
			sequence: 1,
			expirationMs: undefined,
			topologyPlugin: plugin,
			nodeIdLength: 16,
			rootCerts: [this.issuer.certificate.der],
			enrollmentServers: [],
			selfSignedPermitted: undefined,
			bootstrapNodes: [],
			turnDensity: 0,
			clientsPermitted: true,
			noIce: true,
			chordUpdateIntervalS: Math.ceil(profile.chordUpdateMs / 1000),
			chordPingIntervalS: Math.ceil(profile.chordPingMs / 1000),
			chordReactive: true,
			sharedSecret: undefined,
			maxMessageSize: 16_384,
			initialTtl: 100,
			overlayReliabilityTimerMs: profile.overlayReliabilityMs,
			overlayLinkProtocols: ["TLS"],
			kindSigners: [],
			configurationSigners: [this.admin.nodeId],
			badNodes: [],
			mandatoryExtensions: [],
			requiredKinds: householdKinds(),
			profile: profile.name,
			...options.config,
		};
	}
}

/** What a room of the core made for us cannot be refused by it: that would be our own bug. */
function accepted<T extends object>(result: T | Refused): T {
	if (isRefused(result)) throw new Error(`refused at ${result.at}: ${result.refused}`);
	return result;
}
