/**
 * Flow tokens: what our Record-Route says about the way back (RFC 5626 §5.1, §5.2).
 *
 *   sip:7-5062-192.0.2.9-4f2c9a1e6b0d3c5a7788@host:port;lr
 *       flow-port-address-MAC
 *
 * The MAC makes a token worth following: nobody else can name a flow. Tokens in use are kept, so a call costs no hashing.
 */
import type { Crypto } from "../../hal/hal.ts";
import { toHex } from "../wire/bytes.ts";
import { type Flow, Hop } from "./flow.ts";
import { textToOctets } from "./syntax.ts";

/** Octets of the MAC kept: 80 bits, as RFC 5626 §5.2 does in its example. */
const MAC_OCTETS = 10;

export class FlowTokens {
	readonly #crypto: Crypto;
	readonly #key: Uint8Array;
	readonly #limit: number;
	/** By hop, and by token; both hold the same hops. */
	readonly #tokens = new Map<string, string>();
	readonly #hops = new Map<string, Hop>();

	constructor(crypto: Crypto, key: Uint8Array, limit: number) {
		this.#crypto = crypto;
		this.#key = key;
		this.#limit = limit;
	}

	/** The token of a hop. */
	tokenOf(hop: Hop): string {
		const name = tokenName(hop);
		const known = this.#tokens.get(name);
		if (known !== undefined) return known;
		const token = `${name}-${this.#mac(name)}`;
		this.#keep(name, token, hop);
		return token;
	}

	/** The hop a token of ours names; `undefined` for any other text. `flow` finds flows by number. */
	hopOf(token: string, flow: (number: number) => Flow | undefined): Hop | undefined {
		const known = this.#hops.get(token);
		if (known !== undefined) return known;
		const cut = token.lastIndexOf("-");
		const name = token.slice(0, cut);
		const parts = name.split("-", 4);
		if (cut < 0 || parts.length !== 3 || token.length > 128) return undefined;
		if (!equalSecrets(token.slice(cut + 1), this.#mac(name))) return undefined;
		const found = flow(Number.parseInt(parts[0]!, 36));
		if (found === undefined) return undefined;
		const address = parts[2]!.split("_").join(":");
		const hop = found.hasManyRemotes ? new Hop(found, address, Number.parseInt(parts[1]!, 36)) : found.hop;
		this.#keep(name, token, hop);
		return hop;
	}

	/** True for a text that looks like a token; whether it is one says `hopOf`. */
	static isToken(text: string): boolean {
		return text.length > 2 * MAC_OCTETS && text.charCodeAt(text.length - 2 * MAC_OCTETS - 1) === 0x2d;
	}

	#keep(name: string, token: string, hop: Hop): void {
		if (this.#tokens.size >= this.#limit) {
			const oldest = this.#tokens.keys().next().value!;
			this.#hops.delete(this.#tokens.get(oldest)!);
			this.#tokens.delete(oldest);
		}
		this.#tokens.set(name, token);
		this.#hops.set(token, hop);
	}

	#mac(name: string): string {
		return toHex(this.#crypto.hmac("sha256", this.#key, textToOctets(`flow ${name}`)).subarray(0, MAC_OCTETS));
	}
}

function tokenName(hop: Hop): string {
	const flow = hop.flow.number.toString(36);
	if (!hop.flow.hasManyRemotes) return `${flow}-0-`;
	const address = hop.address.indexOf(":") < 0 ? hop.address : hop.address.split(":").join("_");
	return `${flow}-${hop.port.toString(36)}-${address}`;
}

/** Compares in a time that does not tell where they differ. */
export function equalSecrets(a: string, b: string): boolean {
	if (a.length !== b.length) return false;
	let difference = 0;
	for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
	return difference === 0;
}
