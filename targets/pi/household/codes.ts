/**
 * One-time codes: an invitation for a peer, a pairing code for a device, a code that lets an account's owner enroll without typing
 * the password. `K7QF-3M9X-2TPD`: the first group finds the code, the rest (40 bits) proves it. Kept as an HMAC, sealed.
 */
import { timingSafeEqual } from "node:crypto";
import { UserError } from "../state/errors.ts";
import { StatePrefix } from "../state/keys.ts";
import type { PiState } from "../state/state.ts";
import { CODE_TRIES, MAX_CODE_LIFETIME_MS, MAX_CODES } from "./limits.ts";

/** Crockford's base 32: no I, L, O, U; read back generously. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ID_LENGTH = 4;
const CODE_LENGTH = 12;
const PURPOSE = "ringlet code 1";

export type CodeRole = "peer" | "device" | "account";

/** A record `pi/code/<id>` (sealed). */
export interface Code {
	readonly id: string;
	/** HMAC-SHA-256 of the whole code under a key derived from `secret.key`. */
	readonly mac: Uint8Array;
	readonly role: CodeRole;
	/** The only user name it is good for; undefined for a peer, which brings its own. */
	readonly userName: string | undefined;
	/** Device codes: the device of this name that exists is revoked when the code is used. */
	readonly replaces: boolean;
	readonly expiresMs: number;
	/** Wrong tries so far. */
	readonly tries: number;
}

/** The code is good, or why it is not. `unknown`: no waiting code begins so (never made, used, burned, or swept). */
export type CodeCheck = { readonly code: Code } | { readonly refused: "unknown" | "wrong" | "burned" | "expired" };

export class Codes {
	readonly #state: PiState;
	readonly #random: (count: number) => Uint8Array;
	readonly #byId = new Map<string, Code>();

	constructor(state: PiState, random: (count: number) => Uint8Array) {
		this.#state = state;
		this.#random = random;
	}

	load(): void {
		for (const [, value] of this.#state.listSealed(StatePrefix.code)) {
			const code = value as Code;
			this.#byId.set(code.id, code);
		}
	}

	/** Makes a code; resolves once it is on disk. The text is shown once and is nowhere kept. */
	async create(
		wanted: Pick<Code, "role" | "userName" | "replaces">,
		lifetimeMs: number,
		wallMs: number,
	): Promise<{ text: string; code: Code }> {
		if (!(lifetimeMs > 0 && lifetimeMs <= MAX_CODE_LIFETIME_MS))
			throw new UserError("a code is good for at most 30 days", "choose a shorter time");
		await this.sweep(wallMs);
		if (this.#byId.size >= MAX_CODES)
			throw new UserError(`${MAX_CODES} codes wait to be used`, "cancel one, or let them expire");
		let text = this.#newText();
		while (this.#byId.has(text.slice(0, ID_LENGTH))) text = this.#newText();
		const code: Code = {
			id: text.slice(0, ID_LENGTH),
			mac: this.#state.secrets.mac(PURPOSE, text),
			...wanted,
			expiresMs: wallMs + lifetimeMs,
			tries: 0,
		};
		this.#byId.set(code.id, code);
		try {
			await this.#state.commit([this.#state.sealed(this.key(code.id), code)]);
		} catch (error) {
			this.#byId.delete(code.id);
			throw error;
		}
		return { text: showCode(text), code };
	}

	/** True when a waiting code begins like this text. */
	knows(text: string): boolean {
		const code = readCode(text);
		return code !== undefined && this.#byId.has(code.slice(0, ID_LENGTH));
	}

	/**
	 * Looks at a code without using it up. A wrong try is on disk before this resolves, so that a crash gives no try back; the
	 * fifth burns the code.
	 */
	async check(text: string, wallMs: number): Promise<CodeCheck> {
		const given = readCode(text);
		const code = given === undefined ? undefined : this.#byId.get(given.slice(0, ID_LENGTH));
		if (given === undefined || code === undefined) return { refused: "unknown" };
		if (wallMs >= code.expiresMs) {
			await this.sweep(wallMs);
			return { refused: "expired" };
		}
		if (timingSafeEqual(this.#state.secrets.mac(PURPOSE, given), code.mac)) return { code };
		const tries = code.tries + 1;
		if (tries >= CODE_TRIES) {
			this.#byId.delete(code.id);
			await this.#state.commit([], [this.key(code.id)]);
			return { refused: "burned" };
		}
		const counted = { ...code, tries };
		this.#byId.set(code.id, counted);
		await this.#state.commit([this.#state.sealed(this.key(code.id), counted)]);
		return { refused: "wrong" };
	}

	/** Codes that wait, without their secret. */
	list(wallMs: number): Omit<Code, "mac">[] {
		return [...this.#byId.values()].filter((code) => code.expiresMs > wallMs).map(({ mac: _, ...code }) => code);
	}

	/** Makes a waiting code useless. False when there is none. */
	async cancel(id: string): Promise<boolean> {
		const wanted = id.toUpperCase();
		if (!this.#byId.delete(wanted)) return false;
		await this.#state.commit([], [this.key(wanted)]);
		return true;
	}

	/** Forgets expired codes. */
	async sweep(wallMs: number): Promise<void> {
		const expired = [...this.#byId.values()].filter((code) => code.expiresMs <= wallMs);
		for (const code of expired) this.#byId.delete(code.id);
		if (expired.length > 0)
			await this.#state.commit(
				[],
				expired.map((code) => this.key(code.id)),
			);
	}

	key(id: string): string {
		return StatePrefix.code + id;
	}

	/** After the commit that used the code up. */
	forget(id: string): void {
		this.#byId.delete(id);
	}

	#newText(): string {
		let text = "";
		for (const octet of this.#random(CODE_LENGTH)) text += ALPHABET[octet & 31];
		return text;
	}
}

/** The twelve letters of a code however it was typed; undefined when it is no code. */
export function readCode(text: string): string | undefined {
	const letters = text.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1");
	return letters.length === CODE_LENGTH && [...letters].every((letter) => ALPHABET.includes(letter))
		? letters
		: undefined;
}

/** In groups of four, as people read it. */
export function showCode(letters: string): string {
	return letters.replaceAll(/(.{4})(?=.)/g, "$1-");
}
