import { suiteInXs, suitesOf } from "./suite.ts";

/** Tests that need Node by nature; README.md says why. */
const NEED_NODE: Readonly<Record<string, readonly string[]>> = Object.freeze({
	"test/core/link/deframer.test.ts": [
		"messages above max-message-size (RFC 6940 §6.6) > memory grows with what arrives, not with what a length promises",
	],
	"test/core/link/link.test.ts": [
		"the hot path: 200 frames of a 64 KiB chunk are pulled, acknowledged and forwarded without an allocation per message",
	],
	"test/core/link/parts.test.ts": ["the output buffer > joins everything that waits, in order, whatever the sizes"],
});

for (const file of suitesOf("test/core/link")) await suiteInXs(file, NEED_NODE[file]);
