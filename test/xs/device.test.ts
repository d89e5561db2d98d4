import { suiteInXs, suitesOf } from "./suite.ts";

/** Left to Node: every story with every input lost, and random inputs; README.md says why. */
for (const file of suitesOf("test/core/device", ["fuzz.test.ts", "stories.test.ts"])) await suiteInXs(file);
