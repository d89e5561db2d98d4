/**
 * The registrar's table: AOR -> contacts. RFC 3261 §10.3, RFC 5626 §6. Knows nothing of requests; see registrar.ts.
 */
import type { Flow, Hop } from "./flow.ts";
import type { SipLimits } from "./limits.ts";
import { Timer, type TimerHeap, type TimerOwner } from "./timers.ts";
import { parseUri, type Uri } from "./uri.ts";
import { equalUris } from "./uri-equal.ts";

/** What a REGISTER says of one contact. */
export interface ContactClaim {
	/** As written, headers included. */
	readonly uri: string;
	/** Seconds; 0 removes. */
	readonly expiresS: number;
	/** 0..1000; 1000 when absent (RFC 3261 §20.10). */
	readonly q: number;
	/** `+sip.instance` as written, quotes included; "" when absent. */
	readonly instance: string;
	/** RFC 5626 §4.2; 0 when absent. */
	readonly regId: number;
}

/** One binding. */
export class Binding implements TimerOwner {
	readonly aor: string;
	readonly table: BindingTable;
	readonly timer: Timer;
	uri: string;
	parsed: Uri;
	q: number;
	instance: string;
	regId: number;
	/** URIs of the Path header field, nearest first (RFC 3327). */
	path: readonly string[];
	hop: Hop;
	expiresAt = 0;
	callId = "";
	cseq = 0;

	constructor(table: BindingTable, aor: string, claim: ContactClaim, parsed: Uri, hop: Hop, path: readonly string[]) {
		this.table = table;
		this.aor = aor;
		this.timer = new Timer(this);
		this.uri = claim.uri;
		this.parsed = parsed;
		this.q = claim.q;
		this.instance = claim.instance;
		this.regId = claim.regId;
		this.hop = hop;
		this.path = path;
	}

	expire(_letter: string, now: number): void {
		this.table.remove(this);
		this.table.listener.bindingsGone("expired", this.aor, [this], now);
	}
}

/** Told when bindings go by themselves. */
export interface BindingListener {
	bindingsGone(change: "expired" | "flowClosed", aor: string, gone: readonly Binding[], now: number): void;
}

const NONE: readonly Binding[] = Object.freeze([]);

export class BindingTable {
	readonly listener: BindingListener;
	readonly #timers: TimerHeap;
	readonly #limits: SipLimits;
	readonly #byAor = new Map<string, Binding[]>();
	/** Bindings over flows that can close. */
	readonly #byFlow = new Map<Flow, Set<Binding>>();
	#count = 0;

	constructor(timers: TimerHeap, limits: SipLimits, listener: BindingListener) {
		this.#timers = timers;
		this.#limits = limits;
		this.listener = listener;
	}

	/** Bindings of all AORs. */
	get size(): number {
		return this.#count;
	}

	/** The bindings of an AOR, newest last. */
	of(aor: string): readonly Binding[] {
		return this.#byAor.get(aor) ?? NONE;
	}

	/** AORs with bindings. */
	aors(): IterableIterator<string> {
		return this.#byAor.keys();
	}

	/** The binding that a claim is about: RFC 5626 §6 by instance and reg-id, else RFC 3261 §10.3 by URI. */
	find(aor: string, claim: ContactClaim, parsed: Uri): Binding | undefined {
		const bindings = this.of(aor);
		for (let i = 0; i < bindings.length; i++) {
			const binding = bindings[i]!;
			if (claim.regId > 0 && claim.instance !== "") {
				if (binding.regId === claim.regId && binding.instance === claim.instance) return binding;
			} else if (equalUris(binding.parsed, parsed)) return binding;
		}
		return undefined;
	}

	/** How many more bindings an AOR may have, and all together. */
	roomFor(aor: string): { readonly ofAor: number; readonly inTotal: number } {
		return { ofAor: this.#limits.bindingsPerAor - this.of(aor).length, inTotal: this.#limits.bindings - this.#count };
	}

	add(binding: Binding): void {
		const bindings = this.#byAor.get(binding.aor);
		if (bindings === undefined) this.#byAor.set(binding.aor, [binding]);
		else bindings.push(binding);
		this.#count++;
		this.#link(binding);
	}

	/** The binding now lies on another hop. */
	move(binding: Binding, hop: Hop): void {
		this.#unlink(binding);
		binding.hop = hop;
		this.#link(binding);
	}

	/** Starts the binding's lifetime anew. */
	keepUntil(binding: Binding, at: number): void {
		binding.expiresAt = at;
		this.#timers.start(binding.timer, "expires", at);
	}

	remove(binding: Binding): void {
		const bindings = this.#byAor.get(binding.aor);
		const place = bindings === undefined ? -1 : bindings.indexOf(binding);
		if (place < 0) return;
		bindings!.splice(place, 1);
		if (bindings!.length === 0) this.#byAor.delete(binding.aor);
		this.#count--;
		this.#timers.stop(binding.timer);
		this.#unlink(binding);
	}

	/** RFC 5626 §6: the bindings of a flow that failed are of no use. */
	flowClosed(flow: Flow, now: number): void {
		const bindings = this.#byFlow.get(flow);
		if (bindings === undefined) return;
		for (const binding of [...bindings]) {
			this.remove(binding);
			this.listener.bindingsGone("flowClosed", binding.aor, [binding], now);
		}
	}

	#link(binding: Binding): void {
		const { flow } = binding.hop;
		if (flow.users === undefined) return;
		const bindings = this.#byFlow.get(flow);
		if (bindings === undefined) this.#byFlow.set(flow, new Set([binding]));
		else bindings.add(binding);
	}

	#unlink(binding: Binding): void {
		const { flow } = binding.hop;
		const bindings = this.#byFlow.get(flow);
		if (bindings === undefined) return;
		bindings.delete(binding);
		if (bindings.size === 0) this.#byFlow.delete(flow);
	}
}

/** A contact URI of a binding, read; `undefined` for one that no request could be sent to. */
export function readContactUri(uri: string): Uri | undefined {
	const parsed = parseUri(uri);
	return parsed?.isSip ? parsed : undefined;
}
