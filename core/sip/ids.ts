/** Random names: branches, tags, Call-IDs, nonces' salts. And a cheap hash for what needs no secrecy. */
import type { Crypto } from "../../hal/hal.ts";
import { toHex } from "../wire/bytes.ts";
import { Header } from "./header-names.ts";
import type { SipMessage } from "./message.ts";

/** Octets drawn from the generator at once: a call to it costs more than the octets. */
const POOL_OCTETS = 256;

/** Random hex, from a pool of octets of the platform's generator. */
export class IdSource {
	readonly #crypto: Crypto;
	#pool = "";
	#at = 0;

	constructor(crypto: Crypto) {
		this.#crypto = crypto;
	}

	/** `octets` random octets as hex digits; at most 32. */
	hex(octets: number): string {
		if (this.#pool.length - this.#at < 2 * octets) {
			this.#pool = toHex(this.#crypto.random(POOL_OCTETS));
			this.#at = 0;
		}
		const start = this.#at;
		this.#at = start + 2 * octets;
		return this.#pool.slice(start, this.#at);
	}

	/** Octets for a secret: straight from the generator, kept nowhere else. */
	octets(count: number): Uint8Array {
		return this.#crypto.random(count);
	}
}

const FNV_OFFSET = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;

/** FNV-1a (32 bits) over octets, going on from `hash`. */
export function hashOctets(octets: Uint8Array, start: number, end: number, hash = FNV_OFFSET): number {
	let value = hash;
	for (let i = start; i < end; i++) value = Math.imul(value ^ octets[i]!, FNV_PRIME);
	return value;
}

/** A 32-bit number as eight hex digits. */
export function hex8(value: number): string {
	const digits = (value >>> 0).toString(16);
	return "00000000".slice(digits.length) + digits;
}

/**
 * To tag of an answer sent without a transaction: the same whenever the request comes again (RFC 3261 §8.2.7), and known again in the
 * ACK that an INVITE's refusal brings.
 */
export function statelessTag(request: SipMessage): string {
	const { octets } = request;
	let hash = 0;
	for (const header of [Header.callId, Header.from]) {
		const line = request.find(header);
		if (line >= 0) hash = hashOctets(octets, request.valueStart(line), request.valueEnd(line), hash);
	}
	return `s${hex8(hash)}${hex8(Math.imul(hash ^ request.cseq, 0x9e3779b1))}`;
}
