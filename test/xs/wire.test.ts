import { suiteInXs, suitesOf } from "./suite.ts";

/** Tests that need Node by nature; README.md says why. */
const NEED_NODE: Readonly<Record<string, readonly string[]>> = Object.freeze({
	"test/core/wire/bytes.test.ts": ["UTF-8 > encodes as TextEncoder does, lone surrogates included"],
	"test/core/wire/forwarding-view.test.ts": ["forwarding allocates nothing"],
});

for (const file of suitesOf("test/core/wire")) await suiteInXs(file, NEED_NODE[file]);
