/** hal/node/crypto for the suites in XS: that of the process around the engine. */
import type { Crypto } from "../../../hal/hal.ts";
import { ask } from "../../../tools/xs-host/xs/ask.ts";
import { nobleCrypto } from "./noble.ts";

export function nodeCrypto(): Crypto {
	const crypto = nobleCrypto({ random: (count) => ask({ op: "random", count }).bytes });
	return {
		...crypto,
		verify: (spki, algorithm, data, signature) =>
			ask({ op: "verifyByNode", hash: algorithm.hash, signature: algorithm.signature }, spki, data, signature).head
				.ok === true,
	};
}
