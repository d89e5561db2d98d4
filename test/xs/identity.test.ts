import { suiteInXs, suitesOf } from "./suite.ts";

/** Tests that need Node by nature; README.md says why. */
const NEED_NODE: Readonly<Record<string, readonly string[]>> = Object.freeze({
	"test/core/identity/certificate.test.ts": [
		"what is written > node:crypto reads the same names and verifies the chain",
		"what is written > openssl verifies CA, node and server certificates and finds nothing wrong with them",
		"what is written > openssl takes a self-signed certificate as what it is",
		"what is written > dates beyond 2049 and serial numbers: openssl agrees",
		"hostile octets > a sequence of thousands of empty elements is refused by its size",
	],
	"test/core/identity/pkcs10.test.ts": [
		"requests > openssl verifies it and reads the name",
		"requests > openssl's own request is read",
		"refused requests > a P-384 key",
	],
});

for (const file of suitesOf("test/core/identity")) await suiteInXs(file, NEED_NODE[file]);
