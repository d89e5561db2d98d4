/**
 * Digits to a door code. An entry is compared as a whole with every code and every digit of it, whatever differs first: the time it
 * takes tells nothing.
 */
import type { ReleaseCode } from "../usages/device-settings.ts";
import { DIGIT_PAUSE_MS, MAX_CODE_DIGITS } from "./limits.ts";

/** What an entry came to: the index of a code, or one of these. */
export const EntryResult = Object.freeze({ more: -1, wrong: -2, nothing: -3 } as const);

const ZERO = 48;
const NINE = 57;
const STAR = 42;
const HASH = 35;

export class CodeEntry {
	readonly #digits = new Uint8Array(MAX_CODE_DIGITS);
	#length = 0;
	#endsAt = Number.POSITIVE_INFINITY;

	/** True when no digit waits for the rest of its code. */
	get isEmpty(): boolean {
		return this.#length === 0;
	}

	/** One digit by its character code. "*" begins anew, "#" ends the entry; both count as a try when it was long enough to be one. */
	digit(code: number, codes: readonly ReleaseCode[], now: number): number {
		if (code === STAR || code === HASH) return this.#end(codes);
		if (code < ZERO || code > NINE || codes.length === 0) return EntryResult.nothing;
		this.#digits[this.#length++] = code;
		this.#endsAt = now + DIGIT_PAUSE_MS;
		const found = this.#find(codes);
		if (found >= 0 || this.#length >= longest(codes)) {
			this.clear();
			return found >= 0 ? found : EntryResult.wrong;
		}
		return EntryResult.more;
	}

	/** The pause after the last digit is over. */
	expire(codes: readonly ReleaseCode[], now: number): number {
		return now < this.#endsAt ? EntryResult.nothing : this.#end(codes);
	}

	clear(): void {
		this.#length = 0;
		this.#endsAt = Number.POSITIVE_INFINITY;
	}

	deadline(): number {
		return this.#endsAt;
	}

	/** An entry that was compared with a code as long as itself, or longer than one, was a try. */
	#end(codes: readonly ReleaseCode[]): number {
		const isTry = this.#length > 0 && this.#length >= shortest(codes);
		this.clear();
		return isTry ? EntryResult.wrong : EntryResult.nothing;
	}

	#find(codes: readonly ReleaseCode[]): number {
		let found = EntryResult.more as number;
		for (let i = 0; i < codes.length; i++) {
			const { code } = codes[i]!;
			let difference = code.length ^ this.#length;
			for (let j = 0; j < MAX_CODE_DIGITS; j++) {
				const wanted = j < code.length ? code.charCodeAt(j) : 0;
				difference |= wanted ^ (j < this.#length ? this.#digits[j]! : 0);
			}
			if (difference === 0) found = i;
		}
		return found;
	}
}

function longest(codes: readonly ReleaseCode[]): number {
	let most = 0;
	for (let i = 0; i < codes.length; i++) most = Math.max(most, codes[i]!.code.length);
	return Math.min(most, MAX_CODE_DIGITS);
}

function shortest(codes: readonly ReleaseCode[]): number {
	let least = MAX_CODE_DIGITS;
	for (let i = 0; i < codes.length; i++) least = Math.min(least, codes[i]!.code.length);
	return least;
}
