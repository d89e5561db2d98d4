/**
 * NOT CRYPTOGRAPHY. Signatures of the right size that fail for a wrong key or wrong data, for tests of thousands of messages: anybody
 * who knows a public key could make them. Digests are real.
 */

import { createHash, createHmac } from "node:crypto";
import type { Crypto, PrivateKey } from "../../../../hal/hal.ts";

const SPKI_PREFIX = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");

export function fakeCrypto(random: (count: number) => Uint8Array): Crypto {
	const digest = (name: string, ...parts: Uint8Array[]): Uint8Array => {
		const hash = createHash(name);
		for (const part of parts) hash.update(part);
		return new Uint8Array(hash.digest());
	};
	/** DER SEQUENCE of two INTEGERs of 32 octets, as a P-256 signature is. */
	const sign = (spki: Uint8Array, data: Uint8Array): Uint8Array => {
		const r = digest("sha256", spki, data);
		const s = digest("sha256", r);
		r[0] = (r[0]! & 0x7f) | 0x40;
		s[0] = (s[0]! & 0x7f) | 0x40;
		return new Uint8Array([0x30, 68, 2, 32, ...r, 2, 32, ...s]);
	};
	const privateKey = (point: Uint8Array): PrivateKey => {
		const spki = new Uint8Array([...SPKI_PREFIX, 4, ...point]);
		return {
			spki,
			algorithm: { hash: 4, signature: 3 },
			sign: (data) => sign(spki, data),
			exportPkcs8: () => point,
		};
	};
	return {
		random,
		hash: (name, data) => digest(name, data),
		hmac: (name, key, data) => new Uint8Array(createHmac(name, key).update(data).digest()),
		generateKey: () => privateKey(random(64)),
		importKey: (pkcs8) => privateKey(pkcs8),
		verify: (spki, _algorithm, data, signature) => Buffer.compare(sign(spki, data), signature) === 0,
	};
}
