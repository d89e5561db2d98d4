import { suiteInXs, suitesOf } from "./suite.ts";

/** Tests that need Node by nature; README.md says why. */
const NEED_NODE: Readonly<Record<string, readonly string[]>> = Object.freeze({
	"test/core/usages/names.test.ts": ["domain patterns > anchored JavaScript expressions of the same language agree"],
});

for (const file of suitesOf("test/core/usages")) await suiteInXs(file, NEED_NODE[file]);
