/**
 * One TLS connection to whichever of several addresses answers first: the candidates of an AppAttach (RFC 6940 §6.5.2.1: the other end
 * may have many, and not every one of its networks is ours).
 *
 * Choice (RFC 8305 §5, in small): each candidate gets a head start over the next one; nobody waits for a dead address to time out.
 */
import type { LocalIdentity } from "../../core/identity/signer.ts";
import type { Endpoint } from "../../core/overlay/node-types.ts";
import { SecureStream } from "../../hal/node/secure-stream.ts";
import { nodeTimers, type Timers } from "./state/timers.ts";

/** Candidates tried; further ones are ignored. */
export const MAX_CANDIDATES = 8;
/** How long a candidate is alone before the next one is tried beside it. */
export const HEAD_START_MS = 300;

export interface FirstConnectionOptions {
	/** Best first. */
	readonly candidates: readonly Endpoint[];
	readonly identity: LocalIdentity;
	readonly serverName: string;
	/** For each attempt. */
	readonly timeoutMs: number;
	readonly timers?: Timers;
	/** Called once, unless `onFailed` or `close` comes before: handshake done. */
	readonly onUp: (stream: SecureStream) => void;
	/** Called once: no candidate gave a connection; the last reason. */
	readonly onFailed: (reason: string) => void;
	/** Of the stream that is up. */
	readonly onReadable: (stream: SecureStream) => void;
	readonly onError: (stream: SecureStream, error: Error) => void;
}

export class FirstConnection {
	readonly #options: FirstConnectionOptions;
	readonly #trying = new Set<SecureStream>();
	#next = 0;
	#over = false;
	#stopHeadStart: () => void = () => undefined;

	constructor(options: FirstConnectionOptions) {
		this.#options = options;
		this.#tryNext();
	}

	/** Gives up; nothing is called any more. What is up already is not touched. */
	close(): void {
		this.#over = true;
		this.#stopHeadStart();
		for (const stream of this.#trying) stream.close();
		this.#trying.clear();
	}

	#tryNext(): void {
		this.#stopHeadStart();
		const { candidates, identity, serverName, timeoutMs, timers = nodeTimers } = this.#options;
		const candidate = this.#next < MAX_CANDIDATES ? candidates[this.#next] : undefined;
		this.#next++;
		if (candidate === undefined || this.#over) return;
		const race = this;
		this.#trying.add(
			new SecureStream({
				identity,
				address: candidate.address,
				port: candidate.port,
				serverName,
				timeoutMs,
				onWritable() {
					race.#won(this);
				},
				onReadable() {
					race.#options.onReadable(this);
				},
				onError(error) {
					race.#ended(this, error);
				},
			}),
		);
		this.#stopHeadStart = timers.after(HEAD_START_MS, () => this.#tryNext());
	}

	#won(stream: SecureStream): void {
		if (!this.#trying.delete(stream)) return;
		this.close();
		this.#options.onUp(stream);
	}

	#ended(stream: SecureStream, error: Error): void {
		if (!this.#trying.delete(stream)) {
			this.#options.onError(stream, error);
			return;
		}
		if (this.#trying.size === 0) this.#tryNext();
		if (this.#trying.size > 0) return;
		this.#over = true;
		this.#stopHeadStart();
		this.#options.onFailed(error.message);
	}
}
