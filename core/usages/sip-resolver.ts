/**
 * From an AOR or GRUU to where it can be reached. RFC 7904 §4, §5; one machine per call.
 *
 *   AOR --fetch--> route  -> contact (destination list for AppAttach)
 *                  uri    -> AOR of this overlay --fetch--> ...            (at most MAX_FORWARD_DEPTH deep, no AOR twice)
 *                         -> GRUU of this overlay -> contact
 *                         -> AOR of another domain -> external (RFC 3263)
 *
 * The caller decides how many of the contacts it forks to. Everything it gets was signed by the user whose registration it is.
 */
import type { Machine } from "../machine.ts";
import { DestinationType, KindId } from "../wire/codes.ts";
import { type Aor, aorResourceName, readAor } from "./aor.ts";
import { readGruu } from "./gruu.ts";
import { MAX_CONTACTS, MAX_EXTERNAL, MAX_FORWARD_DEPTH, MAX_LOOKUPS } from "./limits.ts";
import { fetchedKind, type UsageInput, type UsageOutput } from "./requests.ts";
import { destinationsKey, readRegistrations, type SipContact } from "./sip.ts";

export interface SipResolverOptions {
	/** What to resolve: AOR or GRUU, with or without "sip:" / "sips:". */
	readonly target: string;
	/** Octets, 16..20. */
	readonly nodeIdLength: number;
	/** Resource Name -> Resource-ID. */
	resourceHash(name: Uint8Array): Uint8Array;
	/** True when AORs of this domain (lower case) are registered in this overlay. */
	isHosted(domain: string): boolean;
}

/** One AOR that was looked up; for caches. */
export interface SipLookup {
	readonly aor: string;
	readonly resourceId: Uint8Array;
	/** Generation counter of the answer; `undefined` when there was none. */
	readonly generation: number | undefined;
	/** RFC 6940 error code; 0 = answered. */
	readonly errorCode: number;
}

export interface SipResolution {
	/** Each destination list once; nearest forwarding first, then newest registration first. */
	readonly contacts: readonly SipContact[];
	/** URIs of other domains, for ordinary SIP. */
	readonly external: readonly string[];
	readonly lookups: readonly SipLookup[];
	/** Values that did not verify or were not registrations: somebody may be hiding or inventing something. */
	readonly ignored: number;
	/** Something was left out because of a limit (depth, lookups, contacts). */
	readonly truncated: boolean;
	/** The target is neither AOR nor GRUU. */
	readonly unreadable: boolean;
}

interface Pending {
	readonly aor: Aor;
	readonly resourceId: Uint8Array;
	readonly depth: number;
}

export class SipResolver implements Machine<UsageInput, UsageOutput<SipResolution>> {
	readonly #options: SipResolverOptions;
	readonly #outputs: UsageOutput<SipResolution>[] = [];
	readonly #pending = new Map<number, Pending>();
	readonly #seen = new Set<string>();
	readonly #keys = new Set<string>();
	readonly #contacts: { readonly depth: number; readonly contact: SipContact }[] = [];
	readonly #external: string[] = [];
	readonly #lookups: SipLookup[] = [];
	#ignored = 0;
	#truncated = false;
	#unreadable = false;
	#nextToken = 1;

	constructor(options: SipResolverOptions) {
		this.#options = options;
		this.#unreadable = !this.#follow(options.target, 0);
		this.#finishIfDone();
	}

	poll(): UsageOutput<SipResolution> | undefined {
		return this.#outputs.shift();
	}

	/** The node bounds its requests in time; this machine has no clock of its own. */
	deadline(): number {
		return Number.POSITIVE_INFINITY;
	}

	handle(input: UsageInput, _now: number): void {
		const pending = this.#pending.get(input.token);
		if (pending === undefined) return;
		this.#pending.delete(input.token);
		const { result, wallMs } = input;
		const fetched = fetchedKind(result, KindId.sipRegistration);
		this.#lookups.push({
			aor: pending.aor.text,
			resourceId: pending.resourceId,
			generation: fetched?.generation,
			errorCode: result.ok ? 0 : result.errorCode,
		});
		if (fetched !== undefined) {
			const { contacts, forwards, ignored } = readRegistrations(pending.aor, fetched, wallMs);
			this.#ignored += ignored;
			for (const contact of contacts) this.#addContact(contact, pending.depth);
			for (const uri of forwards) if (!this.#follow(uri, pending.depth + 1)) this.#ignored++;
		}
		this.#finishIfDone();
	}

	/** Goes after one URI; false when it cannot be read. */
	#follow(uri: string, depth: number): boolean {
		const gruu = readGruu(uri, this.#options.nodeIdLength);
		const aor = gruu?.aor ?? readAor(uri);
		if (aor === undefined) return false;
		if (!this.#options.isHosted(aor.domain)) {
			this.#addExternal(uri);
			return true;
		}
		if (gruu !== undefined) {
			const last = gruu.destinations?.[gruu.destinations.length - 1];
			if (gruu.destinations === undefined || last?.type !== DestinationType.node) return false;
			const { destinations } = gruu;
			const contact = { aor: aor.text, nodeId: last.nodeId, destinations, contactPrefs: "" };
			this.#addContact({ ...contact, storageTimeMs: 0, expiresMs: Number.POSITIVE_INFINITY }, depth);
			return true;
		}
		this.#lookUp(aor, depth);
		return true;
	}

	/** RFC 7904 §4 MUST: guard against loops; D-30. */
	#lookUp(aor: Aor, depth: number): void {
		if (this.#seen.has(aor.text)) return;
		if (depth > MAX_FORWARD_DEPTH || this.#seen.size >= MAX_LOOKUPS) {
			this.#truncated = true;
			return;
		}
		this.#seen.add(aor.text);
		const resourceId = this.#options.resourceHash(aorResourceName(aor));
		const token = this.#nextToken++;
		this.#pending.set(token, { aor, resourceId, depth });
		// RFC 7904 §4 SHOULD: no keys, so that all registrations come.
		this.#outputs.push({ type: "fetch", token, resourceId, kinds: [{ kind: KindId.sipRegistration }] });
	}

	#addContact(contact: SipContact, depth: number): void {
		const key = destinationsKey(contact.destinations);
		if (this.#keys.has(key)) return;
		if (this.#contacts.length >= MAX_CONTACTS) {
			this.#truncated = true;
			return;
		}
		this.#keys.add(key);
		this.#contacts.push({ depth, contact });
	}

	#addExternal(uri: string): void {
		if (this.#external.includes(uri)) return;
		if (this.#external.length >= MAX_EXTERNAL) this.#truncated = true;
		else this.#external.push(uri);
	}

	#finishIfDone(): void {
		if (this.#pending.size > 0) return;
		this.#contacts.sort((a, b) => a.depth - b.depth || b.contact.storageTimeMs - a.contact.storageTimeMs);
		const contacts: SipContact[] = [];
		for (const { contact } of this.#contacts) contacts.push(contact);
		this.#outputs.push({
			type: "done",
			result: {
				contacts,
				external: this.#external,
				lookups: this.#lookups,
				ignored: this.#ignored,
				truncated: this.#truncated,
				unreadable: this.#unreadable,
			},
		});
	}
}
