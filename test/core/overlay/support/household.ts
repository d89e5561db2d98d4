/** Certificates, configuration and identities of a test overlay; keys and ids come from a seed, so a run repeats octet for octet. */
import {
	type ConfigDocument,
	type OverlayConfig,
	readConfigDocument,
	writeConfigDocument,
} from "../../../../core/config/document.ts";
import { householdKinds, type KindDefinition } from "../../../../core/config/kinds.ts";
import { readCertificate } from "../../../../core/identity/certificate.ts";
import { type Issuer, makeCaCertificate, makeCertificate } from "../../../../core/identity/certificate-writer.ts";
import { type LocalIdentity, makeLocalIdentity } from "../../../../core/identity/signer.ts";
import { isRefused, type Refused } from "../../../../core/machine.ts";
import { overlayHash } from "../../../../core/wire/overlay-hash.ts";
import type { Crypto } from "../../../../hal/hal.ts";
import { nobleCrypto } from "../../../../hal/noble.ts";
import { type SeededRandom, seededRandom } from "../../../../hal/sim/random.ts";
import { fakeCrypto } from "./fake-crypto.ts";

export const OVERLAY = "overlay.example.org";
/** 2026-03-01T12:00Z */
export const WALL = 1_772_366_400_000;
const DAY = 86_400_000;
const VALIDITY = { notBeforeMs: WALL - DAY, notAfterMs: WALL + 365 * DAY };

/** A private Kind of each data model, for tests of storage. */
export const SINGLE_KIND = 0xf0000101;
export const ARRAY_KIND = 0xf0000102;
export const DICTIONARY_KIND = 0xf0000103;

/** The result, or a test failure that says why it was refused. */
export function good<T extends object>(result: T | Refused): T {
	if (isRefused(result)) throw new Error(`refused at ${result.at}: ${result.refused}`);
	return result;
}

export interface Enrolled {
	readonly userName?: string;
	readonly nodeId?: Uint8Array;
	readonly nodeIds?: readonly Uint8Array[];
	readonly notAfterMs?: number;
}

export class Household {
	readonly random: SeededRandom;
	readonly crypto: Crypto;
	readonly issuer: Issuer;
	/** configuration-signer and kind-signer. */
	readonly admin: LocalIdentity;
	readonly config: OverlayConfig;
	readonly document: Uint8Array;

	/** `real`: P-256 of @noble instead of the stand-in. */
	constructor(seed: number, change: Partial<OverlayConfig> = {}, real = false) {
		this.random = seededRandom(seed);
		const random = (count: number) => this.random.bytes(count);
		this.crypto = real ? nobleCrypto({ random }) : fakeCrypto(random);
		const key = this.crypto.generateKey();
		const ca = makeCaCertificate({ ...VALIDITY, overlayName: OVERLAY, key }, this.crypto);
		this.issuer = { certificate: good(readCertificate(ca, this.crypto)), key };
		this.admin = this.enroll({ userName: `admin@${OVERLAY}` });
		this.document = this.write({ ...this.#base(), ...change });
		this.config = this.read(this.document).config;
	}

	/** A node or user with a certificate of this household. */
	enroll(member: Enrolled = {}): LocalIdentity {
		const key = this.crypto.generateKey();
		const nodeIds = member.nodeIds ?? [member.nodeId ?? this.crypto.random(16)];
		const template = {
			...VALIDITY,
			...(member.notAfterMs === undefined ? {} : { notAfterMs: member.notAfterMs }),
			spki: key.spki,
			nodeIds,
			userName: member.userName ?? `user${this.random.below(1_000_000)}@${OVERLAY}`,
			overlayName: OVERLAY,
		};
		const chain = [makeCertificate(template, this.issuer, this.crypto)];
		return good(makeLocalIdentity({ chain, key, nodeId: nodeIds[0]! }, this.crypto));
	}

	#base(): OverlayConfig {
		return {
			instanceName: OVERLAY,
			overlay: overlayHash(OVERLAY, (data) => this.crypto.hash("sha1", data)),
			sequence: 22,
			expirationMs: undefined,
			topologyPlugin: "CHORD-RELOAD",
			nodeIdLength: 16,
			rootCerts: [this.issuer.certificate.der],
			enrollmentServers: [],
			selfSignedPermitted: undefined,
			bootstrapNodes: [],
			turnDensity: 0,
			clientsPermitted: true,
			noIce: true,
			chordUpdateIntervalS: 600,
			chordPingIntervalS: 3600,
			chordReactive: true,
			sharedSecret: undefined,
			maxMessageSize: 16_000,
			initialTtl: 100,
			overlayReliabilityTimerMs: 3000,
			overlayLinkProtocols: ["TLS"],
			kindSigners: [this.admin.nodeId],
			configurationSigners: [this.admin.nodeId],
			badNodes: [],
			mandatoryExtensions: [],
			requiredKinds: [...householdKinds(), ...testKinds()],
			profile: "house",
		};
	}

	/** A document of `config`, signed by `signer` (the admin when left out). */
	write(config: OverlayConfig, signer = this.admin): Uint8Array {
		return writeConfigDocument(config, signer, this.crypto);
	}

	read(bytes: Uint8Array): ConfigDocument {
		return good(readConfigDocument(bytes, this.crypto));
	}
}

export function testKind(id: number, dataModel: KindDefinition["dataModel"], accessControl: string): KindDefinition {
	return {
		id,
		name: undefined,
		dataModel,
		accessControl,
		maxCount: 10,
		maxSize: 2000,
		maxNodeMultiple: undefined,
		domainRestrictions: undefined,
		signedBy: undefined,
	};
}

function testKinds(): KindDefinition[] {
	return [
		testKind(SINGLE_KIND, "single", "USER-MATCH"),
		testKind(ARRAY_KIND, "array", "USER-MATCH"),
		testKind(DICTIONARY_KIND, "dictionary", "USER-NODE-MATCH"),
	];
}
