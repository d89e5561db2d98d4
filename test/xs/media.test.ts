import { suiteInXs, suitesOf } from "./suite.ts";

/** Left to Node: minutes of sound; README.md says why. */
const LONG: Readonly<Record<string, readonly string[]>> = Object.freeze({
	"test/core/media/jitter.test.ts": [
		"loss > ",
		"jitter > of up to 10 ms",
		"jitter > of up to 60 ms",
		"jitter > a burst",
	],
});

for (const file of suitesOf("test/core/media")) await suiteInXs(file, LONG[file]);
