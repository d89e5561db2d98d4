/** Attempts per key: so many at once, then one more each `refillMs`. Memory is bounded: the key seen longest ago is forgotten. */

export interface RateLimitOptions {
	/** Attempts at once. */
	readonly attempts: number;
	/** One attempt is given back after this long. */
	readonly refillMs: number;
	/** Keys remembered. */
	readonly maxKeys: number;
	/** Monotonic milliseconds. */
	readonly now: () => number;
}

export class RateLimit {
	readonly #options: RateLimitOptions;
	/** When each key will have all its attempts again; in order of use, oldest first. */
	readonly #fullAtMs = new Map<string, number>();

	constructor(options: RateLimitOptions) {
		this.#options = options;
	}

	get size(): number {
		return this.#fullAtMs.size;
	}

	/** Takes one attempt: 0 when there was one, else the milliseconds until there is. */
	take(key: string): number {
		const { attempts, refillMs, maxKeys, now } = this.#options;
		const nowMs = now();
		const fullAtMs = Math.max(this.#fullAtMs.get(key) ?? nowMs, nowMs);
		const waitMs = fullAtMs - nowMs - (attempts - 1) * refillMs;
		// Deleted and set again: the order of the map is the order of use.
		this.#fullAtMs.delete(key);
		this.#fullAtMs.set(key, waitMs > 0 ? fullAtMs : fullAtMs + refillMs);
		if (this.#fullAtMs.size > maxKeys) {
			const oldest = this.#fullAtMs.keys().next().value;
			if (oldest !== undefined) this.#fullAtMs.delete(oldest);
		}
		return Math.max(0, Math.ceil(waitMs));
	}

	/** Gives an attempt back: it was a good one. */
	giveBack(key: string): void {
		const fullAtMs = this.#fullAtMs.get(key);
		if (fullAtMs !== undefined) this.#fullAtMs.set(key, fullAtMs - this.#options.refillMs);
	}
}

/** What counts as one source: an IPv4 address, or the /64 of an IPv6 address, of which one host has all. */
export function sourceOf(address: string): string {
	const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
	if (v4 !== undefined) return v4;
	const [head = "", tail] = (address.split("%")[0] ?? "").toLowerCase().split("::");
	const left = head === "" ? [] : head.split(":");
	const right = tail === undefined || tail === "" ? [] : tail.split(":");
	const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
	return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`;
}

/** Runs at most `atOnce` tasks at the same time and lets at most `waiting` more wait; one more is refused by `undefined`. */
export class Gate {
	readonly #atOnce: number;
	readonly #waiting: number;
	#running = 0;
	readonly #queue: (() => void)[] = [];

	constructor(atOnce: number, waiting: number) {
		this.#atOnce = atOnce;
		this.#waiting = waiting;
	}

	async run<T>(task: () => Promise<T>): Promise<T | undefined> {
		if (this.#running >= this.#atOnce) {
			if (this.#queue.length >= this.#waiting) return undefined;
			await new Promise<void>((resolve) => this.#queue.push(resolve));
		} else this.#running++;
		try {
			return await task();
		} finally {
			const next = this.#queue.shift();
			if (next === undefined) this.#running--;
			else next();
		}
	}
}
