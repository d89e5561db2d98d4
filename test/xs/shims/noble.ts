/**
 * hal/noble for the suites in XS: keys, signatures and digests are made by the real hal/noble.ts in the process around the engine, since
 * in XS each signature costs some 30 ms. `test/xs/noble.test.ts` runs the real one in the engine.
 */
import type { Crypto, PrivateKey } from "../../../hal/hal.ts";
import { ask } from "../../../tools/xs-host/xs/ask.ts";

const KEY_SEED_OCTETS = 48;
const ECDSA_SHA256 = Object.freeze({ hash: 4, signature: 3 });

export function nobleCrypto(options: { readonly random: (count: number) => Uint8Array }): Crypto {
	const key = (head: Readonly<Record<string, unknown>>, bytes: Uint8Array): PrivateKey => {
		const made = ask(head, bytes);
		const pkcs8 = made.bytes.slice(0, made.head.pkcs8 as number);
		const spki = made.bytes.slice(pkcs8.length);
		return {
			spki,
			algorithm: ECDSA_SHA256,
			sign: (data) => ask({ op: "sign" }, pkcs8, data).bytes,
			exportPkcs8: () => pkcs8.slice(),
		};
	};
	return {
		random: (count) => options.random(count),
		hash: (name, data) => ask({ op: "hash", name }, data).bytes,
		hmac: (name, secret, data) => ask({ op: "hmac", name }, secret, data).bytes,
		generateKey: () => key({ op: "generate" }, options.random(KEY_SEED_OCTETS)),
		importKey: (pkcs8) => key({ op: "import" }, pkcs8),
		verify: (spki, algorithm, data, signature) =>
			ask({ op: "verify", hash: algorithm.hash, signature: algorithm.signature }, spki, data, signature).head.ok ===
			true,
	};
}
