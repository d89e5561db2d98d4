/** node:crypto for the tests' own helpers: digests, made by the process around the engine. Nothing else of it is here. */
import { concatBytes } from "../../../core/wire/bytes.ts";
import { ask } from "../../../tools/xs-host/xs/ask.ts";

interface Hash {
	update(data: Uint8Array | string): Hash;
	digest(): Uint8Array;
	digest(encoding: "hex"): string;
}

function collect(finish: (data: Uint8Array) => Uint8Array): Hash {
	const parts: Uint8Array[] = [];
	const hash = {
		update(data: Uint8Array | string): Hash {
			// A copy: who gives octets may change them afterwards.
			parts.push(typeof data === "string" ? new TextEncoder().encode(data) : data.slice());
			return hash as Hash;
		},
		digest(encoding?: "hex"): Uint8Array | string {
			const bytes = finish(concatBytes(...parts));
			return encoding === "hex" ? Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("") : bytes;
		},
	};
	return hash as Hash;
}

export function createHash(name: string): Hash {
	return collect((data) => ask({ op: "hash", name }, data).bytes);
}

export function createHmac(name: string, key: Uint8Array): Hash {
	return collect((data) => ask({ op: "hmac", name }, key, data).bytes);
}

/** A stream cipher, for one `update` only. */
export function createCipheriv(
	name: string,
	key: Uint8Array,
	iv: Uint8Array,
): { update(data: Uint8Array): Uint8Array } {
	let isUsed = false;
	return {
		update(data) {
			if (isUsed) throw new Error("one update only");
			isUsed = true;
			return ask({ op: "cipher", name }, key, iv, data).bytes;
		},
	};
}

export function randomBytes(count: number): Uint8Array {
	return ask({ op: "random", count }).bytes;
}
