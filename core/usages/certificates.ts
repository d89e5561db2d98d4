/**
 * The certificate store. RFC 6940 §8 MUST: a node stores its certificate at H(user name) as CERTIFICATE_BY_USER and at H(Node-ID) as
 * CERTIFICATE_BY_NODE, for each of its Node-IDs; arrays, so that an old and a new certificate can stand side by side.
 *
 *   for each place:  Fetch all -> already there?  yes: store again at that index (a new lifetime)
 *                                                no: append; when max-count is reached, in place of the oldest
 */
import type { Crypto } from "../../hal/hal.ts";
import { type Certificate, readCertificate } from "../identity/certificate.ts";
import type { Trust } from "../identity/trust.ts";
import { isRefused, type Machine } from "../machine.ts";
import type { FetchedKind, StoreValue } from "../overlay/node-types.ts";
import { equalBytes, includesBytes, utf8ToBytes } from "../wire/bytes.ts";
import { APPEND_INDEX, KindId } from "../wire/codes.ts";
import { fetchedKind, type UsageInput, type UsageOutput } from "./requests.ts";

/** Where a certificate is stored. */
export interface CertificatePlace {
	readonly resourceId: Uint8Array;
	/** CERTIFICATE_BY_USER or CERTIFICATE_BY_NODE. */
	readonly kind: number;
	/** Signs the store there: NODE-MATCH asks for the very Node-ID. */
	readonly nodeId: Uint8Array;
}

/** All places of a certificate: its user first, then each of its Node-IDs. */
export function certificatePlaces(
	certificate: Pick<Certificate, "userName" | "nodeIds">,
	resourceHash: (name: Uint8Array) => Uint8Array,
): CertificatePlace[] {
	const places: CertificatePlace[] = [];
	const first = certificate.nodeIds[0];
	if (certificate.userName !== undefined && first !== undefined) {
		const resourceId = resourceHash(utf8ToBytes(certificate.userName));
		places.push({ resourceId, kind: KindId.certificateByUser, nodeId: first });
	}
	for (const nodeId of certificate.nodeIds) {
		places.push({ resourceId: resourceHash(nodeId), kind: KindId.certificateByNode, nodeId });
	}
	return places;
}

/** How to store `der` among what is there already. */
export function certificateValue(
	fetched: FetchedKind,
	der: Uint8Array,
	maxCount: number,
	lifetimeS: number,
	wallMs: number,
): StoreValue {
	let index = APPEND_INDEX;
	let replacedTime = -1;
	let oldest = -1;
	let oldestTime = Number.POSITIVE_INFINITY;
	let count = 0;
	for (const { stored, signer } of fetched.values) {
		if (stored.value.model !== "array" || signer === undefined) continue;
		count++;
		const isSame = stored.value.value.exists && equalBytes(stored.value.value.value, der);
		if (isSame && (index === APPEND_INDEX || stored.value.index < index)) {
			index = stored.value.index;
			replacedTime = stored.storageTime;
		}
		if (stored.storageTime < oldestTime) {
			oldest = stored.value.index;
			oldestTime = stored.storageTime;
		}
	}
	if (index === APPEND_INDEX && count >= maxCount && oldest >= 0) {
		index = oldest;
		replacedTime = oldestTime;
	}
	// RFC 6940 §7.1: the writer may go on from the old storage_time when its clock is behind.
	const storageTimeMs = Math.max(Math.floor(wallMs), replacedTime + 1);
	return { index, exists: true, value: der, lifetimeS, storageTimeMs };
}

/** What `CertificatePublisher` did. */
export interface CertificatesPublished {
	readonly stored: number;
	/** Places where fetch or store failed; try again later. */
	readonly failed: number;
}

interface Step {
	readonly place: CertificatePlace;
	readonly isStore: boolean;
}

/** Stores a certificate at all its places. Each output names the Node-ID to sign as (`as` of the request). */
export class CertificatePublisher implements Machine<UsageInput, UsageOutput<CertificatesPublished>> {
	readonly #der: Uint8Array;
	readonly #lifetimeS: number;
	readonly #maxCount: (kind: number) => number;
	readonly #outputs: UsageOutput<CertificatesPublished>[] = [];
	readonly #pending = new Map<number, Step>();
	#nextToken = 1;
	#stored = 0;
	#failed = 0;

	constructor(options: {
		readonly certificate: Certificate;
		readonly lifetimeS: number;
		resourceHash(name: Uint8Array): Uint8Array;
		/** max-count of the two Kinds. */
		maxCount(kind: number): number;
	}) {
		this.#der = options.certificate.der;
		this.#lifetimeS = options.lifetimeS;
		this.#maxCount = (kind) => options.maxCount(kind);
		for (const place of certificatePlaces(options.certificate, (name) => options.resourceHash(name))) {
			const token = this.#begin({ place, isStore: false });
			const { resourceId, kind, nodeId } = place;
			this.#outputs.push({ type: "fetch", token, resourceId, kinds: [{ kind }], as: nodeId });
		}
		this.#finishIfDone();
	}

	#begin(step: Step): number {
		const token = this.#nextToken++;
		this.#pending.set(token, step);
		return token;
	}

	poll(): UsageOutput<CertificatesPublished> | undefined {
		return this.#outputs.shift();
	}

	deadline(): number {
		return Number.POSITIVE_INFINITY;
	}

	handle(input: UsageInput, _now: number): void {
		const step = this.#pending.get(input.token);
		if (step === undefined) return;
		this.#pending.delete(input.token);
		if (step.isStore) {
			if (input.result.ok) this.#stored++;
			else this.#failed++;
		} else this.#store(step.place, fetchedKind(input.result, step.place.kind), input.wallMs);
		this.#finishIfDone();
	}

	#store(place: CertificatePlace, fetched: FetchedKind | undefined, wallMs: number): void {
		if (fetched === undefined) {
			this.#failed++;
			return;
		}
		const { resourceId, kind, nodeId } = place;
		const value = certificateValue(fetched, this.#der, this.#maxCount(kind), this.#lifetimeS, wallMs);
		const token = this.#begin({ place, isStore: true });
		this.#outputs.push({ type: "store", token, resourceId, kinds: [{ kind, values: [value] }], as: nodeId });
	}

	#finishIfDone(): void {
		if (this.#pending.size > 0) return;
		this.#outputs.push({ type: "done", result: { stored: this.#stored, failed: this.#failed } });
	}
}

/** Whose certificates are looked for. */
export type CertificateOwner = { readonly userName: string } | { readonly nodeId: Uint8Array };

/**
 * Certificates of a fetched CERTIFICATE_BY_USER or CERTIFICATE_BY_NODE that are good now and name `owner`; each once. RFC 6940 §8:
 * whatever stands there is checked like any other certificate.
 */
export function readStoredCertificates(
	fetched: FetchedKind,
	owner: CertificateOwner,
	trust: Trust,
	crypto: Crypto,
	wallMs: number,
): Certificate[] {
	const good: Certificate[] = [];
	for (const { stored, signer } of fetched.values) {
		if (signer === undefined || !stored.value.value.exists) continue;
		const der = stored.value.value.value;
		const read = readCertificate(der.slice(), crypto);
		if (isRefused(read) || !names(read, owner)) continue;
		const checked = trust.check(der, [], wallMs);
		if (isRefused(checked)) continue;
		let isKnown = false;
		for (const known of good) if (equalBytes(known.der, checked.der)) isKnown = true;
		if (!isKnown) good.push(checked);
	}
	return good;
}

function names(certificate: Certificate, owner: CertificateOwner): boolean {
	if ("userName" in owner) return certificate.userName === owner.userName;
	return includesBytes(certificate.nodeIds, owner.nodeId);
}
