/** The two walks through a ReDiR tree as machines: registration (RFC 7374 §4.3) and lookup (§4.5). */
import type { Machine } from "../machine.ts";
import { equalBytes } from "../wire/bytes.ts";
import { KindId } from "../wire/codes.ts";
import { MAX_REDIR_FETCHES } from "./limits.ts";
import {
	isOutermost,
	type RedirPlace,
	type RedirProvider,
	type RedirService,
	RedirTree,
	readRedirProviders,
	successorOf,
} from "./redir.ts";
import { fetchedKind, type UsageInput, type UsageOutput } from "./requests.ts";

export interface RedirRegistered {
	/** Tree nodes that hold the record now; what to remove when leaving. */
	readonly places: readonly RedirPlace[];
	/** Requests that failed; the walk ended early in their direction. */
	readonly failed: number;
	/** RFC 7374 §4.2: a later walk MAY start here. */
	readonly lowestLevel: number;
}

type Phase = "start" | "up" | "down";

/** Registers a provider: once through the tree. To be repeated every REDIR_REFRESH_S. */
export class RedirRegistration implements Machine<UsageInput, UsageOutput<RedirRegistered>> {
	readonly #tree: RedirTree;
	readonly #provider: RedirProvider;
	readonly #startLevel: number;
	readonly #outputs: UsageOutput<RedirRegistered>[] = [];
	readonly #places: RedirPlace[] = [];
	#phase: Phase = "start";
	#level: number;
	#token = 0;
	#isStoring = false;
	/** What follows the store that is out. */
	#then: "up" | "down" | "end" = "end";
	/** After the way up: the way down is due. */
	#goesDown = false;
	#fetches = 0;
	#failed = 0;
	#lowestLevel: number;
	#isDone = false;

	constructor(service: RedirService, provider: RedirProvider, startLevel?: number) {
		this.#tree = new RedirTree(service);
		this.#provider = provider;
		this.#startLevel = this.#tree.startLevel(startLevel);
		this.#level = this.#startLevel;
		this.#lowestLevel = this.#startLevel;
		this.#fetch();
	}

	poll(): UsageOutput<RedirRegistered> | undefined {
		return this.#outputs.shift();
	}

	deadline(): number {
		return Number.POSITIVE_INFINITY;
	}

	handle(input: UsageInput, _now: number): void {
		if (this.#isDone || input.token !== this.#token) return;
		if (this.#isStoring) {
			this.#isStoring = false;
			if (input.result.ok) this.#places.push(this.#place());
			else this.#failed++;
			this.#go(input.result.ok ? this.#then : "end");
			return;
		}
		const fetched = fetchedKind(input.result, KindId.redir);
		if (fetched !== undefined) this.#arrived(readRedirProviders(fetched));
		else {
			this.#failed++;
			this.#go("end");
		}
	}

	#place(): RedirPlace {
		return this.#tree.placeOf(this.#provider.nodeId, this.#level);
	}

	#fetch(): void {
		if (this.#fetches >= MAX_REDIR_FETCHES) {
			this.#finish();
			return;
		}
		this.#fetches++;
		const token = ++this.#token;
		const resourceId = this.#tree.resourceOf(this.#place());
		const as = this.#provider.nodeId;
		this.#outputs.push({ type: "fetch", token, resourceId, kinds: [{ kind: KindId.redir }], as });
	}

	#store(then: "up" | "down" | "end"): void {
		this.#then = then;
		this.#isStoring = true;
		const token = ++this.#token;
		const place = this.#place();
		const kinds = this.#tree.store(this.#provider, place, true);
		this.#outputs.push({
			type: "store",
			token,
			resourceId: this.#tree.resourceOf(place),
			kinds,
			as: this.#provider.nodeId,
		});
	}

	/** RFC 7374 §4.3, steps 2 to 5, with the providers of the tree node at the present level. */
	#arrived(providers: readonly RedirProvider[]): void {
		const own = this.#provider.nodeId;
		const interval = this.#tree.inInterval(providers, own, this.#level);
		let isAlone = true;
		for (const nodeId of interval) if (!equalBytes(nodeId, own)) isAlone = false;
		if (this.#phase === "start") {
			const all: Uint8Array[] = [];
			for (const { nodeId } of providers) all.push(nodeId);
			this.#goesDown = !isAlone && this.#level < this.#tree.deepest;
			this.#store(isOutermost(own, all) && this.#level > 0 ? "up" : "end");
		} else if (this.#phase === "up") {
			this.#store(isOutermost(own, interval) && this.#level > 0 ? "up" : "end");
		} else {
			const then = isAlone || this.#level >= this.#tree.deepest ? "end" : "down";
			if (isOutermost(own, interval)) this.#store(then);
			else this.#go(then);
		}
	}

	#go(where: "up" | "down" | "end"): void {
		if (where === "up") {
			this.#phase = "up";
			this.#level--;
			this.#lowestLevel = this.#level;
			this.#fetch();
		} else if (where === "down" || this.#goesDown) {
			if (this.#phase !== "down") this.#level = this.#startLevel;
			this.#goesDown = false;
			this.#phase = "down";
			this.#level++;
			this.#fetch();
		} else this.#finish();
	}

	#finish(): void {
		this.#isDone = true;
		const result = { places: this.#places, failed: this.#failed, lowestLevel: this.#lowestLevel };
		this.#outputs.push({ type: "done", result });
	}
}

export interface RedirFound {
	/** `undefined`: nobody provides this service, or nothing could be fetched. */
	readonly provider: RedirProvider | undefined;
	/** True: nobody comes after the key, and this is any provider of the root. */
	readonly isAny: boolean;
	/** Level at which the walk ended; the mode of the last ones is a good start level. */
	readonly level: number;
	readonly failed: number;
}

export interface RedirLookupOptions {
	readonly key: Uint8Array;
	random(count: number): Uint8Array;
	readonly startLevel?: number;
}

/** Finds the closest provider at or after `key`. */
export class RedirLookup implements Machine<UsageInput, UsageOutput<RedirFound>> {
	readonly #tree: RedirTree;
	readonly #options: RedirLookupOptions;
	readonly #outputs: UsageOutput<RedirFound>[] = [];
	/** RFC 7374 §4.5 MAY: what was fetched, for when the walk fails. */
	readonly #visited = new Map<number, readonly RedirProvider[]>();
	#level: number;
	#token = 0;
	#failed = 0;
	#isDone = false;

	constructor(service: RedirService, options: RedirLookupOptions) {
		this.#tree = new RedirTree(service);
		this.#options = options;
		this.#level = this.#tree.startLevel(options.startLevel);
		this.#fetch();
	}

	poll(): UsageOutput<RedirFound> | undefined {
		return this.#outputs.shift();
	}

	deadline(): number {
		return Number.POSITIVE_INFINITY;
	}

	handle(input: UsageInput, _now: number): void {
		if (this.#isDone || input.token !== this.#token) return;
		const fetched = fetchedKind(input.result, KindId.redir);
		if (fetched === undefined) this.#failed++;
		const providers = fetched === undefined ? [] : readRedirProviders(fetched);
		this.#visited.set(this.#level, providers);
		const { key } = this.#options;
		const successor = successorOf(key, providers);
		// RFC 7374 §4.5, conditions 1 to 3.
		if (successor === undefined) this.#goTo(this.#level - 1);
		else if (!isOutermost(key, this.#tree.inInterval(providers, key, this.#level))) this.#goTo(this.#level + 1);
		else this.#finish(successor, false);
	}

	#fetch(): void {
		const token = ++this.#token;
		const resourceId = this.#tree.resourceOf(this.#tree.placeOf(this.#options.key, this.#level));
		this.#outputs.push({ type: "fetch", token, resourceId, kinds: [{ kind: KindId.redir }] });
	}

	/** Each level is fetched once, so the walk ends after at most one fetch per level. */
	#goTo(level: number): void {
		if (level < 0 || level > this.#tree.deepest || this.#visited.has(level)) {
			this.#finishWithBest();
			return;
		}
		this.#level = level;
		this.#fetch();
	}

	/** The walk cannot go on: the closest of all that was seen, else any provider of the root (RFC 7374 §4.5). */
	#finishWithBest(): void {
		let best: RedirProvider | undefined;
		for (const providers of this.#visited.values()) {
			const successor = successorOf(this.#options.key, best === undefined ? providers : providers.concat(best));
			if (successor !== undefined) best = successor;
		}
		if (best !== undefined) {
			this.#finish(best, false);
			return;
		}
		const root = this.#visited.get(0) ?? [];
		if (root.length === 0) this.#finish(undefined, false);
		else this.#finish(root[this.#draw(root.length)], true);
	}

	#draw(count: number): number {
		const [a = 0, b = 0] = this.#options.random(2);
		return (a * 256 + b) % count;
	}

	#finish(provider: RedirProvider | undefined, isAny: boolean): void {
		this.#isDone = true;
		this.#outputs.push({ type: "done", result: { provider, isAny, level: this.#level, failed: this.#failed } });
	}
}
