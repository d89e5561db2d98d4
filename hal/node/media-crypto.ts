/** The ciphers of SRTP and sealed records over node:crypto. Node makes an object for each packet; a device on a PC can afford it. */
import { createCipheriv, createHmac } from "node:crypto";
import type { AesCtr, HashName, HmacKey, MediaCrypto } from "../hal.ts";

/** The HAL's `MediaCrypto` over node:crypto. */
export function nodeMediaCrypto(): MediaCrypto {
	return {
		aesCtr: (key) => new NodeAesCtr(key),
		hmacKey: (name, key) => new NodeHmacKey(name, key),
	};
}

class NodeAesCtr implements AesCtr {
	readonly #key: Uint8Array;

	constructor(key: Uint8Array) {
		this.#key = key.slice();
	}

	apply(counter: Uint8Array, data: Uint8Array, from: number, to: number): void {
		if (from >= to) return;
		const part = data.subarray(from, to);
		part.set(createCipheriv("aes-128-ctr", this.#key, counter).update(part));
	}
}

class NodeHmacKey implements HmacKey {
	readonly #name: HashName;
	readonly #key: Uint8Array;

	constructor(name: HashName, key: Uint8Array) {
		this.#name = name;
		this.#key = key.slice();
	}

	digestInto(data: Uint8Array, from: number, to: number, out: Uint8Array): void {
		out.set(createHmac(this.#name, this.#key).update(data.subarray(from, to)).digest());
	}
}
