/**
 * What this peer keeps stored in the overlay for itself and its hosted users: certificates (RFC 6940 §8: a node MUST store its own) and
 * SIP registrations (RFC 7904 §3). Binds a `Refresher` to the overlay host.
 */
import type { LocalIdentity } from "../../core/identity/signer.ts";
import type { NodeEvent } from "../../core/overlay/node-types.ts";
import { type KeptValue, Refresher } from "../../core/overlay/refresh.ts";
import { type CertificatePlace, certificatePlaces } from "../../core/usages/certificates.ts";
import { toHex } from "../../core/wire/bytes.ts";
import { ErrorCode, KindId } from "../../core/wire/codes.ts";
import type { Clock, Crypto, Log } from "../../hal/hal.ts";
import { Deadline } from "../../hal/node/clock.ts";
import type { OverlayHost } from "./overlay-host.ts";
import { errorHint, errorLine } from "./refusals.ts";

/** Values kept by one peer: two certificates and a registration for each of the largest number of accounts, and our own. */
export const MAX_OWN_RECORDS = 1_024;
/** Certificates are stored for a day and refreshed well before. */
export const CERTIFICATE_LIFETIME_S = 86_400;

export interface OwnRecordsOptions {
	readonly host: OverlayHost;
	readonly crypto: Crypto;
	readonly clock: Clock;
	readonly log: Log;
	/** Other than MAX_OWN_RECORDS. */
	readonly limit?: number;
}

export class OwnRecords {
	readonly #options: OwnRecordsOptions;
	readonly #refresher: Refresher;
	readonly #deadline: Deadline;
	/** Names of the registrations that are kept, and of those that are being removed. */
	readonly #registered = new Set<string>();
	readonly #removing = new Set<string>();
	#onRemoved: () => void = () => undefined;

	constructor(options: OwnRecordsOptions) {
		this.#options = options;
		const { host, crypto, clock } = options;
		const random = (): number => (crypto.random(1)[0] ?? 0) / 256;
		this.#refresher = new Refresher({ node: host.node, random, limit: options.limit ?? MAX_OWN_RECORDS });
		this.#deadline = new Deadline(clock, () => this.#run((now) => this.#refresher.handle({ type: "timeout" }, now)));
		host.onResult = (token, result) => {
			if (this.#refresher.owns(token))
				queueMicrotask(() => this.#run((now) => this.#refresher.handle({ type: "result", token, result }, now)));
		};
	}

	/** Stores the certificate of an identity at H(user name) and H(Node-ID), and keeps it there. */
	keepCertificate(identity: LocalIdentity): void {
		for (const place of this.#certificatePlaces(identity)) {
			const value = {
				resourceId: place.resourceId,
				kind: place.kind,
				as: identity.nodeId,
				isArray: true,
				value: identity.certificate.der,
				lifetimeS: CERTIFICATE_LIFETIME_S,
			};
			this.#keep(certificateName(place, identity), value);
		}
	}

	#certificatePlaces(identity: LocalIdentity): CertificatePlace[] {
		const { node } = this.#options.host;
		return certificatePlaces(identity.certificate, (name) => node.resourceId(name));
	}

	/** Stores a SIP registration, and keeps it; under the same identity the new one replaces the old. */
	keepRegistration(identity: LocalIdentity, resourceId: Uint8Array, value: Uint8Array, lifetimeS: number): void {
		this.#registered.add(registrationName(identity));
		this.#removing.delete(registrationName(identity));
		this.#keep(registrationName(identity), {
			resourceId,
			kind: KindId.sipRegistration,
			as: identity.nodeId,
			key: identity.nodeId,
			value,
			lifetimeS,
		});
	}

	removeRegistration(identity: LocalIdentity): void {
		const name = registrationName(identity);
		// One that is not kept is not waited for either.
		if (!this.#registered.delete(name)) return;
		this.#removing.add(name);
		this.#run((now) => this.#refresher.remove(name, now));
	}

	/** Keeps any other value stored under a name of the caller's; a new value replaces the old. */
	keepValue(name: string, value: KeptValue): void {
		this.#removing.delete(name);
		this.#keep(name, value);
	}

	/** Takes such a value back. */
	removeValue(name: string): void {
		this.#run((now) => this.#refresher.remove(name, now));
	}

	/** Resolves when every removal under way is done, or after `withinMs`. */
	async removed(withinMs: number): Promise<void> {
		if (this.#removing.size === 0) return;
		await new Promise<void>((resolve) => {
			const timer = setTimeout(resolve, withinMs);
			this.#onRemoved = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}

	/** Everything of an identity that is gone. Its certificates run out by themselves: nobody believes them any more. */
	forget(identity: LocalIdentity): void {
		this.removeRegistration(identity);
		for (const place of this.#certificatePlaces(identity)) this.#refresher.drop(certificateName(place, identity));
	}

	event(event: NodeEvent): void {
		if (event.type === "joined") this.#run((now) => this.#refresher.again(now));
	}

	close(): void {
		this.#deadline.close();
	}

	#keep(name: string, value: KeptValue): void {
		this.#run((now) => {
			if (!this.#refresher.keep(name, value, now))
				this.#options.log("error", "records.full", {
					name,
					hint: "too many accounts: this one is not kept in the overlay",
				});
		});
	}

	#run(change: (now: number) => void): void {
		this.#options.host.command((_node, now) => change(now));
		for (let output = this.#refresher.poll(); output !== undefined; output = this.#refresher.poll()) {
			const { name } = output;
			if (output.type === "failed") {
				const { errorCode, info } = output;
				// Timeouts while the ring heals and joins are no trouble of anybody's; the others want somebody to look.
				const level = isPassing(errorCode) ? "info" : "warn";
				this.#options.log(level, "record.failed", {
					name,
					error: errorLine(errorCode, info),
					hint: errorHint(errorCode),
				});
			} else this.#options.log("debug", `record.${output.type}`, { name });
			if (output.type === "removed" && this.#removing.delete(name) && this.#removing.size === 0) this.#onRemoved();
		}
		this.#deadline.at(this.#refresher.deadline());
	}
}

function isPassing(errorCode: number): boolean {
	return errorCode === ErrorCode.requestTimeout || errorCode === ErrorCode.notFound;
}

function certificateName({ kind }: CertificatePlace, identity: LocalIdentity): string {
	return `certificate/${kind}/${toHex(identity.nodeId)}`;
}

function registrationName(identity: LocalIdentity): string {
	return `registration/${toHex(identity.nodeId)}`;
}
