/**
 * Where an AOR of this overlay is registered: runs `SipResolver` (RFC 7904 §4) on the overlay node. When the overlay cannot answer (the
 * responsible peer has just died), the last good answer serves as long as its registrations last: a call should not wait for the ring
 * to heal.
 */
import type { OverlayCommands, RequestResult } from "../../core/overlay/node-types.ts";
import { type Aor, aorResourceName, readAor } from "../../core/usages/aor.ts";
import { type SipResolution, SipResolver } from "../../core/usages/sip-resolver.ts";
import type { Clock } from "../../hal/hal.ts";
import { OverlayError, type OverlayHost } from "./overlay-host.ts";
import { UserError } from "./state/errors.ts";
import { nodeTimers, type Timers } from "./state/timers.ts";

/** Answers remembered; the one used longest ago goes when there is one more. */
export const MAX_REMEMBERED = 1_024;
/** A call waits this long for the overlay before it takes the remembered answer. */
export const RESOLVE_PATIENCE_MS = 1_500;

export interface LookupResult {
	readonly aor: string;
	readonly resourceId: Uint8Array;
	/** Node-ID that signed the answer. */
	readonly answeredBy: Uint8Array;
	readonly hops: number | undefined;
	readonly tookMs: number;
	readonly resolution: SipResolution;
}

export interface OverlayResolverOptions {
	readonly host: Pick<OverlayHost, "result"> & { readonly node: Pick<OverlayCommands, "resourceId"> };
	readonly domain: string;
	readonly nodeIdLength: number;
	readonly clock: Clock;
	readonly timers?: Timers;
	/** Other than MAX_REMEMBERED. */
	readonly limit?: number;
}

export class OverlayResolver {
	readonly #options: OverlayResolverOptions;
	/** By AOR or GRUU text, least recently used first. */
	readonly #remembered = new Map<string, SipResolution>();

	constructor(options: OverlayResolverOptions) {
		this.#options = options;
	}

	resourceOf(aor: Aor): Uint8Array {
		return this.#options.host.node.resourceId(aorResourceName(aor));
	}

	/**
	 * For a call: what the overlay says, or, when it does not answer in time, what it said last. With `onEarly` the overlay is waited for to
	 * the end, and what it said last comes early: a call begins with it, and goes on with what is new in the answer (what is remembered
	 * may be where the phone was before its peer died).
	 */
	async resolve(target: string, onEarly?: (known: SipResolution) => void): Promise<SipResolution | undefined> {
		const asked = this.#run(target).then(({ resolution, failed }) => {
			if (failed) return undefined;
			this.#remember(target, resolution);
			return resolution;
		});
		const known = this.#known(target);
		if (known === undefined) return await asked;
		let stop = (): void => undefined;
		const patience = new Promise<SipResolution>((resolve) => {
			stop = (this.#options.timers ?? nodeTimers).after(RESOLVE_PATIENCE_MS, () => {
				if (onEarly === undefined) resolve(known);
				else onEarly(known);
			});
		});
		const resolution = await Promise.race([asked, patience]);
		stop();
		return resolution ?? known;
	}

	/** For people: always asks. Throws a `UserError` when the name is none, an `OverlayError` when nobody answers. */
	async lookup(target: string): Promise<LookupResult> {
		const { clock } = this.#options;
		const aor = readAor(target);
		if (aor === undefined) throw new UserError(`${target}: not an AOR`, "write it like anna@home.example");
		const began = clock.monotonicMs();
		const { resolution, first } = await this.#run(target);
		const resourceId = this.resourceOf(aor);
		if (first === undefined) throw new UserError(`${target}: not an AOR of this overlay`, "see `ringlet account list`");
		if (!first.ok) throw new OverlayError(first);
		const { from, hops } = first;
		return {
			aor: aor.text,
			resourceId,
			answeredBy: from.nodeId,
			hops,
			tookMs: clock.monotonicMs() - began,
			resolution,
		};
	}

	async #run(
		target: string,
	): Promise<{ resolution: SipResolution; first: RequestResult | undefined; failed: boolean }> {
		const { host, domain, nodeIdLength, clock } = this.#options;
		const resolver = new SipResolver({
			target,
			nodeIdLength,
			resourceHash: (name) => host.node.resourceId(name),
			isHosted: (other) => other === domain,
		});
		let first: RequestResult | undefined;
		let failed = false;
		return await new Promise((resolve) => {
			const drain = (): void => {
				for (let output = resolver.poll(); output !== undefined; output = resolver.poll()) {
					if (output.type === "done") resolve({ resolution: output.result, first, failed });
					if (output.type !== "fetch") continue;
					const { token, resourceId, kinds } = output;
					void host
						.result((node, now) => node.fetch(resourceId, kinds, now))
						.then((result) => {
							first ??= result;
							failed ||= !result.ok;
							resolver.handle({ type: "result", token, result, wallMs: clock.wallMs() }, clock.monotonicMs());
							drain();
						});
				}
			};
			drain();
		});
	}

	#remember(target: string, resolution: SipResolution): void {
		this.#remembered.delete(target);
		if (this.#remembered.size >= (this.#options.limit ?? MAX_REMEMBERED)) {
			const oldest = this.#remembered.keys().next().value;
			if (oldest !== undefined) this.#remembered.delete(oldest);
		}
		this.#remembered.set(target, resolution);
	}

	#known(target: string): SipResolution | undefined {
		const known = this.#remembered.get(target);
		if (known === undefined) return undefined;
		const wallMs = this.#options.clock.wallMs();
		const contacts = known.contacts.filter((contact) => contact.expiresMs > wallMs);
		return contacts.length === 0 && known.external.length === 0 ? undefined : { ...known, contacts };
	}
}
